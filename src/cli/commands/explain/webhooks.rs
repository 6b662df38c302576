//! What is told of payments that the account hears of by webhook: when they were made, when it heard, and what went wrong
//! in between.

use farebox_engine::billing::decline::Answer;
use farebox_engine::billing::inbox::{Event, Hearing, Told};
use farebox_engine::billing::ledger::Movement;
use farebox_engine::money::{Currency, Money};
use farebox_engine::time::{Now, Span};
use farebox_engine::world::Via;
use farebox_engine::world::note::{Note, Noted, Sent};
use farebox_engine::world::party::Party;

use crate::report::explain::{Ending, Fact, length};
use crate::report::text::counted;

/// Calls that were answered wrongly since the account last heard something new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meanwhile {
    refused: u64,
    let_through: u64,
}

impl Meanwhile {
    pub(super) fn add(&mut self, ending: Ending) {
        match ending {
            Ending::RefusedWrongly(_) => self.refused += 1,
            Ending::LetThroughWrongly(_) => self.let_through += 1,
            _ => {}
        }
    }

    /// What a note is told as. With news the account is right again, and what was wrong until then is told, too.
    pub(super) fn tell(&mut self, note: &Note) -> Vec<Fact> {
        let fact = |text: String| Fact { text, amount: Some(note.event.charge.amount) };
        let (done, what) = (done(&note.event), noun(&note.event));
        match note.what {
            Noted::Happened(Sent::OnItsWay) => vec![fact(format!("at the processor: {done}"))],
            Noted::Happened(Sent::Lost) => {
                vec![fact(format!("at the processor, and no webhook will tell of it: {done}"))]
            }
            Noted::Told { hearing: Hearing::Duplicate, .. } => {
                vec![fact(format!("ignored, a webhook of what is known by now: the {what} of"))]
            }
            Noted::Told { hearing: Hearing::Stale, .. } => {
                vec![fact(format!("ignored, a webhook that a newer one has overtaken: the {what} of"))]
            }
            Noted::Told { hearing: Hearing::News, via, late, wrongly_blocked, wrongly_served } => {
                let how = match via {
                    Via::Webhook => "heard by webhook",
                    Via::Reconciliation => "found by asking the processor",
                };
                let heard = fact(format!("{how}, {} late: the {what} of", length(late.ns())));
                let wrong = std::mem::take(self).wrong(wrongly_blocked, wrongly_served);
                [heard].into_iter().chain(wrong.map(|text| Fact { text, amount: None })).collect()
            }
        }
    }

    /// What went wrong, if anything did.
    fn wrong(self, blocked: Span, served: Span) -> Option<String> {
        let lasting = |how: &str, span: Span| (span > Span::ZERO).then(|| format!("{how} for {}", length(span.ns())));
        let calls = |count: u64, how: &str| (count > 0).then(|| format!("{} {how}", counted(count, "call")));
        let parts = [
            lasting("wrongly blocked", blocked),
            calls(self.refused, "refused wrongly"),
            lasting("wrongly served", served),
            calls(self.let_through, "let through wrongly"),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("until then {}", parts.join(", ")))
    }
}

fn done(event: &Event) -> &'static str {
    match event.told {
        Told::Answered(Answer::Paid) => "paid",
        Told::Answered(Answer::Declined(_)) => "declined",
        Told::Answered(Answer::Error) => "met an error",
        Told::Returned(Movement::Refund) => "refunded",
        Told::Returned(_) => "charged back",
    }
}

fn noun(event: &Event) -> &'static str {
    match event.told {
        Told::Answered(Answer::Paid) => "payment",
        Told::Answered(Answer::Declined(_)) => "decline",
        Told::Answered(Answer::Error) => "error",
        Told::Returned(Movement::Refund) => "refund",
        Told::Returned(_) => "chargeback",
    }
}

