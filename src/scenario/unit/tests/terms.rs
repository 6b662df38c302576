//! The units of terms: how often, how much of it, for how long, where.

use super::*;

#[test]
fn rates_of_people_and_counts_per_period() {
    check(
        Unit::Frequency,
        &["40/month", "1.5/day", "100/year", "0/day", "40/h", "40", "40/d", "1M/day", "9000000M/day"],
        &expect![[r#"
            40/month = Rate(Rate { events: 40, per: Span(2629746000000000) })
            1.5/day = Rate(Rate { events: 3, per: Span(172800000000000) })
            100/year = Rate(Rate { events: 100, per: Span(31556952000000000) })
            a rate of zero asks for nobody at all; write a rate above zero
            unknown unit `/h` in `40/h`; write a number per `day`, `month` or `year`, such as `40/month`
            `40` is not a rate; write a number per `day`, `month` or `year`, such as `40/month`
            unknown unit `/d` in `40/d`; days of a rate are `/day`
            1M/day = Rate(Rate { events: 1000000, per: Span(86400000000000) })
            `9000000M/day` is more than can be played; write a smaller rate
        "#]],
    );
    check(
        Unit::CountPer(Period::Month),
        &["10/month", "10/day", "10", "0/month", "1.5/month", "2M/month", "10/week"],
        &expect![[r#"
            10/month = Quantity(10)
            `10/day` is not a number per period; write a number per month, such as `10/month`
            `10` is not a number per period; write a number per month, such as `10/month`
            `0` in `0/month` is less than 1; write 1 to 1M
            `1.5` in `1.5/month` is not a whole number; write a number per month, such as `10/month`
            `2M` in `2M/month` is more than 1M; write 1 to 1M
            unknown period `week` in `10/week`; write a number per month, such as `10/month`
        "#]],
    );
    check(
        Unit::ChancePerMonth,
        &["3%/month", "0%/month", "3%", "3%/day", "300%/month", "3/month"],
        &expect![[r#"
        3%/month = Chance(Chance(553402322211286548))
        0%/month = Chance(Chance(0))
        `3%` is not a percentage per month; write 0 to 100, a percent sign and `/month`, such as `3%/month`
        `3%/day` is not a percentage per month; write 0 to 100, a percent sign and `/month`, such as `3%/month`
        `300%` in `300%/month` is more than `100%`; write 0 to 100, a percent sign and `/month`, such as `3%/month`
        `3/month` is not a percentage per month; write 0 to 100, a percent sign and `/month`, such as `3%/month`
    "#]],
    );
}

#[test]
fn shares_commissions_and_numbers() {
    check(
        Unit::Share,
        &["20%", "33.3%", "100%", "101%", "0.2"],
        &expect![[r#"
        20% = Share(Share { parts: 20, of: 100 })
        33.3% = Share(Share { parts: 333, of: 1000 })
        100% = Share(Share { parts: 100, of: 100 })
        `101%` is more than `100%`; write 0 to 100 and a percent sign, such as `8%`
        `0.2` is not a percentage; write 0 to 100 and a percent sign, such as `8%`
    "#]],
    );
    check(
        Unit::Commission,
        &[
            "2.9% + $0.30",
            "2.9%",
            "$0.30",
            "$0.30 + 2.9%",
            "2.9%+$0.30",
            "2.9 + $0.30",
            "2.9% + 0.30",
            "101% + $1",
            "x",
        ],
        &expect![[r#"
            2.9% + $0.30 = Commission(Commission { share: Share { parts: 29, of: 1000 }, fixed: Money(300000000) })
            2.9% = Commission(Commission { share: Share { parts: 29, of: 1000 }, fixed: Money(0) })
            $0.30 = Commission(Commission { share: Share { parts: 0, of: 1 }, fixed: Money(300000000) })
            `$0.30 + 2.9%` is not a share and an amount; write a share and an amount, such as `2.9% + $0.30`, or one of the two
            `2.9%+$0.30` is not a share and an amount; write a share and an amount, such as `2.9% + $0.30`, or one of the two
            `2.9 + $0.30` is not a share and an amount; write a share and an amount, such as `2.9% + $0.30`, or one of the two
            `2.9% + 0.30` names no currency; write `2.9% + $0.30`
            `101%` in `101% + $1` is more than `100%`; write a share and an amount, such as `2.9% + $0.30`, or one of the two
            `x` is not a share and an amount; write a share and an amount, such as `2.9% + $0.30`, or one of the two
        "#]],
    );
    check(
        Unit::Number(Least::AboveZero),
        &["1.5", "0.01", "1000", "0", "1001", "-1", "1k", "1e3"],
        &expect![[r#"
        1.5 = Number(1.5)
        0.01 = Number(0.01)
        1000 = Number(1000.0)
        `0` is less than 0.01; write 0.01 to 1000
        `1001` is more than 1000; write a number up to 1000, such as `1.5`
        `-1` is negative; write a number up to 1000, such as `1.5`
        `1k` is not a number; write a number up to 1000, such as `1.5`
        `1e3` is written with an exponent; write the digits, with `k` for thousands and `M` for millions
    "#]],
    );
    check(
        Unit::Number(Least::Zero),
        &["0", "0.5"],
        &expect![[r#"
        0 = Number(0.0)
        0.5 = Number(0.5)
    "#]],
    );
    check(
        Unit::Spread,
        &["even", "zipf(1.0)", "zipf(0)", "zipf", "zipf(x)", "uneven"],
        &expect![[r#"
            even = HandOut(Even)
            zipf(1.0) = HandOut(Zipf { exponent: 1.0 })
            `0` in `zipf(0)` is less than 0.01; write 0.01 to 1000
            `zipf` is not a way to spread rows; write `even`, or `zipf(1.0)`
            `zipf(x)` is not a way to spread rows; write `even`, or `zipf(1.0)`
            `uneven` is not a way to spread rows; write `even`, or `zipf(1.0)`
        "#]],
    );
}

#[test]
fn lengths_may_be_nothing_where_that_means_something() {
    check(
        Unit::Length(Least::Zero),
        &["0d", "14d", "0mo", "12mo", "1y", "14", "14M"],
        &expect![[r#"
        0d = Length(Exact(Span(0)))
        14d = Length(Exact(Span(1209600000000000)))
        0mo = Length(Months(0))
        12mo = Length(Months(12))
        1y = Length(Months(12))
        `14` has no unit of time; write a number and one of `s`, `m`, `h`, `d`, `mo`, `y`, such as `30d` or `1mo`
        `14M` is not a duration; `M` is millions, and only in quantities: minutes are `m`
    "#]],
    );
}

#[test]
fn paths_zones_and_facts() {
    check(
        Unit::Path,
        &["/", "/v1/chat/completions", "/v1/{id}", "v1", "/a b", "/a?b=1", "/a#b", "/é", ""],
        &expect![[r#"
            / = Text("/")
            /v1/chat/completions = Text("/v1/chat/completions")
            /v1/{id} = Text("/v1/{id}")
            `v1` is not the path of a route; write a path from the first `/` on, without spaces, such as `/v1/search`
            `/a b` is not the path of a route; write a path from the first `/` on, without spaces, such as `/v1/search`
            `/a?b=1` is not the path of a route; write a path from the first `/` on, without spaces, such as `/v1/search`
            `/a#b` is not the path of a route; write a path from the first `/` on, without spaces, such as `/v1/search`
            `/é` is not the path of a route; write a path from the first `/` on, without spaces, such as `/v1/search`
            `` is not the path of a route; write a path from the first `/` on, without spaces, such as `/v1/search`
        "#]],
    );
    check(
        Unit::Bool,
        &["true", "false", "yes", "True", ""],
        &expect![[r#"
        true = Bool(true)
        false = Bool(false)
        `yes` is not `true` or `false`; write `true` or `false`
        `True` is not `true` or `false`; write `true` or `false`
        `` is not `true` or `false`; write `true` or `false`
    "#]],
    );
    for (zone, help) in [
        ("UTC", None),
        ("America/New_York", None),
        ("Etc/GMT+1", None),
        ("New_York", Some("did you mean `America/New_York`?")),
        ("america/new_york", Some("did you mean `America/New_York`?")),
        ("America/New_Yrok", Some("did you mean `America/New_York`?")),
        ("Amerika/Paris", Some("did you mean `Europe/Paris`?")),
        ("Nowhere", Some("write a name of the tz database, such as `America/New_York`, or `UTC`")),
    ] {
        let found = Unit::Zone.parse(zone, None).err().map(|complaint| complaint.help);
        assert_eq!(found.as_deref(), help, "{zone}");
    }
}

/// A currency of large numbers has six decimals, and a sign of its own.
#[test]
fn money_of_a_coarser_scale() {
    let parse = |text: &str| Unit::Money.parse(text, Currency::from_code("JPY"));
    assert!(matches!(parse("¥1_200.5"), Ok(Value::Money(money)) if money.nanos() == 1_200_500_000));
    assert!(matches!(parse("1200 JPY"), Ok(Value::Money(money)) if money.nanos() == 1_200_000_000));
    let complaint = parse("¥0.0000001").unwrap_err();
    assert_eq!(complaint.help, "write at most six decimals");
    assert_eq!(parse("₩5").unwrap_err().help, "write `¥5`");
}
