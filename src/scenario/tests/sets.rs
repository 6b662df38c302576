//! Grids: which keys take which values, what they are read as, and what is said of those that are wrong.

use super::*;

const FILE: &str = "\
scenario: grid
horizon: 30d
plans:
  pro:
    fee: $49/month
    includes: { requests: 100k }
    past_allowance: block
    limits: [ { requests: 2/s, kind: token_bucket } ]
  free: { includes: { requests: 100/month }, past_allowance: block }
consumers:
  apps: { count: 8, plan: pro, churn: 2%/month, traffic: { rate: 900/day }, reacts: [] }
upstreams: { api: { latency: 30ms } }
variants:
  cheap: { plans: { pro: { fee: $9/month } } }
";

fn grid_of(variant: Option<&str>, options: &[&str]) -> Result<Grid, GridError> {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    Grid::parse("grid.yaml", FILE, Path::new(""), variant, &options)
}

fn grid(options: &[&str]) -> Grid {
    grid_of(None, options).unwrap_or_else(|error| panic!("{error:?}"))
}

fn values(option: &str) -> String {
    let grid = grid(&[option]);
    let texts: Vec<&str> = grid.axes[0].values.iter().map(|value| value.text.as_str()).collect();
    assert!((0..grid.points()).all(|point| grid.check(point).is_right), "{option}");
    format!("{}: {} own {:?}", grid.axes[0].path, texts.join(" | "), grid.axes[0].own)
}

/// All that is said of options, of the first points that are wrong too.
fn said(options: &[&str]) -> String {
    let rejected = match grid_of(None, options) {
        Err(GridError::Options(rejected)) => rejected,
        Err(GridError::Scenario(error)) => panic!("{error:?}"),
        Ok(grid) => {
            let checked = (0..grid.points()).map(|point| grid.check(point)).collect();
            grid.said(checked).expect_err("these options are wrong")
        }
    };
    let rendered = rejected.diagnostics.iter().map(|found| rejected.source.render(found, Styled::Plain) + "\n");
    rendered.collect::<Vec<_>>().join("\n")
}

// === What is read ===

/// A number has the sign and the unit that the file has there; a value that may stand as it is, stands so.
#[test]
fn values_are_those_of_the_file_format() {
    for (option, expected) in [
        ("plans.pro.fee=39..59:10", "plans.pro.fee: $39/month | $49/month | $59/month own Some(1)"),
        ("plans.pro.fee=$39,$49.00/month", "plans.pro.fee: $39/month | $49.00/month own Some(1)"),
        ("plans.pro.fee=$1.1k/year", "plans.pro.fee: $1.1k/year own None"),
        ("plans.pro.includes.requests=50k,100_000", "plans.pro.includes.requests: 50k | 100_000 own Some(1)"),
        ("plans.pro.includes.requests=1k..3k:1k,1M", "plans.pro.includes.requests: 1k | 2k | 3k | 1M own None"),
        (
            "plans.free.includes.requests=50,2/day,0.1k",
            "plans.free.includes.requests: 50/month | 2/day | 0.1k/month own Some(2)",
        ),
        ("consumers.apps.churn=0..4:2", "consumers.apps.churn: 0%/month | 2%/month | 4%/month own Some(1)"),
        (
            "consumers.apps.traffic.rate=100..300:100",
            "consumers.apps.traffic.rate: 100/day | 200/day | 300/day own None",
        ),
        ("plans.pro.grace=0s,7d", "plans.pro.grace: 0s | 7d own Some(0)"),
        ("plans.pro.spend_cap=~,$500/month", "plans.pro.spend_cap: ~ | $500/month own Some(0)"),
        (
            "plans.pro.past_allowance=block, { throttle: 1/s }",
            "plans.pro.past_allowance: block | { throttle: 1/s } own Some(0)",
        ),
        ("plans.pro.limits.0.requests=1/s,2/s", "plans.pro.limits.0.requests: 1/s | 2/s own Some(1)"),
        (
            "plans.pro.limits=[],[{ in_flight: 3, kind: concurrency }]",
            "plans.pro.limits: [] | [{ in_flight: 3, kind: concurrency }] own None",
        ),
        (" plans . \"pro\" . fee = '$39/month' ", "plans.pro.fee: $39/month own None"),
        ("payments.dunning.retries=[1d],[1d, 3d]", "payments.dunning.retries: [1d] | [1d, 3d] own None"),
    ] {
        assert_eq!(values(option), expected);
    }
}

