//! `farebox explain`: one consumer's story. Nothing is kept of anybody during a run: the consumer is played again from
//! their addressed draws, written down, and replayed step by step beside their account.

use std::collections::BTreeMap;
use std::sync::Arc;

use farebox_engine::billing::account::{Account, Consumer, Status};
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::hold::HoldId;
use farebox_engine::billing::ledger::{LedgerAccount, MOVEMENTS, Movement};
use farebox_engine::billing::tally::Count;
use farebox_engine::log::{self, Entry as Logged, Event};
use farebox_engine::model::{Cohort, PerMeter, Scenario};
use farebox_engine::money::{Money, Overflow};
use farebox_engine::oracle::{Oracle, Ruling};
use farebox_engine::sim::Scratch;
use farebox_engine::time::{Now, Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::party::Party;
use farebox_engine::world::schedule::Call;
use jiff::civil::DateTime;

use crate::cli::args::{self, Format};
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::{plan, scenario_file};
use crate::report::explain::{Counts, Ending, Entry, Fact, STRETCHES_MAX, Story, Stretch, render, to_json};
use crate::report::fault;
use crate::scenario;

/// How many calls are told one by one; more are folded.
const SINGLE_MAX: usize = 40;

/// Tells the story that `args` ask for.
pub fn explain(args: &args::Explain, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut scenario = scenario_file::load(&args.played, printer)?.scenario;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let consumer = consumer(&args.consumer, &scenario)?;
    let end = Time::START + scenario.horizon;
    let from = moment("--from", args.from.as_deref(), &scenario)?.unwrap_or(Time::START);
    let until = moment("--until", args.until.as_deref(), &scenario)?.unwrap_or(end);
    if from >= until {
        return Err(
            Failure::new(Exit::Usage, "--from is not before --until").hint("the run is told from the earlier on")
        );
    }
    let world = World::whole(Arc::new(scenario)).map_err(plan::overflow)?;
    let story = tell(&world, consumer, &args.consumer, [from, until]).map_err(plan::overflow)?;
    match args.format {
        Format::Text => printer.data(&render(&story))?,
        Format::Json => {
            printer.json(&serde_json::to_string_pretty(&to_json(&story)).expect("a story is plain data"))?;
        }
    }
    Ok(Verdict::passed())
}

/// The consumer of a name such as `startups/17`.
fn consumer(name: &str, scenario: &Scenario) -> Result<Consumer, Failure> {
    let found = name.rsplit_once('/').and_then(|(cohort, index)| {
        let at = scenario.cohorts.iter().position(|known| known.name == cohort)?;
        let is_plain = index.bytes().all(|byte| byte.is_ascii_digit());
        let index = index.parse().ok().filter(|index| is_plain && *index < scenario.cohorts[at].count)?;
        Some(Consumer { cohort: u32::try_from(at).ok()?, index })
    });
    found.ok_or_else(|| {
        let range = |cohort: &Cohort| format!("`{0}/0` to `{0}/{1}`", cohort.name, cohort.count - 1);
        let shown: Vec<_> = scenario.cohorts.iter().take(20).map(range).collect();
        let more = scenario.cohorts.len() - shown.len();
        let more = if more > 0 { format!(", and those of {more} more cohorts") } else { String::new() };
        Failure::new(Exit::Usage, format!("there is no consumer `{name}`"))
            .hint(format!("the consumers are {}{more}", shown.join(", ")))
    })
}

/// A moment of the run: a date, a date with a time (UTC), or a duration after the start.
fn moment(option: &str, text: Option<&str>, scenario: &Scenario) -> Result<Option<Time>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let end = Time::START + scenario.horizon;
    let after = match text.parse::<DateTime>() {
        Ok(civil) => {
            let ns = scenario.start.duration_until(civil).as_nanos();
            i64::try_from(ns).ok().map(Time::from_ns)
        }
        Err(_) => scenario::durations(text).ok().and_then(|span| i64::try_from(span.ns()).ok()).map(Time::from_ns),
    };
    let Some(at) = after else {
        return Err(Failure::new(Exit::Usage, format!("{option}: `{text}` is no moment of the run")).hint(
            "write a date, such as `2026-03-05` or `2026-03-05T09:30`, or a duration after the start, such as `10d` or `9d23h`",
        ));
    };
    if at < Time::START || at > end {
        let last = scenario.start.saturating_add(jiff::Span::new().nanoseconds(end.ns()));
        return Err(Failure::new(Exit::Usage, format!("{option}: `{text}` is outside the run"))
            .hint(format!("it is played from {} to {last}, UTC", scenario.start)));
    }
    Ok(Some(at))
}

