//! Lines of access logs in the common and the combined log format, as Apache and nginx write them by default.
//!
//! `ADDRESS IDENT USER [DAY/MONTH/YEAR:HOUR:MINUTE:SECOND ZONE] "METHOD TARGET PROTOCOL" STATUS BYTES …`: what follows the
//! status is passed over, so whatever a log has behind it may be there.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Bytes of an address, or the name of a host, at most: a domain name has 253.
const CLIENT_BYTES_MAX: usize = 255;
/// Bytes of a path at most. Servers take longer ones, and nobody names a route by them.
const PATH_BYTES_MAX: usize = 2_000;
/// Years that a trace can be of: its times are nanoseconds since 1970, in 64 bits.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2261;

/// What one line says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Seconds since 1970 in UTC.
    pub at_s: i64,
    /// The address or host name of the client.
    pub client: &'a str,
    /// The path of the request, without its query.
    pub path: &'a str,
}

/// Why a line is not a request that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusable {
    /// There is nothing in it.
    Blank,
    /// It is longer than any line of a log.
    Long,
    /// It does not have the fields of the format.
    Shape,
    /// Its time is none, or of a year that no trace can be of.
    Time,
    /// Its request is not a method, a target and a protocol.
    Request,
    /// Its target has no path, as that of `OPTIONS *` and `CONNECT`.
    NoPath,
    /// Its path is longer than any route.
    LongPath,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "blank",
            Self::Long => "longer than 64 KiB",
            Self::Shape => "not `ADDRESS IDENT USER [TIME] \"REQUEST\" STATUS …`",
            Self::Time => "the time is not `[17/May/2015:10:05:03 +0000]`, of 1970 to 2261",
            Self::Request => "the request is not `METHOD PATH PROTOCOL`",
            Self::NoPath => "the request has no path",
            Self::LongPath => "the path is longer than 2,000 bytes",
        })
    }
}

/// The request of a line without its end.
///
/// # Errors
/// Why there is none.
pub fn parse(line: &[u8]) -> Result<Entry<'_>, Unusable> {
    if line.trim_ascii().is_empty() {
        return Err(Unusable::Blank);
    }
    let (names, rest) = split_once(line, b" [").ok_or(Unusable::Shape)?;
    let (time, rest) = split_once(rest, b"] \"").ok_or(Unusable::Shape)?;
    let client = client(names).ok_or(Unusable::Shape)?;
    let (request, rest) = quoted(rest).ok_or(Unusable::Shape)?;
    if !begins_with_status(rest) {
        return Err(Unusable::Shape);
    }
    let at_s = read_time(time).ok_or(Unusable::Time)?;
    let path = path(target(request).ok_or(Unusable::Request)?)?;
    Ok(Entry { at_s, client, path })
}

/// Three fields or more, the first of which is the client: the name of a user may have blanks in it.
fn client(names: &[u8]) -> Option<&str> {
    let mut fields = names.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let client = graphic(fields.next()?)?;
    (fields.nth(1).is_some() && client.len() <= CLIENT_BYTES_MAX).then_some(client)
}

/// What stands before the closing quotation mark, and what behind it. A mark behind a backslash closes nothing.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        closes
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// ` 200 …`
fn begins_with_status(rest: &[u8]) -> bool {
    let [b' ', status @ ..] = rest else { return false };
    let digits = status.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits == 3 && status.get(3).is_none_or(|byte| *byte == b' ')
}

/// The target of `METHOD TARGET PROTOCOL`; HTTP/0.9 has no protocol.
fn target(request: &[u8]) -> Option<&str> {
    let mut words = request.split(|byte| *byte == b' ');
    let (method, target, protocol) = (words.next()?, words.next()?, words.next());
    let is_method = !method.is_empty() && method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-');
    let is_protocol = protocol.is_none_or(|protocol| protocol.starts_with(b"HTTP/"));
    if is_method && is_protocol && words.next().is_none() { graphic(target) } else { None }
}

