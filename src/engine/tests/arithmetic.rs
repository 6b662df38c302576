//! Invariant 11: with no failures, no refusals and no reactions the result is plain arithmetic on the list of calls, done
//! here once more and without an account. And invariant 12: changes that are good for the consumer never refuse more.

use super::drawn::{self, Dice};
use super::{days, for_each_seed, play, poisson, requests, scenario, secs, world};
use crate::billing::account::Consumer;
use crate::billing::calendar::{Calendar, Cycle};
use crate::billing::cause::Cause;
use crate::billing::gate::Decision;
use crate::billing::ledger::Movement::{self, *};
use crate::billing::tally::Count;
use crate::billing::{opening, price};
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log::{self, Event};
use crate::model::{
    Card, Cohort, Dunning, Finally, Funds, METERS_MAX, PastAllowance, PerMeter, Period, Plan, Price, Rollover,
};
use crate::money::Money;
use crate::sim::Scratch;
use crate::time::{SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

/// What a consumer's subscription comes to, in nanos and units.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bill {
    fees: i64,
    carried: i64,
    earned_fees: i64,
    usage: i64,
    true_ups: i64,
    accrued: i64,
    spent: i64,
    cost: i64,
    captured: i64,
    included: PerMeter<u64>,
    credited: PerMeter<u64>,
    billed: PerMeter<u64>,
    invoices: u64,
}

struct Books<'a> {
    world: &'a World,
    plan: &'a Plan,
    cohort: &'a Cohort,
    calendar: &'a Calendar,
    subscribed: Time,
    end: Time,
}

/// What of a period of usage has become what.
#[derive(Default)]
struct Used {
    used: PerMeter<u64>,
    /// Past the allowance, before the start and after it.
    past: [PerMeter<u64>; 2],
}

impl<'a> Books<'a> {
    fn new(world: &'a World, consumer: Consumer) -> Self {
        let cohort = &world.scenario.cohorts[consumer.cohort as usize];
        Self {
            world,
            plan: &world.scenario.plans[cohort.plan],
            cohort,
            calendar: &world.catalog.cohorts[consumer.cohort as usize].calendar,
            subscribed: world.schedule.joins(consumer).unwrap_or_else(|| opening::anchor(consumer, &world.catalog)),
            end: world.end().billing,
        }
    }

    /// The periods that touch the played time: when each begins and ends.
    fn periods(&self, period: Period) -> Vec<(Time, Time)> {
        let cycle = Cycle::new(self.calendar, period, self.subscribed);
        let begins = |number| cycle.begins(self.calendar, number);
        let all = (0..).map(|number| (begins(number), begins(number + 1)));
        let running = all.take_while(|(begins, _)| *begins < self.end);
        running.filter(|(_, ends)| *ends >= Time::START).collect()
    }

    fn is_discounted(&self, at: Time) -> bool {
        let Some(discount) = self.cohort.discount else { return false };
        discount.length.is_none_or(|length| at < self.calendar.after(self.subscribed, length))
    }

    /// An amount as it stands on an invoice: discounted, rounded to the cent.
    fn line(&self, exact: i64, is_discounted: bool) -> i64 {
        let exact = Money::from_nanos(exact);
        let off = self
            .cohort
            .discount
            .filter(|_| is_discounted)
            .map_or(Money::ZERO, |discount| exact.scale_half_even(discount.off.parts, discount.off.of));
        let cent = 10_000_000;
        let net = exact.nanos() - off.nanos();
        Money::from_nanos(net).scale_half_even(1, cent).nanos() * cent.cast_signed()
    }

    fn fees(&self, bill: &mut Bill) {
        let Some(period) = self.plan.fee_period else { return };
        for (begins, ends) in self.periods(period) {
            let fee = self.line(self.plan.fee.nanos(), self.is_discounted(begins));
            let seconds = |to: Time| to.min(ends).since(begins).ns() / SECOND;
            let earned = |to: Time| Money::from_nanos(fee).scale_half_even(seconds(to), seconds(ends)).nanos();
            let is_carried = begins < Time::START;
            let before = if is_carried { earned(Time::START) } else { 0 };
            bill.earned_fees += earned(self.end) - before;
            if is_carried {
                bill.carried += fee - before;
            } else {
                bill.fees += fee;
            }
        }
    }

