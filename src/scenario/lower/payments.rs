//! Payments: the processor, what follows a decline, what it all costs.

use farebox_engine::distribution::Distribution;
use farebox_engine::draw::Chance;
use farebox_engine::model::{Dunning, Fees, Finally, Payments, Processor, Returns, Webhooks};
use farebox_engine::time::Span;

use super::{Lowering, amount};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::keys::{CHARGEBACK_AFTER, REFUND_AFTER};
use crate::scenario::unit::{Least, Unit};
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    pub(super) fn payments(&mut self, fields: &Fields) -> Option<Payments> {
        let processor = fields.map("processor").and_then(|processor| {
            let latency = self.distribution(processor.value("latency")?)?;
            Some(Processor { latency, errors: processor.chance("errors")? })
        });
        Some(Payments {
            processor: processor?,
            webhooks: self.webhooks(fields.map("webhooks")?)?,
            dunning: dunning(fields.map("dunning")?)?,
            fees: fees(fields.map("fees")?)?,
            refunds: returns(fields, "refunds", REFUND_AFTER)?,
            chargebacks: returns(fields, "chargebacks", CHARGEBACK_AFTER)?,
            reminders: self.reminders(fields.map("reminders")?)?,
        })
    }

    fn webhooks(&mut self, fields: &Fields) -> Option<Webhooks> {
        let at = fields.value("delay")?;
        let delay = self.distribution(at)?;
        if matches!(delay, Distribution::Constant(ns) if ns > Webhooks::TRIED.ns() as f64) {
            let problem = Diagnostic::error(at.span, "no webhook would ever come");
            self.problems.push(problem.help("an event is tried for three days; `lose: 100%` says that none comes"));
            return None;
        }
        Some(Webhooks {
            delay,
            duplicate: fields.chance("duplicate")?,
            reorder: fields.chance("reorder")?,
            lose: fields.chance("lose")?,
            reconcile: fields.duration("reconcile")?.value,
        })
    }
}

fn dunning(fields: &Fields) -> Option<Dunning> {
    let mut retries = Vec::new();
    for item in fields.list("retries")? {
        let Value::Duration(gap) = item.value else { return None };
        retries.push(gap);
    }
    Some(Dunning {
        retries,
        retries_hard_declines: fields.choice("on_hard_decline")?.value == "retry",
        waits_for_schedule: fields.choice("on_new_card")?.value == "wait",
        finally: match fields.choice("finally")?.value {
            "cancel" => Finally::Cancel,
            "unpaid" => Finally::Unpaid,
            _ => Finally::Keep,
        },
    })
}

fn fees(fields: &Fields) -> Option<Fees> {
    if fields.is_broken("success") {
        return None;
    }
    let success = fields.commission("success").unwrap_or_default();
    Some(Fees {
        success: success.share,
        success_fixed: success.fixed,
        decline: amount(fields, "decline")?,
        excess_retry: amount(fields, "excess_retry")?,
    })
}

/// A chance with the default moment, or all of it written out.
fn returns(fields: &Fields, key: &str, after: &str) -> Option<Returns> {
    match &fields.value(key)?.value {
        Value::Chance(Chance::NEVER) => Some(Returns::default()),
        Value::Chance(chance) => Some(Returns { chance: *chance, after: duration(after), ..Returns::default() }),
        Value::Map(returns) => Some(Returns {
            chance: returns.chance("chance")?,
            after: returns.duration("after")?.value,
            fee: amount(returns, "fee")?,
            suspends: returns.duration("suspends")?.value,
        }),
        _ => None,
    }
}

/// A duration of the table.
fn duration(text: &str) -> Span {
    match Unit::Duration(Least::Zero).parse(text, None) {
        Ok(Value::Duration(span)) => span,
        _ => unreachable!("the defaults of the table are values of their unit"),
    }
}
