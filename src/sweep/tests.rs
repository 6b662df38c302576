//! Sweeps whose figures are known: by arithmetic, by a formula, by a law; and the same for any number of threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::evidence::{Behind, evidence};
use super::*;

fn grid(text: &str, options: &[&str]) -> Grid {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    Grid::parse("test.yaml", text, Path::new(""), None, &options).unwrap_or_else(|error| panic!("{error:?}"))
}

fn options(replications: u32, jobs: usize) -> Options {
    Options { seed: 402, replications, jobs: NonZeroUsize::new(jobs).unwrap() }
}

fn swept(grid: &Grid, replications: u32, jobs: usize) -> Sweep {
    check(grid, NonZeroUsize::new(jobs).unwrap(), &Control::default()).unwrap();
    play(grid, options(replications, jobs), &Control::default()).unwrap()
}

const FEES: &str = "\
scenario: fees
horizon: 1mo
plans: { pro: { fee: $5/month } }
consumers: { apps: { count: 3, plan: pro, joined: start, traffic: { rate: 1/day } } }
";

/// A month of a fee, for everyone, to the nano; nothing refused.
#[test]
fn a_month_of_fees_is_fee_times_consumers() {
    let grid = grid(FEES, &["plans.pro.fee=10..30:10", "consumers.apps.count=1,5,7"]);
    let sweep = swept(&grid, 1, 2);
    let earned: Vec<i128> = sweep.points.iter().map(|point| point.total.earned).collect();
    let expected: Vec<i128> =
        [10, 20, 30].into_iter().flat_map(|fee| [1, 5, 7].map(|count| fee * count * 1_000_000_000)).collect();
    assert_eq!(earned, expected);
    assert_eq!(sweep.beside.as_ref().map(|beside| beside.total.earned), Some(15_000_000_000));
    assert_eq!((sweep.best(), sweep.base), (Some(8), None));
    assert_eq!(sweep.front().iter().filter(|is_on| **is_on).count(), 1);
    let step = &steps::steps(&sweep)[0];
    // From $10 to $20 for one, for five and for seven consumers.
    assert_eq!((step.axis, step.to, step.pairs), (0, 1, 3));
    assert!((step.earned - 130e9 / 3.0).abs() < 1.0 && step.share.abs() < 1e-12);
}

const QUOTAS: &str = "\
scenario: quotas
horizon: 6d
plans: { pro: { includes: { requests: 40/day }, past_allowance: block } }
consumers: { apps: { count: 300, plan: pro, joined: start, traffic: { rate: 40/day } } }
";

/// On the same demand a larger quota refuses no call more, in each replication and not only on average; and every point
/// meets the same calls.
#[test]
fn all_points_meet_the_same_demand() {
    let grid = grid(QUOTAS, &["plans.pro.includes.requests=10..60:5"]);
    let sweep = swept(&grid, 3, 2);
    for pair in sweep.points.windows(2) {
        for (less, more) in pair[0].each.iter().zip(&pair[1].each) {
            assert_eq!(less.calls, more.calls);
            assert!(less.refused > more.refused, "{less:?} {more:?}");
        }
    }
    assert_ne!(sweep.points[0].each[0].calls, sweep.points[0].each[1].calls);
}

/// Many points are played side by side, few share the threads: either way the same.
#[test]
fn the_number_of_threads_does_not_show() {
    let many = grid(QUOTAS, &["plans.pro.includes.requests=10..60:5", "consumers.apps.count=20,30"]);
    let few = grid(QUOTAS, &["plans.pro.includes.requests=20/day,40/day"]);
    for grid in [many, few] {
        let [one, two, seven] = [1, 2, 7].map(|jobs| swept(&grid, 2, jobs));
        assert!(one == two && two == seven);
    }
}

/// The same point alone and in a sweep: nothing of one point reaches another.
#[test]
fn a_point_is_what_simulating_it_gives() {
    let grid = grid(QUOTAS, &["plans.pro.includes.requests=30/day,50/day"]);
    let sweep = swept(&grid, 2, 1);
    let text =
        QUOTAS.replace("40/day }, past", "50/day }, past").replace("horizon", "seed: 402\nreplications: 2\nhorizon");
    let loaded = crate::scenario::parse("test.yaml", &text, Path::new("")).unwrap();
    let scenario = Arc::new(loaded.scenario);
    let outcome = crate::simulate::replicate(&scenario, NonZeroUsize::MIN, &Control::default()).unwrap();
    assert_eq!(sweep.points[1].total, Reading::of(&outcome.summed()));
}

/// What was played to its end stays; what was not is left out, and said to be.
#[test]
fn an_interrupt_leaves_whole_points() {
    let grid = grid(FEES, &["plans.pro.fee=10..30:1"]);
    let canceled = Control::new(Arc::new(AtomicBool::new(true)));
    let sweep = play(&grid, options(2, 2), &canceled).unwrap();
    assert!(sweep.is_partial() && sweep.points.is_empty() && sweep.planned == 21);
    assert_eq!((sweep.best(), sweep.own()), (None, None));
}

/// Fees have no chance in them: every other point earns less for certain. Quotas that are never reached cannot be told.
#[test]
fn points_are_told_apart_pair_by_pair() {
    let fees = swept(&grid(FEES, &["plans.pro.fee=10,20"]), 10, 2);
    let behind = |sweep: &Sweep| -> Vec<Behind> { evidence(sweep).unwrap().iter().map(|it| it.behind).collect() };
    assert_eq!(behind(&fees), [Behind::Less, Behind::Best]);
    let never = swept(&grid(QUOTAS, &["plans.pro.includes.requests=1k/day,2k/day", "consumers.apps.count=5"]), 10, 2);
    assert_eq!(behind(&never), [Behind::Best, Behind::Same]);
    assert_eq!(evidence(&swept(&grid(FEES, &["plans.pro.fee=10,20"]), 9, 2)), None);
}

/// One comparison is judged at 95 %, and of a hundred each at 99.95 %: by Student's t of 9 degrees of freedom, whose
/// quantiles are 2.262 and 5.30. The differences 10r + c have a spread of 30.28 and an error of 9.574.
#[test]
fn of_many_points_each_has_to_be_further_behind() {
    let mut sweep = swept(&grid(FEES, &["plans.pro.fee=10,20"]), 10, 2);
    let behind = |sweep: &Sweep| -> Vec<Behind> { evidence(sweep).unwrap().iter().map(|it| it.behind).collect() };
    let with = |least: i128| -> Vec<Reading> {
        (0..10).map(|r| Reading { earned: 10_000 - least - 10 * r, ..Reading::default() }).collect()
    };
    let point = |each: Vec<Reading>| {
        let total = each.iter().fold(Reading::default(), Reading::plus);
        Point { at: vec![0], total, each }
    };
    let best = point(vec![Reading { earned: 10_000, ..Reading::default() }; 10]);
    // Means of 20.0, 29.0 and 55.0: 2.09, 3.03 and 5.74 errors.
    let [near, far, farther] = [-25, -16, 10].map(|least| point(with(least)));
    sweep.points = vec![best.clone(), near];
    assert_eq!(behind(&sweep), [Behind::Best, Behind::NotTold]);
    sweep.points = vec![best.clone(), far.clone()];
    assert_eq!(behind(&sweep), [Behind::Best, Behind::Less]);
    sweep.points = [best, farther].into_iter().chain(vec![far; 99]).collect();
    assert_eq!(behind(&sweep)[..3], [Behind::Best, Behind::Less, Behind::NotTold]);
}
