//! Thresholds: `metric{label=value, …}.statistic op value`. What no run could ever tell is an error here; what this version
//! does not tell yet is said to be unsupported.

use farebox_engine::model::{
    Became, ByWebhook, Collected, Comparison, Demanded, Line, Measure, Number, Selector, Statistic, Threshold as Model,
    Wrongly,
};
use farebox_engine::money::Currency;

use super::cause;
use super::diagnostic::{enumerate, quote};
use super::suggest::did_you_mean;
use super::unit::{Bounds, Complaint, Least, Unit};
use super::value::Value;

/// A threshold, and what of it depends on the rest of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    /// What is judged; `None` where this version cannot.
    pub(super) model: Option<Model>,
    /// Why this version cannot judge it.
    pub(super) unsupported: Option<Complaint>,
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
enum Dimension {
    Count,
    Share,
    Time,
    Money,
    /// True or false: nothing to compare with.
    Fact,
}

struct Metric {
    name: &'static str,
    statistics: &'static [Known],
    labels: &'static [&'static str],
}

/// A statistic: its name, its unit, and what is measured; `None` where this version cannot.
type Known = (&'static str, Dimension, Option<Measure>);

const LABELS: &[&str] = &["cohort", "plan", "route", "status", "cause", "kind", "outcome", "upstream"];
const WHO: &[&str] = &["cohort", "plan"];
/// Nothing that was refused wrongly came to an upstream, and what was let through wrongly was answered like everything else.
const REFUSED: &[&str] = &["cohort", "plan", "route", "status", "cause", "kind"];
const LET_THROUGH: &[&str] = &["cohort", "plan", "route", "cause", "kind"];

const CALLS: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::Calls(Number::Count))),
    ("rate", Dimension::Share, Some(Measure::Calls(Number::Rate))),
];
const REQUESTS: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::Attempts(Number::Count))),
    ("rate", Dimension::Share, Some(Measure::Attempts(Number::Rate))),
];
const REFUSALS: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::Refusals(Number::Count))),
    ("rate", Dimension::Share, Some(Measure::Refusals(Number::Rate))),
];
const FAILURES: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::Failures(Number::Count))),
    ("rate", Dimension::Share, Some(Measure::Failures(Number::Rate))),
];
const FALSE_REFUSALS: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::FalseRefusals(Wrongly::Count))),
    ("rate", Dimension::Share, Some(Measure::FalseRefusals(Wrongly::Rate))),
    ("value", Dimension::Money, Some(Measure::FalseRefusals(Wrongly::Value))),
];
const LEAKS: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::Leaks(Wrongly::Count))),
    ("rate", Dimension::Share, Some(Measure::Leaks(Wrongly::Rate))),
    ("value", Dimension::Money, Some(Measure::Leaks(Wrongly::Value))),
];
const LATENCY: &[Known] = &[
    ("mean", Dimension::Time, Some(Measure::Latency(Statistic::Mean))),
    ("p50", Dimension::Time, Some(Measure::Latency(Statistic::Quantile(500)))),
    ("p90", Dimension::Time, Some(Measure::Latency(Statistic::Quantile(900)))),
    ("p95", Dimension::Time, Some(Measure::Latency(Statistic::Quantile(950)))),
    ("p99", Dimension::Time, Some(Measure::Latency(Statistic::Quantile(990)))),
    ("p999", Dimension::Time, Some(Measure::Latency(Statistic::Quantile(999)))),
    ("max", Dimension::Time, Some(Measure::Latency(Statistic::Max))),
];
const FIRST_TOKEN: &[Known] = &[
    ("mean", Dimension::Time, Some(Measure::FirstToken(Statistic::Mean))),
    ("p50", Dimension::Time, Some(Measure::FirstToken(Statistic::Quantile(500)))),
    ("p90", Dimension::Time, Some(Measure::FirstToken(Statistic::Quantile(900)))),
    ("p95", Dimension::Time, Some(Measure::FirstToken(Statistic::Quantile(950)))),
    ("p99", Dimension::Time, Some(Measure::FirstToken(Statistic::Quantile(990)))),
    ("p999", Dimension::Time, Some(Measure::FirstToken(Statistic::Quantile(999)))),
    ("max", Dimension::Time, Some(Measure::FirstToken(Statistic::Max))),
];
const DUNNING: &[Known] = &[
    ("attempts", Dimension::Count, Some(Measure::Dunning(Collected::Attempts))),
    ("declined", Dimension::Count, Some(Measure::Dunning(Collected::Declined))),
    ("recovered", Dimension::Share, Some(Measure::Dunning(Collected::Recovered))),
    ("exhausted", Dimension::Count, Some(Measure::Dunning(Collected::Exhausted))),
    ("churned", Dimension::Count, Some(Measure::Dunning(Collected::Churned))),
    ("blocked", Dimension::Count, Some(Measure::Dunning(Collected::Blocked))),
    ("days_blocked", Dimension::Count, Some(Measure::Dunning(Collected::DaysBlocked))),
];
const TIME_TO_RECOVERY: &[Known] = &[
    ("mean", Dimension::Time, Some(Measure::TimeToRecovery(Statistic::Mean))),
    ("p50", Dimension::Time, Some(Measure::TimeToRecovery(Statistic::Quantile(500)))),
    ("p90", Dimension::Time, Some(Measure::TimeToRecovery(Statistic::Quantile(900)))),
    ("p95", Dimension::Time, Some(Measure::TimeToRecovery(Statistic::Quantile(950)))),
    ("p99", Dimension::Time, Some(Measure::TimeToRecovery(Statistic::Quantile(990)))),
];
const FIRST_SUCCESS: &[Known] = &[
    ("p50", Dimension::Time, Some(Measure::FirstSuccess(Statistic::Quantile(500)))),
    ("p90", Dimension::Time, Some(Measure::FirstSuccess(Statistic::Quantile(900)))),
    ("p95", Dimension::Time, Some(Measure::FirstSuccess(Statistic::Quantile(950)))),
    ("p99", Dimension::Time, Some(Measure::FirstSuccess(Statistic::Quantile(990)))),
    ("never", Dimension::Count, Some(Measure::NotBack)),
];
const WEBHOOKS: &[Known] = &[
    ("deliveries", Dimension::Count, Some(Measure::Webhooks(ByWebhook::Deliveries))),
    ("duplicates", Dimension::Count, Some(Measure::Webhooks(ByWebhook::Duplicates))),
    ("reconciled", Dimension::Count, Some(Measure::Webhooks(ByWebhook::Reconciled))),
    ("unheard", Dimension::Count, Some(Measure::Webhooks(ByWebhook::Unheard))),
    ("wrongly_blocked", Dimension::Time, Some(Measure::Webhooks(ByWebhook::WronglyBlocked))),
    ("wrongly_served", Dimension::Time, Some(Measure::Webhooks(ByWebhook::WronglyServed))),
];
const TIME_TO_HEAR: &[Known] = &[
    ("mean", Dimension::Time, Some(Measure::TimeToHear(Statistic::Mean))),
    ("p50", Dimension::Time, Some(Measure::TimeToHear(Statistic::Quantile(500)))),
    ("p90", Dimension::Time, Some(Measure::TimeToHear(Statistic::Quantile(900)))),
    ("p95", Dimension::Time, Some(Measure::TimeToHear(Statistic::Quantile(950)))),
    ("p99", Dimension::Time, Some(Measure::TimeToHear(Statistic::Quantile(990)))),
];
const REFUSED_DEMAND: &[Known] = &[
    ("value", Dimension::Money, Some(Measure::RefusedDemand(Demanded::Value))),
    ("unpriced", Dimension::Count, Some(Measure::RefusedDemand(Demanded::Unpriced))),
];
const CHURN: &[Known] = &[
    ("count", Dimension::Count, Some(Measure::Churn(Number::Count))),
    ("rate", Dimension::Share, Some(Measure::Churn(Number::Rate))),
];

