//! Broken thresholds as notes at the lines of the scenario that state them: workflow commands for GitHub's runners, a Code
//! Quality report for GitLab's.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::shown::{Shown, why};
use crate::measure::judge::Judged;
use crate::visible::on_one_line;

/// A place in the scenario file: the line and the column, from 1.
pub type At = [usize; 2];

/// A line for each broken threshold, as GitHub's runners read it from a step's output. `file` is relative to the
/// repository.
pub fn github(shown: &Shown<'_>, file: &str, places: &[At]) -> Vec<String> {
    let command = |(judged, [line, column]): (&Judged, At)| {
        let title = format!("threshold broken in {}", shown.scenario);
        let message = format!("{}: {}", on_one_line(&judged.threshold), on_one_line(&why(judged, shown.currency)));
        let (file, title) = (property(file), property(&title));
        format!("::error file={file},line={line},col={column},title={title}::{}", data(&message))
    };
    broken(shown, places).map(command).collect()
}

/// The Code Quality report: a list of findings, empty where there is none.
pub fn gitlab(shown: &Shown<'_>, file: &str, places: &[At]) -> String {
    let finding = |(judged, [line, _]): (&Judged, At)| {
        // The same finding in the next pipeline has the same fingerprint, wherever the line has moved to.
        let mut fingerprint = String::new();
        for byte in Sha256::digest(format!("{file}\n{}\n{}", shown.scenario, judged.threshold)) {
            let _ = write!(fingerprint, "{byte:02x}");
        }
        json!({
            "description": on_one_line(&format!("threshold broken in {}: {}: {}", shown.scenario, judged.threshold,
                                                why(judged, shown.currency))),
            "check_name": "farebox-threshold",
            "fingerprint": fingerprint,
            "severity": "major",
            "location": { "path": on_one_line(file), "lines": { "begin": line } },
        })
    };
    let findings: Vec<_> = broken(shown, places).map(finding).collect();
    format!("{:#}\n", json!(findings))
}

fn broken<'a>(shown: &'a Shown<'_>, places: &'a [At]) -> impl Iterator<Item = (&'a Judged, At)> {
    shown.thresholds.iter().zip(places.iter().copied()).filter(|(judged, _)| judged.fails)
}

/// What stands behind the second pair of colons: a line break would end the command, and a percent sign begins an escape.
fn data(text: &str) -> String {
    on_one_line(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property ends with a comma or a colon as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A threshold that holds `::stop-commands::` must not speak to the runner.
    #[test]
    fn nothing_in_a_name_can_end_a_command_or_begin_another() {
        assert_eq!(data("50 % of a\r\nb"), "50 %25 of a\\r\\nb");
        assert_eq!(property("a:b,c::set-env::d"), "a%3Ab%2Cc%3A%3Aset-env%3A%3Ad");
        assert_eq!(data("x\u{1b}[31m"), "x\\u{1b}[31m");
    }
}
