//! Events on their way to the webhook: when each is due, what goes wrong with it, and when it is tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::events::matches;
use super::ids::{Stream, draws};
use super::webhook::Webhook;

/// How late an event comes that others are to overtake, in milliseconds.
const OVERTAKEN_MS: i64 = 2_000;
/// From a failed delivery to the next, in milliseconds; each later one is four times as far.
const FIRST_RETRY_MS: i64 = 5_000;
/// How long an event is tried, as Stripe does: three days, in milliseconds.
const TRIED_MS: i64 = 3 * 86_400_000;

/// What is to be delivered.
#[derive(Debug)]
pub(super) struct Outbox {
    webhook: Option<Webhook>,
    seed: u64,
    most: usize,
    queue: BTreeMap<(i64, u64), Delivery>,
    /// Of the next delivery.
    next: u64,
    /// Of the next event whose fate is drawn.
    drawn: u64,
    counts: Counts,
    waker: Arc<Notify>,
}

/// One delivery.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) event: String,
    pub(super) payload: Bytes,
    /// When it was tried first, by the mock's clock.
    first_ms: i64,
    failures: u32,
}

/// What became of events.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Deliveries that were to be made; one of what was lost on purpose.
    planned: u64,
    delivered: u64,
    failed: u64,
    given_up: u64,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    dropped: u64,
}

impl Outbox {
    /// Nothing yet, for this webhook; `most` deliveries may wait.
    pub(super) fn new(webhook: Option<Webhook>, seed: u64, most: usize) -> Self {
        Self {
            webhook,
            seed,
            most,
            queue: BTreeMap::new(),
            next: 0,
            drawn: 0,
            counts: Counts::default(),
            waker: Arc::default(),
        }
    }

    /// Whether there is a webhook for events of this kind.
    pub(super) fn sends(&self, kind: &str) -> bool {
        self.webhook
            .as_ref()
            .is_some_and(|webhook| webhook.events.is_empty() || webhook.events.iter().any(|asked| matches(asked, kind)))
    }

    /// Sends an event on its way to the webhook, if there is one: as was commanded, if it was, else as drawn.
    pub(super) fn send(&mut self, event: &Value, now_ms: i64, commanded: Option<&[Duration]>) {
        match commanded {
            Some(deliveries) => {
                self.send_at(event, deliveries.iter().map(|after| now_ms + millis_up(*after)).collect());
            }
            None => self.send_drawn(event, now_ms),
        }
    }

    fn send_drawn(&mut self, event: &Value, now_ms: i64) {
        let Some(webhook) = &self.webhook else { return };
        let mut draws = draws(self.seed, Stream::Webhooks, self.drawn);
        self.drawn += 1;
        let (loses, doubles, reorders) =
            (webhook.lose.hit(draws.word()), webhook.duplicate.hit(draws.word()), webhook.reorder.hit(draws.word()));
        let delay_ms = i64::try_from(webhook.delay.sample(&mut draws).as_millis()).unwrap_or(i64::MAX);
        let due_ms = now_ms + delay_ms + if reorders { OVERTAKEN_MS } else { 0 };
        let times = if loses { 0 } else { 1 + usize::from(doubles) };
        if self.send_at(event, vec![due_ms; times]) {
            self.counts.reordered += u64::from(reorders);
        }
    }

    /// Plans the deliveries of an event; of none it is lost. Whether any is planned.
    fn send_at(&mut self, event: &Value, due_ms: Vec<i64>) -> bool {
        if self.webhook.is_none() {
            return false;
        }
        self.counts.planned += due_ms.len().max(1) as u64;
        if due_ms.is_empty() {
            self.counts.lost += 1;
            return false;
        }
        if self.queue.len() + due_ms.len() > self.most {
            self.counts.dropped += 1;
            return false;
        }
        self.counts.duplicated += u64::from(due_ms.len() > 1);
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        let payload: Bytes = event.to_string().into();
        for due_ms in due_ms {
            let delivery = Delivery { event: id.clone(), payload: payload.clone(), first_ms: due_ms, failures: 0 };
            self.put(due_ms, delivery);
        }
        self.wake();
        true
    }

    fn put(&mut self, due_ms: i64, delivery: Delivery) {
        self.queue.insert((due_ms, self.next), delivery);
        self.next += 1;
    }

    /// What is due; else when the next is, if there is one.
    pub(super) fn due(&mut self, now_ms: i64) -> Result<Delivery, Option<i64>> {
        let Some(first) = self.queue.first_entry() else { return Err(None) };
        let due_ms = first.key().0;
        if due_ms <= now_ms { Ok(first.remove()) } else { Err(Some(due_ms)) }
    }

