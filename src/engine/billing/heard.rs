//! What it costs that an account hears late of its payments: how late, and for how long it was wrongly blocked or served
//! meanwhile. In traffic time, as the delay of webhooks is.

use crate::billing::account::{Account, Status};
use crate::billing::invoice::Purpose;
use crate::billing::tally::Count;
use crate::time::{Span, Time};

/// What an account has heard late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// How long after it had happened at the processor, each time, in their order; nothing that is heard at once is left
    /// out.
    pub late: Vec<Span>,
    /// How long its status refused what it would have served, had it heard at once.
    pub wrongly_blocked: Span,
    /// How long its status served what it would have refused.
    pub wrongly_served: Span,
}

/// When an account refuses for its status, as things stand: until one moment, and from another one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stance {
    /// Suspended until then.
    pub(crate) until: Time,
    /// Unpaid or over from then on; [`Time::NEVER`]: it is not.
    pub(crate) from: Time,
}

impl Stance {
    fn refuses(self, at: Time) -> bool {
        at < self.until || at >= self.from
    }

    /// The same on another clock.
    pub(crate) fn map(self, on: impl Fn(Time) -> Time) -> Self {
        Self { until: on(self.until), from: on(self.from) }
    }
}

/// For how long of [from, until) one who stands as `before` refused what one who stands as `after` would have served, and
/// served what that one would have refused.
pub(crate) fn wrongly(before: Stance, after: Stance, from: Time, until: Time) -> [Span; 2] {
    let until = until.max(from);
    let mut cuts = [from, before.until, before.from, after.until, after.from, until].map(|at| at.clamp(from, until));
    cuts.sort_unstable();
    let mut wrong = [Span::ZERO; 2];
    for pair in cuts.windows(2) {
        let length = pair[1].since(pair[0]);
        match (before.refuses(pair[0]), after.refuses(pair[0])) {
            (true, false) => wrong[0] = wrong[0] + length,
            (false, true) => wrong[1] = wrong[1] + length,
            _ => {}
        }
    }
    wrong
}

impl Account {
    /// When its status refuses, in billing time. Used-up allowances and credit are no matter of it.
    pub(crate) fn stance(&self) -> Stance {
        let from = match self.status {
            Status::Active | Status::Trialing => Time::NEVER,
            Status::PastDue => self.receivables.grace_ends(),
            _ => Time::from_ns(i64::MIN),
        };
        Stance { until: self.suspended_until, from }
    }

    /// Whether the processor was asked for this, and the account has not heard what became of it.
    pub(crate) fn awaits(&self, purpose: Purpose) -> bool {
        self.receivables.awaits(purpose) || self.is_upgrading(purpose) || self.awaits_credit(purpose)
    }

    /// It has heard something so late, and was wrong for so long meanwhile.
    pub(crate) fn heard_late(&mut self, late: Span, wrong: [Span; 2]) {
        let heard = self.heard.get_or_insert_default();
        heard.late.push(late);
        self.was_wrong(wrong);
    }

    /// It refused and served wrongly for so long.
    pub(crate) fn was_wrong(&mut self, [blocked, served]: [Span; 2]) {
        let heard = self.heard.get_or_insert_default();
        let before = [heard.wrongly_blocked, heard.wrongly_served];
        heard.wrongly_blocked = heard.wrongly_blocked + blocked;
        heard.wrongly_served = heard.wrongly_served + served;
        for (count, before, more) in
            [(Count::WronglyBlocked, before[0], blocked), (Count::WronglyServed, before[1], served)]
        {
            if before == Span::ZERO && more > Span::ZERO {
                self.tally.count(count);
            }
        }
    }

    /// What it has heard late; `None` where everything is heard at once.
    pub fn heard(&self) -> Option<&Heard> {
        self.heard.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ns: i64) -> Time {
        Time::from_ns(ns)
    }

    fn wrong(before: (i64, i64), after: (i64, i64)) -> [u64; 2] {
        let stance = |(until, from)| Stance { until: at(until), from: at(from) };
        wrongly(stance(before), stance(after), at(10), at(20)).map(Span::ns)
    }

    /// Between 10 and 20, of those who are suspended until one moment and refused from another.
    #[test]
    fn what_is_wrong_is_where_two_stances_differ() {
        const NEVER: i64 = i64::MAX;
        const EVER: i64 = i64::MIN;
        assert_eq!(wrong((0, NEVER), (0, NEVER)), [0, 0]);
        assert_eq!(wrong((0, EVER), (0, NEVER)), [10, 0]);
        assert_eq!(wrong((0, NEVER), (0, EVER)), [0, 10]);
        assert_eq!(wrong((0, 13), (0, NEVER)), [7, 0]);
        assert_eq!(wrong((0, NEVER), (0, 13)), [0, 7]);
        assert_eq!(wrong((0, 13), (0, 16)), [3, 0]);
        assert_eq!(wrong((0, 25), (0, NEVER)), [0, 0]);
        assert_eq!(wrong((0, NEVER), (14, NEVER)), [0, 4]);
        assert_eq!(wrong((14, NEVER), (0, 17)), [4, 3]);
        assert_eq!(wrong((14, 12), (0, NEVER)), [10, 0]);
    }
}
