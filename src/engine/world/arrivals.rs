//! Calls that are drawn, but not as a plain Poisson process: other processes, and rates that follow the hours of the
//! week.
//!
//! A process is drawn in *activity*: time in which its rate is even. Without a shape that is traffic time itself. With
//! one, the calls are then laid over the week by the inverse of the shape's integral (inversion of the cumulative
//! intensity; Çinlar, "Introduction to stochastic processes", 1975). So the i-th call of a consumer comes from the same
//! draw whatever the shape is, and a changed shape moves calls and draws no others.
//!
//! Hours are those of the cohort's zone on the billing clock, on which its months are counted too.

use crate::billing::calendar::Calendar;
use crate::distribution::{exponential, gaps};
use crate::draw::{Ahead, Chance, Stream, unit};
use crate::model::{Arrivals, Cohort, Process, Scenario, Shape, WEEK};
use crate::time::{DAY, Span, Time};
use crate::world::schedule::Pace;

/// How long before the start usage may still count: the longest period, and a day for the zone.
const BEFORE: Span = Span::from_ns(367 * DAY);

/// The activity of a shape on a calendar: how much of it there is until when, counted from the start. Exact, and as
/// cheap ten years after the start as on its first day.
#[derive(Clone, Debug)]
pub struct Activity {
    shape: Shape,
    /// In time order; the first and the last have no end. Local time runs evenly in each.
    stretches: Vec<Stretch>,
}

/// A stretch of time without a change of clocks.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    begins: Time,
    /// The activity until then, since the start.
    reached: i64,
    /// How long before it a local week began, in ns.
    position: i64,
    /// The activity of that week until then.
    of_week: i64,
}

impl Activity {
    /// The activity of a shape on a calendar, for billing times before `end`.
    pub fn new(shape: &Shape, calendar: &Calendar, end: Time) -> Self {
        let from = Time::START - BEFORE;
        let changes = calendar.clock_changes(from, end);
        let begin = |begins: Time| {
            let position = calendar.since_monday(begins);
            Stretch { begins, reached: 0, position, of_week: of_weeks(shape, position) }
        };
        let mut stretches: Vec<_> = std::iter::once(from).chain(changes).map(begin).collect();
        for next in 1..stretches.len() {
            let before = &stretches[next - 1];
            stretches[next].reached = before.activity(shape, stretches[next].begins);
        }
        let mut activity = Self { shape: shape.clone(), stretches };
        let at_start = activity.until(Time::START).ns();
        activity.stretches.iter_mut().for_each(|stretch| stretch.reached -= at_start);
        activity
    }

    /// The activity of a cohort's shape over a scenario; `None` where its rate follows no hours.
    pub fn of(scenario: &Scenario, cohort: &Cohort, end: Time) -> Option<Self> {
        let Arrivals::Patterned(pattern) = &cohort.arrivals else { return None };
        let calendar = Calendar::new(scenario.start, cohort.zone.clone());
        Some(Self::new(pattern.shape.as_ref()?, &calendar, end))
    }

    /// How much activity there is from the start until a billing time; negative before the start.
    pub fn until(&self, at: Time) -> Time {
        if at == Time::NEVER {
            return at;
        }
        let after = self.stretches.partition_point(|stretch| stretch.begins <= at);
        Time::from_ns(self.stretches[after.saturating_sub(1)].activity(&self.shape, at))
    }

    /// The first billing time until which there is so much activity.
    pub fn instant(&self, activity: Time) -> Time {
        if activity == Time::NEVER {
            return activity;
        }
        let after = self.stretches.partition_point(|stretch| stretch.reached <= activity.ns());
        self.stretches[after.saturating_sub(1)].instant(&self.shape, activity.ns(), after > 1)
    }
}

impl Stretch {
    fn activity(&self, shape: &Shape, at: Time) -> i64 {
        let position = at.ns().saturating_sub(self.begins.ns()).saturating_add(self.position);
        of_weeks(shape, position).saturating_sub(self.of_week).saturating_add(self.reached)
    }

