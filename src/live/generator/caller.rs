//! Makes the requests of a world's calls. What does not change from call to call is made once; the rest is written into
//! buffers that are used again.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use farebox_engine::billing::account::Consumer;
use farebox_engine::draw::Chance;
use farebox_engine::model::{Client, Route};
use farebox_engine::time::{Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::path::Work;
use farebox_engine::world::schedule::{Call, Drawn};
use http_body_util::Empty;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use mock_upstreams::latency::MAX_LATENCY;
use mock_upstreams::{Command, Hop, Hops, OUTCOME_HEADER, Usage};

use super::dress::{Dress, Foreign};
use super::due::{Arrival, Due};
use crate::live::accounts::{AccountId, key};
use crate::live::gateway::{API_KEY, METER};
use crate::live::stamp::{STAMP, Stamp};

/// Headers that a request has at most.
const HEADERS: usize = 4;

/// Makes the requests of a world's calls.
pub(in crate::live) struct Caller {
    world: Arc<World>,
    /// The run's token, where the gateway is its own.
    token: Option<String>,
    /// The `host` header, where the gateway is somebody else's.
    host: Option<HeaderValue>,
    /// Whether the mock upstream is told what to do.
    commands: bool,
    key_header: HeaderName,
    callers: Vec<(Consumer, HeaderValue)>,
    /// By route.
    targets: Vec<Uri>,
    /// By meter beside `requests`, under which name the mock upstream says how much a call used.
    meters: Vec<String>,
    buffer: RefCell<String>,
    usage: RefCell<String>,
    works: RefCell<Vec<Span>>,
}

impl Caller {
    pub(in crate::live) fn new(world: Arc<World>, token: &str) -> Self {
        let keys = own_keys(&world, "");
        Self { token: Some(token.to_owned()), ..Self::calling(world, API_KEY, keys, "") }
    }

    /// Makes requests that look so.
    pub(super) fn dressed(world: Arc<World>, dress: &Dress) -> Self {
        let Foreign { key_header, keys, host, prefix, is_obeyed } = match dress {
            Dress::Own { token } => return Self::new(world, token),
            Dress::Foreign(foreign) => foreign.clone(),
        };
        Self { host: Some(host), commands: is_obeyed, ..Self::calling(world, key_header, keys, &prefix) }
    }

    fn calling(world: Arc<World>, key_header: HeaderName, keys: Vec<HeaderValue>, prefix: &str) -> Self {
        let target = |route: &Route| {
            Uri::try_from(format!("{prefix}{}", route.path)).expect("paths are checked when the scenario is read")
        };
        Self {
            callers: world.consumers().zip(keys).collect(),
            token: None,
            host: None,
            commands: true,
            key_header,
            targets: world.scenario.routes.iter().map(target).collect(),
            meters: world.scenario.meters.iter().skip(1).map(|meter| format!("{METER}{}", meter.name)).collect(),
            buffer: RefCell::default(),
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

    /// The request of an attempt that is made then: its key, its stamp, and what the mock upstream is to do with it.
    pub(in crate::live) fn request(&self, account: AccountId, stamp: Stamp, at: Time) -> Request<Empty<Bytes>> {
        let (consumer, key) = &self.callers[account.0 as usize];
        let (route, usage) = self.world.schedule.call(*consumer, stamp.call);
        let call = Call { index: stamp.call, attempt: stamp.attempt, at, route, usage };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.targets[route as usize].clone();
        let headers = request.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(self.key_header.clone(), key.clone());
        headers.extend(self.host.clone().map(|host| (HOST, host)));
        if let Some(token) = &self.token {
            headers.insert(STAMP, self.write(|text| stamp.write(token, text)));
        }
        if self.commands {
            headers.insert(OUTCOME_HEADER.clone(), self.outcome(*consumer, &call, stamp.scheduled.is_some()));
        }
        request
    }

    /// A header value that is written into the buffer first.
    fn write(&self, write: impl FnOnce(&mut String)) -> HeaderValue {
        let mut text = self.buffer.borrow_mut();
        text.clear();
        write(&mut text);
        HeaderValue::from_str(&text).expect("what is written has visible ASCII characters only")
    }

    /// In lockstep nobody waits for a latency: it is in the stamp's times.
    fn outcome(&self, consumer: Consumer, call: &Call, is_scheduled: bool) -> HeaderValue {
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
        self.write(|text| write!(text, "{command}").expect("a String takes everything"))
    }

    /// Puts in place how long each upstream works on an attempt that it comes to, where none makes it wait; the status that the
    /// last of them fails with, if it does.
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

    /// Of the hot path these may not grow unseen: the headers' table and entries, and the values of the stamp and of
    /// the command.
    const ALLOCATIONS_MOST: u64 = 4;

    #[test]
    fn a_request_takes_few_allocations() {
        let mut scenario = Scenario::new("one", Span::from_secs(1_000));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("alone", 1, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        let world = Arc::new(World::whole(Arc::new(scenario)).unwrap());
        let caller = Caller::new(Arc::clone(&world), &"0".repeat(32));
        let consumer = Consumer { cohort: 0, index: 0 };
        for call in world.calls(consumer).take(200) {
            let stamp = Stamp { call: call.index, attempt: 1, scheduled: None };
            let mut request = None;
            let counted = allocation_counter::measure(|| request = Some(caller.request(AccountId(0), stamp, call.at)));
            assert_eq!(request.unwrap().headers().len(), 3);
            // The first call makes the buffers.
            assert!(call.index == 0 || counted.count_total <= ALLOCATIONS_MOST, "{counted:?}");
        }
    }
}
