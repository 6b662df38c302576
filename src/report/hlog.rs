//! Latencies as an `HdrHistogram` interval log (format 1.3), which other tools of that family merge, plot and read
//! percentiles from. Values are nanoseconds; each kind of answer is a tag. Times in it count from the start of the run: no
//! result knows the time of day.

use std::time::Duration;

use farebox_engine::outcome::{CohortOutcome, Outcome, pooled};
use farebox_engine::time::{HOUR, SECOND};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::text::duration;
use crate::live::generator::LoadResult;

/// What the readers of this family look for, before the intervals.
const HEAD: &str = "#[Histogram log format version 1.3]
#[StartTime: 0.000 (seconds since the start of the run)]
\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"
";
/// The largest value of an interval is told in milliseconds, for people.
const NS_PER_MS: f64 = 1e6;

/// The log of a load: latency from the intended start by what became of the attempts, until the first token, and the
/// service time, of its measured part.
pub fn of_load(load: &LoadResult, measured_ns: [u64; 2]) -> String {
    let classes = load.latency.iter().map(|(class, times)| (class.name(), &times.histogram));
    let beside = [("first_token", &load.first_token.histogram), ("service_time", &load.service.histogram)];
    let all = classes.chain(beside).filter(|(_, histogram)| !histogram.is_empty());
    render(
        all.map(|(tag, histogram)| (tag, histogram.clone())).collect(),
        measured_ns,
        "latency from the intended start",
    )
}

/// The log of a simulation, all replications together: latency of the upstream, until the first token, until a further
/// attempt served a call, and from paying to the next served call.
pub fn of_simulation(outcome: &Outcome) -> String {
    type Buckets = fn(&CohortOutcome) -> &[[u64; 2]];
    let tags: [(&str, Buckets); 4] = [
        ("upstream", |cohort| &cohort.latency),
        ("first_token", |cohort| &cohort.first_token),
        ("recovery", |cohort| &cohort.recovery),
        ("first_success", |cohort| &cohort.first_success),
    ];
    let of = |(tag, buckets): (&'static str, Buckets)| {
        let pooled = pooled(outcome.replications().flatten().map(buckets));
        (!pooled.is_empty()).then(|| (tag, histogram(&pooled)))
    };
    render(tags.into_iter().filter_map(of).collect(), [0, outcome.horizon_ns], "latency of the upstream")
}

/// The buckets as the histogram that they came from: bounds and digits as those of the engine, so that none is split.
fn histogram(buckets: &[[u64; 2]]) -> Histogram<u64> {
    let most = buckets.last().map_or(0, |[upper, _]| *upper).max(HOUR);
    let mut histogram = Histogram::new_with_bounds(1_000, most, 2).expect("the bounds fit each other");
    for [upper, count] in buckets {
        histogram.saturating_record_n(*upper, *count);
    }
    histogram
}

fn render(tags: Vec<(&str, Histogram<u64>)>, [from, until]: [u64; 2], what: &str) -> String {
    let in_memory = "a log is written to memory";
    let mut intervals = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_max_value_divisor(NS_PER_MS);
    let mut log = builder.begin_log_with(&mut intervals, &mut serializer).expect(in_memory);
    for (tag, histogram) in tags {
        let tag = Tag::new(tag).expect("the tags are words");
        let length = Duration::from_nanos(until - from);
        log.write_histogram(&histogram, Duration::from_nanos(from), length, Some(tag)).expect(in_memory);
    }
    let intervals = String::from_utf8(intervals).expect("a log is text");
    let span = if until >= SECOND { duration(until - from) } else { "less than a second".to_owned() };
    format!("#[{what}, in ns, over {span}]\n{HEAD}{intervals}")
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    /// What is written reads back to the same counts and the same buckets.
    #[test]
    fn buckets_come_back_as_they_were() {
        let mut engine: Histogram<u64> = Histogram::new_with_bounds(1_000, HOUR, 2).unwrap();
        for value in [900, 30_000_000, 30_000_000, 45_678_901, 3_599 * SECOND] {
            engine.saturating_record(value);
        }
        let recorded = engine.iter_recorded();
        let buckets: Vec<_> = recorded.map(|it| [it.value_iterated_to(), it.count_at_value()]).collect();
        let again = histogram(&buckets);
        let recorded = again.iter_recorded();
        assert_eq!(recorded.map(|it| [it.value_iterated_to(), it.count_at_value()]).collect::<Vec<_>>(), buckets);
        let text = render(vec![("served", again)], [2 * SECOND, 12 * SECOND], "x");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("Tag=")).collect();
        assert!(lines[0].starts_with("Tag=served,2.000,10.000,"), "{text}");
        // The crate's own reader knows no legend; other tools are asked in `tests/ci/`.
        let intervals =
            text.lines().filter(|line| !line.starts_with('"')).fold(String::new(), |all, line| all + line + "\n");
        let mut entries = IntervalLogIterator::new(intervals.as_bytes());
        let is_served = |it: &str| it == "served";
        assert!(entries.any(
            |entry| matches!(entry, Ok(LogEntry::Interval(it)) if it.tag().is_some_and(|tag| is_served(tag.as_str())))
        ));
    }
}
