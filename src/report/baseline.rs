//! Figures beside those of a baseline, as a section of the page.

use farebox_engine::money::Currency;

use super::section::{Row, Section, row};
use super::shown::compared;
use crate::baseline::judge::Compared;

/// Each figure with its difference and what was found.
pub fn section(name: &str, figures: &[Compared], currency: Currency) -> Section {
    let line = |figure: &Compared| -> Row {
        let [before, now, change, found] = compared(figure, currency);
        row(&figure.figure, now, format!("{change} from {before}, {found}"))
    };
    Section { title: format!("Beside the baseline {name}"), rows: figures.iter().map(line).collect() }
}
