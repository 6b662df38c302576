//! Boundaries against instants worked out by hand. They are written as UTC, where a reader can check them by adding the
//! zone's offset of that day.

use super::*;
use crate::time::{HOUR, MINUTE};
use jiff::civil::date;

/// A calendar that starts on this day at midnight UTC.
fn calendar(zone: &str, [year, month, day]: [i16; 3]) -> Calendar {
    let zone = if zone == "UTC" { TimeZone::UTC } else { TimeZone::get(zone).unwrap() };
    Calendar::new(date(year, month as i8, day as i8).at(0, 0, 0, 0), zone)
}

/// An instant, as UTC: `2026-03-08T07:00`.
fn utc(calendar: &Calendar, text: &str) -> Time {
    let at = Offset::UTC.to_timestamp(text.parse().unwrap()).unwrap();
    calendar.time(at)
}

/// Where the periods from an anchor begin, as UTC.
fn begins<const N: usize>(calendar: &Calendar, period: Period, anchor: &str, numbers: [u32; N]) -> [String; N] {
    let cycle = Cycle::new(calendar, period, utc(calendar, anchor));
    numbers.map(|number| shown(calendar, cycle.begins(calendar, number)))
}

fn shown(calendar: &Calendar, at: Time) -> String {
    Offset::UTC.to_datetime(calendar.timestamp(at)).strftime("%Y-%m-%dT%H:%M").to_string()
}

#[test]
fn the_31st_comes_back_after_february() {
    let utc = calendar("UTC", [2026, 1, 1]);
    assert_eq!(
        begins(&utc, Period::Month, "2026-01-31T00:00", [0, 1, 2, 3, 12, 13, 25]),
        [
            "2026-01-31T00:00",
            "2026-02-28T00:00",
            "2026-03-31T00:00",
            "2026-04-30T00:00",
            "2027-01-31T00:00",
            "2027-02-28T00:00",
            "2028-02-29T00:00"
        ]
    );
}

#[test]
fn the_29th_of_february_comes_back_in_leap_years() {
    let utc = calendar("UTC", [2024, 1, 1]);
    assert_eq!(
        begins(&utc, Period::Year, "2024-02-29T00:00", [0, 1, 2, 3, 4]),
        ["2024-02-29T00:00", "2025-02-28T00:00", "2026-02-28T00:00", "2027-02-28T00:00", "2028-02-29T00:00"]
    );
}

/// An anchor in the middle of a day, before the start, and not on a whole second.
#[test]
fn periods_keep_the_anchors_time_of_day_to_the_nanosecond() {
    let utc = calendar("UTC", [2026, 3, 1]);
    let anchor = Time::from_ns(-((DAY + HOUR) as i64) + 7);
    let cycle = Cycle::new(&utc, Period::Month, anchor);
    // 27 February, 23:00:00.000000007.
    assert_eq!(cycle.begins(&utc, 0), anchor);
    assert_eq!(cycle.begins(&utc, 1), Time::from_ns((26 * DAY + 23 * HOUR + 7) as i64));
    assert_eq!(cycle.begins(&utc, 2), Time::from_ns((57 * DAY + 23 * HOUR + 7) as i64));
}

/// Clocks go from 02:00 to 03:00 on 8 March 2026 (07:00 UTC) and from 02:00 back to 01:00 on 1 November (06:00 UTC).
#[test]
fn new_york_keeps_local_midnight_across_both_changes() {
    let zone = calendar("America/New_York", [2026, 2, 1]);
    assert_eq!(
        begins(&zone, Period::Month, "2026-02-08T05:00", [0, 1, 2, 8, 9, 10]),
        [
            "2026-02-08T05:00",
            "2026-03-08T05:00",
            "2026-04-08T04:00",
            "2026-10-08T04:00",
            "2026-11-08T05:00",
            "2026-12-08T05:00"
        ]
    );
}

/// 02:30 on the 8th is missing in March: the clocks jump at 07:00 UTC, which is then 03:00 and not 03:30. 01:30 on the
/// 1st is there twice in November: 05:30 UTC is the first, 06:30 the second.
#[test]
fn new_york_skips_an_hour_and_repeats_one() {
    let zone = calendar("America/New_York", [2026, 2, 1]);
    assert_eq!(begins(&zone, Period::Month, "2026-02-08T07:30", [1, 2]), ["2026-03-08T07:00", "2026-04-08T06:30"]);
    assert_eq!(begins(&zone, Period::Month, "2026-10-01T05:30", [1, 2]), ["2026-11-01T05:30", "2026-12-01T06:30"]);
    // Both ends of the gap: 02:00 is missing, 03:00 is not.
    assert_eq!(begins(&zone, Period::Month, "2026-02-08T07:00", [1]), ["2026-03-08T07:00"]);
    assert_eq!(begins(&zone, Period::Month, "2026-02-08T08:00", [1]), ["2026-03-08T07:00"]);
    assert_eq!(begins(&zone, Period::Month, "2026-02-08T06:59", [1]), ["2026-03-08T06:59"]);
}

