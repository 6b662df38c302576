//! `farebox prove` from outside: rows that are quick to play, from a fixed seed.

use expect_test::expect;
use serde_json::Value;

use crate::program::{Answer, Folder};

fn prove(test: &str, arguments: &str) -> Answer {
    Folder::new(&format!("prove-{test}")).farebox(&format!("prove {arguments}")).run()
}

/// What must be nothing has no interval: nothing, each time.
#[test]
fn prove_shows_a_formula_beside_what_was_simulated() {
    expect![[r#"
        exit code 0
        --- stdout ---
        Textbook formulas beside the simulation · 100 replications of each row · seed 402

                                exact  simulated  interval  verdict
          overdraft of reserve  $0.00      $0.00      none  holds

        The row holds.
        An interval misses with a chance of 0.0033 %, so that one seed in 1000 fails a row by chance. Half of its
        width is at most 1 % of the exact value, unless the row says otherwise.

        Formulas
          overdraft of reserve  0
                                λE[S] = 4, X = $0.01 … $0.10, d = $0.01

        Not possible yet, and so not shown
          fixed window that the first hit opens: the built-in gateway aligns its windows to the epoch, on purpose
    "#]]
    .assert_eq(&prove("page", "--only reserve --jobs 2").to_string());
}

/// When a quota is used up and when it first refuses: as the formulas say, and the same bytes on one thread as on three.
#[test]
fn the_exact_values_lie_in_the_intervals() {
    let answer = prove("intervals", "--only Time --format json --jobs 3");
    assert_eq!(answer.code, Some(0), "{answer}");
    let proof: Value = serde_json::from_str(&answer.stdout).unwrap();
    let rows = proof["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["quota: time of exhaustion", "quota: time of first refusal"]);
    for row in rows {
        let [exact, simulated, half_width] =
            ["exact", "simulated", "half_width"].map(|field| row[field].as_f64().unwrap());
        assert!((simulated - exact).abs() <= half_width && half_width <= 0.01 * exact, "{row}");
        assert_eq!((&row["verdict"], &row["unit"]), (&Value::from("holds"), &Value::from("hours")));
    }
    assert_eq!((&proof["holds"], &proof["seed"]), (&Value::from(true), &Value::from(402)));
    assert!(!proof["not_yet"].as_array().unwrap().is_empty());
    assert_eq!(answer.stdout, prove("intervals", "--only Time --format json --jobs 1").stdout);
}

#[test]
fn another_seed_draws_anew() {
    let of = |seed: u32| prove("seed", &format!("--only refusal --seed {seed}"));
    let [first, second] = [7, 8].map(of);
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{first}{second}");
    assert_ne!(first.stdout, second.stdout);
}

#[test]
fn a_row_that_is_not_there_is_told_with_those_that_are() {
    let answer = prove("unknown", "--only quotta");
    assert_eq!(answer.code, Some(2));
    let (error, hint) = answer.stderr.split_once('\n').unwrap();
    assert_eq!(error, "error: --only: no row's name contains `quotta`");
    assert!(hint.starts_with("hint: the rows are: quota: share refused; "), "{hint}");
}

/// A pipe gets no colours, unless they are asked for; without them every word is the same.
#[test]
fn colours_say_nothing_of_their_own() {
    let plain = prove("colours", "--only reserve");
    let coloured = prove("colours", "--only reserve --color always").stdout;
    assert!(!plain.stdout.contains('\u{1b}') && coloured.contains("\u{1b}[32m  holds"), "{coloured}");
    let mut bare = String::new();
    for (number, part) in coloured.split("\u{1b}[").enumerate() {
        bare += if number == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(bare, plain.stdout);
}
