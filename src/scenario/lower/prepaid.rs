//! Prepaid credit: what is granted, what is bought, how long it lasts.

use farebox_engine::model::{GrantTerms, Prepaid, TopUp};
use farebox_engine::money::Money;

use super::{Lowering, Reported};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::value::{Fields, Length, Value};

impl Lowering<'_> {
    pub(super) fn prepaid(&mut self, fields: &Fields) -> Option<Prepaid> {
        let credits_expire = optional_length(fields, "credits_expire").ok()?;
        let mut grants = Vec::new();
        if let Some(opening) = fields.money("opening") {
            let paid = fields.bool("paid")?;
            let terms = GrantTerms::opening(if paid { self.collected(opening)? } else { opening.value });
            grants.push(GrantTerms { expires: credits_expire, paid, ..terms });
        } else if fields.is_broken("opening") {
            return None;
        }
        for grant in fields.list("grants")? {
            let Value::Map(grant) = &grant.value else { return None };
            let (amount, paid) = (grant.money("amount")?, grant.bool("paid")?);
            grants.push(GrantTerms {
                amount: if paid { self.collected(amount)? } else { amount.value },
                priority: u8::try_from(grant.quantity("priority")?.value).ok()?,
                expires: optional_length(grant, "expires").ok()?.or(credits_expire),
                paid,
            });
        }
        if let (Some(span), true) = (fields.written("paid"), fields.written("opening").is_none()) {
            let problem = Diagnostic::warning(span, "`paid` is about the `opening` credit, and there is none");
            self.problems.push(problem.help("write it in each of the `grants`"));
        }
        let auto_top_up = match fields.map("auto_top_up") {
            Some(terms) => Some(self.top_up(terms)?),
            None if fields.is_broken("auto_top_up") => return None,
            None => None,
        };
        Some(Prepaid { grants, auto_top_up, credits_expire })
    }

    fn top_up(&mut self, fields: &Fields) -> Option<TopUp> {
        let (below, add) = (fields.money("below")?, fields.money("add")?);
        for (amount, message) in
            [(below, "credit is never below nothing"), (add, "a top-up of nothing tops nothing up")]
        {
            if amount.value == Money::ZERO {
                self.problems.push(Diagnostic::error(amount.span, message).help("write an amount above zero"));
                return None;
            }
        }
        let add = self.collected(add)?;
        let at_most = match fields.quantity("at_most") {
            Some(count) => Some(u32::try_from(count.value).ok()?),
            None if fields.is_broken("at_most") => return None,
            None => None,
        };
        Some(TopUp { below: below.value, add, at_most })
    }
}

/// A length that may be left out.
pub(super) fn optional_length(fields: &Fields, key: &str) -> Result<Option<Length>, Reported> {
    match fields.length(key) {
        Some(length) => Ok(Some(length.value)),
        None if fields.is_broken(key) => Err(Reported),
        None => Ok(None),
    }
}
