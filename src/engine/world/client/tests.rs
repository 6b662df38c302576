//! Each preset against the rule that its library has, worked out by hand from its source.

use super::*;
use crate::draw::Address;
use crate::model::{Hint, Jitter};

fn preset(name: &str) -> Client {
    Client::preset(name).unwrap()
}

const fn ms(ms: u64) -> Span {
    Span::from_ns(ms * 1_000_000)
}

const fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

/// A status with a `Retry-After` of so many seconds.
fn told(status: u16, wait_s: u64) -> Answered {
    Answered { retry_after: Some(secs(wait_s)), ..Answered::status(status) }
}

fn hinted(status: u16, should_retry: bool) -> Answered {
    Answered { should_retry: Some(should_retry), ..Answered::status(status) }
}

/// The least and the longest wait after each answer, in ms, until there is no further attempt.
fn waits(client: &Client, answers: &[Answered]) -> Vec<(u64, u64)> {
    let mut waits = Vec::new();
    let (mut low, mut high) = (Budget::new(client), Budget::new(client));
    for (answered, made) in answers.iter().zip(1..) {
        let attempts = Attempts { made, since: Span::ZERO };
        let least = next_attempt(client, answered, attempts, &mut low, 0);
        let most = next_attempt(client, answered, attempts, &mut high, u64::MAX);
        let (Some(least), Some(most)) = (least, most) else {
            assert_eq!(least, most, "chance decides how long, never whether");
            break;
        };
        // The ends of the interval are met but for the resolution of a draw.
        waits.push(((least.ns() + 500_000) / 1_000_000, (most.ns() + 500_000) / 1_000_000));
    }
    waits
}

/// The waits after one answer, again and again.
fn again(name: &str, answered: Answered) -> Vec<(u64, u64)> {
    waits(&preset(name), &[answered; 12])
}

/// The failures that are tried again, of all there are; those without a `Retry-After`.
fn tried_again(client: &Client) -> Vec<u16> {
    let is = |status: &u16| !waits(client, &[Answered::status(*status)]).is_empty();
    std::iter::once(0).chain(100..=700).filter(is).collect()
}

fn five_hundreds() -> impl Iterator<Item = u16> {
    500..=599
}

fn listed(first: &[u16], rest: impl IntoIterator<Item = u16>) -> Vec<u16> {
    first.iter().copied().chain(rest).collect()
}

// === Which failures, how often, how long ===

#[test]
fn none_makes_one_attempt_whatever_it_is_answered() {
    assert_eq!(tried_again(&preset("none")), []);
    assert_eq!(again("none", hinted(503, true)), []);
    assert_eq!(preset("none"), Client::none());
    assert_eq!(Client::preset("curl"), None);
}

#[test]
fn the_presets_retry_the_failures_that_their_libraries_retry() {
    let of = |name| tried_again(&preset(name));
    for name in ["openai-python", "anthropic-python", "vercel-ai"] {
        assert_eq!(of(name), listed(&[0, 408, 409, 429], five_hundreds()), "{name}");
    }
    assert_eq!(of("stripe"), listed(&[0, 409], five_hundreds()));
    assert_eq!(of("aws-standard"), [0, 500, 502, 503, 504]);
    assert_eq!(of("aws-legacy"), [0, 429, 500, 502, 503, 504, 509]);
    assert_eq!(of("google-api-core"), [0, 429, 500, 503]);
    assert_eq!(of("reqwest-retry"), listed(&[0, 408, 429], five_hundreds()));
    assert_eq!(of("naive-loop"), listed(&[0], 400..=599));
    // Without a `Retry-After`, 429 is not tried again; nor is what the deny list names.
    let unknown = (410..=499).filter(|status| ![413, 429].contains(status));
    assert_eq!(of("langchain"), listed(&[0, 408], unknown.chain(five_hundreds())));
}

#[test]
fn openai_and_anthropic_wait_half_a_second_doubled_less_up_to_a_quarter() {
    for name in ["openai-python", "anthropic-python"] {
        assert_eq!(again(name, Answered::status(429)), [(375, 500), (750, 1_000)], "{name}");
    }
    // The cap of eight seconds shows only with more attempts than by default.
    let mut patient = preset("openai-python");
    patient.retry.attempts = 8;
    let expected =
        [(375, 500), (750, 1_000), (1_500, 2_000), (3_000, 4_000), (6_000, 8_000), (6_000, 8_000), (6_000, 8_000)];
    assert_eq!(waits(&patient, &[Answered::status(500); 9]), expected);
}