const fn revenue(name: &'static str) -> Known {
    (name, Dimension::Money, Some(Measure::Revenue(name)))
}

/// Every figure of a money report; a test holds them equal to the engine's.
const REVENUE: &[Known] = &[
    revenue("invoiced"),
    revenue("collected"),
    revenue("earned"),
    revenue("margin"),
    revenue("mrr"),
    revenue("outstanding"),
    revenue("written_off"),
    revenue("kept"),
    revenue("captured"),
    revenue("applied"),
    revenue("voided"),
    revenue("returned"),
    revenue("earned_fees"),
    revenue("earned_usage"),
    revenue("earned_credit"),
    revenue("breakage"),
    revenue("accrued"),
    revenue("processor_fees"),
    revenue("upstream_cost"),
    revenue("leaked"),
];

/// All that is measured.
const METRICS: &[Metric] = &[
    Metric { name: "calls", statistics: CALLS, labels: LABELS },
    // Each attempt at a call is one request.
    Metric { name: "requests", statistics: REQUESTS, labels: LABELS },
    Metric { name: "refusals", statistics: REFUSALS, labels: LABELS },
    Metric { name: "failures", statistics: FAILURES, labels: LABELS },
    Metric { name: "false_refusals", statistics: FALSE_REFUSALS, labels: REFUSED },
    Metric { name: "leaks", statistics: LEAKS, labels: LET_THROUGH },
    Metric { name: "latency", statistics: LATENCY, labels: LABELS },
    Metric { name: "first_token", statistics: FIRST_TOKEN, labels: WHO },
    Metric { name: "revenue", statistics: REVENUE, labels: WHO },
    Metric { name: "refused_demand", statistics: REFUSED_DEMAND, labels: WHO },
    Metric { name: "dunning", statistics: DUNNING, labels: WHO },
    Metric { name: "time_to_recovery", statistics: TIME_TO_RECOVERY, labels: WHO },
    Metric { name: "first_success", statistics: FIRST_SUCCESS, labels: WHO },
    Metric { name: "webhooks", statistics: WEBHOOKS, labels: WHO },
    Metric { name: "time_to_hear", statistics: TIME_TO_HEAR, labels: WHO },
    Metric { name: "churn", statistics: CHURN, labels: WHO },
    Metric { name: "ledger", statistics: &[("balanced", Dimension::Fact, Some(Measure::Balanced))], labels: &[] },
];

