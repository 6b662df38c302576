//! One consumer's story: what happened to them in order, as a page for people or as a document for programs.

use std::fmt::Write;

use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::margins::Margins;
use farebox_engine::money::{Currency, Money, thousands};
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND, Time};
use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::text::{Row, counted, row, table};

/// How many stretches of calls follow each other before they are told as one.
pub const STRETCHES_MAX: usize = 6;

/// The story of one consumer.
#[derive(Debug)]
pub struct Story {
    /// The scenario's name.
    pub scenario: String,
    /// What every draw is a function of.
    pub seed: u64,
    /// The consumer as the command line names them: `startups/17`.
    pub consumer: String,
    /// What amounts are in.
    pub currency: Currency,
    /// The civil instant (UTC) of [`Time::START`].
    pub start: DateTime,
    /// From when on it is told.
    pub from: Time,
    /// Until when it is told.
    pub until: Time,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// All calls of the run, in the window or not.
    pub calls: Counts,
    /// What the books say at the end of the run: a label and an amount, none of them zero.
    pub money: Vec<(&'static str, Money)>,
    /// The names of the upstreams, which calls failed at.
    pub upstreams: Vec<String>,
    /// What the subscription was at the end, and on which plan.
    pub at_end: String,
}

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// To the subscription or to money, all at one instant.
    Facts {
        /// When.
        at: Time,
        /// What, one after the other.
        facts: Vec<Fact>,
    },
    /// Calls with nothing else between them.
    Calls(Stretch),
}

/// One thing that happened to the subscription or to money.
#[derive(Debug, PartialEq, Eq)]
pub struct Fact {
    /// A sentence without its subject, `paid`.
    pub text: String,
    /// How much money it is about.
    pub amount: Option<Money>,
}

/// Calls with nothing else between them.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When the first was made.
    pub first: Time,
    /// When the last was made.
    pub last: Time,
    /// What became of them.
    pub counts: Counts,
    /// Why the first refused one was, and how far each rule was from deciding otherwise.
    pub why: Option<(Cause, Margins)>,
    /// The path that was called, where it is one call.
    pub route: Option<String>,
    /// Which call the last attempt was at.
    pub call: u64,
    /// What the calls were paid with one by one.
    pub paid: Money,
}

/// How many calls came to what end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<(Ending, u64)>);

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Served.
    Served,
    /// Served because of grace alone.
    ServedInGrace,
    /// Failed behind the gateway.
    Failed {
        /// At which upstream, by its index.
        upstream: usize,
        /// What went wrong there.
        cause: Cause,
        /// What the client was answered.
        status: u16,
    },
    /// Not answered when the run ended.
    Unanswered,
    /// Refused.
    Refused(Cause),
    /// Refused for that, though it should have been served.
    RefusedWrongly(Cause),
    /// Let through, though it should have been refused for that.
    LetThroughWrongly(Cause),
}

impl Ending {
    /// What it is called: `served`, `refused: past_due`, `failed at search`.
    pub fn label(self, upstreams: &[String]) -> String {
        match self {
            Self::Served => "served".to_owned(),
            Self::ServedInGrace => "served in grace".to_owned(),
            Self::Failed { upstream, cause, status } => {
                format!("failed at {}: {} ({status})", upstreams[upstream], cause.name())
            }
            Self::Unanswered => "not answered at the end".to_owned(),
            Self::Refused(cause) => format!("refused: {}", cause.name()),
            Self::RefusedWrongly(cause) => format!("refused wrongly: {}", cause.name()),
            Self::LetThroughWrongly(cause) => format!("let through wrongly, past {}", cause.name()),
        }
    }
}

impl Counts {
    /// So many more of them.
    pub fn add(&mut self, ending: Ending, calls: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == ending) {
            Some((_, count)) => *count += calls,
            None => self.0.push((ending, calls)),
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, calls)| calls).sum()
    }
}

impl Stretch {
    /// Whether a call that was asked for payment is among these, which are so and served alone.
    pub fn asks(&self) -> bool {
        let asked = Ending::Refused(Cause::PaymentRequired);
        let is_asked = self.counts.0.iter().any(|(ending, _)| *ending == asked);
        is_asked && self.counts.0.iter().all(|(ending, _)| [asked, Ending::Served].contains(ending))
    }

    /// Adds the calls of a later stretch; one that was asked for payment is one with its further attempts.
    pub fn append(&mut self, later: Self) {
        if self.call != later.call {
            self.route = None;
        }
        self.last = later.last;
        self.call = later.call;
        self.paid = self.paid.checked_add(later.paid).unwrap_or(self.paid);
        self.why = self.why.or(later.why);
        for (ending, calls) in later.counts.0 {
            self.counts.add(ending, calls);
        }
    }
}

// === For people ===