#[test]
fn stripe_waits_half_to_whole_and_never_less_than_half_a_second() {
    assert_eq!(again("stripe", Answered::status(409)), [(500, 500), (500, 1_000)]);
    let mut patient = preset("stripe");
    patient.retry.attempts = 6;
    let expected = [(500, 500), (500, 1_000), (1_000, 2_000), (2_000, 4_000), (2_500, 5_000)];
    assert_eq!(waits(&patient, &[Answered::status(500); 9]), expected);
}

#[test]
fn aws_waits_anything_up_to_one_second_doubled() {
    assert_eq!(again("aws-standard", Answered::status(503)), [(0, 1_000), (0, 2_000)]);
    assert_eq!(again("aws-legacy", Answered::status(509)), [(0, 1_000), (0, 2_000), (0, 4_000), (0, 8_000)]);
    let mut patient = preset("aws-standard");
    patient.retry.attempts = 7;
    assert_eq!(waits(&patient, &[Answered::status(503); 9])[4..], [(0, 16_000), (0, 20_000)]);
}

#[test]
fn google_waits_up_to_a_minute_and_gives_up_where_the_next_attempt_would_begin_after_two() {
    let google = preset("google-api-core");
    let upper = again("google-api-core", Answered::status(503));
    let doubled = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60].map(|most| (0, most * 1_000));
    assert_eq!(upper, doubled);
    let after = |since_ms| {
        let attempts = Attempts { made: 2, since: ms(since_ms) };
        let wait = next_attempt(&google, &Answered::status(503), attempts, &mut Budget::new(&google), u64::MAX);
        wait.map(|wait| wait.ns().div_ceil(1_000_000))
    };
    assert_eq!([after(118_000), after(118_001)], [Some(2_000), None]);
}

#[test]
fn langchain_waits_one_to_two_seconds_doubled_for_six_retries() {
    let expected = [1, 2, 4, 8, 16, 32].map(|s| (s * 1_000, s * 2_000));
    assert_eq!(again("langchain", Answered::status(500)), expected);
}

#[test]
fn reqwest_retry_waits_anything_up_to_one_second_doubled() {
    assert_eq!(again("reqwest-retry", Answered::status(408)), [(0, 1_000), (0, 2_000), (0, 4_000)]);
}

#[test]
fn vercel_waits_two_seconds_doubled_without_jitter() {
    assert_eq!(again("vercel-ai", Answered::status(500)), [(2_000, 2_000), (4_000, 4_000)]);
}

#[test]
fn the_naive_loop_tries_thirty_times_a_second_apart_or_for_a_minute() {
    let naive = preset("naive-loop");
    let all = waits(&naive, &[Answered::status(402); 40]);
    assert_eq!(all, [(1_000, 1_000); 29]);
    let after = |since| {
        let attempts = Attempts { made: 2, since };
        next_attempt(&naive, &Answered::status(402), attempts, &mut Budget::new(&naive), 7)
    };
    assert_eq!([after(secs(59)), after(ms(59_001))], [Some(secs(1)), None]);
}

// === Methods ===

#[test]
fn urllib3_repeats_no_post_and_a_get_only_as_it_is_told() {
    assert_eq!(tried_again(&preset("requests-urllib3")), []);
    assert_eq!(again("requests-urllib3", told(429, 5)), []);
    let mut get = preset("requests-urllib3");
    get.retry.method = Method::Get;
    assert_eq!(tried_again(&get), [0]);
    let with_wait = |status| waits(&get, &[told(status, 5); 6]);
    for status in [413, 429, 503] {
        assert_eq!(with_wait(status), [(5_000, 5_000); 3], "{status}");
    }
    assert_eq!(with_wait(500), []);
    // It looks whether the header is there, not what it says.
    assert_eq!(waits(&get, &[told(503, 0); 6]), [(0, 0); 3]);
    assert_eq!(waits(&get, &[told(503, 21_601)]), [(21_600_000, 21_600_000)]);
    assert_eq!(waits(&get, &[Answered::status(0); 6]), [(0, 0); 3]);
}

#[test]
fn axios_takes_the_answer_to_a_post_as_final_and_repeats_a_get_at_once() {
    assert_eq!(tried_again(&preset("axios-retry")), [0]);
    assert_eq!(again("axios-retry", Answered::status(0)), [(0, 0); 3]);
    let mut get = preset("axios-retry");
    get.retry.method = Method::Get;
    assert_eq!(tried_again(&get), listed(&[0, 429], five_hundreds()));
    assert_eq!(
        waits(&get, &[told(503, 3), Answered::status(500), told(429, 90_000)]),
        [(3_000, 3_000), (0, 0), (90_000_000, 90_000_000)]
    );
}

