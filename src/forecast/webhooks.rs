//! How late accounts hear of their payments, and for how long those are refused who have paid.
//!
//! An event is heard of when its webhook comes, or when the gateway asks, whichever is first. Webhooks are delayed, overtaken
//! and lost as the scenario says; and the gateway asks every R, at an offset of each consumer's own, so that from any
//! event to the next time that it asks it takes a time that is uniform on (0, R]. So of a webhook that takes d
//!
//! ```text
//! P(later than x) = P(d > x) · (1 − x ÷ R)          mean = E[d − d² ÷ 2R] for d ≤ R, R ÷ 2 beyond
//! ```
//!
//! whose expectations are means over drawn delays.

use farebox_engine::draw::Address;
use farebox_engine::model::{Joined, Scenario, Webhooks};
use farebox_engine::time::{HOUR, MINUTE, SECOND, Span};
use serde::Serialize;

use super::traffic::Traffic;

/// How many delays are drawn: their share of a tenth is then right to a thousandth.
pub(super) const DRAWN: u64 = 100_000;
/// Where the delays are drawn; the same in each forecast.
pub(super) const SEED: u64 = 1;
/// What of the distribution is told.
const LATER: [u64; 4] = [10 * SECOND, MINUTE, 10 * MINUTE, HOUR];

/// How late accounts hear.
#[derive(Clone, Debug, Serialize)]
pub struct LateHearing {
    /// On average, in ns.
    pub mean_ns: u64,
    /// At most: how often the gateway asks, in ns.
    pub most_ns: u64,
    /// Which share is heard later than some moments.
    pub later: Vec<Later>,
    /// The share that no webhook tells before the gateway asks.
    pub asked: f64,
    /// From how many drawn delays this is estimated.
    pub drawn: u64,
    /// Those who are refused until their first payment is heard of.
    pub waits: Vec<Waits>,
}

/// The share that is heard of later.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Later {
    /// Than so many ns.
    pub than_ns: u64,
    /// The share.
    pub share: f64,
}

/// Consumers of a cohort who have paid for the first time, and are refused until that is heard of.
#[derive(Clone, Debug, Serialize)]
pub struct Waits {
    /// Its name.
    pub cohort: String,
    /// How many of them subscribe within the horizon, on average.
    pub consumers: f64,
    /// For how long all of them together are refused, in ns: the mean.
    pub blocked_ns: f64,
    /// How many of their calls come in that time, at their mean rate.
    pub calls: f64,
}

/// `None` where everything is heard of at once.
pub(super) fn late_hearing(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Option<LateHearing> {
    let terms = &scenario.payments.webhooks;
    if !terms.asks() {
        return None;
    }
    let delays = delays(terms);
    let period = terms.reconcile.ns() as f64;
    let over = |of: &dyn Fn(f64) -> f64| delays.iter().map(|delay| of(*delay)).sum::<f64>() / DRAWN as f64;
    // Of one that takes so long, until it is heard: the mean of the lesser of it and what is uniform on (0, R].
    let until_heard = |delay: f64| if delay < period { delay - delay * delay / (2.0 * period) } else { period / 2.0 };
    let mean = over(&until_heard);
    let later = LATER.into_iter().filter(|than_ns| *than_ns < terms.reconcile.ns()).map(|than_ns| {
        let than = than_ns as f64;
        let late = over(&|delay| f64::from(u8::from(delay > than)));
        Later { than_ns, share: late * (1.0 - than / period) }
    });
    let waits = traffic.iter().filter_map(|traffic| waits(scenario, traffic, mean));
    Some(LateHearing {
        mean_ns: mean.round() as u64,
        most_ns: terms.reconcile.ns(),
        later: later.collect(),
        asked: over(&|delay| (delay / period).min(1.0)),
        drawn: DRAWN,
        waits: waits.collect(),
    })
}

/// How long webhooks take, in ns; infinitely long, where none ever comes.
pub(super) fn delays(terms: &Webhooks) -> Vec<f64> {
    let root = Address::seed(SEED).named("forecast of webhooks");
    let draw = |number: u64| {
        let stream = root.at(number).stream();
        let delay = terms.delay.sample_whole(stream.word(0));
        if terms.lose.happens(stream.word(1)) || delay > Webhooks::TRIED.ns() {
            return f64::INFINITY;
        }
        let overtaken = if terms.reorder.happens(stream.word(2)) { Webhooks::OVERTAKEN } else { Span::ZERO };
        delay as f64 + overtaken.ns() as f64
    };
    (0..DRAWN).map(draw).collect()
}

/// Those of a cohort who pay before they are served for the first time. One in a trial is served meanwhile.
fn waits(scenario: &Scenario, traffic: &Traffic<'_>, mean: f64) -> Option<Waits> {
    let (cohort, plan) = (traffic.cohort, traffic.plan);
    let pays_first = plan.fee_period.is_some() && plan.trial.is_none() && cohort.card.is_some();
    let most = f64::from(cohort.count);
    let consumers = match cohort.joined {
        Joined::Spread => return None,
        Joined::Start => most,
        Joined::Signups { mean_gap_ns } => most.min(scenario.horizon.ns() as f64 / mean_gap_ns),
    };
    pays_first.then(|| Waits {
        cohort: cohort.name.clone(),
        consumers,
        blocked_ns: consumers * mean,
        calls: consumers * mean * traffic.rate,
    })
}
