//! A payment card as a process in billing time: what it answers depends on when it is asked, and not on what was asked
//! before, how often, or by whom.
//!
//! Behind the card is an account that has money or has not: a two-state Markov chain, stationary at the scenario's
//! start (the Gilbert–Elliott channel of retries: whether they help depends on when they come, not on how many they
//! are). In front of it is a piece of plastic that ends after an exponential lifetime; the card networks' updater hands
//! the next one over by chance, else the card stays dead until the consumer puts in another. And each attempt may be
//! declined on its own, whatever the card's state.
//!
//! A query walks the chain from its beginning: a few dozen steps for a year of monthly changes, and nothing is kept.
//! Sojourns and lifetimes are drawn as multiples of their means, so another mean stretches the same path.

use crate::billing::decline::{Answer, Decline};
use crate::distribution::exponential;
use crate::draw::{Address, Chance, Stream};
use crate::model::{Card, Funds};
use crate::time::{MINUTE, Span, Time};

/// The shortest mean of a sojourn or a lifetime; it bounds the walk of a query. What is shorter, but not zero, counts as
/// this.
pub const MEAN_MIN: Span = Span::from_ns(MINUTE);

/// What the card of the consumer at address `consumer` answers to an attempt at `at`; `attempt` is the attempt's own
/// address, that of its independent decline.
///
/// `fixed` is when the consumer last put in a new card and `cards` how many times they have: a new card works and has
/// money behind it at that moment, and goes a way of its own from there. Without one, the card is alive at the
/// scenario's start and its money in the stationary state. For a consumer who subscribes later, `fixed` may be that
/// moment and `cards` zero.
pub fn answer(card: &Card, consumer: Address, fixed: Option<Time>, cards: u32, at: Time, attempt: Address) -> Answer {
    let own = attempt.stream();
    if !is_alive(card, consumer, fixed, cards, at) {
        Answer::Declined(Decline::ExpiredCard)
    } else if card.declines.happens(own.word(0)) {
        Answer::Declined(if card.hard.happens(own.word(1)) { Decline::LostCard } else { Decline::DoNotHonor })
    } else if !card.funds.is_none_or(|funds| is_funded(funds, consumer, fixed, cards, at)) {
        Answer::Declined(Decline::InsufficientFunds)
    } else {
        Answer::Paid
    }
}

/// Whether the plastic works at `at`. A residual exponential lifetime has the law of a whole one, so the first lifetime
/// begins at the start.
fn is_alive(card: &Card, consumer: Address, fixed: Option<Time>, cards: u32, at: Time) -> bool {
    let Some(life) = card.life else { return true };
    let plastic = consumer.named("life").at(u64::from(cards));
    let (lives, updates) = (plastic.stream(), plastic.named("updater").stream());
    let mut ends = fixed.unwrap_or(Time::START);
    for i in 0.. {
        ends = ends + sojourn(life.max(MEAN_MIN), lives, i);
        if at < ends || ends == Time::NEVER {
            return true;
        }
        if !card.updated.happens(updates.word(i)) {
            return false;
        }
    }
    unreachable!("lives pass until `at`")
}

/// Whether there is money behind the card at `at`: sojourn i is word i of the path.
fn is_funded(funds: Funds, consumer: Address, fixed: Option<Time>, cards: u32, at: Time) -> bool {
    let Funds { broke, funded } = funds;
    if broke == Span::ZERO || funded == Span::ZERO {
        return broke == Span::ZERO;
    }
    let (broke, funded) = (broke.max(MEAN_MIN), funded.max(MEAN_MIN));
    let paths = consumer.named("funds");
    let path = paths.at(u64::from(cards)).stream();
    let share = Chance::of(funded.ns(), (funded + broke).ns());
    let mut has_money = fixed.is_some() || share.happens(paths.stream().word(0));
    let mut changes = fixed.unwrap_or(Time::START);
    for i in 0.. {
        changes = changes + sojourn(if has_money { funded } else { broke }, path, i);
        if at < changes || changes == Time::NEVER {
            break;
        }
        has_money = !has_money;
    }
    has_money
}

/// An exponential length of time: word `index` of a stream.
fn sojourn(mean: Span, stream: Stream, index: u64) -> Span {
    Span::from_ns((mean.ns() as f64 * exponential(stream.word(index))) as u64)
}