// === The story ===

/// Plays the consumer, and tells what happened inside the window.
fn tell(world: &World, consumer: Consumer, name: &str, window: [Time; 2]) -> Result<Story, Overflow> {
    let history = log::record(world, consumer, &mut Scratch::default())?;
    let endings = endings(world, &history.log);
    let party = world.open(consumer)?;
    let is_inside = |entry: &&Logged| matches!(entry.event, Event::Decided { .. }) && within(window, entry.now.traffic);
    let is_single = history.log.iter().filter(is_inside).count() <= SINGLE_MAX;
    let seen = Seen::nothing();
    let faults = faults(&world.scenario, &world.scenario.cohorts[consumer.cohort as usize]);
    let (in_flight, entries) = (BTreeMap::new(), Vec::new());
    let oracle = Oracle::where_needed(world);
    let mut teller = Teller { world, seen, party, oracle, window, faults, in_flight, is_single, stretches: 0, entries };
    teller.begin();
    let (mut calls, mut ending) = (Counts::default(), endings.iter());
    for logged in &history.log {
        teller.until(logged.now)?;
        teller.play(logged, &mut ending, &mut calls)?;
    }
    teller.until(Now {
        traffic: world.end().traffic - Span::from_ns(1),
        billing: world.end().billing - Span::from_ns(1),
    })?;
    world.close(&mut teller.party, world.end())?;
    let account = teller.party.account();
    assert_eq!(*account, history.account, "a replay ends where the run did");
    let scenario = &world.scenario;
    Ok(Story {
        scenario: scenario.name.clone(),
        seed: scenario.seed,
        consumer: name.to_owned(),
        currency: scenario.currency,
        start: scenario.start,
        from: window[0],
        until: window[1],
        calls,
        money: money(account),
        upstreams: scenario.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        at_end: standing(world, account),
        entries: teller.entries,
    })
}

/// What breaks and is mended that a consumer of the cohort can notice, the last first.
fn faults(scenario: &Scenario, cohort: &Cohort) -> Vec<(Time, String)> {
    let met = scenario.faults.iter().filter(|fault| fault.concerns(cohort, scenario));
    let mut told: Vec<_> = met.flat_map(|fault| fault::told(fault, scenario)).collect();
    told.sort_by_key(|(at, _)| *at);
    told.reverse();
    told
}

fn within([from, until]: [Time; 2], at: Time) -> bool {
    from <= at && at < until
}

/// What became of each call, in the order of their decisions.
fn endings(world: &World, log: &[Logged]) -> Vec<Ending> {
    let mut endings = Vec::new();
    let mut open = BTreeMap::new();
    for logged in log {
        match logged.event {
            Event::Decided { decision: Decision::Refuse(cause), .. } => endings.push(Ending::Refused(cause)),
            Event::Decided { decision: Decision::Admit(admission), route, .. } => {
                open.insert(admission.hold, (endings.len(), admission.in_grace, route));
                endings.push(Ending::Unanswered);
            }
            Event::Served { hold, .. } => {
                if let Some((call, in_grace, _)) = open.remove(&hold) {
                    endings[call] = if in_grace { Ending::ServedInGrace } else { Ending::Served };
                }
            }
            Event::Failed { hold, failure, .. } => {
                if let Some((call, _, route)) = open.remove(&hold) {
                    let upstream = world.path(route)[usize::from(failure.hop)].upstream;
                    endings[call] = Ending::Failed { upstream, cause: failure.cause, status: failure.status };
                }
            }
        }
    }
    endings
}

/// What is told of an account when it changes.
#[derive(Clone)]
struct Seen {
    standing: Option<(Status, usize)>,
    period: u32,
    moved: [Money; MOVEMENTS],
    counts: [u64; Count::ALL.len()],
}

impl Seen {
    fn nothing() -> Self {
        Self { standing: None, period: 0, moved: [Money::ZERO; MOVEMENTS], counts: [0; Count::ALL.len()] }
    }