    fn usage(&self, consumer: Consumer, bill: &mut Bill) {
        let Some(period) = self.plan.usage_period else {
            let mut used = Used::default();
            self.world
                .calls(consumer)
                .for_each(|call| self.count(&mut used, [0; METERS_MAX], call.at, &call.usage, bill));
            self.credit(&used, bill);
            return;
        };
        let mut carried = PerMeter::default();
        for (begins, ends) in self.periods(period) {
            let mut used = Used::default();
            let history: Vec<_> =
                if begins < Time::START { self.world.schedule.history(consumer, begins).collect() } else { Vec::new() };
            for call in history.into_iter().chain(self.world.calls(consumer)) {
                if (begins..ends).contains(&call.at) {
                    self.count(&mut used, carried, call.at, &call.usage, bill);
                }
            }
            self.credit(&used, bill);
            self.invoice(&used, begins, ends, bill);
            carried = self.carried(&used, carried);
        }
    }

    /// What a meter has free in a period; `None`: there is no end of it.
    fn free(&self, meter: usize, carried: PerMeter<u64>) -> Option<u64> {
        match (self.plan.allowance[meter], self.credit_price(meter).or(self.arrears_price(meter))) {
            (Some(units), _) => Some(units + carried[meter]),
            (None, Some(_)) => Some(carried[meter]),
            (None, None) => None,
        }
    }

    fn credit_price(&self, meter: usize) -> Option<&Price> {
        self.plan.prepaid.as_ref().and(self.plan.prices[meter].as_ref())
    }

    fn arrears_price(&self, meter: usize) -> Option<&Price> {
        let price = self.plan.prices[meter].as_ref().filter(|_| self.plan.prepaid.is_none());
        self.plan.overage[meter].as_ref().or(price)
    }

    fn count(&self, used: &mut Used, carried: PerMeter<u64>, at: Time, usage: &PerMeter<u64>, bill: &mut Bill) {
        let is_played = at >= Time::START;
        for meter in 0..METERS_MAX {
            let Some(free) = self.free(meter, carried) else { continue };
            let included = usage[meter].min(free - used.used[meter]);
            used.used[meter] += included;
            let past = usage[meter] - included;
            used.past[usize::from(is_played)][meter] += past;
            if is_played {
                bill.included[meter] += included;
                let place = if self.credit_price(meter).is_some() { &mut bill.credited } else { &mut bill.billed };
                place[meter] += past;
            }
        }
    }

    fn credit(&self, used: &Used, bill: &mut Bill) {
        for meter in 0..METERS_MAX {
            if let Some(price) = self.credit_price(meter) {
                bill.spent += price::total(price, used.past[1][meter]).unwrap().nanos();
            }
        }
    }

    fn invoice(&self, used: &Used, begins: Time, ends: Time, bill: &mut Bill) {
        let is_discounted = self.is_discounted(begins);
        let (mut charged, mut lines) = (0, 0);
        for meter in 0..METERS_MAX {
            let Some(price) = self.arrears_price(meter).filter(|_| self.credit_price(meter).is_none()) else {
                continue;
            };
            let of = |units: u64| price::total(price, units).unwrap().nanos();
            let before = used.past[0][meter];
            let all = before + used.past[1][meter];
            bill.accrued += of(all) - of(before);
            charged += of(all);
            lines += self.line(of(all), is_discounted);
        }
        if ends >= self.end {
            return;
        }
        let lacks = (self.plan.minimum.nanos() - charged).max(0);
        bill.true_ups += lacks;
        bill.usage += lines + self.line(lacks, is_discounted);
    }

    fn carried(&self, used: &Used, carried: PerMeter<u64>) -> PerMeter<u64> {
        let Some(Rollover { min, max }) = self.plan.rollover else { return PerMeter::default() };
        let of = |meter: usize| {
            let left = self.plan.allowance[meter]? + carried[meter] - used.used[meter];
            Some(left.max(min).min(max))
        };
        std::array::from_fn(|meter| of(meter).unwrap_or(0))
    }

    fn cost(&self, consumer: Consumer, bill: &mut Bill) {
        for (index, upstream) in self.world.scenario.upstreams.iter().enumerate() {
            for (meter, price) in upstream.cost.iter().enumerate() {
                let Some(price) = price else { continue };
                let visits =
                    |call: &Call| self.world.path(call.route).iter().filter(|hop| hop.upstream == index).count() as u64;
                let units = self.world.calls(consumer).map(|call| call.usage[meter] * visits(&call)).sum();
                bill.cost += price::total(&Price::PerUnit(*price), units).unwrap().nanos();
            }
        }
    }
}

#[test]
fn with_no_failures_and_no_refusals_all_is_plain_arithmetic() {
    for_each_seed(13_000..13_400, is_plain_arithmetic);
}

