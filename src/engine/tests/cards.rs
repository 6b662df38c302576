//! Cards as processes in time, against the closed forms of a two-state chain (`validation.md`: retries of a two-state
//! card) and of exponential lifetimes. Tolerance: five standard deviations; the seed is fixed.

use super::days;
use crate::billing::decline::{Answer, Decline};
use crate::draw::{Address, Chance, unit};
use crate::model::{Card, Funds};
use crate::time::{DAY, Span, Time};
use crate::world::card::answer;

const CONSUMERS: u64 = 200_000;

fn consumer(index: u64) -> Address {
    Address::seed(52).named("cohort").at(index)
}

fn day(day: f64) -> Time {
    Time::from_ns((day * DAY as f64) as i64)
}

fn two_state(broke: u64, funded: u64) -> Card {
    Card { funds: Some(Funds { broke: days(broke), funded: days(funded) }), ..Card::good() }
}

/// The answer of a consumer's first card.
fn asked(card: &Card, index: u64, at: Time) -> Answer {
    answer(card, consumer(index), None, 0, at, consumer(index).named("attempt"))
}

fn is_broke(answer: Answer) -> bool {
    answer == Answer::Declined(Decline::InsufficientFunds)
}

/// A count of `n` tries at chance `p` is what it should be; exactly, where chance has no say.
fn agrees(what: &str, count: usize, n: usize, p: f64) {
    let (n, deviation) = (n as f64, (n as f64 * p * (1.0 - p)).sqrt());
    assert!(5.0 * deviation < 0.05 * n, "{what}: {n} tries say nothing");
    assert!((count as f64 - n * p).abs() <= 5.0 * deviation, "{what}: {} is not {p}", count as f64 / n);
}

/// How many consumers there are for whom something holds.
fn count(holds: impl Fn(u64) -> bool) -> usize {
    (0..CONSUMERS).filter(|index| holds(*index)).count()
}

/// q(g): the chance that who is broke has money `gap` days later.
fn recovers(broke: f64, funded: f64, gap: f64) -> f64 {
    let (up, down) = (1.0 / broke, 1.0 / funded);
    up / (up + down) * (1.0 - libm::exp(-(up + down) * gap))
}

/// Retries after gaps until one is paid: how many attempts, and whether it was.
fn retries(card: &Card, index: u64, first: f64, gaps: &[f64]) -> (usize, bool) {
    let mut at = first;
    for (attempt, gap) in (1..).zip(gaps) {
        at += gap;
        if asked(card, index, day(at)) == Answer::Paid {
            return (attempt, true);
        }
    }
    (gaps.len(), false)
}

/// A first attempt at a random moment finds the card broke; after gaps g₁, g₂, … R = 1 − Π(1 − q(gₖ)) are recovered, with
/// Σₖ Π_{j<k}(1 − q(gⱼ)) attempts.
/// The figures are those of the published table: three retries over 24 days recover more than four over 21.
#[test]
fn retries_recover_what_the_two_state_chain_says() {
    const TABLE: [(&[f64], u64, u64, f64, f64); 9] = [
        (&[2.0, 5.0, 7.0, 7.0], 5, 25, 0.970, 2.06),
        (&[2.0, 5.0, 7.0, 7.0], 10, 20, 0.828, 2.67),
        (&[2.0, 5.0, 7.0, 7.0], 20, 20, 0.591, 3.19),
        (&[8.0, 8.0, 8.0], 5, 25, 0.976, 1.37),
        (&[8.0, 8.0, 8.0], 10, 20, 0.848, 1.82),
        (&[8.0, 8.0, 8.0], 20, 20, 0.619, 2.25),
        (&[3.0, 5.0, 7.0], 5, 25, 0.923, 1.81),
        (&[3.0, 5.0, 7.0], 10, 20, 0.721, 2.25),
        (&[3.0, 5.0, 7.0], 20, 20, 0.477, 2.57),
    ];
    for (gaps, broke, funded, recovered, attempts) in TABLE {
        let card = two_state(broke, funded);
        let moment = |index: u64| 60.0 * unit(consumer(index).named("moment").stream().word(0));
        let failed: Vec<u64> = (0..CONSUMERS).filter(|i| is_broke(asked(&card, *i, day(moment(*i))))).collect();
        agrees("first attempts", failed.len(), CONSUMERS as usize, broke as f64 / (broke + funded) as f64);
        let runs: Vec<_> = failed.iter().map(|index| retries(&card, *index, moment(*index), gaps)).collect();

        let (mut open, mut tries) = (1.0, 0.0);
        for gap in gaps {
            tries += open;
            open *= 1.0 - recovers(broke as f64, funded as f64, *gap);
        }
        assert!(
            (1.0 - open - recovered).abs() < 0.0006 && (tries - attempts).abs() < 0.006,
            "{gaps:?}: {open} {tries}"
        );
        let what = format!("gaps {gaps:?}, {broke} broke, {funded} funded");
        agrees(&what, runs.iter().filter(|(_, paid)| *paid).count(), runs.len(), 1.0 - open);

        let n = runs.len() as f64;
        let mean = runs.iter().map(|(tries, _)| *tries as f64).sum::<f64>() / n;
        let variance = runs.iter().map(|(tries, _)| (*tries as f64 - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - tries).abs() < 5.0 * (variance / n).sqrt(), "{what}: {mean} attempts, not {tries}");
    }
}

