//! What an outcome shows, as numbers with their evidence: a value that is exact, an interval where there is one, and the
//! reason where there is none. Everything here is derived on reading, in a fixed order; nothing is measured.

pub mod answers;
pub mod interval;
pub mod judge;
pub mod paired;
mod unpaid;
pub mod unpaired;
mod webhooks;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use farebox_engine::billing::cause::{Cause, Kind};
use farebox_engine::billing::ledger::LedgerAccount;
use farebox_engine::billing::tally::Count;
use farebox_engine::figures::Figures;
use farebox_engine::model::{
    Became, Breaks, ByWebhook, Collected, Demanded, FAILED, Joined, Measure, Number, Scenario, Selector, Statistic,
    Wrongly,
};
use farebox_engine::outcome::{
    CohortOutcome, FailedAs, JudgedRoute, Outcome, RouteOutcome, WrongAnswers, pooled, quantile,
};

use serde::{Deserialize, Serialize};

use interval::{By, Interval, Pair, Sums};

/// What is measured: an outcome, and what it does not say of itself.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What was played.
    pub scenario: &'a Scenario,
    /// What happened.
    pub outcome: &'a Outcome,
    /// Of a load: latency from the intended start by what became of the attempts. A simulation has the upstream's instead, in
    /// the outcome.
    pub latency: Option<&'a BTreeMap<&'static str, Latency>>,
    /// Whether it was cut short where the outcome cannot tell: a load whose calls were not all made.
    pub interrupted: bool,
}

/// How long answers took: quantiles by buckets, the mean and the longest to the ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// `[upper end of the bucket in ns, answers]`, in order.
    pub buckets: Vec<[u64; 2]>,
    /// All of them together, in ns.
    pub sum_ns: i128,
    /// The longest, in ns.
    pub max_ns: u64,
}

impl Latency {
    /// Of what only its buckets are known: mean and longest as if all were at the upper ends.
    fn of_buckets(buckets: Vec<[u64; 2]>) -> Self {
        let sum_ns = buckets.iter().map(|[upper, answers]| i128::from(*upper) * i128::from(*answers)).sum();
        let max_ns = buckets.last().map_or(0, |[upper, _]| *upper);
        Self { buckets, sum_ns, max_ns }
    }
}

/// A value with its evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The value, exact: a numerator and a denominator of at least 1. Over replications it is the mean, of a share the share
    /// of all; a maximum is the largest.
    pub value: Pair,
    /// Where the true value is in 95 of 100 such runs; or why that is not known.
    pub interval: Result<Interval, &'static str>,
}

impl Measured {
    /// The value as a float, for people.
    pub fn as_f64(&self) -> f64 {
        self.value.ratio()
    }
}

/// Nothing was measured, and why.
pub type Unmeasured = String;

/// In which unit a measure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things that are counted.
    Count,
    /// A share of one.
    Share,
    /// Nanoseconds.
    Time,
    /// Nanos of the currency.
    Money,
    /// Yes or no.
    Fact,
}

/// The unit of a measure.
pub fn unit(measure: Measure) -> Unit {
    match measure {
        Measure::Calls(Number::Rate)
        | Measure::Attempts(Number::Rate)
        | Measure::Refusals(Number::Rate)
        | Measure::Failures(Number::Rate)
        | Measure::FalseRefusals(Wrongly::Rate)
        | Measure::Leaks(Wrongly::Rate)
        | Measure::Churn(Number::Rate)
        | Measure::Dunning(Collected::Recovered) => Unit::Share,
        Measure::Calls(Number::Count)
        | Measure::Attempts(Number::Count)
        | Measure::Refusals(Number::Count)
        | Measure::Failures(Number::Count)
        | Measure::FalseRefusals(Wrongly::Count)
        | Measure::Leaks(Wrongly::Count)
        | Measure::Churn(Number::Count)
        | Measure::Dunning(_)
        | Measure::NotBack
        | Measure::Webhooks(
            ByWebhook::Deliveries | ByWebhook::Duplicates | ByWebhook::Reconciled | ByWebhook::Unheard,
        )
        | Measure::RefusedDemand(Demanded::Unpriced) => Unit::Count,
        Measure::Latency(_)
        | Measure::FirstToken(_)
        | Measure::TimeToRecovery(_)
        | Measure::FirstSuccess(_)
        | Measure::TimeToHear(_)
        | Measure::Webhooks(ByWebhook::WronglyBlocked | ByWebhook::WronglyServed) => Unit::Time,
        Measure::Revenue(_)
        | Measure::RefusedDemand(Demanded::Value)
        | Measure::FalseRefusals(Wrongly::Value)
        | Measure::Leaks(Wrongly::Value) => Unit::Money,
        Measure::Balanced => Unit::Fact,
    }
}

