//! Names and figures as the page has them.

use super::*;

/// A name from a stored outcome is anybody's.
#[test]
fn names_can_neither_steer_a_terminal_nor_push_figures_off_the_page() {
    let cases = [
        ("startups", "startups"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("say \"no\" 🚀", "say \"no\" 🚀"),
        ("a\u{1b}[2Jb\nc", "a\\u{1b}[2Jb\\nc"),
        ("$1\u{202e}00", "$1\\u{202e}00"),
        ("שלום", "שלום"),
    ];
    for (name, expected) in cases {
        assert_eq!(plain(name), expected);
    }
    let long = plain(&format!("/reports/{}/before", "é".repeat(300)));
    assert_eq!(long.chars().count(), NAME_MOST);
    assert!(long.starts_with("/reports/éééé…") && long.ends_with("é/before"), "{long}");
}

#[test]
fn figures_read_as_people_write_them() {
    let usd = Currency::from_code("USD").unwrap();
    assert_eq!(
        [amount_of(1234.567, usd), amount_of(-0.5, usd), amount_of(0.000_42, usd)],
        ["$1,234.57", "-$0.50", "$0.00042"]
    );
    assert_eq!([count(1234.0), count(12.34), count(-0.04), count(-2.5)], ["1,234", "12.3", "0", "-2.5"]);
    assert_eq!([0, 7, 99, 101, 557, 9_901].map(about), [0, 7, 99, 110, 560, 10_000]);
    assert_eq!([percent(0.031), percent(-1.0)], ["+3.1 %", "-100.0 %"]);
}
