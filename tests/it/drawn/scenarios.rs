//! Random scenarios over the whole language: all that they ask for is built, so they can be played.

use super::cohorts;
use super::dice::Dice;
use super::document::{Form, Keys, Node, names, value, values};
use super::plans;

/// What the parts of a scenario know of each other.
pub(super) struct Draft {
    /// The sign before an amount, or the code behind it.
    currency: &'static str,
    /// Whether every period is a month, so that fees can change.
    pub(super) is_monthly: bool,
    /// `requests`, and what the file adds.
    pub(super) meters: Vec<String>,
    /// The paths; none where the file has none.
    pub(super) routes: Vec<String>,
    /// The upstreams beside the first.
    further: Vec<&'static str>,
    /// The plans that are drawn.
    pub(super) plans: Vec<(String, Node)>,
}

impl Draft {
    /// An amount in the scenario's currency.
    pub(super) fn money(&self, amount: &str) -> String {
        match self.currency {
            sign @ ("$" | "€" | "£" | "¥" | "₩") => format!("{sign}{amount}"),
            code => format!("{amount} {code}"),
        }
    }

    /// The same where a processor may be asked for it: yen have no parts.
    pub(super) fn payment(&self, amount: &str) -> String {
        match (self.currency, amount.split_once('.')) {
            ("¥", Some((whole, _))) => {
                self.money(&format!("{}", whole.parse::<u32>().expect("an amount of ours") + 1))
            }
            _ => self.money(amount),
        }
    }
}

const CURRENCIES: [(&str, &str); 8] = [
    ("USD", "$"),
    ("USD", "$"),
    ("EUR", "€"),
    ("GBP", "£"),
    ("CHF", "CHF"),
    ("KWD", "KWD"),
    ("JPY", "¥"),
    ("IDR", "IDR"),
];

const STARTS: [&str; 7] = [
    "2026-03-01",
    "2026-01-31",
    "2024-02-29",
    "2026-03-28T22:59:59Z",
    "2025-10-25",
    "2025-12-30",
    "2026-01-31T14:23:05Z",
];

/// Paths of routes: one within another, one like another, and whatever else a request line carries.
const PATHS: [[&str; 3]; 3] = [
    ["/v1/chat", "/", "/v1/search/all:near-me"],
    ["/a", "/a/", "/a/b"],
    ["/v1/{id}|x", "/v1/~(y)*;z=%20", "/v1/'\"^\\"],
];

/// The scenario of a seed.
pub(crate) fn scenario(seed: u64) -> Node {
    let dice = &mut Dice::new(seed);
    let (code, currency) = dice.one_of(&CURRENCIES);
    let has_routes = dice.happens(60);
    let mut draft = Draft {
        currency,
        is_monthly: dice.happens(50),
        meters: vec!["requests".to_owned()],
        routes: Vec::new(),
        further: further(has_routes, seed),
        plans: Vec::new(),
    };
    let mut top = Keys::default()
        .must("scenario", value(Form::Name, format!("drawn-{seed}")))
        .must("horizon", value(Form::Length, dice.one_of(&["40d", "2mo", "100d", "1y"])))
        .with("seed", value(Form::Count, seed.to_string()));
    if code != "USD" || dice.happens(30) {
        top = top.with("currency", value(Form::Word, code));
    }
    top = top.often(dice, 70, "start", Form::Date, &STARTS);
    top = top.often(dice, 30, "description", Form::Text, &["What if?", "Nobody pays: 50% leave, #1."]);
    top = top.often(dice, 20, "replications", Form::Count, &["1", "3"]);
    if has_routes {
        top = meters(dice, &mut draft, top);
        top = routes(dice, &mut draft, top, seed);
    }
    for number in 0..dice.between(1, 4) {
        let plan = plans::plan(dice, &draft);
        draft.plans.push((format!("plan{number}"), plan));
    }
    top = top.must("plans", names(draft.plans.clone()));
    top = cohorts::cohorts(dice, &draft, top);
    if dice.happens(80) {
        top = top.with("upstreams", upstreams(upstream(dice, &draft), &draft, seed));
    } else if !draft.further.is_empty() {
        let first = Keys::default().must("latency", value(Form::Duration, "5ms"));
        top = top.with("upstreams", upstreams(first, &draft, seed));
    }
    top = gateway(dice, top);
    if dice.happens(85) {
        top = top.with("payments", payments(dice, &draft));
    }
    top = faults(top, seed);
    if dice.happens(60) {
        top = top.with("changes", Node::List((0..dice.between(0, 3)).map(|_| plans::change(dice, &draft)).collect()));
    }
    if dice.happens(25) {
        top = top.with("variants", variants(dice, &draft));
    }
    top.with("live", live(dice)).node()
}

