//! The one function that makes text of somebody's file fit to be shown: on a terminal, in XML, in Markdown, in the log of a
//! pipeline. Names, routes and thresholds are written by others, and may try to be more than text.

use std::borrow::Cow;

/// The text with what could steer a terminal, turn its writing direction, or be in no XML file made visible: an escape
/// character becomes `\u{1b}`. Line breaks and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// The same on one line: line breaks and tabs are written out too.
pub fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n").replace('\t', "\\t")
}

fn steers(c: char) -> bool {
    let lays_out = matches!(c, '\n' | '\t');
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_none = matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    (c.is_control() && !lays_out) || turns || is_none
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan named `\e]0;…` must not set the window's title, nor a right-to-left override swap two amounts.
    #[test]
    fn what_a_file_says_cannot_steer_the_terminal() {
        assert_eq!(visible("pro\tété ✓ שלום 🎫\n"), "pro\tété ✓ שלום 🎫\n");
        assert_eq!(visible("a\u{1b}[2Jb\rc\u{9b}d\u{7f}"), "a\\u{1b}[2Jb\\rc\\u{9b}d\\u{7f}");
        assert_eq!(visible("$1\u{202e}00\u{202c}"), "$1\\u{202e}00\\u{202c}");
        assert_eq!(visible("a\u{200f}b\u{ffff}"), "a\\u{200f}b\\u{ffff}");
        assert_eq!(on_one_line("a\nb\tc"), "a\\nb\\tc");
    }
}