/// The path of a target: of `/a?b` and of `http://host/a`, `/a`.
fn path(target: &str) -> Result<&str, Unusable> {
    let scheme = ["http://", "https://"].iter().find_map(|scheme| target.strip_prefix(scheme));
    let path = match scheme {
        Some(rest) => rest.find(['/', '?', '#']).map_or("/", |at| &rest[at..]),
        None => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match path {
        "" if scheme.is_some() => Ok("/"),
        path if !path.starts_with('/') => Err(Unusable::NoPath),
        path if path.len() > PATH_BYTES_MAX => Err(Unusable::LongPath),
        path => Ok(path),
    }
}

/// A text of visible ASCII: whatever else a request has, servers write down as `\x16`.
fn graphic(bytes: &[u8]) -> Option<&str> {
    let is_graphic = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    is_graphic.then(|| std::str::from_utf8(bytes).ok())?
}

fn split_once<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

// === Times ===

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Seconds since 1970 of `17/May/2015:10:05:03 +0000`.
fn read_time(time: &[u8]) -> Option<i64> {
    let (moment, zone) = time.split_at_checked("17/May/2015:10:05:03".len())?;
    let marks = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':')];
    if !marks.iter().all(|&(at, mark)| moment[at] == mark) {
        return None;
    }
    let number = |from: usize, to: usize| read_digits(&moment[from..to]);
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let month = 1 + MONTHS.iter().position(|month| month[..] == moment[3..6])?;
    let year = number(7, 11).filter(|year| YEARS.contains(year))?;
    let civil =
        DateTime::new(year, i8::try_from(month).ok()?, small(0)?, small(12)?, small(15)?, small(18)?, 0).ok()?;
    Some(Offset::UTC.to_timestamp(civil).ok()?.as_second() - read_offset_s(zone)?)
}

/// ` +0200`, in seconds.
fn read_offset_s(zone: &[u8]) -> Option<i64> {
    let &[b' ', sign @ (b'+' | b'-'), h1, h0, m1, m0] = zone else { return None };
    let (hours, minutes) = (read_digits(&[h1, h0])?, read_digits(&[m1, m0])?);
    let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60;
    (hours < 24 && minutes < 60).then_some(if sign == b'+' { seconds } else { -seconds })
}