/// Clocks go from 02:00 to 03:00 on 29 March 2026 and from 03:00 back to 02:00 on 25 October, both at 01:00 UTC.
#[test]
fn berlin_skips_an_hour_and_repeats_one() {
    let zone = calendar("Europe/Berlin", [2026, 1, 1]);
    assert_eq!(
        begins(&zone, Period::Month, "2026-01-29T01:30", [1, 2, 3]),
        ["2026-02-28T01:30", "2026-03-29T01:00", "2026-04-29T00:30"]
    );
    assert_eq!(begins(&zone, Period::Month, "2026-09-25T00:30", [1, 2]), ["2026-10-25T00:30", "2026-11-25T01:30"]);
    assert_eq!(begins(&zone, Period::Year, "2025-03-29T01:30", [1, 2]), ["2026-03-29T01:00", "2027-03-29T00:30"]);
}

/// An anchor in the second of two equal hours stays where it is, while its later periods take the first of two.
#[test]
fn an_anchor_in_a_repeated_hour_is_not_moved() {
    let zone = calendar("America/New_York", [2026, 10, 1]);
    let second = "2026-11-01T06:30";
    assert_eq!(begins(&zone, Period::Month, second, [0, 1]), [second, "2026-12-01T06:30"]);
    let at = utc(&zone, second);
    assert_eq!(zone.after(at, Length::Months(0)), at);
}

/// Days do not follow the clocks: each is 86,400 s.
#[test]
fn a_day_is_as_long_on_the_day_of_the_change() {
    let zone = calendar("Europe/Berlin", [2026, 3, 1]);
    assert_eq!(
        begins(&zone, Period::Day, "2026-03-28T12:00", [0, 1, 2]),
        ["2026-03-28T12:00", "2026-03-29T12:00", "2026-03-30T12:00"]
    );
    assert_eq!(zone.seconds_before(Period::Day), 86_400);
}

/// UTC+14: local midnight of the 31st is 10:00 UTC of the 30th. UTC−9:30, without summer time: 09:30 UTC of the 31st.
#[test]
fn the_local_day_counts_far_from_greenwich() {
    let east = calendar("Pacific/Kiritimati", [2026, 1, 1]);
    assert_eq!(
        begins(&east, Period::Month, "2026-01-30T10:00", [0, 1, 2]),
        ["2026-01-30T10:00", "2026-02-27T10:00", "2026-03-30T10:00"]
    );
    let west = calendar("Pacific/Marquesas", [2026, 1, 1]);
    assert_eq!(
        begins(&west, Period::Month, "2026-01-31T09:30", [0, 1, 2]),
        ["2026-01-31T09:30", "2026-02-28T09:30", "2026-03-31T09:30"]
    );
}

/// Samoa crossed the date line: 30 December 2011 never was, and 31 December began at 10:00 UTC of the 30th.
#[test]
fn a_day_that_never_was_ends_when_it_would_have_begun() {
    let zone = calendar("Pacific/Apia", [2011, 11, 1]);
    assert_eq!(
        begins(&zone, Period::Month, "2011-11-30T15:00", [0, 1, 2]),
        ["2011-11-30T15:00", "2011-12-30T10:00", "2012-01-29T15:00"]
    );
}

#[test]
fn a_fixed_offset_and_its_zone_agree() {
    let start = date(2026, 1, 1).at(0, 0, 0, 0);
    let fixed = Calendar::new(start, TimeZone::fixed(Offset::constant(14)));
    let named = calendar("Pacific/Kiritimati", [2026, 1, 1]);
    assert!(fixed.fixed.is_some() && named.fixed.is_none() && calendar("UTC", [2026, 1, 1]).fixed.is_some());
    let cycles =
        [&fixed, &named].map(|calendar| Cycle::new(calendar, Period::Month, Time::from_ns(123_456_789_012_345)));
    for number in 0..50 {
        assert_eq!(cycles[0].begins(&fixed, number), cycles[1].begins(&named, number));
    }
    assert_eq!(fixed.day(Time::START), named.day(Time::START));
}

