//! How a charge is put to the processor, and what its answers mean.

use std::sync::Arc;
use std::time::Duration;

use farebox_engine::billing::decline::{Answer, Decline};
use farebox_engine::billing::invoice::Charge;
use farebox_engine::billing::price;
use farebox_engine::money::{Currency, Money};
use farebox_engine::world::World;
use farebox_engine::world::outside::Ask;
use mock_upstreams::payments::PaymentCommand;
use serde_json::Value;

use super::Options;
use crate::live::accounts::AccountId;
use crate::live::webhooks::notice::{ACCOUNT, ATTEMPT, PURPOSE, name};

/// A request that may be sent any number of times, and is executed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: &'static str,
    pub(super) form: String,
    pub(super) key: String,
    pub(super) command: Option<String>,
}

/// What the processor has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It has the money, or has given it back, under this id.
    Paid {
        /// The payment's.
        intent: String,
    },
    Declined(Decline),
    /// It failed as it was told to, and has done nothing.
    Failed,
    /// It does not take such a request: asking again would not help.
    Refused(String),
}

/// What the requests of a run have in common.
#[derive(Debug)]
pub(super) struct Words {
    world: Arc<World>,
    run: String,
    /// Whether the processor takes the time that the model draws.
    is_timed: bool,
}

/// An amount in the smallest unit of its currency, rounded half to even.
pub(in crate::live) fn minor(amount: Money, currency: Currency) -> i64 {
    price::line(amount, currency).nanos() / price::minor_unit(currency)
}

/// The longest that the processor can be told to take. What the model draws beyond is heard no sooner all the same.
const LATENCY_MOST: Duration = Duration::from_secs(3_600);

/// How long the processor takes to answer this.
pub(super) fn latency(words: &Words, ask: Ask) -> Duration {
    if words.is_timed { Duration::from_nanos(ask.latency.ns()).min(LATENCY_MOST) } else { Duration::ZERO }
}

impl Words {
    pub(super) fn new(world: Arc<World>, options: &Options) -> Self {
        Self { world, run: options.run.clone(), is_timed: options.clock.is_some() }
    }

    /// Asks for a charge, and tells the processor what the model has drawn for it.
    pub(super) fn charge(&self, account: AccountId, ask: Ask) -> Request {
        let Ask { charge, answer, .. } = ask;
        let currency = self.world.scenario.currency;
        let amount = minor(charge.amount, currency);
        let (number, what, attempt) = (account.0, name(charge.purpose), charge.attempt);
        let answer = match answer {
            Answer::Paid => PaymentCommand::PAID,
            Answer::Declined(decline) => decline.name(),
            Answer::Error => PaymentCommand::ERROR,
        };
        Request {
            path: "/v1/payment_intents",
            form: format!(
                "amount={amount}&currency={}&confirm=true&off_session=true&payment_method=pm_card_visa&\
                 metadata[{ACCOUNT}]={number}&metadata[{PURPOSE}]={what}&metadata[{ATTEMPT}]={attempt}",
                currency.code.to_ascii_lowercase(),
            ),
            key: self.key(account, charge),
            command: Some(PaymentCommand { latency: latency(self, ask), answer }.to_string()),
        }
    }

    /// Asks to give a payment back.
    pub(super) fn refund(&self, account: AccountId, charge: Charge, intent: &str) -> Request {
        Request {
            path: "/v1/refunds",
            form: format!("payment_intent={intent}"),
            key: format!("{}-refund", self.key(account, charge)),
            command: None,
        }
    }

    /// The same for the same attempt, and for nothing else.
    fn key(&self, account: AccountId, charge: Charge) -> String {
        format!("{}-{}-{}-{}", self.run, account.0, name(charge.purpose), charge.attempt)
    }
}

/// What an answer means; `None` where it leaves open whether anything was done.
pub(super) fn read(status: u16, body: &[u8]) -> Option<Said> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = |field: &str| body["error"][field].as_str().unwrap_or_default();
    match status {
        200 if body["status"] == "succeeded" => {
            Some(Said::Paid { intent: body["id"].as_str().unwrap_or_default().to_owned() })
        }
        402 => Decline::ALL
            .into_iter()
            .find(|decline| decline.name() == error("decline_code"))
            .map(Said::Declined)
            .or_else(|| Some(Said::Refused(format!("declined with `{}`", error("decline_code"))))),
        500.. if error("code") == PaymentCommand::ERROR_CODE => Some(Said::Failed),
        409 | 429 | 500.. => None,
        _ => Some(Said::Refused(format!("{status}: {}", error("message")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_whole_number_of_the_smallest_unit() {
        let of = |code: &str, nanos: i64| minor(Money::from_nanos(nanos), Currency::from_code(code).unwrap());
        assert_eq!(of("USD", 10_500_000_000), 1_050);
        assert_eq!([of("USD", 10_505_000_000), of("USD", 10_515_000_000)], [1_050, 1_052]);
        assert_eq!(of("JPY", 500_000_000), 500);
        assert_eq!(of("KWD", 1_050_000_000), 1_050);
    }

    #[test]
    fn an_answer_says_what_became_of_the_charge_or_leaves_it_open() {
        let declined = br#"{"error": {"code": "card_declined", "decline_code": "do_not_honor"}}"#;
        let commanded = br#"{"error": {"code": "mock_commanded"}}"#;
        let paid = br#"{"id": "pi_1", "status": "succeeded"}"#;
        assert_eq!(read(200, paid), Some(Said::Paid { intent: "pi_1".to_owned() }));
        assert_eq!(read(402, declined), Some(Said::Declined(Decline::DoNotHonor)));
        assert_eq!(read(503, commanded), Some(Said::Failed));
        for (status, body) in [(500, &b"{}"[..]), (503, b"{}"), (409, b"{}"), (429, b"{}"), (200, b"{\"id\": ")] {
            assert_eq!(read(status, body), None, "{status}");
        }
        for status in [200, 400, 402, 404] {
            assert!(matches!(read(status, b"{}"), Some(Said::Refused(_))), "{status}");
        }
    }
}
