//! `from..to:step` in the place of a list: `10k..100k:10k`, `$39..$79:$5`, `4%..12%:2%`, `30s..2m:30s`. Counted in whole
//! numbers throughout, so that a tenth is a tenth and the last value is there when the grid falls on it.

use farebox_engine::money::CURRENCIES;
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use crate::scenario::decimal::{Decimal, NotANumber};
use crate::scenario::diagnostic::quote;
use crate::scenario::unit::Complaint;

/// The values `from`, `from` + `step`, … that are not beyond `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scenario) struct Range {
    /// In units of 1 ÷ `scale` of `multiple`, as are `step`s.
    from: u128,
    step: u128,
    scale: u128,
    /// How many values there are; at least 1.
    pub(in crate::scenario) count: u128,
    /// What stands before each number: the sign of a currency.
    sign: &'static str,
    /// What each number is a multiple of: `k`, `M` or a unit of time.
    multiple: &'static str,
    /// What stands behind that: `/month`, `%`, ` CHF`.
    tail: String,
}

/// One of the three numbers.
struct Part<'a> {
    sign: &'static str,
    decimal: Decimal,
    multiple: Option<&'static Multiple>,
    tail: &'a str,
}

/// What a number may be a multiple of.
struct Multiple {
    name: &'static str,
    factor: u128,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Magnitude,
    Time,
}

const MULTIPLES: [Multiple; 7] = [
    Multiple { name: "k", factor: 1_000, kind: Kind::Magnitude },
    Multiple { name: "M", factor: 1_000_000, kind: Kind::Magnitude },
    Multiple { name: "ms", factor: SECOND as u128 / 1_000, kind: Kind::Time },
    Multiple { name: "s", factor: SECOND as u128, kind: Kind::Time },
    Multiple { name: "m", factor: MINUTE as u128, kind: Kind::Time },
    Multiple { name: "h", factor: HOUR as u128, kind: Kind::Time },
    Multiple { name: "d", factor: DAY as u128, kind: Kind::Time },
];

/// No multiple at all.
const ONES: Multiple = Multiple { name: "", factor: 1, kind: Kind::Magnitude };

const HOW: &str = "write `from..to:step`, such as `39..79:5` or `10k..100k:10k`";

/// Whether a value is meant as a range.
pub(super) fn is_meant(text: &str) -> bool {
    text.contains("..")
}

impl Range {
    /// The range that a text is, or what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, Complaint> {
        let found = quote(text);
        let (from, rest) = text.split_once("..").unwrap_or((text, ""));
        let Some((to, step)) = rest.rsplit_once(':') else {
            return Err(Complaint::new(format!("the range {found} has no step"), HOW));
        };
        let parts = [part(text, from)?, part(text, to)?, part(text, step)?];
        let sign = only(text, parts.iter().map(|part| part.sign))?;
        let tail = only(text, parts.iter().map(|part| part.tail))?.to_owned();
        let multiples = multiples(text, &parts)?;
        // The smallest of the three measures the others exactly.
        let written = multiples.iter().zip(&parts).filter(|(_, part)| !part.decimal.is_zero());
        let multiple = written.map(|(multiple, _)| *multiple).min_by_key(|it| it.factor).unwrap_or(&ONES);
        let scale = parts.iter().map(|part| part.decimal.ratio().1).max().unwrap_or(1);
        let whole = |at: usize| {
            let (digits, places) = parts[at].decimal.ratio();
            let times = multiples[at].factor / multiple.factor.min(multiples[at].factor);
            digits.checked_mul(scale / places)?.checked_mul(times)
        };
        let (Some(first), Some(last), Some(step)) = (whole(0), whole(1), whole(2)) else {
            return Err(Complaint::new(format!("the numbers of {found} have too many digits"), HOW));
        };
        if step == 0 {
            return Err(Complaint::new(format!("the step of {found} is zero"), "write a step above zero"));
        }
        if last < first {
            let turned = format!("{to}..{from}:{}", text.rsplit_once(':').map_or("", |(_, step)| step));
            let message = format!("the range {found} is empty: it ends below where it begins");
            return Err(Complaint::new(message, format!("write {}", quote(&turned))));
        }
        let count = (last - first) / step + 1;
        Ok(Self { from: first, step, scale, count, sign, multiple: multiple.name, tail })
    }

    /// Its values, as the language writes them.
    pub(super) fn values(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|at| {
            let value = self.from + at * self.step;
            let (whole, fraction) = (value / self.scale, value % self.scale);
            let mut number = whole.to_string();
            if fraction > 0 {
                let digits = format!("{fraction:0places$}", places = self.scale.ilog10() as usize);
                number = format!("{number}.{}", digits.trim_end_matches('0'));
            }
            // No thousands are none; no seconds are still a time.
            let is_bare = value == 0 && matches!(self.multiple, "k" | "M");
            let multiple = if is_bare { "" } else { self.multiple };
            format!("{}{number}{multiple}{}", self.sign, self.tail)
        })
    }
}