// === Retry-After ===

#[test]
fn openai_waits_two_minutes_if_told_and_for_more_than_that_gives_up() {
    assert_eq!(again("openai-python", told(429, 120)), [(120_000, 120_000); 2]);
    assert_eq!(again("openai-python", told(429, 121)), []);
    assert_eq!(again("openai-python", told(429, 0)), [(375, 500), (750, 1_000)]);
    // The hint does not help where the wait is too long.
    assert_eq!(again("openai-python", Answered { should_retry: Some(true), ..told(429, 121) }), []);
}

#[test]
fn anthropic_waits_as_long_as_it_is_told() {
    assert_eq!(again("anthropic-python", told(429, 121)), [(121_000, 121_000); 2]);
    assert_eq!(again("anthropic-python", told(529, 5_000_000)), [(4_294_967_000, 4_294_967_000); 2]);
}

#[test]
fn vercel_passes_over_a_wait_of_a_minute_or_more() {
    assert_eq!(again("vercel-ai", told(429, 59)), [(59_000, 59_000); 2]);
    assert_eq!(again("vercel-ai", told(429, 60)), [(2_000, 2_000), (4_000, 4_000)]);
}

#[test]
fn langchain_repeats_a_429_that_says_when_within_a_minute_and_not_before_its_own_delay() {
    let expected = [(5, 5), (5, 5), (5, 8), (8, 16), (16, 32), (32, 64)].map(|(a, b)| (a * 1_000, b * 1_000));
    assert_eq!(again("langchain", told(429, 5)), expected);
    assert_eq!(again("langchain", told(429, 0))[..2], [(1_000, 2_000), (2_000, 4_000)]);
    assert_eq!(again("langchain", told(429, 61)), []);
    // Of any other failure it does not look at the header.
    assert_eq!(again("langchain", told(503, 61))[0], (1_000, 2_000));
}

#[test]
fn stripe_aws_google_reqwest_and_the_naive_loop_do_not_read_retry_after() {
    for name in ["stripe", "aws-standard", "aws-legacy", "google-api-core", "reqwest-retry", "naive-loop"] {
        assert_eq!(again(name, told(503, 7)), again(name, Answered::status(503)), "{name}");
    }
}

// === Hints, 402, tokens ===

#[test]
fn a_hint_overrides_the_status_in_both_directions_for_those_who_read_it() {
    for (name, header) in
        [("openai-python", "x-should-retry"), ("anthropic-python", "x-should-retry"), ("stripe", "stripe-should-retry")]
    {
        assert_eq!(preset(name).retry.hint.header(), Some(header));
        assert_eq!(again(name, hinted(500, false)), [], "{name}");
        assert_eq!(again(name, hinted(402, true)).len(), 2, "{name}");
    }
    assert_eq!(preset("vercel-ai").retry.hint, Hint::None);
    assert_eq!(Hint::None.header(), None);
}

#[test]
fn on_402_a_client_waits_as_it_is_told_or_tops_up_or_fails() {
    let with = |on_402| Client { on_402, ..preset("openai-python") };
    let (fails, waits_for_it, tops_up) = (with(On402::Fail), with(On402::WaitRetryAfter), with(On402::TopUpThenRetry));
    assert_eq!(waits(&fails, &[told(402, 30)]), []);
    assert_eq!(waits(&waits_for_it, &[told(402, 3_600); 5]), [(3_600_000, 3_600_000); 2]);
    assert_eq!(waits(&waits_for_it, &[Answered::status(402)]), []);
    assert_eq!(waits(&tops_up, &[Answered::status(402); 5]), [(375, 500), (750, 1_000)]);
    assert_eq!(waits(&tops_up, &[hinted(402, false)]), []);
    // Who pays for the call pays once, on the second attempt at the latest.
    let pays = with(On402::PayOnce);
    assert_eq!(waits(&pays, &[Answered::status(402); 5]), [(375, 500)]);
    assert_eq!(waits(&pays, &[Answered::status(500), Answered::status(402)]), [(375, 500)]);
    // What is no 402 goes by the other rules.
    assert_eq!(waits(&waits_for_it, &[told(429, 121)]), []);
}

