//! Whether a load says something about the gateway: the generator's verdict on itself, with its reasons.

use farebox_engine::model::Excess;
use serde::Serialize;

use super::generator::CallError;
use super::result::{Percentiles, Seen};

/// At most one attempt in so many may be dropped, or find no connection.
const DROPPED_MOST: u64 = 1_000;
/// How late the 99th percentile of calls may be released or written, in ns.
const LATE_MOST_NS: u64 = 50_000_000;
/// What of its time a thread of the generator may be on a processor.
const BUSY_MOST: f64 = 0.9;
/// From which share of the generator's own ceiling on nothing that is measured is the gateway's maximum.
const NEAR_CEILING: f64 = 0.8;

/// Whether a load says something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validity {
    /// In a word.
    pub verdict: Verdict,
    /// Why it is not valid; nothing where it is.
    pub reasons: Vec<Reason>,
}

/// What a load is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Its figures are the gateway's.
    Valid,
    /// Its figures are the generator's, or those of the machine that both share.
    GeneratorLimited,
    /// It was not the load that was asked for.
    Invalid,
}

/// Why a load is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// More calls were in flight than may be, and `beyond: fail` ends the load then.
    Overflow,
    /// Too many calls were in flight, for the limit or for the connections: so many were not sent.
    Dropped {
        /// How many.
        attempts: u64,
    },
    /// The generator had no port left for so many attempts.
    NoPort {
        /// How many.
        attempts: u64,
    },
    /// The generator had no file descriptor left for so many attempts.
    NoDescriptor {
        /// How many.
        attempts: u64,
    },
    /// So many attempts found no connection.
    Unconnected {
        /// How many.
        attempts: u64,
    },
    /// Nothing was answered in the measured time.
    NothingMeasured,
    /// One call in a hundred was released so late: the generator's own loop is behind.
    Lag {
        /// The 99th percentile.
        ns: u64,
    },
    /// One call in a hundred was written so late: it waited for a connection.
    Late {
        /// The 99th percentile.
        ns: u64,
    },
    /// The busiest thread of the generator was on a processor for this share of the time.
    Busy {
        /// 1 is all of it.
        share: f64,
    },
    /// A closed load has come near to what the generator can do here at all.
    NearCeiling {
        /// Answers a second.
        per_s: f64,
        /// Of a server that does nothing.
        ceiling_per_s: f64,
    },
}

impl Reason {
    /// What it makes of the load.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Lag { .. } | Self::Late { .. } | Self::Busy { .. } | Self::NearCeiling { .. } => {
                Verdict::GeneratorLimited
            }
            _ => Verdict::Invalid,
        }
    }
}

impl Verdict {
    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::GeneratorLimited => "generator-limited",
            Self::Invalid => "invalid",
        }
    }
}

impl Validity {
    /// Judges a load.
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        let all = [missing(seen), late(seen), busy(seen), near_ceiling(seen)];
        let reasons: Vec<_> = all.into_iter().flatten().collect();
        let verdict = reasons.iter().map(|reason| reason.verdict()).max().unwrap_or(Verdict::Valid);
        Self { verdict, reasons }
    }
}

/// What was asked for and not done.
fn missing(seen: &Seen<'_>) -> Vec<Reason> {
    let load = seen.load;
    let too_many = |attempts: u64| attempts * DROPPED_MOST > load.offered;
    let of = |error| Some(load.error(error)).filter(|attempts| too_many(*attempts));
    // A gateway elsewhere may refuse connections: that is its answer. Ours never does while it can.
    let unconnected = load.error(CallError::Connect) + load.error(CallError::ConnectRefused);
    let reasons = [
        load.overflowed.then_some(Reason::Overflow),
        Some(load.dropped).filter(|it| too_many(*it) && !load.overflowed).map(|attempts| Reason::Dropped { attempts }),
        of(CallError::NoPort).map(|attempts| Reason::NoPort { attempts }),
        of(CallError::NoDescriptor).map(|attempts| Reason::NoDescriptor { attempts }),
        Some(unconnected).filter(|it| seen.is_ours && too_many(*it)).map(|attempts| Reason::Unconnected { attempts }),
        (load.measured_answered == 0).then_some(Reason::NothingMeasured),
    ];
    reasons.into_iter().flatten().collect()
}

/// Where calls were late by the generator's own fault, waiting for a connection is late too.
fn late(seen: &Seen<'_>) -> Vec<Reason> {
    let beyond = |ns: Option<u64>| ns.filter(|ns| *ns > LATE_MOST_NS);
    if let Some(ns) = beyond(Percentiles::of(&seen.load.lag).p99) {
        return vec![Reason::Lag { ns }];
    }
    // Who lets calls queue wants them to wait.
    let written = beyond(Percentiles::of(&seen.load.lateness).p99).filter(|_| seen.live.excess != Excess::Queue);
    written.map(|ns| Reason::Late { ns }).into_iter().collect()
}

fn busy(seen: &Seen<'_>) -> Vec<Reason> {
    let share = seen.load.worked.busiest_ns as f64 / (seen.lasted.as_nanos() as f64).max(1.0);
    if share > BUSY_MOST { vec![Reason::Busy { share }] } else { Vec::new() }
}

