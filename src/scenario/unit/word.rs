//! Words: names, paths, closed sets.

use farebox_engine::model::Failures;
use farebox_engine::money::{CURRENCIES, Currency};

use super::{Choice, Complaint, Parsed, Unit};
use crate::scenario::diagnostic::{enumerate, quote};
use crate::scenario::suggest::did_you_mean;

/// How long a name may be.
const NAME_CHARS_MAX: usize = 64;
/// How long a path may be.
const PATH_CHARS_MAX: usize = 256;

/// Whether a text can name something: a scenario, a plan, a cohort. Names become folders and labels.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether a text is the path of a route, as a request line carries it, without a query. Clients write some of what is
/// printable only as `%3C`, so no request could be made to it.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= PATH_CHARS_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'<' | b'>' | b'`'))
}

pub(super) fn choose(text: &str, choice: &Choice) -> Parsed<&'static str> {
    choice.words.iter().find(|&&word| word == text).copied().ok_or_else(|| {
        let help = choice.meant(text).unwrap_or_else(|| format!("write {}", choice.list()));
        Complaint::new(format!("unknown word {}", quote(text)), help)
    })
}

pub(super) fn parse_bool(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// A status of failure, of three digits.
fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status: &u16| text.len() == 3 && (400..600).contains(status))
}

pub(super) fn parse_status(text: &str) -> Parsed<u64> {
    status(text).map(u64::from).ok_or_else(|| Unit::Status.unlike(text))
}

pub(super) fn parse_failure(text: &str) -> Parsed<Failures> {
    match text {
        "connection" => Some(Failures::CONNECTION),
        "4xx" => Some(Failures::CLIENT),
        "5xx" => Some(Failures::SERVER),
        _ => status(text).map(Failures::status),
    }
    .ok_or_else(|| Unit::Failure.unlike(text))
}

pub(super) fn parse_currency(text: &str) -> Parsed<Currency> {
    Currency::from_code(text).ok_or_else(|| {
        let help = did_you_mean(text, CURRENCIES.iter().map(|known| known.code));
        let message = format!("{} is not a currency that scenarios can be in", quote(text));
        Complaint::new(message, help.unwrap_or_else(|| Unit::Currency.hint().into_owned()))
    })
}

/// `a`, or "one of `a`, `b`".
pub(super) fn one_of(words: impl ExactSizeIterator<Item = &'static str>) -> String {
    let prefix = if words.len() > 1 { "one of " } else { "" };
    format!("{prefix}{}", enumerate(words))
}
