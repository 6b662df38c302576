//! Random plans, and how they change.

use super::dice::Dice;
use super::document::{Form, Keys, Node, names, value, values};
use super::scenarios::Draft;

/// The periods of usage, and what a plan has in one of them.
const PERIODS: [&str; 5] = ["day", "month", "month", "month", "year"];

pub(super) fn plan(dice: &mut Dice, draft: &Draft) -> Node {
    let period = if draft.is_monthly { "month" } else { dice.one_of(&PERIODS) };
    let fee_period = if draft.is_monthly || dice.happens(70) { period } else { dice.one_of(&["day", "month", "year"]) };
    let has_fee = dice.happens(65);
    let is_prepaid = dice.happens(35);
    let mut plan = Keys::default();
    if has_fee {
        let amount = dice.one_of(&["0", "0.10", "5", "9.99", "19", "49.50"]);
        plan = plan.with("fee", value(Form::Fee, format!("{}/{fee_period}", draft.money(amount))));
    }
    plan = plan.often(dice, 30, "trial", Form::Length, &["0d", "3d", "14d", "36h", "1mo"]);
    let is_named = !has_fee || fee_period != period || dice.happens(50);
    let (with_usage, past) = usage(dice, draft, plan, if is_named { Some(period) } else { None });
    plan = prices(dice, draft, with_usage, past, is_prepaid);
    if dice.happens(45) {
        plan = plan.with("limits", Node::List((0..dice.between(0, 3)).map(|_| limit(dice)).collect()));
    }
    if is_prepaid {
        plan = plan.with("prepaid", prepaid(dice, draft));
    }
    for (key, amounts) in [("minimum", ["1", "7.77", "20"]), ("spend_cap", ["0.05", "1", "12"])] {
        if dice.happens(25) {
            let amount = draft.money(dice.one_of(&amounts));
            plan = plan.with(key, value(Form::Fee, format!("{amount}/{period}")));
        }
    }
    plan = plan.often(dice, 40, "grace", Form::Duration, &["0s", "12h", "3d", "20d"]);
    if draft.routes.len() > 1 && dice.happens(35) {
        plan = plan.with("routes", values(Form::Path, &[draft.routes[dice.below(draft.routes.len())].as_str()]));
    }
    plan.node()
}

/// What a plan does with what lies past its allowance.
#[derive(Clone, PartialEq, Eq)]
enum Past {
    NoAllowance,
    Unbilled,
    /// The meters that have an allowance.
    Overage(Vec<String>),
}

fn usage(dice: &mut Dice, draft: &Draft, plan: Keys, period: Option<&str>) -> (Keys, Past) {
    if !dice.happens(60) {
        return (plan, Past::NoAllowance);
    }
    let mut included: Vec<String> = draft.meters.iter().filter(|_| dice.happens(50)).cloned().collect();
    if included.is_empty() {
        included.push("requests".to_owned());
    }
    let per = period.map(|period| format!("/{period}")).unwrap_or_default();
    let mut allowance = |meter: &String| {
        let units = if meter == "requests" { ["0", "2", "7", "25", "100"] } else { ["0", "150", "600", "2k", "20k"] };
        (meter.clone(), value(Form::Allowance, format!("{}{per}", dice.one_of(&units))))
    };
    let plan = plan.with("includes", names(included.iter().map(&mut allowance).collect()));
    let (plan, past) = match dice.below(3) {
        0 => (plan.must("past_allowance", value(Form::Word, "block")), Past::Unbilled),
        1 => {
            let pace = dice.one_of(&["1/s", "6/s", "20/min", "0.5/h"]);
            let throttle = Keys::default().must("throttle", value(Form::Rate, pace)).node();
            (plan.must("past_allowance", throttle), Past::Unbilled)
        }
        _ => (plan.must("past_allowance", value(Form::Word, "overage")), Past::Overage(included)),
    };
    if !dice.happens(35) {
        return (plan, past);
    }
    let rollover = Keys::default().often(dice, 40, "min", Form::Count, &["0", "1", "3"]);
    (plan.with("rollover", rollover.must("max", value(Form::Count, dice.one_of(&["3", "20", "1k"]))).node()), past)
}

