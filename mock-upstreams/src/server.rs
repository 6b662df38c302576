//! The mock's server: its service on a [`Host`], and what it has counted.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use self::counters::Counters;
use self::counters::ThreadCounters;
use crate::calls::check;
use crate::direct::Director;
use crate::host::{Host, Seat};
use crate::service::{DEFAULT_SERVICE, Service, ServiceSpec, Shared};

pub(crate) mod counters;

/// What to serve, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one, which [`Server::addr`] then tells.
    pub listen: SocketAddr,
    /// OS threads; more than there are cores gain nothing.
    pub threads: NonZeroUsize,
    /// How requests are answered that name no other service.
    pub service: ServiceSpec,
    /// The services that requests can name, by their host (`Host: ranker`, `Host: ranker.test`) or the first segment of
    /// their path (`/ranker/…`). Where there are any, answers tell the trace and the way of the request. Of these specs
    /// `named` has no meaning.
    pub services: BTreeMap<String, ServiceSpec>,
    /// Whether `/echo` and `/healthz` have a meaning of their own.
    pub endpoints: bool,
    /// Whether a [`mock-outcome`](crate::OUTCOME_HEADER) header decides the answer. For drivers on loopback, and off by
    /// default: whoever can send the header can hold requests for an hour.
    pub obey: bool,
    /// Who commands the requests that do not carry a command which is obeyed; `None`: nobody, the service's spec decides.
    pub director: Option<Director>,
}

impl Default for Options {
    /// One thread on a free port of the loopback interface, with the default service, obeying nobody.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: NonZeroUsize::MIN,
            service: ServiceSpec::default(),
            services: BTreeMap::new(),
            endpoints: false,
            obey: false,
            director: None,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    host: Host,
    counters: Arc<[ThreadCounters]>,
}

impl Server {
    /// Listens and serves. When this returns, every thread accepts connections. Errors as [`Host::start`], and as
    /// [`io::ErrorKind::InvalidInput`] when a service has no proper name, is named as the default one is, or cannot call what
    /// it says.
    pub fn start(options: &Options) -> io::Result<Self> {
        check_services(options)?;
        let counters: Arc<[ThreadCounters]> = (0..options.threads.get()).map(|_| ThreadCounters::default()).collect();
        let shared = Shared { counters: Arc::clone(&counters), places: Arc::new(places(options)) };
        let played = options.clone();
        let make = move |seat: &Seat| {
            let service = Rc::new(Service::new(&played, seat, shared.clone()));
            move |request| {
                let service = Rc::clone(&service);
                async move { service.answer(request).await }
            }
        };
        Ok(Self { host: Host::start("mock", options.listen, options.threads, make)?, counters })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.host.addr()
    }

    /// What happened so far, on all threads.
    pub fn counters(&self) -> Counters {
        read(&self.counters)
    }

    /// As [`Host::shutdown`]. Returns the final counters.
    pub fn shutdown(self, grace: Duration) -> Counters {
        self.host.shutdown(grace);
        read(&self.counters)
    }
}

fn check_services(options: &Options) -> io::Result<()> {
    let wrong = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
    let mut all: BTreeMap<_, _> = options.services.iter().map(|(name, spec)| (name.as_str(), spec)).collect();
    if all.insert(DEFAULT_SERVICE, &options.service).is_some() {
        return Err(wrong(format!("`{DEFAULT_SERVICE}` is the name of the service that has no other")));
    }
    check(&all).map_err(|found| wrong(found.message))
}

/// The places of every service that has few.
fn places(options: &Options) -> BTreeMap<String, Arc<Semaphore>> {
    let places =
        |(name, capacity): (&str, NonZeroU32)| (name.to_owned(), Arc::new(Semaphore::new(capacity.get() as usize)));
    let default = options.service.capacity.map(|capacity| (DEFAULT_SERVICE, capacity));
    let commanded = options.service.named.iter().map(|(name, capacity)| (name.as_str(), *capacity));
    let named = options.services.iter().filter_map(|(name, spec)| Some((name.as_str(), spec.capacity?)));
    commanded.chain(default).chain(named).map(places).collect()
}

pub(crate) fn read(counters: &[ThreadCounters]) -> Counters {
    counters.iter().map(ThreadCounters::read).sum()
}

#[cfg(test)]
mod tests;
