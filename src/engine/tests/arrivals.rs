//! Arrivals that are no plain Poisson process, and rates that follow the hours of the week: against formulas, against a
//! calendar that is walked hour by hour, and by hand where the clocks are changed.
//!
//! Seeds are fixed; every tolerance is five standard deviations of the estimate, or what rounding can do.

use std::sync::Arc;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{FIRST, after, days, requests, scenario, secs, world};
use crate::billing::account::Consumer;
use crate::billing::calendar::Calendar;
use crate::distribution::Distribution;
use crate::model::{Arrivals, Cohort, HOURS, Joined, Live, Pattern, Period, Plan, Process, Scenario, Shape, WEEK};
use crate::outcome::CohortOutcome;
use crate::time::{Clock, DAY, HOUR, MINUTE, SECOND, Span, Time};
use crate::world::World;
use crate::world::arrivals::Activity;

const BURSTY: Process = Process::Bursty { burst: Span::from_ns(30 * MINUTE), pause: Span::from_ns(2 * HOUR) };
const PROCESSES: [Process; 3] = [Process::Poisson, Process::Constant, BURSTY];

fn patterned(per_day: f64, process: Process, shape: Option<Shape>) -> Arrivals {
    Arrivals::Patterned(Pattern { mean_gap_ns: DAY as f64 / per_day, spread: None, process, sessions: None, shape })
}

/// Busy by day, with hours of no calls at all, and quiet on weekends.
fn office() -> Shape {
    let mut hours = [0.3; 24];
    hours[8..18].fill(10.0);
    hours[2..5].fill(0.0);
    Shape::new(&hours, &[1.0, 1.2, 1.1, 1.0, 0.9, 0.2, 0.1]).unwrap()
}

/// Calls in one hour of the day alone.
fn only(hour: usize) -> Shape {
    let mut hours = [0.0; 24];
    hours[hour] = 1.0;
    Shape::new(&hours, &[1.0; 7]).unwrap()
}

/// A cohort that is there already, in a zone; the scenario starts on 1 January 2026, a Thursday.
fn cohort(count: u32, arrivals: Arrivals, zone: &str) -> Cohort {
    let mut cohort = Cohort::new("all", count, arrivals);
    cohort.zone = TimeZone::get(zone).unwrap();
    cohort
}

fn begun(horizon: Span, cohort: Cohort) -> Scenario {
    begun_on(horizon, Plan::new("free"), cohort)
}

fn begun_on(horizon: Span, plan: Plan, cohort: Cohort) -> Scenario {
    Scenario { start: date(2026, 1, 1).at(0, 0, 0, 0), ..scenario(horizon, plan, cohort) }
}

fn times(world: &World, consumer: Consumer) -> Vec<Time> {
    world.calls(consumer).map(|call| call.at).collect()
}

/// The times before the start, in order.
fn past(world: &World, consumer: Consumer, back: Span) -> Vec<Time> {
    world.schedule.history(consumer, Time::START - back).map(|call| call.at).collect()
}

fn timestamp(at: Time) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_nanos(at.ns())
}

fn at(text: &str) -> Time {
    let start = timestamp(Time::START);
    Time::from_ns(text.parse::<Timestamp>().unwrap().duration_since(start).as_nanos() as i64)
}

/// Which hour of the local week an instant is in, from Monday's first.
fn hour_of_week(at: Time, zone: &TimeZone) -> usize {
    let local = timestamp(at).to_zoned(zone.clone());
    24 * local.weekday().to_monday_zero_offset() as usize + local.hour() as usize
}

/// The mean, the variance, and the standard deviations of both estimates.
fn moments(samples: &[f64]) -> [(f64, f64); 2] {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let central = |power| samples.iter().map(|sample| (sample - mean).powi(power)).sum::<f64>() / n;
    let variance = central(2) * n / (n - 1.0);
    [(mean, (variance / n).sqrt()), (variance, ((central(4) - variance * variance).max(0.0) / n).sqrt())]
}

fn near(what: &str, (estimate, deviation): (f64, f64), exact: f64, rounding: f64) {
    assert!((estimate - exact).abs() <= 5.0 * deviation + rounding, "{what}: {estimate} ± {deviation} is not {exact}");
}

