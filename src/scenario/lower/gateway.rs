//! The gateway.

use farebox_engine::model::{Gateway, OnClientAbort, SpendControl};

use crate::scenario::cause;
use crate::scenario::value::{Fields, Value};

/// The gateway; `None` when something in it was wrong.
pub(super) fn gateway(fields: &Fields) -> Option<Gateway> {
    let mut refusals = Vec::new();
    for entry in fields.map("refusals")?.named() {
        let cause = cause::REFUSALS.iter().find(|known| **known == entry.name.value)?;
        let Value::Quantity(status) = entry.value.as_ref()?.value else { return None };
        refusals.push((*cause, u16::try_from(status).ok()?));
    }
    Some(Gateway {
        spend_control: match fields.choice("spend_control")?.value {
            "reserve" => SpendControl::Reserve,
            _ => SpendControl::CheckThenDebit,
        },
        on_client_abort: match fields.choice("on_client_abort")?.value {
            "settle" => OnClientAbort::Settle,
            "release" => OnClientAbort::Release,
            _ => OnClientAbort::BillSent,
        },
        refusals,
    })
}
