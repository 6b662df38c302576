//! Consumers: who they are, when they call, how they pay, what they do about a refusal.

use jiff::tz::TimeZone;

use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::model::{Client, Length, PerMeter, Reminder, Sessions, Shape, Share};
use crate::money::Money;
use crate::time::Span;

/// A group of consumers that are alike.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// Its name in the file.
    pub name: String,
    /// How many consumers it has; of those who sign up over time, how many at most.
    pub count: u32,
    /// Index into [`Scenario::plans`](super::Scenario::plans).
    pub plan: usize,
    /// When they subscribe.
    pub joined: Joined,
    /// The zone of their calendar: months and years are counted in it.
    pub zone: TimeZone,
    /// The chance to leave at each own monthly anniversary.
    pub churn: Chance,
    /// What they pay less, and for how long after they subscribed.
    pub discount: Option<Discount>,
    /// When they call.
    pub arrivals: Arrivals,
    /// Which routes they call: `(index, share)`; the shares sum to 1. A trace may say it itself, row by row.
    pub routes: Vec<(usize, f64)>,
    /// What their software does with a failed call.
    pub client: Client,
    /// How they pay; `None`: there is no payment method.
    pub card: Option<Card>,
    /// What is in their wallet at the start, which single calls are paid from.
    pub wallet: Money,
    /// What they do about refusals.
    pub reactions: Vec<Reaction>,
}

impl Cohort {
    /// A cohort on the first plan and the first route, joined before the start, whose payments are never declined.
    pub fn new(name: &str, count: u32, arrivals: Arrivals) -> Self {
        Self {
            name: name.to_owned(),
            count,
            plan: 0,
            joined: Joined::Spread,
            zone: TimeZone::UTC,
            churn: Chance::NEVER,
            discount: None,
            arrivals,
            routes: vec![(0, 1.0)],
            client: Client::none(),
            card: Some(Card::good()),
            wallet: Money::ZERO,
            reactions: Vec::new(),
        }
    }

    /// The plans that its consumers can ever be on: that of the cohort, and those that reactions change to.
    pub fn plans(&self) -> impl Iterator<Item = usize> {
        let reached = self.reactions.iter().filter_map(|reaction| match reaction.act {
            Act::ChangePlan { to } => Some(to),
            _ => None,
        });
        std::iter::once(self.plan).chain(reached)
    }

    /// Whether its consumers ever call a route.
    pub fn calls(&self, route: usize) -> bool {
        match &self.arrivals {
            Arrivals::Trace(trace) if !trace.routes.is_empty() => {
                trace.routes.iter().any(|called| usize::from(*called) == route)
            }
            _ => self.routes.iter().any(|(called, share)| *called == route && *share > 0.0),
        }
    }
}

/// When the consumers of a cohort subscribe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Joined {
    /// All of them at the start.
    Start,
    /// Before the start, spread evenly over the billing period before it; active since, no trial.
    Spread,
    /// One after the other, at random (Poisson).
    Signups {
        /// The mean time between two of them, in ns.
        mean_gap_ns: f64,
    },
}

/// A discount on fees and usage charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discount {
    /// The share that is taken off.
    pub off: Share,
    /// How long after subscribing; `None`: for ever. For those who joined before the start it counts from there.
    pub length: Option<Length>,
}

/// When the consumers of a cohort call.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// A Poisson process per consumer.
    Poisson {
        /// The mean time between two calls of one consumer, in ns.
        mean_gap_ns: f64,
        /// Each consumer's own rate as a multiple of that, drawn once; `None`: all alike.
        spread: Option<Distribution>,
    },
    /// Another process, or a rate that follows the hours of the week.
    Patterned(Pattern),
    /// Recorded calls, spread over the cohort: row i belongs to the consumer drawn at (seed, cohort, trace, i), or to
    /// the one that its consumer column names. Rows are counted on when the trace starts again.
    Trace(Trace),
}

impl Arrivals {
    /// The mean time between two calls of one consumer, in ns, and what each one's own rate is as a multiple of that;
    /// `None` where calls are recorded.
    pub fn drawn(&self) -> Option<(f64, Option<&Distribution>)> {
        match self {
            Self::Poisson { mean_gap_ns, spread } => Some((*mean_gap_ns, spread.as_ref())),
            Self::Patterned(pattern) => Some((pattern.mean_gap_ns, pattern.spread.as_ref())),
            Self::Trace(_) => None,
        }
    }
}

/// Drawn calls that are no plain Poisson process.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The mean time between two calls of one consumer over many weeks, in ns.
    pub mean_gap_ns: f64,
    /// Each consumer's own rate as a multiple of that, drawn once; `None`: all alike.
    pub spread: Option<Distribution>,
    /// How the calls of one consumer follow each other; in sessions, how these begin.
    pub process: Process,
    /// What follows each of them, where they are the first calls of sessions.
    pub sessions: Option<Sessions>,
    /// How their rate follows the hours of the week in the cohort's zone; `None`: not at all.
    pub shape: Option<Shape>,
}

impl Pattern {
    /// The rate in the busiest moments, in a burst in the busiest hour, as a multiple of the mean.
    pub fn peak(&self) -> f64 {
        self.process.peak() * self.shape.as_ref().map_or(1.0, Shape::peak)
    }
}

