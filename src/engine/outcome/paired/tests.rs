//! The algebra of pairs, what is summed of them, and which cause a difference belongs to.

use super::*;
use crate::billing::account::Status;
use crate::model::{Arrivals, Cohort, Plan};
use crate::sim::Tried;
use crate::time::{DAY, Span};

fn scenario(count: u32) -> Scenario {
    let mut scenario = Scenario::new("pairs", Span::from_ns(30 * DAY));
    scenario.plans.push(Plan::new("free"));
    scenario.cohorts.push(Cohort::new("all", count, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
    scenario
}

fn nobody() -> Paired {
    Paired::new(&scenario(40), &scenario(50)).unwrap()
}

fn earning(nanos: i128, refused: u64) -> Life {
    Life { earned: nanos, tried: Tried { attempts: 10, refused, ..Tried::default() }, ..Life::default() }
}

/// Of consumer `index` in both; the last ten are in the variant alone.
fn lives(index: u32) -> [Option<Life>; 2] {
    let i = i128::from(index);
    let base = (index < 40).then(|| earning(1_000_000 * i, u64::from(index % 3)));
    [base, Some(earning(1_000_000 * i + (i % 7 - 3) * 250_000, u64::from(index % 5)))]
}

fn pairs([from, to]: [u32; 2]) -> Paired {
    let all: Vec<_> = (from..to).map(lives).collect();
    let mut paired = nobody();
    paired.pair(0, from, all.iter().map(|[base, variant]| [base.as_ref(), variant.as_ref()]));
    paired
}

/// Shards of any size, in any order and as a tree, and replications too.
#[test]
fn pairs_merge_and_stack_to_the_same_in_any_order() {
    let whole = pairs([0, 50]);
    let parts = [[0, 1], [1, 20], [20, 39], [39, 50]].map(pairs);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut merged = nobody();
        for at in order {
            merged.merge(&parts[at]).unwrap();
        }
        assert_eq!(merged, whole, "{order:?}");
    }
    let (mut left, mut right) = (parts[0].clone(), parts[2].clone());
    left.merge(&parts[3]).unwrap();
    right.merge(&parts[1]).unwrap();
    right.merge(&left).unwrap();
    assert_eq!(right, whole);
    assert_eq!(left.merge(&parts[0]), Err(MergeError::Overlap { cohort: "all".to_owned(), index: 0 }));
    let numbered = |number| whole.clone().as_replication(1, number);
    let mut forwards = numbered(0);
    forwards.stack(numbered(1)).unwrap();
    forwards.stack(numbered(2)).unwrap();
    let mut backwards = numbered(2);
    backwards.stack(numbered(0)).unwrap();
    backwards.stack(numbered(1)).unwrap();
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.stack(numbered(1)), Err(MergeError::Again(1)));
    assert_eq!((forwards.replication_count(), forwards.is_partial()), (3, false));
}

