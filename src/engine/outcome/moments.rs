//! [`Moments`] as strings of integers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Nanos;
use crate::moments::Moments;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    earned: Nanos,
    earned_squares: Nanos,
    offered_squares: Nanos,
    refused_squares: Nanos,
    offered_refused: Nanos,
    calls_squares: Nanos,
    calls_refused_squares: Nanos,
    calls_calls_refused: Nanos,
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
pub(super) fn serialize<S: Serializer>(moments: &Option<Moments>, serializer: S) -> Result<S::Ok, S::Error> {
    let sums = moments.map(|sums| Sums {
        earned: Nanos(sums.earned),
        earned_squares: Nanos(sums.earned_squares),
        offered_squares: Nanos(sums.offered_squares),
        refused_squares: Nanos(sums.refused_squares),
        offered_refused: Nanos(sums.offered_refused),
        calls_squares: Nanos(sums.calls_squares),
        calls_refused_squares: Nanos(sums.calls_refused_squares),
        calls_calls_refused: Nanos(sums.calls_calls_refused),
    });
    sums.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moments>, D::Error> {
    let sums = Option::<Sums>::deserialize(deserializer)?;
    Ok(sums.map(|sums| Moments {
        earned: sums.earned.0,
        earned_squares: sums.earned_squares.0,
        offered_squares: sums.offered_squares.0,
        refused_squares: sums.refused_squares.0,
        offered_refused: sums.offered_refused.0,
        calls_squares: sums.calls_squares.0,
        calls_refused_squares: sums.calls_refused_squares.0,
        calls_calls_refused: sums.calls_calls_refused.0,
    }))
}
