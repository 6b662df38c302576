//! The formulas: pure, each with where it comes from. m is the mean of a Poisson count N, the calls of one period.

use crate::forecast::poisson::{at_least, beyond};

// === Quotas and prices, over a Poisson count ===

/// `E[(N−Q)⁺]/m`: the share of calls beyond a quota of Q a period, or beyond a limit of a window.
///
/// `E[(N−Q)⁺] = m·P(N ≥ Q) − Q·P(N ≥ Q+1)`, because `n·P(N = n) = m·P(N = n−1)`: the limited expected value of risk theory
/// (Klugman, Panjer, Willmot: Loss Models).
pub fn share_beyond(mean: f64, quota: u64) -> f64 {
    beyond(quota, mean) / mean
}

/// `E[min(T, period)]` in periods, T the time of the nth call, Erlang(n, m): censored at the period's end.
///
/// The integral of P(T > t) is `Σ_{j<n} ∫P(N(t) = j)dt = Σ_{j≤n} P(N ≥ j)/m = E[min(N, n)]/m` (Ross: Stochastic Processes,
/// chapter 2: the n-th arrival of a Poisson process).
pub fn time_until(nth: u64, mean: f64) -> f64 {
    at_most(mean, nth) / mean
}

/// A tier of a price: its last unit, what entering it costs and what a unit of it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The last unit, counted from 1 over all tiers; `u64::MAX`: no end.
    pub up_to: u64,
    /// What entering it costs.
    pub flat: f64,
    /// What a unit costs.
    pub unit: f64,
}

/// `Σ p_j (E[min(N, U_j)] − E[min(N, l_j)]) + Σ f_j P(N > l_j)`: a mean graduated bill, tier j from `l_j + 1` to `U_j`.
///
/// By linearity: a layer of insurance for each tier (Klugman, Panjer, Willmot: Loss Models).
pub fn graduated(mean: f64, steps: &[Step]) -> f64 {
    let tier = |(below, step): (u64, &Step)| {
        step.unit * (at_most(mean, step.up_to) - at_most(mean, below)) + step.flat * at_least(below + 1, mean)
    };
    lower_ends(steps).zip(steps).map(tier).sum()
}

/// `Σ p_j m [P(N ≤ U_j−1) − P(N ≤ l_j−1)] + Σ f_j [P(N ≤ U_j) − P(N ≤ l_j)]`: a mean volume bill.
///
/// `E[N; l < N ≤ U] = m·P(l ≤ N ≤ U−1)`, for the same reason as above.
pub fn volume(mean: f64, steps: &[Step]) -> f64 {
    let tier = |(below, step): (u64, &Step)| {
        let units = mean * (at_least(below, mean) - at_least(step.up_to, mean));
        let chance = at_least(below + 1, mean) - at_least(step.up_to.saturating_add(1), mean);
        step.unit * units + step.flat * chance
    };
    lower_ends(steps).zip(steps).map(tier).sum()
}

/// `p·Σ_{k≥0} P(N ≥ kB+1)`: the mean bill for packages of B at p, each entered or not.
pub fn packages(mean: f64, size: u64, price: f64) -> f64 {
    let chances = (0..).map(|k: u64| at_least(k * size + 1, mean));
    price * chances.take_while(|chance| *chance > 1e-18).sum::<f64>()
}

/// `E[max(C, pN)] = C + p·[m·P(N ≥ ⌊Q⌋) − Q·P(N ≥ ⌊Q⌋+1)]`, `Q = C/p`: a mean bill with a minimum commit of C.
pub fn minimum_commit(mean: f64, commit: f64, price: f64) -> f64 {
    let covered = commit / price;
    let whole = covered.floor() as u64;
    commit + price * (mean * at_least(whole, mean) - covered * at_least(whole + 1, mean))
}

/// `E[min(N, n)]`.
fn at_most(mean: f64, n: u64) -> f64 {
    mean - beyond(n, mean)
}

/// The last unit before each tier.
fn lower_ends(steps: &[Step]) -> impl Iterator<Item = u64> {
    [0].into_iter().chain(steps.iter().map(|step| step.up_to))
}

/// `(E[N; N > Q] − Q·P(N > Q))/kθ`: the share beyond a quota where each consumer's own mean is drawn from Gamma(k, θ), so
/// that counts are negative binomial, NB(k, 1/(1+θ)).
///
/// `E[N; N > Q] = kθ·P(N' ≥ Q)` with `N' ~ NB(k+1, 1/(1+θ))` (Greenwood and Yule 1920; Johnson, Kemp, Kotz: Univariate
/// Discrete Distributions, chapter 5).
pub fn share_beyond_of_gamma(shape: f64, scale: f64, quota: u64) -> f64 {
    let mean = shape * scale;
    let used = mean * negative_binomial_at_least(quota, shape + 1.0, scale);
    (used - quota as f64 * negative_binomial_at_least(quota + 1, shape, scale)) / mean
}

/// P(N ≥ n) for N ~ NB(shape, 1/(1+scale)): one less the terms below n, each of which follows from the one before.
fn negative_binomial_at_least(n: u64, shape: f64, scale: f64) -> f64 {
    let fails = scale / (1.0 + scale);
    let mut term = libm::pow(1.0 + scale, -shape);
    let mut below = 0.0;
    for k in 0..n {
        below += term;
        term *= (k as f64 + shape) / (k + 1) as f64 * fails;
    }
    1.0 - below
}

