//! Plays the points. Where there are many, each thread plays one at a time; where there are few, all threads share the
//! consumers of one. Nothing depends on which thread played what: readings lie by point and replication.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use farebox_engine::draw;
use farebox_engine::model::Scenario;
use farebox_engine::money::Overflow;
use farebox_engine::world::World;

use super::{Options, Point, Reading, Sweep, SweepError};
use crate::control::Control;
use crate::scenario::{Checked, Grid};
use crate::simulate::{everyone, simulate};

/// After so many points that are wrong, the others need not be read.
const WRONG_MAX: usize = 100;

/// How many plays each thread has at least before they are played side by side: fewer would leave threads idle at the end.
const PLAYS_PER_JOB: usize = 4;

/// What was done by number, in the order of the numbers.
type Numbered<T> = Vec<(usize, T)>;

/// Hands numbers below `count` to threads, lowest first, until `work` says stop with `None`.
fn each_number<T: Send>(count: usize, jobs: usize, work: impl Fn(usize) -> Option<T> + Sync) -> Numbered<T> {
    let next = AtomicUsize::new(0);
    let one_thread = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            match work(number) {
                Some(result) => done.push((number, result)),
                None => return done,
            }
        }
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.min(count)).map(|_| scope.spawn(one_thread)).collect();
        let mut all = one_thread();
        for other in others {
            all.extend(other.join().expect("a thread that panics ends the process"));
        }
        all
    });
    all.sort_by_key(|(number, _)| *number);
    all
}

/// What reading the points says, of those that are not silent; of the wrong ones the first hundred.
pub(super) fn check(grid: &Grid, jobs: NonZeroUsize, control: &Control) -> Vec<Checked> {
    let wrong = AtomicUsize::new(0);
    let read = |point: usize| {
        if control.is_canceled() || wrong.load(Ordering::Relaxed) >= WRONG_MAX {
            return None;
        }
        let checked = grid.check(point);
        wrong.fetch_add(usize::from(!checked.is_right), Ordering::Relaxed);
        Some((!checked.is_silent()).then_some(checked))
    };
    let said = each_number(grid.points(), jobs.get(), read).into_iter().filter_map(|(_, checked)| checked);
    // Numbers are taken in order, so whatever other threads have read beyond is cut off: the same for any number of jobs.
    let mut left = WRONG_MAX;
    said.take_while(|checked| {
        let goes_on = left > 0;
        left -= usize::from(!checked.is_right && goes_on);
        goes_on
    })
    .collect()
}

/// Whether the scenario as the file has it is played beside the grid.
pub(super) fn is_beside(grid: &Grid) -> bool {
    grid.axes.iter().any(|axis| axis.own.is_none())
}

pub(super) fn play(grid: &Grid, options: Options, control: &Control) -> Result<Sweep, SweepError> {
    let beside = usize::from(is_beside(grid));
    let (count, runs) = (grid.points() + beside, options.replications as usize);
    let has_failed = AtomicBool::new(false);
    let is_shared = grid.base.scenario.is_shared();
    let side_by_side = is_shared || count * runs >= PLAYS_PER_JOB * options.jobs.get();
    let (outer, inner) =
        if side_by_side { (options.jobs, NonZeroUsize::MIN) } else { (NonZeroUsize::MIN, options.jobs) };
    let one = |number: usize| {
        // The file's own comes first: what an interrupt leaves can be compared with it.
        let (point, run) = ((number / runs).checked_sub(beside), (number % runs) as u32);
        if control.is_canceled() || has_failed.load(Ordering::Relaxed) {
            return None;
        }
        let scenario = point.map_or_else(|| grid.base.scenario.clone(), |point| grid.scenario(point));
        let seed = if run == 0 { options.seed } else { draw::replication(options.seed, run) };
        let read = reading(Scenario { seed, replications: 1, ..scenario }, inner, control);
        has_failed.fetch_or(read.is_err(), Ordering::Relaxed);
        control.done.fetch_add(1, Ordering::Relaxed);
        Some(read)
    };
    let mut by_point: Vec<Vec<Reading>> = vec![Vec::new(); count];
    for (number, read) in each_number(count * runs, outer.get(), one) {
        let at = number / runs;
        let name = || at.checked_sub(beside).map_or("the scenario as it stands".to_owned(), |at| grid.name(at));
        match read {
            Ok(Some(reading)) => by_point[at].push(reading),
            Ok(None) => {}
            Err(source) => return Err(SweepError::Overflow { at: name(), source }),
        }
    }
    let whole = |(number, each): (usize, Vec<Reading>)| {
        let at = number.checked_sub(beside).map_or_else(Vec::new, |point| grid.at(point));
        let total = each.iter().fold(Reading::default(), Reading::plus);
        (each.len() == runs).then_some(Point { at, total, each })
    };
    let mut played = by_point.into_iter().enumerate().map(whole);
    let beside = if beside == 1 { played.next().flatten() } else { None };
    let points: Vec<Point> = played.flatten().collect();
    let own: Option<Vec<usize>> = grid.axes.iter().map(|axis| axis.own).collect();
    let scenario = &grid.base.scenario;
    Ok(Sweep {
        scenario: scenario.name.clone(),
        fingerprint: scenario.fingerprint.clone(),
        seed: options.seed,
        replications: options.replications,
        currency: scenario.currency,
        consumers: scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum(),
        horizon_ns: scenario.horizon.ns(),
        axes: grid.axes.clone(),
        planned: grid.points(),
        base: own.and_then(|own| points.iter().position(|point| point.at == own)),
        points,
        beside,
    })
}

/// Plays a scenario once; `None` when an interrupt has left consumers out.
fn reading(scenario: Scenario, jobs: NonZeroUsize, control: &Control) -> Result<Option<Reading>, Overflow> {
    let scenario = Arc::new(scenario);
    let world = World::whole(Arc::clone(&scenario))?;
    let outcome = simulate(&world, &everyone(&scenario), jobs, &control.apart())?;
    Ok((!outcome.is_partial()).then(|| Reading::of(&outcome)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::prove::exact;

    /// E[(N−Q)⁺]/m. Each period's excess has at most the deviation of N, √40; of 1,800 periods the mean's is √(40/1800), so
    /// that of the share is 0.0037. Five of them, from a fixed seed.
    #[test]
    fn the_share_refused_is_that_of_the_formula() {
        let text = "\
scenario: quotas
horizon: 6d
plans: { pro: { includes: { requests: 40/day }, past_allowance: block } }
consumers: { apps: { count: 300, plan: pro, joined: start, traffic: { rate: 40/day } } }
";
        let set = ["plans.pro.includes.requests=20/day..50/day:5".to_owned()];
        let grid = Grid::parse("test.yaml", text, Path::new(""), None, &set).unwrap();
        let options = Options { seed: 402, replications: 1, jobs: NonZeroUsize::MIN };
        let sweep = play(&grid, options, &Control::default()).unwrap();
        for (point, quota) in sweep.points.iter().zip((20..=50).step_by(5)) {
            let (share, expected) = (point.total.share().ratio(), exact::share_beyond(40.0, quota));
            assert!((share - expected).abs() < 5.0 * 0.0037, "{quota}: {share} {expected}");
        }
        assert_eq!(sweep.base, Some(4));
    }
}
