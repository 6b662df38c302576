//! Billing periods on the calendar of a time zone.
//!
//! A day is 86,400 s everywhere. Months and years are counted in local time and always from the anchor, so a day that a
//! short month lacks comes back in the next long one (31 January → 28 February → 31 March). A local time that the clocks
//! skip becomes the first instant after the gap; one that they pass twice, the first of the two.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span as CivilSpan, Timestamp};

use crate::model::{Length, Period};
use crate::time::{DAY, SECOND, Span, Time};

/// The calendar of a time zone, and where on it [`Time::START`] is. Cohorts of one zone share it.
#[derive(Clone, Debug)]
pub struct Calendar {
    start: Timestamp,
    zone: TimeZone,
    /// The zone's offset, where it never changes: then nothing is looked up.
    fixed: Option<Offset>,
}

impl Calendar {
    /// The calendar of `zone`, for a scenario that starts at this civil instant in UTC.
    ///
    /// # Panics
    /// When the start is on the last days that dates reach; the scenario's reader refuses that.
    pub fn new(start: DateTime, zone: TimeZone) -> Self {
        let start = Offset::UTC.to_timestamp(start).expect("dates are checked when the scenario is read");
        let fixed = zone.to_fixed_offset().ok();
        Self { start, zone, fixed }
    }

    /// The instant this long after `from`. Months keep the local time of day, and the day where the month has it.
    pub fn after(&self, from: Time, length: Length) -> Time {
        match length {
            Length::Exact(span) => from + span,
            Length::Months(months) => self.months_after(from, self.local(from), u64::from(months)),
        }
    }

    /// The number of the local civil day at an instant: 0 on 1 January 1970, as the zone's clocks show it.
    pub fn day(&self, at: Time) -> i64 {
        let at = self.timestamp(at);
        let local_ns = at.as_nanosecond() + i128::from(self.offset(at).seconds()) * i128::from(SECOND);
        local_ns.div_euclid(i128::from(DAY)) as i64
    }

    /// How long the local week that an instant is in has lasted by the zone's clocks, from Monday's midnight on; in ns.
    pub fn since_monday(&self, at: Time) -> i64 {
        let at = self.timestamp(at);
        let local_ns = at.as_nanosecond() + i128::from(self.offset(at).seconds()) * i128::from(SECOND);
        // 1 January 1970 was a Thursday.
        (local_ns + 3 * i128::from(DAY)).rem_euclid(7 * i128::from(DAY)) as i64
    }

    /// The instants after `from` and before `until` at which the zone's clocks may be changed.
    pub fn clock_changes(&self, from: Time, until: Time) -> Vec<Time> {
        if self.fixed.is_some() {
            return Vec::new();
        }
        let changes = self.zone.following(self.timestamp(from)).map(|change| self.time(change.timestamp()));
        changes.take_while(|change| *change < until).collect()
    }

    /// How many seconds the period has that ends at the start: anchors are spread over it.
    ///
    /// # Panics
    /// When there is no such period before the first of all dates; the scenario's reader refuses that.
    pub fn seconds_before(&self, period: Period) -> u64 {
        let back = match period {
            Period::Day => return DAY / SECOND,
            Period::Month => CivilSpan::new().months(1),
            Period::Year => CivilSpan::new().years(1),
        };
        let begin = self.local(Time::START).checked_sub(back).ok().and_then(|local| self.instant(local));
        let begin = begin.expect("dates are checked when the scenario is read");
        self.start.duration_since(begin).as_secs().unsigned_abs()
    }

    /// The instant so many months after `anchor`, whose local time is given. None at all leave the anchor where it is,
    /// even in an hour that the clocks pass twice.
    fn months_after(&self, anchor: Time, local: DateTime, months: u64) -> Time {
        if months == 0 {
            return anchor;
        }
        let span = i64::try_from(months).ok().and_then(|months| CivilSpan::new().try_months(months).ok());
        let later = span.and_then(|span| local.checked_add(span).ok()).and_then(|local| self.instant(local));
        later.map_or(Time::NEVER, |later| self.time(later))
    }

    /// The instant of a local time; `None` past the last of all dates.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        if let Some(offset) = self.fixed {
            return offset.to_timestamp(local).ok();
        }
        let found = self.zone.to_ambiguous_timestamp(local);
        match found.offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(local).ok()
            }
            // The offset that only applies from then on yields an instant before the clocks jump.
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_jump = after.to_timestamp(local).ok()?;
                self.zone.following(before_the_jump).next().map(|jump| jump.timestamp())
            }
        }
    }

    fn local(&self, at: Time) -> DateTime {
        let at = self.timestamp(at);
        self.offset(at).to_datetime(at)
    }

    fn offset(&self, at: Timestamp) -> Offset {
        self.fixed.unwrap_or_else(|| self.zone.to_offset(at))
    }

    /// Stays within jiff's years −9999 to 9999.
    fn timestamp(&self, at: Time) -> Timestamp {
        let ns = self.start.as_nanosecond() + i128::from(at.ns());
        let end = if at < Time::START { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_nanosecond(ns).unwrap_or(end)
    }

    /// Saturates: 292 years after the start are as good as never.
    fn time(&self, at: Timestamp) -> Time {
        let ns = at.as_nanosecond() - self.start.as_nanosecond();
        i64::try_from(ns).map_or(Time::NEVER, Time::from_ns)
    }
}

/// The boundaries of one subscription: where its periods begin, counted from its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    period: Period,
    anchor: Time,
    /// The anchor as the zone's clocks show it.
    local: DateTime,
}

impl Cycle {
    /// The periods of which one begins at `anchor`.
    pub fn new(calendar: &Calendar, period: Period, anchor: Time) -> Self {
        Self { period, anchor, local: calendar.local(anchor) }
    }

    /// What recurs.
    pub fn period(self) -> Period {
        self.period
    }

    /// The instant at which period `number` begins; 0 begins at the anchor. `calendar` is the one it was made with.
    pub fn begins(self, calendar: &Calendar, number: u32) -> Time {
        let number = u64::from(number);
        match self.period {
            Period::Day => self.anchor + Span::from_ns(number.saturating_mul(DAY)),
            Period::Month => calendar.months_after(self.anchor, self.local, number),
            Period::Year => calendar.months_after(self.anchor, self.local, 12 * number),
        }
    }
}

#[cfg(test)]
mod tests;