/// As many are broke at the start (and before it, when a period's history is played) as after three years.
#[test]
fn the_share_without_money_never_changes() {
    let card = two_state(10, 20);
    for at in [-400.0, 0.0, 0.5, 5.0, 30.0, 1_100.0] {
        agrees(&format!("day {at}"), count(|index| is_broke(asked(&card, index, day(at)))), 200_000, 1.0 / 3.0);
    }
}

/// Of lives that end at rate 1/L each, a share u goes on: alive at t are e^{−(1−u) t/L}.
#[test]
fn the_updater_keeps_its_share_of_cards_alive() {
    for (updated, of_ten) in [(0.0, 0), (0.7, 7), (1.0, 10)] {
        let card = Card { life: Some(days(40)), updated: Chance::of(of_ten, 10), ..Card::good() };
        for at in [0.0, 10.0, 40.0, 100.0] {
            let alive = count(|index| asked(&card, index, day(at)) == Answer::Paid);
            let exact = libm::exp(-(1.0 - updated) * at / 40.0);
            agrees(&format!("updater {updated}, day {at}"), alive, 200_000, exact);
        }
    }
}

/// Without an updater a dead card stays dead, and says so; the consumer's new one works, until it ends in turn.
#[test]
fn a_dead_card_stays_dead_until_the_consumer_puts_in_another() {
    let card = Card { life: Some(days(40)), ..Card::good() };
    let expired = Answer::Declined(Decline::ExpiredCard);
    let dead: Vec<u64> = (0..CONSUMERS).filter(|index| asked(&card, *index, day(30.0)) == expired).collect();
    let new = |index: u64, at: f64| answer(&card, consumer(index), Some(day(30.0)), 1, day(at), consumer(index));
    assert!(dead.iter().all(|index| asked(&card, *index, day(300.0)) == expired));
    assert!(dead.iter().all(|index| new(*index, 30.0) == Answer::Paid));
    let alive = dead.iter().filter(|index| new(**index, 50.0) == Answer::Paid).count();
    agrees("new cards after 20 days", alive, dead.len(), libm::exp(-0.5));
}

/// A new card has money at once, and after a time g with chance 1 − β/(α+β) (1 − e^{−(α+β)g}), whatever the old one
/// would have had; the second new card knows nothing of the first either.
#[test]
fn a_new_card_goes_a_way_of_its_own() {
    let card = two_state(10, 20);
    let new = |index, cards, after: f64| {
        let at = day(17.0 + after);
        is_broke(answer(&card, consumer(index), Some(day(17.0)), cards, at, consumer(index)))
    };
    let broke = recovers(20.0, 10.0, 6.0);
    assert_eq!(count(|index| new(index, 1, 0.0)), 0);
    for cards in [1, 2] {
        agrees("new cards broke", count(|index| new(index, cards, 6.0)), 200_000, broke);
    }
    let old = |index| is_broke(asked(&card, index, day(23.0)));
    agrees("broke on the old and on the new", count(|i| old(i) && new(i, 1, 6.0)), 200_000, broke / 3.0);
    agrees("broke on both new ones", count(|i| new(i, 1, 6.0) && new(i, 2, 6.0)), 200_000, broke * broke);
}

