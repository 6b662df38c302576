//! The limits alone, offered Poisson arrivals, against the textbook formulas of `validation.md`, and against the plain
//! definitions of what they are.
//!
//! The share refused is estimated in batches of consecutive calls; its standard deviation is that of the batch means,
//! each far longer than what a limit remembers. Tolerance: five standard deviations, at most 4 % of the exact value.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::billing::limit::{LimitState, LimitTerms};
use crate::distribution::exponential;
use crate::draw::{Address, Stream};
use crate::model::{Limit, Rate};
use crate::time::{SECOND, Span, Time};

const BATCHES: usize = 100;
const BATCH: usize = 10_000;

/// Ten requests a second: the refill is one in 100 ms.
const TEN: Rate = Rate { requests: 10, per: Span::from_secs(1) };

fn stream(name: &str) -> Stream {
    Address::seed(41).named("limits").named(name).stream()
}

/// Poisson arrivals, so many per second on average.
fn arrivals(per_second: f64) -> impl Iterator<Item = Time> {
    let (words, mut ns) = (stream("arrivals"), 0.0);
    (0..).map(move |i| {
        ns += exponential(words.word(i)) * SECOND as f64 / per_second;
        Time::from_ns(ns as i64)
    })
}

/// One limit with one account.
struct Limiter {
    terms: LimitTerms,
    state: LimitState,
}

impl Limiter {
    fn new(limit: Limit) -> Self {
        let terms = LimitTerms::new(&limit, 1_772_323_200_123_456_789).unwrap();
        Self { terms, state: terms.fresh(Time::from_ns(i64::MIN)) }
    }

    /// Whether a call passes; if so it is counted.
    fn call(&mut self, now: Time, in_flight: usize) -> bool {
        let passes = self.terms.admits(&self.state, now, in_flight);
        if passes {
            self.terms.take(&mut self.state, now);
        }
        passes
    }
}

/// What is refused agrees with the exact share. The first batch is left out: there the limit is still fresh.
fn refuses(what: &str, exact: f64, per_second: f64, mut passes: impl FnMut(Time) -> bool) {
    let mut times = arrivals(per_second);
    let mut batch = || times.by_ref().take(BATCH).filter(|now| !passes(*now)).count() as f64 / BATCH as f64;
    batch();
    let shares: Vec<f64> = (0..BATCHES).map(|_| batch()).collect();
    let mean = shares.iter().sum::<f64>() / BATCHES as f64;
    let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
    let deviation = (squares / (BATCHES * (BATCHES - 1)) as f64).sqrt();
    assert!(5.0 * deviation < 0.04 * exact, "{what}: ± {} around {exact} says nothing", 5.0 * deviation);
    assert!((mean - exact).abs() < 5.0 * deviation, "{what}: {mean} ± {deviation} refused, not {exact}");
}

/// Erlang B: what a loss system of `servers` at `load` loses.
fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |lost, k| load * lost / (f64::from(k) + load * lost))
}

/// What M/D/1/b loses: 1 − β/(1 + ρβ), β = Σ_{k<b} (−1)^k/k! (n−k)^k e^{(n−k)ρ} ρ^k with n = b − 1.
fn m_d_1_b(rho: f64, burst: u32) -> f64 {
    let mut factorial = 1.0;
    let mut beta = 0.0;
    for k in 0..burst {
        let left = f64::from(burst - 1 - k);
        factorial *= f64::from(k.max(1));
        beta += libm::pow(-rho * left, f64::from(k)) / factorial * libm::exp(left * rho);
    }
    1.0 - beta / (1.0 + rho * beta)
}

/// 1 − E[min(N, L)]/m for N ~ Poisson(m).
fn over_a_window(m: f64, limit: u32) -> f64 {
    let (mut p, mut counted, mut below) = (libm::exp(-m), 0.0, 0.0);
    for k in 0..limit {
        counted += f64::from(k) * p;
        below += p;
        p *= m / f64::from(k + 1);
    }
    1.0 - (counted + f64::from(limit) * (1.0 - below)) / m
}

/// A token bucket is M/D/1/b turned around: the tokens that are missing are the queue.
#[test]
fn a_token_bucket_refuses_what_an_m_d_1_b_queue_loses() {
    assert!((m_d_1_b(0.9, 5) - 0.0644).abs() < 0.000_05);
    for (rho, burst) in [(0.9, 5), (1.2, 5), (1.5, 3), (0.5, 1)] {
        let mut limiter = Limiter::new(Limit::TokenBucket { rate: TEN, burst: burst.into() });
        refuses(&format!("bucket of {burst} at {rho}"), m_d_1_b(rho, burst), 10.0 * rho, |now| limiter.call(now, 0));
    }
}