fn part<'a>(whole: &str, text: &'a str) -> Result<Part<'a>, Complaint> {
    let text = text.trim();
    let signs = CURRENCIES.iter().map(|currency| currency.sign).filter(|sign| !sign.is_empty());
    let (sign, number) =
        signs.into_iter().find_map(|sign| Some((sign, text.strip_prefix(sign)?))).unwrap_or(("", text));
    let (decimal, rest) = Decimal::read(number).map_err(|why| {
        let why = match why {
            NotANumber::Negative => "is negative",
            NotANumber::Exponent => "is written with an exponent",
            NotANumber::Comma | NotANumber::Underscore | NotANumber::Other => "is not a number",
            NotANumber::TooLong => "has more than 20 digits",
        };
        Complaint::new(format!("{} in the range {} {why}", quote(text), quote(whole)), HOW)
    })?;
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let multiple = MULTIPLES.iter().find(|multiple| multiple.name == &rest[..letters]);
    let tail = if multiple.is_some() { &rest[letters..] } else { rest };
    Ok(Part { sign, decimal, multiple, tail })
}

/// What all say that say anything: a sign and a unit may be written once or each time.
fn only<'a>(whole: &str, said: impl Iterator<Item = &'a str>) -> Result<&'a str, Complaint> {
    let mut said = said.filter(|text| !text.is_empty());
    let first = said.next().unwrap_or("");
    match said.find(|other| *other != first) {
        Some(other) => Err(mixed(whole, first, other)),
        None => Ok(first),
    }
}

fn mixed(whole: &str, first: &str, other: &str) -> Complaint {
    let message = format!("the range {} mixes {} and {}", quote(whole), quote(first.trim()), quote(other.trim()));
    Complaint::new(message, "write all of it in the same unit")
}

