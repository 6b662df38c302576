//! How long an account is blocked: refused because an invoice is unpaid.
//!
//! That is `past_due` after grace, `unpaid`, and `incomplete` from the first attempt that did not pay, or that could not
//! be made. It is counted on the billing clock from the moments at which the account's standing changes, so it is exact
//! whether or not anybody calls meanwhile, and needs no look at the moment at which grace ends by itself.

use crate::billing::account::{Account, Status};
use crate::billing::tally::Count;
use crate::time::Time;

impl Account {
    /// The status, or the end of grace, may be another from this moment on.
    pub(super) fn watch_blocked(&mut self) {
        let at = self.seen.billing;
        let from = match self.status {
            Status::PastDue => self.receivables.grace_ends().max(at),
            Status::Unpaid => at,
            Status::Incomplete if self.blocked_from <= at => at,
            _ => Time::NEVER,
        };
        self.blocked_since(from);
    }

    /// The first payment was asked for and not made, or there is nothing to make it with: it is no longer only waited for.
    pub(super) fn first_payment_failed(&mut self) {
        if self.status == Status::Incomplete {
            self.blocked_from = self.blocked_from.min(self.seen.billing);
        }
    }

    /// Counts what has passed by now, and goes on from this moment, which may be one to come.
    pub(super) fn blocked_since(&mut self, from: Time) {
        let at = self.seen.billing;
        if self.blocked_from < at {
            if self.tally.blocked_ns == 0 {
                self.tally.count(Count::Blocked);
            }
            self.tally.blocked_ns += u128::from(at.since(self.blocked_from).ns());
        }
        self.blocked_from = from;
    }
}
