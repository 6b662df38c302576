//! What was used before the start. It counts against limits and allowance, and on the next invoice; nothing of it is held,
//! paid or recorded.

use crate::billing::account::Account;
use crate::billing::catalog::Catalog;
use crate::billing::gate::View;
use crate::billing::headroom::{ALONE, Passed};
use crate::billing::hold::Hold;
use crate::billing::steps::{Pass, Stop};
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::time::Now;

impl Account {
    /// A call from before the books are opened: whether it was let through.
    pub fn remember(
        &mut self,
        now: Now,
        catalog: &Catalog,
        route: u16,
        usage: &PerMeter<u64>,
    ) -> Result<bool, Overflow> {
        self.saw(now);
        let (cohort, plan) = self.terms(catalog);
        let most = &cohort.most[route as usize];
        let mut pass = Pass::default();
        match self.look(now, catalog, plan, View::ReadThrough, route, most, &mut pass) {
            Err(Stop::Refused(_)) => return Ok(false),
            Err(Stop::Overflow(overflow)) => return Err(overflow),
            Ok(_) => {}
        }
        self.take_limits(now, plan, pass.is_throttled);
        let mut hold = Hold { pays: pass.pays, ..Hold::NONE };
        self.usage.open(plan, most, &pass.past, &mut hold)?;
        self.usage.settle(plan, most, &hold, usage, &mut self.tally.units)?;
        Ok(true)
    }
}

/// Remembers calls from before the books are opened, in time order: each as [`Account::remember`] does, and those that
/// certainly pass together.
#[derive(Debug)]
pub struct History<'a> {
    account: &'a mut Account,
    catalog: &'a Catalog,
    passed: Passed,
    /// How many calls may be remembered together.
    room: u64,
    /// How many more are remembered by themselves.
    alone: u32,
}

impl<'a> History<'a> {
    /// Of this account, and nothing remembered yet.
    pub fn new(account: &'a mut Account, catalog: &'a Catalog) -> Self {
        Self { account, catalog, passed: Passed::default(), room: 0, alone: 0 }
    }

    /// Remembers a call.
    #[inline]
    pub fn call(&mut self, now: Now, route: u16, usage: &PerMeter<u64>) -> Result<(), Overflow> {
        if self.passed.calls == self.room && self.alone == 0 {
            self.flush()?;
            self.account.saw(now);
            self.room = self.account.headroom(now, self.catalog);
            self.alone = if self.room == 0 { ALONE } else { 0 };
        }
        if self.passed.calls < self.room {
            if self.account.passes_limits(now, self.catalog) {
                self.passed.count(route, usage);
            }
            return Ok(());
        }
        self.alone -= 1;
        self.account.remember(now, self.catalog, route, usage).map(drop)
    }

    /// All calls are told.
    pub fn end(mut self) -> Result<(), Overflow> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Overflow> {
        let (most, pass) = self.account.together(self.catalog, &self.passed)?;
        let plan = &self.catalog.terms[self.account.terms as usize];
        let mut hold = Hold { pays: pass.pays, ..Hold::NONE };
        let Account { usage, tally, .. } = &mut *self.account;
        usage.open(plan, &most, &pass.past, &mut hold)?;
        usage.settle(plan, &most, &hold, &self.passed.usage, &mut tally.units)?;
        self.passed.clear(false);
        Ok(())
    }
}
