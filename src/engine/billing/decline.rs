//! What a payment processor says to a charge, in the words of the field.
//!
//! The codes are those of Stripe's decline list, which other processors map theirs to; a handful of them stand for the
//! rest. What matters to the rules is whether a retry on the same card can help: soft declines are retried, hard ones
//! end a dunning run until there is another card (docs.stripe.com/billing/revenue-recovery/smart-retries). About four of
//! five declines are soft (Recurly 2018, 1,300 sites; Slicker 2026).

/// Why a charge was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Decline {
    /// There is no money behind the card just now: the most frequent reason.
    InsufficientFunds,
    /// The bank gives no reason.
    DoNotHonor,
    /// The bank could not be asked, or asks to be asked later.
    TryAgainLater,
    /// The card is past its date. Stripe itself tries on; nothing but a new card, from the consumer or from the card
    /// networks' updater, makes it pay, so here it is hard.
    ExpiredCard,
    /// The card was reported lost.
    LostCard,
    /// The card was reported stolen.
    StolenCard,
    /// The holder has withdrawn the authorisation.
    Revoked,
    /// The holder must be present to confirm, and is not.
    AuthenticationRequired,
}

impl Decline {
    /// Every reason, in the order of its index.
    pub const ALL: [Self; 8] = [
        Self::InsufficientFunds,
        Self::DoNotHonor,
        Self::TryAgainLater,
        Self::ExpiredCard,
        Self::LostCard,
        Self::StolenCard,
        Self::Revoked,
        Self::AuthenticationRequired,
    ];

    /// Its place in [`Decline::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its code, as Stripe spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::DoNotHonor => "do_not_honor",
            Self::TryAgainLater => "try_again_later",
            Self::ExpiredCard => "expired_card",
            Self::LostCard => "lost_card",
            Self::StolenCard => "stolen_card",
            Self::Revoked => "revocation_of_authorization",
            Self::AuthenticationRequired => "authentication_required",
        }
    }

    /// Whether no retry on the same card can help.
    pub const fn is_hard(self) -> bool {
        match self {
            Self::InsufficientFunds | Self::DoNotHonor | Self::TryAgainLater => false,
            Self::ExpiredCard | Self::LostCard | Self::StolenCard | Self::Revoked | Self::AuthenticationRequired => {
                true
            }
        }
    }
}

/// What the processor says to one attempt to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Captured.
    Paid,
    /// Declined; nothing was captured.
    Declined(Decline),
    /// The processor itself failed: neither captured nor declined. It says nothing about the card.
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_at_its_index_and_no_two_share_a_name() {
        for (i, decline) in Decline::ALL.iter().enumerate() {
            assert_eq!(decline.index(), i);
            assert!(Decline::ALL[..i].iter().all(|other| other.name() != decline.name()));
        }
    }
}
