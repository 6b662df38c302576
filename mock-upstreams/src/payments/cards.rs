//! The test cards: their numbers, their names as tokens and payment methods, and what each does.
//!
//! The table is Stripe's (<https://docs.stripe.com/testing>), as far as it is played. Any other number is refused, so that
//! nobody's card ends up in a mock.

use super::clock;
use super::error::ApiError;

/// A test card.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) number: &'static str,
    pub(super) brand: &'static str,
    /// `credit`, `debit` or `prepaid`.
    pub(super) funding: &'static str,
    pub(super) acts: Acts,
    /// What comes after `pm_card_` or `tok_`.
    pub(super) names: &'static [&'static str],
}

/// What a card does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Acts {
    /// It pays.
    Pays,
    /// It is declined, and when it is attached or set up too.
    Declines(&'static Decline),
    /// It can be attached and set up, and is declined when it is charged.
    DeclinesWhenCharged(&'static Decline),
    /// Its customer has to authenticate first, when `When` says so.
    Authenticates(When, Option<&'static Decline>),
    /// It pays on the days 1 to 15 of each month, in UTC, and has no funds on the others: this mock's own.
    PaysEarlyInTheMonth,
}

/// When a customer has to authenticate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// For every payment.
    Always,
    /// Not off session, once the card was set up for that.
    UnlessSetUp,
    /// Not off session: the card counts as set up.
    OnSession,
}

/// Why a card is declined.
#[derive(Debug, PartialEq)]
pub(super) struct Decline {
    pub(super) code: &'static str,
    /// The `decline_code`.
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
}

const fn declined(reason: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", reason, message }
}

const fn own(code: &'static str, message: &'static str) -> Decline {
    Decline { code, reason: code, message }
}

const GENERIC: Decline = declined("generic_decline", "Your card was declined.");
const NO_FUNDS: Decline = declined("insufficient_funds", "Your card has insufficient funds.");
const LOST: Decline = declined("lost_card", "Your card was declined.");
const STOLEN: Decline = declined("stolen_card", "Your card was declined.");
const VELOCITY: Decline = declined(
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
);
const EXPIRED: Decline = own("expired_card", "Your card has expired.");
const DO_NOT_HONOR: Decline = declined("do_not_honor", "Your card was declined.");
const TRY_AGAIN_LATER: Decline = declined("try_again_later", "Your card was declined. Please try again later.");
const REVOKED: Decline = declined("revocation_of_authorization", "Your card was declined.");
const WRONG_CVC: Decline = own("incorrect_cvc", "Your card's security code is incorrect.");
const PROCESSING: Decline =
    own("processing_error", "An error occurred while processing your card. Try again in a little bit.");
/// An off-session payment for which the customer would have to authenticate.
pub(super) const UNAUTHENTICATED: Decline = Decline {
    code: "authentication_required",
    reason: "authentication_required",
    message: "Your card was declined. This transaction requires authentication.",
};

const fn card(number: &'static str, brand: &'static str, acts: Acts, names: &'static [&'static str]) -> Card {
    Card { number, brand, funding: "credit", acts, names }
}

const fn funded(
    number: &'static str,
    brand: &'static str,
    funding: &'static str,
    names: &'static [&'static str],
) -> Card {
    Card { number, brand, funding, acts: Acts::Pays, names }
}