fn meters(dice: &mut Dice, draft: &mut Draft, top: Keys) -> Keys {
    let sums: [(&str, &[&str]); 2] = [("tokens", &["input", "output"]), ("thought", &["output"])];
    let chosen: Vec<_> = sums.into_iter().filter(|_| dice.happens(55)).collect();
    draft.meters.extend(chosen.iter().map(|(name, _)| (*name).to_owned()));
    let sum = |attributes| Keys::default().must("sum", values(Form::Name, attributes)).node();
    top.with("meters", names(chosen.into_iter().map(|(name, attributes)| (name.to_owned(), sum(attributes))).collect()))
}

/// The first route carries all attributes, and every mix has it, so that every meter counts for every cohort.
fn routes(dice: &mut Dice, draft: &mut Draft, top: Keys, seed: u64) -> Keys {
    let own = &mut Dice::new(seed ^ 0x2007);
    let paths = dice.one_of(&PATHS);
    draft.routes = paths[..dice.between(1, 3)].iter().map(|path| (*path).to_owned()).collect();
    let mut drawn = Vec::new();
    for (number, path) in draft.routes.iter().enumerate() {
        let carries = |dice: &mut Dice| draft.meters.len() > 1 && (number == 0 || dice.happens(60));
        let mut attributes = Vec::new();
        for name in ["input", "output"] {
            if carries(dice) {
                attributes.push((name.to_owned(), amount(dice)));
            }
        }
        let to = if draft.further.is_empty() { "api" } else { own.one_of(&draft.further) };
        let is_there = dice.happens(20) || to != "api";
        // What is generated takes as long as there is of it.
        if to == MODEL {
            attributes.push((OUTPUT.to_owned(), amount(own)));
        }
        let route = Keys::default().with("attributes", names(attributes));
        let route = if is_there { route.with("upstream", value(Form::Name, to)) } else { route };
        drawn.push((path.clone(), route));
    }
    let drawn = drawn.into_iter().map(|(path, route)| (path, route.node()));
    // The upstream that routes name must be written.
    top.with("routes", names(drawn.collect()))
}

/// How much of an attribute a call carries.
fn amount(dice: &mut Dice) -> Node {
    if dice.happens(30) {
        return value(Form::Count, dice.one_of(&["0", "12", "400"]));
    }
    let drawn = distribution(dice, Form::Count, ["20", "90"], "p99");
    drawn.often(dice, 50, "max", Form::Count, &["60", "1k"]).node()
}

/// A distribution of a form, given two texts of it in ascending order.
pub(super) fn distribution(dice: &mut Dice, form: Form, [low, high]: [&str; 2], upper: &str) -> Keys {
    let (first, second) = (value(form, low), value(form, high));
    let number = |dice: &mut Dice| value(Form::Number, dice.one_of(&["1", "2.5", "1.25"]));
    match dice.below(6) {
        0 => Keys::default().must("exponential", first),
        1 => Keys::default().must("uniform", Node::List(vec![first, second])),
        2 => {
            // Rates have a mean.
            let alphas = if form == Form::Rate { ["1.5", "2.5", "1.25"] } else { ["1", "2.5", "1.25"] };
            let alpha = value(Form::Number, dice.one_of(&alphas));
            let pareto = Keys::default().must("min", first).must("alpha", alpha);
            Keys::default().must("pareto", pareto.node())
        }
        3 => {
            let gamma = Keys::default().must("shape", number(dice)).must("mean", second);
            Keys::default().must("gamma", gamma.node())
        }
        _ => Keys::default().must("p50", first).must(upper, second),
    }
}