/// What the account has not heard of when the time ends, behind how it stands.
pub(super) fn unheard(party: &Party, end: Now, currency: Currency) -> String {
    let told = party.unheard().iter().map(|event| {
        let amount: Money = event.charge.amount;
        let (what, ago) = (noun(event), length(end.traffic.since(event.at.traffic).ns()));
        format!("; not heard of: the {what} of {} {ago} before", currency.display(amount.nanos().into()))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use farebox_engine::billing::cause::Cause;
    use farebox_engine::billing::decline::Decline;
    use farebox_engine::billing::invoice::{Charge, Purpose};
    use farebox_engine::money::CURRENCIES;
    use farebox_engine::time::{HOUR, MINUTE, SECOND, Time};

    use super::*;

    fn note(told: Told, what: Noted) -> Note {
        let charge = Charge { purpose: Purpose::Period(1), attempt: 1, amount: Money::from_nanos(49_000_000_000) };
        Note { event: Event { charge, told, at: Now { traffic: Time::START, billing: Time::START } }, what }
    }

    fn heard(hearing: Hearing, via: Via, blocked: u64, served: u64) -> Noted {
        let (late, wrongly_blocked) = (Span::from_ns(2 * HOUR), Span::from_ns(blocked));
        Noted::Told { via, hearing, late, wrongly_blocked, wrongly_served: Span::from_ns(served) }
    }

    fn told(meanwhile: &mut Meanwhile, note: &Note) -> String {
        let currency = CURRENCIES[0];
        let fact = |fact: Fact| match fact.amount {
            Some(amount) => format!("{} {}", fact.text, currency.display(amount.nanos().into())),
            None => fact.text,
        };
        meanwhile.tell(note).into_iter().map(fact).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_note_is_told() {
        let declined = Told::Answered(Answer::Declined(Decline::DoNotHonor));
        let paid = Told::Answered(Answer::Paid);
        let (refunded, charged_back) = (Told::Returned(Movement::Refund), Told::Returned(Movement::Chargeback));
        let (webhook, asked) = (Via::Webhook, Via::Reconciliation);
        for (told_of, what, expected) in [
            (paid, Noted::Happened(Sent::OnItsWay), "at the processor: paid $49.00"),
            (
                declined,
                Noted::Happened(Sent::Lost),
                "at the processor, and no webhook will tell of it: declined $49.00",
            ),
            (refunded, Noted::Happened(Sent::OnItsWay), "at the processor: refunded $49.00"),
            (charged_back, Noted::Happened(Sent::OnItsWay), "at the processor: charged back $49.00"),
            (
                paid,
                heard(Hearing::Duplicate, webhook, 0, 0),
                "ignored, a webhook of what is known by now: the payment of $49.00",
            ),
            (
                declined,
                heard(Hearing::Stale, webhook, 0, 0),
                "ignored, a webhook that a newer one has overtaken: the decline of $49.00",
            ),
            (refunded, heard(Hearing::News, webhook, 0, 0), "heard by webhook, 2h late: the refund of $49.00"),
            (
                charged_back,
                heard(Hearing::News, asked, 0, MINUTE),
                "found by asking the processor, 2h late: the chargeback of $49.00; until then wrongly served for 1min",
            ),
            (
                paid,
                heard(Hearing::News, asked, 90 * SECOND, 0),
                "found by asking the processor, 2h late: the payment of $49.00; until then wrongly blocked for 1min 30s",
            ),
        ] {
            assert_eq!(told(&mut Meanwhile::default(), &note(told_of, what)), expected);
        }
    }

    /// Wrong answers are told with the next news, and not once more; what is no news ends nothing.
    #[test]
    fn calls_that_were_answered_wrongly_are_told_once() {
        let mut meanwhile = Meanwhile::default();
        for ending in [
            Ending::RefusedWrongly(Cause::PastDue),
            Ending::Refused(Cause::PastDue),
            Ending::RefusedWrongly(Cause::CreditExhausted),
            Ending::LetThroughWrongly(Cause::PastDue),
            Ending::Served,
        ] {
            meanwhile.add(ending);
        }
        let paid = |hearing| note(Told::Answered(Answer::Paid), heard(hearing, Via::Webhook, 0, 0));
        assert!(!told(&mut meanwhile, &paid(Hearing::Duplicate)).contains("until then"));
        let first = told(&mut meanwhile, &paid(Hearing::News));
        assert!(first.ends_with("; until then 2 calls refused wrongly, 1 call let through wrongly"), "{first}");
        assert!(!told(&mut meanwhile, &paid(Hearing::News)).contains("until then"));
    }
}
