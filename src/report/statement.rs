//! The money as statements: lines that add up to the last one. Whether they are shown as a table or drawn as a waterfall,
//! the numbers are these.

use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::billing::price;
use farebox_engine::money::Currency;
use farebox_engine::outcome::Outcome;

use super::section::{Section, row};
use super::text::currency;

/// Lines that add up.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is about.
    pub title: &'static str,
    /// What is added and subtracted, as far as there is any.
    pub lines: Vec<Line>,
    /// What the sum is called.
    pub total: &'static str,
}

/// A line of a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What it is.
    pub label: &'static str,
    /// Whether it is subtracted: then an amount above zero lowers the sum.
    pub is_less: bool,
    /// What it adds to the sum, in nanos of one run: whole minor units.
    pub adds: i128,
}

impl Statement {
    /// The sum, in nanos.
    pub fn sum(&self) -> i128 {
        self.lines.iter().map(|line| line.adds).sum()
    }

    /// The statement as lines with signs.
    pub fn section(&self, currency: Currency) -> Section {
        let amount = |nanos: i128| currency.display(nanos).to_string();
        let mut rows: Vec<_> = (0..)
            .zip(&self.lines)
            .map(|(nth, line)| {
                let sign = match (line.is_less, nth) {
                    (true, _) => "−",
                    (false, 0) => " ",
                    (false, _) => "+",
                };
                row(format!("{sign} {}", line.label), amount(if line.is_less { -line.adds } else { line.adds }), "")
            })
            .collect();
        rows.push(row(format!("= {}", self.total), amount(self.sum()), ""));
        Section { title: self.title.to_owned(), rows }
    }
}

/// Every statement that has something to state: of so many runs, of which the outcome is the sum, the mean.
pub fn all(sum: &Outcome, runs: u64) -> Vec<Statement> {
    let moved = |movement| sum.moved(movement);
    let holds = |account| sum.balance(account);
    let figures = sum.figures();
    let exact = Exact { runs, unit: i128::from(price::minor_unit(currency(sum))) };
    let mut statements = Vec::new();
    if figures.earned != 0 || figures.invoiced != 0 || figures.processor_fees != 0 || figures.upstream_cost != 0 {
        statements.push(exact.statement(
            "Margin",
            &[
                (" ", "fees, by the second", figures.earned_fees),
                ("+", "usage, when served", figures.earned_usage),
                ("+", "paid credit burnt", figures.earned_credit),
                ("+", "paid credit expired", figures.breakage),
                ("−", "processor fees", figures.processor_fees),
                ("−", "upstream cost", figures.upstream_cost),
            ],
            ("margin", figures.margin),
        ));
    }
    if figures.invoiced != 0 || figures.outstanding != 0 {
        statements.push(exact.statement(
            "Invoices",
            &[
                (" ", "invoiced", figures.invoiced),
                ("+", "credited beyond the invoice", figures.kept),
                ("−", "settled from that", figures.applied),
                ("−", "written off", figures.written_off),
                ("−", "void", figures.voided),
                ("−", "outstanding at the end", figures.outstanding),
                ("−", "refunded or charged back", figures.returned),
            ],
            ("collected", figures.collected),
        ));
    }
    if moved(Movement::Grant) > 0 {
        statements.push(exact.statement(
            "Promotional credit (granted, not sold)",
            &[
                (" ", "granted", moved(Movement::Grant)),
                ("−", "spent on calls", moved(Movement::Spend)),
                ("−", "expired", moved(Movement::Expire)),
                ("−", "held by calls in flight", -holds(LedgerAccount::HeldPromotional)),
            ],
            ("left", -holds(LedgerAccount::Promotional)),
        ));
    }
    if moved(Movement::InvoiceCredit) + moved(Movement::CarryCredit) > 0 {
        statements.push(exact.statement(
            "Paid credit (a liability until burnt)",
            &[
                (" ", "bought before the start", moved(Movement::CarryCredit)),
                ("+", "sold", moved(Movement::InvoiceCredit)),
                ("−", "burnt", moved(Movement::Burn)),
                ("−", "expired", moved(Movement::Breakage)),
                ("−", "held by calls in flight", -holds(LedgerAccount::HeldPrepaid)),
            ],
            ("left", -holds(LedgerAccount::Prepaid)),
        ));
    }
    if figures.mrr != 0 || moved(Movement::MrrCarried) + moved(Movement::MrrNew) > 0 {
        statements.push(exact.statement(
            MRR,
            &[
                (" ", "at the start", moved(Movement::MrrCarried)),
                ("+", "new", moved(Movement::MrrNew)),
                ("+", "expansion", moved(Movement::MrrExpansion)),
                ("+", "reactivation", moved(Movement::MrrReactivation)),
                ("−", "contraction", moved(Movement::MrrContraction)),
                ("−", "churn", moved(Movement::MrrChurn)),
            ],
            ("at the end", figures.mrr),
        ));
    }
    statements
}

/// The title of the statement of recurring revenue.
pub const MRR: &str = "Monthly recurring revenue";

/// The books are exact to the nano; a page shows the currency's minor unit.
struct Exact {
    runs: u64,
    unit: i128,
}

impl Exact {
    /// Lines that add up to the last one, which is computed apart from them; cut by largest remainder so that what is shown
    /// adds up too.
    fn statement(
        &self,
        title: &'static str,
        lines: &[(&'static str, &'static str, i128)],
        (label, total): (&'static str, i128),
    ) -> Statement {
        let signed: Vec<_> = lines.iter().map(|(sign, _, nanos)| if *sign == "−" { -nanos } else { *nanos }).collect();
        assert_eq!(signed.iter().sum::<i128>(), total, "the statement `{title}` adds up");
        // A mean is a sum in units that are as many times as large.
        let runs = i128::from(self.runs);
        let shown = largest_remainder(&signed, self.unit * runs);
        let is_there = |((_, _, nanos), _): &(&(&str, &str, i128), i128)| *nanos != 0;
        let line = |((sign, label, _), shown): (&(&'static str, &'static str, i128), i128)| Line {
            label,
            is_less: *sign == "−",
            adds: shown / runs,
        };
        Statement { title, lines: lines.iter().zip(shown).filter(is_there).map(line).collect(), total: label }
    }
}

/// The parts in whole units: each rounded down, then the largest remainders up, until they sum to the rounded whole.
pub(super) fn largest_remainder(parts: &[i128], unit: i128) -> Vec<i128> {
    let total: i128 = parts.iter().sum();
    let mut whole: Vec<_> = parts.iter().map(|part| part.div_euclid(unit)).collect();
    let missing = (total + unit / 2).div_euclid(unit) - whole.iter().sum::<i128>();
    let mut by_remainder: Vec<_> = (0..parts.len()).collect();
    by_remainder.sort_by_key(|part| std::cmp::Reverse(parts[*part].rem_euclid(unit)));
    for part in by_remainder.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        whole[part] += 1;
    }
    whole.into_iter().map(|units| units * unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_adds_up_like_what_is_booked() {
        for parts in [vec![15, 15, -29], vec![-149, 99, 51, 1], vec![100, -50, -50], vec![7], vec![-250, 125, 124]] {
            let shown = largest_remainder(&parts, 10);
            let total: i128 = parts.iter().sum();
            assert!(shown.iter().zip(&parts).all(|(shown, part)| (shown - part).abs() < 10), "{parts:?} → {shown:?}");
            assert!((shown.iter().sum::<i128>() - total).abs() <= 5, "{parts:?} → {shown:?}");
        }
    }
}
