//! Writes the requests of a world's calls. What does not change from call to call is made once; the rest is written into
//! buffers that are used again.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farebox_engine::billing::account::Consumer;
use farebox_engine::draw::Chance;
use farebox_engine::model::{Client, Route};
use farebox_engine::time::{Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::path::Work;
use farebox_engine::world::schedule::{Call, Drawn};
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use mock_upstreams::latency::MAX_LATENCY;
use mock_upstreams::{Command, Hop, Hops, OUTCOME_HEADER, Usage};

use super::dress::{Dress, Foreign};
use super::due::{Arrival, Due};
use crate::live::accounts::{AccountId, key};
use crate::live::gateway::{API_KEY, METER};
use crate::live::stamp::{STAMP, Stamp};

/// Writes the requests of a world's calls.
pub(in crate::live) struct Caller {
    world: Arc<World>,
    /// The run's token, where the gateway is its own.
    token: Option<String>,
    /// Whether the mock upstream is told what to do.
    commands: bool,
    /// Each with the line that carries their key.
    callers: Vec<(Consumer, String)>,
    /// By route, the request's line and `host`.
    openings: Vec<String>,
    /// The lines that every request has, up to its end.
    ending: String,
    /// The lines of `host` and of further headers, of a request that is none of a route.
    beside: String,
    /// By meter beside `requests`, under which name the mock upstream says how much a call used.
    meters: Vec<String>,
    usage: RefCell<String>,
    works: RefCell<Vec<Span>>,
}

impl Caller {
    /// Of our own gateway, which listens there.
    pub(in crate::live) fn new(world: Arc<World>, token: &str, gateway: SocketAddr) -> Self {
        let keys = own_keys(&world, "");
        let host = HeaderValue::try_from(gateway.to_string()).expect("an address is a header value");
        let own = Foreign { key_header: API_KEY, keys, host, is_obeyed: true, ..Foreign::default() };
        Self { token: Some(token.to_owned()), ..Self::calling(world, &own) }
    }

    /// Of a gateway that listens there, and takes requests that look so.
    pub(super) fn dressed(world: Arc<World>, dress: &Dress, gateway: SocketAddr) -> Self {
        match dress {
            Dress::Own { token } => Self::new(world, token, gateway),
            Dress::Foreign(foreign) => Self::calling(world, foreign),
        }
    }

    fn calling(world: Arc<World>, to: &Foreign) -> Self {
        let Foreign { key_header, keys, host, prefix, method, headers, body, is_obeyed } = to;
        let mut ending = String::new();
        for (name, value) in headers {
            line(&mut ending, name, value);
        }
        let mut beside = String::new();
        line(&mut beside, &HOST, host);
        beside.push_str(&ending);
        if !body.is_empty() || !method.is_safe() {
            write!(ending, "{CONTENT_LENGTH}: {}\r\n", body.len()).expect("a String takes everything");
        }
        let opening = |route: &Route| {
            let mut opening = format!("{method} {prefix}{} HTTP/1.1\r\n", route.path);
            line(&mut opening, &HOST, host);
            opening
        };
        let own_line = |key: &HeaderValue| {
            let mut own_line = String::new();
            line(&mut own_line, key_header, key);
            own_line
        };
        Self {
            callers: world.consumers().zip(keys.iter().map(own_line)).collect(),
            openings: world.scenario.routes.iter().map(opening).collect(),
            ending: format!("{ending}\r\n{body}"),
            beside,
            token: None,
            commands: *is_obeyed,
            meters: world.scenario.meters.iter().skip(1).map(|meter| format!("{METER}{}", meter.name)).collect(),
            usage: RefCell::default(),
            works: RefCell::default(),
            world,
        }
    }

    /// The client of a consumer, if it retries.
    pub(super) fn client(&self, account: AccountId) -> Option<&Client> {
        let (consumer, _) = &self.callers[account.0 as usize];
        let client = &self.world.scenario.cohorts[consumer.cohort as usize].client;
        (*client != Client::none()).then_some(client)
    }

    /// The first attempt at a call of the schedule.
    pub(super) fn first(&self, arrival: Arrival) -> Due {
        let Arrival { at, account, number } = arrival;
        let call = u64::from(number) * self.world.schedule.step(self.callers[account.0 as usize].0);
        Due { account, call, since: at, attempt: 1, at }
    }

    /// Whether a consumer that makes this share of their calls makes this one.
    pub(super) fn is_made(&self, due: Due, keeps: Chance) -> bool {
        self.world.is_made(self.callers[due.account.0 as usize].0, due.call, keeps)
    }

    /// The call that follows one that came to its end `now`, where it is of a session that goes on.
    pub(super) fn follow_up(&self, due: Due, now: Time) -> Option<Due> {
        let (consumer, _) = &self.callers[due.account.0 as usize];
        let next = self.world.schedule.follow_ups(*consumer)?.after(due.call, now)?;
        Some(Due { account: due.account, call: next.index, since: next.at, attempt: 1, at: next.at })
    }

    /// Whether a call's answer is one that an upstream streams, where it is a success.
    pub(super) fn is_streamed(&self, due: Due) -> bool {
        let scenario = &self.world.scenario;
        if !scenario.upstreams.iter().any(|upstream| upstream.streams) {
            return false;
        }
        let (consumer, _) = &self.callers[due.account.0 as usize];
        let (route, _) = self.world.schedule.call(*consumer, due.call);
        scenario.upstreams[self.world.path(route)[0].upstream].streams
    }

    /// What is drawn for an attempt.
    pub(super) fn drawn(&self, account: AccountId, what: Drawn, call: u64, attempt: u32) -> u64 {
        self.world.schedule.attempt(self.callers[account.0 as usize].0, what, call, attempt)
    }

    /// Attempts at or after this instant are not made.
    pub(super) fn until(&self) -> Time {
        self.world.schedule.pace().until
    }

    /// Writes the request of an attempt that is made then, in place of what was there: its key, its stamp, and what the mock
    /// upstream is to do with it.
    pub(in crate::live) fn write(&self, account: AccountId, stamp: Stamp, at: Time, request: &mut String) {
        let (consumer, key) = &self.callers[account.0 as usize];
        let (route, usage) = self.world.schedule.call(*consumer, stamp.call);
        let call = Call { index: stamp.call, attempt: stamp.attempt, at, route, usage };
        request.clear();
        request.push_str(&self.openings[route as usize]);
        request.push_str(key);
        if let Some(token) = &self.token {
            request.push_str(STAMP.as_str());
            request.push_str(": ");
            stamp.write(token, request);
            request.push_str("\r\n");
        }
        if self.commands {
            request.push_str(OUTCOME_HEADER.as_str());
            request.push_str(": ");
            self.command(*consumer, &call, stamp.scheduled.is_some(), request);
            request.push_str("\r\n");
        }
        request.push_str(&self.ending);
    }

    /// Writes a request that buys credit for an account at this path, in place of what was there.
    pub(super) fn write_purchase(&self, account: AccountId, path: &str, request: &mut String) {
        let (_, key) = &self.callers[account.0 as usize];
        request.clear();
        write!(request, "POST {path} HTTP/1.1\r\n{}{key}{CONTENT_LENGTH}: 0\r\n\r\n", self.beside)
            .expect("a String takes everything");
    }

    /// In lockstep nobody waits for a latency: it is in the stamp's times.
    fn command(&self, consumer: Consumer, call: &Call, is_scheduled: bool, text: &mut String) {
        let duration = |span: Span| if is_scheduled { Duration::ZERO } else { Duration::from_nanos(span.ns()) };
        let works = &mut *self.works.borrow_mut();
        let fails = self.way(consumer, call, works);
        let served = works.iter().fold(Span::ZERO, |sum, takes| sum + *takes);
        let first =
            self.world.first_token(call.route, &call.usage, served).filter(|_| fails.is_none() && !is_scheduled);
        let is_single = self.world.scenario.upstreams.len() == 1;
        let hops =
            if is_single { String::new() } else { self.hops(call.route, works.iter().map(|takes| duration(*takes))) };
        let hops = (!is_single).then(|| {
            Hops::parse(&hops).expect("names of upstreams are names of services, and they are no more than may be")
        });
        let amounts = self.meters.iter().zip(call.usage.into_iter().skip(1));
        let mut buffer = self.usage.borrow_mut();
        buffer.clear();
        let usage = Usage::write(&mut buffer, amounts.map(|(name, amount)| (name.as_str(), amount))).ok();
        let command = Command {
            latency: is_single.then(|| duration(served)),
            first: first.map(duration),
            hops,
            status: fails.and_then(|status| StatusCode::from_u16(status).ok()),
            usage,
            ..Command::default()
        };
        write!(text, "{command}").expect("a String takes everything");
    }

    /// Puts in place how long each upstream works on an attempt that it comes to, where none makes it wait; the status
    /// that the last of them fails with, if it does.
    fn way(&self, consumer: Consumer, call: &Call, works: &mut Vec<Span>) -> Option<u16> {
        works.clear();
        for hop in 0..self.world.path(call.route).len() {
            let Work { takes, fails } = self.world.work(consumer, call, hop);
            // The mock takes no longer command; nor does anybody wait for it.
            works.push(takes.min(Span::from_ns(MAX_LATENCY.as_nanos() as u64)));
            if fails.is_some() {
                return fails;
            }
        }
        None
    }

    /// The hops of a route that an attempt comes to.
    fn hops(&self, route: u16, works: impl Iterator<Item = Duration>) -> String {
        let mut text = String::new();
        for (hop, latency) in self.world.path(route).iter().zip(works) {
            let name = &self.world.scenario.upstreams[hop.upstream].name;
            let gap = if text.is_empty() { "" } else { "," };
            write!(text, "{gap}{}", Hop { name, depth: hop.depth, latency }).expect("a String takes everything");
        }
        text
    }
}

/// The line of a header; one whose value is no text is left out, which none is that was made of text.
fn line(text: &mut String, name: &HeaderName, value: &HeaderValue) {
    if let Ok(value) = str::from_utf8(value.as_bytes()) {
        write!(text, "{name}: {value}\r\n").expect("a String takes everything");
    }
}

/// The keys that our own gateway gives out, by account, each behind `prefix`.
pub fn own_keys(world: &World, prefix: &str) -> Vec<HeaderValue> {
    let key = |id| HeaderValue::try_from(format!("{prefix}{}", key(AccountId(id)))).expect("a key is a header value");
    (0..world.consumers().count() as u32).map(key).collect()
}

#[cfg(test)]
mod tests {
    use farebox_engine::billing::account::Consumer;
    use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};

    use super::*;

    #[test]
    fn a_request_takes_no_allocation() {
        let mut scenario = Scenario::new("one", Span::from_secs(1_000));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("alone", 1, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        let world = Arc::new(World::whole(Arc::new(scenario)).unwrap());
        let caller = Caller::new(Arc::clone(&world), &"0".repeat(32), "127.0.0.1:80".parse().unwrap());
        let consumer = Consumer { cohort: 0, index: 0 };
        let mut request = String::new();
        for call in world.calls(consumer).take(200) {
            let stamp = Stamp { call: call.index, attempt: 1, scheduled: None };
            let counted = allocation_counter::measure(|| caller.write(AccountId(0), stamp, call.at, &mut request));
            let lines: Vec<_> = request.split("\r\n").collect();
            assert_eq!(lines[..3], ["GET / HTTP/1.1", "host: 127.0.0.1:80", "x-api-key: key-000000"]);
            assert!(lines[3].starts_with("farebox-stamp: 0000") && lines[4].starts_with("mock-outcome: "), "{request}");
            assert_eq!(lines[5..], ["", ""]);
            // The first call makes the buffers; a later one may be longer by a digit or two.
            assert!(call.index < 20 || counted.count_total == 0, "{}: {counted:?}", call.index);
        }
    }
}