/// A time: constant or drawn.
pub(super) fn time(dice: &mut Dice, points: [&str; 2]) -> Node {
    if dice.happens(25) {
        value(Form::Duration, points[0])
    } else {
        distribution(dice, Form::Duration, points, "p95").node()
    }
}

/// A language model: routes that go there carry [`OUTPUT`].
const MODEL: &str = "model";
const OUTPUT: &str = "output_tokens";

/// The upstreams beside the first, in four of ten scenarios; with dice of their own, so that what else is drawn stays as it
/// was.
fn further(has_routes: bool, seed: u64) -> Vec<&'static str> {
    let dice = &mut Dice::new(seed ^ 0xF047);
    if !has_routes || !dice.happens(40) {
        return Vec::new();
    }
    ["ranker", "store", MODEL][..dice.between(1, 3)].to_vec()
}

/// The first calls the ranker or not, that the store, and the model calls nobody.
fn upstreams(first: Keys, draft: &Draft, seed: u64) -> Node {
    let dice = &mut Dice::new(seed ^ 0x0B5);
    let calls = |keys: Keys, names: &[&str]| keys.with("calls", values(Form::Name, names));
    let has = |name: &str| draft.further.contains(&name);
    let mut all =
        vec![("api".to_owned(), if has("ranker") && dice.happens(70) { calls(first, &["ranker"]) } else { first })];
    for name in &draft.further {
        let chat = Keys::default().with("preset", value(Form::Word, "chat"));
        let plain = Keys::default().must("latency", time(dice, ["2ms", "9ms"]));
        let keys = match *name {
            MODEL => chat
                .with("first_token", time(dice, ["3ms", "20ms"]))
                .with("tokens_per_second", value(Form::Count, dice.one_of(&["2k", "50k"])))
                .often(dice, 50, "streaming", Form::Word, &["true"]),
            "ranker" if has("store") => calls(plain, dice.one_of(&[&["store"][..], &["store", "store"]])),
            _ => plain,
        };
        let keys = keys.often(dice, 50, "errors", Form::Percent, &["5%", "30%"]);
        let keys = keys.often(dice, 20, "capacity", Form::Count, &["1", "3"]);
        let cost = names(vec![("requests".to_owned(), value(Form::Price, draft.money("0.001")))]);
        all.push(((*name).to_owned(), if dice.happens(40) { keys.with("cost", cost) } else { keys }));
    }
    names(all.into_iter().map(|(name, keys)| (name, by_status(keys.node(), dice))).collect())
}

/// Two of three that fail do so with several statuses.
fn by_status(upstream: Node, dice: &mut Dice) -> Node {
    let Node::Keys(mut entries) = upstream else { return upstream };
    for entry in entries.iter_mut().filter(|entry| entry.key == "errors") {
        if dice.happens(66) {
            let each = [("402", "5%"), ("429", "0.5%"), ("503", "20%")];
            let some = &each[..dice.between(1, 3)];
            let chance = |(status, chance): &(&str, &str)| ((*status).to_owned(), value(Form::Percent, *chance));
            entry.node = names(some.iter().map(chance).collect());
        }
    }
    Node::Keys(entries)
}