impl Subject<'_> {
    /// Measures; an error says why there is nothing to measure.
    pub fn measure(&self, measure: Measure, selector: &Selector) -> Result<Measured, Unmeasured> {
        self.check(selector)?;
        if let (Measure::Latency(statistic), Some(latency)) = (measure, self.latency) {
            return of_a_load(latency, statistic, selector);
        }
        if let (Measure::FirstToken(statistic), Some(latency)) = (measure, self.latency) {
            return first_token_of_a_load(latency, statistic, selector);
        }
        let each = |cohorts: &[CohortOutcome]| self.of_one(measure, selector, cohorts);
        let each: Vec<Pair> = self.outcome.replications().map(each).collect::<Result<_, _>>()?;
        let value = match measure {
            Measure::Latency(Statistic::Max) | Measure::FirstToken(Statistic::Max) => {
                Pair::whole(each.iter().map(|pair| pair.parts).max().unwrap_or_default())
            }
            _ => Pair::sum(&each),
        };
        if value.of == 0 {
            return Err(self.nothing(measure, selector));
        }
        Ok(Measured { value, interval: self.interval(measure, selector, &each) })
    }

    fn check(&self, selector: &Selector) -> Result<(), Unmeasured> {
        let cohorts = || self.outcome.cohorts.iter().filter(|cohort| is_selected(cohort, selector));
        if cohorts().next().is_none() {
            return Err("no cohort has these labels".to_owned());
        }
        if cohorts().all(|cohort| cohort.consumers_played() == 0) {
            return Err("no consumer was played".to_owned());
        }
        let cause = selector.cause.and_then(Cause::from_name);
        if let (Some(cause), Some(status)) = (cause, selector.status)
            && !self.is_answered_with(cause, status)
        {
            return Err(match cause.kind() {
                Kind::Upstream => format!("`{}` is never answered with {status}", cause.name()),
                _ => format!("`{}` is answered with {}, not with {status}", cause.name(), self.status(cause)),
            });
        }
        match selector.status {
            Some(status) if !self.is_ever_answered(status) => {
                Err(format!("the gateway answers nothing with the status {status}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether what has this cause can be answered with this status: of a failure an upstream says it, or, where there is no
    /// answer of one, the gateway.
    fn is_answered_with(&self, cause: Cause, status: u16) -> bool {
        match cause.kind() {
            Kind::Upstream => Cause::of_answer(status) == Some(cause) || cause.status() == status,
            _ => self.status(cause) == status,
        }
    }

    /// Whether anything can be answered with this status. What the upstream of a load says nobody knows before.
    fn is_ever_answered(&self, status: u16) -> bool {
        let is_down = |breaks: &Breaks| matches!(breaks, Breaks::UpstreamDown { .. });
        let mut refusals = Cause::ALL.iter().filter(|cause| cause.kind() != Kind::Upstream);
        status == SERVED
            || refusals.any(|cause| self.status(*cause) == status)
            || self.scenario.upstreams.iter().any(|upstream| upstream.errors.statuses().any(|known| known == status))
            || (status == FAILED && self.scenario.faults.iter().any(|fault| is_down(&fault.breaks)))
            || (self.latency.is_some() && Cause::of_answer(status).is_some())
    }

    /// The status that the gateway answers a refusal with.
    pub fn status(&self, cause: Cause) -> u16 {
        status(self.scenario, cause)
    }

    /// A measure of one replication; its denominator is 0 where there is nothing to measure.
    fn of_one(&self, measure: Measure, selector: &Selector, cohorts: &[CohortOutcome]) -> Result<Pair, Unmeasured> {
        let selected = || cohorts.iter().filter(|cohort| is_selected(cohort, selector));
        let count = |count: Count| selected().map(|cohort| i128::from(cohort.count(count))).sum::<i128>();
        Ok(match measure {
            Measure::Calls(number) => self.share(By::Call, selector, number, cohorts),
            Measure::Attempts(number) => self.share(By::Attempt, selector, number, cohorts),
            Measure::Refusals(number) => {
                let selector = Selector { outcome: Some(Became::Refused), ..selector.clone() };
                self.share(By::Attempt, &selector, number, cohorts)
            }
            Measure::Failures(Number::Rate) if selector.upstream.is_some() => return self.of_hop(selector, cohorts),
            Measure::Failures(number) => {
                let selector = Selector { outcome: Some(Became::Failed), ..selector.clone() };
                self.share(By::Attempt, &selector, number, cohorts)
            }
            Measure::FalseRefusals(of) => self.wrong(of, |route| &route.false_refusals, selector, cohorts)?,
            Measure::Leaks(of) => self.wrong(of, |route| &route.leaks, selector, cohorts)?,
            Measure::Latency(statistic) => {
                if let Some(became) = selector.outcome.filter(|became| *became != Became::Served) {
                    return Err(format!("a simulation has no latency of calls that were {}", became.name()));
                }
                of_latency(&of_cohorts(selected()), statistic)
            }
            Measure::FirstToken(statistic) => {
                let buckets = pooled(selected().map(|cohort| cohort.first_token.as_slice()));
                of_latency(&Latency::of_buckets(buckets), statistic)
            }
            Measure::Revenue(name) => {
                let figures = Figures::of(|movement| selected().map(|cohort| cohort.moved(movement)).sum());
                let named = figures.named().into_iter().find(|(figure, _)| *figure == name);
                Pair::whole(named.expect("the scenario's reader knows every figure").1)
            }
            Measure::Dunning(Collected::Attempts) => Pair::whole(count(Count::Attempts)),
            Measure::Dunning(Collected::Declined) => Pair::whole(count(Count::Declined)),
            Measure::Dunning(Collected::Exhausted | Collected::Churned) => Pair::whole(count(Count::Exhausted)),
            Measure::Dunning(Collected::Recovered) => {
                let later = |cohort: &CohortOutcome| cohort.paid_by_attempt.iter().skip(1).sum::<u64>();
                let recovered = i128::from(selected().map(later).sum::<u64>());
                Pair { parts: recovered, of: recovered + count(Count::Exhausted) }
            }
            Measure::Dunning(Collected::Blocked) => Pair::whole(count(Count::Blocked)),
            Measure::Dunning(Collected::DaysBlocked) => unpaid::days_blocked(selected()),
            Measure::TimeToRecovery(statistic) => unpaid::time_to_recovery(selected(), statistic),
            Measure::FirstSuccess(statistic) => {
                let buckets = pooled(selected().map(|cohort| cohort.first_success.as_slice()));
                of_latency(&Latency::of_buckets(buckets), statistic)
            }
            Measure::NotBack => Pair::whole(count(Count::NotBack)),
            Measure::Webhooks(what) => webhooks::told(selected(), what),
            Measure::TimeToHear(statistic) => webhooks::time_to_hear(selected(), statistic),
            Measure::RefusedDemand(what) => unpaid::refused_demand(selected(), what),
            Measure::Churn(Number::Count) => Pair::whole(count(Count::Left)),
            Measure::Churn(Number::Rate) => Pair { parts: count(Count::Left), of: self.subscribed(selector, cohorts) },
            Measure::Balanced => {
                let balance = |account| cohorts.iter().map(|cohort| balance_of(cohort, account)).sum::<i128>();
                Pair::whole(i128::from(LedgerAccount::ALL.map(balance).iter().sum::<i128>() == 0))
            }
        })
    }

    /// Consumers that were subscribed at any time: those who were there before, and those who came.
    fn subscribed(&self, selector: &Selector, cohorts: &[CohortOutcome]) -> i128 {
        let all = self.scenario.cohorts.iter().zip(cohorts).filter(|(_, of)| is_selected(of, selector));
        let subscribed = all.map(|(cohort, of)| match cohort.joined {
            Joined::Spread => of.consumers_played(),
            Joined::Start | Joined::Signups { .. } => of.count(Count::Joined),
        });
        subscribed.map(i128::from).sum()
    }

    /// Attempts, or calls by their last ones, that the labels select; of all that the same consumers made for the same
    /// routes.
    fn share(&self, by: By, selector: &Selector, number: Number, cohorts: &[CohortOutcome]) -> Pair {
        let (mut matched, mut all) = (0, 0);
        for cohort in cohorts.iter().filter(|cohort| is_selected(cohort, selector)) {
            let asked = |path: &String| selector.routes.as_ref().is_none_or(|routes| routes.contains(path));
            for (_, route) in cohort.routes.iter().filter(|(path, _)| asked(path)) {
                let route = match by {
                    By::Attempt => Cow::Borrowed(route),
                    By::Call => Cow::Owned(route.calls()),
                };
                matched += i128::from(self.matched(selector, &route));
                all += i128::from(route.offered());
            }
        }
        match number {
            Number::Rate => Pair { parts: matched, of: all },
            Number::Count if all == 0 => Pair { parts: 0, of: 0 },
            Number::Count => Pair::whole(matched),
        }
    }

    /// Attempts that failed at an upstream, of those that came to it and have ended: of all that were served, failed there, or
    /// failed later.
    fn of_hop(&self, selector: &Selector, cohorts: &[CohortOutcome]) -> Result<Pair, Unmeasured> {
        let upstream = selector.upstream.as_ref().expect("a hop is named by its upstream");
        let asked = |path: &&String| selector.routes.as_ref().is_none_or(|routes| routes.contains(*path));
        let so = Selector { outcome: Some(Became::Failed), ..selector.clone() };
        let mut pair = Pair { parts: 0, of: 0 };
        for (path, route) in cohorts.iter().filter(|cohort| is_selected(cohort, selector)).flat_map(|it| &it.routes) {
            let index = self.scenario.routes.iter().position(|known| known.path == *path);
            let Some(index) = index.filter(|_| asked(&path)) else { continue };
            let names = self.scenario.path(index).into_iter().map(|hop| &self.scenario.upstreams[hop.upstream].name);
            let names: Vec<_> = names.collect();
            let Some(first) = names.iter().position(|name| *name == upstream) else { continue };
            let (before, after) = names.split_at(first);
            let failed = |is_meant: &dyn Fn(&FailedAs) -> bool| -> u64 {
                route.failures.iter().filter(|(alike, _)| is_meant(alike)).map(|(_, attempts)| attempts).sum()
            };
            let failed_at = |name: &String| failed(&|alike| alike.upstream == *name);
            if let Some(both) = before.iter().find(|name| after.contains(name) && failed_at(name) > 0) {
                return Err(format!(
                    "`{path}` comes to `{both}` before `{upstream}` and after it, and what failed there is not told apart"
                ));
            }
            let earlier: BTreeSet<_> = before.iter().collect();
            let earlier: u64 = earlier.into_iter().map(|name| failed_at(name)).sum();
            pair.parts += i128::from(failed(&|alike| is_failure(&so, alike)));
            pair.of += i128::from(route.served + route.failed - earlier);
        }
        Ok(pair)
    }

    /// Answers that were wrong in one way, of all that the same consumers were given for the same routes.
    fn wrong(
        &self,
        number: Wrongly,
        way: fn(&JudgedRoute) -> &BTreeMap<String, WrongAnswers>,
        selector: &Selector,
        cohorts: &[CohortOutcome],
    ) -> Result<Pair, Unmeasured> {
        let (mut matched, mut all) = (WrongAnswers::default(), 0);
        for cohort in cohorts.iter().filter(|cohort| is_selected(cohort, selector)) {
            let judged = cohort.oracle.as_ref().ok_or("no oracle has judged the answers")?;
            let asked = |path: &String| selector.routes.as_ref().is_none_or(|routes| routes.contains(path));
            for (_, route) in judged.routes.iter().filter(|(path, _)| asked(path)) {
                let is_meant = |name: &String| Cause::from_name(name).is_some_and(|cause| self.means(selector, cause));
                way(route).iter().filter(|(name, _)| is_meant(name)).for_each(|(_, wrong)| matched.add(wrong));
                all += i128::from(route.answers());
            }
        }
        match number {
            _ if all == 0 => Ok(Pair { parts: 0, of: 0 }),
            Wrongly::Count => Ok(Pair::whole(matched.count.into())),
            Wrongly::Rate => Ok(Pair { parts: matched.count.into(), of: all }),
            Wrongly::Value if matched.unstated > 0 => {
                Err(format!("no price states what {} of {} come to", matched.unstated, matched.count))
            }
            Wrongly::Value => Ok(Pair::whole(matched.value.0)),
        }
    }

    /// Whether the labels select a cause.
    fn means(&self, selector: &Selector, of: Cause) -> bool {
        selector.cause.is_none_or(|cause| cause == of.name())
            && selector.kind.is_none_or(|kind| kind == of.kind().name())
            && selector.status.is_none_or(|status| status == self.status(of))
    }

    fn matched(&self, selector: &Selector, route: &RouteOutcome) -> u64 {
        let Selector { status, cause, kind, outcome, .. } = *selector;
        let may_be = |became| match outcome {
            None => true,
            Some(Became::Abandoned) => matches!(became, Became::Refused | Became::Failed),
            Some(outcome) => outcome == became,
        };
        let without_cause = cause.is_none() && kind.is_none();
        let mut matched = 0;
        if may_be(Became::Served) && without_cause && status.is_none_or(|status| status == SERVED) {
            matched += route.served;
        }
        if outcome == Some(Became::Recovered) && without_cause && status.is_none_or(|status| status == SERVED) {
            matched += route.again.recovered;
        }
        if may_be(Became::Failed) {
            let failed = route.failures.iter().filter(|(alike, _)| is_failure(selector, alike));
            matched += failed.map(|(_, attempts)| attempts).sum::<u64>();
        }
        if outcome.is_none() && without_cause && status.is_none() {
            matched += route.in_flight;
        }
        if may_be(Became::Refused) {
            let is_meant = |of: &Cause| self.means(selector, *of);
            let refused = route.refused.iter();
            matched += refused
                .filter(|(name, _)| Cause::from_name(name).as_ref().is_some_and(is_meant))
                .map(|(_, calls)| calls)
                .sum::<u64>();
        }
        matched
    }

    /// Why a denominator is zero.
    fn nothing(&self, measure: Measure, selector: &Selector) -> String {
        match measure {
            Measure::Dunning(_) => "no payment had to be tried again to its end".to_owned(),
            Measure::Churn(_) => "nobody was subscribed".to_owned(),
            Measure::Latency(_) => "no call was served".to_owned(),
            Measure::FirstToken(_) => NOTHING_STREAMED.to_owned(),
            Measure::TimeToRecovery(_) => {
                "nothing was paid after a failed attempt, or too late to be told apart by day".to_owned()
            }
            Measure::FirstSuccess(_) => "nobody was served again after paying".to_owned(),
            Measure::Webhooks(_) | Measure::TimeToHear(_) => "nothing was told by webhook".to_owned(),
            Measure::RefusedDemand(_) => "what was refused has no list price".to_owned(),
            _ => self.nothing_made(selector),
        }
    }

    /// That no call was made, or none for the routes that were asked for, or none that came to an upstream.
    fn nothing_made(&self, selector: &Selector) -> String {
        let listed = |routes: &[String]| routes.iter().map(|route| format!("`{route}`")).collect::<Vec<_>>().join(", ");
        let all = || self.outcome.replications().flatten().filter(|cohort| is_selected(cohort, selector));
        let is_called = |path: &String| all().any(|cohort| cohort.routes.contains_key(path));
        match (&selector.upstream, selector.routes.as_deref()) {
            (_, None) => "no call was made".to_owned(),
            (None, Some(routes)) => format!("no call was made for {}", listed(routes)),
            (Some(upstream), Some(routes)) if routes.iter().any(is_called) => {
                format!("of the calls for {}, none came to the upstream `{upstream}`", listed(routes))
            }
            (Some(upstream), Some(routes)) => {
                format!("no call was made for {}, the routes that come to the upstream `{upstream}`", listed(routes))
            }
        }
    }

    // === Intervals ===

    fn interval(&self, measure: Measure, selector: &Selector, each: &[Pair]) -> Result<Interval, &'static str> {
        if self.interrupted || self.outcome.is_partial() {
            return Err("the run is partial");
        }
        if matches!(measure, Measure::Balanced | Measure::Latency(Statistic::Max) | Measure::FirstToken(Statistic::Max))
        {
            return Err("this has none");
        }
        let interval = match each.len() {
            1 => self.over_consumers(measure, selector, each[0])?,
            2..interval::LEAST => return Err("fewer than 10 replications"),
            _ => interval::over_replications(each)?,
        };
        Ok(match unit(measure) {
            Unit::Share => interval.within(0.0, 1.0),
            Unit::Count | Unit::Time => interval.within(0.0, f64::INFINITY),
            Unit::Money | Unit::Fact => interval,
        })
    }

    /// From the differences between the consumers of one replication, where the sums that this takes are kept: those of all
    /// calls, of all refusals and of what was earned.
    fn over_consumers(&self, measure: Measure, selector: &Selector, value: Pair) -> Result<Interval, &'static str> {
        let cohorts: Vec<_> = self.outcome.cohorts.iter().filter(|cohort| is_selected(cohort, selector)).collect();
        let (by, number) = match measure {
            Measure::Revenue("earned") => return interval::over_consumers(&cohorts, Sums::Earned, value),
            Measure::Calls(number) => (By::Call, number),
            Measure::Attempts(number) | Measure::Refusals(number) => (By::Attempt, number),
            _ => return Err(NO_SUMS),
        };
        let sum = |of: fn(By, &CohortOutcome) -> u64| cohorts.iter().map(|cohort| i128::from(of(by, cohort))).sum();
        let (offered, refused) = (sum(interval::offered), sum(interval::refused));
        let have_failed = cohorts.iter().any(|cohort| cohort.failed > 0);
        let of_refusals = matches!(measure, Measure::Refusals(_)) || is_of_refusals(selector, have_failed);
        // As many as all of them are all of them.
        let sums = match number {
            Number::Count if value.parts == offered => Sums::Offered(by),
            Number::Count if of_refusals && value.parts == refused => Sums::Refused(by),
            Number::Rate if of_refusals && value == (Pair { parts: refused, of: offered }) => {
                Sums::RefusedOfOffered(by)
            }
            _ => return Err(NO_SUMS),
        };
        interval::over_consumers(&cohorts, sums, value)
    }
}

/// What a refusal of this cause is answered with.
pub fn status(scenario: &Scenario, cause: Cause) -> u16 {
    let other = scenario.gateway.refusals.iter().find(|(name, _)| *name == cause.name());
    other.map_or(cause.status(), |(_, status)| *status)
}

/// What a served call is answered with.
const SERVED: u16 = 200;

const NO_SUMS: &str = "1 replication, and no sums over consumers are kept for this";

/// Whether what the labels select was refused, all of it. A status alone does not tell, where anything has failed.
fn is_of_refusals(selector: &Selector, have_failed: bool) -> bool {
    let Selector { status, cause, kind, outcome, .. } = *selector;
    if is_of_failures(selector) {
        return false;
    }
    matches!(outcome, Some(Became::Refused))
        || (cause.is_some() || kind.is_some() || status.is_some_and(|status| status != SERVED && !have_failed))
}

/// Whether the labels name a cause or the kind of failures.
fn is_of_failures(selector: &Selector) -> bool {
    let kind = selector.cause.and_then(Cause::from_name).map(Cause::kind);
    kind == Some(Kind::Upstream) || selector.kind == Some(Kind::Upstream.name())
}

/// Whether the labels select attempts that failed so. An upstream that they name must have failed where they are about
/// failures; else it says only which routes are meant.
fn is_failure(selector: &Selector, alike: &FailedAs) -> bool {
    let Selector { status, cause, kind, outcome, ref upstream, .. } = *selector;
    let failed_at = upstream.as_ref().filter(|_| outcome.is_some() || is_of_failures(selector));
    failed_at.is_none_or(|upstream| *upstream == alike.upstream)
        && cause.is_none_or(|cause| cause == alike.cause)
        && kind.is_none_or(|kind| kind == Kind::Upstream.name())
        && status.is_none_or(|status| status == alike.status)
}

fn is_selected(cohort: &CohortOutcome, selector: &Selector) -> bool {
    selector.cohort.as_ref().is_none_or(|name| *name == cohort.cohort)
        && selector.plan.as_ref().is_none_or(|name| *name == cohort.plan)
}

fn balance_of(cohort: &CohortOutcome, account: LedgerAccount) -> i128 {
    farebox_engine::billing::ledger::balance(account, |movement| cohort.moved(movement))
}

// === Latency ===

fn of_a_load(
    latency: &BTreeMap<&'static str, Latency>,
    statistic: Statistic,
    selector: &Selector,
) -> Result<Measured, Unmeasured> {
    if selector.cohort.is_some() || selector.plan.is_some() {
        return Err("a load tells latency apart by outcome alone".to_owned());
    }
    if latency.is_empty() {
        return Err("no answer was measured from an intended start".to_owned());
    }
    let became = selector.outcome.unwrap_or(Became::Served).name();
    let value = latency.get(became).map_or(Pair { parts: 0, of: 0 }, |latency| of_latency(latency, statistic));
    if value.of == 0 {
        return Err(format!("no call was {became}"));
    }
    Ok(Measured { value, interval: Err("a load has none") })
}

fn first_token_of_a_load(
    latency: &BTreeMap<&'static str, Latency>,
    statistic: Statistic,
    selector: &Selector,
) -> Result<Measured, Unmeasured> {
    if selector.cohort.is_some() || selector.plan.is_some() {
        return Err("a load does not tell first tokens apart".to_owned());
    }
    let latency = latency.get(FIRST_TOKEN).ok_or(NOTHING_STREAMED)?;
    Ok(Measured { value: of_latency(latency, statistic), interval: Err("a load has none") })
}

/// Where a load has how long first tokens took, beside the classes of answers.
pub const FIRST_TOKEN: &str = "first token";

const NOTHING_STREAMED: &str = "no answer was streamed";

/// What several cohorts were answered in, as one distribution.
fn of_cohorts<'a>(cohorts: impl Iterator<Item = &'a CohortOutcome> + Clone) -> Latency {
    Latency {
        buckets: pooled(cohorts.clone().map(|cohort| cohort.latency.as_slice())),
        sum_ns: cohorts.clone().map(|cohort| cohort.latency_sum_ns.0).sum(),
        max_ns: cohorts.map(|cohort| cohort.latency_max_ns).max().unwrap_or_default(),
    }
}

/// A statistic of latency. Quantiles are told by the upper end of their bucket, so are at most a hundredth too high.
fn of_latency(latency: &Latency, statistic: Statistic) -> Pair {
    let at = |ns: Option<u64>| ns.map_or(Pair { parts: 0, of: 0 }, |ns| Pair::whole(i128::from(ns)));
    let answers: i128 = latency.buckets.iter().map(|[_, answers]| i128::from(*answers)).sum();
    match statistic {
        Statistic::Quantile(thousandths) => at(quantile(&latency.buckets, f64::from(thousandths) / 1_000.0)),
        Statistic::Max => at((answers > 0).then_some(latency.max_ns)),
        Statistic::Mean => Pair { parts: latency.sum_ns, of: answers },
    }
}

#[cfg(test)]
mod tests;
