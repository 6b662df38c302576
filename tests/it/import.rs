//! Access logs become traces: what is printed is a scenario that plays what was written, and nothing is passed over in
//! silence.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use expect_test::expect;
use farebox_engine::world::World;
use flate2::read::GzDecoder;

use crate::fixture;
use crate::program::{Answer, Folder};
use crate::trace::{SHARED_DATA, packed, skipped};

const LOG: &str = "\
198.51.100.7 - - [17/May/2015:12:05:03 +0200] \"GET /v1/search?q=a HTTP/1.1\" 200 203 \"-\" \"curl/8.0\"
2001:db8::1 - maria [17/May/2015:10:05:01 +0000] \"POST /v1/chat/completions HTTP/1.1\" 429 51
198.51.100.7 - - [17/May/2015:10:05:03 +0000] \"GET /v1/search HTTP/2.0\" 200 18 \"https://a.example/\" \"a \\\"quoted\\\" agent\"
203.0.113.9 - - [17/May/2015:10:61:03 +0000] \"GET /v1/search HTTP/1.1\" 200 18
203.0.113.9 - - [17/May/2015:10:05:04 +0000] \"\\x16\\x03\\x01\" 400 18
not a line of a log
203.0.113.9 - - [17/May/2015:11:05:04 +0000] \"GET /robots.txt HTTP/1.1\" 200 18
203.0.113.9 - - [17/May/2015:11:05:05 +0000] \"GET /v1/<script> HTTP/1.1\" 404 18
";

fn path(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder).join(file)
}

fn text(folder: &str, file: &str) -> String {
    fs::read_to_string(path(folder, file)).unwrap()
}