// === Limits, as queues that lose what they have no room for ===

/// Erlang B: what a system of `servers` loses at `load` erlangs, whatever the law of the service (Erlang 1917;
/// Kleinrock: Queueing Systems I, the loss system). A sliding window of L calls in W is one: each call that passes
/// stays for W.
pub fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |lost, k| load * lost / (f64::from(k) + load * lost))
}

/// What a token bucket of `burst` refuses at ρ = λ/r: the loss of M/D/1/b, 1 − β/(1 + ρβ), because the tokens that are
/// missing are the customers of a queue with constant service 1/r and room for b.
///
/// `β = Σ_{j<b} π_j/π_0` over what a departure leaves behind. The closed form of β alternates and loses its digits from
/// b = 20 on; this recursion only adds what is positive: as many transitions go up across a level as come down,
/// `π_{j+1}·P(A = 0) = π_0·P(A > j) + Σ_{1≤i≤j} π_i·P(A > j−i+1)`, A the Poisson arrivals during a service (Cooper:
/// Introduction to Queueing Theory; Tijms: A First Course in Stochastic Models, chapter 9).
pub fn token_bucket(rho: f64, burst: usize) -> f64 {
    let more: Vec<f64> = (0..=burst as u64).map(|k| at_least(k + 1, rho)).collect();
    let mut left = vec![1.0];
    for j in 0..burst - 1 {
        let from_others: f64 = (1..=j).map(|i| left[i] * more[j - i + 1]).sum();
        left.push((more[j] + from_others) * libm::exp(rho));
    }
    let beta: f64 = left.iter().sum();
    1.0 - beta / (1.0 + rho * beta)
}

/// `λE[S·X] + E[X²]/(2E[X]) − d/2`: how far a balance falls below zero where calls are served while there is any, and
/// debited afterwards. The calls then in flight, and the mean excess of the sum of debits over a level that is a multiple
/// of their lattice span d (Feller: An Introduction to Probability Theory II, chapter XI; Ross: Stochastic Processes,
/// chapter 3).
///
/// `in_flight` is `λE[S·X]`; `mean` and `square` are `E[X]` and `E[X²]`.
pub fn overdraft(in_flight: f64, mean: f64, square: f64, span: f64) -> f64 {
    in_flight + 0.5 * square / mean - 0.5 * span
}

// === Payments and populations ===

/// `1 − Π(1−p_k)`: the share of failed payments that retries recover, each of which succeeds with chance `p_k` given that
/// those before it failed.
pub fn recovered(chances: &[f64]) -> f64 {
    1.0 - chances.iter().map(|chance| 1.0 - chance).product::<f64>()
}

/// `Σ_k Π_{j<k}(1−p_j)`: how many retries that takes on average.
pub fn retries(chances: &[f64]) -> f64 {
    let mut open = 1.0;
    let mut sum = 0.0;
    for chance in chances {
        sum += open;
        open *= 1.0 - chance;
    }
    sum
}

/// `q(g) = α/(α+β)·(1−e^{−(α+β)g})`: the chance that a card without money has some a time g later, where it is without
/// for 1/α and with for 1/β on average: the transient solution of a two-state Markov chain (Ross: Stochastic Processes,
/// chapter 5), which retries meet as packets meet a channel of Gilbert's.
pub fn funded_after(gap: f64, broke: f64, funded: f64) -> f64 {
    let (up, down) = (1.0 / broke, 1.0 / funded);
    up / (up + down) * (1.0 - libm::exp(-(up + down) * gap))
}

/// `(1−a^n)/(1−a)`: how often a webhook is delivered whose acknowledgement is lost with chance `a` each time, when it is tried
/// `most` times at most; the mean of a geometric law, cut off.
pub fn deliveries(a: f64, most: i32) -> f64 {
    (1.0 - libm::pow(a, f64::from(most))) / (1.0 - a)
}

/// `λΣ_k(1−c)^k`: how many are subscribed when λ sign up a month and each leaves at each own anniversary with chance c;
/// in the steady state λ/c (Little 1961). `signups` are those of each past month, the latest first, because months differ
/// in length and the past is not without end.
pub fn population(signups: &[f64], churn: f64) -> f64 {
    signups.iter().rev().fold(0.0, |stayed, joined| joined + (1.0 - churn) * stayed)
}

/// How long one waits for a single server, in mean service times (Pollaczek and Khinchine): ρ m / 2(1 − ρ), where m is
/// `E[S²] ÷ E[S]²`.
pub fn wait_of_one(load: f64, second_moment: f64) -> f64 {
    load * second_moment / (2.0 * (1.0 - load))
}

/// How long one waits for one of several servers of exponential service, in mean service times: C(c, a) ÷ (c − a), with
/// Erlang's C by way of his B.
pub fn wait_of_many(servers: u32, load: f64) -> f64 {
    let offered = load * f64::from(servers);
    let b = erlang_b(servers, offered);
    let waits = b / (1.0 - load * (1.0 - b));
    waits / (f64::from(servers) - offered)
}

#[cfg(test)]
mod tests;