/// An open load makes no claim of a maximum.
fn near_ceiling(seen: &Seen<'_>) -> Vec<Reason> {
    let (Some(_), Some(ceiling)) = (seen.live.closed, seen.ceiling) else { return Vec::new() };
    let per_s = super::result::Measured::of(seen.live, seen.load).answered_per_s;
    let is_near = per_s >= NEAR_CEILING * ceiling.per_s;
    is_near.then_some(Reason::NearCeiling { per_s, ceiling_per_s: ceiling.per_s }).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farebox_engine::model::Live;

    use super::super::generator::null::Ceiling;
    use super::super::generator::{LoadResult, Times};
    use super::*;

    /// What is told of a second's load of a thousand calls that were all answered at once, but for `change`.
    fn told(live: &Live, ceiling_per_s: Option<f64>, is_ours: bool, change: impl FnOnce(&mut LoadResult)) -> Validity {
        let mut load = LoadResult::new();
        (load.offered, load.sent, load.measured_offered, load.measured_answered) = (1_000, 1_000, 1_000, 1_000);
        change(&mut load);
        let ceiling =
            ceiling_per_s.map(|per_s| Ceiling { per_s, lasted_ns: 1, connections: 1, threads: 1, cpu_ns_per_call: 1 });
        let lasted = Duration::from_secs(1);
        Validity::of(&Seen { live, load: &load, lasted, interrupted: false, others: Vec::new(), ceiling, is_ours })
    }

    /// A thousand times of which more than ten are so long.
    fn long(ns: u64) -> Times {
        let mut times = Times::new();
        (0..2_000).for_each(|number| times.record(if number < 1_950 { 1_000 } else { ns }));
        times
    }

    #[test]
    fn a_load_that_was_offered_as_asked_is_valid() {
        let open = Live::default();
        let valid = Validity { verdict: Verdict::Valid, reasons: Vec::new() };
        assert_eq!(told(&open, None, true, |_| ()), valid);
        assert_eq!(told(&open, None, true, |load| load.dropped = 1), valid);
        // An open load makes no claim of a maximum, however near it comes.
        assert_eq!(told(&open, Some(1_000.0), true, |_| ()), valid);
        // A gateway elsewhere may refuse connections.
        let refused = |load: &mut LoadResult| load.errors = [(CallError::ConnectRefused, 500)].into();
        assert_eq!(told(&open, None, false, refused), valid);
    }

    #[test]
    fn each_reason_is_told_with_its_number() {
        let (open, queue) = (Live::default(), Live { excess: Excess::Queue, ..Live::default() });
        let error = |error| move |load: &mut LoadResult| load.errors = [(error, 2)].into();
        let reasons = |validity: Validity| (validity.verdict, validity.reasons);
        let only = |reason: Reason| (reason.verdict(), vec![reason]);
        let (limited, invalid) = (Verdict::GeneratorLimited, Verdict::Invalid);
        assert_eq!(reasons(told(&open, None, true, |load| load.dropped = 2)), only(Reason::Dropped { attempts: 2 }));
        assert_eq!(reasons(told(&open, None, false, error(CallError::NoPort))), only(Reason::NoPort { attempts: 2 }));
        let files = told(&open, None, false, error(CallError::NoDescriptor));
        assert_eq!(reasons(files), only(Reason::NoDescriptor { attempts: 2 }));
        let refused = told(&open, None, true, error(CallError::ConnectRefused));
        assert_eq!(reasons(refused), only(Reason::Unconnected { attempts: 2 }));
        let none = told(&open, None, true, |load| load.measured_answered = 0);
        assert_eq!(reasons(none), (invalid, vec![Reason::NothingMeasured]));
        let busy = told(&open, None, true, |load| load.worked.busiest_ns = 950_000_000);
        assert_eq!(reasons(busy), (limited, vec![Reason::Busy { share: 0.95 }]));
        assert_eq!(told(&open, None, true, |load| load.worked.busiest_ns = 900_000_000).verdict, Verdict::Valid);

        let late = |live: &Live| told(live, None, true, |load| load.lateness = long(80_000_000)).reasons;
        assert!(matches!(late(&open)[..], [Reason::Late { ns: 79_000_000..=81_000_000 }]), "{:?}", late(&open));
        assert_eq!(late(&queue), []);
        // What is released late is written late, for one reason.
        let lag = |live: &Live| {
            told(live, None, true, |load| (load.lag, load.lateness) = (long(80_000_000), long(90_000_000))).reasons
        };
        for live in [&open, &queue] {
            assert!(matches!(lag(live)[..], [Reason::Lag { .. }]), "{:?}", lag(live));
        }
        assert_eq!(told(&open, None, true, |load| load.lag = long(40_000_000)).reasons, []);

        // The worst of several decides.
        let both = |load: &mut LoadResult| (load.dropped, load.worked.busiest_ns) = (500, 1_000_000_000);
        assert_eq!(told(&open, None, true, both).verdict, invalid);
    }

    #[test]
    fn a_closed_load_near_the_ceiling_shows_the_generator_s_maximum() {
        let closed = Live { closed: Some(4), duration: farebox_engine::time::Span::from_secs(1), ..Live::default() };
        let at = |ceiling| told(&closed, Some(ceiling), true, |_| ()).verdict;
        assert_eq!(
            [at(1_000.0), at(1_249.0), at(1_251.0)],
            [Verdict::GeneratorLimited, Verdict::GeneratorLimited, Verdict::Valid]
        );
    }
}
