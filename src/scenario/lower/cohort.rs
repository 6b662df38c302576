//! Cohorts: who is on which plan, since when, how they pay.

use farebox_engine::draw::Chance;
use farebox_engine::model::{Card, Client, Cohort, Discount, Funds, Joined, Length, On402};
use farebox_engine::money::Money;
use farebox_engine::time::{DAY, SECOND, Span as TimeSpan};

use super::plan::PlanEntry;
use super::prepaid::optional_length;
use super::reaction::reached;
use super::{Lowering, Reported, find};
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::limit;
use crate::scenario::unit;
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    pub(super) fn cohorts(&mut self, fields: &Fields, plans: &[PlanEntry]) -> Option<Vec<Cohort>> {
        let (mut cohorts, mut total) = (Vec::new(), 0u64);
        let mut is_used = vec![false; plans.len()];
        let mut is_known = true;
        for (name, cohort) in fields.named_maps() {
            total = self.check_count(cohort, total);
            let plan = cohort.text("plan").and_then(|name| self.plan_of(name, plans));
            match plan {
                Some(plan) => is_used[plan] = true,
                None => is_known = false,
            }
            let reached = reached(cohort, plans);
            for plan in reached {
                is_used[plan] = true;
            }
            cohorts.push(self.cohort(name, cohort, plan, plans));
        }
        // Where a cohort's plan is not known, it may be any of them.
        for (plan, _) in plans.iter().zip(is_used).filter(|(_, is_used)| is_known && !is_used) {
            let message = format!("no cohort is on the plan {}", quote(&plan.name.value));
            self.problems.push(Diagnostic::warning(plan.name.span, message));
        }
        cohorts.into_iter().collect()
    }

    /// The consumers up to this cohort, which are refused where they become too many.
    fn check_count(&mut self, cohort: &Fields, before: u64) -> u64 {
        let Some(count) = cohort.quantity("count") else { return before };
        let total = before + count.value;
        if before <= limit::CONSUMERS && total > limit::CONSUMERS {
            let message = format!("with these there are {total} consumers");
            let help = format!("write at most {} over all cohorts", unit::short(limit::CONSUMERS));
            self.problems.push(Diagnostic::error(count.span, message).help(help));
        }
        total
    }

    pub(super) fn plan_of(&mut self, name: Spanned<&str>, plans: &[PlanEntry]) -> Option<usize> {
        let known: Vec<&str> = plans.iter().map(|plan| plan.name.value.as_str()).collect();
        find("plan", name, &known, self.problems)
    }

    fn cohort(
        &mut self,
        name: &Spanned<String>,
        fields: &Fields,
        plan: Option<usize>,
        plans: &[PlanEntry],
    ) -> Option<Cohort> {
        let routes = fields.map("traffic").map(|traffic| self.mix(traffic));
        let on = plan.map(|at| &plans[at]);
        let arrivals = fields.map("traffic").and_then(|traffic| self.arrivals(traffic, fields, on));
        let client = self.client(fields);
        let card = self.payment(fields);
        let wallet = wallet(fields);
        self.check_pays(fields, on, client.as_ref(), wallet.as_ref().ok());
        let reactions = self.reactions(fields, plan, plans);
        Some(Cohort {
            name: name.value.clone(),
            count: u32::try_from(fields.quantity("count")?.value).ok()?,
            plan: plan?,
            joined: joined(fields)?,
            zone: fields.zone("time_zone")?,
            churn: fields.chance("churn")?,
            discount: discount(fields).ok()?,
            arrivals: arrivals?,
            routes: routes??,
            client: client?,
            card: card.ok()?,
            wallet: wallet.ok()?,
            reactions: reactions?,
        })
    }

    // === Payment ===

    /// A client that pays for single calls takes a plan that asks for it, a wallet, and a second attempt.
    fn check_pays(&mut self, cohort: &Fields, on: Option<&PlanEntry>, client: Option<&Client>, wallet: Option<&Money>) {
        let Some(client) = client.filter(|client| client.on_402 == On402::PayOnce) else { return };
        let span = cohort.map("client").and_then(|client| client.written("on_402")).unwrap_or(cohort.owner);
        let is_asked = on.and_then(|on| on.plan.as_ref()).is_none_or(|plan| plan.pays_per_request);
        let (why, help) = if !is_asked {
            ("this cohort's plan asks for no payment of single calls", "give the plan `pay_per_request: true`")
        } else if client.retry.attempts < 2 {
            ("a payment comes with the second attempt, and there is none", "write `attempts: 2`")
        } else if wallet == Some(&Money::ZERO) {
            ("there is no wallet to pay from", "write `payment: { wallet: { balance: $10 } }`")
        } else {
            return;
        };
        self.problems.push(Diagnostic::warning(span, format!("`pay_once` never pays: {why}")).help(help));
    }

    /// How they pay; `None`: not at all.
    fn payment(&mut self, fields: &Fields) -> Result<Option<Card>, Reported> {
        let Value::Map(payment) = &fields.value("payment").ok_or(Reported)?.value else { return Ok(None) };
        match &payment.value("card").ok_or(Reported)?.value {
            Value::Choice(preset) => Ok(Some(self::preset(preset))),
            Value::Map(card) => self.card(card).ok_or(Reported).map(Some),
            _ => Err(Reported),
        }
    }

    fn card(&mut self, fields: &Fields) -> Option<Card> {
        let (broke, funded) = (fields.duration("broke"), fields.duration("funded"));
        let life = optional_length(fields, "lasts").ok()?;
        if fields.is_broken("broke") || fields.is_broken("funded") {
            return None;
        }
        if let (Some(span), true) = (fields.written("updater"), fields.written("lasts").is_none()) {
            let problem = Diagnostic::warning(span, "there is no new card to hand over: this one works for ever");
            self.problems.push(problem.help("write how long it works on average, such as `lasts: 4y`"));
        }
        Some(Card {
            declines: fields.chance("declines")?,
            hard: fields.chance("hard")?,
            funds: broke.zip(funded).map(|(broke, funded)| Funds { broke: broke.value, funded: funded.value }),
            life: life.map(mean),
            updated: fields.chance("updater")?,
        })
    }
}

