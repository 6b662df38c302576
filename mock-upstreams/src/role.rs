//! A service as one thread plays it: what it draws for each request, and whom it calls.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::Semaphore;

use crate::command::Command;
use crate::draw::Draws;
use crate::fault::Fault;
use crate::path::{Path, Stop};
use crate::service::{BODY_HEAD, BODY_TAIL, DEFAULT_SERVICE, MIN_BODY_BYTES, ServiceSpec};

/// One service.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: Arc<str>,
    pub(crate) spec: ServiceSpec,
    /// The body of every plain answer, shared by all of them.
    pub(crate) body: Bytes,
    /// The services that it calls, by their place among all.
    calls: Vec<usize>,
    /// The places where requests are worked on, if they are few. It hands them out in the order of asking.
    pub(crate) places: Option<Arc<Semaphore>>,
    thread: u64,
    /// The number of the next request on this thread.
    next_request: Cell<u64>,
}

/// What a service does with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) latency: Duration,
    pub(crate) status: StatusCode,
    pub(crate) fault: Option<Fault>,
}

impl Role {
    /// The default service, and then those that have names, in the order of these. What they call is
    /// among them.
    pub(crate) fn all(
        default: &ServiceSpec,
        named: &BTreeMap<String, ServiceSpec>,
        places: &BTreeMap<String, Arc<Semaphore>>,
        thread: usize,
    ) -> Vec<Self> {
        let place = |name: &String| 1 + named.range::<String, _>(..name).count();
        let role = |name: &str, spec: &ServiceSpec| Self {
            name: name.into(),
            body: json_body(spec.body_bytes),
            calls: spec.calls.iter().map(place).collect(),
            places: spec.capacity.and_then(|_| places.get(name).cloned()),
            spec: spec.clone(),
            thread: thread as u64,
            next_request: Cell::new(0),
        };
        let others = named.iter().map(|(name, spec)| role(name, spec));
        std::iter::once(role(DEFAULT_SERVICE, default)).chain(others).collect()
    }

    /// The draws of its next request.
    pub(crate) fn draws(&self) -> Draws {
        let request = self.next_request.replace(self.next_request.get() + 1);
        Draws::of(self.spec.seed, self.thread, request)
    }

    /// What it does with its next request, where the command leaves that open. A fault is drawn last, so that faults do
    /// not move the latencies.
    pub(crate) fn draw(&self, command: &Command<'_>) -> Drawn {
        let mut draws = self.draws();
        let status = self.status(command, &mut draws);
        let latency = command.latency.unwrap_or_else(|| self.spec.latency.sample(&mut draws));
        Drawn { latency, status, fault: self.fault(command, &mut draws) }
    }

    pub(crate) fn status(&self, command: &Command<'_>, draws: &mut Draws) -> StatusCode {
        let failure = self.spec.errors.drawn(draws.word());
        command.status.or(failure).unwrap_or(StatusCode::OK)
    }

    pub(crate) fn fault(&self, command: &Command<'_>, draws: &mut Draws) -> Option<Fault> {
        let own = || if self.spec.faults.is_none() { None } else { self.spec.faults.drawn(draws.word()) };
        command.fault.or_else(own)
    }

    pub(crate) fn calls_others(&self) -> bool {
        !self.calls.is_empty()
    }
}

/// Adds the way of a request through a service and those that it calls, up to the one that fails, and says what becomes
/// of it. A service passes on the status that one it has called fails with; where that leaves no whole answer, it is a bad
/// gateway; and where that never answers, neither does the service. `met` hears of the faults of those that are called.
pub(crate) fn enter(
    roles: &[Role],
    (role, own): (&Role, Drawn),
    depth: usize,
    path: &mut Path,
    met: &impl Fn(Fault),
) -> Drawn {
    path.push(Stop { name: Arc::clone(&role.name), depth, latency: own.latency });
    if own.status.as_u16() >= 400 {
        return own;
    }
    for called in role.calls.iter().map(|called| &roles[*called]) {
        let its = enter(roles, (called, called.draw(&Command::default())), depth + 1, path, met);
        match its.fault {
            Some(Fault::Stall) => return Drawn { fault: its.fault, ..own },
            Some(fault) => {
                met(fault);
                return Drawn { status: StatusCode::BAD_GATEWAY, ..own };
            }
            None if its.status.as_u16() >= 400 => return Drawn { status: its.status, ..own },
            None => {}
        }
    }
    own
}

/// A JSON object of `bytes` bytes, or of the least there are.
fn json_body(bytes: usize) -> Bytes {
    let filling = "x".repeat(bytes.saturating_sub(MIN_BODY_BYTES));
    Bytes::from(format!("{BODY_HEAD}{filling}{BODY_TAIL}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    #[test]
    fn faults_move_neither_latencies_nor_errors() {
        let role = |faults: &str| {
            let latency: Latency = "p50=30ms,p99=250ms".parse().unwrap();
            let (errors, faults) = ("20%".parse().unwrap(), faults.parse().unwrap());
            let spec = ServiceSpec { latency, errors, faults, ..ServiceSpec::default() };
            Role::all(&spec, &BTreeMap::new(), &BTreeMap::new(), 0).remove(0)
        };
        let drawn = |faults: &str| {
            let role = role(faults);
            let draw = |_| role.draw(&Command::default());
            (0..200).map(draw).map(|drawn| (drawn.latency, drawn.status)).collect::<Vec<_>>()
        };
        assert_eq!(drawn("stall=50%"), drawn("reset=1%,cut=90%"));
    }
}
