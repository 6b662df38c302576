//! Stories that nobody made up: what the consumer and the processor do is drawn, and whatever they do, the books balance
//! after each step, nothing panics, and when all is over nothing is left open.

use super::story::{BROKE, LOST, Story, hours, monthly, per_unit, usd};
use super::{days, dollars, poisson, requests, scenario, state};
use crate::billing::account::Status;
use crate::billing::decline::Answer::{Error, Paid};
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::billing::ledger::LedgerAccount;
use crate::draw::{Address, Stream};
use crate::figures::Figures;
use crate::model::{
    AppliesTo, Arrivals, Change, Cohort, Discount, Dunning, Finally, GrantTerms, Length, Limit, PastAllowance, Period,
    Plan, Prepaid, Price, Rate, Rollover, Scenario, Share, SpendControl, Tier, TopUp, Trace, UnitPrice,
};
use crate::time::{HOUR, Span, Time};

/// Words of one stream, in order.
struct Draws {
    stream: Stream,
    next: u64,
}

impl Draws {
    fn new(seed: u64) -> Self {
        Self { stream: Address::seed(seed).named("any story").stream(), next: 0 }
    }

    /// A number below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.next += 1;
        self.stream.word(self.next - 1) % n
    }

    fn happens(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

fn plan(draws: &mut Draws) -> Plan {
    let fees = ["0", "7.77", "30", "99.99"];
    let periods = [Some(Period::Month), Some(Period::Year), None];
    let fee_period = periods[draws.below(3) as usize];
    let mut plan = monthly(if fee_period.is_some() { fees[1 + draws.below(3) as usize] } else { "0" });
    plan.fee_period = fee_period;
    plan.usage_period = [Some(Period::Month), Some(Period::Day), Some(Period::Month)][draws.below(3) as usize];
    plan.trial = draws.happens(3).then(|| Length::Exact(days(1 + draws.below(70))));
    plan.allowance = requests(draws.below(20));
    plan.grace = days(draws.below(9));
    plan.minimum = if draws.happens(3) { usd("12.34") } else { usd("0") };
    plan.spend_cap = draws.happens(3).then(|| usd("3"));
    plan.rollover = draws.happens(3).then_some(Rollover { min: 1, max: 9 });
    if !draws.happens(3) {
        plan.past_allowance = PastAllowance::Overage;
        plan.overage = [Some(price(draws, 4)), draws.happens(2).then(|| price(draws, 4)), None, None];
    } else if draws.happens(3) {
        plan.past_allowance = PastAllowance::Throttle(Rate { requests: 1, per: Span::from_secs(1) });
    }
    if draws.happens(3) {
        plan.allowance[1] = Some(draws.below(500));
    }
    if draws.happens(4) {
        plan.limits = vec![Limit::Concurrency(1 + draws.below(4))];
    }
    if draws.happens(3) {
        let top_up = TopUp { below: usd("2"), add: usd("10"), at_most: Some(2) };
        let expires = draws.happens(2).then(|| Length::Exact(days(20)));
        let grants = vec![
            GrantTerms { amount: dollars(4), priority: 1, expires, paid: true },
            GrantTerms { amount: dollars(2), priority: 1, expires: None, paid: false },
        ];
        let auto_top_up = draws.happens(2).then_some(top_up);
        plan.prepaid = Some(Prepaid { grants, auto_top_up, credits_expire: Some(Length::Months(1)) });
        plan.prices = [Some(price(draws, 2)), draws.happens(3).then(|| price(draws, 2)), None, None];
    }
    plan
}

/// One of the price models; the last two are not for credit.
fn price(draws: &mut Draws, models: u64) -> Price {
    let tier = |up_to, flat, amount| Tier { up_to, flat: usd(flat), unit: UnitPrice { amount: usd(amount), per: 3 } };
    let tiers = vec![tier(7, "0.05", "0.777"), tier(40, "0", "0.1"), tier(u64::MAX, "1", "0.01")];
    match draws.below(models) {
        0 => per_unit("0.333"),
        1 => Price::Graduated(tiers),
        2 => Price::Volume(tiers),
        _ => Price::Package { size: 5, price: usd("0.255"), free: 3 },
    }
}

fn any(draws: &mut Draws) -> Scenario {
    let first = plan(draws);
    let mut scenario = scenario(days(800), first, Cohort::new("one", 1, poisson(days(1))));
    for _ in 0..3 {
        scenario.plans.push(plan(draws));
    }
    let most = [1, 60, 0, 0];
    scenario.cohorts[0].arrivals = Arrivals::Trace(Trace { rows: Vec::new(), most, ..Default::default() });
    let mut at = 0;
    for _ in 0..draws.below(4) {
        at += draws.below(60);
        let applies_to = [AppliesTo::New, AppliesTo::AtRenewal, AppliesTo::All][draws.below(3) as usize];
        let changed = draws.below(4) as usize;
        scenario.changes.push(Change { at: days(at), plan: changed, becomes: plan(draws), applies_to });
    }
    let finally = [Finally::Cancel, Finally::Unpaid, Finally::Keep][draws.below(3) as usize];
    let retries = (0..draws.below(4)).map(|_| days(1 + draws.below(20))).collect();
    let (hard, waits) = (draws.happens(3), draws.happens(3));
    scenario.payments.dunning = Dunning { retries, finally, retries_hard_declines: hard, waits_for_schedule: waits };
    if draws.happens(3) {
        scenario.cohorts[0].discount =
            Some(Discount { off: Share { parts: 1, of: 3 }, length: Some(Length::Months(2)) });
    }
    if draws.happens(4) {
        scenario.cohorts[0].card = None;
    }
    if draws.happens(4) {
        scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    }
    scenario
}

/// What the processor has not answered yet is answered, mostly by a payment.
fn answer(story: &mut Story, draws: &mut Draws, now: Time) {
    let answer = [Paid, Paid, Paid, BROKE, LOST, Error][draws.below(6) as usize];
    story.until(now);
    if !story.waiting.is_empty() {
        story.answer(now, answer);
    }
}

fn act(story: &mut Story, draws: &mut Draws, now: Time, holds: &mut Vec<HoldId>) {
    match draws.below(12) {
        0..=5 => {
            for _ in 0..=draws.below(6) {
                if let Decision::Admit(admission) = story.call(now) {
                    holds.push(admission.hold);
                }
            }
        }
        6 => story.change_plan(now, draws.below(4) as usize),
        7 => story.new_card(now),
        8 => story.buys(now, "5"),
        9 if draws.happens(12) => story.leaves(now),
        _ => answer(story, draws, now),
    }
    while !holds.is_empty() && !draws.happens(4) {
        let hold = holds.swap_remove(draws.below(holds.len() as u64) as usize);
        if draws.happens(5) { story.failed(now, hold) } else { story.served(now, hold, [1, draws.below(70), 0, 0]) }
    }
}

/// What was invoiced was settled in one of these ways, and what was earned is one of these kinds.
fn check_figures(story: &Story) {
    let figures = Figures::of(|movement| i128::from(story.account.books().moved(movement).nanos()));
    let settled = figures.captured + figures.applied + figures.written_off + figures.voided + figures.outstanding;
    assert_eq!(figures.invoiced + figures.kept, settled);
    let kinds = figures.earned_fees + figures.earned_usage + figures.earned_credit + figures.breakage;
    assert_eq!(figures.earned, kinds);
    // Invoices, and what is kept of them, are in whole cents.
    let whole = [figures.invoiced, figures.kept, figures.captured, figures.applied, figures.outstanding];
    assert!(whole.iter().all(|amount| amount % 10_000_000 == 0), "{whole:?}");
}

/// Plays a drawn story, in as many steps from one event to the next; what is left of it, and what the processor was asked.
fn play(seed: u64, steps: u64) -> (String, Vec<(String, String)>) {
    let mut draws = Draws::new(seed);
    let scenario = any(&mut draws);
    let mut story = if draws.happens(3) {
        Story::existing(&scenario, &[])
    } else {
        Story::awaited(&scenario, hours(draws.below(50)), &[])
    };
    let is_slow = draws.happens(2);
    if is_slow {
        story.processor_takes_its_time();
    }
    let (mut now, mut holds) = (Time::START, Vec::new());
    for _ in 0..120 {
        // Mostly moments apart; at times weeks.
        let gap = [1, HOUR / 60, 11 * HOUR, 100 * HOUR, 700 * HOUR][draws.below(5) as usize];
        let (before, gap) = (now, 1 + draws.below(gap));
        now = now + Span::from_ns(gap);
        if !is_slow {
            let answers = [Paid, Paid, Paid, BROKE, LOST, Error];
            story.will_answer(&[0; 8].map(|_| answers[draws.below(6) as usize]));
        }
        for step in 1..steps {
            story.until(before + Span::from_ns(gap / steps * step));
        }
        act(&mut story, &mut draws, now, &mut holds);
        check_figures(&story);
    }
    story.leaves(now);
    story.will_answer(&[]);
    for day in 0..3 {
        now = now + days(day);
        story.until(now);
        while !story.waiting.is_empty() {
            story.answer(now, Paid);
        }
    }
    story.close(now);
    check_figures(&story);
    assert_eq!(story.account.open_holds(), 0);
    if matches!(story.status(), Status::Canceled | Status::IncompleteExpired) {
        let open = [LedgerAccount::Receivable, LedgerAccount::Deferred, LedgerAccount::Mrr];
        assert_eq!(open.map(|account| story.holds(account)), ["$0.00", "$0.00", "$0.00"]);
        // Usage of a time in which nothing was invoiced stays what it is.
        assert!(story.account.uninvoiced != [usd("0"); 2] || story.holds(LedgerAccount::Accrued) == "$0.00");
    }
    (format!("{:#?}", state(&story.account)), story.asked())
}

#[test]
fn whatever_happens_the_books_balance() {
    for seed in 0..400 {
        let played = std::panic::catch_unwind(|| play(seed, 1));
        assert!(played.is_ok(), "it fails for seed {seed}");
    }
}

/// Looking at the account more often changes nothing about it.
#[test]
fn whatever_happens_it_leaps_as_it_steps() {
    for seed in 400..500 {
        let (once, often) = (play(seed, 1), play(seed, 4));
        assert_eq!(once.1, often.1, "seed {seed}");
        assert!(once.0 == often.0, "seed {seed}");
    }
}