/// Prices of what lies past the allowance, and of all else.
fn prices(dice: &mut Dice, draft: &Draft, mut plan: Keys, past: Past, is_prepaid: bool) -> Keys {
    let mut taken = Vec::new();
    if let Past::Overage(included) = past {
        let priced = included.iter().map(|meter| (meter.clone(), price(dice, draft, meter, true)));
        let overage = names(priced.collect());
        plan = plan.with("overage", overage);
        taken = included;
    }
    if !(is_prepaid || dice.happens(40)) {
        return plan;
    }
    let free: Vec<&String> = draft.meters.iter().filter(|meter| is_prepaid || !taken.contains(*meter)).collect();
    let Some(first) = free.first() else { return plan };
    let chosen: Vec<&&String> = free.iter().filter(|meter| *meter == first || dice.happens(40)).collect();
    let priced = chosen.into_iter().map(|meter| ((*meter).clone(), price(dice, draft, meter, !is_prepaid)));
    let priced = names(priced.collect());
    plan.with("prices", priced)
}

/// A price of a meter; what it comes to in the end can only be told of usage in arrears.
fn price(dice: &mut Dice, draft: &Draft, meter: &str, is_arrears: bool) -> Node {
    let (unit, end) =
        if meter == "requests" { (["0", "0.01", "0.25", "1"], 5) } else { (["0", "0.0001", "0.001", "0.01"], 900) };
    match dice.below(if is_arrears { 6 } else { 4 }) {
        0 => value(Form::Price, draft.money(dice.one_of(&unit))),
        1 => {
            let package = dice.one_of(&["1k", "7", "1M"]);
            value(Form::Price, format!("{} per {package}", draft.money(dice.one_of(&["2.50", "0.0375", "11"]))))
        }
        2 => {
            let package = Keys::default()
                .must("package", value(Form::Count, dice.one_of(&["3", "500", "1k"])))
                .must("price", value(Form::Money, draft.money(dice.one_of(&["0.10", "2"]))));
            package.often(dice, 50, "free", Form::Count, &["0", "2", "100"]).node()
        }
        3 => tiers(dice, draft, "graduated", &unit, end),
        4 => tiers(dice, draft, "volume", &unit, end),
        _ => {
            let steps = (1..=3).map(|step| {
                let price = value(Form::Money, draft.money(&step.to_string()));
                let up_to = value(Form::Count, (step * end).to_string());
                let keys = Keys::default();
                let keys = if step < 3 { keys.with("up_to", up_to) } else { keys };
                keys.must("price", price).node()
            });
            Keys::default().must("stairstep", Node::List(steps.collect())).node()
        }
    }
}

fn tiers(dice: &mut Dice, draft: &Draft, kind: &str, unit: &[&str], end: usize) -> Node {
    let count = dice.between(1, 4);
    let tier = |number: usize| {
        let mut tier = Keys::default();
        if number < count {
            tier = tier.with("up_to", value(Form::Count, (number * end).to_string()));
        }
        let has_flat = dice.happens(40);
        if has_flat {
            tier = tier.with("flat", value(Form::Money, draft.money(dice.one_of(&["0.50", "2"]))));
        }
        if !has_flat || dice.happens(70) {
            tier = tier.with("price", value(Form::Price, draft.money(dice.one_of(unit))));
        }
        tier.node()
    };
    Keys::default().must(kind, Node::List((1..=count).map(tier).collect())).node()
}

pub(super) fn limit(dice: &mut Dice) -> Node {
    let kind = dice.one_of(&["token_bucket", "leaky_bucket", "fixed_window", "sliding_window", "concurrency"]);
    let limit = Keys::default().must("kind", value(Form::Word, kind));
    if kind == "concurrency" {
        return limit.must("in_flight", value(Form::Count, dice.one_of(&["1", "2", "4"]))).node();
    }
    let limit = limit.must("requests", value(Form::Rate, dice.one_of(&["2/s", "15/s", "40/s", "30/min", "60/h"])));
    if kind.ends_with("bucket") {
        return limit.often(dice, 60, "burst", Form::Count, &["1", "2", "9"]).node();
    }
    limit.node()
}

