//! The services behind the gateway: what each of them takes, fails and costs, and which others it calls.

use super::{PerMeter, Scenario, UnitPrice};
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::time::Span;

/// Hops that one call may take behind the gateway at most.
pub const HOPS_MOST: usize = 16;
/// The status of an answer that says nothing else of a failure: an internal server error (RFC 9110).
pub const FAILED: u16 = 500;

/// A service behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the file.
    pub name: String,
    /// How long it works before its answer, or before it calls others, in ns; of one that generates, until the first of
    /// what it generates.
    pub latency: Distribution,
    /// What it generates after that; `None`: its answer is whole at once.
    pub generates: Option<Generates>,
    /// Whether the client hears what is generated as it comes, so that the time to the first of it is measured apart.
    /// Only for one that generates, that answers the gateway itself and calls no other.
    pub streams: bool,
    /// How often a call fails there, and which status it answers then, after the same time.
    pub errors: Errors,
    /// How many calls it works on at once, those included that wait for the others that it calls; more of them wait in
    /// line. `None`: any number.
    pub capacity: Option<u32>,
    /// The others that it calls in turn once its own work is done, by index; never itself, by whatever way.
    pub calls: Vec<usize>,
    /// What a call that reaches it costs to answer, per unit of a meter, whoever pays for it.
    pub cost: PerMeter<Option<UnitPrice>>,
}

/// How often an upstream fails what comes to it, and which status it answers then. One word of chance decides both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Statuses in order, each with the chance that it or one before it is answered.
    up_to: Vec<(Chance, u16)>,
}

impl Errors {
    /// It never fails.
    pub const NEVER: Self = Self { up_to: Vec::new() };

    /// Each status with its chance, in whatever order; `None` where they sum to more than 1.
    pub fn of(each: impl IntoIterator<Item = (u16, Chance)>) -> Option<Self> {
        let mut each: Vec<_> = each.into_iter().filter(|(_, chance)| *chance != Chance::NEVER).collect();
        each.sort_unstable();
        let mut sum = Chance::NEVER;
        let mut up_to = Vec::with_capacity(each.len());
        for (status, chance) in each {
            sum = sum.plus(chance)?;
            up_to.push((sum, status));
        }
        Some(Self { up_to })
    }

    /// The chance that it fails at all.
    pub fn chance(&self) -> Chance {
        self.up_to.last().map_or(Chance::NEVER, |(chance, _)| *chance)
    }

    /// The statuses that it may fail with, in order.
    pub fn statuses(&self) -> impl Iterator<Item = u16> + '_ {
        self.up_to.iter().map(|(_, status)| *status)
    }

    /// The status that it fails with, if it does, given a uniform word, which is asked for only where it may.
    #[inline]
    pub fn drawn(&self, word: impl FnOnce() -> u64) -> Option<u16> {
        if self.up_to.is_empty() {
            return None;
        }
        let word = word();
        self.up_to.iter().find(|(chance, _)| chance.happens(word)).map(|(_, status)| *status)
    }
}

/// It fails with [`FAILED`], so often.
impl From<Chance> for Errors {
    fn from(chance: Chance) -> Self {
        Self::of([(FAILED, chance)]).unwrap_or_default()
    }
}

/// What comes unit by unit, such as the tokens of a language model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generates {
    /// The meter that counts the units.
    pub meter: usize,
    /// How many come in a second.
    pub per_second: f64,
}

impl Generates {
    /// How long it takes to generate what a call uses.
    #[inline]
    pub fn takes(&self, usage: &PerMeter<u64>) -> Span {
        // The conversion saturates, as a span does.
        Span::from_ns((usage[self.meter] as f64 * (1e9 / self.per_second)) as u64)
    }
}

impl Upstream {
    /// An upstream that answers at once, never fails and costs nothing.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            latency: Distribution::Constant(0.0),
            generates: None,
            streams: false,
            errors: Errors::NEVER,
            capacity: None,
            calls: Vec::new(),
            cost: PerMeter::default(),
        }
    }
}

/// One upstream on the path of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The index of the upstream.
    pub upstream: usize,
    /// How many upstreams are in between: 0 for the one that answers the gateway.
    pub depth: usize,
    /// The number of the hop before which this upstream has heard from all that it calls, and answers.
    pub ends: usize,
}

impl Scenario {
    /// The path of a route's calls: the upstream that answers, then depth first those that it calls.
    ///
    /// # Panics
    /// When an upstream calls itself by some way, or an index is of none; the scenario's reader refuses that.
    pub fn path(&self, route: usize) -> Vec<Hop> {
        let mut hops = Vec::new();
        self.enter(self.routes[route].upstream, 0, &mut hops);
        hops
    }

    fn enter(&self, upstream: usize, depth: usize, hops: &mut Vec<Hop>) {
        assert!(hops.len() < HOPS_MOST, "a call takes {HOPS_MOST} hops at most");
        let own = hops.len();
        hops.push(Hop { upstream, depth, ends: 0 });
        for called in &self.upstreams[upstream].calls {
            self.enter(*called, depth + 1, hops);
        }
        hops[own].ends = hops.len();
    }

    /// Whether consumers share an upstream of limited capacity: then what one of them does depends on the others.
    pub fn is_shared(&self) -> bool {
        let is_limited = |hop: &Hop| self.upstreams[hop.upstream].capacity.is_some();
        (0..self.routes.len()).any(|route| self.path(route).iter().any(is_limited))
    }
}