/// Two characters before one, so that `<=` is not read as `<`.
const OPERATORS: &[Comparison] = &[
    Comparison::AtMost,
    Comparison::AtLeast,
    Comparison::Equal,
    Comparison::Other,
    Comparison::Below,
    Comparison::Above,
];

/// Reads a threshold; amounts must be in `currency`.
pub(super) fn parse(text: &str, currency: Option<Currency>) -> Result<Threshold, Complaint> {
    let (name, rest) = word(text);
    let metric = METRICS.iter().find(|metric| metric.name == name);
    let metric = metric.ok_or_else(|| {
        unknown(format!("unknown metric {}", quote(name)), name, METRICS.iter().map(|metric| metric.name))
            .about(text, name)
    })?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(text, metric, inside)?,
        None => (Labels::default(), rest),
    };
    let statistics = || metric.statistics.iter().map(|(name, ..)| *name);
    let Some(rest) = rest.strip_prefix('.') else {
        let message = format!("{} does not say what of {} is meant", quote(text), quote(name));
        let example = format!("{}.{}", name, metric.statistics[0].0);
        return Err(Complaint::new(message, format!("write one of {}, such as `{example}`", enumerate(statistics()))));
    };
    let (statistic, rest) = word(rest);
    let found = metric.statistics.iter().find(|(known, ..)| *known == statistic);
    let (_, dimension, measure) = *found.ok_or_else(|| {
        unknown(format!("{} has no statistic {}", quote(name), quote(statistic)), statistic, statistics())
            .about(text, statistic)
    })?;
    if rest.starts_with('{') {
        let message = format!("the labels in {} stand behind the statistic", quote(text));
        return Err(Complaint::new(
            message,
            format!("write them before the dot, such as `{name}{{plan=pro}}.{statistic}`"),
        ));
    }
    let (comparison, line) = compare(text, dimension, rest.trim(), currency)?;
    contradiction(name, &labels.selector, &labels.names)?;
    let unsupported = measure.and_then(|measure| untold(measure, &labels.selector));
    let Labels { names, selector } = labels;
    let text_of = || text.to_owned();
    let model = measure.map(|measure| Model { text: text_of(), measure, selector, comparison, line });
    Ok(Threshold { model: model.filter(|_| unsupported.is_none()), unsupported, names, length: text.len() })
}

