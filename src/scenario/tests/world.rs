//! What the world around plans and consumers is in the model, and how plans change in it.

use farebox_engine::model::{
    AppliesTo, Dialect, Length, OnClientAbort, Returns, Scenario, Share, SpendControl, Webhooks,
};

use super::lowered::{DOLLAR, days, money, per_unit, said, scenario, text};
use super::*;

/// Whoever writes nothing of webhooks hears from the answers; what is never heard of so is asked for every hour.
#[test]
fn webhooks_ask_for_nothing_by_default() {
    let webhooks = |text: &str| scenario("", "traffic: { rate: 1/h }", text).payments.webhooks;
    assert!(!webhooks("").asks() && !webhooks("payments: { webhooks: { reconcile: 5m, delay: 0s } }\n").asks());
    assert_eq!(webhooks("").reconcile, TimeSpan::from_secs(3_600));
    for key in ["delay: 1ms", "duplicate: 1%", "reorder: 1%", "lose: 1%"] {
        assert!(webhooks(&format!("payments: {{ webhooks: {{ {key} }} }}\n")).asks(), "{key}");
    }
}

#[test]
fn what_no_webhook_can_be_is_an_error() {
    for (key, message) in [
        ("delay: 73h", "no webhook would ever come"),
        ("reconcile: 0s", "`0s` is no time at all"),
        ("lose: 101%", "`101%` is more than `100%`"),
    ] {
        let said = said("", "traffic: { rate: 1/h }", &format!("payments: {{ webhooks: {{ {key} }} }}\n"));
        assert_eq!(said, [message], "{key}");
    }
}

#[test]
fn payments_and_the_gateway() {
    let more = "gateway: { spend_control: check_then_debit, refusals: { quota_exhausted: 429, spend_cap: 403 } }
payments:
  processor: { latency: { exponential: 300ms }, errors: 0.5% }
  dunning: { retries: [ 1d ], on_hard_decline: retry, on_new_card: wait }
  fees: { success: 2.9% + $0.30, decline: $0.10, excess_retry: $0.50 }
  webhooks: { delay: { exponential: 2s }, duplicate: 1%, reorder: 2%, lose: 0.1%, reconcile: 10m }
  refunds: 0.5%
  chargebacks: { chance: 0.1%, after: 30d, fee: $15, suspends: 2d }
";
    let Scenario { payments, gateway, .. } = scenario("", "traffic: { rate: 1/h }", more);
    assert_eq!((gateway.spend_control, gateway.on_client_abort), (SpendControl::CheckThenDebit, OnClientAbort::Settle));
    assert_eq!(gateway.refusals, [("quota_exhausted", 429), ("spend_cap", 403)]);
    assert_eq!(payments.processor.latency, Distribution::Exponential { mean: 300e6 });
    let Webhooks { delay, duplicate, reorder, lose, reconcile } = payments.webhooks;
    assert_eq!((delay, reconcile), (Distribution::Exponential { mean: 2e9 }, TimeSpan::from_secs(600)));
    assert_eq!([duplicate, reorder, lose], [10, 20, 1].map(|parts| Chance::of(parts, 1_000)));
    assert!(payments.dunning.retries_hard_declines && payments.dunning.waits_for_schedule);
    assert_eq!(
        (payments.fees.success, payments.fees.success_fixed),
        (Share { parts: 29, of: 1_000 }, money(DOLLAR * 3 / 10))
    );
    assert_eq!(payments.refunds, Returns { chance: Chance::of(5, 1_000), after: days(7), ..Returns::default() });
    let back = Returns { chance: Chance::of(1, 1_000), after: days(30), fee: money(15 * DOLLAR), suspends: days(2) };
    assert_eq!(payments.chargebacks, back);
}

/// `OpenAI` answers with 429 what others answer with 402, but for a call that is asked to pay for itself; what the file says
/// of a cause goes before.
#[test]
fn a_dialect_brings_its_statuses() {
    let refusals = |gateway: &str| {
        let Scenario { gateway, .. } = scenario("", "traffic: { rate: 1/h }", &format!("gateway: {gateway}\n"));
        (gateway.dialect, gateway.refusals)
    };
    assert_eq!(refusals("{ dialect: problem }"), (Dialect::Problem, Vec::new()));
    assert_eq!(refusals("{ dialect: openrouter_402 }"), (Dialect::OpenRouter402, Vec::new()));
    let (dialect, statuses) = refusals("{ dialect: openai_429, refusals: { past_due: 403, rate_limited: 503 } }");
    assert_eq!(dialect, Dialect::OpenAi429);
    let status = |cause: &str| statuses.iter().find(|(name, _)| *name == cause).map(|(_, status)| *status);
    let asked =
        ["past_due", "rate_limited", "quota_exhausted", "credit_exhausted", "payment_required", "no_credential"];
    assert_eq!(asked.map(status), [Some(403), Some(503), Some(429), Some(429), None, None]);
    let mut names: Vec<_> = statuses.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), statuses.len(), "each cause has one status");
}

