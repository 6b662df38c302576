//! A request's way through named services, hop by hop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::command::Hops;
use crate::reply::Later;
use crate::timer::Timer;

/// The services that a request comes to.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<Stop>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) name: Arc<str>,
    pub(crate) depth: usize,
    pub(crate) latency: Duration,
}

/// A request that has been everywhere.
pub(crate) struct Arrived {
    /// The places that it still keeps.
    pub(crate) places: Vec<OwnedSemaphorePermit>,
    /// What is still to come, where only the first part was waited for; it has the places then.
    pub(crate) rest: Option<Later>,
}

impl Path {
    pub(crate) fn new(hops: Hops<'_>) -> Self {
        Self(hops.iter().map(|hop| Stop { name: hop.name.into(), depth: hop.depth, latency: hop.latency }).collect())
    }

    /// The request comes to one more.
    pub(crate) fn push(&mut self, stop: Stop) {
        self.0.push(stop);
    }

    /// The services, in the order in which the request comes to them.
    pub(crate) fn stops(&self) -> &[Stop] {
        &self.0
    }

    /// Waits for a place at each service and for its work; a place is kept until all that is called from there have
    /// answered. At the last it waits only until `first`, if that is given: then the rest of its work is still to come.
    pub(crate) async fn travel(
        &self,
        services: &BTreeMap<String, Arc<Semaphore>>,
        timer: &Timer,
        arrival: Instant,
        first: Option<Duration>,
    ) -> Arrived {
        let mut held: Vec<(usize, Vec<OwnedSemaphorePermit>)> = Vec::new();
        let mut at = arrival;
        for (number, stop) in self.0.iter().enumerate() {
            held.retain(|(depth, _)| *depth < stop.depth);
            let first = first.filter(|_| number + 1 == self.0.len());
            let worked = work(services.get(&*stop.name), timer, at, stop.latency, first).await;
            if let Some(rest) = worked.rest {
                let places = held.into_iter().flat_map(|(_, places)| places).chain(rest.places).collect();
                return Arrived { places: Vec::new(), rest: Some(Later { places, ..rest }) };
            }
            held.push((stop.depth, worked.places));
            at = worked.ends;
        }
        Arrived { places: held.into_iter().flat_map(|(_, places)| places).collect(), rest: None }
    }

    /// The number of the last hop, from 0, and its name.
    pub(crate) fn failed(&self) -> HeaderValue {
        let last = self.0.len() - 1;
        let text = format!("{last} {}", self.0[last].name);
        HeaderValue::try_from(text).expect("names of services are visible ASCII characters")
    }
}

/// What one service has done.
pub(crate) struct Worked {
    /// When its work ends.
    pub(crate) ends: Instant,
    /// The place that it still keeps.
    pub(crate) places: Vec<OwnedSemaphorePermit>,
    /// What is still to come, where only the first part was waited for; it has the place then.
    pub(crate) rest: Option<Later>,
}

/// Waits in line for a place of a service, where there are few, from `at` on, and for its work; of that only until `first`,
/// if it is given.
pub(crate) async fn work(
    places: Option<&Arc<Semaphore>>,
    timer: &Timer,
    at: Instant,
    latency: Duration,
    first: Option<Duration>,
) -> Worked {
    let (begins, places) = place(places, at).await;
    let ends = begins + latency;
    let waits = first.unwrap_or(latency);
    if !waits.is_zero() {
        timer.sleep_until(begins + waits).await;
    }
    match first {
        None => Worked { ends, places, rest: None },
        Some(_) => Worked { ends, places: Vec::new(), rest: Some(Later { sleep: timer.sleep_until(ends), places }) },
    }
}

/// When work begins, and the place.
async fn place(places: Option<&Arc<Semaphore>>, at: Instant) -> (Instant, Vec<OwnedSemaphorePermit>) {
    let Some(places) = places else { return (at, Vec::new()) };
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return (at, vec![place]);
    }
    let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
    (Instant::now(), vec![place])
}
