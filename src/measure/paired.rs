//! What a comparison shows: differences with intervals, as shares of the base too; how much narrower common draws made
//! them, and how many replications would settle what is open. `docs/COMPARE.md` has the formulas.

use farebox_engine::outcome::{Metric, Paired, PairedCohort, Squares};

use super::interval::{self, CONSUMERS_LEAST, Interval, LEAST, Pair, student};

/// Whose differences are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Everybody's.
    All,
    /// Those of one cohort.
    Cohort(&'a str),
    /// Those of all cohorts that begin on one plan in the base.
    Plan(&'a str),
}

/// What all replications of one side come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Their sum.
    pub sum: i128,
    /// How many they are.
    pub runs: u64,
}

impl Total {
    /// What each of them comes to on average.
    pub fn mean(self) -> f64 {
        self.sum as f64 / self.runs as f64
    }
}

/// A difference between a base and a variant; of several replications a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// What the base comes to.
    pub base: Total,
    /// What the variant does.
    pub variant: Total,
    /// Where the mean difference of a replication is, or why that is not known.
    pub interval: Result<Interval, &'static str>,
    /// The same as a share of the base's; `None` where that is nothing.
    pub share: Option<Result<Interval, &'static str>>,
    /// How many times as wide the interval would be had the two sides draws of their own; `None` where that is not known.
    pub narrowed: Option<f64>,
}

/// Whether a difference has a sign, and what it would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The interval has no width: the difference is the same in each replication, or for each consumer.
    Exactly,
    /// Zero is not in the interval.
    Yes,
    /// Zero is in it, and about so many replications would take it out.
    After(u64),
    /// Zero is in it, and would be after [`REPLICATIONS_MOST`].
    Never,
    /// There is no interval.
    Unknown,
}

/// More replications than this say of a difference that it is as good as none.
pub const REPLICATIONS_MOST: u64 = 10_000;

impl Difference {
    /// The mean difference of a replication.
    pub fn by(&self) -> f64 {
        let (base, variant) = (self.base, self.variant);
        if base.runs == variant.runs {
            (variant.sum - base.sum) as f64 / base.runs as f64
        } else {
            variant.mean() - base.mean()
        }
    }

    /// It as a share of the base's.
    pub fn ratio(&self) -> Option<f64> {
        (self.base.sum != 0).then(|| self.by() / self.base.mean())
    }

    /// Whether it has a sign. The width of an interval falls with the root of the number of replications.
    pub fn settled(&self) -> Settled {
        let Ok(interval) = self.interval else { return Settled::Unknown };
        if interval.half() == 0.0 {
            return Settled::Exactly;
        }
        if interval.from > 0.0 || interval.to < 0.0 {
            return Settled::Yes;
        }
        let times = interval.half() / self.by().abs();
        let needed = (self.base.runs as f64 * times * times).ceil();
        // Of a single one the interval is over consumers; over replications there are at least as many as that takes.
        if needed <= REPLICATIONS_MOST as f64 {
            Settled::After((needed as u64).max(LEAST as u64))
        } else {
            Settled::Never
        }
    }
}

/// The difference in one metric.
pub fn difference(paired: &Paired, metric: Metric, whose: Whose<'_>) -> Difference {
    let places = (0..).zip(&paired.cohorts).filter(|(_, cohort)| is_selected(cohort, whose)).map(|(place, _)| place);
    Differences::of(paired).of_places(metric, &places.collect::<Vec<_>>())
}

/// The differences of one comparison, for whoever asks for many: cohorts are found by their places, which are the same in
/// every replication, and what holds of the comparison as a whole is found out once.
#[derive(Clone, Copy, Debug)]
pub struct Differences<'a> {
    paired: &'a Paired,
    is_partial: bool,
}

impl<'a> Differences<'a> {
    /// Those of a comparison.
    pub fn of(paired: &'a Paired) -> Self {
        Self { paired, is_partial: paired.is_partial() }
    }

