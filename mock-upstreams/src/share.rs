//! A share of all requests, written `0.2%` or `0.002`; and shares of them by status, written `402=0.1%,500=0.2%`.

use std::str::FromStr;

use hyper::StatusCode;

/// A share between none (0) and all (1).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a share: expected a percentage like `0.2%` or a number from 0 to 1 like `0.002`")]
pub struct ShareError {
    found: String,
}

/// The shares of all requests that are answered with statuses of failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// Each status with the share that it and those before it make up.
    up_to: Vec<(Share, StatusCode)>,
}

/// Why a text is no share of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorsError {
    /// A part is no share.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A part names no status of failure.
    #[error("`{0}` is not a status from 400 to 599: expected one share, such as `0.2%`, or `402=0.1%,500=0.2%`")]
    Status(String),
    /// They are more than all requests.
    #[error("the shares sum to more than 100%")]
    Sum,
}

impl Errors {
    /// No request fails.
    pub const NONE: Self = Self { up_to: Vec::new() };

    /// The status that a request fails with, if 64 random bits fall into a share.
    pub(crate) fn drawn(&self, word: u64) -> Option<StatusCode> {
        self.up_to.iter().find(|(share, _)| share.hit(word)).map(|(_, status)| *status)
    }

    /// The statuses that requests fail with.
    pub fn statuses(&self) -> impl Iterator<Item = StatusCode> {
        self.up_to.iter().map(|(_, status)| *status)
    }

    /// These and one more, of a status from 400 to 599; errors when they are more than all.
    pub fn with(mut self, status: StatusCode, share: Share) -> Result<Self, ErrorsError> {
        let before = self.up_to.last().map_or(Share::NONE, |(share, _)| *share);
        self.up_to.push((before.plus(share).ok_or(ErrorsError::Sum)?, status));
        Ok(self)
    }
}

/// A share of all requests fails with a 500.
impl From<Share> for Errors {
    fn from(share: Share) -> Self {
        let some = Some((share, StatusCode::INTERNAL_SERVER_ERROR)).filter(|_| share != Share::NONE);
        Self { up_to: some.into_iter().collect() }
    }
}

impl FromStr for Errors {
    type Err = ErrorsError;

    fn from_str(text: &str) -> Result<Self, ErrorsError> {
        if !text.contains('=') {
            return Ok(text.parse::<Share>()?.into());
        }
        text.split(',').try_fold(Self::NONE, |errors, part| {
            let wrong = || ErrorsError::Status(part.to_owned());
            let (status, share) = part.split_once('=').ok_or_else(wrong)?;
            let status = status.trim().parse().ok().filter(|status| (400..=599).contains(status));
            let status = StatusCode::from_u16(status.ok_or_else(wrong)?).map_err(|_| wrong())?;
            errors.with(status, share.parse()?)
        })
    }
}

impl Share {
    /// No request at all.
    pub const NONE: Self = Self(0.0);

    /// The share as a number; `None` unless it is from 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// Both together; `None` when that is more than all.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let sum = self.0 + other.0;
        // Percentages that sum to a hundred may round to a little more.
        Self::new(if sum > 1.0 && sum < 1.0 + 1e-9 { 1.0 } else { sum })
    }

    /// Whether 64 random bits fall into the share.
    pub(crate) fn hit(self, word: u64) -> bool {
        const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
        // 53 bits are exact in an f64 and stay below 1: a share of 1 hits always, one of 0 never.
        ((word >> 11) as f64) * SCALE < self.0
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(percents) => (percents, 0.01),
            None => (text, 1.0),
        };
        let share = number.trim().parse::<f64>().ok().and_then(|number| Self::new(number * unit));
        share.ok_or_else(|| ShareError { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_plain_numbers_are_read() {
        for (text, share) in [("0", 0.0), ("0%", 0.0), ("0.25", 0.25), ("25%", 0.25), ("100%", 1.0), ("1", 1.0)] {
            assert_eq!(text.parse(), Ok(Share(share)), "{text}");
        }
    }

    #[test]
    fn anything_outside_of_0_to_1_is_refused() {
        for text in ["", "%", "101%", "1.5", "-1%", "NaN", "inf", "a few"] {
            let error = text.parse::<Share>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a share: expected ")), "{error}");
        }
    }

    #[test]
    fn errors_are_one_share_or_one_for_each_status() {
        let drawn = |text: &str, share: f64| {
            let word = (share * (1u64 << 53) as f64) as u64;
            text.parse::<Errors>().unwrap().drawn(word << 11).map(|status| status.as_u16())
        };
        assert_eq!([drawn("30%", 0.29), drawn("30%", 0.31)], [Some(500), None]);
        let each = |share| drawn("402=10%,429=0.2,500=30%", share);
        assert_eq!(
            [0.0, 0.09, 0.11, 0.29, 0.31, 0.59, 0.61].map(each),
            [Some(402), Some(402), Some(429), Some(429), Some(500), Some(500), None]
        );
        assert!("402=70%,429=10%,500=20%".parse::<Errors>().is_ok());
        for (text, message) in [
            ("402=70%,500=31%", "the shares sum to more than 100%"),
            ("200=5%", "`200=5%` is not a status from 400 to 599"),
            ("402=5%,600", "`600` is not a status from 400 to 599"),
            ("402=5", "`5` is not a share"),
            ("402", "`402` is not a share"),
        ] {
            let error = text.parse::<Errors>().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn none_never_hits_and_all_always_does() {
        for word in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Share::NONE.hit(word));
            assert!(Share(1.0).hit(word));
        }
        assert!(Share(0.5).hit(u64::MAX / 4) && !Share(0.5).hit(u64::MAX / 4 * 3));
    }
}
