//! Which answers that one cohort was given were wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Nanos;
use crate::billing::cause::{CAUSES, Cause};
use crate::model::Scenario;
use crate::oracle::{RouteTable, Table, Wrong};

/// The answers of the gateway, judged by the [oracle](crate::oracle).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// By route, as far as any was called.
    pub routes: BTreeMap<String, JudgedRoute>,
    /// Units served past a hard allowance, of attempts that it should have refused, by meter.
    pub overshoot: BTreeMap<String, u64>,
    /// The most that any account was overdrawn at any time.
    pub deepest_overdraft: Nanos,
}

/// The answers for one route; each attempt is in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedRoute {
    /// Let through, as they should be.
    pub served_rightly: u64,
    /// Refused, as they should be.
    pub refused_rightly: u64,
    /// Refused though they should have been served, by what they were refused for.
    pub false_refusals: BTreeMap<String, WrongAnswers>,
    /// Let through though they should have been refused, by what should have refused them.
    pub leaks: BTreeMap<String, WrongAnswers>,
}

/// Answers that were wrong in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrongAnswers {
    /// How many.
    pub count: u64,
    /// What they come to: of false refusals their list price, of leaks what was not charged.
    pub value: Nanos,
    /// Of how many no price states that.
    pub unstated: u64,
}

impl Judged {
    pub(super) fn new(scenario: &Scenario, table: &Table) -> Self {
        let routes = scenario.routes.iter().zip(&table.routes);
        let routes = routes.map(|(route, table)| (route.path.clone(), JudgedRoute::new(table)));
        let overshoot = scenario.meters.iter().zip(table.overshoot).filter(|(_, units)| *units > 0);
        Self {
            routes: routes.filter(|(_, route)| route.answers() > 0).collect(),
            overshoot: overshoot.map(|(meter, units)| (meter.name.clone(), units)).collect(),
            deepest_overdraft: Nanos(table.deepest_overdraft.nanos().into()),
        }
    }

    /// All routes together.
    #[must_use]
    pub fn whole(&self) -> JudgedRoute {
        let mut whole = JudgedRoute::default();
        self.routes.values().for_each(|route| whole.add(route));
        whole
    }

    pub(super) fn add(&mut self, other: &Self) {
        super::add(&mut self.routes, &other.routes, JudgedRoute::add);
        super::add(&mut self.overshoot, &other.overshoot, |sum, more| *sum += more);
        self.deepest_overdraft = self.deepest_overdraft.max(other.deepest_overdraft);
    }
}

impl JudgedRoute {
    fn new(table: &RouteTable) -> Self {
        Self {
            served_rightly: table.served_rightly,
            refused_rightly: table.refused_rightly,
            false_refusals: by_cause(&table.false_refusals),
            leaks: by_cause(&table.leaks),
        }
    }

    /// All that were judged.
    #[must_use]
    pub fn answers(&self) -> u64 {
        let wrong = self.false_refusals.values().chain(self.leaks.values()).map(|wrong| wrong.count);
        self.served_rightly + self.refused_rightly + wrong.sum::<u64>()
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.served_rightly += other.served_rightly;
        self.refused_rightly += other.refused_rightly;
        super::add(&mut self.false_refusals, &other.false_refusals, WrongAnswers::add);
        super::add(&mut self.leaks, &other.leaks, WrongAnswers::add);
    }
}

impl WrongAnswers {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.value += other.value;
        self.unstated += other.unstated;
    }
}

fn by_cause(wrong: &[Wrong; CAUSES]) -> BTreeMap<String, WrongAnswers> {
    let all = Cause::ALL.iter().zip(wrong).filter(|(_, wrong)| **wrong != Wrong::default());
    let told = |wrong: &Wrong| WrongAnswers { count: wrong.count, value: Nanos(wrong.nanos), unstated: wrong.unstated };
    all.map(|(cause, wrong)| (cause.name().to_owned(), told(wrong))).collect()
}
