//! The Pareto front between revenue and refusals: the points that no other point beats. One point beats another when it
//! earns at least as much and refuses at most the same share, and one of the two is better. Exact, in whole numbers.

use std::cmp::Ordering;

use super::Reading;

/// The order of the shares refused, as fractions; where no call was made, none was refused.
pub fn by_share(a: &Reading, b: &Reading) -> Ordering {
    let parts = |reading: &Reading, other: &Reading| u128::from(reading.refused) * u128::from(other.calls.max(1));
    parts(a, b).cmp(&parts(b, a))
}

/// The best revenue first; of the same revenue, the least share refused.
pub fn by_revenue(a: &Reading, b: &Reading) -> Ordering {
    b.earned.cmp(&a.earned).then_with(|| by_share(a, b))
}

/// Which readings are on the front. Readings that are alike in both are all on it, or none.
pub fn front(readings: &[Reading]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..readings.len()).collect();
    let first = |a: &Reading, b: &Reading| by_share(a, b).then_with(|| b.earned.cmp(&a.earned));
    order.sort_by(|&a, &b| first(&readings[a], &readings[b]).then(a.cmp(&b)));
    let mut is_on = vec![false; readings.len()];
    // Of what refuses less or as little, the one that earns the most; of those, the first.
    let mut most: Option<&Reading> = None;
    for at in order {
        let reading = &readings[at];
        is_on[at] = most.is_none_or(|most| {
            let is_alike = reading.earned == most.earned && by_share(reading, most) == Ordering::Equal;
            reading.earned > most.earned || is_alike
        });
        if most.is_none_or(|most| reading.earned > most.earned) {
            most = Some(reading);
        }
    }
    is_on
}

#[cfg(test)]
mod tests {
    use super::*;
    use farebox_engine::draw::Words;

    fn reading(earned: i128, refused: u64, calls: u64) -> Reading {
        Reading { earned, calls, refused, ..Reading::default() }
    }

    #[test]
    fn a_point_that_another_beats_is_not_on_the_front() {
        let readings = [
            reading(100, 5, 100),
            reading(120, 10, 100),
            reading(110, 10, 100),
            reading(100, 5, 100),
            reading(90, 50, 1_000),
            reading(130, 0, 0),
        ];
        // Nothing refused and the most earned: it beats all.
        assert_eq!(front(&readings), [false, false, false, false, false, true]);
        assert_eq!(front(&readings[..5]), [true, true, false, true, false]);
        assert!(front(&[]).is_empty());
    }

    /// The definition, point by point, beside the sweep over sorted points.
    #[test]
    fn the_front_is_what_the_definition_says() {
        let mut words = Words::after(402);
        for _ in 0..2_000 {
            let count = words.next_word() % 12;
            // Few different figures, so that many are alike.
            let readings: Vec<Reading> = (0..count)
                .map(|_| {
                    let calls = words.next_word() % 4;
                    let refused = words.next_word() % (calls + 1);
                    reading(i128::from(words.next_word() % 5) - 2, refused, calls)
                })
                .collect();
            let share = |it: &Reading| if it.calls == 0 { 0.0 } else { it.refused as f64 / it.calls as f64 };
            let beats = |a: &Reading, b: &Reading| {
                let is_no_worse = a.earned >= b.earned && share(a) <= share(b);
                is_no_worse && (a.earned > b.earned || share(a) < share(b))
            };
            let expected: Vec<bool> =
                readings.iter().map(|own| !readings.iter().any(|other| beats(other, own))).collect();
            assert_eq!(front(&readings), expected, "{readings:?}");
        }
    }
}
