//! The page as a whole.

use expect_test::expect;

use super::*;
use crate::prove::run::Missing;

fn proved(name: &'static str, unit: Unit, exact: f64, measured: Option<(f64, f64)>, verdict: Verdict) -> Proved {
    Proved {
        name,
        formula: "E[X]",
        parameters: "m = 3".to_owned(),
        unit,
        exact,
        simulated: measured.map(|(value, _)| value),
        half_width: measured.map(|(_, half_width)| half_width),
        widest: 0.01,
        verdict,
    }
}

fn proof(rows: Vec<Proved>) -> Proof {
    Proof {
        schema: 1,
        seed: 7,
        work: 1.0,
        replications: 100,
        miss: 0.001,
        miss_of_a_row: 0.000_05,
        holds: rows.iter().all(|row| row.verdict == Verdict::Holds),
        rows,
        not_yet: vec![Missing { name: "client retries", reason: "clients do not retry" }],
    }
}

#[test]
fn the_page_says_what_failed_and_why() {
    let bound = |row: Proved| Proved { widest: 0.02, ..row };
    let page = render(&proof(vec![
        proved("quota", Unit::Share, 0.184_62, Some((0.185_01, 0.001_2)), Verdict::Holds),
        proved("a longer name", Unit::Hours, 19.712, Some((20.5, 0.02)), Verdict::Fails),
        bound(proved("bill", Unit::Dollars, 4.5, Some((4.51, 0.4)), Verdict::TooWide)),
        proved("nobody", Unit::Count, 1_875.0, None, Verdict::TooWide),
        proved("reserve", Unit::Dollars, 0.0, Some((0.0, 0.0)), Verdict::Holds),
    ]));
    let text: String = page.iter().map(|piece| piece.text.as_str()).collect();
    expect![[r"
        Textbook formulas beside the simulation · 100 replications of each row · seed 7

                            exact  simulated   interval  verdict
          quota          18.462 %   18.501 %  ± 0.120 %  holds
          a longer name  19.712 h   20.500 h  ± 0.020 h  FAILS
          bill            $4.5000    $4.5100  ± $0.4000  FAILS: too wide
          nobody           1875.0    nothing             FAILS: too wide
          reserve           $0.00      $0.00       none  holds

        3 of 5 rows FAIL.
        An interval misses with a chance of 0.0050 %, so that one seed in 1000 fails a row by chance. Half of its
        width is at most 1 % of the exact value, unless the row says otherwise.

        Formulas
          quota          E[X]
                         m = 3
          a longer name  E[X]
                         m = 3
          bill           E[X]
                         m = 3, to ± 2 %
          nobody         E[X]
                         m = 3
          reserve        E[X]
                         m = 3

        Not possible yet, and so not shown
          client retries: clients do not retry
    "]]
    .assert_eq(&text);
    let bad: Vec<_> = page.iter().filter(|piece| piece.tone == Tone::Bad).map(|piece| piece.text.trim()).collect();
    assert_eq!(bad[..3], ["FAILS", "FAILS: too wide", "FAILS: too wide"]);
    assert!(bad[3].starts_with("3 of 5 rows FAIL."));
}

#[test]
fn a_page_of_what_holds_has_nothing_bad() {
    let proof = proof(vec![proved("quota", Unit::Share, 0.2, Some((0.2, 0.001)), Verdict::Holds)]);
    let page = render(&Proof { work: 100.0, ..proof });
    assert!(page[0].text.ends_with("seed 7 · 100 times the plain size\n\n"), "{}", page[0].text);
    assert!(page.iter().all(|piece| piece.tone != Tone::Bad));
    assert!(page.iter().any(|piece| piece.tone == Tone::Good && piece.text.contains("The row holds")));
}
