//! Credit that is bought: by itself when it runs low, or because somebody asks; and what becomes of it.

use crate::billing::account::{Account, Status};
use crate::billing::back::CREDIT;
use crate::billing::calendar::Cycle;
use crate::billing::catalog::{Catalog, TRY_AGAIN};
use crate::billing::collect::minus;
use crate::billing::decline::{Answer, Decline};
use crate::billing::gate::Action;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::billing::standing::NotSold;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::model::{Length, Period};
use crate::money::{Money, Overflow};
use crate::time::{Now, Time};

/// What is known of an account's top-ups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopUps {
    /// How many were asked for, paid or not: what names them.
    asked: u32,
    /// Those that the processor has not answered yet.
    pending: Vec<Asked>,
    /// Which of those was asked for by itself.
    automatic: Option<Purpose>,
    /// No automatic one is made before.
    not_before: Time,
    /// How many automatic ones were paid for in the month that ends at `month_ends`, counted from the anchor.
    in_month: u32,
    month: u32,
    month_ends: Time,
    /// Why the card was declined for credit, as long as it has paid nothing since, and there is no other.
    declined: Option<Decline>,
}

/// Credit that is being bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    purpose: Purpose,
    priority: u8,
    expires: Option<Length>,
}

impl Default for TopUps {
    fn default() -> Self {
        let long_ago = Time::from_ns(i64::MIN);
        Self {
            asked: 0,
            pending: Vec::new(),
            automatic: None,
            not_before: long_ago,
            in_month: 0,
            month: 0,
            month_ends: long_ago,
            declined: None,
        }
    }
}

impl TopUps {
    /// The card has paid, so it is not one that declines any more.
    pub(super) fn card_paid(&mut self) {
        self.declined = None;
    }

    /// Another card may be asked at once.
    pub(super) fn new_card(&mut self) {
        (self.declined, self.not_before) = (None, Time::from_ns(i64::MIN));
    }
}

impl Account {
    /// Buys credit when less is left than the plan wants; no more than once at a time.
    #[inline]
    pub(super) fn watch_credit(&mut self, billing: Time, catalog: &Catalog) {
        let (_, plan) = self.terms(catalog);
        if let Some(terms) = plan.prepaid.as_ref().and_then(|prepaid| prepaid.auto_top_up)
            && self.grants.balance() < terms.below
            && self.top_up.pending.is_empty()
        {
            self.timers.set(Deadline::TopUp, billing.max(self.top_up.not_before));
        }
    }

    /// Without any credit nothing would ever be settled that could ask for more.
    pub(super) fn watch_empty(&mut self, billing: Time, catalog: &Catalog) {
        if self.grants.balance() == Money::ZERO {
            self.watch_credit(billing, catalog);
        }
    }

    /// An automatic top-up is due.
    pub(super) fn top_up_due(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) {
        self.timers.clear(Deadline::TopUp);
        let (_, plan) = self.terms(catalog);
        let terms = plan.prepaid.as_ref().and_then(|prepaid| prepaid.auto_top_up);
        let may_buy = self.has_card && self.top_up.pending.is_empty() && !self.is_over();
        let Some(terms) = terms.filter(|terms| may_buy && self.grants.balance() < terms.below) else { return };
        self.enter_month_of_top_ups(at, catalog);
        if terms.at_most.is_some_and(|most| self.top_up.in_month >= most) {
            // Nobody may call meanwhile: without credit there is no settle that would ask again.
            self.top_up.not_before = self.top_up.month_ends;
            self.timers.set(Deadline::TopUp, self.top_up.month_ends);
            return;
        }
        let expires = plan.prepaid.as_ref().and_then(|prepaid| prepaid.credits_expire);
        self.top_up.automatic = Some(Purpose::TopUp(self.top_up.asked));
        self.ask_for_credit(terms.add, 0, expires, actions);
    }

    /// In another month, counted from the anchor, none has been bought yet.
    fn enter_month_of_top_ups(&mut self, at: Time, catalog: &Catalog) {
        if at < self.top_up.month_ends {
            return;
        }
        let (cohort, _) = self.terms(catalog);
        let month = Cycle::new(&cohort.calendar, Period::Month, self.subscribed);
        while at >= month.begins(&cohort.calendar, self.top_up.month) {
            self.top_up.month += 1;
        }
        self.top_up.month_ends = month.begins(&cohort.calendar, self.top_up.month);
        self.top_up.in_month = 0;
    }

    /// The consumer buys credit.
    pub fn buy_credit(&mut self, now: Now, catalog: &Catalog, amount: Money, actions: &mut Vec<Action>) {
        self.saw(now);
        let (_, plan) = self.terms(catalog);
        if let Some(prepaid) = &plan.prepaid
            && self.has_card
            && !self.is_over()
        {
            self.ask_for_credit(amount, 0, prepaid.credits_expire, actions);
        }
    }

    /// The consumer's software buys what it usually does, see [`Self::usual_credit`].
    pub fn buy_usual_credit(&mut self, now: Now, catalog: &Catalog, actions: &mut Vec<Action>) {
        if let Ok(amount) = self.usual_credit(catalog) {
            self.buy_credit(now, catalog, amount, actions);
        }
    }

