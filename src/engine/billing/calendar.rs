//! Billing periods on the calendar. Boundaries are always counted from the anchor, so a day that a short month lacks
//! comes back in the next long one (31 January → 28 February → 31 March).

use jiff::civil::DateTime;
use jiff::{Span as CivilSpan, ToSpan};

use crate::model::Period;
use crate::time::{DAY, SECOND, Time};

/// The boundaries of one subscription: where its periods begin, counted from its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    period: Period,
    start: DateTime,
    anchor: DateTime,
}

impl Cycle {
    /// Periods from an anchor that lies `seconds` before `start`, the civil instant of [`Time::START`].
    pub fn anchored(period: Period, start: DateTime, seconds: u64) -> Self {
        let back = i64::try_from(seconds).expect("an anchor lies within a period of the start").seconds();
        Self { period, start, anchor: start.checked_sub(back).expect("dates are checked when the scenario is read") }
    }

    /// How many seconds the period before `start` has: anchors are spread over it.
    pub fn seconds_before(period: Period, start: DateTime) -> u64 {
        let begin = start.checked_sub(civil(period, 1)).expect("dates are checked when the scenario is read");
        start.duration_since(begin).as_secs().unsigned_abs()
    }

    /// The instant at which period `number` begins; 0 begins at the anchor.
    pub fn begins(self, number: u32) -> Time {
        if self.period == Period::Day {
            return Time::from_ns(self.offset_ns(self.anchor) + i64::from(number) * DAY as i64);
        }
        let begins = self.anchor.checked_add(civil(self.period, number)).unwrap_or(DateTime::MAX);
        Time::from_ns(self.offset_ns(begins))
    }

    fn offset_ns(self, civil: DateTime) -> i64 {
        let seconds = civil.duration_since(self.start).as_secs();
        seconds.saturating_mul(SECOND as i64)
    }
}

fn civil(period: Period, number: u32) -> CivilSpan {
    let number = i64::from(number);
    match period {
        Period::Day => number.days(),
        Period::Month => number.months(),
        Period::Year => number.years(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn days(cycle: Cycle, numbers: std::ops::RangeInclusive<u32>) -> Vec<i64> {
        numbers.map(|number| cycle.begins(number).ns() / DAY as i64).collect()
    }

    #[test]
    fn the_31st_comes_back_after_february() {
        let start = date(2026, 1, 31).at(0, 0, 0, 0);
        let cycle = Cycle::anchored(Period::Month, start, 0);
        // 31 January, 28 February, 31 March, 30 April, as days after 31 January.
        assert_eq!(days(cycle, 0..=3), [0, 28, 59, 89]);
    }

    #[test]
    fn the_29th_of_february_comes_back_in_leap_years() {
        let start = date(2024, 2, 29).at(0, 0, 0, 0);
        let cycle = Cycle::anchored(Period::Year, start, 0);
        assert_eq!(days(cycle, 0..=4), [0, 365, 730, 1095, 1461]);
    }

    #[test]
    fn an_anchor_before_the_start_renews_after_it() {
        let start = date(2026, 3, 1).at(0, 0, 0, 0);
        assert_eq!(Cycle::seconds_before(Period::Month, start), 28 * 86_400);
        let cycle = Cycle::anchored(Period::Month, start, 86_400);
        // Anchored on 28 February: renews on 28 March and 28 April.
        assert_eq!(days(cycle, 0..=2), [-1, 27, 58]);
    }
}