    /// Notes what became of a delivery, and plans the next one if the webhook did not take it. Whether it did.
    pub(super) fn delivered(&mut self, mut delivery: Delivery, is_taken: bool, now_ms: i64) -> bool {
        if is_taken {
            self.counts.delivered += 1;
            return true;
        }
        self.counts.failed += 1;
        let wait_ms = FIRST_RETRY_MS.saturating_mul(4_i64.saturating_pow(delivery.failures));
        delivery.failures += 1;
        let due_ms = now_ms.saturating_add(wait_ms);
        if due_ms - delivery.first_ms > TRIED_MS {
            self.counts.given_up += 1;
        } else {
            self.put(due_ms, delivery);
            self.wake();
        }
        false
    }

    /// What wakes whoever delivers.
    pub(super) fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.waker)
    }

    /// Wakes whoever delivers: something may be due.
    pub(super) fn wake(&self) {
        self.waker.notify_one();
    }

    /// Deliveries that were to be made, and were not taken by now, for whatever reason.
    pub(super) fn undelivered(&self) -> u64 {
        self.counts.planned.saturating_sub(self.counts.delivered)
    }

    /// What became of events, as the mock tells it.
    pub(super) fn render(&self) -> Value {
        let counts = self.counts;
        json!({
            "waiting": self.queue.len(),
            "delivered": counts.delivered,
            "failed": counts.failed,
            "given_up": counts.given_up,
            "lost": counts.lost,
            "duplicated": counts.duplicated,
            "reordered": counts.reordered,
            "dropped": counts.dropped,
        })
    }
}

/// A span in whole milliseconds, rounded up: nothing is delivered before it is due.
fn millis_up(span: Duration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::latency::Latency;
    use crate::share::Share;

    fn outbox(most: usize) -> Outbox {
        let none = Share::NONE;
        let (url, secret) = ("http://127.0.0.1:9/".parse().unwrap(), "whsec_x".to_owned());
        let webhook = Webhook {
            url,
            secret,
            events: Vec::new(),
            delay: Latency::ZERO,
            duplicate: none,
            reorder: none,
            lose: none,
            at_once: NonZeroUsize::MIN,
        };
        Outbox::new(Some(webhook), 1, most)
    }

    #[test]
    fn each_wait_is_four_times_the_one_before_for_three_days() {
        let (mut outbox, mut now_ms, mut waits) = (outbox(10), 0, Vec::new());
        outbox.send(&json!({ "id": "evt_1" }), now_ms, None);
        while let Ok(delivery) = outbox.due(now_ms) {
            assert!(!outbox.delivered(delivery, false, now_ms));
            if let Err(Some(next_ms)) = outbox.due(now_ms) {
                waits.push((next_ms - now_ms) / 1_000);
                now_ms = next_ms;
            }
        }
        assert_eq!(waits, [5, 20, 80, 320, 1_280, 5_120, 20_480, 81_920]);
        assert_eq!((&outbox.render()["failed"], &outbox.render()["given_up"]), (&9.into(), &1.into()));
    }

    #[test]
    fn what_is_commanded_is_due_when_it_was_and_what_is_lost_is_counted() {
        let mut outbox = outbox(10);
        let send = |outbox: &mut Outbox, id: &str, after_us: &[u64]| {
            let after: Vec<_> = after_us.iter().map(|us| Duration::from_micros(*us)).collect();
            outbox.send(&json!({ "id": id }), 100, Some(&after));
        };
        send(&mut outbox, "evt_1", &[1_001, 5_000_000]);
        send(&mut outbox, "evt_2", &[]);
        send(&mut outbox, "evt_3", &[0]);
        let mut come = Vec::new();
        for now_ms in [100, 101, 102, 5_099, 5_100] {
            come.extend(std::iter::from_fn(|| outbox.due(now_ms).ok()).map(|delivery| (now_ms, delivery.event)));
        }
        assert_eq!(come, [(100, "evt_3".to_owned()), (102, "evt_1".to_owned()), (5_100, "evt_1".to_owned())]);
        assert_eq!((&outbox.render()["lost"], &outbox.render()["duplicated"]), (&1.into(), &1.into()));
    }

    #[test]
    fn each_delivery_that_was_to_be_made_is_undelivered_until_it_is_taken() {
        let mut outbox = outbox(5);
        let sent = |outbox: &mut Outbox, times: usize| {
            outbox.send(&json!({ "id": "evt_1" }), 0, Some(&vec![Duration::ZERO; times]));
            outbox.undelivered()
        };
        // Four, one that is lost on purpose, and two that do not fit.
        assert_eq!([4, 0, 2].map(|times| sent(&mut outbox, times)), [4, 5, 7]);
        while let Ok(delivery) = outbox.due(0) {
            outbox.delivered(delivery, true, 0);
        }
        assert_eq!(outbox.undelivered(), 3);
        outbox.send(&json!({ "id": "evt_2" }), 0, None);
        assert_eq!(outbox.undelivered(), 4, "what is drawn is counted as what is commanded");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let mut outbox = outbox(3);
        for _ in 0..4 {
            outbox.send(&json!({ "id": "evt_1" }), 0, None);
        }
        assert_eq!((&outbox.render()["waiting"], &outbox.render()["dropped"]), (&3.into(), &1.into()));
    }
}