/// What is in their wallet; nothing where they have none.
fn wallet(fields: &Fields) -> Result<Money, Reported> {
    let Value::Map(payment) = &fields.value("payment").ok_or(Reported)?.value else { return Ok(Money::ZERO) };
    match payment.map("wallet") {
        Some(wallet) => wallet.money("balance").map(|balance| balance.value).ok_or(Reported),
        None if payment.is_broken("wallet") => Err(Reported),
        None => Ok(Money::ZERO),
    }
}

/// The presets, calibrated so that first attempts are declined as often as published (2.5 %, 5 %, 15 %), of them 46 % for
/// lack of money, 15 % because the card has ended, the rest at random; and so that with retries after 3, 5 and 7 days
/// 66 %, 65 % and 57 % of what was declined is recovered. The doc of `card` repeats the numbers.
fn preset(name: &str) -> Card {
    let days = |days: u64| TimeSpan::from_ns(days * DAY);
    let (declines, broke, funded, months, updater) = match name {
        "healthy" => (100, 13, 1_117, 48, 80),
        "typical" => (195, 14, 595, 40, 70),
        _ => (585, 22, 297, 36, 20),
    };
    Card {
        declines: Chance::of(declines, 10_000),
        hard: Chance::of(10, 100),
        funds: Some(Funds { broke: days(broke), funded: days(funded) }),
        life: Some(mean(Length::Months(months))),
        updated: Chance::of(updater, 100),
    }
}

/// The length of a mean month of the Gregorian calendar: 365.2425 ÷ 12 days.
const MONTH: u64 = 2_629_746 * SECOND;

/// A length that is a mean anyway.
fn mean(length: Length) -> TimeSpan {
    match length {
        Length::Exact(span) => span,
        Length::Months(months) => TimeSpan::from_ns(u64::from(months) * MONTH),
    }
}

fn joined(fields: &Fields) -> Option<Joined> {
    match &fields.value("joined")?.value {
        Value::Choice("start") => Some(Joined::Start),
        Value::Choice(_) => Some(Joined::Spread),
        Value::Map(signups) => {
            let rate = signups.rate("signups")?.value;
            Some(Joined::Signups { mean_gap_ns: rate.per.ns() as f64 / rate.events as f64 })
        }
        _ => None,
    }
}

fn discount(fields: &Fields) -> Result<Option<Discount>, Reported> {
    let Some(discount) = fields.map("discount") else {
        return if fields.is_broken("discount") { Err(Reported) } else { Ok(None) };
    };
    let off = discount.share("off").ok_or(Reported)?.value;
    Ok(Some(Discount { off, length: optional_length(discount, "for")? }))
}
