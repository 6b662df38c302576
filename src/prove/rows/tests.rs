//! The rows as a table, and what playing one gives.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::*;
use crate::prove::{Options, Proof, Verdict, prove};

fn played(names: &[&str], seed: u64, work: f64, jobs: usize) -> Proof {
    let rows: Vec<_> = rows().into_iter().filter(|row| names.contains(&row.name)).collect();
    assert_eq!(rows.len(), names.len());
    let options = Options { seed, work, jobs: NonZeroUsize::new(jobs).unwrap() };
    prove(&rows, options, &Control::default()).unwrap()
}

#[test]
fn every_row_has_a_name_of_its_own_and_a_value_that_is_one() {
    let rows = rows();
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len());
    for row in &rows {
        assert!(row.exact.is_finite() && row.exact >= 0.0 && row.widest <= 0.02, "{}", row.name);
        assert!(row.unit != Unit::Share || row.exact < 1.0, "{}", row.name);
    }
}

/// Neither the number of threads nor what else is played changes a row.
#[test]
fn a_row_is_the_same_however_it_is_played() {
    let names = ["quota: share refused", "sliding window", "retries: attempts"];
    let together = played(&names, 5, 0.1, 3);
    assert_eq!(together, played(&names, 5, 0.1, 1));
    let alone = played(&names[1..2], 5, 0.1, 2);
    assert_eq!(alone.rows, together.rows[1..2]);
    assert_ne!(alone.rows, played(&names[1..2], 6, 0.1, 2).rows);
}

/// A value that is 5 % off lies outside; a tenth of the work makes intervals too wide; nothing but nothing is nothing.
#[test]
fn a_row_fails_when_the_formula_is_another_one() {
    let of = |exact: fn(f64) -> f64, name: &str, work| {
        let mut row = rows().into_iter().find(|row| row.name == name).unwrap();
        row.exact = exact(row.exact);
        let options = Options { seed: 3, work, jobs: NonZeroUsize::MIN };
        prove(&[row], options, &Control::default()).unwrap().rows[0].verdict
    };
    let time = "quota: time of exhaustion";
    assert_eq!(of(|exact| exact, time, 1.0), Verdict::Holds);
    assert_eq!(of(|exact| 1.05 * exact, time, 1.0), Verdict::Fails);
    assert_eq!(of(|exact| exact, "quota: share refused", 0.01), Verdict::TooWide);
    assert_eq!(of(|exact| exact, "overdraft of reserve", 0.05), Verdict::Holds);
    assert_eq!(of(|_| 0.0, "overdraft of check_then_debit", 0.05), Verdict::Fails);
    assert_eq!(of(|_| 0.1, "overdraft of reserve", 0.05), Verdict::Fails);
}

#[test]
fn what_is_canceled_has_no_verdict() {
    let control = Control::new(Arc::new(true.into()));
    let options = Options { seed: 1, work: 1.0, jobs: NonZeroUsize::MIN };
    assert_eq!(prove(&rows(), options, &control), None);
}

/// What grows is what says something: the intervals of four times the work are half as wide.
#[test]
fn more_work_makes_narrower_intervals() {
    for name in ["quota: share refused", "sliding window", "population"] {
        let [narrow, wide] = [0.2, 0.05].map(|work| played(&[name], 2, work, 2).rows[0].half_width.unwrap());
        // A deviation from 100 replications is itself known to 7 %: five of those, on either side.
        assert!((1.3..3.1).contains(&(wide / narrow)), "{name}: {wide} to {narrow}");
    }
}