/// What an answer costs is counted by a meter: one that is there, or one of its own.
#[test]
fn the_cost_of_an_answer() {
    let more = "meters: { tokens: { sum: [in, out] }, output: { sum: [out] } }
routes: { /: { attributes: { in: 5, out: 7 } } }
upstreams: { api: { latency: 30ms, cost: { out: $0.60 per 1M, in: $0.01, requests: $0.001 } } }
";
    let made = scenario("", "traffic: { rate: 1/h }", more);
    let names: Vec<&str> = made.meters.iter().map(|meter| meter.name.as_str()).collect();
    assert_eq!(names, ["requests", "tokens", "output", "in"]);
    let UnitPrice { amount, per } = made.upstreams[0].cost[2].unwrap();
    assert_eq!((amount, per, made.upstreams[0].cost[1]), (money(DOLLAR * 6 / 10), 1_000_000, None));
    assert_eq!(
        (made.upstreams[0].cost[0], made.upstreams[0].cost[3]),
        (Some(per_unit(DOLLAR / 1_000)), Some(per_unit(DOLLAR / 100)))
    );
    let full = more.replace("output: {", "a: { sum: [in, out] }, output: {");
    assert_eq!(
        said("", "traffic: { rate: 1/h }", &full),
        ["the cost of `in` takes a meter of its own, and there are 4"]
    );
    let odd = more.replace("cost: { out", "cost: { outt");
    assert_eq!(said("", "traffic: { rate: 1/h }", &odd), ["unknown attribute `outt`"]);
}

#[test]
fn measured_latencies_come_from_a_file_beside() {
    let folder = Scratch::new("values", &[("ms.csv", "30\n\n2.5\n10\n"), ("bad.csv", "ms\n30\n")]);
    let with = |file: &str| {
        text("", "traffic: { rate: 1/h }", &format!("upstreams: {{ api: {{ latency: {{ file: {file} }} }} }}\n"))
    };
    let latency = read_in(&folder.0, &with("ms.csv")).scenario.upstreams[0].latency.clone();
    assert_eq!(latency, Distribution::Empirical([2.5e6, 10e6, 30e6].into()));
    for (file, message) in [
        ("bad.csv", "`bad.csv`, line 1: `ms` is not a number of 0 or more"),
        ("../ms.csv", "the file `../ms.csv` is outside of the scenario's folder"),
    ] {
        let rejected = parse("test.yaml", &with(file), &folder.0).unwrap_err();
        assert_eq!(rejected.diagnostics[0].message, message);
    }
}

// === Changes ===

/// Each change is laid on the plan as it is by then, in the order of time, whatever the order in the file.
#[test]
fn changes_build_on_each_other() {
    let more = "changes:
  - { at: 60d, plans: { pro: { fee: $69/month, includes: ~, past_allowance: ~ } }, applies_to: all }
  - { at: 45d, plans: { pro: { fee: $59/month, grace: 3d }, other: { trial: 14d } }, applies_to: at_renewal }
";
    let terms = "fee: $49/month, includes: { requests: 10k }, past_allowance: block";
    let changes = scenario(terms, "traffic: { rate: 1/h }", more).changes;
    let seen: Vec<_> =
        changes.iter().map(|it| (it.at, it.plan, it.applies_to, it.becomes.fee.nanos() / DOLLAR)).collect();
    assert_eq!(
        seen,
        [
            (days(45), 0, AppliesTo::AtRenewal, 59),
            (days(45), 1, AppliesTo::AtRenewal, 99),
            (days(60), 0, AppliesTo::All, 69),
        ]
    );
    assert_eq!((changes[2].becomes.grace, changes[2].becomes.allowance[0]), (days(3), None));
    assert_eq!(
        (changes[0].becomes.allowance[0], changes[1].becomes.trial),
        (Some(10_000), Some(Length::Exact(days(14))))
    );
    for (change, messages) in [
        ("{ at: 5d, plans: { prro: { fee: $1/day } }, applies_to: new }", &["unknown plan `prro`"][..]),
        ("{ at: 5d, plans: { pro: { fees: $1/day } }, applies_to: new }", &["unknown key `fees` (once `pro` changes)"]),
        (
            "{ at: 5d, plans: { pro: { past_allowance: ~ } }, applies_to: new }",
            &["`includes` needs `past_allowance` (once `pro` changes)"],
        ),
        (
            "{ at: 5d, plans: { pro: { trial: ~ } }, applies_to: new }",
            &["there is no `trial` to remove (once `pro` changes)"],
        ),
        ("{ at: 90d, plans: { pro: { trial: 1d } }, applies_to: new }", &["this change comes after the horizon"]),
    ] {
        assert_eq!(said(terms, "traffic: { rate: 1/h }", &format!("changes: [ {change} ]\n")), messages, "{change}");
    }
}

/// A plan is read again where it changes; what is odd about it stays one oddity.
#[test]
fn what_was_odd_before_a_change_is_said_once() {
    let more =
        "changes: [ { at: 5d, plans: { pro: { grace: 1d } }, applies_to: new } ]\nvariants: { v: { seed: 2 } }\n";
    let odd = ["there is nothing to cap: this plan bills no usage in arrears"];
    assert_eq!(said("fee: $1/day, spend_cap: $5/day", "traffic: { rate: 1/h }", more), odd);
}

// === Currencies ===

/// A currency of large numbers has a thousandth of the units, so that as much fits.
#[test]
fn a_yen_has_a_million_units() {
    let text = HELLO.replace("horizon", "currency: JPY\nhorizon").replace("$19", "¥1_900");
    assert_eq!(read(&text).scenario.plans[0].fee, money(1_900_000_000));
    for (fee, message) in [
        ("¥0.0000001", "`¥0.0000001/month` is finer than 10⁻⁶ of the currency's unit"),
        ("¥1000000M", "`¥1000000M/month` is more than 922337M"),
        ("$5", "`$5/month` is in USD, and the scenario in JPY"),
    ] {
        let rejected = parse("test.yaml", &text.replace("¥1_900", fee), Path::new("")).unwrap_err();
        assert_eq!(rejected.diagnostics[0].message, message);
    }
}
