//! Calls that their clients have given up: what of them was billed, and what the upstream did for nobody.

use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::price;
use farebox_engine::billing::tally::Count;
use farebox_engine::money::thousands;
use farebox_engine::outcome::{CohortOutcome, FailedAs, Outcome};

use super::section::{Section, row};
use super::text::currency;

/// The section of a page: figures are means over so many runs, of which the outcome is the sum; nothing where no client has
/// gone.
pub fn section(sum: &Outcome, runs: u64) -> Option<Section> {
    let is_given_up = |(alike, _): &(FailedAs, u64)| alike.cause == "client_abort";
    let failures = sum.cohorts.iter().flat_map(CohortOutcome::failures).filter(is_given_up);
    let given_up: u64 = failures.map(|(_, attempts)| attempts).sum();
    if given_up == 0 {
        return None;
    }
    let count = |count: u64| thousands(((count + runs / 2) / runs).into());
    let amount = |nanos: i128| {
        let minor = i128::from(price::minor_unit(currency(sum)));
        let most = minor * i128::from(runs);
        let mean = if runs == 1 { nanos } else { (nanos + most / 2).div_euclid(most) * minor };
        currency(sum).display(mean).to_string()
    };
    let total = |of: fn(&CohortOutcome) -> u64| sum.cohorts.iter().map(of).sum::<u64>();
    let settled = total(|cohort| cohort.count(Count::SettledGivenUp));
    let billed = sum.cohorts.iter().map(|cohort| cohort.billed_given_up.0).sum();
    let rows = [
        row("attempts given up", count(given_up), "their clients have closed the connection"),
        row("settled all the same", count(settled), "against the allowance, credit or an invoice"),
        row("billed for them", amount(billed), "for answers that their clients have not had, or not whole"),
        row("upstream cost absorbed", amount(sum.moved(Movement::CostAbsorbed)), "for what nobody was billed for"),
    ];
    Section::of("Given up by their clients", rows.to_vec())
}