    fn instant(&self, shape: &Shape, activity: i64, is_bounded: bool) -> Time {
        let of_weeks = activity.saturating_sub(self.reached).saturating_add(self.of_week);
        let position = shape.position(of_weeks.rem_euclid(WEEK_NS).cast_unsigned()).cast_signed();
        let position = (of_weeks - of_weeks.rem_euclid(WEEK_NS)).saturating_add(position);
        let at = Time::from_ns(position.saturating_sub(self.position).saturating_add(self.begins.ns()));
        // What the stretch before has left over in its last nanosecond is due where this one begins.
        if is_bounded { at.max(self.begins) } else { at }
    }
}

const WEEK_NS: i64 = WEEK.cast_signed();

/// The activity of whole weeks, and of what of one has gone by.
fn of_weeks(shape: &Shape, position: i64) -> i64 {
    let within = position.rem_euclid(WEEK_NS);
    (position - within).saturating_add(shape.activity(within.cast_unsigned()).cast_signed())
}

// === The processes ===

/// When one consumer calls: the process, and what lies between its activity and traffic time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm<'a> {
    pub(super) process: Process,
    /// The consumer's own mean gap, in ns of traffic time.
    pub(super) mean_gap_ns: f64,
    pub(super) pace: Pace,
    /// Where the rate follows the hours of the week.
    pub(super) activity: Option<&'a Activity>,
}

impl<'a> Rhythm<'a> {
    /// The calls from `from` on; draws are told apart by what they are for.
    pub(super) fn forth(self, from: Time, draws: &impl Fn(&str) -> Stream) -> Forth<'a> {
        let begins = self.active(from);
        let (gaps, rests) = Gaps::new(self, draws, FORTH);
        Forth { rhythm: self, gaps, from, begins, active: begins + rests }
    }

    /// The calls before the start and not before `earliest`, with their indices, the last one first.
    pub(super) fn back(self, earliest: Time, draws: &impl Fn(&str) -> Stream) -> Vec<(u64, Time)> {
        const LAST: Time = Time::from_ns(-1);
        let (mut gaps, rests) = Gaps::new(self, draws, BACK);
        let mut active = Time::START - rests;
        let mut times = Vec::new();
        for index in 0.. {
            active = match &mut gaps {
                // Spaced as from the start on: the first call after it has one a gap before it.
                Gaps::Constant { gap_ns, phase } => Time::START - whole((index as f64 + 1.0 - *phase) * *gap_ns),
                gaps => active - Span::from_ns(1) - gaps.before(index),
            };
            let at = self.instant(active).min(LAST);
            if at < earliest {
                break;
            }
            times.push((index, at));
        }
        times
    }

    /// The activity until a traffic time.
    fn active(self, at: Time) -> Time {
        let Some(activity) = self.activity else { return at };
        let clock = self.pace.clock;
        clock.traffic_at(activity.until(clock.at(at).billing))
    }

    /// The traffic time at which there is so much activity.
    fn instant(self, active: Time) -> Time {
        let Some(activity) = self.activity else { return active };
        let clock = self.pace.clock;
        clock.traffic_at(activity.instant(clock.at(active).billing))
    }
}

/// The calls of one consumer from when it is there.
#[derive(Clone, Debug)]
pub(super) struct Forth<'a> {
    rhythm: Rhythm<'a>,
    gaps: Gaps,
    from: Time,
    /// The activity from which calls are counted.
    begins: Time,
    /// The activity at which the last call came.
    active: Time,
}

impl Forth<'_> {
    /// When the call of this index comes; they are asked for in order.
    pub(super) fn call(&mut self, index: u64) -> Time {
        self.active = match &mut self.gaps {
            Gaps::Constant { gap_ns, phase } => self.begins + whole((index as f64 + *phase) * *gap_ns),
            gaps => self.active + gaps.before(index),
        };
        self.rhythm.instant(self.active).max(self.from)
    }
}

/// How long it is from one call to the next, in activity.
#[derive(Clone, Debug)]
enum Gaps {
    Poisson { mean_ns: f64, ahead: Ahead },
    Constant { gap_ns: f64, phase: f64 },
    Bursty { bursts: Bursts, ahead: Ahead },
}

