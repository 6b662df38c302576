//! Baselines: what an earlier run has shown, kept as plain data that can be committed, and whether a later run is worse.
//!
//! Nothing is judged by a fixed percentage. Two simulations of one seed meet the same calls, cards and failures, so each
//! replication is compared with its own twin, and what differs is the change's doing; two loads meet the same machine in
//! turn, and the noise is read off the repeats. [`judge`] has the statistics, [`simulated`] and [`live`] what is read.

pub mod judge;
pub mod live;
pub mod simulated;

use std::collections::BTreeMap;

use farebox_engine::outcome::Nanos;
use serde::{Deserialize, Serialize};

use crate::measure::Unit;
use crate::measure::interval::Pair;

/// The version of a baseline's layout: raised when a reader of the last one would misread this.
pub const FORMAT: u32 = 1;

/// What an earlier run has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`FORMAT`].
    pub format: u32,
    /// Which version of Farebox has made it.
    pub farebox: String,
    /// The fingerprint of the scenario that it was made with; that of what is compared may differ, and mostly does.
    pub fingerprint: String,
    /// What must be the same for a comparison to mean something, by name.
    pub conditions: BTreeMap<String, String>,
    /// What was read, figure by figure.
    pub readings: Vec<Reading>,
    /// Of a load: what it takes to play it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub played: Option<Played>,
}

/// What it takes to play the load of a baseline again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Played {
    /// The text of the scenario file.
    pub scenario: String,
    /// The variant of it, if one was played.
    pub variant: Option<String>,
    /// What `--rate` said.
    pub rate: Option<String>,
    /// What `--duration` said.
    pub duration: Option<String>,
    /// Whether the load was closed by the command line.
    pub closed: bool,
}

/// One figure, as often as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Its name, as a threshold has it.
    pub figure: String,
    /// The unit that it is told in.
    pub unit: Unit,
    /// Which way is bad.
    pub worse: Worse,
    /// A numerator and a denominator per replication or repeat, in their order; nothing where nothing was measured.
    pub each: Vec<Option<[Nanos; 2]>>,
}

/// Which way a figure gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// When it rises.
    Higher,
    /// When it falls.
    Lower,
}

/// Why a file is no baseline for this version.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is no baseline.
    #[error("this is no baseline")]
    Malformed(#[from] serde_json::Error),
    /// Another version has written it.
    #[error("it has the format {found}, and this version of Farebox reads {FORMAT}")]
    Format {
        /// What it has.
        found: u64,
    },
    /// It was edited, or is half of one.
    #[error("its figure `{figure}` is not read as often as the others, or is divided by nothing")]
    Uneven {
        /// Which one.
        figure: String,
    },
}

impl Baseline {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
        }
        let Head { format } = serde_json::from_str(text)?;
        if format != u64::from(FORMAT) {
            return Err(BaselineError::Format { found: format });
        }
        let baseline: Self = serde_json::from_str(text)?;
        // Figures are compared by their place, so a reading too few would pair strangers.
        let often = baseline.readings.first().map_or(0, |reading| reading.each.len());
        let is_even = |reading: &Reading| {
            often > 0 && reading.each.len() == often && reading.pairs().flatten().all(|pair| pair.of > 0)
        };
        match baseline.readings.iter().find(|reading| !is_even(reading)) {
            Some(uneven) => Err(BaselineError::Uneven { figure: uneven.figure.clone() }),
            None => Ok(baseline),
        }
    }

    /// What of the conditions differs: the name, the value here, and that of the other; all of it, in the order of names.
    pub fn differences<'a>(&'a self, other: &'a BTreeMap<String, String>) -> Vec<Difference<'a>> {
        let names: std::collections::BTreeSet<_> = self.conditions.keys().chain(other.keys()).collect();
        let rows = names.into_iter().map(|name| Difference {
            name,
            baseline: self.conditions.get(name).map(String::as_str),
            now: other.get(name).map(String::as_str),
        });
        rows.filter(|row| row.baseline != row.now).collect()
    }
}

/// A condition in which two runs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the baseline has.
    pub baseline: Option<&'a str>,
    /// What this run has.
    pub now: Option<&'a str>,
}

impl Reading {
    /// As pairs.
    pub fn pairs(&self) -> impl Iterator<Item = Option<Pair>> {
        self.each.iter().map(|read| read.map(|[parts, of]| Pair { parts: parts.0, of: of.0 }))
    }
}

/// A pair as it is written.
pub(crate) fn written(pair: Pair) -> [Nanos; 2] {
    [Nanos(pair.parts), Nanos(pair.of)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(conditions: &[(&str, &str)]) -> Baseline {
        Baseline {
            format: FORMAT,
            farebox: "0.1.0".to_owned(),
            fingerprint: "f".to_owned(),
            conditions: conditions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            readings: vec![Reading {
                figure: "revenue.earned".to_owned(),
                unit: Unit::Money,
                worse: Worse::Lower,
                each: vec![Some(written(Pair { parts: i128::from(i64::MAX) * 3, of: 1 })), None],
            }],
            played: None,
        }
    }

    /// Amounts beyond what a JSON number holds come back to the last digit.
    #[test]
    fn what_is_written_is_read_back_and_another_format_is_refused_with_both_numbers() {
        let text = serde_json::to_string_pretty(&baseline(&[("seed", "1")])).unwrap();
        assert_eq!(Baseline::parse(&text).unwrap(), baseline(&[("seed", "1")]));
        let newer = text.replace("\"format\": 1", "\"format\": 7");
        let refused = Baseline::parse(&newer).unwrap_err().to_string();
        assert_eq!(refused, "it has the format 7, and this version of Farebox reads 1");
        assert!(matches!(Baseline::parse("[]"), Err(BaselineError::Malformed(_))));
    }

    /// Somebody's edit must not become a comparison of strangers, nor a division by zero.
    #[test]
    fn a_baseline_that_was_cut_short_is_refused() {
        let whole = baseline(&[]);
        let with = |each: Vec<Option<[Nanos; 2]>>| {
            let more = Reading { figure: "more".to_owned(), each, ..whole.readings[0].clone() };
            let text = Baseline { readings: vec![whole.readings[0].clone(), more], ..whole.clone() };
            Baseline::parse(&serde_json::to_string(&text).unwrap())
        };
        let one = Some([Nanos(1), Nanos(1)]);
        assert!(with(vec![one, one]).is_ok());
        for broken in [vec![one], vec![], vec![one, Some([Nanos(1), Nanos(0)])]] {
            let refused = with(broken).unwrap_err().to_string();
            assert!(refused.contains("its figure `more`"), "{refused}");
        }
    }

    /// Whoever has to make two runs comparable wants to hear of all at once.
    #[test]
    fn all_conditions_that_differ_are_told() {
        let kept = baseline(&[("seed", "1"), ("currency", "USD"), ("horizon", "30 days")]);
        let now = baseline(&[("seed", "2"), ("currency", "USD"), ("cohort new", "3")]).conditions;
        let differ: Vec<_> = kept.differences(&now).iter().map(|it| (it.name, it.baseline, it.now)).collect();
        assert_eq!(
            differ,
            [("cohort new", None, Some("3")), ("horizon", Some("30 days"), None), ("seed", Some("1"), Some("2"))]
        );
    }
}
