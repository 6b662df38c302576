//! The gateway, what breaks, and the load on real sockets.

use farebox_engine::model::{Gateway, Live, OnClientAbort, SpendControl};

use super::Lowering;
use crate::scenario::cause;
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    pub(super) fn live(&mut self, fields: &Fields) -> Option<Live> {
        let in_flight = fields.map("in_flight")?;
        Some(Live {
            rate_per_s: self.calls(&fields.rate("rate")?)?.per_second(),
            duration: fields.duration("duration")?.value,
            clock: fields.clock("clock"),
            connections: u32::try_from(fields.quantity("connections")?.value).ok()?,
            in_flight: u32::try_from(in_flight.quantity("at_most")?.value).ok()?,
        })
    }
}

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
