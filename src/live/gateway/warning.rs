//! What a served call is told about its account before it is refused: `farebox-warning: past_due;until=@1773532800`.
//!
//! A structured field (RFC 9651): a list of tokens, each with a parameter `until`, which is a Date. So a client reads it with
//! the parser that it has for such fields.

use std::fmt::Write as _;

use farebox_engine::time::Time as Billing;
use farebox_engine::world::reminder::Told;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use super::super::accounts::AccountId;
use super::Worker;
use super::refusal::wall_time;

/// Says what will end, and when.
pub(super) const WARNING: HeaderName = HeaderName::from_static("farebox-warning");

/// What a call is told, as it was when it was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Warned {
    /// It passed only because of grace.
    pub(super) in_grace: bool,
    /// What its consumer was reminded of.
    pub(super) told: Told,
}

impl Warned {
    /// Of nothing: as nearly every call.
    pub(super) const NOT: Self = Self { in_grace: false, told: Told { card: None, trial: None } };
}

impl Worker {
    /// What a call is told. `is_scheduled`: in a lockstep, whose times are on no clock of the wall. Of grace, the account is
    /// asked again when it ends; if it has paid meanwhile, there is no end to tell.
    pub(super) fn warning(&self, account: AccountId, warned: Warned, is_scheduled: bool) -> HeaderValue {
        let now = self.clock().now().traffic;
        let clock = self.accounts().world().schedule.pace().clock;
        let until = |ends: Billing| wall_time(clock.traffic_at(ends).since(now)).filter(|_| !is_scheduled);
        let grace = || self.accounts().in_grace_until(account).and_then(until);
        let Warned { in_grace, told: Told { card, trial } } = warned;
        let warnings = [
            in_grace.then(|| ("past_due", grace())),
            card.map(|ends| ("card_expires", until(ends))),
            trial.map(|ends| ("trial_ends", until(ends))),
        ];
        written(warnings.into_iter().flatten())
    }
}

/// Warnings as they are sent, each with its end, where that is known.
fn written(warnings: impl IntoIterator<Item = (&'static str, Option<Timestamp>)>) -> HeaderValue {
    let mut text = String::new();
    for (token, until) in warnings {
        let gap = if text.is_empty() { "" } else { ", " };
        let wrote = match until {
            Some(until) => write!(text, "{gap}{token};until=@{}", until.as_second()),
            None => write!(text, "{gap}{token}"),
        };
        wrote.expect("a String takes everything");
    }
    HeaderValue::try_from(text).expect("tokens and digits are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9651 §4.1.10: a Date is an Integer of seconds with `@` before it; §4.1.1: members of a list are apart by a comma
    /// and a blank; §4.1.1.2: no blank before a parameter.
    #[test]
    fn warnings_are_tokens_with_dates() {
        let until = Some("2026-03-15T00:00:00Z".parse().expect("a time"));
        for (warnings, text) in [
            (&[("past_due", until)][..], "past_due;until=@1773532800"),
            (&[("past_due", None)], "past_due"),
            (&[("past_due", None), ("card_expires", until)], "past_due, card_expires;until=@1773532800"),
            (&[("card_expires", until), ("trial_ends", None)], "card_expires;until=@1773532800, trial_ends"),
        ] {
            assert_eq!(written(warnings.iter().copied()), text);
        }
    }
}