/// What can never be: a refusal that was served, a cause of another kind, a refusal that came to an upstream.
fn contradiction(metric: &str, selector: &Selector, names: &[Named]) -> Result<(), Complaint> {
    if let (Some(cause), Some(kind)) = (selector.cause, selector.kind)
        && cause::kind_of(cause) != kind
    {
        let own = cause::kind_of(cause);
        let message = format!("{} is never of the kind `{kind}`: it is of `{own}`", quote(cause));
        return Err(Complaint::new(message, format!("leave `kind` out, or write `kind={own}`")));
    }
    if let (Some(cause), Some(status)) = (selector.cause, selector.status)
        && !cause::may_have(cause, status)
    {
        let message = format!("{} is never answered with {status}", quote(cause));
        return Err(Complaint::new(message, "leave `status` out, or `cause`"));
    }
    if let Some(outcome) = selector.outcome {
        contradicted(metric, outcome, selector)?;
    }
    let is_refused = metric == "refusals" || selector.outcome == Some(Became::Refused);
    if is_refused && names.iter().any(|named| named.label == "upstream") {
        let message = "what the gateway refuses comes to no upstream";
        return Err(Complaint::new(message, "write `route=` in place of `upstream=`, or `failures`"));
    }
    let known = [("refusals", Became::Refused), ("failures", Became::Failed)];
    // What was answered wrongly has the causes of refusals too.
    let judged = [("false_refusals", Became::Refused), ("leaks", Became::Refused)];
    let Some(own) = known.into_iter().chain(judged).find(|it| it.0 == metric) else {
        return Ok(());
    };
    if let Some(outcome) = selector.outcome.filter(|outcome| *outcome != own.1) {
        let message = format!("{} are never `{}`", quote(metric), outcome.name());
        return Err(Complaint::new(message, "leave `outcome` out, or write `calls`"));
    }
    if selector.status.is_some_and(|status| status < 400) {
        let message = format!("{} never have that status", quote(metric));
        return Err(Complaint::new(message, "leave `status` out, or write one from 400 to 599"));
    }
    let of_failures = selector.kind == Some("upstream") || selector.cause.is_some_and(is_failure);
    let of_refusals =
        selector.kind.is_some_and(|kind| kind != "upstream") || selector.cause.is_some_and(|it| !is_failure(it));
    if (own.1 == Became::Refused && of_failures) || (metric == "failures" && of_refusals) {
        let other = if metric == "failures" { "refusals" } else { "failures" };
        let message = format!("{} never have that cause", quote(metric));
        return Err(Complaint::new(message, format!("write `{other}`")));
    }
    if metric == "leaks"
        && let Some(cause) = selector.cause.filter(|cause| cause::FAULTS_OF_THE_GATEWAY.contains(cause))
    {
        let message = format!("nothing leaks that {} should have stopped: nobody deserves it", quote(cause));
        return Err(Complaint::new(message, "write `false_refusals`, or leave `cause` out"));
    }
    Ok(())
}

/// What nothing can be that has become so.
fn contradicted(metric: &str, outcome: Became, selector: &Selector) -> Result<(), Complaint> {
    let name = outcome.name();
    if metric != "calls" && !Became::OF_ATTEMPTS.contains(&outcome) {
        let message = format!("only a call is `{name}`, and {} is about attempts", quote(metric));
        return Err(Complaint::new(message, "write `calls`, which counts each call by its last attempt"));
    }
    let Selector { status, cause, kind, .. } = *selector;
    let of_failures = kind == Some("upstream") || cause.is_some_and(is_failure);
    let of_refusals = kind.is_some_and(|kind| kind != "upstream") || cause.is_some_and(|it| !is_failure(it));
    let never = match outcome {
        Became::Served | Became::Recovered if of_failures || of_refusals => "that cause",
        Became::Served | Became::Recovered if status.is_some_and(|status| !(200..300).contains(&status)) => {
            "that status"
        }
        Became::Refused if of_failures => "that cause",
        Became::Failed if of_refusals => "that cause",
        Became::Refused | Became::Failed | Became::Abandoned if status.is_some_and(|status| status < 400) => {
            "that status"
        }
        _ => return Ok(()),
    };
    let message = format!("what is `{name}` never has {never}");
    Err(Complaint::new(message, "leave `outcome` out, or the other label"))
}

