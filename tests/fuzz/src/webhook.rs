//! Any bytes as a webhook: the first line is the header with its signature, the rest its body. Nobody who does not know the
//! secret is believed; what is signed is, as long as nothing of it changes; and what a body tells can be told again.

#![no_main]

use std::time::Duration;

use farebox::live::webhooks::notice::{ACCOUNT, ATTEMPT, About, Notice, PURPOSE, Untold, name};
use farebox::live::webhooks::signature::{TOLERANCE, Unverified, Verifier};
use farebox_engine::billing::decline::Answer;
use farebox_engine::billing::inbox::Told;
use farebox_engine::billing::ledger::Movement;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use sha2::Sha256;

/// What no input has signed with.
const SECRET: &str = "whsec_of_nobody_who_fuzzes";
/// When it is looked at, in seconds since 1970.
const NOW: i64 = 1_800_000_000;

fuzz_target!(|bytes: &[u8]| {
    let (header, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let body = rest.get(1..).unwrap_or_default();
    look_at_strangers(header, body);
    look_at_signed(header, body);
    look_at_body(body);
});

/// Whatever the header says, however old it may be.
fn look_at_strangers(header: &[u8], body: &[u8]) {
    for tolerance in [Duration::ZERO, TOLERANCE, Duration::MAX] {
        assert!(Verifier::new(SECRET, tolerance).verify(header, body, NOW).is_err(), "a stranger is believed");
    }
}

/// Behind what a stranger has written stands the time and the signature of one who knows the secret.
fn look_at_signed(header: &[u8], body: &[u8]) {
    let believes = |header: &[u8], body: &[u8], now| Verifier::new(SECRET, TOLERANCE).verify(header, body, now);
    let own = format!("t={NOW},v1={}", signature(body));
    assert_eq!(believes(own.as_bytes(), body, NOW), Ok(()));
    assert_eq!(believes(own.as_bytes(), &[body, b" "].concat(), NOW), Err(Unverified::Forged), "another body");
    assert_eq!(believes(own.as_bytes(), body, NOW + 301), Err(Unverified::TooOld));
    // Other parts of a header may crowd it out, and make it no forgery.
    let beside = [header, b",", own.as_bytes()].concat();
    let believed = believes(&beside, body, NOW);
    assert!(matches!(believed, Ok(()) | Err(Unverified::Forged)), "{believed:?}: {}", beside.escape_ascii());
}

/// As docs.stripe.com/webhooks has it, in hexadecimal digits.
fn signature(body: &[u8]) -> String {
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key may have any length");
    let signed = [format!("{NOW}.").as_bytes(), body].into_iter().fold(key, Mac::chain_update);
    signed.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is understood reads the same when it is written anew.
fn look_at_body(body: &[u8]) {
    let notice = match Notice::read(body) {
        Ok(notice) => notice,
        Err(Untold::Malformed | Untold::Elsewhere) => return,
    };
    let mut object = match &notice.about {
        About::Payment(payment) => json!({ "metadata": {
            ACCOUNT: payment.account.0.to_string(),
            PURPOSE: name(payment.purpose),
            ATTEMPT: payment.attempt.to_string(),
        } }),
        About::Intent(intent) => json!({ "payment_intent": intent }),
    };
    let (kind, error) = match notice.told {
        Told::Answered(Answer::Paid) => ("payment_intent.succeeded", json!(null)),
        Told::Answered(Answer::Declined(why)) => {
            ("payment_intent.payment_failed", json!({ "decline_code": why.name() }))
        }
        Told::Returned(Movement::Refund) => ("charge.refunded", json!(null)),
        Told::Returned(Movement::Chargeback) => ("charge.dispute.created", json!(null)),
        told => panic!("no webhook tells of {told:?}"),
    };
    object["last_payment_error"] = error;
    let again = json!({ "type": kind, "data": { "object": object } }).to_string();
    assert_eq!(Notice::read(again.as_bytes()), Ok(notice), "{again}");
}
