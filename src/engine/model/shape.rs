//! How a rate follows the hours of a week.

use std::sync::Arc;

use crate::time::{DAY, HOUR};

/// Nanoseconds of a week of seven days of 24 hours, as a wall calendar has it.
pub const WEEK: u64 = 7 * DAY;
/// Hours of that week.
pub const HOURS: usize = 7 * 24;

/// How a rate follows the hours of a local week: what is done in each hour, as a multiple of the mean. The multiples are
/// 1 on average over a week.
///
/// It is kept as *activity*: the time, at an even rate, in which as much is done. A week of it is a week long, and what
/// is done in an hour is a whole number of nanoseconds, so that the two can be turned into each other exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The activity until each hour begins, from Monday's first; at the end that of the whole week.
    until: Arc<[u64; HOURS + 1]>,
}

impl Shape {
    /// Each hour's weight is that of its hour of the day, from midnight on, times that of its weekday, from Monday on.
    /// `None` when no hour has any; weights are finite and not negative.
    pub fn new(hours: &[f64; 24], weekdays: &[f64; 7]) -> Option<Self> {
        let (hours, weekdays) = (shares(hours)?, shares(weekdays)?);
        let mut until = [0; HOURS + 1];
        let mut sum = 0.0;
        for (day, weekday) in weekdays.iter().enumerate() {
            for (hour, weight) in hours.iter().enumerate() {
                sum += weekday * weight;
                until[24 * day + hour + 1] = ((sum * WEEK as f64).round() as u64).min(WEEK);
            }
        }
        // The shares sum to 1 but for their last digit, which is given to the last hours that have any weight.
        let total = until[HOURS];
        until.iter_mut().filter(|until| **until == total).for_each(|until| *until = WEEK);
        Some(Self { until: Arc::new(until) })
    }

    /// The rate in an hour of the week, from Monday's first, as a multiple of the mean.
    pub fn multiple(&self, hour: usize) -> f64 {
        self.in_hour(hour) as f64 / HOUR as f64
    }

    /// The rate in the busiest hour, as a multiple of the mean.
    pub fn peak(&self) -> f64 {
        (0..HOURS).map(|hour| self.multiple(hour)).fold(0.0, f64::max)
    }

    /// The activity of a week until so long after it began, at most a week; rounded down.
    pub fn activity(&self, position: u64) -> u64 {
        let hour = (position / HOUR) as usize;
        if hour >= HOURS {
            return WEEK;
        }
        self.until[hour] + (u128::from(position % HOUR) * u128::from(self.in_hour(hour)) / u128::from(HOUR)) as u64
    }

    /// How long after a week began its activity first is so much, less than a week of it. Where nothing is done it does
    /// not grow, so it is never in an hour without weight.
    pub fn position(&self, activity: u64) -> u64 {
        let hour = self.until.partition_point(|until| *until <= activity) - 1;
        let beyond = u128::from(activity - self.until[hour]) * u128::from(HOUR);
        hour as u64 * HOUR + beyond.div_ceil(u128::from(self.in_hour(hour))) as u64
    }

    fn in_hour(&self, hour: usize) -> u64 {
        self.until[hour + 1] - self.until[hour]
    }
}

/// Weights as shares of their sum. They are first divided by the largest, so that no sum leaves the range.
fn shares<const N: usize>(weights: &[f64; N]) -> Option<[f64; N]> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if !(largest > 0.0 && largest.is_finite()) {
        return None;
    }
    let weights = weights.map(|weight| weight / largest);
    let sum: f64 = weights.iter().sum();
    Some(weights.map(|weight| weight / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_of_even_hours_is_a_week() {
        let even = Shape::new(&[0.3; 24], &[7.0; 7]).unwrap();
        for position in [0, 1, HOUR - 1, HOUR, 5 * DAY + 17, WEEK - 1] {
            // An hour's activity is whole nanoseconds, so it is off by one at most.
            assert!(even.activity(position).abs_diff(position) <= 1 && even.position(position).abs_diff(position) <= 1);
        }
        assert_eq!(even.activity(WEEK), WEEK);
        assert!((even.peak() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_hour_s_multiple_is_its_share_of_the_week() {
        let mut hours = [1.0; 24];
        hours[9] = 25.0;
        // Of 48 parts of a day, 25 are from 9 to 10; of 6 parts of a week, Sunday has none, and the others one each.
        let shape = Shape::new(&hours, &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]).unwrap();
        assert!((shape.multiple(9) - 25.0 / 48.0 / 6.0 * 168.0).abs() < 1e-9);
        assert!((shape.multiple(24) - 1.0 / 48.0 / 6.0 * 168.0).abs() < 1e-9);
        assert!((144..HOURS).all(|hour| shape.in_hour(hour) == 0));
        assert!((shape.peak() - shape.multiple(9)).abs() < 1e-9);
        assert_eq!((0..HOURS).map(|hour| shape.in_hour(hour)).sum::<u64>(), WEEK);
    }

    /// The position of an activity is the first that has it.
    #[test]
    fn activity_and_position_are_inverse() {
        let mut hours = [0.0; 24];
        (hours[3], hours[8], hours[9], hours[23]) = (1.0, 1e9, 3.7, 1e-7);
        let shape = Shape::new(&hours, &[0.0, 1.0, 0.0, 0.001, 5.0, 0.0, 1.0]).unwrap();
        let mut word = 1u64;
        for _ in 0..100_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let activity = ((u128::from(word) * u128::from(WEEK)) >> 64) as u64;
            let position = shape.position(activity);
            assert!(shape.activity(position) >= activity, "{activity}");
            // Where an hour begins, hours without weight may have had it too.
            assert!(position.is_multiple_of(HOUR) || shape.activity(position - 1) < activity, "{activity}");
        }
        assert_eq!(shape.position(0), DAY + 3 * HOUR, "the first hour of Tuesday that has weight");
    }

    #[test]
    fn no_weight_at_all_is_no_shape() {
        assert_eq!(Shape::new(&[0.0; 24], &[1.0; 7]), None);
        assert_eq!(Shape::new(&[1.0; 24], &[0.0; 7]), None);
        assert!(Shape::new(&[f64::MAX; 24], &[f64::MAX; 7]).is_some());
    }
}
