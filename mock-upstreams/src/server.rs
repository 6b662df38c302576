//! The mock's server: its service on a [`Host`], and what it has counted.

use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use self::counters::Counters;
use self::counters::ThreadCounters;
use crate::host::{Host, Seat};
use crate::service::{Service, ServiceSpec, Shared};

pub(crate) mod counters;

/// What to serve, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one, which [`Server::addr`] then tells.
    pub listen: SocketAddr,
    /// OS threads; more than there are cores gain nothing.
    pub threads: NonZeroUsize,
    /// How requests are answered.
    pub service: ServiceSpec,
    /// Whether a [`mock-outcome`](crate::OUTCOME_HEADER) header decides the answer. For drivers on loopback, and off by
    /// default: whoever can send the header can hold requests for an hour.
    pub obey: bool,
}

impl Default for Options {
    /// One thread on a free port of the loopback interface, with the default service, obeying nobody.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: NonZeroUsize::MIN,
            service: ServiceSpec::default(),
            obey: false,
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
    /// Listens and serves. When this returns, every thread accepts connections. Errors as [`Host::start`].
    pub fn start(options: &Options) -> io::Result<Self> {
        let counters: Arc<[ThreadCounters]> = (0..options.threads.get()).map(|_| ThreadCounters::default()).collect();
        let places = |capacity: NonZeroU32| Arc::new(Semaphore::new(capacity.get() as usize));
        let named = options.service.named.iter().map(|(name, capacity)| (name.clone(), places(*capacity)));
        let shared = Shared {
            counters: Arc::clone(&counters),
            places: options.service.capacity.map(places),
            named: Arc::new(named.collect()),
        };
        let (spec, obey) = (options.service.clone(), options.obey);
        let make = move |seat: &Seat| {
            let service = Rc::new(Service::new(spec.clone(), obey, seat, shared.clone()));
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

fn read(counters: &[ThreadCounters]) -> Counters {
    counters.iter().map(ThreadCounters::read).sum()
}

#[cfg(test)]
mod tests;