#[test]
fn a_point_is_the_file_with_other_values() {
    let grid =
        grid(&["plans.pro.fee=39,49", "plans.pro.includes.requests=50k,100k", "plans.pro.limits.0.requests=5/s,~"]);
    assert_eq!(grid.points(), 8);
    assert_eq!(grid.name(5), "plans.pro.fee=$49/month, plans.pro.includes.requests=50k, plans.pro.limits.0.requests=~");
    let scenario = grid.scenario(2);
    let pro = &scenario.plans[0];
    assert_eq!((pro.fee, pro.allowance[0]), (Money::from_nanos(39_000_000_000), Some(100_000)));
    assert_eq!((scenario.name.as_str(), &scenario.fingerprint), ("grid", &grid.base.scenario.fingerprint));
    let base = format!("{:?}", grid.base.scenario);
    let own = self::grid(&["plans.pro.fee=39,49", "plans.pro.includes.requests=100k"]);
    assert_eq!(format!("{:?}", own.scenario(1)), base);
}

#[test]
fn a_variant_is_swept_as_it_is() {
    let grid = grid_of(Some("cheap"), &["plans.pro.fee=9,19"]).unwrap();
    assert_eq!((grid.axes[0].own, grid.axes[0].written.as_deref()), (Some(0), Some("$9/month")));
    assert_eq!(grid.scenario(1).name, "grid-cheap");
}

