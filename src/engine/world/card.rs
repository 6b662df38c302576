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

/// A piece of plastic: one of those that follow each other as one card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plastic {
    /// Which one it is, from 0.
    number: u64,
    /// From when on it works.
    pub(super) begins: Time,
    /// When it ends; [`Time::NEVER`]: not at all.
    pub(super) ends: Time,
}

impl Plastic {
    /// The one that was in the consumer's hands when a card came to be used: at the scenario's start, or when it was put
    /// in. A residual exponential lifetime has the law of a whole one, so the first lifetime begins at the start.
    pub(super) fn first(card: &Card, consumer: Address, fixed: Option<Time>, cards: u32) -> Self {
        Self::from(card, consumer, cards, 0, fixed.unwrap_or(Time::START))
    }

    fn from(card: &Card, consumer: Address, cards: u32, number: u64, begins: Time) -> Self {
        let lives = plastic(consumer, cards).stream();
        let ends = card.life.map_or(Time::NEVER, |life| begins + sojourn(life.max(MEAN_MIN), lives, number));
        Self { number, begins, ends }
    }

    /// The one that the updater hands over when this one ends; `None`: it does not, or this one does not end.
    pub(super) fn next(self, card: &Card, consumer: Address, cards: u32) -> Option<Self> {
        let updates = plastic(consumer, cards).named("updater").stream();
        let is_next = self.ends < Time::NEVER && card.updated.happens(updates.word(self.number));
        is_next.then(|| Self::from(card, consumer, cards, self.number + 1, self.ends))
    }

    /// Its place among the draws of its consumer.
    pub(super) fn number(self) -> u64 {
        self.number
    }
}

/// Where the lifetimes of a consumer's card of this number are drawn.
fn plastic(consumer: Address, cards: u32) -> Address {
    consumer.named("life").at(u64::from(cards))
}

/// Whether the plastic works at `at`.
fn is_alive(card: &Card, consumer: Address, fixed: Option<Time>, cards: u32, at: Time) -> bool {
    if card.life.is_none() {
        return true;
    }
    let mut plastic = Plastic::first(card, consumer, fixed, cards);
    while at >= plastic.ends && plastic.ends < Time::NEVER {
        match plastic.next(card, consumer, cards) {
            Some(next) => plastic = next,
            None => return false,
        }
    }
    true
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
