//! Random cohorts: who is on which plan, when they call, how they pay, what they do about a refusal.

use super::dice::Dice;
use super::document::{Form, Keys, Node, names, value, values};
use super::scenarios::{Draft, distribution, time};

const ZONES: [&str; 5] = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Europe/London"];

/// Clients that retry in different ways, each within the seconds of a load.
const CLIENTS: [&str; 6] = ["none", "openai-python", "stripe", "requests-urllib3", "naive-loop", "aws-standard"];

/// How long clients wait that do not wait for ever, and how often they try.
const PATIENCE: [[&str; 2]; 3] = [["2ms", "2"], ["40ms", "3"], ["500ms", "1"]];

/// Causes that an account can be in, and what is done about each.
const WHEN: [&str; 14] = [
    "no_payment_method",
    "first_payment_failed",
    "trial_ended",
    "past_due",
    "past_due",
    "unpaid",
    "canceled",
    "billing_hold",
    "quota_exhausted",
    "credit_exhausted",
    "spend_cap",
    "route_not_in_plan",
    "rate_limited",
    "concurrency_limited",
];

pub(super) fn cohorts(dice: &mut Dice, draft: &Draft, top: Keys) -> Keys {
    let count = dice.between(1, 4);
    let drawn = (0..count).map(|number| (format!("cohort{number}"), cohort(dice, draft, count)));
    let drawn = names(drawn.collect());
    top.must("consumers", drawn)
}

fn cohort(dice: &mut Dice, draft: &Draft, cohorts: usize) -> Node {
    let plan = dice.below(draft.plans.len());
    // A trace is over in seconds: whoever comes later has no calls.
    let is_recorded = dice.happens(8);
    let mut cohort = Keys::default()
        .must("count", value(Form::Count, dice.between(1, 24 / cohorts).to_string()))
        .must("plan", value(Form::Name, draft.plans[plan].0.as_str()))
        .must("traffic", traffic(dice, draft, is_recorded));
    cohort = cohort.often(dice, 50, "time_zone", Form::Zone, &ZONES);
    if dice.happens(75) {
        let signups = |often| Keys::default().must("signups", value(Form::Frequency, often)).node();
        let joined = match dice.below(if is_recorded { 2 } else { 3 }) {
            0 => value(Form::Word, "start"),
            1 => value(Form::Word, "spread"),
            _ => signups(dice.one_of(&["40/month", "2/day", "300/year"])),
        };
        cohort = cohort.with("joined", joined);
    }
    cohort = cohort.often(dice, 25, "churn", Form::PercentPerMonth, &["0%/month", "20%/month"]);
    if dice.happens(30) {
        let discount = Keys::default().must("off", value(Form::Percent, dice.one_of(&["20%", "0%", "100%", "33.3%"])));
        cohort = cohort.with("discount", discount.often(dice, 60, "for", Form::Length, &["10d", "1mo", "1y"]).node());
    }
    if dice.happens(30) {
        cohort = cohort.with("client", client(dice));
    }
    if dice.happens(85) {
        cohort = cohort.with("payment", payment(dice));
    }
    if dice.happens(70) {
        let reactions = (0..dice.between(0, 6)).map(|_| reaction(dice, draft, plan));
        cohort = cohort.with("reacts", Node::List(reactions.collect()));
    }
    cohort.node()
}

/// By the name of a preset, or written out.
fn client(dice: &mut Dice) -> Node {
    let drawn = dice.below(CLIENTS.len() + PATIENCE.len());
    let Some(preset) = CLIENTS.get(drawn) else {
        let [timeout, attempts] = PATIENCE[drawn - CLIENTS.len()];
        let keys = Keys::default().with("timeout", value(Form::Duration, timeout));
        let delay = value(Form::Duration, "30ms");
        return keys.with("attempts", value(Form::Count, attempts)).with("delay", delay).node();
    };
    value(Form::Word, *preset)
}

fn traffic(dice: &mut Dice, draft: &Draft, is_recorded: bool) -> Node {
    let mut traffic = Keys::default();
    if is_recorded {
        let mut columns = vec![("time".to_owned(), value(Form::Text, "TIMESTAMP"))];
        for (name, column) in [("input", "ContextTokens"), ("output", "GeneratedTokens")] {
            columns.push((name.to_owned(), value(Form::Text, column)));
        }
        traffic = traffic.must("trace", value(Form::Text, "calls.csv")).must("columns", names(columns));
        traffic = traffic.often(dice, 30, "map", Form::Word, &["even", "zipf(1.5)"]);
        traffic = traffic.often(dice, 30, "repeat", Form::Word, &["false"]);
    } else {
        let rate = if dice.happens(50) {
            value(Form::Rate, dice.one_of(&["1/day", "4/day", "0.1/h", "0.005/min"]))
        } else {
            distribution(dice, Form::Rate, ["2/day", "8/day"], "p99").node()
        };
        traffic = traffic.must("rate", rate);
        if dice.happens(30) {
            traffic = traffic.with("arrivals", arrivals(dice));
        }
        if dice.happens(30) {
            traffic = traffic.with("shape", shape(dice));
        }
    }
    if draft.routes.is_empty() || dice.happens(40) {
        return traffic.node();
    }
    let shares: &[&str] = dice.one_of(&[&["100%"], &["80%", "20%"], &["12.5%", "87.5%"], &["50%", "49.75%", "0.25%"]]);
    let shares = if shares.len() > draft.routes.len() { &["100%"] } else { shares };
    let mix = draft.routes.iter().zip(shares).map(|(path, share)| (path.clone(), value(Form::Percent, *share)));
    traffic.with("routes", names(mix.collect())).node()
}

