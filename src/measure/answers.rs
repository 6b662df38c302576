//! What the answers of a gateway that is not ours show: it has no books here, so nothing is known of money or consumers.

use std::collections::BTreeMap;

use farebox_engine::model::{Became, Measure, Number, Selector};

use super::interval::Pair;
use super::{Latency, Measured, Unmeasured, first_token_of_a_load, of_a_load};

/// Why there is no interval.
const NO_INTERVAL: &str = "a load has none";

/// What the answers of a gateway were.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    /// Attempts that were sent.
    pub sent: u64,
    /// Attempts that got no answer.
    pub unanswered: u64,
    /// Attempts that were answered, by how.
    pub answered: Vec<(Answered, u64)>,
    /// Latency from the intended start, by what became of the attempts.
    pub latency: &'a BTreeMap<&'static str, Latency>,
}

/// How an attempt was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What that comes to.
    pub became: Became,
    /// The HTTP status.
    pub status: u16,
    /// Of a refusal, the name of its kind.
    pub kind: Option<&'static str>,
}

/// Why a threshold cannot be judged without books; `None` where it can.
pub fn is_unknown(measure: Measure, selector: &Selector) -> Option<&'static str> {
    match measure {
        Measure::Latency(_)
        | Measure::FirstToken(_)
        | Measure::Attempts(_)
        | Measure::Refusals(_)
        | Measure::Failures(_) => {}
        Measure::Calls(_) => return Some("it is not followed what became of each call; write `requests` for attempts"),
        Measure::FalseRefusals(_) | Measure::Leaks(_) => {
            return Some("what should have been answered is not known there");
        }
        Measure::Revenue(_) | Measure::RefusedDemand(_) | Measure::Balanced | Measure::Dunning(_) => {
            return Some("it is about money, and the gateway's books are not known here");
        }
        Measure::Webhooks(_) | Measure::TimeToHear(_) => return Some("it is about webhooks, and none comes here"),
        Measure::TimeToRecovery(_) | Measure::FirstSuccess(_) | Measure::NotBack | Measure::Churn(_) => {
            return Some("it is about what consumers do, and there are no accounts here");
        }
    }
    let Selector { cohort, plan, routes, upstream, cause, .. } = selector;
    let is_narrow = cohort.is_some() || plan.is_some() || routes.is_some() || upstream.is_some() || cause.is_some();
    is_narrow.then_some("answers are told apart by `status`, `kind` and `outcome` alone")
}

impl Answers<'_> {
    /// Measures; an error says why there is nothing to measure.
    pub fn measure(&self, measure: Measure, selector: &Selector) -> Result<Measured, Unmeasured> {
        if let Some(why) = is_unknown(measure, selector) {
            return Err(why.to_owned());
        }
        let (number, became) = match measure {
            Measure::Latency(statistic) => return of_a_load(self.latency, statistic, selector),
            Measure::FirstToken(statistic) => return first_token_of_a_load(self.latency, statistic, selector),
            Measure::Refusals(number) => (number, Some(Became::Refused)),
            Measure::Failures(number) => (number, Some(Became::Failed)),
            Measure::Attempts(number) => (number, None),
            _ => unreachable!("what else there is cannot be known here"),
        };
        self.count(number, became, selector)
    }

    fn count(&self, number: Number, became: Option<Became>, selector: &Selector) -> Result<Measured, Unmeasured> {
        let is_meant = |answered: &Answered| {
            became.is_none_or(|became| answered.became == became)
                && selector.outcome.is_none_or(|outcome| answered.became == outcome)
                && selector.status.is_none_or(|status| answered.status == status)
                && selector.kind.is_none_or(|kind| answered.kind == Some(kind))
        };
        let answered: u64 = self.answered.iter().filter(|(it, _)| is_meant(it)).map(|(_, calls)| calls).sum();
        // An attempt without an answer has failed, with no status and for a reason that is not the gateway's.
        let is_failure = [became, selector.outcome].into_iter().flatten().all(|became| became == Became::Failed);
        let unanswered =
            if is_failure && selector.status.is_none() && selector.kind.is_none() { self.unanswered } else { 0 };
        if self.sent == 0 {
            return Err("no attempt was sent".to_owned());
        }
        let parts = i128::from(answered + unanswered);
        let value = match number {
            Number::Count => Pair::whole(parts),
            Number::Rate => Pair { parts, of: i128::from(self.sent) },
        };
        Ok(Measured { value, interval: Err(NO_INTERVAL) })
    }
}

#[cfg(test)]
mod tests {
    use farebox_engine::model::Statistic;

    use super::*;

    /// Of 100 attempts 80 were served, 10 and 4 refused with 402 and 429, 5 failed with 502, and 1 got no answer.
    #[test]
    fn what_is_known_of_answers_is_measured_and_no_more() {
        let latency = BTreeMap::from([("served", Latency { buckets: vec![[5, 80]], sum_ns: 400, max_ns: 5 })]);
        let answered = |became, status, kind, calls| (Answered { became, status, kind }, calls);
        let answers = Answers {
            sent: 100,
            unanswered: 1,
            answered: vec![
                answered(Became::Served, 200, None, 80),
                answered(Became::Refused, 402, Some("billing"), 10),
                answered(Became::Refused, 429, Some("limit"), 4),
                answered(Became::Failed, 502, None, 5),
            ],
            latency: &latency,
        };
        let rate = |measure, selector: Selector| answers.measure(measure, &selector).map(|it| it.as_f64());
        let all = Selector::default();
        let kind = |kind| Selector { kind: Some(kind), ..Selector::default() };
        let status = |status| Selector { status: Some(status), ..Selector::default() };
        assert_eq!(rate(Measure::Refusals(Number::Rate), all.clone()), Ok(0.14));
        assert_eq!(rate(Measure::Refusals(Number::Count), kind("billing")), Ok(10.0));
        assert_eq!(rate(Measure::Refusals(Number::Rate), status(429)), Ok(0.04));
        assert_eq!(rate(Measure::Attempts(Number::Rate), status(502)), Ok(0.05));
        assert_eq!(rate(Measure::Attempts(Number::Count), all.clone()), Ok(100.0));
        assert_eq!(rate(Measure::Failures(Number::Count), all.clone()), Ok(6.0));
        assert_eq!(rate(Measure::Failures(Number::Count), status(502)), Ok(5.0));
        let failed = Selector { outcome: Some(Became::Failed), ..Selector::default() };
        assert_eq!(rate(Measure::Attempts(Number::Count), failed), Ok(6.0));
        assert_eq!(rate(Measure::Latency(Statistic::Max), all.clone()), Ok(5.0));
        for measure in [Measure::Balanced, Measure::Revenue("collected"), Measure::Calls(Number::Count)] {
            assert!(rate(measure, all.clone()).is_err(), "{measure:?}");
        }
        let cohort = Selector { cohort: Some("a".to_owned()), ..Selector::default() };
        assert!(rate(Measure::Refusals(Number::Rate), cohort).is_err());
        assert!(Answers { sent: 0, ..answers.clone() }.measure(Measure::Refusals(Number::Rate), &all).is_err());
    }
}
