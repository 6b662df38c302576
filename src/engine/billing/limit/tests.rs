//! Stories of single limits, call by call. Their laws are in `tests/limits.rs`.

use super::*;
use crate::time::DAY;

fn rate(requests: u64, per: Span) -> Rate {
    Rate { requests, per }
}

fn terms(limit: Limit) -> LimitTerms {
    LimitTerms::new(&limit, 0).unwrap()
}

fn bucket(requests: u64, per: Span, burst: u64) -> LimitTerms {
    terms(Limit::TokenBucket { rate: rate(requests, per), burst })
}

fn ms(ms: i64) -> Time {
    Time::from_ns(ms * 1_000_000)
}

/// One call: whether it passes; if so it is counted.
fn call(terms: &LimitTerms, state: &mut LimitState, now: Time) -> bool {
    let passes = terms.admits(state, now, 0);
    if passes {
        terms.take(state, now);
    }
    passes
}

/// Which of the calls at these milliseconds pass.
fn passes<const N: usize>(terms: &LimitTerms, state: &mut LimitState, at: [i64; N]) -> [bool; N] {
    at.map(|at| call(terms, state, ms(at)))
}

#[test]
fn a_burst_passes_then_one_call_per_refill_and_a_refused_call_takes_nothing() {
    let limit = bucket(2, Span::from_secs(1), 3);
    let mut state = limit.fresh(Time::START);
    assert_eq!(
        passes(&limit, &mut state, [0, 0, 0, 0, 499, 500, 501, 999, 1000]),
        [true, true, true, false, false, true, false, false, true]
    );
    assert_eq!(passes(&limit, &mut state, [9_000; 4]), [true, true, true, false]);
}

/// 7 tokens in 3 s refill every 428,571,428.57… ns: over many periods no fraction is lost or gained.
#[test]
fn a_rate_that_divides_no_nanosecond_stays_exact() {
    let limit = bucket(7, Span::from_secs(3), 2);
    let mut state = limit.fresh(Time::START);
    assert_eq!(passes(&limit, &mut state, [0, 0]), [true, true]);
    for token in 1..=70_000i64 {
        let due = (token * 3_000_000_000 + 6).div_euclid(7);
        assert!(!call(&limit, &mut state, Time::from_ns(due - 1)), "token {token} came early");
        assert!(call(&limit, &mut state, Time::from_ns(due)), "token {token} was late");
    }
}

/// nginx, `rate=1r/s burst=2 nodelay`: three at once, then one a second; after a pause three at once again.
#[test]
fn a_leaky_bucket_lets_one_more_than_its_burst_come_at_once() {
    let limit = terms(Limit::LeakyBucket { rate: rate(1, Span::from_secs(1)), burst: 2 });
    let mut state = limit.fresh(Time::START);
    assert_eq!(
        passes(&limit, &mut state, [0, 0, 0, 0, 999, 1000, 1001]),
        [true, true, true, false, false, true, false]
    );
    assert_eq!(passes(&limit, &mut state, [9_000; 4]), [true, true, true, false]);
    let strict = terms(Limit::LeakyBucket { rate: rate(1, Span::from_secs(1)), burst: 0 });
    let mut state = strict.fresh(Time::START);
    assert_eq!(passes(&strict, &mut state, [0, 0, 999, 1000]), [true, false, false, true]);
}

/// The scenario starts 0.7 s into a second of the Unix epoch: windows end at 0.3 s, 1.3 s, …, and before the start too.
#[test]
fn fixed_windows_are_aligned_to_the_epoch_and_twice_the_limit_fits_around_their_boundary() {
    let limit = Limit::FixedWindow(rate(2, Span::from_secs(1)));
    let limit = LimitTerms::new(&limit, 1_770_000_000_700_000_000).unwrap();
    let mut state = limit.fresh(Time::START);
    assert_eq!(passes(&limit, &mut state, [-701, -700, 0, 299, 300]), [true, true, true, false, true]);
    assert_eq!(passes(&limit, &mut state, [301, 1299, 1300, 1301, 2299]), [true, false, true, true, false]);
    let before_the_epoch = LimitTerms::new(&Limit::FixedWindow(rate(1, Span::from_secs(1))), -300_000_000).unwrap();
    let mut state = before_the_epoch.fresh(Time::START);
    assert_eq!(passes(&before_the_epoch, &mut state, [0, 299, 300]), [true, false, true]);
}

/// Two a second: the call at 1.0 s passes because that at 0 has just left the window (0, 1].
#[test]
fn a_sliding_window_counts_what_passed_since_just_after_its_length_ago() {
    let limit = terms(Limit::SlidingWindow(rate(2, Span::from_secs(1))));
    let mut state = limit.fresh(Time::START);
    assert_eq!(
        passes(&limit, &mut state, [0, 600, 700, 999, 1000, 1001, 1599, 1600]),
        [true, true, false, false, true, false, false, true]
    );
}