fn is_failure(cause: &str) -> bool {
    cause::FAILURES.contains(&cause)
}

/// Why this version cannot tell what is asked for.
fn untold(measure: Measure, selector: &Selector) -> Option<Complaint> {
    let of_cause = selector.cause.is_some() || selector.kind.is_some() || selector.status.is_some();
    if matches!(measure, Measure::Latency(_)) && (of_cause || selector.routes.is_some()) {
        let message = "latency is told apart by `outcome`, `cohort` and `plan` only in this version";
        return Some(Complaint::new(message, "leave the other labels out"));
    }
    None
}

#[derive(Default)]
struct Labels {
    names: Vec<Named>,
    selector: Selector,
}

/// The labels up to the closing brace, and what follows it.
fn labels<'a>(text: &'a str, metric: &Metric, inside: &'a str) -> Result<(Labels, &'a str), Complaint> {
    let Some((inside, rest)) = inside.split_once('}') else {
        return Err(Complaint::new(
            format!("the `{{` in {} is not closed", quote(text)),
            "write a `}` behind the labels",
        ));
    };
    let (mut labels, mut seen) = (Labels::default(), Vec::new());
    for part in inside.split(',') {
        let Some((label, value)) = part.split_once('=') else {
            let message = format!("{} in {} is not a label", quote(part.trim()), quote(text));
            return Err(Complaint::new(message, "write `label=value`, such as `kind=billing`"));
        };
        let (label, value) = (label.trim(), value.trim());
        let Some(label) = metric.labels.iter().copied().find(|known| *known == label) else {
            let message = format!("{} has no label {}", quote(metric.name), quote(label));
            return Err(unknown(message, label, metric.labels.iter().copied()).about(text, label));
        };
        if seen.contains(&label) {
            return Err(Complaint::new(
                format!("the label `{label}` is given twice in {}", quote(text)),
                "name it once",
            ));
        }
        seen.push(label);
        labels.take(text, label, value)?;
    }
    Ok((labels, rest))
}

impl Labels {
    /// Takes a label in; those that name something of the scenario are checked once the whole file is known.
    fn take(&mut self, text: &str, label: &'static str, value: &str) -> Result<(), Complaint> {
        let one_of = |known: &[&'static str]| {
            let message = || format!("unknown {label} {}", quote(value));
            let found = known.iter().copied().find(|known| *known == value);
            found.ok_or_else(|| unknown(message(), value, known.iter().copied()).about(text, value))
        };
        let selector = &mut self.selector;
        match label {
            "kind" => selector.kind = Some(one_of(cause::KINDS)?),
            "cause" => selector.cause = Some(one_of(&[cause::REFUSALS, cause::FAILURES].concat())?),
            "outcome" => {
                let name = one_of(cause::OUTCOMES)?;
                selector.outcome = Became::OF_CALLS.into_iter().find(|became| became.name() == name);
            }
            "status" => {
                let parsed = Unit::Quantity(Bounds { least: 100, most: 599 }).parse(value, None);
                if let Value::Quantity(status) = parsed.map_err(|complaint| complaint.about(text, value))? {
                    selector.status = Some(status as u16);
                }
            }
            "cohort" => selector.cohort = Some(value.to_owned()),
            "plan" => selector.plan = Some(value.to_owned()),
            "route" => selector.routes = Some(vec![value.to_owned()]),
            // Which routes an upstream answers is known once the whole file is.
            _ => drop(selector.routes.get_or_insert_default()),
        }
        if ["cohort", "plan", "route", "upstream"].contains(&label) {
            // A part of the text, so the distance of the two is where it begins.
            let at = value.as_ptr() as usize - text.as_ptr() as usize;
            self.names.push(Named { label, value: value.to_owned(), at });
        }
        Ok(())
    }
}

