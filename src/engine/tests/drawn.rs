//! Scenarios drawn at random from a seed: every kind of plan, arrival, latency and dunning, in all combinations, small
//! enough that hundreds are played in a second.

use super::{days, secs};
use crate::distribution::{Latency, Z99};
use crate::draw::{Chance, Words};
use crate::model::{
    Arrivals, Cohort, Dunning, Finally, METERS_MAX, Meter, PerMeter, Period, Plan, Prepaid, Scenario, TokenBucket,
    Trace, TraceRow, UnitPrice,
};
use crate::money::Money;
use crate::time::{HOUR, SECOND, Span};

/// A source of choices.
pub(super) struct Dice(Words);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Words::after(seed.wrapping_mul(0x5851_F42D_4C95_7F2D)))
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0.next_word() % n
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// A scenario, given its seed.
pub(super) fn scenario(seed: u64) -> Scenario {
    let dice = &mut Dice::new(seed);
    let horizon = dice.one_of(&[Span::from_ns(HOUR), days(1), days(1), days(3), days(40), days(100), days(400)])
        + secs(dice.below(9_999));
    let mut scenario = Scenario::new("drawn", horizon);
    scenario.seed = seed;
    scenario.fingerprint = format!("{seed:064x}");
    let starts = [(2026, 3, 1), (2026, 1, 31), (2024, 2, 29), (2026, 3, 31), (2025, 12, 30)];
    let (year, month, day) = dice.one_of(&starts);
    scenario.start = jiff::civil::date(year, month, day).at(dice.one_of(&[0, 13]), 0, 0, 0);
    scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["tokens".to_owned()] });
    scenario.plans = (0..=dice.below(3)).map(|i| plan(&format!("plan {i}"), horizon, dice)).collect();
    let calls = 1 + dice.below(80);
    let gap = horizon.ns() / calls;
    scenario.cohorts = (0..=dice.below(3)).map(|i| cohort(i, &scenario, gap, dice)).collect();
    scenario.upstream.latency = latency(gap, dice);
    scenario.dunning = Dunning {
        retries: (0..dice.below(5)).map(|_| days(dice.below(9)) + secs(dice.one_of(&[0, 1, 7_777]))).collect(),
        finally: dice.one_of(&[Finally::Cancel, Finally::Unpaid, Finally::Keep]),
    };
    scenario
}

/// Its period is at most some ten times the horizon, because the history before the start is as long.
fn plan(name: &str, horizon: Span, dice: &mut Dice) -> Plan {
    let mut plan = Plan::new(name);
    let periods = [None, Some(Period::Day), Some(Period::Day), Some(Period::Month), Some(Period::Year)];
    let fitting = [(days(40), 5), (days(3), 4), (days(1), 3)].into_iter().find(|(least, _)| horizon >= *least);
    plan.period = dice.one_of(&periods[..fitting.map_or(1, |(_, fitting)| fitting)]);
    if plan.period.is_some() {
        plan.fee = Money::from_nanos(dice.one_of(&[0, 1, 29_000_000_000, 86_399_999_999_999]));
        plan.allowance[0] = dice.one_of(&[None, Some(0), Some(1), Some(7), Some(50)]);
        plan.allowance[1] = dice.one_of(&[None, None, Some(1), Some(300), Some(5_000)]);
        plan.grace = dice.one_of(&[Span::ZERO, Span::ZERO, secs(5), days(2), days(20)]);
    }
    if dice.coin() {
        let per = dice.one_of(&[secs(1), secs(7), secs(3_600), days(1)]);
        plan.limit = Some(TokenBucket { tokens: 1 + dice.below(9), per, burst: 1 + dice.below(5) });
    }
    if dice.coin() {
        plan.prepaid = Some(Prepaid { opening: Money::from_nanos(dice.one_of(&[0, 999, 70_000, 10_000_000_000])) });
    }
    for meter in 0..2 {
        if dice.coin() {
            let amount = Money::from_nanos(dice.one_of(&[1, 100, 37_500, 1_000_000_007]));
            plan.prices[meter] = Some(UnitPrice { amount, per: dice.one_of(&[1, 1, 3, 1_000, 1_000_000]) });
        }
    }
    plan
}

fn cohort(number: u64, scenario: &Scenario, gap: u64, dice: &mut Dice) -> Cohort {
    let count = 1 + dice.below(6) as u32;
    let arrivals = if dice.coin() {
        Arrivals::Poisson { mean_gap_ns: gap as f64 }
    } else {
        Arrivals::Trace(trace(u64::from(count) * scenario.horizon.ns() / gap, count, scenario.horizon, dice))
    };
    let mut cohort = Cohort::new(&format!("cohort {number}"), count, arrivals);
    cohort.plan = dice.below(scenario.plans.len() as u64) as usize;
    cohort.declines = Chance::of(dice.one_of(&[0, 3, 7, 10]), 10);
    cohort
}

/// Rows in time order, a third of them at one instant with the row before; half of them name their consumer. The last
/// may lie beyond the horizon.
fn trace(rows: u64, consumers: u32, horizon: Span, dice: &mut Dice) -> Trace {
    let step = horizon.ns() / rows.max(1) * 3;
    let mut at = 0;
    let mut trace = Trace::default();
    for _ in 0..rows {
        at += if dice.below(3) == 0 { 0 } else { dice.below(step.max(1)) };
        let mut usage: PerMeter<u64> = [0; METERS_MAX];
        (usage[0], usage[1]) = (1, dice.one_of(&[0, 1, 10, 200, 1_000]));
        let consumer = dice.coin().then(|| dice.below(consumers.into()) as u32);
        trace.rows.push(TraceRow { at: Span::from_ns(at), consumer, usage });
        trace.most.iter_mut().zip(usage).for_each(|(most, used)| *most = (*most).max(used));
    }
    trace
}

/// From none at all to longer than the gaps and than a hold lasts; some to the second, so that events coincide.
fn latency(gap: u64, dice: &mut Dice) -> Latency {
    match dice.below(6) {
        0 => Latency::Constant(0),
        1 => Latency::Constant(gap / 2),
        2 => Latency::Constant(gap * 3),
        3 => Latency::Constant(600 * SECOND),
        4 => Latency::log_normal(30e6, 250e6, Z99),
        _ => Latency::log_normal(gap as f64 / 3.0, gap as f64 * 20.0, Z99),
    }
}