fn upstream(dice: &mut Dice, draft: &Draft) -> Keys {
    let points = dice.one_of(&[["5ms", "20ms"], ["30ms", "250ms"], ["100ms", "900ms"], ["1ms", "2ms"]]);
    let mut upstream = Keys::default().must("latency", time(dice, points));
    upstream = upstream.often(dice, 20, "errors", Form::Percent, &["0%", "5%", "30%"]).often(
        dice,
        10,
        "capacity",
        Form::Count,
        &["1", "2", "64"],
    );
    upstream = upstream.often(dice, 10, "streaming", Form::Word, &["false"]);
    if dice.happens(40) {
        let mut costs = vec![("requests".to_owned(), value(Form::Price, draft.money("0.002")))];
        if draft.meters.len() > 1 {
            costs.push(("output".to_owned(), value(Form::Price, format!("{} per 1M", draft.money("0.60")))));
        }
        upstream = upstream.with("cost", names(costs));
    }
    upstream
}

fn gateway(dice: &mut Dice, top: Keys) -> Keys {
    let mut gateway = Keys::default();
    gateway = gateway.often(dice, 60, "spend_control", Form::Word, &["reserve", "check_then_debit"]);
    gateway = gateway.often(dice, 20, "on_client_abort", Form::Word, &["settle", "release", "bill_sent"]);
    gateway = gateway.often(dice, 20, "nodes", Form::Count, &["1"]);
    gateway = gateway.often(dice, 20, "counters", Form::Word, &["exact"]);
    gateway = gateway.often(dice, 20, "entitlement_cache", Form::Duration, &["0s"]);
    gateway = gateway.often(dice, 20, "when_billing_down", Form::Word, &["closed"]);
    gateway = gateway.often(dice, 20, "dialect", Form::Word, &["problem", "openai_429", "openrouter_402"]);
    if dice.happens(50) {
        let causes = ["quota_exhausted", "route_not_in_plan", "spend_cap", "rate_limited", "past_due"];
        let status = |dice: &mut Dice| value(Form::Count, dice.one_of(&["402", "429", "403", "503", "418"]));
        let chosen: Vec<&str> = causes.into_iter().filter(|_| dice.happens(40)).collect();
        let refusals = chosen.into_iter().map(|cause| (cause.to_owned(), status(dice)));
        gateway = gateway.with("refusals", names(refusals.collect()));
    }
    if gateway.is_empty() { top } else { top.with("gateway", gateway.node()) }
}

fn payments(dice: &mut Dice, draft: &Draft) -> Node {
    let mut processor = Keys::default();
    if dice.happens(65) {
        let points = dice.one_of(&[["3ms", "20ms"], ["20ms", "200ms"], ["300ms", "2s"]]);
        processor = processor.with("latency", time(dice, points));
    }
    processor = processor.often(dice, 40, "errors", Form::Percent, &["0%", "10%", "40%"]);
    let mut payments = Keys::default().with("processor", processor.node());
    if dice.happens(20) {
        let webhooks = Keys::default().often(dice, 60, "delay", Form::Duration, &["0ms", "1s"]);
        let webhooks = webhooks.often(dice, 60, "duplicate", Form::Percent, &["0%", "30%"]);
        let webhooks = webhooks.often(dice, 40, "reorder", Form::Percent, &["5%"]).often(
            dice,
            60,
            "lose",
            Form::Percent,
            &["30%"],
        );
        payments =
            payments.with("webhooks", webhooks.often(dice, 70, "reconcile", Form::Duration, &["100ms", "1h"]).node());
    }
    if dice.happens(75) {
        payments = payments.with("dunning", dunning(dice));
    }
    if dice.happens(50) {
        let (share, fixed) = (dice.one_of(&["2.9%", "0%", "1.25%"]), draft.money("0.30"));
        let success = dice.one_of(&[0, 1, 2]);
        let success = [share.to_owned(), fixed.clone(), format!("{share} + {fixed}")][success].clone();
        let mut fees = Keys::default().with("success", value(Form::Commission, success));
        for key in ["decline", "excess_retry"] {
            if dice.happens(60) {
                fees = fees.with(key, value(Form::Money, draft.money(dice.one_of(&["0", "0.10"]))));
            }
        }
        payments = payments.with("fees", fees.node());
    }
    for key in ["refunds", "chargebacks"] {
        if dice.happens(40) {
            payments = payments.with(key, returns(dice, draft));
        }
    }
    payments.node()
}