/// Two to four digits.
fn read_digits(digits: &[u8]) -> Option<i16> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-05-17 10:05:03 UTC.
    const AT_S: i64 = 1_431_857_103;

    fn line(time: &str, request: &str) -> String {
        format!("83.149.9.216 - - [{time}] \"{request}\" 200 203023 \"http://a.com/\" \"curl/8 \\\"x\\\"\"")
    }

    #[test]
    fn common_and_combined_lines_are_read_alike() {
        let entry = Ok(Entry { at_s: AT_S, client: "83.149.9.216", path: "/a/b.png" });
        for text in [
            line("17/May/2015:10:05:03 +0000", "GET /a/b.png HTTP/1.1"),
            line("17/May/2015:10:05:03 +0000", "GET /a/b.png?size=2#top HTTP/1.1"),
            line("17/May/2015:10:05:03 +0000", "GET http://semicomplete.com:80/a/b.png HTTP/1.1"),
            line("17/May/2015:10:05:03 +0000", "GET /a/b.png"),
            line("17/May/2015:12:05:03 +0200", "M-SEARCH /a/b.png HTTP/2.0"),
            line("17/May/2015:04:35:03 -0530", "get /a/b.png HTTP/1.0"),
            "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /a/b.png HTTP/1.1\" 304 -".to_owned(),
            "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /a/b.png HTTP/1.1\" 304".to_owned(),
            "83.149.9.216 ident John Smith [17/May/2015:10:05:03 +0000] \"GET /a/b.png HTTP/1.1\" 200 1".to_owned(),
        ] {
            assert_eq!(parse(text.as_bytes()), entry, "{text}");
        }
    }

    #[test]
    fn clients_and_paths_are_what_the_log_says() {
        let parsed = |client: &str, target: &str| {
            let text = format!("{client} - - [17/May/2015:10:05:03 +0000] \"GET {target} HTTP/1.1\" 200 1");
            parse(text.as_bytes()).map(|entry| (entry.client.to_owned(), entry.path.to_owned()))
        };
        for (client, target, path) in [
            ("2001:db8::1", "/", "/"),
            ("proxy.example", "/a\\x22b", "/a\\x22b"),
            ("::1", "/say\\\"hi\\\"", "/say\\\"hi\\\""),
            ("::1", "https://a.com", "/"),
            ("::1", "https://a.com?x", "/"),
            ("::1", "/?x", "/"),
        ] {
            assert_eq!(parsed(client, target), Ok((client.to_owned(), path.to_owned())));
        }
        assert_eq!(parsed(&"c".repeat(256), "/"), Err(Unusable::Shape));
        assert_eq!(parsed("::1", &format!("/{}", "p".repeat(2_000))), Err(Unusable::LongPath));
        assert_eq!(parsed("::1", "*"), Err(Unusable::NoPath));
        assert_eq!(parsed("::1", "a.com:443"), Err(Unusable::NoPath));
    }

    #[test]
    fn what_cannot_be_played_has_a_reason() {
        let whole = line("17/May/2015:10:05:03 +0000", "GET /a HTTP/1.1");
        let changed = |from: &str, to: &str| whole.replacen(from, to, 1).into_bytes();
        let cases: [(Vec<u8>, Unusable); 22] = [
            (b"".to_vec(), Unusable::Blank),
            (b" \t ".to_vec(), Unusable::Blank),
            (b"hello".to_vec(), Unusable::Shape),
            (b"\x16\x03\x01\x02\x00\x01\xff".to_vec(), Unusable::Shape),
            (b" [] \"\" 200".to_vec(), Unusable::Shape),
            (b"{\"time\": \"2015-05-17\"}".to_vec(), Unusable::Shape),
            (changed("83.149.9.216 - -", "83.149.9.216"), Unusable::Shape),
            (changed("HTTP/1.1\" 200", "HTTP/1.1 200"), Unusable::Shape),
            (changed("HTTP/1.1\"", "HTTP/1.1\\\""), Unusable::Shape),
            (changed("GET /a", "GET /a\" b"), Unusable::Shape),
            (changed(" 200 ", " 2000 "), Unusable::Shape),
            (changed("83.149", "8\u{e9}3"), Unusable::Shape),
            (changed("17/May", "31/Apr"), Unusable::Time),
            (changed("17/May", "17/Mai"), Unusable::Time),
            (changed("/2015", "/9999"), Unusable::Time),
            (changed("10:05:03", "24:05:03"), Unusable::Time),
            (changed("10:05:03 +0000", "10:05:03"), Unusable::Time),
            (changed("+0000", "+00:00"), Unusable::Time),
            (changed("GET /a HTTP/1.1", "-"), Unusable::Request),
            (changed("GET /a HTTP/1.1", "\\x16\\x03\\x01"), Unusable::Request),
            (changed("GET /a HTTP/1.1", "GET /a b HTTP/1.1"), Unusable::Request),
            (changed("GET /a HTTP/1.1", "OPTIONS * HTTP/1.1"), Unusable::NoPath),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(&text), Err(reason), "{}", String::from_utf8_lossy(&text));
        }
    }

    /// Whatever is done to a line, there is an answer.
    #[test]
    fn no_line_is_beyond_it() {
        let whole = line("17/May/2015:10:05:03 +0000", "GET /a HTTP/1.1").into_bytes();
        for at in 0..whole.len() {
            assert!(parse(&whole[..at]).is_err() || at > 60, "cut at {at}");
            for byte in [0, b' ', b'"', b'\\', b'[', b']', b'/', b'9', 0xFF] {
                let mut other = whole.clone();
                other[at] = byte;
                let _ = parse(&other);
                other.insert(at, byte);
                let _ = parse(&other);
            }
        }
    }
}