// === The week ===

/// How much of each hour of the local week a stretch of time has, walked in steps that no zone's clocks break.
fn walked(from: Time, until: Time, zone: &str) -> Vec<f64> {
    let zone = TimeZone::get(zone).unwrap();
    let (mut hours, step) = (vec![0.0; HOURS], Span::from_ns(15 * MINUTE));
    let mut at = from;
    while at < until {
        hours[hour_of_week(at, &zone)] += 0.25;
        at = at + step;
    }
    hours
}

/// Counts per hour of the local week against its weights, over both changes of the clocks: χ² with 168 degrees of
/// freedom, less those of hours without weight, in which nobody calls.
#[test]
fn calls_follow_the_weights_of_the_local_week() {
    for zone in ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"] {
        let (horizon, shape) = (days(364), office());
        let mut cohort = cohort(60, patterned(24.0, Process::Poisson, Some(shape.clone())), zone);
        cohort.joined = Joined::Start;
        let world = world(begun(horizon, cohort));
        let local = TimeZone::get(zone).unwrap();
        let mut counts = vec![0f64; HOURS];
        for call in world.consumers().flat_map(|consumer| world.calls(consumer)) {
            counts[hour_of_week(call.at, &local)] += 1.0;
        }
        let hours = walked(Time::START, Time::START + horizon, zone);
        let (mut chi, mut freedom, mut spread) = (0.0, 0.0, 0.0);
        for hour in 0..HOURS {
            let expected = 60.0 * hours[hour] * shape.multiple(hour);
            if expected == 0.0 {
                assert_eq!(counts[hour].to_bits(), 0f64.to_bits(), "{zone}: hour {hour}");
                continue;
            }
            chi += (counts[hour] - expected) * (counts[hour] - expected) / expected;
            freedom += 1.0;
            // The variance of each term where the count is Poisson: 2 + 1/mean.
            spread += 2.0 + 1.0 / expected;
        }
        near(zone, (chi, f64::sqrt(spread)), freedom, 0.0);
    }
}

/// Every process keeps its mean in each part of the week; consumers are independent, so their spread says how well.
#[test]
fn every_process_has_its_mean_by_day_and_by_night() {
    for process in PROCESSES {
        let (zone, shape, count, horizon) = ("America/New_York", office(), 400, days(91));
        let world = world(begun(horizon, cohort(count, patterned(40.0, process, Some(shape.clone())), zone)));
        let local = TimeZone::get(zone).unwrap();
        let part = |hour: usize| 2 * (hour / 24) + usize::from((8..18).contains(&(hour % 24)));
        let hours = walked(Time::START, Time::START + horizon, zone);
        let mut expected = [0.0; 14];
        (0..HOURS).for_each(|hour| expected[part(hour)] += hours[hour] * shape.multiple(hour) * 40.0 / 24.0);
        let mut counts = vec![Vec::new(); 14];
        for consumer in world.consumers() {
            let mut own = [0.0; 14];
            for at in times(&world, consumer) {
                own[part(hour_of_week(at, &local))] += 1.0;
            }
            (0..14).for_each(|part| counts[part].push(own[part]));
        }
        for part in 0..14 {
            near(&format!("{process:?}, part {part}"), moments(&counts[part])[0], expected[part], 1e-6);
        }
    }
}

