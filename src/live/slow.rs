//! The header by which a run's own gateway tells its own generator that a consumer has slowed down.
//!
//! ```text
//! farebox-slow: KEEPS UNTIL       the share of calls still made, as parts of 2⁶⁴; when that changes by itself, in ns
//!                                 of traffic since the start
//! ```
//!
//! Which calls those are is drawn (see [`farebox_engine::world::slow`]), so that both know without a list.

use std::collections::BTreeMap;

use farebox_engine::draw::Chance;
use farebox_engine::time::Time;
use farebox_engine::world::slow::Slow;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::accounts::AccountId;

/// The header.
pub(super) const SLOW: HeaderName = HeaderName::from_static("farebox-slow");

/// The header's value.
pub(super) fn header(slow: Slow) -> HeaderValue {
    let text = format!("{} {}", slow.keeps.parts(), slow.until.ns());
    HeaderValue::try_from(text).expect("digits are a header value")
}

fn read(headers: &HeaderMap) -> Option<Slow> {
    let (keeps, until) = headers.get(SLOW)?.to_str().ok()?.split_once(' ')?;
    Some(Slow { keeps: Chance::from_parts(keeps.parse().ok()?)?, until: Time::from_ns(until.parse().ok()?) })
}

/// What a generator has heard of who has slowed down.
#[derive(Debug, Default)]
pub(super) struct SlowConsumers(BTreeMap<AccountId, Slow>);

impl SlowConsumers {
    /// An answer to a consumer's call.
    pub(super) fn hear(&mut self, account: AccountId, headers: &HeaderMap) {
        match read(headers) {
            Some(slow) => {
                self.0.insert(account, slow);
            }
            None if self.0.is_empty() => {}
            None => {
                self.0.remove(&account);
            }
        }
    }

    /// The share of calls that a consumer still makes at this moment, if they are known to have slowed down.
    pub(super) fn keeps(&self, account: AccountId, at: Time) -> Option<Chance> {
        self.0.get(&account).filter(|slow| at < slow.until).map(|slow| slow.keeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_slowed_down_is_known_until_it_is_over_or_said_otherwise() {
        let (keeps, account, ms) = (Chance::of(1, 3), AccountId(7), |ms: i64| Time::from_ns(ms * 1_000_000));
        let mut slow = SlowConsumers::default();
        for (until, later) in [(ms(20), None), (Time::NEVER, Some(keeps))] {
            let headers = HeaderMap::from_iter([(SLOW, header(Slow { keeps, until }))]);
            slow.hear(account, &headers);
            assert_eq!([ms(19), ms(20)].map(|at| slow.keeps(account, at)), [Some(keeps), later]);
            assert_eq!(slow.keeps(AccountId(8), ms(0)), None);
        }
        slow.hear(AccountId(8), &HeaderMap::new());
        assert_eq!(slow.keeps(account, ms(0)), Some(keeps));
        slow.hear(account, &HeaderMap::new());
        assert_eq!(slow.keeps(account, ms(0)), None);
        for broken in ["", "1", "x 1", "1 x", "340282366920938463463374607431768211455 0"] {
            slow.hear(account, &HeaderMap::from_iter([(SLOW, HeaderValue::from_static(broken))]));
            assert_eq!(slow.keeps(account, ms(-1)), None);
        }
    }
}