/// What each of the three is a multiple of. A time without a unit has that of the others; a number without one is what it
/// is.
fn multiples(whole: &str, parts: &[Part<'_>; 3]) -> Result<[&'static Multiple; 3], Complaint> {
    let mut named = parts.iter().filter_map(|part| part.multiple);
    let Some(first) = named.next() else { return Ok([&ONES; 3]) };
    let mut others = named.filter(|other| other.name != first.name);
    if let Some(other) = others.clone().find(|other| other.kind != first.kind) {
        return Err(mixed(whole, first.name, other.name));
    }
    let bare = match (first.kind, others.next()) {
        (Kind::Magnitude, _) => &ONES,
        (Kind::Time, Some(_)) if parts.iter().any(|part| part.multiple.is_none() && !part.decimal.is_zero()) => {
            let message = format!("a number in the range {} has no unit of time", quote(whole));
            return Err(Complaint::new(message, "write all of it in the same unit"));
        }
        (Kind::Time, _) => first,
    };
    Ok([0, 1, 2].map(|at| parts[at].multiple.unwrap_or(bare)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match Range::read(text) {
            Ok(range) => range.values().take(20).collect::<Vec<_>>().join(" "),
            Err(Complaint { message, help, .. }) => format!("{message}; {help}"),
        }
    }

    /// The last value is there when the grid falls on it, and no other takes its place when it does not.
    #[test]
    fn a_range_is_counted_exactly() {
        for (text, expected) in [
            ("39..79:10", "39 49 59 69 79"),
            ("39..78:10", "39 49 59 69"),
            ("5..5:1", "5"),
            ("0.1..0.5:0.1", "0.1 0.2 0.3 0.4 0.5"),
            ("0.7..1:0.1", "0.7 0.8 0.9 1"),
            ("$39..$49:$5", "$39 $44 $49"),
            ("$39..49:5", "$39 $44 $49"),
            ("39..49:$5/month", "$39/month $44/month $49/month"),
            ("$1.05..$1.15:$0.05", "$1.05 $1.1 $1.15"),
            ("10 CHF..30 CHF:10 CHF", "10 CHF 20 CHF 30 CHF"),
            ("10k..40k:10k", "10k 20k 30k 40k"),
            ("0..30k:10k", "0 10k 20k 30k"),
            ("500..2k:500", "500 1000 1500 2000"),
            ("0.5M..2M:500k", "500k 1000k 1500k 2000k"),
            ("1_000..3_000:1_000", "1000 2000 3000"),
            ("4%..12%:4%", "4% 8% 12%"),
            ("0%/month..3%/month:1.5%/month", "0%/month 1.5%/month 3%/month"),
            ("10..30:10/day", "10/day 20/day 30/day"),
            ("7d..28d:7d", "7d 14d 21d 28d"),
            ("7..28:7d", "7d 14d 21d 28d"),
            ("500ms..2s:500ms", "500ms 1000ms 1500ms 2000ms"),
            ("0s..2m:60s", "0s 60s 120s"),
            ("1mo..3mo:1mo", "1mo 2mo 3mo"),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
        assert_eq!(Range::read("0..99999999999999999999:1").unwrap().count, 100_000_000_000_000_000_000);
        assert_eq!(Range::read("0..0.3:0.00000000000000000001").unwrap().count, 30_000_000_000_000_000_001);
    }

    #[test]
    fn what_is_no_range_says_why() {
        for (text, expected) in [
            ("39..79", "the range `39..79` has no step; write `from..to:step`, such as `39..79:5` or `10k..100k:10k`"),
            ("79..39:5", "the range `79..39:5` is empty: it ends below where it begins; write `39..79:5`"),
            ("39..79:0", "the step of `39..79:0` is zero; write a step above zero"),
            (
                "39..79:-5",
                "`-5` in the range `39..79:-5` is negative; write `from..to:step`, such as `39..79:5` or `10k..100k:10k`",
            ),
            (
                "a..79:5",
                "`a` in the range `a..79:5` is not a number; write `from..to:step`, such as `39..79:5` or `10k..100k:10k`",
            ),
            (
                "..79:5",
                "`` in the range `..79:5` is not a number; write `from..to:step`, such as `39..79:5` or `10k..100k:10k`",
            ),
            (
                "1e2..79:5",
                "`1e2` in the range `1e2..79:5` is written with an exponent; write `from..to:step`, such as `39..79:5` or `10k..100k:10k`",
            ),
            ("$39..€79:5", "the range `$39..€79:5` mixes `$` and `€`; write all of it in the same unit"),
            (
                "1/day..5/month:1",
                "the range `1/day..5/month:1` mixes `/day` and `/month`; write all of it in the same unit",
            ),
            ("1k..5s:1", "the range `1k..5s:1` mixes `k` and `s`; write all of it in the same unit"),
            ("1s..5m:1", "a number in the range `1s..5m:1` has no unit of time; write all of it in the same unit"),
            (
                "0..99999999999999999999d:0.00000000000000000001ms",
                "the numbers of `0..99999999999999999999d:0.00000000000000000001ms` have too many digits; write `from..to:step`, such as `39..79:5` or `10k..100k:10k`",
            ),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}
