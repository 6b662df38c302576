//! Thresholds: `metric{label=value, …}.statistic op value`, checked in full, though nothing judges a run by them yet.

use farebox_engine::money::Currency;

use super::cause;
use super::diagnostic::{enumerate, quote};
use super::suggest::did_you_mean;
use super::unit::{Bounds, Complaint, Least, Unit};

/// What of a threshold depends on the rest of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    /// Its labels that name something of the scenario.
    pub(super) names: Vec<Named>,
    /// Bytes of its text.
    pub(super) length: usize,
}

/// A label that names something of the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// `cohort`, `plan`, `route` or `upstream`.
    pub(super) label: &'static str,
    /// The name.
    pub(super) value: String,
    /// The byte of the text at which the name begins.
    pub(super) at: usize,
}

/// What a statistic is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Count,
    Share,
    Time,
    Money,
    /// True or false: nothing to compare with.
    Fact,
}

struct Metric {
    name: &'static str,
    statistics: &'static [(&'static str, Measure)],
    labels: &'static [&'static str],
}

const LABELS: &[&str] = &["cohort", "plan", "route", "status", "cause", "kind", "outcome", "upstream"];
const WHO: &[&str] = &["cohort", "plan"];
const NUMBERS: &[(&str, Measure)] = &[("count", Measure::Count), ("rate", Measure::Share)];
const VALUED: &[(&str, Measure)] = &[("count", Measure::Count), ("rate", Measure::Share), ("value", Measure::Money)];

/// All that is measured.
const METRICS: &[Metric] = &[
    Metric { name: "calls", statistics: NUMBERS, labels: LABELS },
    Metric { name: "requests", statistics: NUMBERS, labels: LABELS },
    Metric { name: "refusals", statistics: NUMBERS, labels: LABELS },
    Metric { name: "failures", statistics: NUMBERS, labels: LABELS },
    Metric { name: "false_refusals", statistics: VALUED, labels: LABELS },
    Metric { name: "leaks", statistics: VALUED, labels: LABELS },
    Metric {
        name: "latency",
        statistics: &[
            ("mean", Measure::Time),
            ("p50", Measure::Time),
            ("p90", Measure::Time),
            ("p95", Measure::Time),
            ("p99", Measure::Time),
            ("p999", Measure::Time),
            ("max", Measure::Time),
        ],
        labels: LABELS,
    },
    Metric {
        name: "revenue",
        statistics: &[
            ("invoiced", Measure::Money),
            ("collected", Measure::Money),
            ("earned", Measure::Money),
            ("margin", Measure::Money),
            ("mrr", Measure::Money),
            ("outstanding", Measure::Money),
            ("written_off", Measure::Money),
        ],
        labels: WHO,
    },
    Metric {
        name: "dunning",
        statistics: &[("attempts", Measure::Count), ("recovered", Measure::Share), ("churned", Measure::Count)],
        labels: WHO,
    },
    Metric { name: "churn", statistics: NUMBERS, labels: WHO },
    Metric { name: "ledger", statistics: &[("balanced", Measure::Fact)], labels: &[] },
];

/// Two characters before one, so that `<=` is not read as `<`.
const OPERATORS: &[&str] = &["<=", ">=", "==", "!=", "<", ">"];

/// Reads a threshold; amounts must be in `currency`.
pub(super) fn parse(text: &str, currency: Option<Currency>) -> Result<Threshold, Complaint> {
    let (name, rest) = word(text);
    let metric = METRICS.iter().find(|metric| metric.name == name);
    let metric = metric.ok_or_else(|| {
        unknown(format!("unknown metric {}", quote(name)), name, METRICS.iter().map(|metric| metric.name))
    })?;
    let (names, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(text, metric, inside)?,
        None => (Vec::new(), rest),
    };
    let statistics = || metric.statistics.iter().map(|(name, _)| *name);
    let Some(rest) = rest.strip_prefix('.') else {
        let message = format!("{} does not say what of {} is meant", quote(text), quote(name));
        let example = format!("{}.{}", name, metric.statistics[0].0);
        return Err(Complaint::new(message, format!("write one of {}, such as `{example}`", enumerate(statistics()))));
    };
    let (statistic, rest) = word(rest);
    let measure = metric.statistics.iter().find(|(known, _)| *known == statistic).map(|(_, measure)| *measure);
    let measure = measure.ok_or_else(|| {
        unknown(format!("{} has no statistic {}", quote(name), quote(statistic)), statistic, statistics())
    })?;
    if rest.starts_with('{') {
        let message = format!("the labels in {} stand behind the statistic", quote(text));
        return Err(Complaint::new(
            message,
            format!("write them before the dot, such as `{name}{{plan=pro}}.{statistic}`"),
        ));
    }
    compare(text, measure, rest.trim(), currency)?;
    Ok(Threshold { names, length: text.len() })
}