#[test]
fn a_leaky_bucket_refuses_what_a_token_bucket_with_one_more_does() {
    for (rho, burst) in [(0.9, 4), (1.5, 2), (0.5, 0)] {
        let mut limiter = Limiter::new(Limit::LeakyBucket { rate: TEN, burst: burst.into() });
        refuses(&format!("leaky {burst} at {rho}"), m_d_1_b(rho, burst + 1), 10.0 * rho, |now| limiter.call(now, 0));
    }
}

/// As in `ngx_http_limit_req_module.c`, in units of which a request has 10⁹ and a nanosecond leaks 10: the excess of the
/// first call is 0, that of the others max(excess − leak + 1, 0); above the burst the call is refused and the excess
/// stays.
#[test]
fn a_leaky_bucket_decides_every_call_as_nginx_does() {
    const CALL: i64 = SECOND.cast_signed();
    for burst in [0i64, 1, 7] {
        let mut limiter = Limiter::new(Limit::LeakyBucket { rate: TEN, burst: burst.unsigned_abs() });
        let mut nginx: Option<(Time, i64)> = None;
        for now in arrivals(11.0).take(200_000) {
            let excess = nginx.map_or(0, |(last, excess)| (excess - 10 * (now.ns() - last.ns()) + CALL).max(0));
            let passes = excess <= burst * CALL;
            if passes {
                nginx = Some((now, excess));
            }
            assert_eq!(limiter.call(now, 0), passes, "burst {burst} at {now:?}");
        }
    }
}

#[test]
fn a_fixed_window_refuses_the_poisson_excess() {
    for (per_second, limit) in [(10.0, 10), (10.0, 7), (3.0, 4)] {
        let rate = Rate { requests: limit.into(), per: Span::from_secs(1) };
        let mut limiter = Limiter::new(Limit::FixedWindow(rate));
        let exact = over_a_window(per_second, limit);
        refuses(&format!("{limit} a window of {per_second}"), exact, per_second, |now| limiter.call(now, 0));
    }
}

/// Counted by whole seconds since the epoch, whatever the scenario's start: no second lets more than the limit pass, and
/// none refuses before it has.
#[test]
fn a_fixed_window_is_a_second_of_the_epoch() {
    let mut limiter = Limiter::new(Limit::FixedWindow(TEN));
    let mut window = (0, 0);
    for now in arrivals(12.0).take(200_000) {
        let second = (now.ns() + 1_772_323_200_123_456_789) / SECOND.cast_signed();
        if window.0 != second {
            window = (second, 0);
        }
        let passes = window.1 < 10;
        window.1 += u32::from(passes);
        assert_eq!(limiter.call(now, 0), passes, "at {now:?}");
    }
}

/// An entry stays in the log for the window's length, as a call stays with a server: M/D/L/L.
#[test]
fn a_sliding_window_refuses_what_erlang_loses() {
    for (per_second, limit) in [(10.0, 10), (10.0, 5), (3.0, 4), (0.7, 1)] {
        let rate = Rate { requests: limit.into(), per: Span::from_secs(1) };
        let mut limiter = Limiter::new(Limit::SlidingWindow(rate));
        let exact = erlang_b(limit, per_second);
        refuses(&format!("{limit} of {per_second}"), exact, per_second, |now| limiter.call(now, 0));
    }
}

/// The definition: fewer than the limit passed in (now − per, now].
#[test]
fn a_sliding_window_decides_every_call_as_its_definition_does() {
    let mut limiter = Limiter::new(Limit::SlidingWindow(TEN));
    let mut passed: Vec<i64> = Vec::new();
    for now in arrivals(12.0).take(100_000) {
        let recent = passed.iter().rev().take_while(|at| **at > now.ns() - SECOND.cast_signed()).count();
        assert_eq!(limiter.call(now, 0), recent < 10, "at {now:?}");
        if recent < 10 {
            passed.push(now.ns());
        }
    }
}

/// Erlang's formula holds for any service law of the same mean: exponential and constant.
#[test]
fn a_concurrency_cap_refuses_what_erlang_loses_whatever_the_service_law() {
    let words = stream("service");
    for (name, exponentially) in [("exponential", true), ("constant", false)] {
        for (load, cap) in [(8.0, 10), (5.0, 3)] {
            let mut limiter = Limiter::new(Limit::Concurrency(cap.into()));
            let mut ends: BinaryHeap<Reverse<Time>> = BinaryHeap::new();
            let mut index = 0;
            refuses(&format!("{name} service, {cap} at {load}"), erlang_b(cap, load), 10.0, |now| {
                while ends.peek().is_some_and(|end| end.0 <= now) {
                    ends.pop();
                }
                index += 1;
                let passes = limiter.call(now, ends.len());
                if passes {
                    // The mean is load ÷ 10 s.
                    let service = if exponentially { exponential(words.word(index)) } else { 1.0 };
                    ends.push(Reverse(now + Span::from_ns((service * load * 1e8) as u64)));
                }
                passes
            });
        }
    }
}