/// All test cards.
pub(super) static CARDS: [Card; 33] = [
    card("4242424242424242", "visa", Acts::Pays, &["visa"]),
    funded("4000056655665556", "visa", "debit", &["visa_debit"]),
    card("5555555555554444", "mastercard", Acts::Pays, &["mastercard"]),
    card("2223003122003222", "mastercard", Acts::Pays, &[]),
    funded("5200828282828210", "mastercard", "debit", &["mastercard_debit"]),
    funded("5105105105105100", "mastercard", "prepaid", &["mastercard_prepaid"]),
    card("378282246310005", "amex", Acts::Pays, &["amex"]),
    card("371449635398431", "amex", Acts::Pays, &[]),
    card("6011111111111117", "discover", Acts::Pays, &["discover"]),
    card("6011000990139424", "discover", Acts::Pays, &[]),
    card("3056930009020004", "diners", Acts::Pays, &["diners"]),
    card("3566002020360505", "jcb", Acts::Pays, &["jcb"]),
    card("6200000000000005", "unionpay", Acts::Pays, &["unionpay"]),
    card("4000000000000002", "visa", Acts::Declines(&GENERIC), &["chargeDeclined"]),
    card("4000000000009995", "visa", Acts::Declines(&NO_FUNDS), &["chargeDeclinedInsufficientFunds"]),
    card("4000000000009987", "visa", Acts::Declines(&LOST), &["chargeDeclinedLostCard"]),
    card("4000000000009979", "visa", Acts::Declines(&STOLEN), &["chargeDeclinedStolenCard"]),
    card("4000000000000069", "visa", Acts::Declines(&EXPIRED), &["chargeDeclinedExpiredCard"]),
    card("4000000000000127", "visa", Acts::Declines(&WRONG_CVC), &["chargeDeclinedIncorrectCvc"]),
    card("4000000000000119", "visa", Acts::Declines(&PROCESSING), &["chargeDeclinedProcessingError"]),
    card("4000000000006975", "visa", Acts::Declines(&VELOCITY), &["chargeDeclinedVelocityLimitExceeded"]),
    card("4000000000000341", "visa", Acts::DeclinesWhenCharged(&GENERIC), &["chargeCustomerFail"]),
    card("4000002500003155", "visa", Acts::Authenticates(When::UnlessSetUp, None), &["authenticationRequiredOnSetup"]),
    card("4000002760003184", "visa", Acts::Authenticates(When::Always, None), &["authenticationRequired"]),
    card(
        "4000003800000446",
        "visa",
        Acts::Authenticates(When::OnSession, None),
        &["authenticationRequiredSetupForOffSession"],
    ),
    card(
        "4000008260003178",
        "visa",
        Acts::Authenticates(When::Always, Some(&NO_FUNDS)),
        &["authenticationRequiredChargeDeclinedInsufficientFunds"],
    ),
    card("4000000000003220", "visa", Acts::Authenticates(When::Always, None), &["threeDSecure2Required"]),
    card("4000000000003063", "visa", Acts::Authenticates(When::Always, None), &["threeDSecureRequired"]),
    card("4000000000000077", "visa", Acts::Pays, &["bypassPending"]),
    card("4012888888881881", "visa", Acts::Pays, &[]),
    card("38520000023237", "diners", Acts::Pays, &[]),
    card("3530111333300000", "jcb", Acts::Pays, &[]),
    card("4000000000001513", "visa", Acts::PaysEarlyInTheMonth, &["mock_paysEarlyInTheMonth"]),
];

impl Card {
    /// The card with this number. Errors in Stripe's words where there is none.
    pub(super) fn of_number(number: &str) -> Result<&'static Self, ApiError> {
        let digits: String = number.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        if let Some(card) = CARDS.iter().find(|card| card.number == digits) {
            return Ok(card);
        }
        if !(12..=19).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            let message = "The card number is not a valid credit card number.";
            return Err(ApiError::card("invalid_number", None, message).about("number"));
        }
        if !is_checked(&digits) {
            return Err(ApiError::card("incorrect_number", None, "Your card number is incorrect.").about("number"));
        }
        let message = "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list \
                       of valid test cards, visit: https://stripe.com/docs/testing.";
        Err(ApiError::card("card_declined", Some("test_mode_live_card"), message))
    }

    /// The card of `pm_card_NAME`, where the prefix is `pm_card_`, or of `tok_NAME`. Newer names have the brand before a
    /// decline, `visa_chargeDeclined`.
    pub(super) fn named(text: &str, prefix: &str) -> Option<&'static Self> {
        let name = text.strip_prefix(prefix)?;
        let by = |name: &str| CARDS.iter().find(|card| card.names.contains(&name));
        by(name).or_else(|| by(name.strip_prefix("visa_").filter(|name| name.starts_with("charge"))?))
    }

    /// The last four digits.
    pub(super) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// Why it cannot be attached or set up.
    pub(super) fn declines_attaching(&self) -> Option<&'static Decline> {
        match self.acts {
            Acts::Declines(decline) => Some(decline),
            _ => None,
        }
    }

    /// Why it is not charged at a moment; of a card with this last month. Authentication is not looked at.
    pub(super) fn declines(&self, expires: (i64, i64), now: i64) -> Option<&'static Decline> {
        let (year, month, day) = clock::date(now);
        if (year, month) > expires {
            return Some(&EXPIRED);
        }
        match self.acts {
            Acts::Pays => None,
            Acts::Declines(decline) | Acts::DeclinesWhenCharged(decline) => Some(decline),
            Acts::Authenticates(_, decline) => decline,
            Acts::PaysEarlyInTheMonth => (day > 15).then_some(&NO_FUNDS),
        }
    }

    /// Whether the customer has to authenticate for a payment.
    pub(super) fn authenticates(&self, is_off_session: bool, is_set_up: bool) -> bool {
        match self.acts {
            Acts::Authenticates(When::Always, _) => true,
            Acts::Authenticates(When::UnlessSetUp, _) => !is_off_session || !is_set_up,
            Acts::Authenticates(When::OnSession, _) => !is_off_session,
            _ => false,
        }
    }

    /// Whether the customer has to authenticate to set it up.
    pub(super) fn authenticates_setup(&self) -> bool {
        matches!(self.acts, Acts::Authenticates(When::Always | When::UnlessSetUp, _))
    }
}