/// Each attempt has a draw of its own, at whatever moment; of the declines a share is hard.
#[test]
fn independent_declines_belong_to_the_attempt() {
    let card = Card { declines: Chance::of(15, 100), hard: Chance::of(1, 5), ..two_state(10, 20) };
    let attempt = |index: u64, number: u64| {
        let at = day(3.0 * number as f64);
        answer(&card, consumer(index), None, 0, at, consumer(index).named("invoice").at(number))
    };
    let declined = |answer| matches!(answer, Answer::Declined(Decline::DoNotHonor | Decline::LostCard));
    for number in [1, 2] {
        agrees("declined", count(|index| declined(attempt(index, number))), 200_000, 0.15);
        let hard = |answer| matches!(answer, Answer::Declined(decline) if decline.is_hard());
        agrees("hard", count(|index| hard(attempt(index, number))), 200_000, 0.03);
        agrees("paid", count(|index| attempt(index, number) == Answer::Paid), 200_000, 0.85 * 2.0 / 3.0);
    }
    agrees("twice", count(|i| declined(attempt(i, 1)) && declined(attempt(i, 2))), 200_000, 0.15 * 0.15);
    assert!((0..1_000).all(|index| {
        let again = answer(&card, consumer(index), None, 0, day(900.0), consumer(index).named("invoice").at(1));
        declined(attempt(index, 1)) == declined(again)
    }));
}

/// Two dunning policies meet the same consumers: a card asked on other days, by other attempts, in another order, with
/// other chances of an independent decline, has its money at the same times.
#[test]
fn the_path_of_a_card_is_the_same_whatever_is_asked() {
    let card = two_state(10, 20);
    let other = Card { declines: Chance::of(1, 2), hard: Chance::of(1, 2), life: Some(days(90)), ..card };
    for index in 0..300 {
        let daily: Vec<bool> = (0..120).map(|n| is_broke(asked(&card, index, day(f64::from(n))))).collect();
        assert!(daily.contains(&true) && daily.contains(&false), "consumer {index} never changes");
        for n in (0..120u32).rev().step_by(7) {
            let attempt = consumer(index).named("retry").at(u64::from(n));
            match answer(&other, consumer(index), None, 0, day(f64::from(n)), attempt) {
                Answer::Paid => assert!(!daily[n as usize]),
                Answer::Declined(Decline::InsufficientFunds) => assert!(daily[n as usize]),
                _ => {}
            }
        }
    }
}

/// Common random numbers: twice the means are the same path, stretched; more money never makes the start poorer; a
/// better updater never loses a card that a worse one kept.
#[test]
fn other_parameters_move_the_same_path() {
    let updating = |parts| Card { life: Some(days(40)), updated: Chance::of(parts, 10), ..Card::good() };
    for index in 0..20_000 {
        let at = 1.0 + (index % 97) as f64 * 1.37;
        let stretched = is_broke(asked(&two_state(20, 40), index, day(2.0 * at)));
        assert_eq!(is_broke(asked(&two_state(10, 20), index, day(at))), stretched, "consumer {index}");
        let start = |funded| is_broke(asked(&two_state(10, funded), index, Time::START));
        assert!(start(20) || !start(30));
        let alive = |parts| asked(&updating(parts), index, day(at)) == Answer::Paid;
        assert!(alive(8) || !alive(5), "consumer {index}");
    }
}

/// Means of zero and the ends of time are answered, not walked for ever.
#[test]
fn extreme_cards_are_answered_too() {
    let funds = |broke, funded| Card { funds: Some(Funds { broke, funded }), ..Card::good() };
    assert_eq!(asked(&funds(Span::ZERO, days(1)), 0, day(9.0)), Answer::Paid);
    assert!(is_broke(asked(&funds(days(1), Span::ZERO), 0, day(9.0))));
    assert_eq!(asked(&funds(Span::ZERO, Span::ZERO), 0, day(9.0)), Answer::Paid);
    let short = Card { life: Some(Span::ZERO), updated: Chance::of(1, 1), ..two_state(100_000, 100_000) };
    asked(&short, 0, day(20.0));
    asked(&two_state(100_000, 100_000), 0, Time::NEVER);
    asked(&two_state(10, 20), 0, Time::from_ns(i64::MIN));
}