    /// What the consumer's software would buy: what the plan tops up by, else what it opened with, in whole minor units and
    /// rounded up, because no less can be collected; once at a time.
    pub fn usual_credit(&self, catalog: &Catalog) -> Result<Money, NotSold> {
        let (_, plan) = self.terms(catalog);
        let Some(prepaid) = &plan.prepaid else { return Err(NotSold::NotPrepaid) };
        let opening = || prepaid.grants.first().map(|grant| price::collectable(grant.amount, catalog.currency));
        let amount = prepaid.auto_top_up.map(|terms| terms.add).or_else(opening).filter(|amount| *amount > Money::ZERO);
        match amount {
            _ if self.is_over() || self.status == Status::Awaited => Err(NotSold::NotSubscribed),
            _ if !self.top_up.pending.is_empty() => Err(NotSold::OnItsWay),
            _ if !self.has_card => Err(NotSold::NoPaymentMethod),
            amount => amount.ok_or(NotSold::NoUsualAmount),
        }
    }

    pub(super) fn ask_for_credit(
        &mut self,
        amount: Money,
        priority: u8,
        expires: Option<Length>,
        actions: &mut Vec<Action>,
    ) {
        let purpose = Purpose::TopUp(self.top_up.asked);
        self.top_up.asked += 1;
        self.top_up.pending.push(Asked { purpose, priority, expires });
        actions.push(Action::Charge(Charge { purpose, attempt: 1, amount }));
    }

    /// A top-up is never dunned: the next one comes by itself. Only what is paid for counts as one of the month.
    pub(super) fn top_up_answered(
        &mut self,
        at: Time,
        answered: Now,
        catalog: &Catalog,
        charge: Charge,
        answer: Answer,
    ) -> Result<(), Overflow> {
        let place = self.top_up.pending.iter().position(|asked| asked.purpose == charge.purpose);
        let asked = self.top_up.pending.remove(place.expect("the processor answers what it was asked"));
        let amount = charge.amount;
        let is_automatic = self.top_up.automatic.take_if(|purpose| *purpose == charge.purpose).is_some();
        if answer != Answer::Paid {
            if let Answer::Declined(why) = answer {
                self.top_up.declined = Some(why);
            }
            self.top_up.not_before = answered.billing + TRY_AGAIN;
            self.watch_credit(at, catalog);
            return Ok(());
        }
        if is_automatic {
            self.enter_month_of_top_ups(at, catalog);
            self.top_up.in_month += 1;
        }
        self.tally.count(Count::TopUps);
        self.post(Movement::InvoiceCredit, amount)?;
        self.captured(amount, catalog)?;
        let (cohort, _) = self.terms(catalog);
        let expires = asked.expires.map_or(Time::NEVER, |length| cohort.calendar.after(at, length));
        self.grants.add(amount, true, asked.priority, expires)?;
        self.recoup()?;
        self.back.paid(CREDIT, answered.traffic, self.seen.traffic);
        self.timers.set(Deadline::CreditExpiry, self.grants.next_expiry(at));
        Ok(())
    }

    /// Why the card was declined when credit was bought with it last; `None` where it was not, where it has paid since, or
    /// where there is another one now. What the processor could not answer says nothing of a card.
    pub fn credit_declined(&self) -> Option<Decline> {
        self.top_up.declined
    }

    /// Whether credit is being bought: the processor was asked, and the account has not heard what became of it.
    pub fn is_buying_credit(&self) -> bool {
        !self.top_up.pending.is_empty()
    }

    /// Whether what is due is being paid: as [`Self::is_buying_credit`], of an invoice.
    pub fn is_collecting(&self) -> bool {
        self.receivables.has_asked()
    }

    /// When the first payment is made once more by itself, in billing time: the processor could not answer the last
    /// attempt. `None` where it has declined the card, or is being asked.
    pub fn pays_again_at(&self) -> Option<Time> {
        let again = self.timers.get(Deadline::Retry);
        (self.status == Status::Incomplete && again < Time::NEVER).then_some(again)
    }

    /// Whether this credit was asked for, and not answered.
    pub(super) fn awaits_credit(&self, purpose: Purpose) -> bool {
        self.top_up.pending.iter().any(|asked| asked.purpose == purpose)
    }

    /// New credit pays first for what was served without any.
    fn recoup(&mut self) -> Result<(), Overflow> {
        let left = self.grants.take(self.overdraft, &mut self.books)?;
        self.post(Movement::Recoup, minus(self.overdraft, left)?)?;
        self.overdraft = left;
        Ok(())
    }

    /// What is left of the credit that expires at `at` is gone.
    pub(super) fn expire_credit(&mut self, at: Time, catalog: &Catalog) -> Result<(), Overflow> {
        self.grants.expire(at, &mut self.books)?;
        self.timers.set(Deadline::CreditExpiry, self.grants.next_expiry(at));
        self.watch_empty(at, catalog);
        Ok(())
    }
}
