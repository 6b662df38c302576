//! How accounts begin: subscribed before the start, or not yet.

use std::collections::BTreeMap;

use crate::billing::account::{Account, Consumer, Status};
use crate::billing::back::Back;
use crate::billing::calendar::Cycle;
use crate::billing::catalog::Catalog;
use crate::billing::grant::Grants;
use crate::billing::hold::Holds;
use crate::billing::invoice::Receivables;
use crate::billing::ledger::{Books, Movement};
use crate::billing::period::FeePeriod;
use crate::billing::tally::Tally;
use crate::billing::timer::{Deadline, Timers};
use crate::billing::top_up::TopUps;
use crate::billing::usage::Segment;
use crate::model::{PerMeter, Period};
use crate::money::{Money, Overflow};
use crate::time::{Now, Span, Time};

/// Before everything: traffic time has no beginning, and on a slow clock a period reaches far back in it.
const LONG_AGO: Time = Time::from_ns(i64::MIN);

/// When a consumer who is there already has subscribed: anchors are spread evenly over the billing period before the
/// start.
pub fn anchor(consumer: Consumer, catalog: &Catalog) -> Time {
    let cohort = &catalog.cohorts[consumer.cohort as usize];
    let plan = &catalog.terms[catalog.version(cohort.plan, LONG_AGO) as usize];
    let period = plan.fee_period.or(plan.usage_period).unwrap_or(Period::Month);
    let word = cohort.address.at(u64::from(consumer.index)).named("anchor").stream().word(0);
    let back = 1 + ((u128::from(word) * u128::from(cohort.calendar.seconds_before(period))) >> 64) as u64;
    Time::START - Span::from_secs(back)
}

impl Account {
    /// A consumer who subscribes at `joins`.
    pub fn awaited(consumer: Consumer, catalog: &Catalog, joins: Time) -> Self {
        let mut account = Self::blank(consumer, catalog);
        account.seen = Now { traffic: LONG_AGO, billing: LONG_AGO };
        account.timers.set(Deadline::Join, joins);
        account
    }

    /// A consumer who is there already, as when the usage period that the start falls into began: nothing used, nothing
    /// due. Play the usage before the start, then [`Self::open_books`].
    pub fn existing(consumer: Consumer, catalog: &Catalog) -> Self {
        let mut account = Self::blank(consumer, catalog);
        let (cohort, plan) = account.terms(catalog);
        let anchor = anchor(consumer, catalog);
        account.status = Status::Active;
        account.subscribed = anchor;
        account.anchor(anchor, cohort, plan);
        // What ends at the very start ends in the played time.
        let before = Time::START - Span::from_ns(1);
        account.usage = account.next_segment(before, PerMeter::default(), catalog);
        account.usage.from = account.usage.begins;
        account.set_periods(before, cohort);
        account.fee_periods = account.fee.number;
        account.usage_periods = account.usage.number;
        account.seen = Now { traffic: LONG_AGO, billing: account.usage.begins };
        if account.usage_cycle.is_none() {
            account.seen.billing = before;
        }
        account.grants.add(Money::from_nanos(i64::MAX / 2), false, 0, Time::NEVER).expect("nothing else is there");
        account
    }

    /// Opens the books at the start: the unearned part of the running period's fee and what was used of it are carried
    /// forward, the opening credit is granted.
    pub fn open_books(&mut self, catalog: &Catalog) -> Result<(), Overflow> {
        self.books = Books::default();
        self.tally = Tally::default();
        self.holds = Holds::default();
        self.grants = Grants::default();
        self.usage.credited = PerMeter::default();
        self.worked = Vec::new();
        self.overdraft = Money::ZERO;
        self.timers.clear(Deadline::TopUp);
        self.post(Movement::CarryUsage, self.usage.charged.max(Money::ZERO))?;
        self.fee.full = self.net_fee(self.fee.begins, catalog)?;
        self.fee.amount = self.fee.full;
        self.fee.earned = self.fee.earned_at(Time::START);
        self.post(Movement::CarryForward, self.fee.unearned())?;
        self.set_recurring(Movement::MrrCarried, catalog)?;
        self.timers.set(Deadline::PriceChange, catalog.next_for_all(self.terms, Time::START - Span::from_ns(1)));
        self.grant_opening_credit(Time::START, catalog, &mut Vec::new())
    }

    /// Whether what was used before the start matters: for an allowance, or for the next invoice.
    pub fn counts_usage(&self, catalog: &Catalog) -> bool {
        let (_, plan) = self.terms(catalog);
        self.usage_cycle.is_some() && !plan.metered.is_empty()
    }

    fn blank(consumer: Consumer, catalog: &Catalog) -> Self {
        let cohort = &catalog.cohorts[consumer.cohort as usize];
        let terms = catalog.version(cohort.plan, LONG_AGO);
        let plan = &catalog.terms[terms as usize];
        Self {
            consumer,
            status: Status::Awaited,
            terms,
            next_plan: None,
            upgrade: None,
            subscribed: LONG_AGO,
            usage_cycle: None::<Cycle>,
            usage: Segment::empty(terms),
            earlier: Vec::new(),
            closing: Vec::new(),
            segments_begun: 0,
            changes: 0,
            uninvoiced: [Money::ZERO; 2],
            has_card: cohort.has_card,
            wallet: cohort.wallet,
            fee: FeePeriod::NONE,
            fee_periods: 0,
            usage_periods: 0,
            limits: plan.limits.iter().map(|limit| limit.fresh(LONG_AGO)).collect(),
            throttle: plan.throttle.as_ref().map(|limit| limit.fresh(LONG_AGO)),
            grants: Grants::default(),
            overdraft: Money::ZERO,
            top_up: TopUps::default(),
            holds: Holds::default(),
            receivables: Receivables::default(),
            balance: Money::ZERO,
            suspended_until: LONG_AGO,
            recurring: Money::ZERO,
            blocked_from: Time::NEVER,
            back: Back::default(),
            refusals: 0,
            earlier_terms: Vec::new(),
            worked: Vec::new(),
            timers: Timers::default(),
            books: Books::default(),
            tally: Tally::default(),
            invoiced: Vec::new(),
            given_up: BTreeMap::new(),
            heard: None,
            seen: Now { traffic: LONG_AGO, billing: LONG_AGO },
        }
    }
}
