//! The admin listener: health, metrics as Prometheus reads them, and accounts for those who have the token.

use std::collections::{BTreeMap, BTreeSet};

use farebox::live::gateway::Front;
use farebox::live::gateway::admin::Admin;

use super::*;

const TOKEN: &str = "not-to-be-guessed";

const ACCOUNTS: &str = "
scenario: accounts
horizon: 30d
routes: { /v1: {}, '/a\"b\\c': {} }
plans:
  payg: { prepaid: { opening: $0.02 }, prices: { requests: $0.01 } }
  hobby: { includes: { requests: 3/month }, past_allowance: block, limits: [ { requests: 1/h, kind: token_bucket, burst: 2 } ] }
  pro: { fee: $49/month, includes: { requests: 100 }, past_allowance: block, spend_cap: $5/month }
consumers:
  script: { count: 2, plan: payg, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
  hobby: { count: 1, plan: hobby, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
  cardless: { count: 1, plan: payg, traffic: { rate: 0.001/day }, payment: none }
";

struct Office {
    rig: Rig,
    admin: Admin,
}

impl Office {
    fn open(logging: Logging) -> Self {
        let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
        let options = Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: NonZeroUsize::new(2).unwrap(),
            upstream: upstream.addr(),
            time: Time::Wall(Instant::now()),
            logging,
            token: None,
        };
        let world = Arc::new(World::whole(Arc::new(fixture::parse(ACCOUNTS))).unwrap());
        let gateway = Gateway::start_before(world, &options, Front { measures: true, ..Front::GUARDED }).unwrap();
        let admin = Admin::start(&gateway, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), TOKEN).unwrap();
        Self { rig: Rig { upstream, gateway }, admin }
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Message {
        let mut wire = Wire::connect(self.admin.addr());
        let length = body.len();
        wire.send(format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{headers}\r\n{body}"));
        if method == "HEAD" { wire.receive_head() } else { wire.receive() }
    }

    fn with_token(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = self.ask(method, path, &format!("authorization: Bearer {TOKEN}\r\n"), body);
        (answer.status(), serde_json::from_slice(&answer.body).unwrap())
    }

    fn call(&self, id: AccountId) -> u16 {
        self.rig.client().get(&keyed(id, "")).status()
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        let answer = self.ask("GET", "/metrics", "", "");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        exposition(&String::from_utf8(answer.body).unwrap())
    }

    fn close(self) {
        self.admin.stop();
        self.rig.gateway.finish(GRACE, WallClock::now).unwrap();
        self.rig.upstream.shutdown(Duration::ZERO);
    }
}

// === Metrics ===

/// Reads the text format of Prometheus strictly: each family is told once, with help and type before its samples; names
/// and labels are well-formed, no series comes twice, counters end in `_total` and nothing else does, buckets of a
/// histogram grow and end with `+Inf`, which is its count. Of values that are not whole, it keeps the whole part.
fn exposition(text: &str) -> BTreeMap<String, u64> {
    assert!(text.ends_with('\n'));
    let (mut types, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    let mut family = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && words.ends_with('.'), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(is_name(name) && helped.contains(name), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            name.clone_into(&mut family);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let stem = if types[&family] == "histogram" {
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap()
            } else {
                name
            };
            assert_eq!(stem, family, "{line}");
            if let Some(labels) = series.strip_prefix(&format!("{name}{{")) {
                well_formed(labels.strip_suffix('}').unwrap());
            }
            let value: f64 = value.parse().unwrap();
            assert!(value >= 0.0 && samples.insert(series.to_owned(), value as u64).is_none(), "{line}");
        }
    }
    for (name, _) in types.iter().filter(|(_, kind)| *kind == "histogram") {
        let bucket = |series: &&String| series.starts_with(&format!("{name}_bucket{{le=\""));
        let mut buckets: Vec<_> = samples.keys().filter(bucket).collect();
        let bound = |series: &String| series.split('"').nth(1).unwrap().parse::<f64>().unwrap();
        buckets.sort_by(|a, b| bound(a).total_cmp(&bound(b)));
        assert!(buckets.windows(2).all(|pair| samples[pair[0]] <= samples[pair[1]]));
        assert!(bound(buckets.last().unwrap()).is_infinite());
        assert_eq!(samples[*buckets.last().unwrap()], samples[&format!("{name}_count")]);
        assert!(samples.contains_key(&format!("{name}_sum")));
    }
    samples
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `a="…",b="…"`, where a quote and a backslash inside are escaped.
fn well_formed(labels: &str) {
    let (mut rest, mut names) = (labels, BTreeSet::new());
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(is_name(name) && names.insert(name), "{labels}");
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (_, '\\') => assert!(matches!(chars.next().unwrap().1, '\\' | '"' | 'n'), "{labels}"),
                (end, '"') => break end,
                _ => {}
            }
        };
        rest = &value[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[test]
fn the_metrics_are_what_has_happened() {
    let office = Office::open(Logging::Off);
    let before = office.metrics();
    assert!(
        before.contains_key(r#"farebox_requests_total{route="/a\"b\\c",status_class="2xx",outcome="served",cause=""}"#)
    );
    for status in [200, 200, 402] {
        assert_eq!(office.call(SCRIPT), status);
    }
    assert_eq!(office.rig.client().get("x-api-key: nobody\r\n").status(), 401);
    let [second, failing] = [AccountId(1), AccountId(1)];
    assert_eq!(office.rig.client().get(&keyed(second, "status=302")).status(), 302);
    assert_eq!(office.rig.client().get(&keyed(failing, "status=503")).status(), 503);
    let mut waiting = office.rig.client();
    waiting.ask("GET", &keyed(failing, "latency_ns=400000000"));
    wait_until("it is in flight", || office.metrics()["farebox_calls_in_flight"] == 1);
    assert_eq!(waiting.receive().status(), 200);
    let metrics = office.metrics();
    let ended = |route: &str, class: &str, outcome: &str, cause: &str| {
        let labels = format!(r#"route="{route}",status_class="{class}",outcome="{outcome}",cause="{cause}""#);
        metrics[&format!("farebox_requests_total{{{labels}}}")]
    };
    assert_eq!(ended("/v1", "2xx", "served", ""), 3);
    assert_eq!(ended("/v1", "3xx", "served", ""), 1);
    assert_eq!(ended("/v1", "4xx", "refused", "credit_exhausted"), 1);
    assert_eq!(ended("", "4xx", "refused", "unknown_credential"), 1);
    assert_eq!(ended("/v1", "5xx", "failed", "upstream_error"), 1);
    assert_eq!(metrics["farebox_call_duration_seconds_count"], 5);
    assert_eq!(metrics[r#"farebox_call_duration_seconds_bucket{le="0.25"}"#], 4);
    assert_eq!(metrics["farebox_calls_in_flight"], 0);
    office.close();
}

// === Health and tokens ===

#[test]
fn accounts_are_for_those_who_have_the_token() {
    let office = Office::open(Logging::Off);
    let health = office.ask("GET", "/healthz", "", "");
    assert_eq!((health.status(), &health.body[..]), (200, &b"ok\n"[..]));
    assert_eq!(office.ask("HEAD", "/healthz", "", "").status(), 200);
    assert_eq!(office.ask("POST", "/metrics", "", "").header("allow"), Some("GET, HEAD"));
    assert_eq!(office.ask("GET", "/", "", "").status(), 404);
    for wrong in [
        "",
        "authorization: Bearer not-to-be-guessee\r\n",
        "authorization: Bearer \r\n",
        "authorization: Basic not-to-be-guessed\r\n",
        "x-api-key: not-to-be-guessed\r\n",
    ] {
        for path in ["/accounts/script/0", "/accounts/nobody/0", "/accounts"] {
            let answer = office.ask("GET", path, wrong, "");
            assert_eq!((answer.status(), answer.header("www-authenticate")), (401, Some("Bearer")), "{wrong}");
        }
        assert_eq!(office.ask("POST", "/accounts/script/0/card", wrong, "").status(), 401);
    }
    for nobody in [
        "/accounts/script/2",
        "/accounts/nobody/0",
        "/accounts/script/-1",
        "/accounts/script/x",
        "/accounts/script",
        "/accounts/script/0/money",
        "/accounts/script/4294967296",
    ] {
        assert_eq!(office.with_token("GET", nobody, "").0, 404, "{nobody}");
    }
    // A consumer's key opens nothing here, and the token opens nothing there.
    assert_eq!(office.ask("GET", "/accounts/script/0", "authorization: Bearer key-000000\r\n", "").status(), 401);
    assert_eq!(office.rig.client().get(&format!("authorization: Bearer {TOKEN}\r\n")).status(), 401);
    office.close();
}

// === Accounts ===

#[test]
fn an_account_is_shown_as_it_stands() {
    let office = Office::open(Logging::Off);
    for status in [200, 200, 429] {
        assert_eq!(office.call(AccountId(2)), status);
    }
    let (status, mut account) = office.with_token("GET", "/accounts/hobby/0", "");
    assert_eq!(status, 200);
    // One token an hour, less what this test has taken since.
    let wait_ms = account["limits"][0]["wait_ms"].take().as_u64().unwrap();
    assert!((3_000_000..=3_600_000).contains(&wait_ms), "{wait_ms}");
    for end in ["begins_s", "ends_s"] {
        assert!(account["period"][end].take().is_i64());
    }
    expect![[r#"
        {
          "allowances": [
            {
              "included": 3,
              "left": 1,
              "meter": "requests"
            }
          ],
          "calls_in_flight": 0,
          "cohort": "hobby",
          "credit": "0.00",
          "currency": "USD",
          "due": "0.00",
          "has_payment_method": true,
          "index": 0,
          "limits": [
            {
              "passes": false,
              "wait_ms": null
            }
          ],
          "next_plan": null,
          "period": {
            "begins_s": null,
            "ends_s": null
          },
          "plan": "hobby",
          "spend_cap": null,
          "spent": "0.00",
          "status": "active"
        }
    "#]]
    .assert_eq(&format!("{account:#}\n"));
    office.close();
}

#[test]
fn credit_is_bought_and_the_next_call_passes() {
    let office = Office::open(Logging::Off);
    for status in [200, 200, 402] {
        assert_eq!(office.call(SCRIPT), status);
    }
    for wrong in [
        "",
        "{}",
        r#"{"amount":10}"#,
        r#"{"amount":"0"}"#,
        r#"{"amount":"-1"}"#,
        r#"{"amount":"1","to":"me"}"#,
        r#"{"amount":"1e9"}"#,
    ] {
        assert_eq!(office.with_token("POST", "/accounts/script/0/credit", wrong).0, 400, "{wrong}");
    }
    let long = format!("{{\"amount\":\"1\"}}{}", " ".repeat(5_000));
    assert_eq!(office.with_token("POST", "/accounts/script/0/credit", &long).0, 400);
    assert_eq!(office.with_token("PUT", "/accounts/script/0/credit", r#"{"amount":"1"}"#).0, 405);
    assert_eq!(office.call(SCRIPT), 402);
    assert_eq!(office.with_token("POST", "/accounts/script/0/credit", r#"{"amount":"0.01"}"#).0, 200);
    wait_until("it is paid", || office.with_token("GET", "/accounts/script/0", "").1["credit"] == "0.01");
    assert_eq!((office.call(SCRIPT), office.call(SCRIPT)), (200, 402));
    assert_eq!(office.with_token("GET", "/accounts/script/1", "").1["credit"], "0.02");
    office.close();
}

/// What would do nothing is told, and changes nothing.
#[test]
fn credit_is_sold_to_those_who_can_have_it() {
    let office = Office::open(Logging::Off);
    let credit = |who: &str, body: &str| {
        let (status, answer) = office.with_token("POST", &format!("/accounts/{who}/credit"), body);
        (status, answer["title"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status: u16, title: &str| (status, title.to_owned());
    let one = r#"{"amount":"1.00"}"#;
    assert_eq!(credit("hobby/0", one), refused(409, "the plan `hobby` has no prepaid credit to buy"));
    let nothing = "this consumer has nothing to pay with: `card` brings a new card";
    assert_eq!(credit("cardless/0", one), refused(409, nothing));
    assert_eq!(office.with_token("POST", "/accounts/cardless/0/card", "").0, 200);
    assert_eq!(credit("cardless/0", one), (200, String::new()));
    wait_until("it is paid", || office.with_token("GET", "/accounts/cardless/0", "").1["credit"] == "1.02");
    for (amount, why) in [
        ("0.001", "the amount is too fine: what is charged in USD has 2 decimal places at most"),
        ("9999999999", "the amount is too large: an account holds 9223372036.854775807 USD at most"),
        ("0", "send { \"amount\": \"10.00\" }, an amount above 0"),
    ] {
        assert_eq!(credit("script/0", &format!("{{\"amount\":\"{amount}\"}}")), refused(400, why));
    }
    assert_eq!(office.with_token("GET", "/accounts/script/0", "").1["credit"], "0.02");
    office.close();
}

#[test]
fn a_plan_and_a_card_are_changed() {
    let office = Office::open(Logging::Off);
    assert_eq!(office.with_token("POST", "/accounts/hobby/0/plan", r#"{"plan":"nothing"}"#).0, 400);
    let (status, account) = office.with_token("POST", "/accounts/hobby/0/plan", r#"{"plan":"pro"}"#);
    assert_eq!(status, 200, "{account}");
    wait_until("it is paid", || office.with_token("GET", "/accounts/hobby/0", "").1["plan"] == "pro");
    assert_eq!(office.with_token("GET", "/accounts/hobby/0", "").1["spend_cap"], "5.00");
    let (status, account) = office.with_token("POST", "/accounts/hobby/0/card", "");
    assert_eq!((status, &account["has_payment_method"]), (200, &json!(true)));
    let (_, account) = office.with_token("POST", "/accounts/hobby/0/plan", r#"{"plan":"hobby"}"#);
    assert_eq!(
        (&account["plan"], &account["next_plan"]),
        (&json!("pro"), &json!("hobby")),
        "a cheaper one comes later"
    );
    office.close();
}

/// What is replayed is what the log says, so nobody changes an account beside it.
#[test]
fn what_is_replayed_is_not_changed() {
    let office = Office::open(Logging::Full);
    assert_eq!(office.with_token("POST", "/accounts/script/0/card", "").0, 409);
    assert_eq!(office.with_token("GET", "/accounts/script/0", "").0, 200);
    office.close();
}