/// A trace may be gigabytes: it is read for the file, and for no point again, not even if it is gone.
#[test]
fn files_beside_the_scenario_are_read_once() {
    let folder = std::env::temp_dir().join(format!("farebox-grid-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("t.csv"), "at\n2026-01-01T00:00:00Z\n2026-01-01T00:00:05Z\n").unwrap();
    let text = FILE.replace("{ rate: 900/day }", "{ trace: t.csv, columns: { time: at } }");
    let grid = Grid::parse("grid.yaml", &text, &folder, None, &["plans.pro.fee=39..59:5".to_owned()]).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for point in 0..grid.points() {
        assert!(grid.check(point).is_right);
        assert!(matches!(&grid.scenario(point).cohorts[0].arrivals, Arrivals::Trace(trace) if trace.rows.len() == 2));
    }
}

// === What is wrong ===

#[test]
fn what_is_no_setting_says_so() {
    expect![[r#"
        error: `plans.pro.fee` is set to nothing
         --> --set:1:1
          |
        1 | plans.pro.fee
          | ^^^^^^^^^^^^^
          |
          = help: write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`

        error: a key is empty here
         --> --set:1:1
          |
        1 | =39
          | ^
          |
          = help: write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`

        error: a key is empty here
         --> --set:1:7
          |
        1 | plans..fee=39
          |       ^
          |
          = help: write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`

        error: the quotation mark is not closed
         --> --set:1:1
          |
        1 | "plans.pro=39
          | ^^^^^^^^^^^^^
          |
          = help: write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`

        error: after the quotation mark comes `.` or `=`
         --> --set:1:8
          |
        1 | "plans"x=39
          |        ^
          |
          = help: write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`

        error: a value is missing here
         --> --set:1:18
          |
        1 | plans.pro.fee=39,,49
          |                  ^
          |
          = help: write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`

        error: the range `39..79` has no step
         --> --set:1:15
          |
        1 | plans.pro.fee=39..79
          |               ^^^^^^
          |
          = help: write `from..to:step`, such as `39..79:5` or `10k..100k:10k`

        error: the range `79..39:5` is empty: it ends below where it begins
         --> --set:1:15
          |
        1 | plans.pro.fee=79..39:5
          |               ^^^^^^^^
          |
          = help: write `39..79:5`

        error: the `{` is not closed
         --> --set:1:19
          |
        1 | plans.pro.limits=[{
          |                   ^
          |
          = help: close it

        error: this is not valid YAML: while parsing a node, did not find expected node content
         --> --set:1:18
          |
        1 | plans.pro.limits=[{]}, 'x'
          |                  ^^^^
          |
          = help: write it as in the scenario, in braces
    "#]]
    .assert_eq(&said(&[
        "plans.pro.fee",
        "=39",
        "plans..fee=39",
        "\"plans.pro=39",
        "\"plans\"x=39",
        "plans.pro.fee=39,,49",
        "plans.pro.fee=39..79",
        "plans.pro.fee=79..39:5",
        "plans.pro.limits=[{",
        "plans.pro.limits=[{]}, 'x'",
    ]));
}

#[test]
fn a_path_that_leads_nowhere_is_told_with_the_nearest_that_does() {
    expect![[r#"
        error: there is no key `feee` in `pro`
         --> --set:1:11
          |
        1 | plans.pro.feee=39
          |           ^^^^
          |
          = help: did you mean `fee`?

        error: there is no key `plan` in the scenario
         --> --set:1:1
          |
        1 | plan.pro.fee=39
          | ^^^^
          |
          = help: did you mean `plans`?

        error: there is no `prro` in `plans`
         --> --set:1:7
          |
        1 | plans.prro.fee=39
          |       ^^^^
          |
          = help: did you mean `pro`?

        error: `fee` is a single value, and has no keys
         --> --set:1:15
          |
        1 | plans.pro.fee.amount=39
          |               ^^^^^^
          |
          = help: end the path there

        error: there is no `1` in the list `limits`
         --> --set:1:18
          |
        1 | plans.pro.limits.1.requests=1/s
          |                  ^
          |
          = help: its one item is `0`

        error: there is no `0` in the list `reacts`
         --> --set:1:23
          |
        1 | consumers.apps.reacts.0.chance=5%
          |                       ^
          |
          = help: the scenario has none there

        error: `seed` is the same at every point
         --> --set:1:1
          |
        1 | seed=1..3:1
          | ^^^^
          |
          = help: write `--seed N`: all points draw from the same seed, so that they meet the same demand

        error: `variants` is the same at every point
         --> --set:1:1
          |
        1 | variants.cheap=1
          | ^^^^^^^^
          |
          = help: choose one with `--variant NAME`, and set the keys that it overlays

        error: `live` is the same at every point
         --> --set:1:1
          |
        1 | live.rate=1/s
          | ^^^^
          |
          = help: a sweep loads nothing: `farebox simulate` and a sweep pass over `live`

        error: there is no key `zzz` in `pro`
         --> --set:1:11
          |
        1 | plans.pro.zzz=1
          |           ^^^
          |
          = help: the keys here are `fee`, `trial`, `includes`, `rollover`, `past_allowance`, `overage`, `limits`, `prepaid`, `prices`, `pay_per_request`, `minimum`, `spend_cap` and 2 more
    "#]].assert_eq(&said(&[
        "plans.pro.feee=39",
        "plan.pro.fee=39",
        "plans.prro.fee=39",
        "plans.pro.fee.amount=39",
        "plans.pro.limits.1.requests=1/s",
        "consumers.apps.reacts.0.chance=5%",
        "seed=1..3:1",
        "variants.cheap=1",
        "live.rate=1/s",
        "plans.pro.zzz=1",
    ]));
}

#[test]
fn keys_are_set_once() {
    expect![[r#"
        error: `plans.pro.fee` is set twice
         --> --set:1:1
          |
        1 | plans.pro.fee=49
          | ^^^^^^^^^^^^^^^^
          |
         ::: --set:1:1
          |
        1 | plans.pro.fee=39,39,$39/month
          | ----------------------------- first set here
          |
          = help: write all of its values in one `--set`

        error: `plans.pro.fee` and `plans.pro` are parts of each other, and both are set
         --> --set:1:1
          |
        1 | plans.pro={ fee: $9/month }
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: --set:1:1
          |
        1 | plans.pro.fee=39,39,$39/month
          | ----------------------------- first set here
          |
          = help: keep one of the two
    "#]]
    .assert_eq(&said(&["plans.pro.fee=39,39,$39/month", "plans.pro.fee=49", "plans.pro={ fee: $9/month }"]));
}

/// The count is told, and nothing of the grid is built.
#[test]
fn a_grid_beyond_the_limit_is_refused_with_its_size() {
    expect![[r#"
        error: the grid has 100,100 points, and may have 100,000
         --> --set:1:15
          |
        1 | plans.pro.fee=1..1001:1
          |               ^^^^^^^^^
          |
          = help: take larger steps, or fewer values
    "#]]
    .assert_eq(&said(&["plans.pro.fee=1..1001:1", "consumers.apps.count=1..100:1"]));
    assert!(grid_of(None, &["plans.pro.fee=1..1000:1", "consumers.apps.count=1..100:1"]).is_ok());
    expect![[r#"
        error: the grid has more than 10³⁸ points, and may have 100,000
         --> --set:1:22
          |
        1 | consumers.apps.count=0..99999999999999999999:1
          |                      ^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: take larger steps, or fewer values
    "#]]
    .assert_eq(&said(&["plans.pro.fee=0..99999999999999999999:1", "consumers.apps.count=0..99999999999999999999:1"]));
}

/// What only a point shows: each mistake once, where it is written in the option, and at which point first.
#[test]
fn what_is_wrong_at_points_is_said_once_each() {
    expect![[r#"
        warning: no cohort is on the plan `pro` (at `plans.pro.fee=$39/month, consumers.apps.plan=free, plans.pro…`)
         --> grid.yaml:4:3
          |
        4 |   pro:
          |   ^^^

        error: `39 CHF/month` is in CHF, and the scenario in USD (at `plans.pro.fee=39 CHF/month, consumers.apps.plan=pro, plans.p…`)
         --> --set:1:25
          |
        1 | plans.pro.fee=$39/month,39 CHF/month,free
          |                         ^^^^^^^^^^^^
          |
          = help: write `$39/month`

        error: `free` is not an amount per period (at `plans.pro.fee=free, consumers.apps.plan=pro, plans.pro.inclu…`)
         --> --set:1:38
          |
        1 | plans.pro.fee=$39/month,39 CHF/month,free
          |                                      ^^^^
          |
          = help: write an amount per `day`, `month` or `year`, such as `$49/month`

        error: unknown plan `prro` (at `plans.pro.fee=$39/month, consumers.apps.plan=prro, plans.pro…`)
         --> --set:1:30
          |
        1 | consumers.apps.plan=pro,free,prro
          |                              ^^^^
          |
          = help: did you mean `pro`?

        error: unknown meter `tokens` (at `plans.pro.fee=$39/month, consumers.apps.plan=pro, plans.pro.…`)
         --> --set:1:20
          |
        1 | plans.pro.includes.tokens=1k,2k
          |                    ^^^^^^
          |
          = help: the meters are `requests`
    "#]].assert_eq(&said(&[
        "plans.pro.fee=$39/month,39 CHF/month,free",
        "consumers.apps.plan=pro,free,prro",
        "plans.pro.includes.tokens=1k,2k",
    ]));
}

#[test]
fn a_hostile_option_is_shown_as_harmless_text() {
    let shown = said(&["plans.\u{1b}[2J\u{202e}<script>.fee=39", &format!("plans.{}=1", "é".repeat(300))]);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']) && shown.len() < 4_000, "{shown}");
}

/// Items of a list move up when one is taken out: another setting would go to the wrong one, or to none.
#[test]
fn no_setting_goes_into_a_list_that_another_shortens() {
    let one = "{ requests: 2/s, kind: token_bucket }";
    let text = FILE.replace(&format!("[ {one} ]"), &format!("[ {one}, {one}, {one} ]"));
    let of = |options: &[&str]| {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        Grid::parse("grid.yaml", &text, Path::new(""), None, &options)
    };
    let refused = |options: &[&str]| match of(options) {
        Err(GridError::Options(rejected)) => {
            rejected.diagnostics.into_iter().map(|found| found.message).collect::<Vec<_>>().join("; ")
        }
        other => panic!("{options:?}: {other:?}"),
    };
    let out = format!("plans.pro.limits.0=~,{one}");
    let moved = "`plans.pro.limits.0` is taken out of the list that `plans.pro.limits.1.requests` goes into, and its \
                 items would move up";
    let inside = "plans.pro.limits.1.requests=1/s,3/s";
    assert_eq!(refused(&[&out, inside]), moved);
    assert_eq!(refused(&[inside, &out]), moved);
    assert!(refused(&[&out, "plans.pro.limits.2=~"]).contains("is taken out of the list"));
    // Two names of one item would be two settings of it.
    assert!(refused(&["plans.pro.limits.00.requests=1/s,3/s"]).contains("there is no `00` in the list"));
    let alone = of(&[&out, "plans.pro.fee=39,49"]).unwrap();
    assert!((0..alone.points()).all(|point| alone.check(point).is_right));
    let both = of(&["plans.pro.limits.0.requests=1/s,3/s", inside]).unwrap();
    assert!((0..both.points()).all(|point| both.check(point).is_right));
}