/// The labels up to the closing brace, and what follows it.
fn labels<'a>(text: &'a str, metric: &Metric, inside: &'a str) -> Result<(Vec<Named>, &'a str), Complaint> {
    let Some((inside, rest)) = inside.split_once('}') else {
        return Err(Complaint::new(
            format!("the `{{` in {} is not closed", quote(text)),
            "write a `}` behind the labels",
        ));
    };
    let (mut names, mut seen) = (Vec::new(), Vec::new());
    for part in inside.split(',') {
        let Some((label, value)) = part.split_once('=') else {
            let message = format!("{} in {} is not a label", quote(part.trim()), quote(text));
            return Err(Complaint::new(message, "write `label=value`, such as `kind=billing`"));
        };
        let (label, value) = (label.trim(), value.trim());
        let Some(label) = metric.labels.iter().copied().find(|known| *known == label) else {
            let message = format!("{} has no label {}", quote(metric.name), quote(label));
            return Err(unknown(message, label, metric.labels.iter().copied()));
        };
        if seen.contains(&label) {
            return Err(Complaint::new(
                format!("the label `{label}` is given twice in {}", quote(text)),
                "name it once",
            ));
        }
        seen.push(label);
        if let Some(named) = check_label(text, label, value)? {
            names.push(named);
        }
    }
    Ok((names, rest))
}

/// The label, when it names something of the scenario; else its value is checked here.
fn check_label(text: &str, label: &'static str, value: &str) -> Result<Option<Named>, Complaint> {
    let one_of = |known: &[&'static str]| {
        let message = || format!("unknown {label} {}", quote(value));
        if known.contains(&value) { Ok(None) } else { Err(unknown(message(), value, known.iter().copied())) }
    };
    match label {
        "kind" => one_of(cause::KINDS),
        "cause" => one_of(&[cause::REFUSALS, cause::FAILURES].concat()),
        "outcome" => one_of(cause::OUTCOMES),
        "status" => Unit::Quantity(Bounds { least: 100, most: 599 }).parse(value, None).map(|_| None),
        _ => {
            // A part of the text, so the distance of the two is where it begins.
            let at = value.as_ptr() as usize - text.as_ptr() as usize;
            Ok(Some(Named { label, value: value.to_owned(), at }))
        }
    }
}

fn compare(text: &str, measure: Measure, rest: &str, currency: Option<Currency>) -> Result<(), Complaint> {
    let unit = match measure {
        Measure::Count => Unit::Quantity(Bounds { least: 0, most: 1_000_000_000_000_000 }),
        Measure::Share => Unit::Share,
        Measure::Time => Unit::Duration(Least::Zero),
        Measure::Money => Unit::Money,
        Measure::Fact if rest.is_empty() => return Ok(()),
        Measure::Fact => {
            let message = format!("{} in {} is compared with nothing", quote(rest), quote(text));
            return Err(Complaint::new(message, "leave it out: it holds or it does not"));
        }
    };
    let Some((_, value)) = OPERATORS.iter().find_map(|op| Some((op, rest.strip_prefix(op)?))) else {
        let found = if rest.is_empty() { quote(text) } else { format!("{} in {}", quote(rest), quote(text)) };
        let help = format!(
            "write one of {} and a value, such as `< {}`",
            enumerate(OPERATORS.iter().copied()),
            unit.example()
        );
        return Err(Complaint::new(format!("{found} is no comparison"), help));
    };
    unit.parse(value.trim(), currency).map(|_| ())
}

