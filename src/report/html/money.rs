//! The money: statements that add up, as waterfalls and as tables.

use farebox_engine::money::Currency;
use farebox_engine::outcome::Outcome;

use super::chart::{self, Bar};
use super::view::{Answer, Block, Figure, Item, Tone};
use super::{figure, major, table, tables};
use crate::report::statement::{MRR, Statement};
use crate::report::text::{Mean, currency};

/// What the money came to, in words.
pub(super) fn answers(mean: &Mean) -> Vec<Answer> {
    let currency = currency(&mean.outcome);
    let shown = |nanos: i128| currency.display(nanos).to_string();
    let mut answers = Vec::new();
    for statement in mean.statements() {
        let sum = shown(statement.sum());
        let parts: Vec<_> =
            statement.lines.iter().map(|line| format!("{} {}", signed(line.adds, currency), line.label)).collect();
        let (tone, head) = match statement.title {
            "Margin" if statement.sum() < 0 => ("bad", format!("{sum} margin: a loss")),
            "Margin" => ("plain", format!("{sum} margin")),
            "Invoices" => ("plain", format!("{sum} collected")),
            _ => continue,
        };
        answers.push(Answer { tone, head, text: format!("{}.", parts.join(", ")) });
    }
    answers
}

/// The statements.
pub(super) fn block(outcome: &Outcome, mean: &Mean) -> Block {
    let block = Block::new("money", "The money");
    let currency = currency(outcome);
    let mut items = Vec::new();
    for statement in mean.statements().iter().filter(|statement| statement.title != MRR) {
        items.push(of(statement, currency));
    }
    items.extend(tables(mean.beside_invoices(), "revenue.csv"));
    if items.is_empty() {
        return block.says("No money has moved.");
    }
    let said =
        "Each statement adds up to the minor unit, and is read off a double-entry ledger whose accounts sum to zero.";
    block.says(said).with(items)
}

/// Monthly recurring revenue, by what moved it.
pub(super) fn recurring(mean: &Mean) -> Block {
    let block = Block::new("mrr", "Monthly recurring revenue");
    match mean.statements().iter().find(|statement| statement.title == MRR) {
        None => block.says("There is none: nobody was subscribed to a plan with a fee."),
        Some(statement) => block.with([of(statement, currency(&mean.outcome))]),
    }
}

/// A waterfall, where there is more than one step in it.
fn of(statement: &Statement, currency: Currency) -> Item {
    let table = table(&statement.section(currency), "revenue.csv");
    // A single step is no fall.
    if statement.lines.len() < 2 {
        return Item::Table(table);
    }
    let mut at = 0_i128;
    let mut bars = Vec::new();
    for line in &statement.lines {
        let tone = if line.adds < 0 { Tone::Minus } else { Tone::Plus };
        bars.push(Bar {
            label: line.label.to_owned(),
            from: major(at, currency),
            parts: vec![(tone, major(line.adds, currency))],
            figure: signed(line.adds, currency).replace('\u{2060}', ""),
        });
        at += line.adds;
    }
    bars.push(Bar {
        label: statement.total.to_owned(),
        from: 0.0,
        parts: vec![(Tone::Sum, major(at, currency))],
        figure: currency.display(at).to_string(),
    });
    let id = match statement.title {
        "Margin" => "margin",
        "Invoices" => "invoices",
        MRR => "recurring",
        title if title.starts_with("Paid") => "paid-credit",
        _ => "promotional-credit",
    };
    figure(Figure {
        id,
        // Under a heading that says the same there is something else to say.
        title: if statement.title == MRR { "What moved it" } else { statement.title }.to_owned(),
        says: format!("{} steps that add up to {}: {}.", statement.lines.len(), currency.display(at), statement.total),
        legend: Vec::new(),
        drawing: chart::waterfall(&bars),
        table,
    })
}

fn signed(nanos: i128, currency: Currency) -> String {
    let sign = if nanos < 0 { "−" } else { "+" };
    // A sign stays with its amount.
    format!("{sign}\u{2060}{}", currency.display(nanos.abs()))
}