#[test]
fn an_access_log_becomes_a_trace_and_a_scenario_that_plays_it() {
    let folder = Folder::new("import").with("access.log", LOG);
    let answer = folder.farebox("import access-log access.log").run();
    expect![[r#"
        exit code 0
        --- stdout ---
        # 5 calls of 3 clients, recorded from 2015-05-17T10:05:01Z to 2015-05-17T11:05:05Z.
        # Put this file beside the trace, and the plans in the place of `open`, which allows everything.
        scenario: access-log
        start: 2015-05-17T10:05:01Z
        horizon: 2h
        routes:
          /v1/search: {}  # 2 calls
          /v1/chat/completions: {}  # 1 call
          /robots.txt: {}  # 1 call
          /: {}  # whatever begins with none of the others
        plans:
          open: {}
        consumers:
          clients:
            count: 3
            plan: open
            traffic: { trace: trace.csv, columns: { time: time, consumer: consumer, route: route } }
        --- stderr ---
        warning: 3 of 8 lines hold no call
                  1  not `ADDRESS IDENT USER [TIME] "REQUEST" STATUS …`; the first on line 6: not a line of a log
                  1  the time is not `[17/May/2015:10:05:03 +0000]`, of 1970 to 2261; the first on line 4: 203.0.113.9 - - [17/May/2015:10:61:03 +0000] "GET /v1/search HTTP/1.1" 200 18
                  1  the request is not `METHOD PATH PROTOCOL`; the first on line 5: 203.0.113.9 - - [17/May/2015:10:05:04 +0000] "\x16\x03\x01" 400 18
        wrote trace.csv
          calls      5
          consumers  3
          routes     4
          from       2015-05-17T10:05:01Z
          to         2015-05-17T11:05:05Z
          busiest    2 in the second 2015-05-17T10:05:03Z
          sorted     1 stood behind a later call
    "#]]
    .assert_eq(&answer.to_string());
    expect![[r#"
        time,consumer,route
        2015-05-17T10:05:01Z,2001:db8::1,/v1/chat/completions
        2015-05-17T10:05:03Z,198.51.100.7,/v1/search
        2015-05-17T10:05:03Z,198.51.100.7,/v1/search
        2015-05-17T11:05:04Z,203.0.113.9,/robots.txt
        2015-05-17T11:05:05Z,203.0.113.9,/v1/<script>
    "#]]
    .assert_eq(&text("import", "trace.csv"));
    plays(&folder, &answer, 5);
}

/// Keeps what was printed as a scenario and simulates it: it is valid without a warning, and plays all that was written.
fn plays(folder: &Folder, answer: &Answer, calls: u64) {
    let name = folder.path().join("replay.yaml");
    fs::write(&name, &answer.stdout).unwrap();
    let valid = folder.farebox("validate replay.yaml").run();
    assert!(valid.code == Some(0) && !valid.stderr.contains("warning"), "{valid}\n{}", answer.stdout);
    let played = folder.farebox("simulate replay.yaml --out played --format json").run();
    assert_eq!(played.code, Some(0), "{played}");
    let outcome: serde_json::Value = serde_json::from_str(&played.stdout).unwrap();
    let served = outcome["cohorts"][0]["usage"]["requests"]["served"].as_u64();
    assert_eq!(served, Some(calls), "{}", answer.stdout);
}

#[test]
fn options_choose_what_is_written_and_how() {
    let folder = Folder::new("import-options").with("access.log", LOG);
    let answer = folder
        .farebox("import access-log access.log --since 2015-05-17T12:05:03+02:00 --until 2015-05-17T11:05:05Z --top-routes 1 --anonymise --out rows.csv.gz")
        .run();
    expect![[r#"
        exit code 0
        --- stdout ---
        # 3 calls of 2 clients, recorded from 2015-05-17T10:05:03Z to 2015-05-17T11:05:04Z.
        # Put this file beside the trace, and the plans in the place of `open`, which allows everything.
        scenario: access-log
        start: 2015-05-17T10:05:03Z
        horizon: 2h
        routes:
          /v1/search: {}  # 2 calls
          /other: {}  # 1 call
        plans:
          open: {}
        consumers:
          clients:
            count: 2
            plan: open
            traffic: { trace: rows.csv.gz, columns: { time: time, consumer: consumer, route: route } }
        --- stderr ---
        warning: 3 of 8 lines hold no call
                  1  not `ADDRESS IDENT USER [TIME] "REQUEST" STATUS …`; the first on line 6
                  1  the time is not `[17/May/2015:10:05:03 +0000]`, of 1970 to 2261; the first on line 4
                  1  the request is not `METHOD PATH PROTOCOL`; the first on line 5
        wrote rows.csv.gz
          calls      3
          consumers  2
          routes     2
          from       2015-05-17T10:05:03Z
          to         2015-05-17T11:05:04Z
          busiest    2 in the second 2015-05-17T10:05:03Z
          left out   2, as the options ask
    "#]]
    .assert_eq(&answer.to_string());
    let mut rows = String::new();
    GzDecoder::new(File::open(path("import-options", "rows.csv.gz")).unwrap()).read_to_string(&mut rows).unwrap();
    expect![[r#"
        time,consumer,route
        2015-05-17T10:05:03Z,c000001,/v1/search
        2015-05-17T10:05:03Z,c000001,/v1/search
        2015-05-17T11:05:04Z,c000002,/other
    "#]]
    .assert_eq(&rows);
    plays(&folder, &answer, 3);
    let below = folder.farebox("import access-log access.log --path-prefix /v1/chat --out chat.csv --quiet").run();
    plays(&folder, &below, 1);
    // What could not be read is a warning, which `--quiet` leaves; what was written is not.
    assert!(below.stderr.contains("hold no call") && !below.stderr.contains("wrote"), "{below}");
}

#[test]
fn a_packed_log_and_one_on_the_standard_input_are_read_alike() {
    let folder = Folder::new("import-packed").with("access.log", LOG);
    fs::write(folder.path().join("access.log.1.gz"), packed(LOG.as_bytes())).unwrap();
    let plain = folder.farebox("import access-log access.log").run();
    let gzip = folder.farebox("import access-log access.log.1.gz --out gzip.csv").run();
    let log = File::open(folder.path().join("access.log.1.gz")).unwrap();
    let stdin = folder.farebox("import access-log - --out stdin.csv").stdin(log).run();
    assert_eq!([plain.code, gzip.code, stdin.code], [Some(0); 3]);
    let trace = text("import-packed", "trace.csv");
    assert_eq!(text("import-packed", "gzip.csv"), trace);
    assert_eq!(text("import-packed", "stdin.csv"), trace);
}

/// Nothing is written where nothing can be, and nobody's file is lost.
#[test]
fn what_cannot_be_imported_is_told() {
    let whole = packed(LOG.as_bytes());
    let folder = Folder::new("import-wrong").with("trace.csv", "mine").with("access.log", LOG).with("empty.log", "");
    fs::write(folder.path().join("cut.gz"), &whole[..whole.len() / 2]).unwrap();
    let asked = [
        "access.log",
        "absent.log --out a.csv",
        "cut.gz --out a.csv",
        "empty.log --out a.csv",
        "access.log --out a.csv --path-prefix /v3",
        "trace.csv --out a.csv",
        "access.log --out no/such/folder.csv",
        "access.log --out .",
        "access.log --since yesterday",
        "access.log --top-routes 0",
    ];
    let told = asked.map(|arguments| {
        let command = format!("import access-log {arguments}");
        format!("{command}\n{}", folder.farebox(&command).run())
    });
    expect![[r#"
        import access-log access.log
        exit code 2
        --- stderr ---
        error: `trace.csv` is there already
        hint: name another file with `--out`, or replace this one with `--force`

        import access-log absent.log --out a.csv
        exit code 7
        --- stderr ---
        error: cannot read `absent.log`
          caused by: No such file or directory (os error 2)

        import access-log cut.gz --out a.csv
        exit code 7
        --- stderr ---
        error: cannot read `cut.gz`
          caused by: it is gzip, and damaged or cut off
        hint: pack it again, or leave it unpacked

        import access-log empty.log --out a.csv
        exit code 7
        --- stderr ---
        error: `empty.log` holds no calls to import
        hint: the file is empty

        import access-log access.log --out a.csv --path-prefix /v3
        exit code 7
        --- stderr ---
        warning: 3 of 8 lines hold no call
                  1  not `ADDRESS IDENT USER [TIME] "REQUEST" STATUS …`; the first on line 6: not a line of a log
                  1  the time is not `[17/May/2015:10:05:03 +0000]`, of 1970 to 2261; the first on line 4: 203.0.113.9 - - [17/May/2015:10:61:03 +0000] "GET /v1/search HTTP/1.1" 200 18
                  1  the request is not `METHOD PATH PROTOCOL`; the first on line 5: 203.0.113.9 - - [17/May/2015:10:05:04 +0000] "\x16\x03\x01" 400 18
        error: `access.log` holds no calls to import
        hint: 5 calls are outside of what the options ask for

        import access-log trace.csv --out a.csv
        exit code 7
        --- stderr ---
        warning: 1 of 1 lines hold no call
                  1  not `ADDRESS IDENT USER [TIME] "REQUEST" STATUS …`; the first on line 1: mine
        error: `trace.csv` holds no calls to import
        hint: its lines must be in the common or the combined log format, as Apache and nginx write them

        import access-log access.log --out no/such/folder.csv
        exit code 7
        --- stderr ---
        error: cannot write `no/such/folder.csv`: there is no folder `no/such`

        import access-log access.log --out .
        exit code 2
        --- stderr ---
        error: `.` is a folder
        hint: name a file with `--out`

        import access-log access.log --since yesterday
        exit code 2
        --- stderr ---
        error: invalid value 'yesterday' for '--since <TIME>': a time is a date, such as 2026-03-01, or 2026-03-01T12:00:00Z

        For more information, try '--help'.

        import access-log access.log --top-routes 0
        exit code 2
        --- stderr ---
        error: invalid value '0' for '--top-routes <N>': 0 is not in 1..=900

        For more information, try '--help'.
    "#]]
    .assert_eq(&told.join("\n"));
    assert_eq!(text("import-wrong", "trace.csv"), "mine");
    let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["access.log", "cut.gz", "empty.log", "trace.csv"]);
    let forced = folder.farebox("import access-log access.log --force").run();
    assert_eq!(forced.code, Some(0), "{forced}");
    assert!(text("import-wrong", "trace.csv").starts_with("time,"));
}

/// Lines that were made to hurt whoever reads them: each is passed over for a reason, and what stands around them is read.
#[test]
fn hostile_lines_are_passed_over() {
    let good = LOG.lines().next().unwrap().as_bytes();
    let mut log = Vec::new();
    let hostile: [Vec<u8>; 9] = [
        (0..=255u8).filter(|byte| *byte != b'\n').collect(),
        vec![b'a'; 1 << 20],
        [good, &vec![b'"'; 1 << 20]].concat(),
        good.iter().map(|byte| if *byte == b'"' { b'\'' } else { *byte }).collect(),
        String::from_utf8_lossy(good).replace("/2015:", "/9999:").into_bytes(),
        String::from_utf8_lossy(good).replace("17/May", "99/May").into_bytes(),
        String::from_utf8_lossy(good).replace("HTTP/1.1\"", "HTTP/1.1").into_bytes(),
        b"\x1b]0;owned\x07 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1".to_vec(),
        "\u{202e} - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1".into(),
    ];
    for line in &hostile {
        log.extend_from_slice(&[good, b"\n", line, b"\n"].concat());
    }
    let folder = Folder::new("import-hostile");
    fs::write(folder.path().join("access.log"), log).unwrap();
    let answer = folder.farebox("import access-log access.log").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    assert!(answer.stderr.contains("9 of 18 lines hold no call"), "{answer}");
    assert!(answer.stderr.len() < 4_000 && !answer.stderr.contains(['\u{1b}', '\u{202e}']), "{answer}");
    assert_eq!(text("import-hostile", "trace.csv").lines().count(), 10);
}

/// Two days of a public web site: counts as plain splitting has them, and a scenario that plays every line of it.
#[test]
fn a_real_access_log_is_imported_whole() {
    const REAL: &str = "web-access-2015.log";
    let Some(data) = env::var_os(SHARED_DATA) else {
        return skipped(REAL);
    };
    let log = fs::read_to_string(Path::new(&data).join(REAL)).unwrap();
    let (mut clients, mut paths, mut seconds) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        *clients.entry(words[0]).or_insert(0u64) += 1;
        *paths.entry(words[6].split(['?', '#']).next().unwrap()).or_insert(0u64) += 1;
        *seconds.entry(words[3]).or_insert(0u64) += 1;
    }
    let folder = Folder::new("import-real").with("access.log", &log);
    let answer = folder.farebox("import access-log access.log").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let rows = csv::Reader::from_path(path("import-real", "trace.csv")).unwrap().into_records();
    let rows: Vec<csv::StringRecord> = rows.map(Result::unwrap).collect();
    let count = |column: usize| {
        let mut counts = BTreeMap::new();
        for row in &rows {
            *counts.entry(&row[column]).or_insert(0u64) += 1;
        }
        counts
    };
    assert_eq!(count(1), clients);
    assert_eq!(count(2), paths);
    let busiest = |counts: BTreeMap<&str, u64>| counts.into_values().max();
    assert_eq!((busiest(count(0)), count(0).len()), (busiest(seconds.clone()), seconds.len()));
    plays(&folder, &answer, log.lines().count() as u64);
}

/// Calls of three to four in the afternoon in Berlin, of a scenario that starts at 14:23:05 UTC: the clock goes on from there,
/// so the first come within the 36 minutes and 55 seconds that are left of that hour, the next a day later.
#[test]
fn hours_go_on_from_a_start_within_a_day() {
    let mut hours = ["0"; 24];
    hours[15] = "24";
    let scenario = fixture::parse(&format!(
        "scenario: hours\nstart: 2026-01-31T14:23:05Z\nhorizon: 3d\nplans:\n  free: {{}}\nconsumers:\n  all: {{ count: 1, \
         plan: free, time_zone: Europe/Berlin, traffic: {{ rate: 40/h, shape: {{ hours: [{}] }} }} }}\n",
        hours.join(", ")
    ));
    let world = World::whole(Arc::new(scenario)).unwrap();
    let calls = world.consumers().flat_map(|consumer| world.calls(consumer).collect::<Vec<_>>());
    let seconds: Vec<i64> = calls.map(|call| call.at.ns() / 1_000_000_000).collect();
    let begun = 14 * 3_600 + 23 * 60 + 5;
    assert!(seconds.iter().all(|after| (begun + after) % 86_400 / 3_600 == 14), "{seconds:?}");
    assert!(seconds[0] < 36 * 60 + 55 && seconds.len() > 1_000, "{}", seconds.len());
}