/// Sums by hand: Σx, Σy, and the squares in thousands of nanos.
#[test]
fn what_is_summed_is_what_the_lives_say() {
    let whole = pairs([0, 50]);
    let [cohort] = &whole.cohorts[..] else { panic!("one cohort") };
    let sums = cohort.sums(Metric::Earned);
    let each: Vec<_> = (0..50).map(lives).collect();
    let earned = |life: &Option<Life>| life.map_or(0, |life| life.earned);
    let by_hand = |of: &dyn Fn(i128, i128) -> i128| -> i128 {
        each.iter().map(|[base, variant]| of(earned(base), earned(variant))).sum()
    };
    assert_eq!(sums.base.0, by_hand(&|x, _| x));
    assert_eq!(sums.variant.0, by_hand(&|_, y| y));
    let squares = sums.squares.unwrap();
    assert_eq!(squares.difference.0, by_hand(&|x, y| (y - x) / 1_000 * ((y - x) / 1_000)));
    assert_eq!(squares.product.0, by_hand(&|x, y| x / 1_000 * ((y - x) / 1_000)));
    assert_eq!(sums.most.map(|most| most.0), Some(48_000_000 + 3 * 250_000), "of 48, which is in the variant alone");
    let parts: i128 = cohort.waterfall.values().map(|share| share.earned.0).sum();
    assert_eq!(parts, sums.difference(), "the parts are the whole");
    let moved: u64 = cohort.waterfall.values().map(|share| share.consumers).sum();
    assert_eq!(moved, cohort.more + cohort.less);
    let by_sign = |is_of: &dyn Fn(&i128) -> bool| -> [i128; 2] {
        let each = each.iter().map(|[base, variant]| earned(variant) - earned(base)).filter(|one| is_of(one));
        each.fold([0, 0], |[count, sum], one| [count + 1, sum + one])
    };
    assert_eq!(by_sign(&|one| *one > 0), [cohort.more.into(), cohort.gained.0]);
    assert_eq!(by_sign(&|one| *one < 0), [cohort.less.into(), cohort.lost.0]);
    assert_eq!(cohort.waterfall["population"].consumers, 10);
    let newly = (0..50).filter(|i| (*i >= 40 || i % 3 == 0) && i % 5 > 0).count() as u64;
    assert_eq!(cohort.newly_refused, newly);
}

#[test]
fn the_most_affected_are_ordered_by_amount_then_refusals_then_index() {
    let whole = pairs([0, 40]);
    let amounts: Vec<_> = whole.cohorts[0].affected.iter().map(|one| one.difference().abs()).collect();
    assert_eq!(amounts, vec![750_000; 10]);
    let refused = |one: &Affected| one.base_refused.abs_diff(one.variant_refused);
    let order: Vec<_> = whole.cohorts[0].affected.iter().map(|one| (Reverse(refused(one)), one.index)).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert!(whole.as_replication(1, 1).cohorts[0].affected.is_empty(), "only replication 0 names anybody");
}

/// Each cause is asked before those that follow from it: whoever left was refused less, too.
#[test]
fn a_difference_belongs_to_the_first_cause_that_separates_two_lives() {
    let base = Life { tried: Tried { attempts: 5, ..Tried::default() }, served: 5, ..Life::default() };
    let mut life = Life { earned: 7, ..base };
    let part = |life: &Life| Part::between(Some(&base), Some(life));
    assert_eq!(part(&life), Part::Price);
    life.served = 4;
    assert_eq!(part(&life), Part::Volume);
    life.tried.refused = 1;
    assert_eq!(part(&life), Part::Refusals);
    life.reacted = [1, 0, 0, 0];
    assert_eq!(part(&life), Part::Reactions);
    life.unpaid = Some(Status::Unpaid);
    assert_eq!(part(&life), Part::Dunning);
    life.left = 1;
    assert_eq!(part(&life), Part::Churn);
    assert_eq!(Part::between(None, Some(&life)), Part::Population);
    let (earlier, later) = (Life { told_at: 1, ..life }, Life { told_at: 2, ..life });
    assert_eq!(Part::between(Some(&earlier), Some(&later)), Part::Churn, "both left, at other moments");
}

#[test]
fn what_cannot_be_paired_says_what_differs() {
    let (base, mut variant) = (scenario(1), scenario(1));
    variant.seed = 2;
    let unlike = Paired::new(&base, &variant).unwrap_err();
    assert_eq!(unlike.to_string(), "their seed differs: 1 and 2");
    variant = scenario(1);
    variant.horizon = Span::from_ns(31 * DAY);
    assert_eq!(Paired::new(&base, &variant).unwrap_err().what, "horizon");
}

/// A sum of squares that leaves the range is none, in whatever order it does; the plain sums stay.
#[test]
fn squares_past_the_range_are_none() {
    let rich = earning(i128::MAX / 4, 0);
    let mut paired = nobody();
    paired.pair(0, 0, [[Some(&rich), Some(&rich)], [Some(&rich), None]]);
    let sums = paired.cohorts[0].sums(Metric::Earned);
    assert_eq!((sums.squares, sums.base.0), (None, i128::MAX / 4 * 2));
}