#[test]
fn a_length_is_exact_or_on_the_calendar() {
    let zone = calendar("America/New_York", [2026, 2, 8]);
    // Noon on 8 February; a month later the clocks have changed.
    let noon = utc(&zone, "2026-02-08T17:00");
    assert_eq!(shown(&zone, zone.after(noon, Length::Months(1))), "2026-03-08T16:00");
    assert_eq!(shown(&zone, zone.after(noon, Length::Months(12))), "2027-02-08T17:00");
    assert_eq!(shown(&zone, zone.after(noon, Length::Exact(Span::from_ns(28 * DAY)))), "2026-03-08T17:00");
    let last = utc(&zone, "2026-01-31T17:00");
    assert_eq!(shown(&zone, zone.after(last, Length::Months(1))), "2026-02-28T17:00");
}

/// 8 March 2026 is day 20,520 (56 years of 365 days, 14 leap days, then 31 + 28 + 7); in New York it has 23 hours.
#[test]
fn local_days_begin_at_local_midnight() {
    let zone = calendar("America/New_York", [2026, 3, 8]);
    let day = |text: &str| zone.day(utc(&zone, text));
    assert_eq!(
        ["2026-03-08T04:59", "2026-03-08T05:00", "2026-03-09T03:59", "2026-03-09T04:00"].map(day),
        [20_519, 20_520, 20_520, 20_521]
    );
    assert_eq!(zone.day(Time::START), 20_519);
    let east = calendar("Pacific/Kiritimati", [2026, 3, 8]);
    assert_eq!(east.day(Time::START + Span::from_ns(10 * HOUR - 1)), 20_520);
    assert_eq!(east.day(Time::START + Span::from_ns(10 * HOUR)), 20_521);
    let old = calendar("UTC", [1969, 12, 31]);
    assert_eq!([0, DAY - 1, DAY].map(|ns| old.day(Time::START + Span::from_ns(ns))), [-1, -1, 0]);
}

#[test]
fn the_period_before_the_start_is_as_long_as_on_the_calendar() {
    let hours = |zone: &str, start, period| calendar(zone, start).seconds_before(period) / 3_600;
    assert_eq!(hours("UTC", [2026, 3, 1], Period::Month), 28 * 24);
    assert_eq!(hours("UTC", [2024, 3, 1], Period::Month), 29 * 24);
    assert_eq!(hours("UTC", [2024, 3, 1], Period::Year), 366 * 24);
    assert_eq!(hours("UTC", [2026, 3, 1], Period::Year), 365 * 24);
    // In Berlin it is 02:00 on 1 April, and 02:00 on 1 March was 01:00 UTC; in autumn an hour is gained.
    assert_eq!(hours("Europe/Berlin", [2026, 4, 1], Period::Month), 31 * 24 - 1);
    assert_eq!(hours("Europe/Berlin", [2026, 11, 1], Period::Month), 31 * 24 + 1);
    assert_eq!(hours("Europe/Berlin", [2026, 4, 1], Period::Year), 365 * 24);
}

/// What lies past the last date, or 292 years after the start, never comes.
#[test]
fn the_far_future_is_never() {
    for zone in ["UTC", "America/New_York"] {
        let calendar = calendar(zone, [2026, 1, 1]);
        for period in [Period::Day, Period::Month, Period::Year] {
            let cycle = Cycle::new(&calendar, period, Time::START);
            assert_eq!(cycle.begins(&calendar, u32::MAX), Time::NEVER, "{zone}, {period:?}");
        }
        // So many days are just past 64 bits of nanoseconds.
        assert_eq!(Cycle::new(&calendar, Period::Day, Time::START).begins(&calendar, 213_504), Time::NEVER);
        let cycle = Cycle::new(&calendar, Period::Year, Time::START);
        assert_eq!(cycle.begins(&calendar, 300), Time::NEVER);
        assert_ne!(cycle.begins(&calendar, 290), Time::NEVER);
        assert_eq!(calendar.after(Time::NEVER, Length::Months(1)), Time::NEVER);
        assert_eq!(calendar.after(Time::START, Length::Months(u32::MAX)), Time::NEVER);
    }
    let last = calendar("America/New_York", [9999, 1, 1]);
    assert_eq!(last.after(Time::START, Length::Months(24)), Time::NEVER);
}

/// In every zone, over four years, from anchors at any minute: periods begin one after the other, and a month is 28 to 31
/// days give or take a change of the clocks.
#[test]
fn periods_follow_one_another_in_every_zone() {
    for zone in ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"] {
        let calendar = calendar(zone, [2026, 1, 1]);
        for minute in (0..60 * 24 * 40).step_by(77) {
            let anchor = Time::START + Span::from_ns(minute * MINUTE);
            let cycle = Cycle::new(&calendar, Period::Month, anchor);
            for number in 0..14 {
                let length = cycle.begins(&calendar, number + 1).since(cycle.begins(&calendar, number)).ns();
                assert!((28 * DAY - HOUR..=31 * DAY + HOUR).contains(&length), "{zone}, minute {minute}, {number}");
            }
        }
    }
}
