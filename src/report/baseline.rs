//! Figures beside those of a baseline, as a page for the terminal.

use farebox_engine::money::Currency;

use super::shown::compared;
use super::text::{Row, row, table};
use crate::baseline::judge::Compared;

/// Each figure with its difference and what was found.
pub fn render(name: &str, figures: &[Compared], currency: Currency) -> String {
    let line = |figure: &Compared| -> Row {
        let [before, now, change, found] = compared(figure, currency);
        row(&figure.figure, now, format!("{change} from {before}, {found}"))
    };
    table(&format!("Beside the baseline {name}"), &figures.iter().map(line).collect::<Vec<_>>())
}