pub(super) fn is_plain_arithmetic(seed: u64) {
    let world = world(drawn::calm(seed));
    for consumer in world.consumers() {
        let books = Books::new(&world, consumer);
        let mut bill = Bill::default();
        if books.subscribed < books.end {
            books.fees(&mut bill);
            books.usage(consumer, &mut bill);
            books.cost(consumer, &mut bill);
        }
        bill.captured = bill.fees + bill.usage;
        let history = log::record(&world, consumer, &mut Scratch::default()).unwrap();
        for entry in &history.log {
            if let Event::Decided { decision: Decision::Refuse(cause), .. } = entry.event {
                panic!("{consumer:?} is refused: {cause:?}");
            }
        }
        let (account, tally) = (&history.account, history.account.tally());
        let moved = |movement: Movement| account.books().moved(movement).nanos();
        bill.invoices = tally.of(Count::Invoices);
        let booked = Bill {
            fees: moved(Invoice),
            carried: moved(CarryForward),
            earned_fees: moved(Earn),
            usage: moved(InvoiceUsage),
            true_ups: moved(TrueUp),
            accrued: moved(Accrue) - moved(Unaccrue),
            spent: moved(Spend),
            cost: moved(Cost),
            captured: moved(Capture),
            included: tally.units.included,
            credited: tally.units.credited,
            billed: tally.units.billed,
            invoices: tally.paid_by_attempt[0],
        };
        assert_eq!(booked, bill, "{consumer:?}");
        let nothing = [Void, WriteOff, Reverse, Forfeit, Expire, Breakage, Overdraw, Refund, Chargeback, CreditFee];
        assert!(nothing.iter().all(|movement| moved(*movement) == 0));
        assert_eq!(tally.units.unbilled, [0; METERS_MAX]);
    }
}

// === One-sided changes ===

/// What each consumer was refused for a cause.
fn refused_each(world: &World, cause: Cause) -> Vec<u64> {
    let count = world.scenario.cohorts[0].count;
    (0..count).map(|index| play(world, &[vec![[index, index + 1]]]).refused(cause)).collect()
}

/// Invariant 12: a larger quota never refuses anyone more often, whatever the period, the traffic and the latency.
#[test]
fn more_quota_never_means_more_refusals() {
    for_each_seed(13_500..13_700, |seed| {
        let with = |more: u64| {
            let dice = &mut Dice::new(seed);
            let period = dice.one_of(&[Period::Day, Period::Month]);
            let quota = dice.below(12);
            let plan = Plan { usage_period: Some(period), allowance: requests(quota + more), ..Plan::new("plan") };
            let gap = secs(2_000 + dice.below(90_000));
            let mut scenario = scenario(days(3 + dice.below(60)), plan, Cohort::new("all", 6, poisson(gap)));
            scenario.seed = seed;
            scenario.plans[0].rollover = dice.coin().then_some(Rollover { min: 0, max: 9 });
            scenario.upstreams[0].latency = Distribution::Constant(dice.below(500) as f64 * 1e9);
            if dice.one_in(3) {
                scenario.plans[0].past_allowance = PastAllowance::Block;
            }
            refused_each(&world(scenario), Cause::QuotaExhausted)
        };
        let (less, more) = (with(0), with(1 + seed % 5));
        assert!(less.iter().zip(&more).all(|(less, more)| more <= less), "{less:?} {more:?}");
    });
}

/// Invariant 12: a longer grace never blocks anyone more often, whatever the card and the dunning.
#[test]
fn a_longer_grace_never_means_more_refusals() {
    for_each_seed(13_800..14_000, |seed| {
        let with = |more: Span| {
            let dice = &mut Dice::new(seed);
            let grace = days(dice.below(6)) + more;
            let period = dice.one_of(&[Period::Day, Period::Month]);
            let plan = Plan { fee: super::dollars(30), fee_period: Some(period), grace, ..Plan::new("plan") };
            let mut cohort = Cohort::new("all", 10, poisson(days(1)));
            let funds = Funds { broke: days(1 + dice.below(9)), funded: days(1 + dice.below(30)) };
            cohort.card = Some(Card { funds: Some(funds), ..Card::declining(Chance::of(dice.below(5), 10)) });
            let mut scenario = scenario(days(100), plan, cohort);
            scenario.seed = seed;
            scenario.payments.dunning = Dunning {
                retries: (0..dice.below(5)).map(|_| days(dice.below(9))).collect(),
                finally: dice.one_of(&[Finally::Keep, Finally::Unpaid, Finally::Cancel]),
                ..Dunning::default()
            };
            refused_each(&world(scenario), Cause::PastDue)
        };
        let (less, more) = (with(Span::ZERO), with(days(1 + seed % 9)));
        assert!(less.iter().zip(&more).all(|(less, more)| more <= less), "{less:?} {more:?}");
    });
}