fn prepaid(dice: &mut Dice, draft: &Draft) -> Node {
    let mut prepaid = Keys::default();
    let has_grants = dice.happens(40);
    if !has_grants || dice.happens(60) {
        prepaid = prepaid.with("opening", value(Form::Money, draft.payment(dice.one_of(&["0", "0.99", "4", "30"]))));
        prepaid = prepaid.often(dice, 50, "paid", Form::Word, &["true", "false"]);
    }
    prepaid = prepaid.often(dice, 60, "credits_expire", Form::Length, &["5d", "20d", "1mo", "1y"]);
    if has_grants {
        let grant = |_| {
            let grant = Keys::default().must("amount", value(Form::Money, draft.payment(dice.one_of(&["0.50", "3"]))));
            let grant = grant.often(dice, 60, "priority", Form::Count, &["0", "1", "255"]);
            let grant = grant.often(dice, 60, "expires", Form::Length, &["2d", "15d", "2mo"]);
            grant.often(dice, 50, "paid", Form::Word, &["true", "false"]).node()
        };
        prepaid = prepaid.with("grants", Node::List((0..2).map(grant).collect()));
    }
    if dice.happens(60) {
        let top_up = Keys::default()
            .must("below", value(Form::Money, draft.money(dice.one_of(&["0.50", "2"]))))
            .must("add", value(Form::Money, draft.money(dice.one_of(&["1", "5"]))));
        let top_up = top_up.often(dice, 50, "at_most", Form::PerMonth, &["1/month", "10/month"]);
        prepaid = prepaid.with("auto_top_up", top_up.node());
    }
    prepaid.node()
}

/// A change of one plan or of several.
pub(super) fn change(dice: &mut Dice, draft: &Draft) -> Node {
    let changed: Vec<&(String, Node)> = draft.plans.iter().filter(|_| dice.happens(60)).collect();
    let changed = if changed.is_empty() { vec![&draft.plans[0]] } else { changed };
    let overlays = changed.into_iter().map(|(name, plan)| (name.clone(), overlay(dice, draft, plan)));
    let plans = names(overlays.collect());
    Keys::default()
        .must("at", value(Form::Duration, dice.one_of(&["1d", "9d", "20d", "36h", "45d"])))
        .must("plans", plans)
        .must("applies_to", value(Form::Word, dice.one_of(&["new", "at_renewal", "all"])))
        .node()
}

/// What differs from a plan, and leaves it right.
pub(super) fn overlay(dice: &mut Dice, draft: &Draft, plan: &Node) -> Node {
    let mut overlay = Keys::default().often(dice, 50, "grace", Form::Duration, &["0s", "1d", "9d"]);
    overlay = overlay.often(dice, 30, "trial", Form::Length, &["0d", "5d", "2mo"]);
    for key in ["overage", "prices"] {
        if let (Some(meter), true) = (first_name(plan, key), dice.happens(60)) {
            let price = draft.money(dice.one_of(&["0", "0.02", "0.40"]));
            overlay = overlay.with(key, names(vec![(meter.to_owned(), value(Form::Price, price))]));
        }
    }
    if let (Some(meter), true) = (first_name(plan, "includes"), draft.is_monthly && dice.happens(50)) {
        let units = value(Form::Allowance, dice.one_of(&["1/month", "40/month"]));
        overlay = overlay.with("includes", names(vec![(meter.to_owned(), units)]));
    }
    if draft.is_monthly && dice.happens(70) {
        let amount = draft.money(dice.one_of(&["0", "3", "24", "60"]));
        overlay = overlay.with("fee", value(Form::Fee, format!("{amount}/month")));
    }
    if overlay.is_empty() || dice.happens(40) {
        overlay = overlay.with("limits", Node::List((0..dice.between(0, 2)).map(|_| limit(dice)).collect()));
    }
    overlay.node()
}

/// The first name in a map of names that a plan has.
fn first_name<'a>(plan: &'a Node, key: &str) -> Option<&'a str> {
    let Node::Keys(entries) = plan else { return None };
    match &entries.iter().find(|entry| entry.key == key)?.node {
        Node::Names(named) => named.first().map(|entry| entry.key.as_str()),
        _ => None,
    }
}
