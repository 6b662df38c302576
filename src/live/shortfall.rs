//! What of an account says how a refusal is mended: what there is, what it takes, and when time alone brings it.

use farebox_engine::billing::account::Account;
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::decline::Decline;
use farebox_engine::billing::standing::{NotSold, Standing};
use farebox_engine::model::SpendControl;
use farebox_engine::money::Money;
use farebox_engine::time::{Now, Span};
use farebox_engine::world::World;
use farebox_engine::world::party::Party;

/// What is known of it; `None` is not known, or does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// What there is to pay from: credit that is neither spent nor held, or what is left below the spend cap.
    pub balance: Option<Money>,
    /// What it takes: the most that the call can cost, or what is due.
    pub required: Option<Money>,
    /// How long until the usage period is over, in traffic time, where that alone mends it.
    pub resets_in: Option<Span>,
    /// Where credit is short: what the consumer's software would buy, or why it can buy none.
    pub usual_credit: Option<Result<Money, NotSold>>,
    /// Where credit is short: why the card was declined for it, if there is no other card yet.
    pub declined: Option<Decline>,
    /// How long a client is told to wait, see [`World::retry_after`].
    pub wait: Option<Span>,
}

impl Shortfall {
    /// What is short of an account that was refused a call of this route for this cause just now. What has changed since the
    /// decision is in it, so a balance may be enough by now; [`Self::required`] is left out where it would contradict the
    /// refusal.
    pub(super) fn of(party: &Party, now: Now, world: &World, route: u16, cause: Cause) -> Self {
        let account = party.account();
        let known = match cause {
            Cause::CreditExhausted => Self::of_credit(account, now, world, route),
            Cause::SpendCap => Self {
                balance: standing(account, now, world).and_then(|it| it.spend_cap?.checked_sub(it.spent)),
                resets_in: resets_in(account, now, world),
                ..Self::default()
            },
            Cause::QuotaExhausted => Self { resets_in: resets_in(account, now, world), ..Self::default() },
            Cause::PastDue | Cause::Unpaid => {
                let due = standing(account, now, world).map(|it| it.due).filter(|due| *due > Money::ZERO);
                Self { required: due, ..Self::default() }
            }
            _ => Self::default(),
        };
        Self { wait: world.retry_after(party, now, route, cause), ..known }
    }

    /// Where credit is looked at and debited later, any credit would have been enough: then nothing is required.
    fn of_credit(account: &Account, now: Now, world: &World, route: u16) -> Self {
        let balance = account.credit();
        let margin = account.margins(now, &world.catalog, route).credit;
        let is_short = margin < Money::ZERO && world.catalog.spend_control == SpendControl::Reserve;
        let required = if is_short { balance.checked_sub(margin) } else { None };
        let usual_credit = Some(account.usual_credit(&world.catalog));
        let declined = account.credit_declined();
        Self { balance: Some(balance), required, usual_credit, declined, ..Self::default() }
    }
}

/// Where the sum of what was used leaves the range, nothing is said of it.
fn standing(account: &Account, now: Now, world: &World) -> Option<Standing> {
    account.statement(now, &world.catalog).ok()
}

fn resets_in(account: &Account, now: Now, world: &World) -> Option<Span> {
    let renews = account.allowance_renews(&world.catalog)?;
    Some(world.schedule.pace().clock.traffic_at(renews).since(now.traffic))
}