fn arrivals(dice: &mut Dice) -> Node {
    let [burst, pause] = match dice.below(7) {
        0 => return value(Form::Word, "poisson"),
        1 => return value(Form::Word, "constant"),
        2 => ["30s", "5m"],
        3 => ["4h", "10d"],
        4 => ["2d", "12h"],
        _ => return Keys::default().must("sessions", sessions(dice)).node(),
    };
    let bursty =
        Keys::default().must("burst", value(Form::Duration, burst)).must("pause", value(Form::Duration, pause));
    Keys::default().must("bursty", bursty.node()).node()
}

fn sessions(dice: &mut Dice) -> Node {
    let calls = match dice.below(2) {
        0 => value(Form::Count, dice.one_of(&["1", "3", "20"])),
        _ => distribution(dice, Form::Count, ["4", "30"], "p95").node(),
    };
    let think = match dice.below(2) {
        0 => value(Form::Duration, dice.one_of(&["0s", "4s", "2h"])),
        _ => distribution(dice, Form::Duration, ["4s", "10m"], "p99").node(),
    };
    Keys::default().must("calls", calls).must("think", think).node()
}

fn shape(dice: &mut Dice) -> Node {
    let presets = ["flat", "office_hours", "evenings", "weekends"];
    let hours = [
        "0", "0.5", "1", "1", "1", "2", "3", "9", "9", "7", "5", "8", "0", "8", "9", "9", "7", "6", "5", "3", "2", "1",
        "1", "0",
    ];
    let weekdays = ["1", "1", "1", "1.5", "1", "0.5", "0"];
    match dice.below(4) {
        0 => Keys::default()
            .with("hours", values(Form::Number, &hours))
            .with("weekdays", values(Form::Number, &weekdays))
            .node(),
        1 => Keys::default().must("weekdays", values(Form::Number, &weekdays)).node(),
        _ => value(Form::Word, dice.one_of(&presets)),
    }
}

fn payment(dice: &mut Dice) -> Node {
    let card = match dice.below(6) {
        0 => return value(Form::Word, "none"),
        1 => return Keys::default().node(),
        2 => value(Form::Word, dice.one_of(&["healthy", "typical", "consumer"])),
        _ => card(dice),
    };
    Keys::default().with("card", card).node()
}

fn card(dice: &mut Dice) -> Node {
    let card = Keys::default().often(dice, 70, "declines", Form::Percent, &["0%", "30%", "60%", "100%"]);
    let mut card = card.often(dice, 50, "hard", Form::Percent, &["0%", "40%", "100%"]);
    if dice.happens(40) {
        card = card.must("broke", value(Form::Duration, dice.one_of(&["4d", "15d"])));
        card = card.must("funded", value(Form::Duration, dice.one_of(&["10d", "60d"])));
    }
    if dice.happens(40) {
        card = card.with("lasts", value(Form::Length, dice.one_of(&["1mo", "40d", "3y"])));
        card = card.often(dice, 60, "updater", Form::Percent, &["0%", "70%", "100%"]);
    }
    card.node()
}

fn reaction(dice: &mut Dice, draft: &Draft, plan: usize) -> Node {
    let mut reaction = Keys::default();
    let mut when = "refused";
    if dice.happens(15) {
        reaction = reaction.must("when", value(Form::Word, "refused"));
        reaction = reaction.must("more_than", value(Form::PerDay, dice.one_of(&["1/day", "3/day"])));
    } else {
        when = dice.one_of(&WHEN);
        reaction = reaction.must("when", value(Form::Word, when));
    }
    let others: Vec<&String> =
        draft.plans.iter().enumerate().filter(|(other, _)| *other != plan).map(|(_, (name, _))| name).collect();
    // Dice of its own, so that what else is drawn stays as it was.
    let own = &mut dice.clone();
    let act = match dice.below(8) {
        0..=3 if !others.is_empty() => dice.one_of(&["upgrade", "downgrade"]),
        4 | 5 => "fix_card",
        6 if own.happens(50) => "slow_down",
        6 => "churn",
        _ => "top_up",
    };
    // Who is canceled does not come back.
    let act = if when == "canceled" { "churn" } else { act };
    reaction = reaction.must("do", value(Form::Word, act));
    reaction = match act {
        "upgrade" | "downgrade" => reaction.must("to", value(Form::Name, others[dice.below(others.len())].as_str())),
        "top_up" => reaction.must("amount", value(Form::Money, draft.payment("2.50"))),
        "slow_down" => {
            let by = reaction.must("by", value(Form::Percent, own.one_of(&["50%", "90%"])));
            by.often(own, 50, "for", Form::Duration, &["6h", "2d"])
        }
        _ => reaction,
    };
    reaction = reaction.often(dice, 60, "chance", Form::Percent, &["100%", "40%", "0%"]);
    if dice.happens(70) {
        reaction = reaction.with("after", time(dice, ["2h", "3d"]));
    }
    reaction.node()
}
