//! The gateway.

use farebox_engine::model::{Dialect, Gateway, OnClientAbort, SpendControl};

use crate::scenario::cause;
use crate::scenario::value::{Fields, Value};

/// The gateway; `None` when something in it was wrong.
pub(super) fn gateway(fields: &Fields) -> Option<Gateway> {
    let dialect = match fields.choice("dialect")?.value {
        "openai_429" => Dialect::OpenAi429,
        "openrouter_402" => Dialect::OpenRouter402,
        _ => Dialect::Problem,
    };
    let mut refusals = Vec::new();
    for entry in fields.map("refusals")?.named() {
        let cause = cause::REFUSALS.iter().find(|known| **known == entry.name.value)?;
        let Value::Quantity(status) = entry.value.as_ref()?.value else { return None };
        refusals.push((*cause, u16::try_from(status).ok()?));
    }
    if dialect == Dialect::OpenAi429 {
        let said: Vec<_> = refusals.iter().map(|(cause, _)| *cause).collect();
        let unsaid = cause::answered_429_by_openai().filter(|cause| !said.contains(cause));
        refusals.extend(unsaid.map(|cause| (cause, 429)));
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
        dialect,
    })
}
