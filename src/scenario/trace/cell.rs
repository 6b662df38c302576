//! The cells of a trace: times as logs write them, and whole numbers.

use crate::scenario::limit;

/// So many units, as they are written.
pub(super) fn read_units(cell: &[u8]) -> Option<u64> {
    // `5.0` is how spreadsheets and data frames write a 5.
    let cell = cell.strip_suffix(b".0").unwrap_or(cell);
    if !cell.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse().ok().filter(|&units: &u64| units <= limit::USAGE)
}

/// Nanoseconds since 1970 of a time as logs write it.
pub(super) fn read_instant(cell: &[u8]) -> Option<i64> {
    if cell.get(4) == Some(&b'-') { read_civil(cell) } else { read_epoch(cell) }
}

/// Numbers of this size and above are milliseconds: as seconds they would lie after the year 5000, where no trace can,
/// and as milliseconds they begin in 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Seconds, `1700158623.9799600`, or milliseconds, `1700158623979.96`; before 1970 with a minus.
fn read_epoch(cell: &[u8]) -> Option<i64> {
    let (sign, digits) = cell.strip_prefix(b"-").map_or((1, cell), |digits| (-1, digits));
    let point = digits.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], read_fraction(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let whole = read_digits(whole)?;
    let ns = i128::from(whole) * 1_000_000_000 + i128::from(fraction);
    // A fraction of a nanosecond, which milliseconds can have, is cut off.
    let ns = if whole < MILLISECONDS_FROM { ns } else { ns / 1_000 };
    i64::try_from(sign * ns).ok()
}

/// `2023-11-16 18:17:03.9799600`, with `T` for the space, and with `Z` or an offset behind.
pub(super) fn read_civil(cell: &[u8]) -> Option<i64> {
    let (moment, rest) = cell.split_at_checked("YYYY-MM-DD HH:MM:SS".len())?;
    let marks = [(4, b"-" as &[u8]), (7, b"-"), (10, b" Tt"), (13, b":"), (16, b":")];
    if !marks.iter().all(|&(at, allowed)| allowed.contains(&moment[at])) {
        return None;
    }
    let part = |from: usize, to: usize| read_digits(&moment[from..to]);
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let (year, month, day) = (i16::try_from(part(0, 4)?).ok()?, small(5)?, small(8)?);
    let (fraction, zone) = match rest.strip_prefix(b".") {
        Some(behind) => {
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (read_fraction(&behind[..digits])?, &behind[digits..])
        }
        None => (0, rest),
    };
    let civil =
        jiff::civil::DateTime::new(year, month, day, small(11)?, small(14)?, small(17)?, fraction as i32).ok()?;
    let offset_s = read_offset_s(zone)?;
    let utc = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?.as_nanosecond();
    i64::try_from(utc - i128::from(offset_s) * 1_000_000_000).ok()
}

/// Nothing, `Z`, or `+01:00`, in seconds.
fn read_offset_s(zone: &[u8]) -> Option<i64> {
    let (sign, clock) = match zone {
        b"" | b"Z" | b"z" => return Some(0),
        [b'+', clock @ ..] => (1, clock),
        [b'-', clock @ ..] => (-1, clock),
        _ => return None,
    };
    let [h1, h0, b':', m1, m0] = *clock else { return None };
    let (hours, minutes) = (read_digits(&[h1, h0])?, read_digits(&[m1, m0])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// One to nine digits behind the point, in nanoseconds.
fn read_fraction(digits: &[u8]) -> Option<i64> {
    let places = u32::try_from(digits.len()).ok().filter(|places| (1..=9).contains(places))?;
    Some(read_digits(digits)? * 10i64.pow(9 - places))
}

fn read_digits(digits: &[u8]) -> Option<i64> {
    let is_number = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_logs_write_them() {
        let expected = 1_700_158_623_979_960_000;
        for cell in [
            "2023-11-16 18:17:03.9799600",
            "2023-11-16T18:17:03.97996Z",
            "2023-11-16T19:17:03.979960000+01:00",
            "2023-11-16t11:17:03.97996-07:00",
            "1700158623.97996",
            "1700158623979.96",
        ] {
            assert_eq!(read_instant(cell.as_bytes()), Some(expected), "{cell}");
        }
        assert_eq!(read_instant(b"1700158623"), Some(1_700_158_623_000_000_000));
        assert_eq!(read_instant(b"1700158623000"), Some(1_700_158_623_000_000_000));
        assert_eq!(read_instant(b"-0.5"), Some(-500_000_000));
        // Where seconds end and milliseconds begin: seconds there are past what nanoseconds can count.
        assert_eq!(read_instant(b"99999999999"), None);
        assert_eq!(read_instant(b"100000000000"), Some(100_000_000_000_000_000));
        assert_eq!(read_instant(b"-100000000000.0009999"), Some(-100_000_000_000_000_999));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for cell in [
            "",
            "-",
            "yesterday",
            "2023-11-16",
            "2023-02-29 00:00:00",
            "2023-11-16 24:00:00",
            "2023-11-16 18:17:03.",
            "2023-11-16 18:17:03.1234567890",
            "2023-11-16 18:17:03 CET",
            "2023-11-16T18:17:03+1:00",
            "9999-12-31 00:00:00",
            "99999999999999",
            "1e9",
            "NaN",
            "2023-11-16 18:17:0é",
        ] {
            assert_eq!(read_instant(cell.as_bytes()), None, "{cell}");
        }
    }

    #[test]
    fn attribute_values_are_whole_and_bounded() {
        for (cell, units) in [
            ("0", Some(0)),
            ("4808", Some(4808)),
            ("5.0", Some(5)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("100000000001", None),
        ] {
            assert_eq!(read_units(cell.as_bytes()), units, "{cell}");
        }
    }
}