    fn of(world: &World, account: &Account) -> Self {
        Self {
            standing: Some((account.status(), account.plan(&world.catalog))),
            period: account.period(),
            moved: Movement::ALL.map(|movement| account.books().moved(movement)),
            counts: Count::ALL.map(|count| account.tally().of(count)),
        }
    }
}

struct Teller<'a> {
    world: &'a World,
    party: Party,
    /// Says which answers were wrong, where any can be.
    oracle: Option<Oracle<'a>>,
    seen: Seen,
    window: [Time; 2],
    /// What is still to break or to be mended, the last first.
    faults: Vec<(Time, String)>,
    /// When each attempt was made that is not answered yet.
    in_flight: BTreeMap<HoldId, Time>,
    /// Whether each call is told on its own.
    is_single: bool,
    /// How many stretches of calls stand at the end of the entries.
    stretches: usize,
    entries: Vec<Entry>,
}

impl Teller<'_> {
    /// How the consumer stood when the run began.
    fn begin(&mut self) {
        let now = Seen::of(self.world, self.party.account());
        let text = standing(self.world, self.party.account());
        self.seen = now;
        self.push_facts(Time::START, vec![Fact { text, amount: None }]);
    }

    /// Does what is due until a moment, each thing at its own.
    fn until(&mut self, now: Now) -> Result<(), Overflow> {
        loop {
            let due = self.party.next_deadline();
            // Both clocks are one in a simulation of the whole horizon.
            let at = due.traffic.min(due.billing);
            self.tell_faults(at.min(now.traffic));
            if at > now.traffic {
                break;
            }
            self.world.catch_up(&mut self.party, Now { traffic: at, billing: at })?;
            self.notice(at, None);
        }
        self.world.catch_up(&mut self.party, now)
    }

    /// Tells what breaks and is mended until a moment, that included.
    fn tell_faults(&mut self, until: Time) {
        while let Some((at, text)) = self.faults.pop_if(|(at, _)| *at <= until) {
            self.push_facts(at, vec![Fact { text, amount: None }]);
        }
    }

    fn play<'e>(
        &mut self,
        logged: &Logged,
        endings: &mut impl Iterator<Item = &'e Ending>,
        calls: &mut Counts,
    ) -> Result<(), Overflow> {
        let Logged { now, event } = logged;
        let mut made = None;
        match *event {
            Event::Decided { call, attempt, route, decision } => {
                let margins = self.party.account().margins(*now, &self.world.catalog, route);
                let (_, usage) = self.world.schedule.call(self.party.consumer(), call);
                let call = Call { index: call, attempt, at: now.traffic, route, usage };
                self.ask(&call, *now);
                let again = self.world.request(&mut self.party, *now, route, attempt)?;
                assert_eq!(again, decision, "a replay decides as the run did");
                let ending = *endings.next().expect("each decided call has an ending");
                let ending = self.judged(&call, *now, decision, ending);
                calls.add(ending, 1);
                let why = match decision {
                    Decision::Refuse(cause) => Some((cause, margins)),
                    Decision::Admit(admission) => {
                        self.in_flight.insert(admission.hold, now.traffic);
                        None
                    }
                };
                let path = || self.world.scenario.routes[route as usize].path.clone();
                let mut counts = Counts::default();
                counts.add(ending, 1);
                let route = self.is_single.then(path);
                let [first, last] = [now.traffic; 2];
                self.push_call(Stretch { first, last, counts, why, route, call: call.index, paid: Money::ZERO });
            }
            Event::Served { hold, usage } => {
                made = self.in_flight.remove(&hold);
                self.world.served(&mut self.party, *now, hold, &usage)?;
                self.landed(hold, *now, Some(&usage));
            }
            Event::Failed { hold, failure, used } => {
                self.in_flight.remove(&hold);
                self.world.failed(&mut self.party, *now, hold, failure.hop, &used)?;
                self.landed(hold, *now, None);
            }
        }
        self.world.catch_up(&mut self.party, *now)?;
        self.notice(now.traffic, made);
        Ok(())
    }

    fn ask(&mut self, call: &Call, now: Now) {
        if let Some(oracle) = &mut self.oracle {
            oracle.asked(self.party.account(), call, now);
        }
    }

    /// What a call has come to, if the answer was right; else that it was not.
    fn judged(&mut self, call: &Call, now: Now, decision: Decision, ending: Ending) -> Ending {
        let Some(oracle) = &mut self.oracle else { return ending };
        match oracle.decided(self.party.consumer(), call, decision, now) {
            Some(Ruling::FalseRefusal(cause)) => Ending::RefusedWrongly(cause),
            Some(Ruling::Leak(cause)) => Ending::LetThroughWrongly(cause),
            _ => ending,
        }
    }

    fn landed(&mut self, hold: HoldId, now: Now, usage: Option<&PerMeter<u64>>) {
        if let Some(oracle) = &mut self.oracle {
            oracle.landed(self.party.consumer(), hold, now, usage);
        }
    }

    fn push_call(&mut self, call: Stretch) {
        if !within(self.window, call.first) {
            return;
        }
        if let Some(Entry::Calls(last)) = self.entries.last_mut()
            && last.call == call.call
            && last.asks()
        {
            last.append(call);
            return;
        }
        if self.is_single {
            self.entries.push(Entry::Calls(call));
            return;
        }
        let last = match self.entries.last_mut() {
            Some(Entry::Calls(last)) if self.stretches > 0 => last,
            _ => {
                self.stretches = 1;
                self.entries.push(Entry::Calls(call));
                return;
            }
        };
        // More than so many stretches have become one already, which takes all that follow.
        let ending = call.counts.0[0].0;
        let is_alike = matches!(last.counts.0.as_slice(), [(only, _)] if *only == ending);
        let is_alike = is_alike || (last.asks() && last.counts.0.iter().any(|(known, _)| *known == ending));
        if is_alike || self.stretches > STRETCHES_MAX {
            last.append(call);
            return;
        }
        self.stretches += 1;
        self.entries.push(Entry::Calls(call));
        if self.stretches > STRETCHES_MAX {
            self.fold();
        }
    }

    /// Makes one stretch of those at the end.
    fn fold(&mut self) {
        let tail = self.entries.split_off(self.entries.len() - self.stretches);
        let mut stretches =
            tail.into_iter().filter_map(|entry| if let Entry::Calls(it) = entry { Some(it) } else { None });
        if let Some(mut all) = stretches.next() {
            stretches.for_each(|later| all.append(later));
            self.entries.push(Entry::Calls(all));
        }
    }

    fn push_facts(&mut self, at: Time, mut facts: Vec<Fact>) {
        if facts.is_empty() || !within(self.window, at) {
            return;
        }
        self.stretches = 0;
        match self.entries.last_mut() {
            Some(Entry::Facts { at: last, facts: known }) if *last == at => known.append(&mut facts),
            _ => self.entries.push(Entry::Facts { at, facts }),
        }
    }

    /// What has been counted since it was looked last.
    fn counted(&self, now: &Seen, told: &[(Count, &str)]) -> Vec<Fact> {
        let has_grown = |count: Count| now.counts[count as usize] > self.seen.counts[count as usize];
        let new = told.iter().filter(|(count, _)| has_grown(*count));
        new.map(|(_, text)| Fact { text: (*text).to_owned(), amount: None }).collect()
    }

    /// What a call that was made then has been paid with stands beside it.
    fn pay(&mut self, made: Time, paid: Money) {
        let calls = self.entries.iter_mut().rev().filter_map(|entry| match entry {
            Entry::Calls(stretch) => Some(stretch),
            Entry::Facts { .. } => None,
        });
        let mut among = calls.filter(|stretch| stretch.first <= made && made <= stretch.last);
        if let Some(stretch) = among.next() {
            stretch.paid = stretch.paid.checked_add(paid).unwrap_or(stretch.paid);
        }
    }

    /// Tells what has changed about the account; `made` is when the call was made that has just been served.
    fn notice(&mut self, at: Time, made: Option<Time>) {
        let now = Seen::of(self.world, self.party.account());
        let mut facts = Vec::new();
        let more = |movement: Movement| now.moved[movement as usize].checked_sub(self.seen.moved[movement as usize]);
        let is_paid = now.counts[Count::PaidCalls as usize] > self.seen.counts[Count::PaidCalls as usize];
        // Credit that is sold and used at once.
        let of_call = if is_paid { more(Movement::Burn).unwrap_or(Money::ZERO) } else { Money::ZERO };
        if let Some(made) = made.filter(|_| of_call != Money::ZERO) {
            self.pay(made, of_call);
        }
        facts.extend(self.counted(&now, &HAPPENED));
        if now.period != self.seen.period && now.standing.is_some_and(|(status, _)| status != Status::Awaited) {
            facts.push(Fact { text: "a new usage period begins".to_owned(), amount: None });
        }
        for (movement, text) in MOVED {
            let more = now.moved[movement as usize].checked_sub(self.seen.moved[movement as usize]);
            let is_of_call = matches!(movement, Movement::InvoiceCredit | Movement::Capture);
            let more = if is_of_call { more.and_then(|more| more.checked_sub(of_call)) } else { more };
            if let Some(amount) = more.filter(|more| *more > Money::ZERO) {
                facts.push(Fact { text: text.to_owned(), amount: Some(amount) });
            }
        }
        facts.extend(self.counted(&now, &NOT_PAID));
        if now.standing != self.seen.standing {
            facts.push(Fact { text: format!("now {}", standing(self.world, self.party.account())), amount: None });
        }
        self.seen = now;
        self.push_facts(at, facts);
    }
}