/// A thousand a second are allowed; the log holds what is in one window, not what the limit would allow.
#[test]
fn a_log_grows_no_further_than_the_calls_in_a_window() {
    let limit = terms(Limit::SlidingWindow(rate(1_000, Span::from_secs(1))));
    let mut state = limit.fresh(Time::START);
    for i in 0..10_000 {
        assert!(call(&limit, &mut state, ms(i * 100)));
    }
    let log = &state.log;
    assert!(log.len() == 10 && log.capacity() <= 16, "{} of {}", log.len(), log.capacity());
}

#[test]
fn concurrency_counts_who_is_in_flight_and_nothing_else() {
    let limit = terms(Limit::Concurrency(2));
    let state = limit.fresh(Time::START);
    assert_eq!([0, 1, 2, 3].map(|n| limit.admits(&state, Time::START, n)), [true, true, false, false]);
    assert_eq!([1, 2].map(|n| limit.margin_ns(&state, Time::START, n)), [i64::MAX, -1]);
    assert_eq!(
        (limit.cause(), bucket(1, Span::from_secs(1), 1).cause()),
        (Cause::ConcurrencyLimited, Cause::RateLimited)
    );
}

fn every_kind() -> [LimitTerms; 4] {
    let rate = rate(3, Span::from_secs(1));
    [
        Limit::TokenBucket { rate, burst: 3 },
        Limit::LeakyBucket { rate, burst: 2 },
        Limit::FixedWindow(rate),
        Limit::SlidingWindow(rate),
    ]
    .map(terms)
}

/// What a `Retry-After` is made of: after so many ns, and no sooner, a call passes.
#[test]
fn a_negative_margin_is_the_time_until_a_call_passes() {
    for limit in every_kind() {
        let mut state = limit.fresh(Time::START);
        assert_eq!(passes(&limit, &mut state, [100, 150, 200, 290]), [true, true, true, false]);
        let margin = limit.margin_ns(&state, ms(290), 0);
        assert!(margin < 0, "{limit:?}: {margin}");
        let passes = ms(290) + Span::from_ns(margin.unsigned_abs());
        assert!(!limit.admits(&state, passes - Span::from_ns(1), 0), "{limit:?}");
        assert!(limit.admits(&state, passes, 0), "{limit:?}");
        assert_eq!(limit.margin_ns(&state, passes, 0), 0, "{limit:?}");
        assert!(limit.margin_ns(&state, passes + Span::from_ns(30), 0) >= 30, "{limit:?}");
    }
}

/// Long ago is `i64::MIN`; a run ends long before `i64::MAX`, but nothing overflows there either.
#[test]
fn the_ends_of_time_are_only_moments() {
    for limit in every_kind() {
        let mut state = limit.fresh(Time::from_ns(i64::MIN));
        for now in [i64::MIN, i64::MIN + 1, -5_000_000_000, 0, i64::MAX] {
            limit.margin_ns(&state, Time::from_ns(now), 0);
            assert!(call(&limit, &mut state, Time::from_ns(now)), "{limit:?} at {now}");
        }
    }
}

/// Calls at 2.0 s, then one that read 1.9 s: it counts with them and opens no second window.
#[test]
fn a_step_back_in_time_gives_nothing_back() {
    for limit in every_kind() {
        let mut state = limit.fresh(Time::START);
        assert_eq!(
            passes(&limit, &mut state, [2_000, 2_000, 1_900, 1_950, 2_000, 2_240]),
            [true, true, true, false, false, false]
        );
    }
}

#[test]
fn what_cannot_be_kept_exactly_is_refused() {
    let (day, second) = (Span::from_ns(DAY), Span::from_secs(1));
    let kept = |limit: Limit| LimitTerms::new(&limit, 0).is_some();
    assert!(!kept(Limit::TokenBucket { rate: rate(1, day), burst: 100_000 }));
    assert!(kept(Limit::TokenBucket { rate: rate(1, day), burst: 10_000 }));
    assert!(!kept(Limit::LeakyBucket { rate: rate(1, second), burst: u64::MAX }));
    assert!(!kept(Limit::FixedWindow(rate(1, Span::from_ns(u64::MAX)))));
    assert!(kept(Limit::FixedWindow(rate(u64::MAX, Span::from_ns(LimitTerms::FULL_MAX)))));
    assert!(!kept(Limit::SlidingWindow(rate(LimitTerms::LOG_MAX + 1, second))));
    for zero in [rate(0, second), rate(1, Span::ZERO)] {
        assert!(!kept(Limit::TokenBucket { rate: zero, burst: 1 }) && !kept(Limit::FixedWindow(zero)));
        assert!(!kept(Limit::LeakyBucket { rate: zero, burst: 1 }) && !kept(Limit::SlidingWindow(zero)));
    }
    assert!(!kept(Limit::Concurrency(0)) && !kept(Limit::TokenBucket { rate: rate(1, second), burst: 0 }));
}
