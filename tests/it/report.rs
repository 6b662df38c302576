//! Results as pages for a browser: written by every run, rendered again by `report`, one or several side by side.

use std::fs;
use std::path::Path;

use crate::program::{Answer, Folder};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A scenario with text that would be markup in a careless page.
const SCENARIO: &str = r#"
# Who pays for <script>alert('question')</script>?
scenario: page
description: "</title><script>alert('description')</script> \"'&"
horizon: 30d
routes: { "/a\"'&": {} }
plans:
  pro: { fee: $20/month, includes: { requests: 50 }, past_allowance: block }
consumers:
  all: { count: 20, plan: pro, traffic: { rate: 5/day, routes: { "/a\"'&": 100% } }, payment: { card: { declines: 40% } } }
thresholds: [ "refusals.rate < 1%", ledger.balanced ]
"#;

fn played(name: &str) -> Folder {
    let folder = Folder::new(name).with("page.yaml", SCENARIO);
    let answer = folder.farebox("simulate page.yaml --out results").run();
    assert_eq!(answer.code, Some(1), "a threshold is broken: {answer}");
    folder
}

fn text(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

fn fails(answer: &Answer, code: i32, said: &str) {
    assert_eq!(answer.code, Some(code), "{answer}");
    assert!(answer.stderr.contains(said), "not `{said}`: {answer}");
}

#[test]
fn a_run_writes_a_page_that_answers_first_and_shows_markup_as_text() {
    let folder = played("report-page");
    let page = text(&folder, "results/index.html");
    for said in [
        "<h2 id=\"answers\">In short</h2>",
        "✗ 1 of 2 thresholds broken",
        "Who pays for &#60;script&#62;alert(&#39;question&#39;)",
        "&#60;/title&#62;&#60;script&#62;alert(&#39;description&#39;)",
        "<code><bdi>replications</bdi>: <bdi>1</bdi></code> <em>default</em>",
        "<code><bdi>horizon</bdi>: <bdi>30d</bdi></code></li>",
        "farebox simulate page.yaml</bdi>",
        "Invoices by the attempt that paid them",
        "quota_exhausted",
    ] {
        assert!(page.contains(said), "the page does not say: {said}");
    }
    assert_eq!(page.matches("<script").count(), 1);
}

/// What is rendered later is what was rendered then, to the byte; so nothing is in the page that is not stored.
#[test]
fn a_page_that_is_rendered_again_is_the_same() {
    let folder = played("report-again");
    let first = text(&folder, "results/index.html");
    fs::write(folder.path().join("results/index.html"), "lost").unwrap();
    let answer = folder.farebox("report results").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    assert!(text(&folder, "results/index.html") == first, "the page is another one");
    assert_eq!(folder.farebox("report results/outcome.json --out again.html").run().code, Some(0));
    assert!(text(&folder, "again.html") == first, "by its file it is another one");
    // An outcome alone has all figures, and says what is not known.
    fs::copy(folder.path().join("results/outcome.json"), folder.path().join("alone.json")).unwrap();
    assert_eq!(folder.farebox("report alone.json --out alone.html").run().code, Some(0));
    let alone = text(&folder, "alone.html");
    assert!(alone.contains("quota_exhausted") && alone.contains("It is not known: the results have no"), "{alone}");
}

#[test]
fn several_results_stand_side_by_side_and_say_what_differs() {
    let folder = played("report-beside");
    for (options, out) in [("--seed 7", "seven"), ("--seed 7 --replications 2", "twice")] {
        assert!(folder.farebox(&format!("simulate page.yaml {options} --out {out}")).run().code.is_some());
    }
    let answer = folder.farebox("report results seven twice --out beside.html").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let page = text(&folder, "beside.html");
    let row = |label: &str, cells: [&str; 3]| {
        let cells = cells.map(|cell| format!("<td><bdi>{cell}</bdi></td>")).concat();
        format!("<th scope=\"row\"><bdi>{label}</bdi></th>{cells}")
    };
    let heads = ["what", "results", "seven", "twice"];
    for said in [
        heads.map(|head| format!("<th scope=\"col\"><bdi>{head}</bdi></th>")).concat(),
        row("seed", ["1", "7", "7"]),
        row("replications", ["1", "1", "2"]),
        "What became of the attempts, as shares".to_owned(),
        "ledger.balanced".to_owned(),
    ] {
        assert!(page.contains(&said), "the page does not say: {said}");
    }
    assert!(!page.contains(&row("currency", ["USD", "USD", "USD"])), "what does not differ is not listed");
    // Down to the single key that somebody has changed.
    fs::write(folder.path().join("more.yaml"), SCENARIO.replace("requests: 50", "requests: 80")).unwrap();
    assert!(folder.farebox("simulate more.yaml --out more").run().code.is_some());
    assert_eq!(folder.farebox("report results more --out pair.html").run().code, Some(0));
    let row = "<bdi>plans.pro.includes.requests</bdi></th><td><bdi>50</bdi></td><td><bdi>80</bdi></td>";
    assert!(text(&folder, "pair.html").contains(row), "the key is not told");
}

#[test]
fn what_is_no_result_is_refused_with_a_way_out() {
    let folder =
        played("report-wrong").with("mine.html", "mine").with("text.json", "{ \"schema\": 5 }").with("no.json", "no");
    let run = |arguments: &str| folder.farebox(&format!("report {arguments}")).run();
    fails(&run("results --out mine.html"), 7, "`--force` replaces it");
    assert_eq!(text(&folder, "mine.html"), "mine");
    assert_eq!(run("results --out mine.html --force").code, Some(0));
    fails(&run("nowhere --out x.html"), 7, "cannot read `nowhere`");
    fails(&run("text.json --out x.html"), 7, "`text.json` holds no results of this version of Farebox");
    fails(&run("no.json --out x.html"), 7, "`no.json` holds no results of this version of Farebox");
    fails(&run("results results"), 2, "say where it goes with `--out FILE`");
    fails(&run("."), 7, "say where the page goes with `--out FILE`");
    fails(&run(&format!("{}--out x.html", "results ".repeat(13))), 2, "too many to be read side by side");
    let outcome = text(&folder, "results/outcome.json");
    let served = outcome.find("\"served\": ").unwrap();
    let of = |text: String| fs::write(folder.path().join("odd.json"), text).unwrap();
    of(format!(
        "{}\"served\": 9{}",
        &outcome[..served],
        &outcome[served + "\"served\": ".len()..].replacen(',', "999999999999999,", 1)
    ));
    fails(&run("odd.json --out x.html"), 7, "its numbers are larger than those of any run");
    of(outcome.replacen("\"schema\": ", "\"schema\": 9", 1));
    fails(&run("odd.json --out x.html"), 7, "and this version of Farebox reads");
    assert!(!folder.path().join("x.html").exists());
}

// === The example ===

/// What the README shows; a run of its own command.
const EXAMPLE: &str = "reports/example";
const EXAMPLE_OF: &str = "reports/example.yaml";

/// `UPDATE_EXPECT=1 cargo test --test it report` writes it anew; the picture beside it is then to be taken again.
#[test]
fn the_example_is_what_its_command_writes() {
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let folder = Folder::new("report-example");
    fs::create_dir_all(folder.path().join("reports")).unwrap();
    fs::copy(Path::new(ROOT).join(EXAMPLE_OF), folder.path().join(EXAMPLE_OF)).unwrap();
    let answer = folder.farebox(&format!("simulate {EXAMPLE_OF} --quiet --out {EXAMPLE}")).run();
    assert_eq!(answer.code, Some(1), "one threshold is broken, to show how that looks: {answer}");
    let written = folder.path().join(EXAMPLE);
    let kept = Path::new(ROOT).join(EXAMPLE);
    let names = text(&written.join(".farebox"));
    let stale: Vec<&str> =
        names.lines().chain([".farebox"]).filter(|name| text(&written.join(name)) != text(&kept.join(name))).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() && !stale.is_empty() {
        fs::create_dir_all(&kept).unwrap();
        names.lines().chain([".farebox"]).for_each(|name| {
            fs::copy(written.join(name), kept.join(name)).unwrap();
        });
        return;
    }
    assert!(
        stale.is_empty(),
        "{EXAMPLE} is stale: {stale:?}; `UPDATE_EXPECT=1 cargo test --test it report` writes it anew"
    );
}