/// What is told of counts that grow.
const HAPPENED: [(Count, &str); 8] = [
    (Count::Joined, "subscribed"),
    (Count::Trials, "a trial began"),
    (Count::Converted, "the trial became a subscription"),
    (Count::Left, "left"),
    (Count::Upgrades, "upgraded"),
    (Count::UpgradesFailed, "an upgrade was not paid"),
    (Count::Downgrades, "downgraded"),
    (Count::Slowed, "slowed down"),
];

/// The same of payments, after what they were to pay.
const NOT_PAID: [(Count, &str); 3] = [
    (Count::Declined, "a payment was declined"),
    (Count::Errors, "a payment met an error of the processor"),
    (Count::Exhausted, "dunning ended without payment"),
];

/// What is told of money that moves; what calls move is too much to tell.
const MOVED: [(Movement, &str); 14] = [
    (Movement::Invoice, "invoiced a fee of"),
    (Movement::InvoiceUsage, "invoiced usage of"),
    (Movement::InvoiceCredit, "bought credit of"),
    (Movement::CreditFee, "credited of the old fee"),
    (Movement::CreditBalance, "kept to their credit"),
    (Movement::ApplyBalance, "settled from that credit"),
    (Movement::Capture, "paid"),
    (Movement::Void, "not owed any more"),
    (Movement::WriteOff, "written off"),
    (Movement::Grant, "granted credit of"),
    (Movement::Expire, "granted credit expired:"),
    (Movement::Breakage, "paid credit expired:"),
    (Movement::Refund, "refunded"),
    (Movement::Chargeback, "charged back"),
];

