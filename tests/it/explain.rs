//! `explain`: one consumer's story, beside what the whole run counted.

use std::collections::BTreeMap;

use expect_test::expect;
use serde_json::Value;

use crate::program::Folder;

const SCENARIO: &str = "\
scenario: story
start: 2026-03-01
horizon: 60d
plans:
  free: { includes: { requests: 20/month }, past_allowance: block }
  pro: { fee: $49/month, includes: { requests: 1k }, past_allowance: block, grace: 2d }
  payg: { prepaid: { opening: $0.30 }, prices: { requests: $0.01 } }
  slow: { includes: { requests: 100k/month }, past_allowance: block, limits: [ { requests: 1/min, kind: token_bucket, burst: 1 } ] }
consumers:
  hobby: { count: 3, plan: free, joined: start, traffic: { rate: 1/day } }
  firms: { count: 2, plan: pro, joined: start, traffic: { rate: 3/day }, payment: { card: { declines: 60% } } }
  scripts: { count: 1, plan: payg, joined: start, traffic: { rate: 1/day } }
  bursts: { count: 1, plan: slow, joined: start, traffic: { rate: 30/h } }
";

fn folder(name: &str) -> Folder {
    Folder::new(name).with("story.yaml", SCENARIO)
}

fn json(folder: &Folder, arguments: &str) -> Value {
    let answer = folder.farebox(&format!("explain story.yaml --format json {arguments}")).run();
    assert_eq!(answer.code, Some(0), "{answer}");
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn a_story_on_a_page() {
    let folder = folder("explain-page");
    expect![[r#"
        exit code 0
        --- stdout ---
        firms/1 of story · seed 1
        1 Mar 2026 00:00 to 30 Apr 2026 00:00, UTC

          1 Mar 00:00                  not subscribed yet; will be on pro; subscribed; invoiced a fee of $49.00; paid $49.00; now active on pro
          1 Mar 09:20 to 31 Mar 11:28  101 calls served
          1 Apr 00:00                  a new usage period begins; invoiced a fee of $49.00; a payment was declined; now past_due on pro
          1 Apr 01:05 to 2 Apr 18:23   12 calls served in grace
          3 Apr 04:18 to 3 Apr 12:36   2 calls refused: past_due
          4 Apr 00:00                  paid $49.00; now active on pro
          4 Apr 07:40 to 29 Apr 10:51  63 calls served

        Calls of the whole run
          made               178
          served             164
          served in grace     12
          refused: past_due    2

        Money of the whole run
          paid  $98.00

        At the end: active on pro
    "#]].assert_eq(&folder.farebox("explain story.yaml --consumer firms/1").run().to_string());
    expect![[r#"
        exit code 0
        --- stdout ---
        scripts/0 of story · seed 1
        1 Mar 2026 00:00 to 30 Apr 2026 00:00, UTC

          1 Mar 00:00                   not subscribed yet; will be on payg; subscribed; granted credit of $0.30; now active on payg
          1 Mar 18:17 to 29 Mar 21:36   30 calls served
          30 Mar 13:04 to 28 Apr 06:07  25 calls refused: credit_exhausted (at the first refusal: credit is $0.01 short)

        Calls of the whole run
          made                       55
          served                     30
          refused: credit_exhausted  25

        Money of the whole run
          of granted credit spent  $0.30

        At the end: active on payg
    "#]].assert_eq(&folder.farebox("explain story.yaml --consumer scripts/0").run().to_string());
    expect![[r#"
        exit code 0
        --- stdout ---
        bursts/0 of story · seed 1
        1 Mar 2026 12:00 to 1 Mar 2026 13:00, UTC

          1 Mar 12:03:35  / served
          1 Mar 12:03:54  / refused: rate_limited (41.0 s too early)
          1 Mar 12:04:29  / refused: rate_limited (5.7 s too early)
          1 Mar 12:07:38  / served
          1 Mar 12:07:41  / refused: rate_limited (57.1 s too early)
          1 Mar 12:08:07  / refused: rate_limited (31.2 s too early)
          1 Mar 12:09:39  / served
          1 Mar 12:11:02  / served
          1 Mar 12:12:12  / served
          1 Mar 12:12:20  / refused: rate_limited (52.6 s too early)
          1 Mar 12:16:07  / served
          1 Mar 12:18:58  / served
          1 Mar 12:20:44  / served
          1 Mar 12:21:03  / refused: rate_limited (40.9 s too early)
          1 Mar 12:21:39  / refused: rate_limited (5.1 s too early)
          1 Mar 12:24:26  / served
          1 Mar 12:28:21  / served
          1 Mar 12:28:35  / refused: rate_limited (46.2 s too early)
          1 Mar 12:28:53  / refused: rate_limited (28.0 s too early)
          1 Mar 12:29:05  / refused: rate_limited (16.6 s too early)
          1 Mar 12:31:00  / served
          1 Mar 12:31:05  / refused: rate_limited (55.8 s too early)
          1 Mar 12:34:47  / served
          1 Mar 12:35:28  / refused: rate_limited (19.6 s too early)
          1 Mar 12:37:11  / served
          1 Mar 12:37:34  / refused: rate_limited (37.4 s too early)
          1 Mar 12:48:00  / served
          1 Mar 12:51:19  / served
          1 Mar 12:54:03  / served
          1 Mar 12:55:59  / served
          1 Mar 12:57:49  / served

        Calls of the whole run
          made                   43,142
          served                 28,803
          refused: rate_limited  14,339

        At the end: active on slow
    "#]]
    .assert_eq(
        &folder
            .farebox("explain story.yaml --consumer bursts/0 --from 0d12h --until 2026-03-01T13:00")
            .run()
            .to_string(),
    );
}

/// The processor is down over the renewal of 1 April: the story says so, at both ends.
#[test]
fn a_story_tells_of_an_outage() {
    let faults = "faults:\n  - { at: 30d, for: 26h, fault: processor_down }\n  - { at: 40d, for: 2h, fault: processor_slow, factor: 10 }\n";
    let folder = Folder::new("explain-outage").with("story.yaml", &(SCENARIO.replace("60%", "0%") + faults));
    expect![[r#"
        exit code 0
        --- stdout ---
        firms/1 of story · seed 1
        30 Mar 2026 00:00 to 12 Apr 2026 00:00, UTC

          30 Mar 00:20 to 30 Mar 09:21  3 calls served
          31 Mar 00:00                  the payment processor goes down
          31 Mar 11:28                  1 call served
          1 Apr 00:00                   a new usage period begins; invoiced a fee of $49.00; a payment met an error of the processor
          1 Apr 01:00                   a payment met an error of the processor
          1 Apr 01:05                   1 call served
          1 Apr 02:00                   the payment processor is back; paid $49.00
          1 Apr 07:43 to 9 Apr 23:51    30 calls served
          10 Apr 00:00                  the payment processor becomes 10 times as slow
          10 Apr 02:00                  the payment processor is as fast as before
          10 Apr 11:08 to 11 Apr 23:57  6 calls served

        Calls of the whole run
          made    178
          served  178

        Money of the whole run
          paid  $98.00

        At the end: active on pro
    "#]]
        .assert_eq(&folder.farebox("explain story.yaml --consumer firms/1 --from 29d --until 42d").run().to_string());
}

/// Two upstreams of which each fails some calls, and faults of which some concern nobody who calls `/a` on `free`: the story
/// says which failed, and tells of no other outage.
#[test]
fn a_story_names_the_hop_that_failed_and_tells_of_what_it_meets() {
    let scenario = "\
scenario: hops
start: 2026-03-01
horizon: 3d
routes: { /a: { upstream: front }, /b: { upstream: other } }
plans:
  free: { includes: { requests: 1k/month }, past_allowance: block }
  pro: { fee: $49/month }
consumers:
  few: { count: 1, plan: free, joined: start, traffic: { rate: 5/day, routes: { /a: 100% } } }
  firms: { count: 1, plan: pro, joined: start, traffic: { rate: 5/day, routes: { /b: 100% } } }
upstreams:
  front: { latency: 10ms, errors: 20%, calls: [back] }
  back: { latency: 10ms, errors: 50% }
  other: { latency: 10ms }
faults:
  - { at: 1d, for: 1h, fault: upstream_slow, upstream: back, factor: 2 }
  - { at: 26h, for: 1h, fault: upstream_down, upstream: other }
  - { at: 30h, for: 1h, fault: policy_error, plan: pro }
  - { at: 34h, for: 1h, fault: processor_down }
";
    let folder = Folder::new("explain-hops").with("hops.yaml", scenario);
    let told = folder.farebox("explain hops.yaml --consumer few/0").run().to_string();
    assert!(told.contains("/a failed at front") && told.contains("/a failed at back"), "{told}");
    assert!(told.contains("the upstream back becomes 2 times as slow"), "{told}");
    for other in ["the upstream other", "misconfigured", "processor"] {
        assert!(!told.contains(other), "{other}: {told}");
    }
    let told = folder.farebox("explain hops.yaml --consumer firms/0").run().to_string();
    for own in ["the upstream other goes down", "misconfigured", "the payment processor goes down"] {
        assert!(told.contains(own), "{own}: {told}");
    }
    assert!(!told.contains("the upstream back"), "{told}");
}

/// What is paid is heard of two hours later, or when the gateway asks, which it does four times a day: the story says when each
/// was, what came twice, what went wrong in between, and what the end leaves open.
#[test]
fn a_story_tells_of_webhooks() {
    let scenario = "\
scenario: heard
seed: 3
start: 2026-03-01
horizon: 1466h
plans: { pro: { fee: $49/month } }
consumers:
  firms:
    count: 8
    plan: pro
    joined: start
    traffic: { rate: 10/day }
    payment: { card: { declines: 30% } }
    reacts: [ { when: past_due, do: fix_card, after: 5h } ]
payments:
  webhooks: { delay: 2h, duplicate: 40%, lose: 30%, reconcile: 6h }
  dunning: { retries: [3d] }
";
    let folder = Folder::new("explain-heard").with("heard.yaml", scenario);
    expect![[r#"
        exit code 0
        --- stdout ---
        firms/0 of heard · seed 3
        1 Mar 2026 00:00 to 1 May 2026 02:00, UTC

          1 Mar 00:00                  not subscribed yet; will be on pro; subscribed; invoiced a fee of $49.00; at the processor: paid $49.00; now incomplete on pro
          1 Mar 02:00                  heard by webhook, 2h late: the payment of $49.00; until then wrongly blocked for 2h; paid $49.00; now active on pro
          1 Mar 04:26 to 31 Mar 20:01  320 calls served
          1 Apr 00:00                  a new usage period begins; invoiced a fee of $49.00; at the processor: paid $49.00
          1 Apr 02:00                  heard by webhook, 2h late: the payment of $49.00; paid $49.00
          1 Apr 02:00                  ignored, a webhook of what is known by now: the payment of $49.00
          1 Apr 06:56 to 30 Apr 23:16  321 calls served
          1 May 00:00                  a new usage period begins; invoiced a fee of $49.00; at the processor: declined $49.00
          1 May 01:12                  1 call let through wrongly, past past_due

        Calls of the whole run
          made                                642
          served                              641
          let through wrongly, past past_due    1

        Money of the whole run
          paid               $98.00
          owed for invoices  $49.00

        At the end: active on pro; not heard of: the decline of $49.00 2h before
    "#]]
    .assert_eq(&folder.farebox("explain heard.yaml --consumer firms/0").run().to_string());
    expect![[r#"
        exit code 0
        --- stdout ---
        firms/1 of heard · seed 3
        1 Mar 2026 00:00 to 1 May 2026 02:00, UTC

          1 Mar 00:00                 not subscribed yet; will be on pro; subscribed; invoiced a fee of $49.00; at the processor: declined $49.00; now incomplete on pro
          1 Mar 00:36                 found by asking the processor, 36min 59s late: the decline of $49.00; a payment was declined
          1 Mar 00:55 to 1 Mar 00:57  2 calls refused: first_payment_failed (at the first refusal: the next change is due in 22h 4min)
          1 Mar 02:00                 ignored, a webhook of what is known by now: the decline of $49.00
          1 Mar 02:14 to 1 Mar 21:34  10 calls refused: first_payment_failed (at the first refusal: the next change is due in 20h 45min)
          1 Mar 23:00                 not owed any more $49.00; now incomplete_expired on pro
          2 Mar 00:06 to 1 May 00:07  582 calls refused: canceled

        Calls of the whole run
          made                           594
          refused: first_payment_failed   12
          refused: canceled              582

        At the end: incomplete_expired on pro
    "#]]
    .assert_eq(&folder.farebox("explain heard.yaml --consumer firms/1").run().to_string());
}

/// Somebody slows down, and makes all calls again later.
#[test]
fn a_story_tells_how_far_and_until_when_someone_slows_down() {
    let scenario = "\
scenario: slow
horizon: 30d
plans: { free: { includes: { requests: 60/month }, past_allowance: block } }
consumers:
  a:
    count: 2
    plan: free
    joined: start
    traffic: { rate: 5/day }
    reacts: [ { when: quota_exhausted, do: slow_down, by: 62.5%, for: 5d } ]
";
    let folder = Folder::new("explain-slow").with("slow.yaml", scenario);
    let story = folder.farebox("explain slow.yaml --consumer a/1").run().stdout;
    let told: Vec<_> = story.lines().filter(|line| line.contains("slows") || line.contains("again")).collect();
    let [slows, again] = told[..] else { panic!("{story}") };
    assert!(slows.contains("13 Jan 08:50") && slows.ends_with("slows down to 37.5 % of the calls"), "{story}");
    assert!(again.contains("18 Jan 08:50") && again.ends_with("makes all calls again"), "{story}");
}

/// A reminder and what was done about it are told at their moments: three days before the trial of ten days ends, and a day
/// after that.
#[test]
fn a_story_tells_of_reminders() {
    let scenario = "\
scenario: reminded
horizon: 30d
plans: { tried: { fee: $9/month, trial: 10d } }
consumers:
  a:
    count: 1
    plan: tried
    joined: start
    traffic: { rate: 5/day }
    payment: none
    reacts: [ { when: trial_reminder, do: fix_card, after: 1d } ]
payments: { reminders: { trial_ends: [ 3d ] } }
";
    let folder = Folder::new("explain-reminded").with("reminded.yaml", scenario);
    let story = folder.farebox("explain reminded.yaml --consumer a/0").run().stdout;
    let told =
        |when: &str, what: &str| story.lines().any(|line| line.trim_start().starts_with(when) && line.ends_with(what));
    assert!(told("8 Jan 00:00 ", " reminded that the trial is about to end"), "{story}");
    assert!(told("9 Jan 00:00 ", " gave a payment method because of a reminder"), "{story}");
    assert!(story.contains("the trial became a subscription"), "{story}");
}

/// A call that is asked for payment and served with it is one line, with what it cost.
#[test]
fn a_paid_call_is_one_line() {
    let scenario = "\
scenario: paid
start: 2026-03-01
horizon: 4d
plans:
  paid: { includes: { requests: 3/month }, past_allowance: block, pay_per_request: true, prices: { requests: $0.01 } }
consumers:
  few: { count: 1, plan: paid, joined: start, traffic: { rate: 4/day }, payment: { wallet: { balance: $0.05 } }, client: { attempts: 2, on_402: pay_once } }
  many: { count: 1, plan: paid, joined: start, traffic: { rate: 40/day }, payment: { wallet: { balance: $1 } }, client: { attempts: 2, on_402: pay_once } }
";
    let folder = Folder::new("explain-paid").with("paid.yaml", scenario);
    expect![[r#"
        exit code 0
        --- stdout ---
        few/0 of paid · seed 1
        1 Mar 2026 00:00 to 5 Mar 2026 00:00, UTC

          1 Mar 00:00  not subscribed yet; will be on paid; subscribed; now active on paid
          1 Mar 02:24  / served
          1 Mar 13:27  / served
          2 Mar 08:34  / served
          2 Mar 08:50  / refused: payment_required, then served for $0.01
          2 Mar 09:46  / refused: payment_required, then served for $0.01
          2 Mar 19:17  / refused: payment_required, then served for $0.01
          3 Mar 01:55  / refused: payment_required, then served for $0.01
          3 Mar 03:06  / refused: payment_required, then served for $0.01
          4 Mar 03:39  / refused: payment_required, 2 times (at the first refusal: the next change is due in 27d 20h)
          4 Mar 06:23  / refused: payment_required, 2 times (at the first refusal: the next change is due in 27d 17h)
          4 Mar 06:56  / refused: payment_required, 2 times (at the first refusal: the next change is due in 27d 17h)
          4 Mar 11:45  / refused: payment_required, 2 times (at the first refusal: the next change is due in 27d 12h)

        Calls of the whole run
          made                       21
          served                      8
          refused: payment_required  13

        Money of the whole run
          paid                  $0.05
          of paid credit spent  $0.05

        At the end: active on paid
    "#]]
    .assert_eq(&folder.farebox("explain paid.yaml --consumer few/0").run().to_string());
    expect![[r#"
        exit code 0
        --- stdout ---
        many/0 of paid · seed 1
        1 Mar 2026 00:00 to 5 Mar 2026 00:00, UTC

          1 Mar 00:00                 not subscribed yet; will be on paid; subscribed; now active on paid
          1 Mar 00:33 to 1 Mar 01:43  3 calls served
          1 Mar 03:48 to 4 Mar 22:50  344 calls: 244 refused: payment_required, 100 served for $1.00 (at the first refusal: the next change is due in 30d 20h)

        Calls of the whole run
          made                       347
          served                     103
          refused: payment_required  244

        Money of the whole run
          paid                  $1.00
          of paid credit spent  $1.00

        At the end: active on paid
    "#]].assert_eq(&folder.farebox("explain paid.yaml --consumer many/0").run().to_string());
}

#[test]
fn many_short_stretches_of_calls_are_one_line() {
    let folder = folder("explain-folds");
    let story = json(&folder, "--consumer bursts/0");
    let entries = story["entries"].as_array().unwrap();
    // The start, and the usage periods: one stretch of calls in each.
    let (facts, calls): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry["facts"].is_array());
    assert_eq!((facts.len(), calls.len()), (2, 2), "{story:#}");
    let in_entries: u64 =
        calls.iter().flat_map(|it| it["calls"].as_object().unwrap().values()).map(|n| n.as_u64().unwrap()).sum();
    let in_all: u64 = story["calls"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(in_entries, in_all);
    assert!(in_all > 40_000);
}

/// Stories are replayed, outcomes counted: they must agree on every call and every payment.
#[test]
fn the_stories_of_all_consumers_are_what_the_run_counted() {
    let folder = folder("explain-all");
    let simulated = folder.farebox("simulate story.yaml --quiet --format json --out results").run();
    let outcome: Value = serde_json::from_str(&simulated.stdout).unwrap();
    for cohort in outcome["cohorts"].as_array().unwrap() {
        let name = cohort["cohort"].as_str().unwrap();
        let count = match name {
            "hobby" => 3,
            "firms" => 2,
            _ => 1,
        };
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        let mut paid = 0.0;
        for index in 0..count {
            let story = json(&folder, &format!("--consumer {name}/{index}"));
            for (ending, calls) in story["calls"].as_object().unwrap() {
                *told.entry(ending.trim_end_matches(" in grace").to_owned()).or_default() += calls.as_u64().unwrap();
            }
            let money = story["money"].as_array().unwrap().iter().find(|it| it["label"] == "paid");
            paid += money.map_or(0.0, |it| it["amount"].as_str().unwrap().parse::<f64>().unwrap());
        }
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for (cause, calls) in cohort["refused"].as_object().unwrap() {
            counted.insert(format!("refused: {cause}"), calls.as_u64().unwrap());
        }
        counted.insert("served".to_owned(), cohort["served"].as_u64().unwrap());
        counted.insert("not answered at the end".to_owned(), cohort["in_flight"].as_u64().unwrap());
        counted.retain(|_, calls| *calls > 0);
        assert_eq!(told, counted, "{name}");
        let captured = cohort["moved"]["capture"].as_str().map_or(0.0, |nanos| nanos.parse::<f64>().unwrap()) / 1e9;
        assert!((paid - captured).abs() < 1e-6, "{name}: {paid} and {captured}");
    }
}

#[test]
fn a_window_shows_what_is_in_it_and_nothing_else() {
    let folder = folder("explain-window");
    let story = json(&folder, "--consumer bursts/0 --from 2026-03-05 --until 2026-03-05T01:00");
    let entries = story["entries"].as_array().unwrap();
    assert!(entries.len() > 10 && entries.iter().all(|entry| entry["route"] == "/"));
    let times: Vec<_> = entries.iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.iter().all(|at| at.starts_with("2026-03-05T00:")), "{times:?}");
    let refused = entries.iter().find(|entry| !entry["first_refusal"].is_null()).unwrap();
    assert_eq!(refused["first_refusal"]["cause"], "rate_limited");
    assert!(refused["first_refusal"]["rate_ns"].as_i64().unwrap() < 0);
}

#[test]
fn what_is_asked_wrongly_is_told_what_there_is() {
    let folder = folder("explain-wrong");
    let told = |arguments: &str| folder.farebox(&format!("explain story.yaml {arguments}")).run().to_string();
    let all: String =
        ["hobby/3", "hobbies/0", "hobby", "hobby/+1", "/"].map(|name| told(&format!("--consumer {name}"))).concat();
    expect![[r#"
        exit code 2
        --- stderr ---
        error: there is no consumer `hobby/3`
        hint: the consumers are `hobby/0` to `hobby/2`, `firms/0` to `firms/1`, `scripts/0` to `scripts/0`, `bursts/0` to `bursts/0`
        exit code 2
        --- stderr ---
        error: there is no consumer `hobbies/0`
        hint: the consumers are `hobby/0` to `hobby/2`, `firms/0` to `firms/1`, `scripts/0` to `scripts/0`, `bursts/0` to `bursts/0`
        exit code 2
        --- stderr ---
        error: there is no consumer `hobby`
        hint: the consumers are `hobby/0` to `hobby/2`, `firms/0` to `firms/1`, `scripts/0` to `scripts/0`, `bursts/0` to `bursts/0`
        exit code 2
        --- stderr ---
        error: there is no consumer `hobby/+1`
        hint: the consumers are `hobby/0` to `hobby/2`, `firms/0` to `firms/1`, `scripts/0` to `scripts/0`, `bursts/0` to `bursts/0`
        exit code 2
        --- stderr ---
        error: there is no consumer `/`
        hint: the consumers are `hobby/0` to `hobby/2`, `firms/0` to `firms/1`, `scripts/0` to `scripts/0`, `bursts/0` to `bursts/0`
    "#]].assert_eq(&all);
    let windows = ["--from yesterday", "--from 61d", "--until 2026-02-01", "--from 3d --until 3d"];
    let all: String = windows.map(|window| told(&format!("--consumer hobby/0 {window}"))).concat();
    expect![[r#"
        exit code 2
        --- stderr ---
        error: --from: `yesterday` is no moment of the run
        hint: write a date, such as `2026-03-05` or `2026-03-05T09:30`, or a duration after the start, such as `10d` or `9d23h`
        exit code 2
        --- stderr ---
        error: --from: `61d` is outside the run
        hint: it is played from 2026-03-01T00:00:00 to 2026-04-30T00:00:00, UTC
        exit code 2
        --- stderr ---
        error: --until: `2026-02-01` is outside the run
        hint: it is played from 2026-03-01T00:00:00 to 2026-04-30T00:00:00, UTC
        exit code 2
        --- stderr ---
        error: --from is not before --until
        hint: the run is told from the earlier on
    "#]]
    .assert_eq(&all);
}
