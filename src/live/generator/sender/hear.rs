//! What a sender makes of an answer: counts it, times it, and lets the client try again or go on.

use std::rc::Rc;
use std::time::Instant;

use farebox_engine::time::{Span, Time};
use farebox_engine::world::client::{Attempts, Budget, next_attempt};
use farebox_engine::world::schedule::Drawn;
use hyper::Response;
use tokio::task::spawn_local;

use super::super::answer::{self, Heard};
use super::super::dress::Reading;
use super::super::due::Due;
use super::super::tally::{CallError, Class, Ending, LoadResult, Times};
use super::Shared;
use crate::live::gateway::LEFT;

impl Shared {
    pub(super) fn record(&self, due: Due, written: Instant, answer: &Result<(Response<Heard>, Reading), CallError>) {
        let ended = Instant::now();
        let mut result = self.result.borrow_mut();
        let (answer, reading) = match answer {
            Ok(answered) => answered,
            Err(error) => {
                self.gauges().error();
                *result.errors.entry(*error).or_default() += 1;
                return;
            }
        };
        self.slow.borrow_mut().hear(due.account, answer.headers());
        if answer.headers().contains_key(LEFT) {
            self.left.borrow_mut().insert(due.account);
        }
        let status = answer.status().as_u16();
        *result.ends.entry(Ending::new(reading.class, status, reading.kind)).or_default() += 1;
        if let Some(reason) = reading.reason {
            *result.reasons.entry((status, reason)).or_default() += 1;
        }
        if let Some(kind) = reading.kind {
            self.gauges().refused(kind);
        }
        result.recovered += u64::from(reading.class == Class::Served && due.attempt > 1);
        self.time(due, [written, ended], (answer, *reading), &mut result);
    }

    /// Records how long an answer took.
    fn time(
        &self,
        due: Due,
        [written, ended]: [Instant; 2],
        (answer, reading): (&Response<Heard>, Reading),
        result: &mut LoadResult,
    ) {
        let since = |from: Instant, until: Instant| until.saturating_duration_since(from).as_nanos() as u64;
        let intended = if self.is_closed { written } else { self.clock.instant(due.at) };
        self.gauges().answered(since(intended, ended));
        // What is answered later than it is measured counts into no rate, and what was due then into every time.
        let was_measured = [self.measured[0], self.measured[1]].map(|at| self.clock.instant(at));
        result.measured_answered += u64::from(was_measured[0] <= ended && ended < was_measured[1]);
        if !self.is_measured(due.at) {
            return;
        }
        result.service.record(since(written, ended));
        if self.is_closed {
            return;
        }
        let is_streamed = reading.class == Class::Served && self.caller.is_streamed(due);
        if let Some(first) = answer.body().first.filter(|_| is_streamed) {
            result.first_token.record(since(intended, first));
        }
        result.latency.entry(reading.class).or_insert_with(Times::new).record(since(intended, ended));
    }

    /// The client hears what became of an attempt, and may make another; or, in a session, the next call.
    pub(super) fn answered(self: &Rc<Self>, due: Due, answer: &Result<(Response<Heard>, Reading), CallError>) {
        let now = self.clock.now().traffic;
        let next = match self.wait(due, answer, now) {
            Some(wait) => Some(Due { attempt: due.attempt + 1, at: now + wait, ..due }),
            None => self.caller.follow_up(due, now),
        };
        if let Some(next) = next.filter(|next| next.at < self.caller.until()) {
            self.waiting.set(self.waiting.get() + 1);
            let refused = answer.as_ref().ok().filter(|_| next.attempt > 1);
            let page = refused.and_then(|(answer, _)| self.page(due, answer));
            spawn_local(Rc::clone(self).again(next, page));
        }
    }

    /// How long the client waits before another attempt; `None` when it makes none.
    fn wait(&self, due: Due, answer: &Result<(Response<Heard>, Reading), CallError>, now: Time) -> Option<Span> {
        let Due { account, call, since, attempt, .. } = due;
        let client = self.caller.client(account)?;
        let mut budgets = self.budgets.borrow_mut();
        let budget = budgets.entry(account).or_insert_with(|| Budget::new(client));
        let answer = answer.as_ref().ok().map(|(answer, reading)| (answer, *reading));
        let answered = answer::said(answer, client.retry.hint);
        if (200..300).contains(&answered.status) {
            budget.succeeded(client, attempt > 1);
            return None;
        }
        let attempts = Attempts { made: attempt, since: now.since(since) };
        let word = self.caller.drawn(account, Drawn::Backoff, call, attempt);
        next_attempt(client, &answered, attempts, budget, word)
    }

    /// Makes an attempt when it is due; after credit was bought at a page, if one is named, and that may take longer.
    async fn again(self: Rc<Self>, mut due: Due, page: Option<String>) {
        if let Some(page) = page {
            self.buy(due, &page).await;
            due.at = due.at.max(self.clock.now().traffic);
        }
        self.timer.sleep_until(self.clock.instant(due.at)).await;
        self.waiting.set(self.waiting.get() - 1);
        if !self.stopped.get() {
            self.release(due);
        }
        self.landed.notify_one();
    }
}
