//! The formulas against values computed another way: sums over every count, published figures, and small simulations
//! that know nothing of the engine but its random words.

use farebox_engine::distribution::exponential;
use farebox_engine::draw::{Address, Stream, unit};

use super::*;

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1e-3), "{a} is not {b}");
}

/// `Σ_n P(N = n)·f(n)`, every mass formed by multiplying on from e^−m.
fn over_poisson(mean: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut mass, mut sum) = ((-mean).exp(), 0.0);
    for n in 0..500u32 {
        sum += mass * f(f64::from(n));
        mass *= mean / f64::from(n + 1);
    }
    sum
}

#[test]
fn what_is_beyond_a_quota_is_the_sum_over_all_counts() {
    for (mean, quota) in [(30.0, 25u64), (30.0, 30), (5.0, 4), (0.4, 0), (2.0, 9)] {
        let sum = over_poisson(mean, |n| (n - quota as f64).max(0.0)) / mean;
        near(share_beyond(mean, quota), sum, 1e-9);
    }
}

/// The mean of min(T, 1) by integrating P(N(t) < n) over the period in small steps.
#[test]
fn the_censored_erlang_time_is_the_integral_of_its_tail() {
    for (nth, mean) in [(1u64, 0.7), (25, 30.0), (26, 30.0), (40, 30.0)] {
        let steps = 20_000;
        let tail = |i: u32| 1.0 - at_least(nth, mean * (f64::from(i) + 0.5) / f64::from(steps));
        let integral = (0..steps).map(tail).sum::<f64>() / f64::from(steps);
        near(time_until(nth, mean), integral, 1e-7);
    }
}

const STEPS: [Step; 3] = [
    Step { up_to: 10, flat: 0.5, unit: 0.10 },
    Step { up_to: 25, flat: 2.0, unit: 0.07 },
    Step { up_to: u64::MAX, flat: 0.25, unit: 0.03 },
];

#[test]
fn bills_are_the_sums_over_all_counts() {
    let graduated_bill = |n: f64| {
        let mut bill = 0.0;
        for (below, step) in [0.0, 10.0, 25.0].into_iter().zip(STEPS) {
            bill += step.unit * (n.min(step.up_to as f64) - n.min(below));
            bill += if n > below { step.flat } else { 0.0 };
        }
        bill
    };
    let volume_bill = |n: f64| {
        let step = STEPS.into_iter().find(|step| n <= step.up_to as f64).unwrap();
        if n > 0.0 { step.flat + step.unit * n } else { 0.0 }
    };
    for mean in [0.5, 9.0, 24.0, 70.0] {
        near(graduated(mean, &STEPS), over_poisson(mean, graduated_bill), 1e-9);
        near(volume(mean, &STEPS), over_poisson(mean, volume_bill), 1e-9);
        near(packages(mean, 8, 1.5), over_poisson(mean, |n| 1.5 * (n / 8.0).ceil()), 1e-9);
        for commit in [0.3, 2.0, 2.1] {
            near(minimum_commit(mean, commit, 0.07), over_poisson(mean, |n| (0.07 * n).max(commit)), 1e-9);
        }
    }
}

/// The gamma density over which Poisson counts are mixed, integrated by the midpoint rule.
#[test]
fn gamma_rates_are_the_mixture_of_poisson_counts() {
    for (shape, scale, quota) in [(2.0, 15.0, 30u64), (3.0, 4.0, 10), (1.0, 5.0, 0)] {
        let steps = 40_000;
        let width = 60.0 * scale * shape / f64::from(steps);
        let density =
            |x: f64| ((shape - 1.0) * x.ln() - x / scale - libm::lgamma(shape) - shape * scale.ln()).exp() * width;
        let mixed = |i: u32| {
            let rate = (f64::from(i) + 0.5) * width;
            density(rate) * beyond(quota, rate)
        };
        let sum = (0..steps).map(mixed).sum::<f64>() / (shape * scale);
        near(share_beyond_of_gamma(shape, scale, quota), sum, 1e-5);
    }
}

/// (aᶜ/c!) ÷ Σ aᵏ/k!, every term formed.
#[test]
fn erlang_b_is_the_last_of_the_truncated_poisson_masses() {
    for (servers, load) in [(1u32, 0.7f64), (3, 5.0), (10, 8.0), (40, 35.0)] {
        let term = |k: u32| (1..=k).map(|j| load / f64::from(j)).product::<f64>();
        near(erlang_b(servers, load), term(servers) / (0..=servers).map(term).sum::<f64>(), 1e-12);
    }
}

/// `β = Σ_k (−1)^k/k! (n−k)^k e^{(n−k)ρ} ρ^k` with n = b − 1, which alternates: good for small buckets.
fn closed_form(rho: f64, burst: u32) -> f64 {
    let (mut factorial, mut beta) = (1.0, 0.0);
    for k in 0..burst {
        let left = f64::from(burst - 1 - k);
        factorial *= f64::from(k.max(1));
        beta += (-rho * left).powi(k.cast_signed()) / factorial * (left * rho).exp();
    }
    1.0 - beta / (1.0 + rho * beta)
}

#[test]
fn a_token_bucket_loses_what_the_closed_form_and_the_published_figure_say() {
    assert!((token_bucket(0.9, 5) - 0.0644).abs() < 0.000_05, "{}", token_bucket(0.9, 5));
    for (rho, burst) in [(0.9, 5u32), (1.5, 3), (0.5, 1), (1.1, 12)] {
        near(token_bucket(rho, burst as usize), closed_form(rho, burst), 1e-9);
    }
    // What no room ever suffices for is lost: 1 − 1/ρ.
    near(token_bucket(1.25, 400), 0.2, 1e-9);
    assert!(token_bucket(0.8, 400) < 1e-12);
}

