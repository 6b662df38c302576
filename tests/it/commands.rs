//! `init`, `plan` and `doctor`: whole answers, and figures beside exact sums and a simulation.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use farebox::cli::commands::init::STARTER;
use farebox::control::Control;
use farebox::forecast::Forecast;
use farebox::forecast::unheard::too_late;
use farebox::simulate::{everyone, simulate};
use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::tally::Count;
use farebox_engine::distribution::{Distribution, Z95};
use farebox_engine::draw::Chance;
use farebox_engine::log::{self, Event};
use farebox_engine::model::{
    Arrivals, Attribute, Client, Joined, Meter, On402, Pattern, PerMeter, Period, Plan, Price, Process, Retry, Route,
    Scenario, Sessions, Shape, Tier, Trace, TraceRow, UnitPrice, Upstream,
};
use farebox_engine::money::Money;
use farebox_engine::sim::Scratch;
use farebox_engine::time::{Clock, DAY, SECOND, Span};
use farebox_engine::world::World;
use serde_json::Value;

use crate::fixture;
use crate::program::Folder;

// === init ===

#[test]
fn init_writes_a_scenario_and_says_what_to_do_with_it() {
    let folder = Folder::new("init");
    expect![[r#"
        exit code 0
        --- stderr ---
        wrote scenario.yaml; next:
          farebox validate scenario.yaml  checks it after each change
          farebox plan scenario.yaml      says what to expect, without running it
          farebox simulate scenario.yaml  plays the month in virtual time
        and for completion in an editor: farebox schema > scenario.schema.json
    "#]]
    .assert_eq(&folder.farebox("init").run().to_string());
    assert_eq!(folder.farebox("init - --quiet").run().stdout, STARTER);
    let answer = folder.farebox("init prices/mine.yaml").run();
    expect![[r#"
        exit code 7
        --- stderr ---
        error: cannot write `prices/mine.yaml`
          caused by: No such file or directory (os error 2)
    "#]]
    .assert_eq(&answer.to_string());
}

/// It is what somebody runs first, so all that it shows must work, and nothing in it may be odd.
#[test]
fn what_init_writes_is_valid_and_plays() {
    let folder = Folder::new("init-plays");
    assert_eq!(folder.farebox("init mine.yaml").run().code, Some(0));
    for command in ["validate mine.yaml", "plan mine.yaml", "simulate mine.yaml --quiet --out results"] {
        let answer = folder.farebox(command).run();
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{command}: {answer}");
    }
    let mut lines = STARTER.lines();
    assert!(lines.next().unwrap().starts_with("# yaml-language-server: $schema="));
    let question = lines.next().unwrap();
    assert!(question.starts_with("# ") && question.ends_with('?'), "{question}");
}

/// Every key is explained where it first occurs, or is a name of the user's own.
#[test]
fn init_explains_its_keys() {
    let (mut seen, mut unexplained) = (Vec::new(), Vec::new());
    for line in STARTER.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let key = line.trim_start_matches([' ', '-']).split(':').next().unwrap();
        let opens = line.trim_end().ends_with(':');
        if !opens && !line.contains(" # ") && !seen.contains(&key) {
            unexplained.push(line);
        }
        seen.push(key);
    }
    assert_eq!(unexplained, Vec::<&str>::new());
}

#[test]
fn init_replaces_nothing_unless_told_to() {
    let folder = Folder::new("init-again").with("mine.yaml", "mine\n");
    expect![[r#"
        exit code 2
        --- stderr ---
        error: `mine.yaml` is there already
        hint: name another file, or replace this one with `--force`
    "#]]
    .assert_eq(&folder.farebox("init mine.yaml").run().to_string());
    let mine = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init-again/mine.yaml");
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine\n");
    assert_eq!(folder.farebox("init mine.yaml --force").run().code, Some(0));
    assert_eq!(fs::read_to_string(&mine).unwrap(), STARTER);
}

// === plan ===

#[test]
fn a_plan_says_what_a_run_will_do() {
    let folder = Folder::new("plan").with("starter.yaml", STARTER);
    expect![[r#"
        exit code 0
        --- stdout ---
        starter · 200 consumers · 30 days · computed, nothing was run

        Calls
          cohort    plan  consumers  each  expected  one deviation
          hobby     free        120    60     7,200           ± 85
          startups  pro          60   240    14,400          ± 120
          scripts   payg         20   150     3,000           ± 55
          in all                200   123    24,600          ± 157

        Allowances
          cohort    plan  includes              first period  mean use   reaches it  run out  calls beyond, each
          hobby     free  60 requests a month        28 days        56  not reached   26.9 %         1.4 refused
          startups  pro   400 requests a month       28 days       224  not reached  < 0.1 %           0 refused

        Prepaid credit
          cohort   plan  opening  used at the mean rate  run out within the horizon
          scripts  payg    $2.00          after 20 days                    > 99.9 %

        Load on sockets
          calls                    22,500  ± 150, at 2,500 a second for 9 s
          in flight on average       67.3  calls ÷ duration × mean latency (Little's law)
          in flight at the p99         87  as if every call were served
          connections allowed         256  one call at a time each
          in flight allowed         4,000  what comes beyond is dropped
          billing time          27.4 days  3 days each second

        Simulation, estimated
          calls       34,680  with those of periods that began before the start
          components     200  at most 1 consumer each
          time        420 µs  24 ns a call and core (optimised build), on 2 threads
          memory      17 MiB  the program, 76 kB per cohort and thread, and traces

        Not forecast
          `free`: refusals by rate limits
          `startups`: payments that are declined
    "#]]
    .assert_eq(&folder.farebox("plan starter.yaml --jobs 2").run().to_string());
}

#[test]
fn a_plan_warns_of_what_cannot_work() {
    let folder = Folder::new("plan-warns").with("starter.yaml", STARTER);
    let answer = folder.farebox("plan starter.yaml --rate 20k/s --jobs 2").run();
    expect![[r#"
        exit code Some(0)
        warning: the load keeps 538 calls in flight on average, and 593 at the 99th percentile, over 256 `live.connections`: more calls wait from second to second, and the run will not be valid; write at least 593
        warning: in the load each consumer of `hobby` makes 48.8 calls a second, and the plan `free` allows 10.0: most refusals will be for the rate; lower `live.rate`
    "#]]
    .assert_eq(&format!("exit code {:?}\n{}", answer.code, answer.stderr));
    let tight = STARTER.replace("connections: 256", "connections: 70\n  in_flight: { at_most: 60 }");
    let answer = folder.with("tight.yaml", &tight).farebox("plan tight.yaml").run();
    expect![[r#"
        exit code Some(0)
        warning: the load keeps 67 calls in flight on average, and 87 at the 99th percentile, over 70 `live.connections`: some calls will be sent late; write at least 87
        warning: the load keeps 67 calls in flight on average, and 87 at the 99th percentile, and `live.in_flight` allows 60: calls will be dropped; write at least 87
    "#]]
    .assert_eq(&format!("exit code {:?}\n{}", answer.code, answer.stderr));
}

#[test]
fn an_override_that_is_none_is_code_2() {
    let folder = Folder::new("plan-override").with("starter.yaml", STARTER);
    for (option, shown) in [("--rate fast", "--rate: "), ("--duration -3s", "--duration: ")] {
        let answer = folder.farebox(&format!("plan starter.yaml {option}")).run();
        assert!(answer.code == Some(2) && answer.stderr.contains(shown), "{answer}");
    }
}

/// P(N ≥ k) as the terms say it: one by one, each from the one before.
fn poisson_at_least(k: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for j in 0..k {
        below += term;
        term *= mean / (j + 1) as f64;
    }
    1.0 - below
}

#[test]
fn chances_in_a_plan_equal_the_sum_of_their_terms() {
    let folder = Folder::new("plan-chances");
    // February has 28 days, and the consumers joined in it.
    for (rate, includes) in [(2, 60), (2, 56), (1, 40), (20, 600), (10, 310)] {
        let text = STARTER.replace("rate: 2/day", &format!("rate: {rate}/day"));
        let text = text.replace("requests: 60/month", &format!("requests: {includes}/month"));
        let name = format!("{rate}-{includes}.yaml");
        fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("plan-chances").join(&name), text).unwrap();
        let plan = json(&folder.farebox(&format!("plan {name} --format json")).run().stdout);
        let hobby = &plan["allowances"][0];
        let mean = f64::from(28 * rate);
        assert_eq!(hobby["mean_use"].as_f64().map(f64::round), Some(mean));
        let chance = poisson_at_least(includes + 1, mean);
        assert!((hobby["chance"].as_f64().unwrap() - chance).abs() < 1e-10, "{rate} {includes}: {hobby} {chance}");
        let scripts = &plan["credit"][0];
        // $2 are 100 calls, and 30 days bring 150.
        assert!((scripts["chance"].as_f64().unwrap() - poisson_at_least(101, 150.0)).abs() < 1e-10, "{scripts}");
        assert_eq!(plan["schema"], 1);
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the program prints JSON")
}

fn forecast(scenario: &Scenario) -> Forecast {
    Forecast::new(scenario, NonZeroUsize::MIN)
}

/// A forecast is a claim about the simulation, so it must hold in it, within five deviations.
#[test]
fn a_plan_holds_in_a_simulation() {
    let mut scenario = fixture::parse(STARTER);
    for cohort in &mut scenario.cohorts {
        cohort.count *= 20;
    }
    let plan = forecast(&scenario);
    let world = World::whole(Arc::new(scenario)).unwrap();
    let outcome = simulate(&world, &everyone(&world.scenario), NonZeroUsize::MIN, &Control::default()).unwrap();
    for (cohort, calls) in outcome.cohorts.iter().zip(&plan.cohorts) {
        assert!((cohort.offered() as f64 - calls.expected).abs() < 5.0 * calls.deviation, "{calls:?}");
    }
    let load = World::scaled(Arc::clone(&world.scenario), &world.scenario.live).unwrap();
    let calls: usize = load.consumers().map(|consumer| load.calls(consumer).count()).sum();
    assert!((calls as f64 - plan.load.calls).abs() < 5.0 * plan.load.deviation, "{calls} {:?}", plan.load);
    assert_eq!(i64::try_from(plan.load.billing_ns).unwrap(), load.end().billing.ns());
    let binomial = |consumers: f64, chance: f64| 5.0 * (consumers * chance * (1.0 - chance)).sqrt() + 1e-6;
    let scripts = &outcome.cohorts[2];
    let (consumers, chance) = (f64::from(scripts.consumers), plan.credit[0].chance.unwrap());
    let refused = scripts.consumers_refused["credit_exhausted"] as f64;
    assert!((refused - consumers * chance).abs() <= binomial(consumers, chance), "{refused} {chance}");
}

/// Those who pay before they are served wait for their webhook as long as planned, all together, and no more calls come
/// meanwhile: three scenarios, of which one loses webhooks and one delays them past what the gateway waits.
#[test]
fn who_waits_for_a_webhook_waits_as_long_as_planned() {
    for webhooks in [
        "{ delay: 90s }",
        "{ delay: { p50: 2s, p99: 60s }, lose: 20%, duplicate: 10%, reorder: 50%, reconcile: 1h }",
        "{ delay: { exponential: 40m }, lose: 5%, reconcile: 1h }",
    ] {
        let scenario = fixture::parse(&format!(
            "scenario: heard\nhorizon: 40d\nplans: {{ pro: {{ fee: $9/month }} }}\nconsumers:\n  \
             all: {{ count: 4k, plan: pro, joined: {{ signups: 100/day }}, traffic: {{ rate: 1/h }} }}\n\
             payments: {{ webhooks: {webhooks} }}\n"
        ));
        let plan = forecast(&scenario).late_hearing.unwrap();
        let world = World::whole(Arc::new(scenario)).unwrap();
        let outcome = simulate(&world, &everyone(&world.scenario), NonZeroUsize::MIN, &Control::default()).unwrap();
        let (cohort, waits) = (&outcome.cohorts[0], &plan.waits[0]);
        let signups = cohort.count(Count::Joined) as f64;
        assert!((signups - waits.consumers).abs() < 5.0 * waits.consumers.sqrt(), "{signups} {waits:?}");
        // No wait is longer than an hour, so their deviation is at most half of one, and that of the count comes on top.
        let blocked = cohort.heard.wrongly_blocked_ns.0 as f64;
        let each = plan.mean_ns as f64;
        let deviation = signups.sqrt() * (0.5 * 3_600e9_f64).min(3.0 * each).max(each);
        assert!((blocked - waits.blocked_ns).abs() < 5.0 * deviation, "{webhooks}: {blocked} {waits:?}");
        let refused = cohort.refused["first_payment_failed"] as f64;
        let spread = (waits.calls + (deviation / 3_600e9).powi(2)).sqrt();
        assert!((refused - waits.calls).abs() < 5.0 * spread, "{webhooks}: {refused} {waits:?}");
        // What was heard later than a minute, of all that was heard.
        let later = plan.later.iter().find(|later| later.than_ns == 60_000_000_000).unwrap();
        let heard: u64 = cohort.heard.late.iter().map(|[_, events]| events).sum();
        let late: u64 = cohort.heard.late.iter().filter(|[upper, _]| *upper > 61_000_000_000).map(|[_, n]| n).sum();
        let (n, share) = (heard as f64, later.share);
        let bound = 5.0 * (n * share * (1.0 - share)).sqrt() + 0.01 * n;
        assert!((late as f64 - n * share).abs() <= bound, "{webhooks}: {late} of {heard}, {later:?}");
    }
}

/// What a page takes for granted about hearing of payments and about reminders, said or left out.
#[test]
fn a_page_says_what_is_assumed_of_webhooks_and_reminders() {
    let assumed = |payments: &str| {
        let scenario = fixture::parse(&format!(
            "scenario: assumed\nhorizon: 40d\nplans:\n  free: {{}}\n  pro: {{ fee: $9/month, trial: 10d }}\nconsumers:\n  \
             tried: {{ count: 1, plan: pro, joined: start, traffic: {{ rate: 1/h }}, payment: {{ card: {{ declines: 1% }} }} }}\n  \
             others: {{ count: 1, plan: free, joined: start, traffic: {{ rate: 1/h }}, payment: none }}\n{payments}"
        ));
        let page = farebox::report::assumed::section(&scenario).map_or_else(String::new, |section| section.text());
        let is_of_these = |line: &&str| ["hear", "remind"].iter().any(|word| line.contains(word));
        page.lines().filter(is_of_these).map(str::trim).collect::<Vec<_>>().join("\n") + "\n"
    };
    expect![[r#"
        hear at once        tried: what became of a payment is known once the processor answers; no webhook is late or lost
        are not reminded    tried: nobody tells them before a card or a trial ends
    "#]].assert_eq(&assumed(""));
    expect![[r#"
        hear by webhook     webhooks take p50 2.00 s, p99 60.00 s, 2 % never come, 1 % come again, 0.5 % come 2 s later, behind others; every 30.00 min the gateway asks for what it has not heard, and is answered, in an outage too; errors are known at once
        reminders           tried: 30.00 days, 7.00 days before a card ends; 3.00 days before a trial ends; each reaches its consumer, and costs nothing
    "#]].assert_eq(&assumed(
        "payments:\n  webhooks: { delay: { p50: 2s, p99: 60s }, lose: 2%, duplicate: 1%, reorder: 0.5%, reconcile: 30m }\n  \
         reminders: { card_expires: [ 30d, 7d ], trial_ends: [ 3d ] }\n",
    ));
    expect![[r#"
        hear by webhook     webhooks take 2.00 s on average; every 60.00 min the gateway asks for what it has not heard, and is answered, in an outage too; errors are known at once
        are not reminded    tried: nobody tells them before a card or a trial ends
    "#]].assert_eq(&assumed("payments: { webhooks: { delay: { exponential: 2s } } }\n"));
}

/// What a load warns of: one sign-up and cards that are declined, with this of payments and of the load.
fn unheard(payments: &str, live: &str) -> String {
    let scenario = fixture::parse(&format!(
        "scenario: unheard\nhorizon: 40d\nplans: {{ pro: {{ fee: $9/month, grace: 2d }} }}\nconsumers:\n  \
         all: {{ count: 4, plan: pro, joined: start, traffic: {{ rate: 1/h }}, payment: {{ card: {{ declines: 20% }} }} }}\n\
         payments: {{ dunning: {{ retries: [ 3d ], finally: cancel }}, {payments} }}\nlive: {{ rate: 10/s, {live} }}\n"
    ));
    too_late(&scenario).into_iter().map(|warning| warning + "\n").collect()
}

/// A webhook that takes minutes of the wall never comes in a load of seconds, and one that takes a tenth of a second comes
/// too late where a day does.
#[test]
fn a_load_that_cannot_hear_of_its_payments_says_so() {
    expect![[r#"
        of the payments that the load makes at its beginning, 100% are not heard of when it ends after 5 s: half of the answers and webhooks take 2 minutes or longer, and for those that are lost the gateway asks every 1 hour, on the wall's clock, however fast the billing clock runs. Who pays is not served for it, and who is declined is not refused; write a longer `live.duration`, or shorter times in `payments.webhooks` and `payments.processor`
        the billing clock of the load is too fast for its payments: the first payment's 23 hours, which here go by in 95.8 ms, and 100% of payments are heard of later, so sign-ups are given up that have paid; grace of 2 days, which here go by in 200 ms, and 100% of payments are heard of later, so it is over before its decline is known, and serves nobody; the next attempt's 3 days, which here go by in 300 ms, and 100% of payments are heard of later, so attempts to collect come later than the scenario has them; write a slower `live.clock`, or shorter times in `payments.webhooks` and `payments.processor`
    "#]].assert_eq(&unheard(
        "webhooks: { delay: { p50: 2m, p99: 30m }, lose: 30%, reconcile: 1h }",
        "duration: 5s, clock: 10d per 1s",
    ));
    expect![[r#"
        the billing clock of the load is too fast for its payments: the first payment's 23 hours, which here go by in 136.9 ms, and 100% of payments are heard of later, so sign-ups are given up that have paid; grace of 2 days, which here go by in 285.7 ms, and 100% of payments are heard of later, so it is over before its decline is known, and serves nobody; write a slower `live.clock`, or shorter times in `payments.webhooks` and `payments.processor`
    "#]].assert_eq(&unheard("processor: { latency: 300ms }", "duration: 6s, clock: 7d per 1s"));
}

/// What is heard of at once, or soon enough, or hardly ever lost, is not warned of: a quarter of the payments has to be
/// late. Nor is anything where nobody pays.
#[test]
fn a_load_that_hears_in_time_says_nothing() {
    let load = "duration: 10s, clock: 1h per 1s";
    assert_eq!(unheard("webhooks: { delay: 0s }", load), "");
    assert_eq!(unheard("webhooks: { delay: { p50: 2s, p99: 60s }, lose: 2%, reconcile: 1h }", load), "");
    assert_eq!(unheard("webhooks: { delay: 1s, lose: 24%, reconcile: 1h }", load), "");
    assert_ne!(unheard("webhooks: { delay: 1s, lose: 26%, reconcile: 1h }", load), "");
    // Who asks in time needs no webhook.
    assert_eq!(unheard("webhooks: { delay: 1h, reconcile: 7s }", load), "");
    assert_ne!(unheard("webhooks: { delay: 1h, reconcile: 20s }", load), "");
    let nobody = "scenario: free\nhorizon: 40d\nplans: { free: {} }\nconsumers:\n  \
                  all: { count: 4, plan: free, traffic: { rate: 1/h } }\n\
                  payments: { webhooks: { delay: 1h } }\nlive: { rate: 10/s, duration: 5s }\n";
    assert_eq!(too_late(&fixture::parse(nobody)), [""; 0]);
}

/// The loads of the library hear of their payments.
#[test]
fn no_scenario_of_the_library_warns_of_payments_that_come_too_late() {
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let scenario = fixture::parse(&fs::read_to_string(&path).unwrap());
            assert_eq!(too_late(&scenario), [""; 0], "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10);
}

/// A load says it before it begins.
#[test]
fn a_load_warns_of_payments_that_come_too_late() {
    let text = "scenario: late\nhorizon: 40d\nplans: { pro: { fee: $9/month } }\nconsumers:\n  \
                all: { count: 4, plan: pro, joined: start, traffic: { rate: 1/h } }\n\
                payments: { webhooks: { delay: 1h } }\nlive: { rate: 20/s, duration: 500ms, clock: 1h per 1s }\n";
    let folder = Folder::new("unheard").with("late.yaml", text);
    for command in ["plan late.yaml", "load late.yaml --out load", "run late.yaml --out run --replications 1"] {
        let answer = folder.farebox(command).run();
        assert!(
            answer.stderr.contains("warning: of the payments that the load makes at its beginning, 100%"),
            "{answer}"
        );
    }
}

/// Nothing is said of webhooks where everything is heard of at once.
#[test]
fn a_plan_of_what_is_heard_at_once_says_nothing_of_it() {
    assert!(forecast(&fixture::parse(STARTER)).late_hearing.is_none());
}

/// The consumers joined evenly over February, so the first period of each ends r days into 28 days of March, and is
/// followed by 28 − r days of the next. One is seen to be refused when the first period has more calls than it includes,
/// at least one of them in March, or the days that follow have.
#[test]
fn who_runs_out_of_an_allowance_is_as_many_as_planned() {
    let mut scenario = fixture::parse(STARTER);
    scenario.cohorts.truncate(1);
    scenario.cohorts[0].count = 5_000;
    scenario.horizon = Span::from_ns(28 * DAY);
    let chance = forecast(&scenario).allowances[0].chance.unwrap();
    let seen = |r: f64| {
        let early = poisson_at_least(61, 2.0 * (28.0 - r));
        1.0 - (1.0 - (chance - (-2.0 * r).exp() * early)) * (1.0 - early)
    };
    let share = (0..2_800).map(|step| seen((f64::from(step) + 0.5) / 100.0)).sum::<f64>() / 2_800.0;
    let world = World::whole(Arc::new(scenario)).unwrap();
    let outcome = simulate(&world, &everyone(&world.scenario), NonZeroUsize::MIN, &Control::default()).unwrap();
    let refused = outcome.cohorts[0].consumers_refused["quota_exhausted"] as f64;
    let deviation = (5_000.0 * share * (1.0 - share)).sqrt();
    assert!((refused - 5_000.0 * share).abs() < 5.0 * deviation, "{refused} of {}", 5_000.0 * share);
}

// === plan, of models that no file describes yet ===

/// The starter with other terms for its first plan, and a horizon and cohort of round numbers.
fn changed(change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut scenario = fixture::parse(STARTER);
    scenario.cohorts.truncate(1);
    scenario.cohorts[0].count = 1_000;
    change(&mut scenario);
    scenario
}

fn spread(spread: Distribution) -> Arrivals {
    Arrivals::Poisson { mean_gap_ns: DAY as f64 / 2.0, spread: Some(spread) }
}

/// Consumers who differ: the mean is the distribution's, and both the chance and the deviation are those of the mixture.
#[test]
fn a_spread_of_rates_is_averaged_over() {
    let sigma = 0.6f64;
    let plan = forecast(&changed(|scenario| {
        scenario.cohorts[0].arrivals = spread(Distribution::LogNormal { mu: 0.0, sigma });
    }));
    let mean = (sigma * sigma / 2.0).exp();
    let calls = 1_000.0 * 60.0 * mean;
    assert!((plan.expected - calls).abs() < 1e-6 * calls, "{}", plan.expected);
    let variance = calls + 1_000.0 * (60.0 * mean).powi(2) * (sigma * sigma).exp_m1();
    assert!((plan.deviation - variance.sqrt()).abs() < 1e-6 * variance.sqrt(), "{}", plan.deviation);
    // The mixture by the trapezoidal rule over the normal density.
    let steps = (-800..=800).map(|step| f64::from(step) / 100.0);
    let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() / 100.0;
    let chance: f64 = steps.map(|z| density(z) * poisson_at_least(61, 56.0 * (sigma * z).exp())).sum();
    // Half a percentage point is one deviation of what 10,000 drawn rates say.
    assert!((plan.allowances[0].chance.unwrap() - chance).abs() < 5.0 * 0.005, "{:?} {chance}", plan.allowances[0]);
}

#[test]
fn a_spread_of_nothing_is_the_plan_without_one() {
    let with = forecast(&changed(|scenario| scenario.cohorts[0].arrivals = spread(Distribution::Constant(1.0))));
    let without = forecast(&changed(|_| ()));
    let (with_it, without_it) = (with.allowances[0].chance.unwrap(), without.allowances[0].chance.unwrap());
    assert!((with_it - without_it).abs() < 1e-9, "{with_it} {without_it}");
    assert!((with.deviation - without.deviation).abs() < 1e-9);
}

/// A trace is known: what is in the horizon is counted, and which consumer has which row is known where a column says it.
#[test]
fn a_trace_is_counted() {
    let rows = |consumer: Option<u32>| {
        let row = |nth: u64| TraceRow { at: Span::from_ns(nth * DAY / 1_000), consumer, usage: [1, 3, 0, 0] };
        Arrivals::Trace(Trace { rows: (0..60_000).map(row).collect(), most: [1, 3, 0, 0], ..Default::default() })
    };
    let plan = |consumer| {
        forecast(&changed(|scenario| {
            scenario.cohorts[0].arrivals = rows(consumer);
            scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["tokens".to_owned()] });
            scenario.plans[0].allowance = [Some(30), Some(42), None, None];
        }))
    };
    let drawn = plan(None);
    // 1,000 rows a day over 1,000 consumers, of which 30 days are played and 28 are the first period.
    assert!((drawn.expected - 30_000.0).abs() < 1e-9 && drawn.deviation == 0.0, "{drawn:?}");
    assert!((drawn.allowances[0].chance.unwrap() - poisson_at_least(31, 28.0)).abs() < 1e-9);
    // Three tokens a call, so 42 are used after 14 days; how they vary from call to call is not known.
    let tokens = &drawn.allowances[1];
    assert!(tokens.reached_after_ns.unwrap().abs_diff(14 * DAY) < 1_000_000, "{tokens:?}");
    assert_eq!((tokens.meter.as_str(), tokens.chance), ("tokens", None));
    assert_eq!(plan(Some(7)).allowances[0].chance, None);
}

/// Calls to routes that the plan does not cover use nothing of it; the others use what their route carries.
#[test]
fn a_plan_knows_what_its_routes_carry() {
    let route = |path: &str, tokens: Distribution| Route {
        path: path.to_owned(),
        upstream: 0,
        attributes: vec![Attribute { name: "tokens".to_owned(), amount: tokens, most: 1_000 }],
    };
    let plan = forecast(&changed(|scenario| {
        scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["tokens".to_owned()] });
        scenario.routes = vec![
            route("/chat", Distribution::Exponential { mean: 300.0 }),
            route("/embed", Distribution::Constant(10.0)),
            route("/batch", Distribution::Constant(1e6)),
        ];
        scenario.cohorts[0].routes = vec![(0, 0.5), (1, 0.25), (2, 0.25)];
        scenario.plans[0].routes = Some(vec![0, 1]);
        scenario.plans[0].allowance = [Some(40), Some(10_000), None, None];
    }));
    // 56 calls in February's 28 days: 42 are covered, of which 28 use 300 tokens and 14 use 10.
    assert!((plan.allowances[0].mean_use - 42.0).abs() < 1e-9);
    assert!((plan.allowances[1].mean_use - (28.0 * 300.0 + 14.0 * 10.0)).abs() < 1e-6);
    assert!((plan.allowances[0].chance.unwrap() - poisson_at_least(41, 42.0)).abs() < 1e-9);
}

/// Fifty signups a day: the thousand are complete after 20 days, and each is there from when it comes.
#[test]
fn signups_call_from_when_they_come() {
    let plan = forecast(&changed(|scenario| {
        scenario.cohorts[0].joined = Joined::Signups { mean_gap_ns: DAY as f64 / 50.0 };
    }));
    // 1,000 × (30 − 10) days × 2 calls.
    assert!((plan.expected - 40_000.0).abs() < 1e-6, "{}", plan.expected);
    let half = forecast(&changed(|scenario| {
        scenario.cohorts[0].joined = Joined::Signups { mean_gap_ns: DAY as f64 / 10.0 };
    }));
    // Only 300 come: 300 × 15 days × 2 calls.
    assert!((half.expected - 9_000.0).abs() < 1e-6, "{}", half.expected);
    assert_eq!(half.allowances[0].period_ns, 31 * DAY, "their first month is March");
}

/// A month from 31 January is February's 28 days, and the month before it December's 31.
#[test]
fn the_first_period_is_as_long_as_the_calendar_says() {
    for (joined, days) in [(Joined::Start, 28), (Joined::Spread, 31)] {
        let plan = forecast(&changed(|scenario| {
            scenario.start = jiff::civil::date(2026, 1, 31).at(0, 0, 0, 0);
            scenario.cohorts[0].joined = joined;
        }));
        assert_eq!(plan.allowances[0].period_ns, days * DAY, "{joined:?}");
    }
}

// === plan, of other arrivals than Poisson's ===

/// Ten times as many calls by day as by night, and none on Sundays.
fn days_of_work() -> Shape {
    let mut hours = [1.0; 24];
    hours[8..18].fill(10.0);
    Shape::new(&hours, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.0]).unwrap()
}

fn patterned(process: Process, shape: Option<Shape>) -> Arrivals {
    Arrivals::Patterned(Pattern { mean_gap_ns: DAY as f64 / 2.0, spread: None, process, sessions: None, shape })
}

const BURSTY: Process = Process::Bursty { burst: Span::from_ns(DAY / 4), pause: Span::from_ns(2 * DAY) };

/// Calls and their deviation are those of a simulation, in five weeks and two days.
#[test]
fn calls_of_every_process_are_as_many_and_as_dispersed_as_planned() {
    for process in [Process::Poisson, Process::Constant, BURSTY] {
        for shape in [None, Some(days_of_work())] {
            let scenario = changed(|scenario| {
                scenario.horizon = Span::from_ns(37 * DAY);
                scenario.cohorts[0].count = 4_000;
                scenario.cohorts[0].arrivals = patterned(process, shape.clone());
            });
            let plan = forecast(&scenario);
            let world = World::whole(Arc::new(scenario)).unwrap();
            let counts: Vec<f64> = world.consumers().map(|consumer| world.calls(consumer).count() as f64).collect();
            let calls: f64 = counts.iter().sum();
            assert!(
                (calls - plan.expected).abs() < 5.0 * plan.deviation + 1.0,
                "{process:?}: {calls} {}",
                plan.expected
            );
            let mean = calls / 4_000.0;
            let central = |power| counts.iter().map(|count| (count - mean).powi(power)).sum::<f64>() / 4_000.0;
            let (variance, deviation) = (central(2), ((central(4) - central(2).powi(2)) / 4_000.0).sqrt());
            let planned = plan.deviation.powi(2) / 4_000.0;
            // Of a constant process the spread of the fraction says how well its variance is known.
            assert!((variance - planned).abs() < 5.0 * deviation.max(0.002), "{process:?}: {variance} {planned}");
        }
    }
}

/// Sessions, of which some are cut off by the end: as many calls, and as dispersed, as the forecast says of think times and
/// latencies that are always the same.
#[test]
fn calls_in_sessions_are_as_many_and_as_dispersed_as_planned() {
    for (calls, think) in [(Distribution::Constant(5.0), 60), (Distribution::log_normal(6.0, 30.0, Z95), 3_600)] {
        let scenario = changed(|scenario| {
            scenario.horizon = Span::from_ns(3 * DAY);
            scenario.cohorts[0].count = 4_000;
            scenario.plans[0] = Plan::new("free");
            (scenario.live.rate_per_s, scenario.live.duration) = (100.0, Span::from_secs(60));
            let think = Distribution::Constant((think * SECOND) as f64);
            scenario.upstreams[0].latency = Distribution::Constant(SECOND as f64);
            let sessions = Some(Sessions::new(calls.clone(), think));
            let mean_gap_ns = DAY as f64 / 20.0;
            let pattern = Pattern { mean_gap_ns, spread: None, process: Process::Poisson, sessions, shape: None };
            scenario.cohorts[0].arrivals = Arrivals::Patterned(pattern);
        });
        let plan = forecast(&scenario);
        let world = World::whole(Arc::new(scenario)).unwrap();
        let mut scratch = Scratch::default();
        let made = |consumer| {
            let log = log::record(&world, consumer, &mut scratch).unwrap().log;
            log.iter().filter(|entry| matches!(entry.event, Event::Decided { .. })).count() as f64
        };
        let counts: Vec<f64> = world.consumers().map(made).collect();
        let total: f64 = counts.iter().sum();
        assert!((total - plan.expected).abs() < 5.0 * plan.deviation, "{calls:?}: {total} {}", plan.expected);
        let mean = total / 4_000.0;
        let central = |power| counts.iter().map(|count| (count - mean).powi(power)).sum::<f64>() / 4_000.0;
        let (variance, deviation) = (central(2), ((central(4) - central(2).powi(2)) / 4_000.0).sqrt());
        let planned = plan.deviation.powi(2) / 4_000.0;
        assert!((variance - planned).abs() < 5.0 * deviation, "{calls:?}: {variance} {planned}");
        assert!(plan.not_forecast.iter().any(|what| what.contains("sessions")), "{:?}", plan.not_forecast);
        // At the load's pace a minute of thinking is half a second, and an hour is half of its minute.
        assert_eq!(plan.warnings.iter().any(|what| what.contains("come before its end")), think == 3_600);
    }
}

/// Attempts that a consumer makes, and how many of them are not answered when it is over.
fn attempts(world: &World, consumer: Consumer) -> (usize, usize) {
    let log = log::record(world, consumer, &mut Scratch::default()).unwrap().log;
    let decided = log.iter().filter(|entry| matches!(entry.event, Event::Decided { .. })).count();
    let answered =
        log.iter().filter(|entry| matches!(entry.event, Event::Served { .. } | Event::Failed { .. })).count();
    (decided, decided - answered)
}

/// Think times of which most are short and some are longer than the run: their mean says that nearly no session goes on.
/// The calls of the horizon, those of a load that is as long as a few sessions, and those in flight at its end are as many
/// as in a simulation.
#[test]
fn wide_think_times_are_forecast_by_their_law() {
    let latency = Distribution::log_normal(40.0 * SECOND as f64, 200.0 * SECOND as f64, Z95);
    let scenario = changed(|scenario| {
        scenario.horizon = Span::from_ns(3 * DAY);
        scenario.cohorts[0].count = 4_000;
        scenario.plans[0] = Plan::new("free");
        // At the pace of the scenario itself, for four hours.
        (scenario.live.rate_per_s, scenario.live.duration) = (4_000.0 * 20.0 / 86_400.0, Span::from_secs(14_400));
        scenario.upstreams[0].latency = latency;
        let think = Distribution::log_normal(600.0 * SECOND as f64, 20.0 * DAY as f64, Z95);
        let sessions = Some(Sessions::new(Distribution::Constant(6.0), think));
        let mean_gap_ns = DAY as f64 / 20.0;
        let pattern = Pattern { mean_gap_ns, spread: None, process: Process::Poisson, sessions, shape: None };
        scenario.cohorts[0].arrivals = Arrivals::Patterned(pattern);
        scenario.cohorts[0].joined = Joined::Start;
    });
    let plan = forecast(&scenario);
    assert_eq!(plan.cohorts[0].drawn_sessions, Some(10_000));
    let sum = |world: &World| {
        let each = world.consumers().map(|consumer| attempts(world, consumer));
        each.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    };
    let (calls, _) = sum(&World::whole(Arc::new(scenario.clone())).unwrap());
    assert!(
        (calls as f64 - plan.expected).abs() < 5.0 * plan.deviation,
        "{calls} {} {}",
        plan.expected,
        plan.deviation
    );
    let (calls, in_flight) = sum(&fixture::scaled(scenario));
    let load = &plan.load;
    assert!((calls as f64 - load.calls).abs() < 5.0 * load.deviation, "{calls} {load:?}");
    let busiest = load.peak_rate_per_s * load.latency_ns / SECOND as f64;
    assert!((in_flight as f64 - busiest).abs() < 5.0 * busiest.sqrt(), "{in_flight} {busiest}");
    assert!(load.in_flight_mean < busiest && load.peak_rate_per_s < 0.9 * load.rate_per_s, "{load:?}");
    assert!(farebox::forecast::text::render(&plan).contains("at the end"));
}

/// Fifty cents for calls of a cent past ten that are free, at two calls a day for 30 days: whose wallet is empty is seen by
/// a second attempt that is refused.
#[test]
fn a_wallet_is_empty_as_often_as_planned() {
    let paying = |attempts: u32| {
        changed(|scenario| {
            scenario.cohorts[0].count = 2_000;
            scenario.cohorts[0].joined = Joined::Start;
            scenario.cohorts[0].wallet = Money::from_nanos(500_000_000);
            let retry = Retry { attempts, ..Client::none().retry };
            scenario.cohorts[0].client = Client { retry, on_402: On402::PayOnce, timeout: None };
            let mut plan = Plan { pays_per_request: true, ..Plan::new("paid") };
            plan.allowance[0] = Some(10);
            plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(10_000_000), per: 1 }));
            scenario.plans[0] = plan;
        })
    };
    let scenario = paying(2);
    let plan = forecast(&scenario);
    let chance = poisson_at_least(61, 60.0);
    assert!((plan.wallets[0].chance.unwrap() - chance).abs() < 1e-9, "{:?}", plan.wallets);
    assert!(plan.wallets[0].used_after_ns.unwrap().abs_diff(30 * DAY) < 1_000_000, "{:?}", plan.wallets);
    assert_eq!(plan.allowances[0].beyond, "paid while the wallet lasts");
    assert!(farebox::forecast::text::render(&plan).contains("\nWallets\n"));
    let world = World::whole(Arc::new(scenario)).unwrap();
    let is_empty = |consumer: &Consumer| {
        let log = log::record(&world, *consumer, &mut Scratch::default()).unwrap().log;
        log.iter().any(|entry| matches!(entry.event, Event::Decided { attempt: 2, decision: Decision::Refuse(_), .. }))
    };
    let empty = world.consumers().filter(is_empty).count() as f64;
    assert!((empty - 2_000.0 * chance).abs() < 5.0 * (2_000.0 * chance * (1.0 - chance)).sqrt(), "{empty} {chance}");
    // Who never pays is only asked to.
    let plan = forecast(&paying(1));
    assert_eq!((plan.wallets.len(), plan.allowances[0].beyond), (0, "asked to pay"));
}

/// Who wants more than an allowance: of constant calls a known share, by the hours the mixture of all periods; in bursts
/// nothing is said.
#[test]
fn chances_are_those_of_the_process_or_not_told() {
    let plan = |process, shape: Option<Shape>| {
        forecast(&changed(|scenario| {
            // A day's allowance; what a day has depends on which it is.
            scenario.plans[0].usage_period = Some(Period::Day);
            scenario.plans[0].allowance[0] = Some(2);
            scenario.cohorts[0].joined = Joined::Start;
            scenario.cohorts[0].arrivals = patterned(process, shape);
        }))
    };
    let start = changed(|_| ()).start.weekday().to_monday_zero_offset() as usize;
    let of_the_day: f64 = (24 * start..24 * start + 24).map(|hour| days_of_work().multiple(hour)).sum::<f64>() / 24.0;
    let shaped = plan(Process::Poisson, Some(days_of_work()));
    assert!((shaped.allowances[0].chance.unwrap() - poisson_at_least(3, 2.0 * of_the_day)).abs() < 1e-6);
    let constant = plan(Process::Constant, Some(days_of_work())).allowances[0].chance.unwrap();
    assert!((constant - (2.0 * of_the_day - 2.0).clamp(0.0, 1.0)).abs() < 1e-6, "{constant}");
    let bursty = plan(BURSTY, None);
    assert_eq!((bursty.allowances[0].chance, bursty.allowances[0].calls_beyond), (None, None));
    assert!(bursty.not_forecast.iter().any(|what| what.contains("bursts")), "{:?}", bursty.not_forecast);
    assert!(shaped.not_forecast.iter().any(|what| what.contains("even rate")), "{:?}", shaped.not_forecast);
}

/// A load of a whole week needs connections for its busiest hour; one of a Sunday has no calls, and is warned of.
#[test]
fn a_load_is_planned_by_its_busiest_hour() {
    let plan = |seconds: u64, arrivals: Arrivals, rate_per_s: f64| {
        forecast(&changed(|scenario| {
            scenario.start = jiff::civil::date(2026, 3, 1).at(0, 0, 0, 0);
            scenario.cohorts[0].arrivals = arrivals;
            scenario.live.rate_per_s = rate_per_s;
            scenario.live.clock = Some(Clock::new(Span::from_ns(DAY), Span::from_secs(1)));
            scenario.live.duration = Span::from_secs(seconds);
        }))
    };
    let even = plan(14, patterned(Process::Constant, None), 1_000.0);
    let shaped = plan(14, patterned(Process::Poisson, Some(days_of_work())), 1_000.0);
    assert!((shaped.load.peak_rate_per_s / 1_000.0 - days_of_work().peak()).abs() < 1e-6);
    assert!((shaped.load.calls - 14_000.0).abs() < 1.0 && (even.load.peak_rate_per_s - 1_000.0).abs() < 1e-6);
    let busiest = plan(14, patterned(Process::Poisson, None), shaped.load.peak_rate_per_s);
    assert_eq!(shaped.load.in_flight_p99, busiest.load.in_flight_p99);
    assert!(farebox::forecast::text::render(&shaped).contains("in the busiest quarter of an hour"));
    // 1 March 2026 is a Sunday.
    let sunday = plan(1, patterned(Process::Poisson, Some(days_of_work())), 1_000.0);
    assert!(
        sunday.load.calls.abs() < 1e-6 && sunday.warnings[0].contains("0% of their mean rate"),
        "{:?}",
        sunday.warnings
    );
    let bursty = plan(14, patterned(BURSTY, None), 1_000.0);
    assert!(bursty.load.in_flight_p99 > even.load.in_flight_p99);
}

/// A load shows only the beginning of a cohort that grows: few of it are there, and it is by chance who. Over 400 seeds the
/// mean lies within five deviations of the mean, and the variance within five of its own (of nearly normal sums, 2 ÷ 399).
#[test]
fn a_load_of_a_growing_cohort_is_forecast_as_it_is_drawn() {
    for (seconds, count) in [(5, 1_000), (5, 15)] {
        let growing = |seed| {
            changed(|scenario| {
                scenario.seed = seed;
                scenario.horizon = Span::from_ns(2 * DAY);
                scenario.cohorts[0].count = count;
                scenario.cohorts[0].joined = Joined::Signups { mean_gap_ns: DAY as f64 / 10.0 };
                scenario.cohorts[0].arrivals = Arrivals::Poisson { mean_gap_ns: DAY as f64 / 50.0, spread: None };
                scenario.live.rate_per_s = 60.0;
                scenario.live.duration = Span::from_secs(seconds);
                scenario.live.clock = Some(Clock::new(Span::from_secs(36_000), Span::from_secs(1)));
            })
        };
        let planned = forecast(&growing(0)).load;
        let made: Vec<f64> = (0..400)
            .map(|seed| {
                let world = fixture::scaled(growing(seed));
                world.consumers().map(|consumer| world.calls(consumer).count()).sum::<usize>() as f64
            })
            .collect();
        let mean = made.iter().sum::<f64>() / 400.0;
        let variance = made.iter().map(|calls| (calls - mean).powi(2)).sum::<f64>() / 399.0;
        assert!((mean - planned.calls).abs() < 5.0 * planned.deviation / 20.0, "{mean} {planned:?}");
        let ratio = variance / planned.deviation.powi(2);
        let width = 5.0 * (2.0_f64 / 399.0).sqrt();
        assert!((1.0 - width..1.0 + width).contains(&ratio), "{variance} {planned:?}");
    }
}

/// At the pace of its arrivals, a small scenario under a large load lives for centuries, which no calendar is asked to tell.
#[test]
fn a_load_of_more_than_ten_years_is_refused() {
    let rare = STARTER.replace("rate: 2/day", "rate: 0.0002/day").replace("rate: 8/day", "rate: 0.0002/day");
    let folder = Folder::new("centuries").with("rare.yaml", &rare.replace("rate: 5/day", "rate: 0.0002/day"));
    let done = folder.farebox("run rare.yaml --rate 1k/s --out results").run();
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("and may go ten years; write a shorter `--duration`"), "{}", done.stderr);
    let planned = folder.farebox("plan rare.yaml").run();
    assert!(planned.stderr.contains("and may go ten years"), "{}", planned.stderr);
}

/// `front` calls `back` twice, each of which fails half of the calls: 1 + ½·(4 + ½·4) seconds, of which a call stays 4 at
/// `back` each time.
#[test]
fn a_plan_follows_calls_from_hop_to_hop() {
    let upstream = |name: &str, seconds: f64, calls: &[usize]| Upstream {
        latency: Distribution::Constant(seconds * 1e9),
        errors: Chance::of(1, 2).into(),
        calls: calls.to_vec(),
        ..Upstream::new(name)
    };
    let plan = forecast(&changed(|scenario| {
        scenario.upstreams = vec![upstream("front", 1.0, &[1, 1]), upstream("back", 4.0, &[])];
        scenario.upstreams[1].capacity = Some(2);
        scenario.live.rate_per_s = 8.0;
    }));
    let close = |figure: f64, exact: f64| assert!((figure - exact).abs() < 1e-6 * exact, "{figure} is not {exact}");
    close(plan.load.latency_ns, 4e9);
    let [front, back] = &plan.upstreams[..] else { panic!("two upstreams") };
    close(front.calls, plan.expected);
    close(back.calls, plan.expected * 0.75);
    for (of, works, stays, at_once) in [(front, 1e9, 4e9, 32.0), (back, 4e9, 4e9, 24.0)] {
        close(of.works_ns, works);
        close(of.stays_ns, stays);
        close(of.at_once_in_load, at_once);
    }
    assert!(plan.warnings.iter().any(|it| it.starts_with("in the load the upstream `back` would have 24 calls")));
    let of_upstreams = plan.not_forecast.iter().filter(|it| it.starts_with("`front`") || it.starts_with("`back`"));
    assert_eq!((plan.components.count, of_upstreams.count()), (1, 3));
    let page = farebox::forecast::text::render(&plan);
    assert!(page.contains("Upstreams, on average and without lines"), "{page}");
}

/// Rates without a mean are the reader's to refuse; a forecast of one must still end, with figures that say so.
#[test]
fn odd_rates_have_no_odd_figures() {
    let none = forecast(&changed(|scenario| scenario.cohorts[0].arrivals = spread(Distribution::Constant(0.0))));
    assert_eq!((none.expected, none.allowances[0].chance), (0.0, Some(0.0)));
    let endless = forecast(&changed(|scenario| {
        scenario.cohorts[0].arrivals = spread(Distribution::Pareto { min: 1.0, alpha: 1.0 });
        scenario.upstreams[0].latency = Distribution::Pareto { min: 1.0, alpha: 1.0 };
    }));
    assert_eq!((endless.allowances[0].chance, endless.load.in_flight_p99), (Some(1.0), None));
    assert!(farebox::forecast::text::render(&endless).contains("no bound"));
    assert!(endless.warnings[0].contains("no finite mean"), "{:?}", endless.warnings);
}

/// 10 calls a day of which a month includes 100: from day 10 on each costs a cent, until $2 are gone. February's 28 days
/// take $1.80, so the last 20 cents go on days 11 and 12 of the next month.
#[test]
fn credit_begins_to_flow_when_the_allowance_is_used() {
    let plan = forecast(&changed(|scenario| {
        let plan = scenario.plans.last().unwrap().clone();
        scenario.plans[0] = plan;
        let plan = &mut scenario.plans[0];
        plan.allowance[0] = Some(100);
        plan.usage_period = Some(Period::Month);
        plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(10_000_000), per: 1 }));
        scenario.cohorts[0].arrivals = Arrivals::Poisson { mean_gap_ns: DAY as f64 / 10.0, spread: None };
    }));
    let used = plan.credit[0].used_after_ns.unwrap();
    assert!(used.abs_diff(40 * DAY) < 1_000_000, "{used}");
    assert_eq!(plan.credit[0].chance, None);
}

#[test]
fn prices_that_are_not_linear_are_not_guessed() {
    let tier = Tier { up_to: u64::MAX, flat: Money::ZERO, unit: UnitPrice::FREE };
    let plan = forecast(&changed(|scenario| {
        let mut plan = scenario.plans.last().unwrap().clone();
        plan.prices = PerMeter::default();
        plan.prices[0] = Some(Price::Graduated(vec![tier]));
        scenario.plans = vec![plan];
    }));
    assert_eq!((plan.credit[0].used_after_ns, plan.credit[0].chance), (None, None));
    assert_eq!(plan.not_forecast, ["`payg`: prices that are not per unit"]);
}

// === doctor ===

/// What it finds depends on the machine; that it says it of everything does not.
#[test]
fn doctor_looks_at_everything_and_its_code_says_whether_all_works() {
    let folder = Folder::new("doctor");
    let answer = folder.farebox("doctor --format json").run();
    let diagnosis = json(&answer.stdout);
    let checks = diagnosis["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    let all = ["cores", "cpu_quota", "open_files", "ports", "loopback", "clock", "timer", "results"];
    assert_eq!((names.as_slice(), &diagnosis["schema"]), (all.as_slice(), &Value::from(1)));
    let is_broken = checks.iter().any(|check| check["status"] == "broken");
    assert_eq!(answer.code, Some(if is_broken { 7 } else { 0 }), "{answer}");
    for check in checks {
        let is_well = ["fine", "unknown"].contains(&check["status"].as_str().unwrap());
        assert_eq!(check["advice"].is_null(), is_well, "{check}");
    }
    assert_eq!(fs::read_dir(Path::new(env!("CARGO_TARGET_TMPDIR")).join("doctor")).unwrap().count(), 0);
}

#[test]
fn doctor_says_a_low_limit_of_open_files_and_what_to_type() {
    let folder = Folder::new("doctor-files").with("starter.yaml", STARTER);
    let answer = folder.farebox("doctor starter.yaml").open_files(64).run();
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(7), ""), "{answer}");
    let lines: Vec<_> = answer.stdout.lines().collect();
    let at = lines.iter().position(|line| line.contains("open files")).unwrap();
    expect![[r#"
        For a load over 256 connections
          BROKEN   open files   64; a load needs 1,424
                                `ulimit -n 4096` before starting it, where needed as root; or write fewer `live.connections`
    "#]]
    .assert_eq(&format!("{}\n{}\n{}\n", lines[0], lines[at], lines[at + 1]));
}

#[test]
fn doctor_says_that_results_cannot_be_written() {
    let folder = Folder::new("doctor-results").with("reports", "a file");
    let answer = folder.farebox("doctor --format json").run();
    let diagnosis = json(&answer.stdout);
    let results = diagnosis["checks"].as_array().unwrap().last().unwrap();
    assert_eq!((answer.code, &results["status"]), (Some(7), &Value::from("broken")), "{answer}");
}

/// The same names in both forms, with a blank for people.
#[test]
fn doctor_for_people_has_a_line_for_each_check() {
    let answer = Folder::new("doctor-people").farebox("doctor").run();
    let lines = answer.stdout.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    assert_eq!(lines.count(), 8, "{answer}");
    assert!(answer.stdout.starts_with("For a load over 64 connections\n"), "{answer}");
}

// === serve ===

#[test]
fn upstreams_are_served_to_other_machines_only_where_that_is_allowed() {
    let folder = Folder::new("serve-upstreams").with("scenario.yaml", STARTER);
    expect![[r#"
        exit code 2
        --- stderr ---
        error: `0.0.0.0:0` can be reached from other machines
        hint: listen on 127.0.0.1, or add `--allow-remote`
    "#]]
    .assert_eq(&folder.farebox("serve upstreams scenario.yaml --listen 0.0.0.0:0").run().to_string());
}