/// The word that a text begins with, and the rest.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()))
}

fn unknown(message: String, found: &str, known: impl IntoIterator<Item = &'static str>) -> Complaint {
    let known: Vec<&str> = known.into_iter().collect();
    let list = || match enumerate(known.iter().copied()) {
        names if names.is_empty() => "leave it out".to_owned(),
        names => format!("write one of {names}"),
    };
    Complaint::new(message, did_you_mean(found, known.iter().copied()).unwrap_or_else(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Threshold, Complaint> {
        parse(text, Currency::from_code("USD"))
    }

    #[test]
    fn thresholds_name_a_metric_its_labels_and_what_must_hold() {
        for text in [
            "refusals{kind=billing, cohort=startups}.rate < 0.5%",
            "false_refusals.count == 0",
            "latency{outcome=served}.p99<400ms",
            "revenue.collected >= $35k",
            "ledger.balanced",
            "requests{status=402,cause=upstream_402,route=/v1/x,upstream=llm}.count != 10k",
        ] {
            let threshold = parsed(text).unwrap_or_else(|complaint| panic!("{text}: {complaint:?}"));
            for named in threshold.names {
                assert_eq!(&text[named.at..named.at + named.value.len()], named.value);
            }
        }
        // A metric whose statistics have no value of their unit could never hold.
        for metric in METRICS {
            for (statistic, measure) in metric.statistics {
                let value = match measure {
                    Measure::Count => "< 5",
                    Measure::Share => "< 5%",
                    Measure::Time => "< 5ms",
                    Measure::Money => "< $5",
                    Measure::Fact => "",
                };
                parsed(&format!("{}.{statistic} {value}", metric.name)).unwrap();
            }
        }
    }

    #[test]
    fn what_is_no_threshold_says_why() {
        for (text, message, help) in [
            ("refusal.rate < 1%", "unknown metric `refusal`", "did you mean `refusals`?"),
            (
                "refusals < 1%",
                "`refusals < 1%` does not say what of `refusals` is meant",
                "write one of `count`, `rate`, such as `refusals.count`",
            ),
            ("latency.p98 < 1s", "`latency` has no statistic `p98`", "did you mean `p90`?"),
            ("revenue{route=/x}.earned > $1", "`revenue` has no label `route`", "write one of `cohort`, `plan`"),
            ("refusals{kind=billng}.rate < 1%", "unknown kind `billng`", "did you mean `billing`?"),
            (
                "refusals{kind=billing.rate < 1%",
                "the `{` in `refusals{kind=billing.rate < 1%` is not closed",
                "write a `}` behind the labels",
            ),
            (
                "refusals{kind=billing,kind=limit}.rate < 1%",
                "the label `kind` is given twice in `refusals{kind=billing,kind=limit}.rate < 1%`",
                "name it once",
            ),
            (
                "refusals{billing}.rate < 1%",
                "`billing` in `refusals{billing}.rate < 1%` is not a label",
                "write `label=value`, such as `kind=billing`",
            ),
            ("refusals{status=600}.rate < 1%", "`600` is more than 599", "write 100 to 599"),
            ("refusals.rate < 1", "`1` is not a percentage", "write 0 to 100 and a percent sign, such as `8%`"),
            (
                "refusals.rate",
                "`refusals.rate` is no comparison",
                "write one of `<=`, `>=`, `==`, `!=`, `<`, `>` and a value, such as `< 8.25%`",
            ),
            (
                "revenue.earned{plan=pro} > $1",
                "the labels in `revenue.earned{plan=pro} > $1` stand behind the statistic",
                "write them before the dot, such as `revenue{plan=pro}.earned`",
            ),
            (
                "ledger.balanced == true",
                "`== true` in `ledger.balanced == true` is compared with nothing",
                "leave it out: it holds or it does not",
            ),
        ] {
            assert_eq!(parsed(text).unwrap_err(), Complaint::new(message, help), "{text}");
        }
    }
}
