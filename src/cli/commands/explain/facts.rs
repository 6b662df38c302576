//! What is told of an account: what is counted, what moves, how it stands.

use farebox_engine::billing::account::{Account, Status};
use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::billing::tally::Count;
use farebox_engine::draw::Chance;
use farebox_engine::money::Money;
use farebox_engine::world::World;

/// What is told of counts that grow.
pub(super) const HAPPENED: [(Count, &str); 11] = [
    (Count::Joined, "subscribed"),
    (Count::Trials, "a trial began"),
    (Count::Converted, "the trial became a subscription"),
    (Count::Left, "left"),
    (Count::Upgrades, "upgraded"),
    (Count::UpgradesFailed, "an upgrade was not paid"),
    (Count::Downgrades, "downgraded"),
    (Count::CardReminders, "reminded that the card is about to end"),
    (Count::CardRemindersHeeded, "put in another card because of a reminder"),
    (Count::TrialReminders, "reminded that the trial is about to end"),
    (Count::TrialRemindersHeeded, "gave a payment method because of a reminder"),
];

/// The same of payments, after what they were to pay.
pub(super) const NOT_PAID: [(Count, &str); 4] = [
    (Count::Declined, "a payment was declined"),
    (Count::Errors, "a payment met an error of the processor"),
    (Count::Exhausted, "dunning ended without payment"),
    (Count::GivenBack, "given back, because nothing is due for it any more"),
];

/// What is told of money that moves; what calls move is too much to tell.
pub(super) const MOVED: [(Movement, &str); 14] = [
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

/// Which of their calls they make from now on.
pub(super) fn pace(keeps: Chance) -> String {
    match keeps {
        Chance::ALWAYS => "makes all calls again".to_owned(),
        keeps => format!("slows down to {} % of the calls", (1_000.0 * keeps.as_f64()).round() / 10.0),
    }
}

/// `active on pro`.
pub(super) fn standing(world: &World, account: &Account) -> String {
    let plan = &world.scenario.plans[account.plan(&world.catalog)].name;
    match account.status() {
        Status::Awaited => format!("not subscribed yet; will be on {plan}"),
        status => format!("{} on {plan}", status.name()),
    }
}

/// What calls were billed that their client had given up.
fn of_given_up(account: &Account) -> Money {
    i64::try_from(account.tally().billed_given_up).map_or(Money::ZERO, Money::from_nanos)
}

/// What was paid, heard of too late, and given back.
fn given_back(account: &Account) -> Money {
    i64::try_from(account.tally().given_back).map_or(Money::ZERO, Money::from_nanos)
}

/// What they paid, what they owe, and what they have.
pub(super) fn money(account: &Account) -> Vec<(&'static str, Money)> {
    let books = account.books();
    let held = |ledger, sign: i128| i64::try_from(sign * books.balance(ledger)).map_or(Money::ZERO, Money::from_nanos);
    let all = [
        ("paid", books.moved(Movement::Capture)),
        ("refunded", books.moved(Movement::Refund)),
        ("charged back", books.moved(Movement::Chargeback)),
        ("paid too late, and given back", given_back(account)),
        ("owed for invoices", held(LedgerAccount::Receivable, 1)),
        ("used, not invoiced yet", held(LedgerAccount::Accrued, 1)),
        ("written off", books.moved(Movement::WriteOff)),
        ("served without credit", held(LedgerAccount::Overdraft, 1)),
        ("of granted credit spent", books.moved(Movement::Spend)),
        ("of paid credit spent", books.moved(Movement::Burn)),
        ("of all that for calls that they had given up", of_given_up(account)),
        ("paid credit left", held(LedgerAccount::Prepaid, -1)),
        ("granted credit left", held(LedgerAccount::Promotional, -1)),
        ("kept for later invoices", held(LedgerAccount::Balance, -1)),
    ];
    all.into_iter().filter(|(_, amount)| *amount != Money::ZERO).collect()
}
