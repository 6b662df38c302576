//! The mock's clock: it goes with the wall's, and can be sent ahead. Never back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far ahead of the wall the clock may be sent: a hundred years.
const MOST_AHEAD_MS: i64 = 100 * 366 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// The mock's clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
    origin_ms: i64,
    ahead_ms: i64,
}

impl Clock {
    /// A clock that shows the wall's time.
    pub(super) fn of_wall() -> Self {
        Self { origin: Instant::now(), origin_ms: wall_ms(), ahead_ms: 0 }
    }

    /// What it shows, in milliseconds.
    pub(super) fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.origin_ms.saturating_add(passed).saturating_add(self.ahead_ms)
    }

    /// What it shows, in seconds.
    pub(super) fn now(&self) -> i64 {
        self.now_ms().div_euclid(1_000)
    }

    /// When it will show this, if nobody sends it ahead.
    pub(super) fn instant(&self, ms: i64) -> Instant {
        let until = ms - self.origin_ms - self.ahead_ms;
        self.origin + Duration::from_millis(u64::try_from(until).unwrap_or(0))
    }

    /// Sends it ahead; `None` when that is too far.
    pub(super) fn advance(&mut self, ms: i64) -> Option<()> {
        self.ahead_ms = self.ahead_ms.checked_add(ms).filter(|ahead| (0..=MOST_AHEAD_MS).contains(ahead))?;
        Some(())
    }
}

/// The wall's time, in milliseconds since 1970.
pub(super) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Why a text is no span of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum SpanError {
    /// It is not a whole number and its unit.
    Form,
    /// It is longer than the clock can ever be ahead.
    TooLong,
}

/// Reads `30d`, `2h`, `15m`, `90s`, `500ms` or `1w`, in milliseconds.
pub(super) fn span_ms(text: &str) -> Result<i64, SpanError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        _ => return Err(SpanError::Form),
    };
    if number.is_empty() {
        return Err(SpanError::Form);
    }
    // Digits that are no number are too many.
    let ms = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_ms));
    ms.filter(|ms| *ms <= MOST_AHEAD_MS).ok_or(SpanError::TooLong)
}

/// The year, month and day of a moment, in UTC (Howard Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`).
pub(super) fn date(seconds: i64) -> (i64, i64, i64) {
    let days = seconds.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        // From `date --utc --date=@SECONDS +%F`.
        let cases = [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (951_868_800, (2000, 3, 1)),
            (1_772_323_199, (2026, 2, 28)),
            (1_772_323_200, (2026, 3, 1)),
            (4_107_542_400, (2100, 3, 1)),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn spans_have_a_unit_and_an_end() {
        let cases = [("30d", 2_592_000_000), ("500ms", 500), ("2h", 7_200_000), ("0s", 0), ("36600d", MOST_AHEAD_MS)];
        for (text, expected) in cases {
            assert_eq!(span_ms(text), Ok(expected), "{text}");
        }
        for text in ["", "30", "d", "-1d", "1.5d", "1 d", "1y", "99999999999999999999y"] {
            assert_eq!(span_ms(text), Err(SpanError::Form), "{text}");
        }
        for text in ["36601d", "200000d", "9999999999999999w", "99999999999999999999d"] {
            assert_eq!(span_ms(text), Err(SpanError::TooLong), "{text}");
        }
    }

    #[test]
    fn the_clock_is_sent_ahead_and_no_further_than_it_may() {
        let mut clock = Clock::of_wall();
        let before = clock.now_ms();
        clock.advance(DAY_MS).unwrap();
        assert!(clock.now_ms() >= before + DAY_MS);
        assert_eq!(clock.advance(-2 * DAY_MS), None);
        assert_eq!(clock.advance(MOST_AHEAD_MS), None);
        assert!(clock.now_ms() < before + 2 * DAY_MS, "what is refused changes nothing");
    }
}
