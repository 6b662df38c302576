//! Calls in sessions: what follows a call once it has come to its end.
//!
//! A session is a closed loop: its next call comes a think time after the client has heard of the last attempt at the
//! call before it, be it served, failed or refused. So when calls come depends on the answers, and only the sessions'
//! first calls are in the schedule. How many calls a session has, and how long each think time is, is drawn at addresses
//! of their own: a plan, or a latency, that changes moves calls and draws no others.
//!
//! Think times are part of the scenario's time, as gaps and bursts are: a load that plays the calls closer together
//! shortens them alike.

use crate::draw::Stream;
use crate::model::Sessions;
use crate::time::{Span, Time};
use crate::world::schedule::{Call, Load};

/// What follows the calls of one consumer whose calls come in sessions.
#[derive(Clone, Debug)]
pub struct FollowUps<'a> {
    draws: Draws<'a>,
    load: Load<'a>,
}

impl<'a> FollowUps<'a> {
    pub(super) fn new(sessions: &'a Sessions, stretch: f64, load: Load<'a>, draws: &impl Fn(&str) -> Stream) -> Self {
        let draws = Draws { sessions, stretch, lengths: draws("sessions"), thinks: draws("think") };
        Self { draws, load }
    }

    /// The call that follows the one of this index, which came to its end at `over`; `None` where it was the last of its
    /// session.
    pub fn after(&self, index: u64, over: Time) -> Option<Call> {
        let next = self.draws.next(index)?;
        let mut call = Call { index: next, attempt: 1, at: over + self.draws.think(next), ..Call::default() };
        self.load.put(next, &mut call);
        Some(call)
    }
}

/// The calls of sessions from before the start, the last one first: those that come before the start of the sessions that
/// begin at these times. Each was served, and took as long as it says.
pub(super) fn past(
    sessions: &Sessions,
    stretch: f64,
    takes: impl Fn(u64) -> Span,
    begun: &[(u64, Time)],
    draws: &impl Fn(&str) -> Stream,
) -> Vec<(u64, Time)> {
    let draws = Draws { sessions, stretch, lengths: draws("history's sessions"), thinks: draws("history's think") };
    let mut times = Vec::new();
    for (number, begun) in begun {
        let mut call = Some((number * Sessions::PLACES, *begun));
        while let Some((index, at)) = call.filter(|(_, at)| *at < Time::START) {
            times.push((index, at));
            let over = at + takes(index);
            call = draws.next(index).map(|next| (next, over + draws.think(next)));
        }
    }
    times.sort_unstable_by_key(|(index, at)| std::cmp::Reverse((*at, *index)));
    times
}

/// What is drawn for the sessions of one consumer.
#[derive(Clone, Copy, Debug)]
struct Draws<'a> {
    sessions: &'a Sessions,
    stretch: f64,
    /// By session.
    lengths: Stream,
    /// By the call that is made after it.
    thinks: Stream,
}

impl Draws<'_> {
    /// The index of the next call of the session, if it has one.
    fn next(&self, index: u64) -> Option<u64> {
        let (session, place) = (index / Sessions::PLACES, index % Sessions::PLACES);
        (place + 1 < self.sessions.calls(self.lengths.word(session))).then_some(index + 1)
    }

    /// The think time before a call.
    fn think(&self, index: u64) -> Span {
        Span::from_ns((self.sessions.think.sample(self.thinks.word(index)) * self.stretch) as u64)
    }
}
