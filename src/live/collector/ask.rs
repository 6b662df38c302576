//! How the processor is asked: for charges, for what goes back, for what no webhook has told; and what its answers mean.

use std::sync::Arc;
use std::time::Duration;

use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::decline::{Answer, Decline};
use farebox_engine::billing::inbox::Told;
use farebox_engine::billing::invoice::Charge;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::price;
use farebox_engine::money::{Currency, Money};
use farebox_engine::time::Span;
use farebox_engine::world::World;
use farebox_engine::world::outside::Ask;
use mock_upstreams::payments::{DeliveryCommand, PaymentCommand};
use serde_json::{Value, json};

use super::Options;
use crate::live::accounts::AccountId;
use crate::live::webhooks::notice::{ACCOUNT, ATTEMPT, KINDS, PURPOSE, name};

/// A request that may be sent any number of times, and is executed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) does: Does,
    pub(super) command: Option<String>,
}

/// What it is sent for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// To read something.
    Get,
    /// To do something, with a form, under this key.
    Post { form: String, key: String },
    /// To do something of the mock's own, which it does once.
    Drive { json: String },
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
    consumers: Vec<Consumer>,
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
        let consumers = world.consumers().collect();
        Self { world, consumers, run: options.run.clone(), is_timed: options.clock.is_some() }
    }

    /// Asks for a charge, and tells the processor what the model has drawn for it.
    pub(super) fn charge(&self, account: AccountId, ask: Ask) -> Request {
        let Ask { charge, answer, .. } = ask;
        let currency = self.world.scenario.currency;
        let amount = minor(charge.amount, currency);
        let (number, what, attempt) = (account.0, name(charge.purpose), charge.attempt);
        let deliveries = self.deliveries(account, charge, Told::Answered(answer));
        let answer = match answer {
            Answer::Paid => PaymentCommand::PAID,
            Answer::Declined(decline) => decline.name(),
            Answer::Error => PaymentCommand::ERROR,
        };
        let form = format!(
            "amount={amount}&currency={}&confirm=true&off_session=true&payment_method=pm_card_visa&\
             metadata[{ACCOUNT}]={number}&metadata[{PURPOSE}]={what}&metadata[{ATTEMPT}]={attempt}",
            currency.code.to_ascii_lowercase(),
        );
        let command = PaymentCommand { latency: latency(self, ask), answer, deliveries: deliveries.as_deref() };
        Request {
            path: "/v1/payment_intents".to_owned(),
            does: Does::Post { form, key: self.key(account, charge) },
            command: Some(command.to_string()),
        }
    }

    /// Asks to give a payment back that nobody owed any more: there is nothing to tell the account.
    pub(super) fn give_back(&self, account: AccountId, charge: Charge, intent: &str) -> Request {
        let does = Does::Post {
            form: format!("payment_intent={intent}"),
            key: format!("{}-refund", self.key(account, charge)),
        };
        Request { path: "/v1/refunds".to_owned(), does, command: None }
    }

    /// Lets a captured payment go back: the consumer is given it, or their bank takes it. The processor is told how to tell
    /// the account.
    pub(super) fn send_back(&self, account: AccountId, charge: Charge, intent: &str, movement: Movement) -> Request {
        let deliveries = self.deliveries(account, charge, Told::Returned(movement));
        let command = deliveries.map(|deliveries| DeliveryCommand(&deliveries).to_string());
        let refund = self.give_back(account, charge, intent);
        if movement == Movement::Refund {
            return Request { command, ..refund };
        }
        let json = json!({ "payment_intent": intent }).to_string();
        Request { path: "/_mock/dispute".to_owned(), does: Does::Drive { json }, command }
    }

    /// Asks which payment of the gateway's this one is.
    pub(super) fn payment(intent: &str) -> Request {
        Request { path: format!("/v1/payment_intents/{intent}"), does: Does::Get, command: None }
    }

    /// Asks for the events that no webhook has taken, those on one side of another event, if one is named
    /// (<https://docs.stripe.com/webhooks/process-undelivered-events>).
    pub(super) fn undelivered(side: &str, event: Option<&str>) -> Request {
        let kinds = KINDS.map(|kind| format!("&types[]={kind}")).concat();
        let from = event.map_or_else(String::new, |event| format!("&{side}={event}"));
        let path = format!("/v1/events?delivery_success=false&limit=100{kinds}{from}");
        Request { path, does: Does::Get, command: None }
    }

    /// How long after an event the processor is to deliver it, each time: in lockstep, where nobody waits, at once.
    fn deliveries(&self, account: AccountId, charge: Charge, told: Told) -> Option<Vec<Duration>> {
        let deliveries = self.world.deliveries(self.consumers[account.0 as usize], charge, told)?;
        let after = |span: &Span| if self.is_timed { Duration::from_nanos(span.ns()) } else { Duration::ZERO };
        Some(deliveries.iter().map(after).collect())
    }

    /// The same for the same attempt, and for nothing else.
    fn key(&self, account: AccountId, charge: Charge) -> String {
        format!("{}-{}-{}-{}", self.run, account.0, name(charge.purpose), charge.attempt)
    }
}

/// What an answer to a charge means; `None` where it leaves open whether anything was done.
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

/// What was asked for, or why it is refused; `None` where that is left open.
pub(super) fn found(status: u16, body: &[u8]) -> Option<Result<Value, String>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match status {
        200 => Some(Ok(body)),
        409 | 429 | 500.. => None,
        _ => Some(Err(format!("{status}: {}", body["error"]["message"].as_str().unwrap_or_default()))),
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
