//! A driven outage: for a while, by the mock's clock, nobody is served.

use serde_json::{Value, json};

/// Until when nobody is served, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outage {
    until_ms: i64,
    how: How,
}

/// How nobody is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum How {
    /// Requests are answered 503.
    #[default]
    Unavailable,
    /// Connections are reset.
    Reset,
}

impl How {
    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "503" => Some(Self::Unavailable),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "503",
            Self::Reset => "reset",
        }
    }
}

impl Outage {
    /// From now until then.
    pub(super) fn until(until_ms: i64, how: How) -> Self {
        Self { until_ms, how }
    }

    /// How nobody is served now; `None`: everybody is.
    pub(super) fn at(&self, now_ms: i64) -> Option<How> {
        (now_ms < self.until_ms).then_some(self.how)
    }

    /// As the mock tells it.
    pub(super) fn render(&self, now_ms: i64) -> Value {
        match self.at(now_ms) {
            None => json!({ "down": false }),
            Some(how) => json!({ "down": true, "how": how.name(), "until": self.until_ms.div_euclid(1_000) }),
        }
    }
}
