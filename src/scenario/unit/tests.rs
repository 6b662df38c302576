//! Units, one table each: what a text means, and what is said of one that means nothing.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots with them")]

use expect_test::{Expect, expect};

use super::*;

mod terms;

/// One line per text: its value, or what is wrong and what to write.
fn check(unit: Unit, texts: &[&str], expected: &Expect) {
    let mut lines = String::new();
    for text in texts {
        let line = match unit.parse(text, Currency::from_code("USD")) {
            Ok(value) => format!("{text} = {value:?}"),
            Err(Complaint { message, help, .. }) => format!("{message}; {help}"),
        };
        lines += &line;
        lines.push('\n');
    }
    expected.assert_eq(&lines);
}

#[test]
fn quantities_are_whole_and_bounded() {
    let count = Unit::Quantity(Bounds { least: 1, most: 100_000_000 });
    check(
        count,
        &[
            "400", "1_000", "10k", "2.5M", "1.0", "0", "200M", "2.5", "-5", "1e9", "1,000", "5m", "5K", "2G", "0x10",
            "NaN", ".inf", "ten", "",
        ],
        &expect![[r#"
            400 = Quantity(400)
            1_000 = Quantity(1000)
            10k = Quantity(10000)
            2.5M = Quantity(2500000)
            1.0 = Quantity(1)
            `0` is less than 1; write 1 to 100M
            `200M` is more than 100M; write 1 to 100M
            `2.5` is not a whole number; write digits, such as `400`, `10k`, `2.5M` or `1_000`
            `-5` is negative; write digits, such as `400`, `10k`, `2.5M` or `1_000`
            `1e9` is written with an exponent; write the digits, with `k` for thousands and `M` for millions
            `1,000` has a comma in it; write `1_000`, or `1k`
            `5m` is not a whole number; `m` is minutes, and only in durations: millions are `M`
            `5K` is not a whole number; thousands are `k`
            `2G` is not a whole number; the largest multiple is `M`, millions
            `0x10` is not a whole number; write digits, such as `400`, `10k`, `2.5M` or `1_000`
            `NaN` is not a whole number; write digits, such as `400`, `10k`, `2.5M` or `1_000`
            `.inf` is not a whole number; write digits, such as `400`, `10k`, `2.5M` or `1_000`
            `ten` is not a whole number; write digits, such as `400`, `10k`, `2.5M` or `1_000`
            `` is not a whole number; write digits, such as `400`, `10k`, `2.5M` or `1_000`
        "#]],
    );
}

#[test]
fn durations_are_exact_and_hint_at_the_other_m() {
    check(
        Unit::Duration(Least::AboveZero),
        &["250ms", "1.5h", "5m", "7d", "0s", "30", "5M", "1mo", "5min", "0.0000001ms", "11y", "9999d", "-1d"],
        &expect![[r#"
            250ms = Duration(Span(250000000))
            1.5h = Duration(Span(5400000000000))
            5m = Duration(Span(300000000000))
            7d = Duration(Span(604800000000000))
            `0s` is no time at all; write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`
            `30` has no unit of time; write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`
            `5M` is not a duration; `M` is millions, and only in quantities: minutes are `m`
            `1mo` is not a duration; months and years differ in length: write days, such as `30d`
            `5min` is not a duration; write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`
            `0.0000001ms` is finer than a nanosecond; write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`
            `11y` is not a duration; months and years differ in length: write days, such as `30d`
            `9999d` is longer than ten years; write at most `3652d`
            `-1d` is negative; write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`
        "#]],
    );
    check(
        Unit::Length(Least::AboveZero),
        &["30d", "1mo", "10y", "11y", "1.5mo", "0d", "5M", "4000d"],
        &expect![[r#"
            30d = Length(Exact(Span(2592000000000000)))
            1mo = Length(Months(1))
            10y = Length(Months(120))
            `11y` is longer than ten years; write at most `3652d`
            `1.5mo` is not a whole number of months or years; write days, such as `45d`
            `0d` is no time at all; write a number and one of `s`, `m`, `h`, `d`, `mo`, `y`, such as `30d` or `1mo`
            `5M` is not a duration; `M` is millions, and only in quantities: minutes are `m`
            `4000d` is longer than ten years; write at most `3652d`
        "#]],
    );
}

#[test]
fn rates_reduce_and_refuse_months() {
    check(
        Unit::Rate,
        &[
            "400/day",
            "20/s",
            "2k/s",
            "0.5/min",
            "0/s",
            "20",
            "20/m",
            "400/month",
            "1/d",
            "1/week",
            "x/s",
            "0.000000000001/day",
            "99999999999999999999M/s",
        ],
        &expect![[r#"
            400/day = Rate(Rate { events: 400, per: Span(86400000000000) })
            20/s = Rate(Rate { events: 20, per: Span(1000000000) })
            2k/s = Rate(Rate { events: 2000, per: Span(1000000000) })
            0.5/min = Rate(Rate { events: 1, per: Span(120000000000) })
            0/s = Rate(Rate { events: 0, per: Span(1000000000) })
            `20` is not a rate; write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`
            unknown unit `/m` in `20/m`; minutes of a rate are `/min`
            unknown unit `/month` in `400/month`; months differ in length: write the calls per day, such as `400/day`
            unknown unit `/d` in `1/d`; days of a rate are `/day`
            unknown unit `/week` in `1/week`; write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`
            `x/s` is not a rate; write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`
            `0.000000000001/day` has too many decimals for its unit; write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`
            `99999999999999999999M/s` is more than a rate can be; write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`
        "#]],
    );
}

#[test]
fn money_is_in_the_scenarios_currency_and_exact_to_the_nano() {
    check(
        Unit::Money,
        &[
            "$49",
            "$0.0006",
            "$35k",
            "$1_000.50",
            "49 USD",
            "49",
            "€49",
            "12 EUR",
            "12EUR",
            "-$5",
            "$-5",
            "$",
            "$1e999",
            "$0.0000000001",
            "$999M",
            "$49/month",
        ],
        &expect![[r#"
            $49 = Money(Money(49000000000))
            $0.0006 = Money(Money(600000))
            $35k = Money(Money(35000000000000))
            $1_000.50 = Money(Money(1000500000000))
            49 USD = Money(Money(49000000000))
            `49` names no currency; write `$49`
            `€49` is in EUR, and the scenario in USD; write `$49`
            `12 EUR` is in EUR, and the scenario in USD; write `$12`
            `12EUR` is not an amount of money; write an amount in the scenario's currency, such as `$10` or `10 CHF`
            `-$5` is negative; write an amount in the scenario's currency, such as `$10` or `10 CHF`
            `$-5` is negative; write an amount in the scenario's currency, such as `$10` or `10 CHF`
            `$` is not an amount of money; write an amount in the scenario's currency, such as `$10` or `10 CHF`
            `$1e999` is written with an exponent; write the digits, with `k` for thousands and `M` for millions
            `$0.0000000001` is finer than 10⁻⁹ of the currency's unit; write at most nine decimals
            `$999M` is more than 922M; write a smaller amount: those beyond are not kept exactly
            `$49/month` is not an amount of money; write an amount in the scenario's currency, such as `$10` or `10 CHF`
        "#]],
    );
    check(
        Unit::Fee,
        &["$49/month", "49 USD/year", "$0/day", "$49", "$49/mo", "$49/week", "49/month", "oops"],
        &expect![[r#"
            $49/month = Fee(Fee { amount: Money(49000000000), period: Month })
            49 USD/year = Fee(Fee { amount: Money(49000000000), period: Year })
            $0/day = Fee(Fee { amount: Money(0), period: Day })
            `$49` has no period; write an amount per `day`, `month` or `year`, such as `$49/month`
            unknown period `mo` in `$49/mo`; write an amount per `day`, `month` or `year`, such as `$49/month`
            unknown period `week` in `$49/week`; write an amount per `day`, `month` or `year`, such as `$49/month`
            `49/month` names no currency; write `$49/month`
            `oops` is not an amount per period; write an amount per `day`, `month` or `year`, such as `$49/month`
        "#]],
    );
    check(
        Unit::Price,
        &[
            "$0.001",
            "$2.50 per 1M",
            "$0.0375 per 1M",
            "$0.0000000001",
            "0.00000000025 USD",
            "$0.0000000001 per 10",
            "$1 per 0",
            "$1 per",
            "free",
        ],
        &expect![[r#"
            $0.001 = Price(UnitPrice { amount: Money(1000000), per: 1 })
            $2.50 per 1M = Price(UnitPrice { amount: Money(2500000000), per: 1000000 })
            $0.0375 per 1M = Price(UnitPrice { amount: Money(37500000), per: 1000000 })
            `$0.0000000001` is finer than 10⁻⁹ of the currency's unit; write it per package: `$0.0001 per 1M`
            `0.00000000025 USD` is finer than 10⁻⁹ of the currency's unit; write it per package: `0.00025 USD per 1M`
            `$0.0000000001 per 10` is finer than 10⁻⁹ of the currency's unit; write at most nine decimals
            `0` in `$1 per 0` is less than 1; write 1 to 1000000000M
            `$1 per` is not a price; write the price of a unit, such as `$0.001`, or of many: `$2.50 per 1M`
            `free` is not a price; write the price of a unit, such as `$0.001`, or of many: `$2.50 per 1M`
        "#]],
    );
}

#[test]
fn chances_allowances_dates_and_clocks() {
    check(
        Unit::Chance,
        &["8%", "8.25%", "0%", "100%", "100.1%", "8", "8 %", "-1%"],
        &expect![[r#"
        8% = Chance(Chance(1475739525896764129))
        8.25% = Chance(Chance(1521856386081038008))
        0% = Chance(Chance(0))
        100% = Chance(Chance(18446744073709551616))
        `100.1%` is more than `100%`; write 0 to 100 and a percent sign, such as `8%`
        `8` is not a percentage; write 0 to 100 and a percent sign, such as `8%`
        `8 %` is not a percentage; write 0 to 100 and a percent sign, such as `8%`
        `-1%` is negative; write 0 to 100 and a percent sign, such as `8%`
    "#]],
    );
    check(
        Unit::Allowance,
        &["10k", "10k/month", "0", "1.5", "10k/mo", "10/hour"],
        &expect![[r#"
        10k = Allowance(Allowance { units: 10000, period: None })
        10k/month = Allowance(Allowance { units: 10000, period: Some(Month) })
        0 = Allowance(Allowance { units: 0, period: None })
        `1.5` is not a whole number; write a quantity, such as `10k`, or `10k/month`
        unknown period `mo` in `10k/mo`; write a quantity, such as `10k`, or `10k/month`
        unknown period `hour` in `10/hour`; write a quantity, such as `10k`, or `10k/month`
    "#]],
    );
    check(
        Unit::Moment,
        &[
            "2026-03-01",
            "2026-02-29",
            "2026-3-1",
            "20260301",
            "2026-03-01T00:00:00Z",
            "2026-03-01T23:59:59Z",
            "2026-03-01T24:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-03-01T14:23:05",
            "2026-03-01T14:23Z",
            "2026-03-01T14:23:05.5Z",
            "2026-03-01T14:23:05+02:00",
            "2026-03-01 14:23:05Z",
        ],
        &expect![[r#"
            2026-03-01 = Moment(2026-03-01T00:00:00)
            `2026-02-29` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-3-1` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `20260301` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            2026-03-01T00:00:00Z = Moment(2026-03-01T00:00:00)
            2026-03-01T23:59:59Z = Moment(2026-03-01T23:59:59)
            `2026-03-01T24:00:00Z` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-02-29T12:00:00Z` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-03-01T14:23:05` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-03-01T14:23Z` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-03-01T14:23:05.5Z` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-03-01T14:23:05+02:00` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
            `2026-03-01 14:23:05Z` is not a date, or a moment in UTC; write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`
        "#]],
    );
    check(
        Unit::Clock,
        &["1h per 1s", "1d per 500ms", "1h", "1h per 0s", "1M per 1s", "1mo per 1s"],
        &expect![[r#"
            1h per 1s = Clock(Clock { billing_ns: 3600000000000, traffic_ns: 1000000000 })
            1d per 500ms = Clock(Clock { billing_ns: 86400000000000, traffic_ns: 500000000 })
            `1h` is not a pace of the billing clock; write how far it goes in what time of the wall, such as `1h per 1s`
            `0s` in `1h per 0s` is no time at all; write how far it goes in what time of the wall, such as `1h per 1s`
            `1M per 1s` is not a pace of the billing clock; `M` is millions, and only in quantities: minutes are `m`
            `1mo per 1s` is not a pace of the billing clock; months and years differ in length: write days, such as `30d`
        "#]],
    );
}

#[test]
fn closed_sets_suggest() {
    static KINDS: Choice = Choice { words: &["token_bucket", "fixed_window"], unsupported: &["fixed_window"] };
    check(
        Unit::Choice(&KINDS),
        &["token_bucket", "token-bucket", "fixed_window", "gcra"],
        &expect![[r#"
            token_bucket = Choice("token_bucket")
            unknown word `token-bucket`; did you mean `token_bucket`?
            fixed_window = Choice("fixed_window")
            unknown word `gcra`; write one of `token_bucket`, `fixed_window`
        "#]],
    );
    check(
        Unit::Currency,
        &["USD", "usd", "JPY", "US dollars"],
        &expect![[r#"
            USD = Currency(Currency { code: "USD", sign: "$", exponent: 2, scale: 1000000000 })
            `usd` is not a currency that scenarios can be in; did you mean `USD`?
            JPY = Currency(Currency { code: "JPY", sign: "¥", exponent: 0, scale: 1000000 })
            `US dollars` is not a currency that scenarios can be in; write one of `USD`, `EUR`, `GBP`, `CHF`, `CAD`, `AUD`, `KWD`, `JPY`, `KRW`, `IDR`
        "#]],
    );
    check(
        Unit::Name,
        &["quota-cut", "a b", "", "é", "../x"],
        &expect![[r#"
        quota-cut = Text("quota-cut")
        `a b` is not a name; write 1 to 64 letters, digits, `-` or `_`
        `` is not a name; write 1 to 64 letters, digits, `-` or `_`
        `é` is not a name; write 1 to 64 letters, digits, `-` or `_`
        `../x` is not a name; write 1 to 64 letters, digits, `-` or `_`
    "#]],
    );
}