fn compare(
    text: &str,
    dimension: Dimension,
    rest: &str,
    currency: Option<Currency>,
) -> Result<(Comparison, Line), Complaint> {
    let unit = match dimension {
        Dimension::Count => Unit::Quantity(Bounds { least: 0, most: 1_000_000_000_000_000 }),
        Dimension::Share => Unit::Share,
        Dimension::Time => Unit::Duration(Least::Zero),
        Dimension::Money => Unit::Money,
        Dimension::Fact if rest.is_empty() => return Ok((Comparison::Equal, Line { parts: 1, of: 1 })),
        Dimension::Fact => {
            let message = format!("{} in {} is compared with nothing", quote(rest), quote(text));
            return Err(Complaint::new(message, "leave it out: it holds or it does not"));
        }
    };
    let Some((comparison, value)) = OPERATORS.iter().find_map(|op| Some((*op, rest.strip_prefix(op.sign())?))) else {
        let found = if rest.is_empty() { quote(text) } else { format!("{} in {}", quote(rest), quote(text)) };
        let help = format!(
            "write one of {} and a value, such as `< {}`",
            enumerate(OPERATORS.iter().map(|op| op.sign())),
            unit.example()
        );
        return Err(Complaint::new(format!("{found} is no comparison"), help));
    };
    let whole = |parts: u64| Line { parts: parts as i64, of: 1 };
    let value = value.trim();
    let line = match unit.parse(value, currency).map_err(|complaint| complaint.about(text, value))? {
        Value::Quantity(count) => whole(count),
        Value::Duration(span) => whole(span.ns()),
        Value::Money(money) => Line { parts: money.nanos(), of: 1 },
        Value::Share(share) => Line { parts: share.parts as i64, of: share.of },
        _ => unreachable!("a unit's parser makes values of that unit"),
    };
    Ok((comparison, line))
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
            for (statistic, dimension, _) in metric.statistics {
                let value = match dimension {
                    Dimension::Count => "< 5",
                    Dimension::Share => "< 5%",
                    Dimension::Time => "< 5ms",
                    Dimension::Money => "< $5",
                    Dimension::Fact => "",
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
            let complaint = parsed(text).unwrap_err();
            assert_eq!((complaint.message.as_str(), complaint.help.as_str()), (message, help), "{text}");
        }
    }

    /// Two characters are one operator, amounts and shares are exact.
    #[test]
    fn a_threshold_becomes_what_is_judged() {
        let model = |text: &str| parsed(text).unwrap().model.unwrap();
        let of = |text: &str| (model(text).comparison, model(text).line);
        assert_eq!(of("refusals.rate <= 0.5%"), (Comparison::AtMost, Line { parts: 5, of: 1_000 }));
        assert_eq!(of("refusals.count<10k"), (Comparison::Below, Line { parts: 10_000, of: 1 }));
        assert_eq!(of("revenue.earned >= $0.05"), (Comparison::AtLeast, Line { parts: 50_000_000, of: 1 }));
        assert_eq!(of("latency.p999 > 2ms"), (Comparison::Above, Line { parts: 2_000_000, of: 1 }));
        assert_eq!(of("ledger.balanced"), (Comparison::Equal, Line { parts: 1, of: 1 }));
        let model = model("refusals{kind=billing, status=402, cause=past_due, cohort=a, plan=b, route=/x}.count == 0");
        let selector = Selector {
            cohort: Some("a".into()),
            plan: Some("b".into()),
            routes: Some(vec!["/x".into()]),
            upstream: None,
            status: Some(402),
            cause: Some("past_due"),
            kind: Some("billing"),
            outcome: None,
        };
        assert_eq!((model.measure, model.selector), (Measure::Refusals(Number::Count), selector));
    }

    /// No run could tell it: an error. This version cannot: said, and not run.
    #[test]
    fn what_cannot_be_told_says_why() {
        for (text, message) in [
            ("refusals{outcome=served}.rate < 1%", "`refusals` are never `served`"),
            ("refusals{cause=upstream_402}.rate < 1%", "`refusals` never have that cause"),
            (
                "leaks{cause=policy_error}.count < 1",
                "nothing leaks that `policy_error` should have stopped: nobody deserves it",
            ),
            ("failures{kind=billing}.rate < 1%", "`failures` never have that cause"),
            ("failures{status=200}.count < 1", "`failures` never have that status"),
            ("failures{cause=upstream_402, status=500}.count < 1", "`upstream_402` is never answered with 500"),
            (
                "refusals{cause=past_due, kind=limit}.rate < 1%",
                "`past_due` is never of the kind `limit`: it is of `billing`",
            ),
            ("calls{outcome=served, kind=billing}.rate < 1%", "what is `served` never has that cause"),
            ("calls{outcome=recovered, status=429}.rate < 1%", "what is `recovered` never has that status"),
            ("calls{outcome=refused, cause=upstream_402}.rate < 1%", "what is `refused` never has that cause"),
            ("calls{outcome=failed, cause=past_due}.rate < 1%", "what is `failed` never has that cause"),
            ("calls{outcome=abandoned, status=200}.rate < 1%", "what is `abandoned` never has that status"),
            ("requests{outcome=recovered}.rate < 1%", "only a call is `recovered`, and `requests` is about attempts"),
            ("latency{outcome=abandoned}.p50 < 1s", "only a call is `abandoned`, and `latency` is about attempts"),
            ("refusals{outcome=recovered}.rate < 1%", "only a call is `recovered`, and `refusals` is about attempts"),
            ("refusals{upstream=llm}.rate < 1%", "what the gateway refuses comes to no upstream"),
            ("false_refusals{cause=upstream_402}.count == 0", "`false_refusals` never have that cause"),
            ("leaks{kind=upstream}.count == 0", "`leaks` never have that cause"),
            ("false_refusals{upstream=llm}.count == 0", "`false_refusals` has no label `upstream`"),
            ("leaks{status=200}.count == 0", "`leaks` has no label `status`"),
            ("calls{upstream=llm, outcome=refused}.rate < 1%", "what the gateway refuses comes to no upstream"),
        ] {
            assert_eq!(parsed(text).unwrap_err().message, message, "{text}");
        }
        let threshold = parsed("latency{route=/x}.p99 < 1s").unwrap();
        let message = "latency is told apart by `outcome`, `cohort` and `plan` only in this version";
        assert_eq!((threshold.model, threshold.unsupported.unwrap().message.as_str()), (None, message));
    }

    /// A call by its last attempt, an attempt by itself; each as its metric has it.
    #[test]
    fn calls_are_told_from_the_requests_that_they_are_made_of() {
        for (text, measure, outcome) in [
            ("calls{outcome=recovered}.rate > 1%", Measure::Calls(Number::Rate), Some(Became::Recovered)),
            ("calls{outcome=abandoned, kind=limit}.count < 5", Measure::Calls(Number::Count), Some(Became::Abandoned)),
            ("requests{outcome=refused}.rate < 1%", Measure::Attempts(Number::Rate), Some(Became::Refused)),
            ("requests.count < 10k", Measure::Attempts(Number::Count), None),
        ] {
            let model = parsed(text).unwrap().model.unwrap();
            assert_eq!((model.measure, model.selector.outcome), (measure, outcome), "{text}");
        }
    }

    /// What is wrong is pointed at, not all that stands around it.
    #[test]
    fn a_complaint_is_about_the_word_that_is_wrong() {
        for (text, part) in [
            ("refusal.rate < 1%", "refusal"),
            ("latency.p98 < 1s", "p98"),
            ("refusals{cause=past_du}.rate < 1%", "past_du"),
            ("refusals{cohrt=a}.rate < 1%", "cohrt"),
            ("refusals{status=600}.rate < 1%", "600"),
            ("revenue.earned >= 35k", "35k"),
        ] {
            assert_eq!(&text[parsed(text).unwrap_err().at.unwrap()], part, "{text}");
        }
        assert_eq!(parsed("refusals.rate").unwrap_err().at, None);
    }

    #[test]
    fn revenue_has_every_figure() {
        let mut own: Vec<_> = REVENUE.iter().map(|(name, ..)| *name).collect();
        let mut figures = farebox_engine::figures::Figures::of(|_| 0).named().map(|(name, _)| name).to_vec();
        own.sort_unstable();
        figures.sort_unstable();
        assert_eq!(own, figures);
    }
}