/// The page.
pub fn render(story: &Story) -> String {
    let mut page = format!(
        "{} of {} · seed {}\n{} to {}, UTC\n\n",
        story.consumer,
        story.scenario,
        story.seed,
        story.date(story.from),
        story.date(story.until)
    );
    let lines: Vec<_> = story.entries.iter().map(|entry| (story.when(entry), story.what(entry))).collect();
    let width = lines.iter().map(|(when, _)| when.chars().count()).max().unwrap_or(0);
    for (when, what) in &lines {
        writeln!(page, "  {when:width$}  {what}").expect("a String takes everything");
    }
    if lines.is_empty() {
        page += "  nothing happened\n";
    }
    page += &table("Calls of the whole run", &story.call_rows());
    if !story.money.is_empty() {
        page += &table("Money of the whole run", &story.money_rows());
    }
    page + &format!("\nAt the end: {}\n", story.at_end)
}

impl Story {
    fn civil(&self, at: Time) -> DateTime {
        // A horizon ends inside jiff's years, so no sum leaves them.
        self.start.saturating_add(jiff::Span::new().nanoseconds(at.ns()))
    }

    fn date(&self, at: Time) -> String {
        self.civil(at).strftime("%-d %b %Y %H:%M").to_string()
    }

    /// `3 Mar 09:12`; with the year where the story has several, with seconds where it is of one day.
    fn moment(&self, at: Time) -> String {
        let format = if self.until.since(self.from).ns() <= DAY {
            "%-d %b %H:%M:%S"
        } else if self.civil(self.from).year() == self.civil(self.until).year() {
            "%-d %b %H:%M"
        } else {
            "%-d %b %Y %H:%M"
        };
        self.civil(at).strftime(format).to_string()
    }

    fn when(&self, entry: &Entry) -> String {
        match entry {
            Entry::Facts { at, .. } => self.moment(*at),
            Entry::Calls(stretch) if stretch.counts.total() == 1 || stretch.route.is_some() => {
                self.moment(stretch.first)
            }
            Entry::Calls(stretch) => format!("{} to {}", self.moment(stretch.first), self.moment(stretch.last)),
        }
    }

    fn what(&self, entry: &Entry) -> String {
        match entry {
            Entry::Facts { facts, .. } => facts.iter().map(|fact| self.fact(fact)).collect::<Vec<_>>().join("; "),
            Entry::Calls(stretch) => {
                let label = |ending: &Ending| ending.label(&self.upstreams);
                let became = match (&stretch.route, stretch.counts.0.as_slice()) {
                    (Some(route), [(ending, 1)]) => format!("{route} {}", label(ending)),
                    (Some(route), [(ending, times)]) => format!("{route} {}, {times} times", label(ending)),
                    (Some(route), [(first, _), (last, _)]) => format!("{route} {}, then {}", label(first), label(last)),
                    _ => self.became(&stretch.counts),
                };
                let paid =
                    if stretch.paid == Money::ZERO { "" } else { &format!(" for {}", self.amount(stretch.paid)) };
                format!("{became}{paid}{}", self.why(stretch))
            }
        }
    }

    fn fact(&self, fact: &Fact) -> String {
        match fact.amount {
            Some(amount) => format!("{} {}", fact.text, self.amount(amount)),
            None => fact.text.clone(),
        }
    }

    fn amount(&self, amount: Money) -> String {
        self.currency.display(amount.nanos().into()).to_string()
    }

    /// How far the decision was, as far as it is known.
    fn why(&self, stretch: &Stretch) -> String {
        let Some((cause, margins)) = stretch.why else { return String::new() };
        let mut parts = Vec::new();
        match cause {
            Cause::RateLimited if margins.rate_ns < 0 => {
                parts.push(format!("{} too early", length(margins.rate_ns.unsigned_abs())));
            }
            Cause::QuotaExhausted if margins.quota_units < i64::MAX => {
                parts.push(format!(
                    "{} left of the allowance",
                    counted(margins.quota_units.max(0).unsigned_abs(), "unit")
                ));
            }
            Cause::CreditExhausted if margins.credit < Money::ZERO => {
                let short = Money::from_nanos(margins.credit.nanos().saturating_neg());
                parts.push(format!("credit is {} short", self.amount(short)));
            }
            _ => {}
        }
        // What a fault refuses has nothing to do with what is due for the account.
        let is_timed = !matches!(
            cause,
            Cause::RateLimited
                | Cause::ConcurrencyLimited
                | Cause::CreditExhausted
                | Cause::PolicyError
                | Cause::BillingUnavailable
        );
        if is_timed && margins.status_ns > 0 && margins.status_ns < i64::MAX / 2 {
            parts.push(format!("the next change is due in {}", length(margins.status_ns.unsigned_abs())));
        }
        match (parts.is_empty(), stretch.counts.total()) {
            (true, _) => String::new(),
            // Of a call that was asked for payment and then served there is nothing left to explain.
            _ if stretch.route.is_some() && stretch.asks() && stretch.paid != Money::ZERO => String::new(),
            (false, 1) => format!(" ({})", parts.join("; ")),
            (false, _) => format!(" (at the first refusal: {})", parts.join("; ")),
        }
    }