/// `active on pro`.
fn standing(world: &World, account: &Account) -> String {
    let plan = &world.scenario.plans[account.plan(&world.catalog)].name;
    let status = match account.status() {
        Status::Awaited => return format!("not subscribed yet; will be on {plan}"),
        Status::Incomplete => "incomplete",
        Status::IncompleteExpired => "incomplete_expired",
        Status::Trialing => "trialing",
        Status::Active => "active",
        Status::PastDue => "past_due",
        Status::Unpaid => "unpaid",
        Status::Paused => "paused",
        Status::Canceled => "canceled",
    };
    format!("{status} on {plan}")
}

/// What they paid, what they owe, and what they have.
fn money(account: &Account) -> Vec<(&'static str, Money)> {
    let books = account.books();
    let held = |ledger, sign: i128| i64::try_from(sign * books.balance(ledger)).map_or(Money::ZERO, Money::from_nanos);
    let all = [
        ("paid", books.moved(Movement::Capture)),
        ("refunded", books.moved(Movement::Refund)),
        ("charged back", books.moved(Movement::Chargeback)),
        ("owed for invoices", held(LedgerAccount::Receivable, 1)),
        ("used, not invoiced yet", held(LedgerAccount::Accrued, 1)),
        ("written off", books.moved(Movement::WriteOff)),
        ("served without credit", held(LedgerAccount::Overdraft, 1)),
        ("of granted credit spent", books.moved(Movement::Spend)),
        ("of paid credit spent", books.moved(Movement::Burn)),
        ("paid credit left", held(LedgerAccount::Prepaid, -1)),
        ("granted credit left", held(LedgerAccount::Promotional, -1)),
        ("kept for later invoices", held(LedgerAccount::Balance, -1)),
    ];
    all.into_iter().filter(|(_, amount)| *amount != Money::ZERO).collect()
}