fn words(name: &str) -> Stream {
    Address::seed(17).named(name).stream()
}

/// A deep bucket, drop by drop: the closed form has no digits left there.
#[test]
fn a_deep_token_bucket_loses_what_is_counted() {
    let (rho, burst, calls) = (1.1, 25, 3_000_000u64);
    let stream = words("bucket");
    let (mut tokens, mut refused) = (f64::from(burst), 0.0);
    for i in 0..calls {
        tokens = (tokens + exponential(stream.word(i)) / rho).min(f64::from(burst));
        if tokens >= 1.0 { tokens -= 1.0 } else { refused += 1.0 }
    }
    // Runs of refusals last some hundred calls: five deviations of so many fewer independent ones.
    let share = refused / calls as f64;
    let deviation = (share * (1.0 - share) * 20.0 / calls as f64).sqrt();
    assert!((token_bucket(rho, burst as usize) - share).abs() < 5.0 * deviation, "{share}");
}

/// Debits of 1 to 10, each made an exponential time after its call: what is owed when all have come.
#[test]
fn the_overdraft_is_what_is_owed_in_the_end() {
    let (runs, in_flight) = (40_000u64, 4.0);
    let owed = |run: u64| {
        let stream = Address::seed(17).named("overdraft").at(run).stream();
        let mut debits: Vec<(f64, f64, f64)> = Vec::new();
        let mut now = 0.0;
        for i in 0..150 {
            now += exponential(stream.word(3 * i));
            let amount = (1.0 + 10.0 * unit(stream.word(3 * i + 1))).floor().min(10.0);
            debits.push((now + in_flight * exponential(stream.word(3 * i + 2)), now, amount));
        }
        debits.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut balance = 300.0;
        let ended = debits.iter().find(|(_, _, amount)| {
            balance -= amount;
            balance <= 0.0
        });
        let ended = ended.unwrap().0;
        debits.iter().filter(|(lands, made, _)| *lands > ended && *made < ended).map(|debit| debit.2).sum::<f64>()
            - balance
    };
    let (mut sum, mut squares) = (0.0, 0.0);
    for run in 0..runs {
        let owed = owed(run);
        (sum, squares) = (sum + owed, squares + owed * owed);
    }
    let mean = sum / runs as f64;
    let deviation = ((squares / runs as f64 - mean * mean) / runs as f64).sqrt();
    let exact = overdraft(in_flight * 5.5, 5.5, 38.5, 1.0);
    near(exact, 25.0, 1e-12);
    assert!((mean - exact).abs() < 5.0 * deviation, "{mean} ± {deviation}, not {exact}");
}

/// The published table: 10 days without money, 20 with.
#[test]
fn the_two_state_card_recovers_what_was_published() {
    for (gaps, share) in [(&[3.0, 5.0, 7.0][..], 0.721), (&[8.0, 8.0, 8.0], 0.848), (&[2.0, 5.0, 7.0, 7.0], 0.828)] {
        let chances: Vec<f64> = gaps.iter().map(|gap| funded_after(*gap, 10.0, 20.0)).collect();
        assert!((recovered(&chances) - share).abs() < 0.0005, "{gaps:?}: {}", recovered(&chances));
    }
    // Kolmogorov's equation q' = α(1−q) − βq, in small steps.
    let (mut q, steps) = (0.0, 100_000);
    for _ in 0..steps {
        q += (0.1 * (1.0 - q) - 0.05 * q) * 5.0 / f64::from(steps);
    }
    near(funded_after(5.0, 10.0, 20.0), q, 1e-5);
}

/// Two coins of .4 and .5, every outcome written down: heads first .4; tails, heads .3; neither .3.
#[test]
fn retries_are_the_sum_over_their_outcomes() {
    near(recovered(&[0.4, 0.5]), 0.7, 1e-12);
    near(retries(&[0.4, 0.5]), 0.4 + 2.0 * 0.6, 1e-12);
    near(recovered(&[]), 0.0, 1e-12);
}

#[test]
fn a_population_of_equal_months_becomes_signups_over_churn() {
    near(population(&[40.0; 200], 0.25), 160.0, 1e-12);
    near(population(&[40.0, 30.0, 20.0], 0.5), 40.0 + 15.0 + 5.0, 1e-12);
    near(population(&[], 0.5), 0.0, 1e-12);
}

/// M/M/1 both ways; and M/M/2, whose wait is ρ² ÷ (1 − ρ²) service times.
#[test]
fn waits_of_one_server_and_of_many_meet() {
    near(wait_of_many(1, 0.6), wait_of_one(0.6, 2.0), 1e-12);
    near(wait_of_one(0.6, 2.0), 1.5, 1e-12);
    near(wait_of_many(2, 0.8), 0.64 / 0.36, 1e-12);
}

/// The sum over how often it is delivered; of few attempts it is less than of any number.
#[test]
fn deliveries_are_the_sum_over_their_number() {
    for a in [0.0, 0.1, 0.25, 0.9] {
        let stops = |n: i32| if n < 9 { (1.0 - a) * f64::powi(a, n - 1) } else { f64::powi(a, 8) };
        near(deliveries(a, 9), (1..=9).map(|n| f64::from(n) * stops(n)).sum(), 1e-12);
    }
    near(deliveries(0.25, 9), 4.0 / 3.0, 1e-5);
}