    fn call_rows(&self) -> Vec<Row> {
        let mut rows = vec![row("made", thousands(self.calls.total().into()), "")];
        let row = |(ending, calls): &(Ending, u64)| row(ending.label(&self.upstreams), thousands((*calls).into()), "");
        rows.extend(self.calls.0.iter().map(row));
        rows
    }

    /// `1,204 calls served`, or what each part of them became.
    fn became(&self, counts: &Counts) -> String {
        match counts.0.as_slice() {
            [(ending, calls)] => format!("{} {}", counted(*calls, "call"), ending.label(&self.upstreams)),
            several => {
                let part = |(ending, calls): &(Ending, u64)| {
                    format!("{} {}", thousands((*calls).into()), ending.label(&self.upstreams))
                };
                let parts: Vec<_> = several.iter().map(part).collect();
                format!("{}: {}", counted(counts.total(), "call"), parts.join(", "))
            }
        }
    }

    fn money_rows(&self) -> Vec<Row> {
        self.money.iter().map(|(label, amount)| row(*label, self.amount(*amount), "")).collect()
    }
}

/// A length of time in its two largest units: `16d 3h`.
pub fn length(ns: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
    match UNITS.iter().position(|(unit, _)| ns >= *unit) {
        None => format!("{} ms", ns.div_ceil(1_000_000)),
        Some(last) if last + 1 == UNITS.len() => format!("{:.1} s", ns as f64 / SECOND as f64),
        Some(at) => {
            let [(large, name), (small, smaller)] = [UNITS[at], UNITS[at + 1]];
            match ns % large / small {
                0 => format!("{}{name}", ns / large),
                rest => format!("{}{name} {rest}{smaller}", ns / large),
            }
        }
    }
}

// === For programs ===

/// The document: the same facts. Times are RFC 3339, amounts decimal texts in the currency.
pub fn to_json(story: &Story) -> Value {
    json!({
        "scenario": story.scenario,
        "seed": story.seed,
        "consumer": story.consumer,
        "currency": story.currency.code,
        "from": story.rfc3339(story.from),
        "until": story.rfc3339(story.until),
        "entries": story.entries.iter().map(|entry| story.entry(entry)).collect::<Vec<_>>(),
        "calls": story.ends(&story.calls),
        "money": story.money.iter().map(|(label, amount)| json!({ "label": label, "amount": story.decimal(*amount) })).collect::<Vec<_>>(),
        "at_end": story.at_end,
    })
}

impl Story {
    fn rfc3339(&self, at: Time) -> String {
        format!("{}Z", self.civil(at))
    }

    fn decimal(&self, amount: Money) -> String {
        let (nanos, scale) = (amount.nanos(), self.currency.scale.unsigned_abs());
        let minus = if nanos < 0 { "-" } else { "" };
        let (major, rest) = (nanos.unsigned_abs() / scale, nanos.unsigned_abs() % scale);
        format!("{minus}{major}.{rest:0width$}", width = scale.ilog10() as usize)
    }

    fn entry(&self, entry: &Entry) -> Value {
        match entry {
            Entry::Facts { at, facts } => {
                let fact = |fact: &Fact| json!({ "text": fact.text, "amount": fact.amount.map(|it| self.decimal(it)) });
                json!({ "at": self.rfc3339(*at), "facts": facts.iter().map(fact).collect::<Vec<_>>() })
            }
            Entry::Calls(stretch) => json!({
                "at": self.rfc3339(stretch.first),
                "until": self.rfc3339(stretch.last),
                "calls": self.ends(&stretch.counts),
                "paid": (stretch.paid != Money::ZERO).then(|| self.decimal(stretch.paid)),
                "route": stretch.route,
                "first_refusal": stretch.why.map(|(cause, margins)| self.refusal(cause, &margins)),
            }),
        }
    }

    fn ends(&self, counts: &Counts) -> Value {
        counts.0.iter().map(|(ending, calls)| (ending.label(&self.upstreams), Value::from(*calls))).collect()
    }

    /// Where there is no limit, there is no margin.
    fn refusal(&self, cause: Cause, margins: &Margins) -> Value {
        let bounded = |value: i64| (value != i64::MAX).then_some(value);
        json!({
            "cause": cause.name(),
            "status_ns": bounded(margins.status_ns).filter(|ns| *ns < i64::MAX / 2),
            "rate_ns": bounded(margins.rate_ns),
            "quota_units": bounded(margins.quota_units),
            "credit": bounded(margins.credit.nanos()).map(|nanos| self.decimal(Money::from_nanos(nanos))),
        })
    }
}
