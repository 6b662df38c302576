//! The proofs that the live half decides as the simulated one (ARCHITECTURE.md, "One decision path").
//!
//! [`lockstep`]: every event and the final account of every consumer equal the twin's, though the one has heard from the
//! model what became of its charges and the other over the processor's sockets. [`replay`]: a free-running
//! gateway's log gives the same decisions and the same account again. [`differences`]: where a free-running load took
//! another decision than its twin, and how far each was from the boundary; real clocks jitter, so those are no error.

use std::fmt;

use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::margins::Margins;
use farebox_engine::log::{Entry, History, Replayed};
use farebox_engine::money::Overflow;
use farebox_engine::time::{HOUR, Now};
use farebox_engine::world::World;

/// Both sides went through different things: a bug of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{proof}: {consumer} differs at {what}\n  expected: {expected}\n  found:    {found}")]
pub struct Disagreement {
    /// Which proof failed.
    pub proof: &'static str,
    /// The consumer, as `cohort/index`.
    pub consumer: String,
    /// Where: which request, or which part of the account.
    pub what: String,
    /// The twin's side, or the log's.
    pub expected: String,
    /// The gateway's side, or the replay's.
    pub found: String,
}

/// What a proof looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Consumers.
    pub consumers: u64,
    /// Events of all of them: decisions and answers.
    pub events: u64,
}

/// A consumer as people write it: `cohort/index`.
pub fn name(world: &World, consumer: Consumer) -> String {
    format!("{}/{}", world.scenario.cohorts[consumer.cohort as usize].name, consumer.index)
}

/// Compares every event and every account of a lockstep with the twin's.
pub fn lockstep(world: &World, twins: &[History], live: &[History]) -> Result<Extent, Disagreement> {
    assert_eq!(twins.len(), live.len(), "both sides play every consumer of the scenario");
    let mut extent = Extent::default();
    for (twin, live) in twins.iter().zip(live) {
        let consumer = twin.account.consumer();
        same_log("lockstep", world, consumer, &twin.log, &live.log)?;
        same("lockstep", world, consumer, "the final account", &twin.account, &live.account)?;
        extent.consumers += 1;
        extent.events += twin.log.len() as u64;
    }
    Ok(extent)
}

/// Plays each log through a fresh account, and compares every decision and the final account.
pub fn replay(world: &World, live: &[History], end: Now) -> Result<Extent, ReplayError> {
    let mut extent = Extent::default();
    for history in live {
        let consumer = history.account.consumer();
        let mut first = None;
        let account = history.replay(world, end, |replayed| {
            if replayed.decision != replayed.logged {
                first.get_or_insert(replayed);
            }
        })?;
        if let Some(Replayed { call, attempt, logged, decision, .. }) = first {
            same("replay", world, consumer, &format!("call {call}, attempt {attempt}"), &logged, &decision)?;
        }
        same("replay", world, consumer, "the final account", &history.account, &account)?;
        extent.consumers += 1;
        extent.events += history.log.len() as u64;
    }
    Ok(extent)
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It gave something else.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// An amount left the range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

fn same_log(
    proof: &'static str,
    world: &World,
    consumer: Consumer,
    expected: &[Entry],
    found: &[Entry],
) -> Result<(), Disagreement> {
    let Some(at) = (0..expected.len().max(found.len())).find(|at| expected.get(*at) != found.get(*at)) else {
        return Ok(());
    };
    let what = format!("event {at}");
    same(proof, world, consumer, &what, &expected.get(at), &found.get(at))
}

fn same<T: PartialEq + fmt::Debug>(
    proof: &'static str,
    world: &World,
    consumer: Consumer,
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), Disagreement> {
    if expected == found {
        return Ok(());
    }
    Err(Disagreement {
        proof,
        consumer: name(world, consumer),
        what: what.to_owned(),
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    })
}

// === Free-running ===

/// A call that the load decided otherwise than its twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose call.
    pub consumer: Consumer,
    /// Which.
    pub call: u64,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// The twin's side.
    pub twin: Side,
    /// The load's side.
    pub live: Side,
}