    /// The difference in one metric over the cohorts at these places of [`Paired::cohorts`].
    pub fn of_places(self, metric: Metric, places: &[usize]) -> Difference {
        let selected = |cohorts: &'_ [PairedCohort]| -> [i128; 2] {
            let sums = places.iter().filter_map(|place| cohorts.get(*place)).map(|cohort| cohort.sums(metric));
            sums.fold([0, 0], |[base, variant], sums| [base + sums.base.0, variant + sums.variant.0])
        };
        let each: Vec<[i128; 2]> = self.paired.replications().map(selected).collect();
        let [base, variant] = each.iter().fold([0, 0], |[x, y], [base, variant]| [x + base, y + variant]);
        let spread = if self.is_partial {
            Err("the run is partial")
        } else {
            match each.len() {
                1 => {
                    let cohorts: Vec<_> = places.iter().filter_map(|place| self.paired.cohorts.get(*place)).collect();
                    over_consumers(&cohorts, metric, each[0])
                }
                2..LEAST => Err("fewer than 10 replications"),
                _ => Ok(over_replications(&each)),
            }
        };
        let middle = (variant - base) as f64 / each.len() as f64;
        let ratio = (base != 0).then(|| (variant - base) as f64 / base as f64);
        Difference {
            base: Total { sum: base, runs: each.len() as u64 },
            variant: Total { sum: variant, runs: each.len() as u64 },
            interval: spread.map(|spread| Interval::around(middle, spread.half)),
            share: ratio.map(|ratio| spread.and_then(|spread| spread.share).map(|half| Interval::around(ratio, half))),
            narrowed: spread.ok().and_then(|spread| spread.narrowed),
        }
    }
}

fn is_selected(cohort: &PairedCohort, whose: Whose<'_>) -> bool {
    match whose {
        Whose::All => true,
        Whose::Cohort(name) => cohort.cohort == name,
        Whose::Plan(name) => cohort.base_plan.as_deref().or(cohort.variant_plan.as_deref()) == Some(name),
    }
}

/// Half widths.
#[derive(Clone, Copy)]
struct Spread {
    half: f64,
    share: Result<f64, &'static str>,
    narrowed: Option<f64>,
}

/// Student's interval over the differences of the replications; of the ratio by the jackknife.
fn over_replications(each: &[[i128; 2]]) -> Spread {
    let count = each.len() as f64;
    let variance = |of: fn(&[i128; 2]) -> i128| {
        let mean = each.iter().map(of).sum::<i128>() as f64 / count;
        let squares: f64 = each.iter().map(|one| of(one) as f64 - mean).map(|off| off * off).sum();
        squares / (count - 1.0)
    };
    let difference = |[base, variant]: &[i128; 2]| variant - base;
    let is_constant = each.windows(2).all(|two| difference(&two[0]) == difference(&two[1]));
    let of_difference = if is_constant { 0.0 } else { variance(difference) };
    let apart = variance(|[base, _]| *base) + variance(|[_, variant]| *variant);
    let ratios: Vec<_> = each.iter().map(|one| Pair { parts: difference(one), of: one[0] }).collect();
    let share = match interval::over_replications(&ratios) {
        Ok(interval) => Ok(interval.half()),
        Err(interval::ALIKE) => Ok(0.0),
        Err(why) => Err(why),
    };
    Spread {
        half: student(each.len() as u64 - 1) * libm::sqrt(of_difference / count),
        share,
        narrowed: (of_difference > 0.0).then(|| libm::sqrt(apart / of_difference)),
    }
}