/// What breaks, in every second scenario. With dice of its own, so that what else is drawn stays as it was.
fn faults(top: Keys, seed: u64) -> Keys {
    let dice = &mut Dice::new(seed ^ 0xFA17);
    if dice.happens(50) {
        return top;
    }
    let fault = |dice: &mut Dice| {
        let fault = Keys::default()
            .must("at", value(Form::Duration, dice.one_of(&["0s", "3d", "20d", "36h"])))
            .must("for", value(Form::Duration, dice.one_of(&["90m", "30h", "9d"])));
        if dice.happens(60) {
            return fault.must("fault", value(Form::Word, "processor_down")).node();
        }
        let factor = value(Form::Number, dice.one_of(&["1", "2.5", "1000"]));
        fault.must("fault", value(Form::Word, "processor_slow")).with("factor", factor).node()
    };
    let count = dice.between(0, 3);
    top.with("faults", Node::List((0..count).map(|_| fault(dice)).collect()))
}

fn returns(dice: &mut Dice, draft: &Draft) -> Node {
    let chance = value(Form::Percent, dice.one_of(&["0%", "5%", "30%"]));
    if dice.happens(40) {
        return chance;
    }
    let returns = Keys::default().must("chance", chance);
    let returns = returns.often(dice, 70, "after", Form::Duration, &["0s", "1d", "6d", "36h"]);
    let returns = returns.often(dice, 60, "suspends", Form::Duration, &["0s", "4d", "12d"]);
    if dice.happens(60) {
        return returns.with("fee", value(Form::Money, draft.money("15"))).node();
    }
    returns.node()
}

fn dunning(dice: &mut Dice) -> Node {
    let retries: Vec<&str> = (0..dice.below(5)).map(|_| dice.one_of(&["1d", "3d", "5d", "1.5d", "6h"])).collect();
    let mut dunning = Keys::default().with("retries", values(Form::Duration, &retries));
    dunning = dunning.often(dice, 60, "on_hard_decline", Form::Word, &["stop", "retry"]);
    dunning = dunning.often(dice, 60, "on_new_card", Form::Word, &["retry", "wait"]);
    dunning.often(dice, 80, "finally", Form::Word, &["cancel", "unpaid", "keep"]).node()
}

/// A load of a second in which weeks or months of billing pass.
fn live(dice: &mut Dice) -> Node {
    let live = Keys::default()
        .with("rate", value(Form::Rate, dice.one_of(&["600/s", "900/s", "1k/s"])))
        .with("duration", value(Form::Duration, dice.one_of(&["1s", "800ms"])))
        .with("clock", value(Form::Clock, dice.one_of(&["45d per 1s", "90d per 1s", "150d per 1s", "400d per 1s"])));
    let live = live.often(dice, 30, "warm_up", Form::Duration, &["0s", "100ms", "0.25s"]);
    let live = live.often(dice, 50, "connections", Form::Count, &["64", "128"]);
    if !dice.happens(40) {
        return live.node();
    }
    let in_flight = Keys::default().often(dice, 60, "at_most", Form::Count, &["1k", "4k"]);
    live.with("in_flight", in_flight.often(dice, 60, "beyond", Form::Word, &["drop", "queue"]).node()).node()
}

fn variants(dice: &mut Dice, draft: &Draft) -> Node {
    let (name, plan) = &draft.plans[0];
    let plans = names(vec![(name.clone(), plans::overlay(dice, draft, plan))]);
    let cut = Keys::default().with("plans", plans).node();
    let seed = value(Form::Count, "7");
    let again = Keys::default().with("extends", value(Form::Name, "cut")).with("seed", seed).node();
    names(vec![("cut".to_owned(), cut), ("again".to_owned(), again)])
}