impl Process {
    /// The rate in a burst as a multiple of the mean; 1 without bursts.
    pub fn peak(self) -> f64 {
        match self {
            Self::Poisson | Self::Constant => 1.0,
            Self::Bursty { burst, pause } => (burst.ns() as f64 + pause.ns() as f64) / burst.ns() as f64,
        }
    }
}

/// How the calls of one consumer follow each other where the rate is even. Where it follows the week, time passes for
/// the process as fast as the shape says: at twice the mean rate, gaps, bursts and pauses are half as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// At random, whatever was before.
    Poisson,
    /// Evenly spaced, from a moment on that is drawn for each consumer.
    Constant,
    /// In bursts: an interrupted Poisson process. Bursts and pauses follow each other, of exponential lengths, and in a
    /// burst calls come at random at the rate at which the long-run mean is the consumer's.
    Bursty {
        /// The mean length of a burst.
        burst: Span,
        /// The mean length of a pause.
        pause: Span,
    },
}

/// Recorded calls in time order, the first at the scenario's start.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// One entry per call.
    pub rows: Vec<TraceRow>,
    /// Per meter the largest quantity of any row: what is held before the answer tells.
    pub most: PerMeter<u64>,
    /// Per row the index of the route that it calls; empty where the cohort's own mix says it. Beside the rows, so that
    /// a trace without routes pays nothing for them.
    pub routes: Vec<u16>,
    /// How the rows that name no consumer are handed out.
    pub hand_out: HandOut,
    /// After how long it starts again, counted from its first row and later than its last; `None`: it ends.
    pub repeats: Option<Span>,
}

impl Trace {
    /// How often all of its rows come before `end`, and how many come of the time that is not over by then.
    pub fn played(&self, end: Span) -> (u64, usize) {
        let (times, rest) = match self.repeats {
            Some(length) => (end.ns() / length.ns().max(1), Span::from_ns(end.ns() % length.ns().max(1))),
            None => (0, end),
        };
        (times, self.rows.partition_point(|row| row.at < rest))
    }

    /// How many rows come before `end`, over all its repeats.
    pub fn rows_before(&self, end: Span) -> u64 {
        let (times, rest) = self.played(end);
        times.saturating_mul(self.rows.len() as u64).saturating_add(rest as u64)
    }
}

/// How the rows of a trace are handed out to consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum HandOut {
    /// Each consumer is as likely as any other.
    #[default]
    Even,
    /// Zipf's law: the consumer of rank k, counted from 1 in the cohort's own order, has the weight k to the power of
    /// minus the exponent.
    Zipf {
        /// Above zero; the larger, the more go to the first consumers.
        exponent: f64,
    },
}

/// One recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// When, after the start.
    pub at: Span,
    /// The consumer that its column names, by index; `None`: drawn.
    pub consumer: Option<u32>,
    /// What the call used, per meter.
    pub usage: PerMeter<u64>,
}

/// A payment card, as a process in time: what it answers depends on when it is asked, not on what was asked before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Card {
    /// The chance that an attempt is declined whatever the card's state, each attempt on its own.
    pub declines: Chance,
    /// The share of those declines that are hard (`lost_card`): dunning stops until there is another card. Where it does
    /// not, each attempt is drawn on its own.
    pub hard: Chance,
    /// Whether there is money behind it: two states that follow each other at random.
    pub funds: Option<Funds>,
    /// How long a card works before it expires or is lost, on average (exponential); `None`: for ever.
    pub life: Option<Span>,
    /// The chance that the card networks' updater hands the new card over when one ends.
    pub updated: Chance,
}

impl Card {
    /// A card that always pays.
    pub const fn good() -> Self {
        Self { declines: Chance::NEVER, hard: Chance::NEVER, funds: None, life: None, updated: Chance::NEVER }
    }

    /// A card of which each attempt is declined with this chance.
    pub const fn declining(declines: Chance) -> Self {
        Self { declines, ..Self::good() }
    }
}

/// A two-state Markov chain: how long each state lasts on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// Mean time without money (declined: `insufficient_funds`).
    pub broke: Span,
    /// Mean time with it.
    pub funded: Span,
}

/// What a consumer does about refusals and reminders, by chance, once per episode: the first refusal of that cause in a
/// billing period (of `more_than`: in a local day); each reminder.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// What it is about.
    pub when: When,
    /// What is done.
    pub act: Act,
    /// The chance that it is done at all.
    pub chance: Chance,
    /// How long after, in ns of billing time.
    pub after: Distribution,
}

/// What a reaction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A refusal for the cause of this name.
    Cause(&'static str),
    /// Any refusal; more than so many of them in a local day.
    Refused {
        /// How many are put up with.
        more_than: u32,
    },
    /// A reminder of this kind.
    Reminded(Reminder),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Subscribe to another plan: at once when it costs more, else from the next period.
    ChangePlan {
        /// Index into [`Scenario::plans`](super::Scenario::plans).
        to: usize,
    },
    /// A new card, which has money behind it.
    FixCard,
    /// Buy credit.
    TopUp(Money),
    /// Leave: the subscription is canceled at once, and no more calls are made.
    Churn,
    /// Make fewer calls, on top of what has slowed them down before.
    SlowDown {
        /// The share of calls that is still made.
        keeps: Chance,
        /// For how long, in billing time; `None`: from then on.
        lasts: Option<Span>,
    },
}