/// From the differences between the consumers of each cohort: the sum over cohorts of n·s²; of the ratio by the delta
/// method. Conditional on the faults, which all consumers meet.
fn over_consumers(
    cohorts: &[&PairedCohort],
    metric: Metric,
    [base, variant]: [i128; 2],
) -> Result<Spread, &'static str> {
    let consumers: u64 = cohorts.iter().map(|cohort| cohort.consumers_played()).sum();
    if consumers < CONSUMERS_LEAST {
        return Err("1 replication of fewer than 30 consumers");
    }
    let ratio = if base == 0 { 0.0 } else { (variant - base) as f64 / base as f64 };
    let [mut of_difference, mut apart, mut of_ratio] = [0.0; 3];
    for cohort in cohorts {
        let sums = cohort.sums(metric);
        let squares = sums.squares.ok_or_else(|| without_squares(cohort))?;
        let count = cohort.consumers_played() as f64;
        if count < 2.0 {
            return Err("1 replication, and a cohort of one consumer");
        }
        let (unit, square) = (metric.unit() as f64, squares_of(&squares));
        let (x, y, d) = (sums.base.0 as f64 / unit, sums.variant.0 as f64 / unit, sums.difference() as f64 / unit);
        let variance = |squares: f64, sum: f64| (squares - sum * sum / count).max(0.0) * count / (count - 1.0);
        if sums.least != sums.most {
            of_difference += variance(square.difference, d);
        }
        apart += variance(square.base, x) + variance(square.variant, y);
        let of_residual = square.difference - 2.0 * ratio * square.product + ratio * ratio * square.base;
        of_ratio += variance(of_residual, d - ratio * x);
    }
    let unit = metric.unit() as f64;
    let quantile = student(consumers - cohorts.len() as u64);
    // What is left of rounding to units of the squares is no spread.
    let share = quantile * libm::sqrt(of_ratio) * unit / (base as f64).abs();
    Ok(Spread {
        half: quantile * libm::sqrt(of_difference) * unit,
        share: Ok(if share <= 1e-9 { 0.0 } else { share }),
        narrowed: (of_difference > 0.0).then(|| libm::sqrt(apart / of_difference)),
    })
}

/// Why a cohort has no squares of a metric: of consumers who depend on each other it has none of any.
fn without_squares(cohort: &PairedCohort) -> &'static str {
    if Metric::ALL.iter().any(|metric| cohort.sums(*metric).squares.is_some()) {
        "1 replication, and the squares of its amounts leave the range"
    } else {
        "1 replication, and its consumers are not independent"
    }
}

struct SquaresAsFloats {
    base: f64,
    variant: f64,
    difference: f64,
    product: f64,
}

fn squares_of(squares: &Squares) -> SquaresAsFloats {
    SquaresAsFloats {
        base: squares.base.0 as f64,
        variant: squares.variant.0 as f64,
        difference: squares.difference.0 as f64,
        product: squares.product.0 as f64,
    }
}

// === Until it is narrow enough ===

/// How narrow the interval of the difference in earned revenue is to become: its half width at most this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Until {
    /// A share of what the base earns.
    Share(f64),
    /// An amount, in nanos.
    Amount(i128),
}

/// How many replications are played before their spread is looked at. An interval that may stop the play is looked at only
/// where it can be trusted: from 10 on it would be too narrow too often (docs/COMPARE.md has what was tried).
pub const FIRST: u32 = 20;

/// How many replications are to be played next, over those that there are; `None`: the interval is narrow enough.
pub fn next(paired: &Paired, until: Until) -> Option<u32> {
    let played = paired.replication_count();
    if played < u64::from(FIRST) {
        return Some(FIRST);
    }
    let earned = difference(paired, Metric::Earned, Whose::All);
    let target = match until {
        Until::Share(share) => share * earned.base.mean().abs(),
        Until::Amount(nanos) => nanos as f64,
    };
    // Of a partial comparison nothing will make an interval.
    after(played, earned.interval.ok()?.half(), target)
}

/// How many are to be played after so many that gave this half width; `None`: no more.
fn after(played: u64, half: f64, target: f64) -> Option<u32> {
    if half <= target {
        return None;
    }
    // A fifth more than the spread seen so far asks for: then mostly one look is enough, and each look may err.
    let times = half / target;
    let needed = (1.2 * played as f64 * times * times).ceil();
    Some((needed.min(f64::from(u32::MAX)) as u32).max(played as u32 + 1))
}

#[cfg(test)]
mod tests;