/// 500 tokens, 5 for a retry: a hundred retries, then none until calls succeed.
#[test]
fn aws_standard_stops_retrying_when_its_tokens_are_spent_and_goes_on_as_calls_succeed() {
    let aws = preset("aws-standard");
    let mut budget = Budget::new(&aws);
    let first = Attempts { made: 1, since: Span::ZERO };
    let retries = |budget: &mut Budget, status| {
        (0..1_000).take_while(|_| next_attempt(&aws, &Answered::status(status), first, budget, 9).is_some()).count()
    };
    assert_eq!(retries(&mut budget, 503), 100);
    // A call that succeeds at once gives one back, a retried one what its retry had cost.
    for _ in 0..4 {
        budget.succeeded(&aws, false);
    }
    assert_eq!(retries(&mut budget, 503), 0);
    budget.succeeded(&aws, false);
    assert_eq!(retries(&mut budget, 503), 1);
    budget.succeeded(&aws, true);
    assert_eq!(retries(&mut budget, 503), 1);
    // No answer costs twice as much; and what is full stays full.
    for _ in 0..1_000 {
        budget.succeeded(&aws, false);
    }
    assert_eq!(retries(&mut budget, 0), 50);
    budget.succeeded(&aws, true);
    assert_eq!(retries(&mut budget, 503), 2);
}

#[test]
fn tokens_are_not_spent_by_what_is_not_tried_again() {
    let aws = preset("aws-standard");
    let mut budget = Budget::new(&aws);
    for made in [1, 3] {
        let status = if made == 1 { 429 } else { 503 };
        let attempts = Attempts { made, since: Span::ZERO };
        assert_eq!(next_attempt(&aws, &Answered::status(status), attempts, &mut budget, 1), None);
    }
    assert_eq!(budget, Budget::new(&aws));
}

// === Delays ===

/// Of a uniform number between a and b the mean of n has the deviation (b − a)/√(12 n).
#[test]
fn jittered_waits_are_uniform_over_their_range() {
    let n = 100_000u64;
    let stream = Address::seed(402).named("retry").stream();
    for (name, answered, least, most) in [
        ("openai-python", Answered::status(500), 375.0, 500.0),
        ("aws-legacy", Answered::status(500), 0.0, 1_000.0),
        ("langchain", Answered::status(500), 1_000.0, 2_000.0),
    ] {
        let client = preset(name);
        let attempts = Attempts { made: 1, since: Span::ZERO };
        let wait = |i| next_attempt(&client, &answered, attempts, &mut Budget::new(&client), stream.word(i));
        let waits: Vec<f64> = (0..n).map(|i| wait(i).unwrap().ns() as f64 / 1e6).collect();
        let mean = waits.iter().sum::<f64>() / n as f64;
        let deviation = (most - least) / (12.0 * n as f64).sqrt();
        assert!((mean - f64::midpoint(least, most)).abs() < 5.0 * deviation, "{name}: {mean}");
        assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{name}");
        // Each tenth of the range has a tenth of them: binomial, five deviations.
        let tenth = waits.iter().filter(|wait| **wait < least + (most - least) / 10.0).count() as f64;
        assert!((tenth - 0.1 * n as f64).abs() < 5.0 * (n as f64 * 0.09).sqrt(), "{name}: {tenth}");
    }
}

#[test]
fn a_first_wait_of_its_own_leaves_the_others_where_they_were() {
    let mut get = preset("requests-urllib3");
    get.retry.method = Method::Get;
    get.retry.delay = Delay {
        first: Some(Span::ZERO),
        factor: 2.0,
        longest: Some(secs(120)),
        jitter: Jitter::NONE,
        ..Delay::constant(ms(500))
    };
    assert_eq!(waits(&get, &[Answered::status(0); 6]), [(0, 0), (1_000, 1_000), (2_000, 2_000)]);
}

#[test]
fn waits_beyond_all_measure_are_as_good_as_never_and_nothing_stays_nothing() {
    let mut client = preset("langchain");
    client.retry.attempts = Retry::ATTEMPTS_MAX;
    let late = Attempts { made: 9_999, since: Span::ZERO };
    let wait = |client: &Client| next_attempt(client, &Answered::status(500), late, &mut Budget::new(client), 3);
    assert_eq!(wait(&client), Some(Span::from_ns(u64::MAX)));
    client.retry.delay.base = Span::ZERO;
    assert_eq!(wait(&client), Some(Span::ZERO));
}

#[test]
fn sets_of_failures_add_and_subtract() {
    let all = Failures::CONNECTION.and(Failures::CLIENT).and(Failures::SERVER);
    assert_eq!(all.without(Failures::CLIENT).without(Failures::SERVER), Failures::CONNECTION);
    assert_eq!(Failures::of(1, 1_000), Failures::CLIENT.and(Failures::SERVER));
    assert_eq!(Failures::status(200), Failures::NONE);
    for status in 400..=599 {
        assert!(Failures::status(status).meets(all) && !Failures::status(status).meets(Failures::CONNECTION));
    }
}