/// What a payment can be declined for by command.
static DECLINES: [Decline; 12] = [
    GENERIC,
    NO_FUNDS,
    LOST,
    STOLEN,
    VELOCITY,
    DO_NOT_HONOR,
    TRY_AGAIN_LATER,
    REVOKED,
    EXPIRED,
    WRONG_CVC,
    PROCESSING,
    UNAUTHENTICATED,
];

impl Decline {
    /// By its `decline_code`.
    pub(super) fn named(code: &str) -> Option<&'static Self> {
        DECLINES.iter().find(|decline| decline.reason == code)
    }

    /// The codes of all that there are.
    pub(super) fn codes() -> impl Iterator<Item = &'static str> {
        DECLINES.iter().map(|decline| decline.reason)
    }

    /// The error of the answer.
    pub(super) fn error(&self) -> ApiError {
        ApiError::card(self.code, Some(self.reason), self.message)
    }
}

/// Luhn's check digit (ISO/IEC 7812-1).
fn is_checked(digits: &str) -> bool {
    let double = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let digits = digits.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits.enumerate().map(|(place, digit)| if place % 2 == 1 { double(digit) } else { digit }).sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_found_by_its_number_and_its_names() {
        for card in &CARDS {
            assert!(is_checked(card.number), "{}", card.number);
            assert_eq!(Card::of_number(card.number).unwrap().number, card.number);
            for name in card.names {
                assert_eq!(Card::named(&format!("pm_card_{name}"), "pm_card_").unwrap().number, card.number);
                assert_eq!(Card::named(&format!("tok_{name}"), "tok_").unwrap().number, card.number);
            }
        }
        assert_eq!(Card::of_number("4242 4242-4242 4242").unwrap().last4(), "4242");
        assert_eq!(Card::named("pm_card_visa_chargeDeclined", "pm_card_").unwrap().last4(), "0002");
        assert!(Card::named("pm_card_visa_debit_chargeDeclined", "pm_card_").is_none());
    }

    #[test]
    fn other_numbers_are_told_apart() {
        let code = |number: &str| Card::of_number(number).unwrap_err().fields()["code"].as_str().unwrap().to_owned();
        assert_eq!(code("4242424242424241"), "incorrect_number");
        assert_eq!(code("4242"), "invalid_number");
        assert_eq!(code("4242-x242-4242-4242"), "invalid_number");
        assert_eq!(code("4111111111111111"), "card_declined");
        let fields = Card::of_number("4111111111111111").unwrap_err().fields();
        assert_eq!(fields["decline_code"], "test_mode_live_card");
    }

    #[test]
    fn a_card_expires_when_its_last_month_is_over() {
        let card = Card::of_number("4242424242424242").unwrap();
        let (february, march) = (1_772_323_199, 1_772_323_200);
        assert_eq!(card.declines((2026, 2), february), None);
        assert_eq!(card.declines((2026, 2), march), Some(&EXPIRED));
        let early = Card::named("pm_card_mock_paysEarlyInTheMonth", "pm_card_").unwrap();
        let days = [0, 14, 15, 30].map(|days| early.declines((2030, 1), march + days * clock::DAY).is_none());
        assert_eq!(days, [true, true, false, false]);
        assert_eq!(early.declines((2030, 1), february), Some(&NO_FUNDS));
    }
}
