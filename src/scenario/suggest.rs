//! "Did you mean": the known name nearest to an unknown one.

use super::diagnostic::quote;

/// More names are not compared: a mistake is answered at once, even in a file that is made of them.
const KNOWN_MAX: usize = 200;
/// Longer names are not compared: nobody mistypes them, and the cost grows with the product of the lengths.
const NAME_CHARS_MAX: usize = 64;

/// The known name that `found` is most likely a slip of: at most a third of it differs, neighbours swapped count once.
pub(super) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = found.chars().take(NAME_CHARS_MAX + 1).count();
    if length > NAME_CHARS_MAX {
        return None;
    }
    let found = found.to_lowercase();
    known
        .into_iter()
        .take(KNOWN_MAX)
        .map(|name| (strsim::osa_distance(&found, &name.to_lowercase()), name))
        .filter(|&(distance, _)| distance <= length.max(3) / 3)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// The help line for that, if there is one.
pub(super) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(found, known).map(|name| format!("did you mean {}?", quote(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["overage", "includes", "grace", "fee"];
        for (found, expected) in [
            ("overrage", Some("overage")),
            ("inculdes", Some("includes")),
            ("Fee", Some("fee")),
            ("fees", Some("fee")),
            ("quota", None),
            ("x", None),
            (&"e".repeat(10_000), None),
        ] {
            assert_eq!(nearest(found, known), expected, "{found}");
        }
    }
}