/// What one side decided, and how far it was from deciding otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// The cause of the refusal; `None`: admitted.
    pub refused: Option<Cause>,
    /// How far each rule was from deciding otherwise.
    pub margins: Margins,
}

/// What a free-running load and its twin have decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Calls that both decided.
    pub compared: u64,
    /// Those that they decided differently, by consumer and call.
    pub differences: Vec<Difference>,
    /// Calls of the twin that the load did not make: dropped, or cut off by an interrupt.
    pub not_made: u64,
    /// Calls that the load made and the twin did not: of consumers who have left, which the generator hears of with their
    /// next answer.
    pub made_beside: u64,
}

/// Compares the decisions of a free-running load, call by call, with its twin's.
pub fn differences(world: &World, twins: &[History], live: &[History], end: Now) -> Result<Comparison, Overflow> {
    assert_eq!(twins.len(), live.len(), "both sides play every consumer of the scenario");
    let mut comparison = Comparison::default();
    for (twin, live) in twins.iter().zip(live) {
        let consumer = twin.account.consumer();
        let expected = sides(world, twin, world.end())?;
        let mut found = sides(world, live, end)?.into_iter().peekable();
        // One that the twin never made has nothing to compare with. Whether a call is tried again depends on how it was
        // answered before, so only the first attempts are counted.
        let mut made_beside = 0;
        let mut beside = |((_, attempt), _): (Attempt, Side)| made_beside += u64::from(attempt == 1);
        for (attempt, twin) in expected {
            while let Some(live) = found.next_if(|(live, _)| *live < attempt) {
                beside(live);
            }
            let (call, attempt) = attempt;
            let Some((_, live)) = found.next_if(|(live, _)| *live == (call, attempt)) else {
                comparison.not_made += u64::from(attempt == 1);
                continue;
            };
            comparison.compared += 1;
            if twin.refused != live.refused {
                comparison.differences.push(Difference { consumer, call, attempt, twin, live });
            }
        }
        found.for_each(beside);
        comparison.made_beside += made_beside;
    }
    Ok(comparison)
}

/// A call of a consumer, and which attempt at it.
type Attempt = (u64, u32);

/// The decisions of a log by attempt, with their margins.
fn sides(world: &World, history: &History, end: Now) -> Result<Vec<(Attempt, Side)>, Overflow> {
    let mut sides = Vec::new();
    history.replay(world, end, |replayed| {
        let refused = match replayed.decision {
            Decision::Admit(_) => None,
            Decision::Refuse(cause) => Some(cause),
        };
        sides.push(((replayed.call, replayed.attempt), Side { refused, margins: replayed.margins }));
    })?;
    sides.sort_unstable_by_key(|(attempt, _)| *attempt);
    Ok(sides)
}

impl Difference {
    /// The boundary that both sides of the difference lie around: what refused on one of them.
    pub fn boundary(&self) -> Cause {
        self.twin.refused.or(self.live.refused).expect("two sides that differ are not both admitted")
    }
}

impl Side {
    /// How far this side was from the boundary, in words: positive where the rule let the call pass.
    pub fn distance(&self, boundary: Cause, world: &World) -> String {
        match boundary {
            Cause::RateLimited => format!("{} of refill", milliseconds(self.margins.rate_ns)),
            Cause::QuotaExhausted | Cause::PaymentRequired => {
                format!("{} calls of allowance left", self.margins.quota_units)
            }
            Cause::CreditExhausted => {
                let credit = i128::from(self.margins.credit.nanos());
                format!("{} more than the quote", world.scenario.currency.display(credit))
            }
            // How far those were is not kept.
            Cause::SpendCap | Cause::ConcurrencyLimited | Cause::BillingUnavailable | Cause::PolicyError => {
                format!("at {}", boundary.name())
            }
            _ if self.margins.status_ns > CENTURY_NS => "no change of the status is due".to_owned(),
            _ => format!("{:.3} hours until the status changes", self.margins.status_ns as f64 / HOUR as f64),
        }
    }
}

/// No run comes so far.
const CENTURY_NS: i64 = 100 * 365 * (24 * HOUR).cast_signed();

fn milliseconds(ns: i64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}