/// Away from the start in either direction: where its gaps are drawn, and which word says how long a pause that the
/// start falls into still lasts that way.
#[derive(Clone, Copy)]
struct Direction {
    gaps: &'static str,
    pause: u64,
}

const FORTH: Direction = Direction { gaps: "arrivals", pause: 1 };
const BACK: Direction = Direction { gaps: "history", pause: 2 };

impl Gaps {
    /// The gaps, and how long it is until the first of them begins.
    fn new(rhythm: Rhythm<'_>, draws: &impl Fn(&str) -> Stream, direction: Direction) -> (Self, Span) {
        let Rhythm { mean_gap_ns, pace, .. } = rhythm;
        let ahead = || Ahead::new(draws(direction.gaps));
        match rhythm.process {
            Process::Poisson => (Self::Poisson { mean_ns: mean_gap_ns, ahead: ahead() }, Span::ZERO),
            Process::Constant => {
                // A consumer who never calls has no gap; so long a one comes to the same.
                let gap_ns = mean_gap_ns.min(i64::MAX as f64);
                (Self::Constant { gap_ns, phase: unit(draws("phase").word(0)) }, Span::ZERO)
            }
            Process::Bursty { burst, pause } => {
                let [burst_ns, pause_ns] = [burst, pause].map(|length| length.ns() as f64 * pace.stretch);
                let bursts = Bursts::new(mean_gap_ns, burst_ns, pause_ns);
                // Which of the two the start falls into; what comes after it is independent of what was before, then.
                let state = draws("burst");
                let is_paused = Chance::of(pause.ns(), burst.ns() + pause.ns()).happens(state.word(0));
                let rests = if is_paused { pause_ns * exponential(state.word(direction.pause)) } else { 0.0 };
                (Self::Bursty { bursts, ahead: ahead() }, whole(rests))
            }
        }
    }

    /// The gap before the call of this index.
    fn before(&mut self, index: u64) -> Span {
        match self {
            Self::Poisson { mean_ns, ahead } => {
                Span::from_ns(ahead.of(index, |stream, first, block| gaps(*mean_ns, stream, first, block)))
            }
            Self::Constant { gap_ns, .. } => whole(*gap_ns),
            Self::Bursty { bursts, ahead } => {
                Span::from_ns(ahead.of(index, |stream, first, block| bursts.fill(stream, first, block)))
            }
        }
    }
}

/// A length in ns, rounded down.
fn whole(ns: f64) -> Span {
    Span::from_ns(ns as u64)
}

/// An interrupted Poisson process. Its calls are a renewal process, because each of them finds it in a burst: a gap is
/// exponential with one of two means, a short one within a burst or a long one over pauses (Kuczura, "The interrupted
/// Poisson process as an overflow process", Bell System Technical Journal 52 (1973)). So a gap takes two draws, however
/// many pauses without a call it spans.
#[derive(Clone, Copy, Debug)]
struct Bursts {
    /// The share of the gaps that are short.
    short: f64,
    short_ns: f64,
    long_ns: f64,
}

impl Bursts {
    fn new(mean_gap_ns: f64, burst_ns: f64, pause_ns: f64) -> Self {
        let (ends, resumes) = (1.0 / burst_ns, 1.0 / pause_ns);
        let calls = (burst_ns + pause_ns) / burst_ns / mean_gap_ns;
        let sum = calls + ends + resumes;
        // The roots of γ² − sum γ + calls × resumes; their difference as a sum, in which nothing cancels.
        let difference = libm::sqrt((calls - resumes) * (calls - resumes) + ends * (ends + 2.0 * (calls + resumes)));
        let fast = 0.5 * (sum + difference);
        let slow = calls * resumes / fast;
        Self { short: (calls - slow) / difference, short_ns: 1.0 / fast, long_ns: 1.0 / slow }
    }

    fn fill(&self, stream: Stream, first: u64, gaps: &mut [u64]) {
        for (gap, index) in gaps.iter_mut().zip(first..) {
            let mean_ns = if unit(stream.word(2 * index)) < self.short { self.short_ns } else { self.long_ns };
            *gap = (mean_ns * exponential(stream.word(2 * index + 1))) as u64;
        }
    }
}