/// 8 March 2026: at 2:00 New York's clocks are set to 3:00. 1 November: at 2:00 they are set back to 1:00.
#[test]
fn clocks_that_are_changed_skip_an_hour_or_pass_it_twice() {
    let on = |hour: usize, from: &str, until: &str| {
        let cohort = cohort(1, patterned(40.0, Process::Constant, Some(only(hour))), "America/New_York");
        let (from, until) = (at(from), at(until));
        let calls = times(&world(begun(days(365), cohort)), FIRST);
        calls.into_iter().filter(|at| (from..until).contains(at)).collect::<Vec<_>>()
    };
    // Of a day's 40 calls, evenly spaced, one more or less is in a day.
    let is_a_day = |calls: &[Time], days: usize| calls.len().abs_diff(40 * days) <= 1;
    // From 2 to 3 in winter is from 7 to 8 in UTC; in summer, from 6 to 7.
    assert!(is_a_day(&on(2, "2026-03-07T07:00:00Z", "2026-03-07T08:00:00Z"), 1));
    assert_eq!(on(2, "2026-03-07T08:00:00.000000001Z", "2026-03-09T06:00:00Z"), []);
    assert!(is_a_day(&on(2, "2026-03-09T06:00:00Z", "2026-03-09T07:00:00Z"), 1));
    // The hour from 1 to 2 is at 5 in summer time, and once more at 6 in winter time.
    assert!(is_a_day(&on(1, "2026-10-31T05:00:00Z", "2026-10-31T06:00:00Z"), 1));
    assert!(is_a_day(&on(1, "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"), 1));
    assert!(is_a_day(&on(1, "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"), 1));
    assert!(is_a_day(&on(1, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"), 2));
    assert!(is_a_day(&on(1, "2026-11-02T06:00:00Z", "2026-11-02T07:00:00Z"), 1));
    assert_eq!(on(1, "2026-11-02T07:00:00.000000001Z", "2026-11-03T06:00:00Z"), []);
}

/// A time's activity, and the time of an activity, are each other's inverse over ten years and the year before.
#[test]
fn activity_is_inverted_exactly() {
    for zone in ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"] {
        for shape in [office(), only(2), Shape::new(&[1.0; 24], &[1.0; 7]).unwrap()] {
            let start = date(2026, 1, 1).at(0, 0, 0, 0);
            let calendar = Calendar::new(start, TimeZone::get(zone).unwrap());
            let end = Time::START + days(3_653);
            let activity = Activity::new(&shape, &calendar, end);
            assert_eq!(activity.until(Time::START), Time::START);
            let stream = crate::draw::Address::seed(5).stream();
            let mut active: Vec<i64> = (0..2_000)
                .map(|i| (stream.word(i) % (4_018 * DAY)).cast_signed() - (365 * DAY).cast_signed())
                .collect();
            active.sort_unstable();
            let instants: Vec<Time> = active.iter().map(|active| activity.instant(Time::from_ns(*active))).collect();
            assert!(instants.is_sorted());
            for (active, instant) in active.iter().zip(instants) {
                assert!(activity.until(instant).ns() >= *active, "{zone}: {active}");
                // One nanosecond earlier there was less, or an hour without weight ends here.
                let before = activity.until(instant - Span::from_ns(1)).ns();
                assert!(before < *active || (before == *active && instant.ns() % (15 * MINUTE).cast_signed() == 0));
            }
            assert_eq!(activity.instant(Time::NEVER), Time::NEVER);
        }
    }
}

/// A week of local time is a week of activity, but for the hours that a change of clocks takes or gives.
#[test]
fn ten_years_of_activity_are_ten_years() {
    let mut cohort = cohort(1, patterned(1.0, Process::Poisson, Some(office())), "America/New_York");
    let weeks = |activity: &Activity, weeks: u64| activity.until(Time::from_ns((weeks * WEEK).cast_signed())).ns();
    let of =
        |cohort: &Cohort| Activity::of(&begun(days(3_650), cohort.clone()), cohort, Time::START + days(3_650)).unwrap();
    // After 520 weeks it is winter, as at the start. Of each year's changes the one in spring skips an hour without
    // weight, and the one in autumn passes the hour from 1 to 2 of a Sunday twice.
    let surplus = weeks(&of(&cohort), 520) - (520 * WEEK).cast_signed();
    assert!((surplus as f64 / HOUR as f64 - 10.0 * office().multiple(6 * 24 + 1)).abs() < 1e-6, "{surplus}");
    let summer = weeks(&of(&cohort), 26) - (26 * WEEK).cast_signed();
    // The skipped hour, from 2 to 3, has no weight. It begins on a Wednesday at 19:00 and ends at 20:00.
    assert!((summer as f64 / HOUR as f64 - office().multiple(48 + 19)).abs() < 1e-6, "{summer}");
    cohort.zone = TimeZone::UTC;
    assert_eq!(weeks(&of(&cohort), 26), (26 * WEEK).cast_signed());
}

/// The last calls of ten years are in the hours in which they are asked for, in whichever zone.
#[test]
fn hours_hold_until_the_end_of_the_longest_horizon() {
    for process in PROCESSES {
        let world = world(begun(days(3_652), cohort(1, patterned(5.0, process, Some(only(9))), "Europe/London")));
        let calls = times(&world, FIRST);
        let zone = TimeZone::get("Europe/London").unwrap();
        let is_at_nine = |at: &Time| hour_of_week(*at - Span::from_ns(1), &zone) % 24 == 9;
        assert!(calls.iter().all(is_at_nine), "{process:?}");
        assert!(calls.last().unwrap().ns() > (3_645 * DAY).cast_signed(), "{process:?}");
    }
}

// === The processes ===

#[test]
fn without_a_shape_a_poisson_pattern_is_the_plain_process() {
    let plain = world(begun(days(30), cohort(9, super::poisson(Span::from_ns(HOUR)), "Asia/Tokyo")));
    let pattern = world(begun(days(30), cohort(9, patterned(24.0, Process::Poisson, None), "Asia/Tokyo")));
    for consumer in plain.consumers() {
        assert_eq!(times(&plain, consumer), times(&pattern, consumer));
        assert_eq!(past(&plain, consumer, days(30)), past(&pattern, consumer, days(30)));
    }
}

/// Calls of each consumer in a window.
fn counts(world: &World, from: Span, length: Span, before: Span) -> Vec<f64> {
    let window = Time::START - before + from..Time::START - before + from + length;
    let all = |consumer| past(world, consumer, before).into_iter().chain(times(world, consumer));
    world.consumers().map(|consumer| all(consumer).filter(|at| window.contains(at)).count() as f64).collect()
}

/// Mean and variance of the calls in a window of an interrupted Poisson process in its steady state: with π the share of
/// bursts, λ the rate in them and r the sum of the rates at which bursts and pauses end, m t and
/// m t + 2 λ² π (1 − π) (t/r − (1 − e^(−r t))/r²).
fn interrupted(mean: f64, burst: f64, pause: f64, t: f64) -> (f64, f64) {
    let (share, r) = (burst / (burst + pause), 1.0 / burst + 1.0 / pause);
    let rate = mean / share;
    let correlated = t / r - (1.0 - libm::exp(-r * t)) / (r * r);
    (mean * t, mean * t + 2.0 * rate * rate * share * (1.0 - share) * correlated)
}

/// How calls are dispersed in a window after the start, before it, and across it: the start is no special moment.
#[test]
fn counts_are_as_dispersed_as_the_process_says() {
    let hours = |hours: f64| Span::from_ns((hours * HOUR as f64) as u64);
    for process in PROCESSES {
        let world = world(begun(days(2), cohort(20_000, patterned(48.0, process, None), "UTC")));
        for (length, from) in [(7.25, 24.0), (7.25, 2.0), (7.25, 20.0), (1.25, 23.5), (23.25, 12.0)] {
            let (mean, variance) = match process {
                Process::Poisson => (2.0 * length, 2.0 * length),
                // So many whole gaps and half of one: one more in half of the cases.
                Process::Constant => (2.0 * length, 0.25),
                Process::Bursty { .. } => interrupted(2.0, 0.5, 2.0, length),
            };
            let [seen, dispersion] = moments(&counts(&world, hours(from), hours(length), days(1)));
            let what = format!("{process:?}: {length} h from {from}");
            near(&what, seen, mean, 0.0);
            // Of a constant process the fourth moment says too little: its variance follows from the mean.
            let deviation = if process == Process::Constant { 0.002 } else { dispersion.1 };
            near(&what, (dispersion.0, deviation), variance, 0.0);
        }
    }
}

/// The chance that a gap of an interrupted Poisson process is longer than each multiple of `step`: no call since one,
/// which came in a burst. The two states are stepped through time (Runge, Kutta), without the formula that is drawn by.
fn survival(mean: f64, burst: f64, pause: f64, step: f64, steps: usize) -> Vec<f64> {
    let rate = mean * (burst + pause) / burst;
    let slope = |[on, off]: [f64; 2]| [-(rate + 1.0 / burst) * on + off / pause, on / burst - off / pause];
    let add = |[a, b]: [f64; 2], [c, d]: [f64; 2], h: f64| [a + h * c, b + h * d];
    let mut state = [1.0, 0.0];
    let mut chances = vec![1.0];
    for _ in 0..steps {
        let k1 = slope(state);
        let k2 = slope(add(state, k1, step / 2.0));
        let k3 = slope(add(state, k2, step / 2.0));
        let k4 = slope(add(state, k3, step));
        for (k, weight) in [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)] {
            state = add(state, k, weight * step / 6.0);
        }
        chances.push(state[0] + state[1]);
    }
    chances
}

/// Kolmogorov and Smirnov: √n D exceeds 2.74 once in 1.7 million samples, as a normal variate five deviations.
#[test]
fn gaps_of_bursts_are_those_of_an_interrupted_poisson_process() {
    let cases = [(20.0, 0.5, 2.0), (0.2, 0.5, 2.0), (3.0, 4.0, 0.1), (3.0, 0.01, 30.0), (200.0, 1.0, 1.0)];
    for (mean, burst, pause) in cases {
        let hours = |hours: f64| Span::from_ns((hours * HOUR as f64) as u64);
        let process = Process::Bursty { burst: hours(burst), pause: hours(pause) };
        let horizon = hours(100_000.0 / mean);
        let world = world(begun(horizon, cohort(1, patterned(24.0 * mean, process, None), "UTC")));
        let calls = times(&world, FIRST);
        let mut gaps: Vec<f64> = calls.windows(2).map(|two| two[1].since(two[0]).ns() as f64 / HOUR as f64).collect();
        gaps.sort_by(f64::total_cmp);
        let n = gaps.len() as f64;
        assert!(n > 20_000.0, "{n}");
        let step = 1e-3 * f64::min(burst, f64::min(pause, burst / (burst + pause) / mean));
        let steps = (gaps[gaps.len() * 999 / 1000] / step) as usize;
        let mut distance = 0f64;
        for (number, chance) in survival(mean, burst, pause, step, steps.min(3_000_000)).into_iter().enumerate() {
            let longer = gaps.len() - gaps.partition_point(|gap| *gap <= number as f64 * step);
            distance = distance.max((longer as f64 / n - chance).abs());
        }
        assert!(distance * n.sqrt() < 2.74, "{mean} {burst} {pause}: {}", distance * n.sqrt());
    }
}

/// Evenly spaced before the start, across it and after it; each consumer at a moment of its own, no two in step.
#[test]
fn constant_calls_are_evenly_spaced_and_no_two_consumers_in_step() {
    let gap = (7 * SECOND).cast_signed();
    let rate = DAY as f64 / gap as f64;
    let world = world(begun(days(1), cohort(5_000, patterned(rate, Process::Constant, None), "UTC")));
    let mut phases = Vec::new();
    for consumer in world.consumers() {
        let all: Vec<Time> =
            past(&world, consumer, secs(600)).into_iter().chain(times(&world, consumer).into_iter().take(99)).collect();
        let is_even = |two: &[Time]| (two[1].ns() - two[0].ns() - gap).abs() <= 1;
        assert!(all.windows(2).all(is_even), "{consumer:?}");
        phases.push(times(&world, consumer)[0].ns() as f64 / gap as f64);
    }
    phases.sort_by(f64::total_cmp);
    let distance = (0..5_000).map(|i| (phases[i] - (i as f64 + 0.5) / 5_000.0).abs()).fold(0.0, f64::max);
    assert!(distance * 5_000f64.sqrt() < 2.74, "phases are uniform: {distance}");
    assert!(phases.windows(2).all(|two| two[0] < two[1]));
}

/// Bursts so short, or rates so low, that a call comes once in billions of them cost no more than others.
#[test]
fn bursts_without_calls_cost_nothing() {
    let process = Process::Bursty { burst: Span::from_ns(1), pause: Span::from_ns(1) };
    let world = world(begun(days(3_650), cohort(50, patterned(0.01, process, Some(office())), "UTC")));
    let calls = world.consumers().map(|consumer| world.calls(consumer).count() as f64).collect::<Vec<_>>();
    near("calls", moments(&calls)[0], 36.5, 0.5);
    let mut never = cohort(1, patterned(1.0, process, None), "UTC");
    for process in PROCESSES {
        let spread = Some(Distribution::Constant(0.0));
        never.arrivals =
            Arrivals::Patterned(Pattern { mean_gap_ns: 1e9, spread, process, sessions: None, shape: Some(office()) });
        let world = super::world(begun(days(10), never.clone()));
        assert_eq!((times(&world, FIRST), past(&world, FIRST, days(9))), (vec![], vec![]));
    }
}

// === Who is there when ===

/// Before the start the week is the same week: who joined before it has called by its hours.
#[test]
fn the_past_follows_the_same_week() {
    for process in PROCESSES {
        let (zone, back) = ("America/New_York", days(300));
        let plan = Plan { usage_period: Some(Period::Year), allowance: requests(9), ..Plan::new("yearly") };
        let shape = office();
        let cohort = cohort(300, patterned(40.0, process, Some(shape.clone())), zone);
        let world = world(begun_on(days(1), plan, cohort));
        let hours = walked(Time::START - back, Time::START, zone);
        let expected: f64 = (0..HOURS).map(|hour| hours[hour] * shape.multiple(hour) * 40.0 / 24.0).sum();
        let counts: Vec<f64> = world.consumers().map(|consumer| past(&world, consumer, back).len() as f64).collect();
        near(&format!("{process:?}"), moments(&counts)[0], expected, 1e-6);
        let zone = TimeZone::get(zone).unwrap();
        for consumer in world.consumers().take(5) {
            let past = past(&world, consumer, back);
            assert!(past.is_sorted() && past.iter().all(|at| *at < Time::START && *at >= Time::START - back));
            assert!(past.iter().all(|at| shape.multiple(hour_of_week(*at, &zone)) > 0.0));
        }
    }
}

#[test]
fn who_subscribes_later_calls_from_then_on_by_the_same_hours() {
    for process in PROCESSES {
        for joined in [Joined::Start, Joined::Signups { mean_gap_ns: (3 * HOUR) as f64 }] {
            let mut cohort = cohort(300, patterned(40.0, process, Some(office())), "Asia/Kathmandu");
            cohort.joined = joined;
            let world = world(begun(days(60), cohort.clone()));
            let activity = Activity::of(&world.scenario, &cohort, Time::START + days(60)).unwrap();
            let end = activity.until(Time::START + days(60)).ns();
            let mut surplus = Vec::new();
            for consumer in world.consumers() {
                let joins = world.schedule.joins(consumer).unwrap();
                let calls = times(&world, consumer);
                assert!(calls.is_sorted() && calls.iter().all(|at| *at >= joins));
                let expected = (end - activity.until(joins).ns()) as f64 * 40.0 / DAY as f64;
                surplus.push(calls.len() as f64 - expected);
            }
            near(&format!("{process:?}, {joined:?}"), moments(&surplus)[0], 0.0, 1e-6);
        }
    }
}

/// A plan that changes, and a past that reaches further back, shift nobody's calls; nor does a shape draw others.
#[test]
fn nothing_but_the_arrivals_themselves_changes_them() {
    for process in PROCESSES {
        let cohort = cohort(20, patterned(9.0, process, Some(office())), "America/New_York");
        let even = world(begun(days(40), cohort.clone()));
        let plan = Plan {
            usage_period: Some(Period::Month),
            allowance: requests(3),
            limits: vec![crate::model::Limit::Concurrency(1)],
            ..Plan::new("other")
        };
        let other = world(begun_on(days(40), plan, cohort.clone()));
        let mut flat = cohort.clone();
        flat.arrivals = patterned(9.0, process, None);
        let flat = world(begun(days(60), flat));
        let activity = Activity::of(&even.scenario, &cohort, Time::START + days(60)).unwrap();
        for consumer in even.consumers() {
            let calls = times(&even, consumer);
            assert_eq!(calls, times(&other, consumer));
            let (near, far) = (past(&even, consumer, days(9)), past(&other, consumer, days(33)));
            assert!(far.ends_with(&near) && far.len() > near.len());
            let moved = times(&flat, consumer).into_iter().map(|at| activity.instant(at));
            assert!(moved.zip(&calls).all(|(moved, at)| moved == *at) && !calls.is_empty());
        }
    }
}

// === At the pace of a load ===

/// A load whose billing clock is not written out plays the scenario's own calls, closer together.
#[test]
fn a_load_compresses_the_week_with_the_calls() {
    for process in PROCESSES {
        let scenario =
            Arc::new(begun(days(40), cohort(20, patterned(9.0, process, Some(office())), "America/New_York")));
        let rate_per_s = 20.0 * 9.0 / 86_400.0 * 3_600.0;
        let live =
            Live { rate_per_s, duration: secs(40 * 24), clock: None, connections: 1, in_flight: 1, ..Live::default() };
        let load = World::scaled(Arc::clone(&scenario), &live).unwrap();
        let whole = World::whole(scenario).unwrap();
        let multiples = (0..HOURS).map(|hour| office().multiple(hour)).filter(|multiple| *multiple > 0.0);
        let quietest = multiples.fold(1.0, f64::min);
        for consumer in whole.consumers() {
            let (whole, load) = (times(&whole, consumer), times(&load, consumer));
            assert!(whole.len().abs_diff(load.len()) <= 1, "{process:?}");
            for (number, (whole, load)) in (2..).zip(whole.iter().zip(&load)) {
                // A nanosecond of the load is 3.6 µs of the scenario; gaps are rounded to it, one by one, and in the
                // quietest hours they are longer than on average.
                let apart = (whole.ns() - load.ns() * 3_600).abs() as f64;
                assert!(apart <= f64::from(number) * 3_600.0 / quietest, "{process:?}: {whole:?} {load:?}");
            }
        }
    }
}

/// A load with a clock of its own plays the hours of that clock, at the rate that it asks for.
#[test]
fn a_load_with_a_clock_follows_the_hours_of_that_clock() {
    for process in PROCESSES {
        let scenario = begun(days(40), cohort(50, patterned(9.0, process, Some(only(9))), "America/New_York"));
        let clock = Some(Clock::new(Span::from_ns(DAY), secs(1)));
        let live =
            Live { rate_per_s: 500.0, duration: secs(28), clock, connections: 1, in_flight: 1, ..Live::default() };
        let world = World::scaled(Arc::new(scenario), &live).unwrap();
        let zone = TimeZone::get("America/New_York").unwrap();
        let mut counts = Vec::new();
        for consumer in world.consumers() {
            let calls = times(&world, consumer);
            let billing = |at: &Time| world.schedule.pace().clock.at(*at).billing;
            assert!(calls.iter().all(|at| hour_of_week(billing(at), &zone) % 24 == 9), "{process:?}");
            counts.push(calls.len() as f64);
        }
        near(&format!("{process:?}"), moments(&counts)[0], 500.0 * 28.0 / 50.0, 1e-6);
    }
}

/// Usage before the start counts for the allowance by the same draws, and the whole plays to its end.
#[test]
fn patterns_are_played_to_the_end() {
    for process in PROCESSES {
        let plan = Plan { usage_period: Some(Period::Month), allowance: requests(200), ..Plan::new("monthly") };
        let cohort = cohort(50, patterned(9.0, process, Some(office())), "Australia/Lord_Howe");
        let world = world(begun_on(days(40), plan, cohort));
        let offered: usize = world.consumers().map(|consumer| world.calls(consumer).count()).sum();
        let outcome = super::play_all(&world);
        let decided: u64 = outcome.cohorts.iter().map(CohortOutcome::offered).sum();
        assert_eq!(decided, offered as u64);
        assert_eq!(after(days(40)).billing, world.end().billing);
    }
}
