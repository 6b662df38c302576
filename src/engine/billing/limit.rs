//! Rate limits. In traffic time, exact in integers: no token is lost or gained by rounding.

use crate::model::TokenBucket;
use crate::time::{Span, Time};

/// A token bucket, compiled. The fill is kept in units of which one token has `token` and one nanosecond refills
/// `refill`, both as small as the rate allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketTerms {
    token: u64,
    refill: u64,
    full: u64,
}

/// The fill of one account's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    fill: u64,
    at: Time,
}

impl BucketTerms {
    /// The largest `burst × per` (after reduction by the greatest common divisor of tokens and ns) that is kept exactly.
    pub const FULL_MAX: u64 = 1 << 62;

    /// Compiles a limit; `None` when its fill would pass [`Self::FULL_MAX`], or anything is zero.
    pub fn new(limit: TokenBucket) -> Option<Self> {
        if limit.tokens == 0 || limit.per == Span::ZERO || limit.burst == 0 {
            return None;
        }
        let divisor = gcd(limit.tokens, limit.per.ns());
        let (refill, token) = (limit.tokens / divisor, limit.per.ns() / divisor);
        let full = token.checked_mul(limit.burst).filter(|full| *full <= Self::FULL_MAX)?;
        Some(Self { token, refill, full })
    }

    /// The fill at `now`.
    #[inline]
    fn fill(self, bucket: Bucket, now: Time) -> u64 {
        let refilled = now.since(bucket.at).ns().saturating_mul(self.refill);
        bucket.fill.saturating_add(refilled).min(self.full)
    }

    /// A full bucket.
    pub fn full(self, now: Time) -> Bucket {
        Bucket { fill: self.full, at: now }
    }

    /// The bucket as it is once a token is taken at `now`; `None` when none is there. The caller puts it in place when
    /// everything else lets the call pass too.
    #[inline]
    pub fn take(self, bucket: Bucket, now: Time) -> Option<Bucket> {
        let fill = self.fill(bucket, now).checked_sub(self.token)?;
        Some(Bucket { fill, at: bucket.at.max(now) })
    }

    /// How far the decision is from the other one, in ns of refill: positive while calls pass (until the bucket would
    /// have been too empty), negative while they are refused (until the next token).
    pub fn margin_ns(self, bucket: Bucket, now: Time) -> i64 {
        let distance = i128::from(self.fill(bucket, now)) - i128::from(self.token);
        let ns = distance.div_euclid(i128::from(self.refill));
        ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(tokens: u64, per: Span, burst: u64) -> BucketTerms {
        BucketTerms::new(TokenBucket { tokens, per, burst }).unwrap()
    }

    #[test]
    fn a_burst_passes_then_one_call_per_refill_and_a_refused_call_takes_nothing() {
        let limit = terms(2, Span::from_secs(1), 3);
        let mut bucket = limit.full(Time::START);
        let mut passes = |ms: i64| {
            let now = Time::from_ns(ms * 1_000_000);
            let taken = limit.take(bucket, now);
            bucket = taken.unwrap_or(bucket);
            taken.is_some()
        };
        assert_eq!(
            [0, 0, 0, 0, 499, 500, 501, 999, 1000].map(&mut passes),
            [true, true, true, false, false, true, false, false, true]
        );
        assert_eq!([9_000, 9_000, 9_000, 9_000].map(passes), [true, true, true, false]);
    }

    /// 7 tokens in 3 s refill every 428,571,428.57… ns: over many periods no fraction is lost or gained.
    #[test]
    fn a_rate_that_divides_no_nanosecond_stays_exact() {
        let limit = terms(7, Span::from_secs(3), 2);
        let once = limit.take(limit.full(Time::START), Time::START).unwrap();
        let mut bucket = limit.take(once, Time::START).unwrap();
        for token in 1..=70_000i64 {
            let due = (token * 3_000_000_000 + 6).div_euclid(7);
            assert_eq!(limit.take(bucket, Time::from_ns(due - 1)), None, "token {token} came early");
            bucket = limit.take(bucket, Time::from_ns(due)).expect("a token on time");
        }
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_refused() {
        let day = Span::from_ns(crate::time::DAY);
        assert!(BucketTerms::new(TokenBucket { tokens: 1, per: day, burst: 100_000 }).is_none());
        assert!(BucketTerms::new(TokenBucket { tokens: 1, per: day, burst: 10_000 }).is_some());
    }
}
