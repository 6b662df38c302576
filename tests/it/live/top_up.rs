//! Credit that is bought where a 402 says: the page is really there, sells what is usual, and says why it does not.

use super::*;
use crate::program::Folder;

const CREDIT: &str = "
scenario: credit
horizon: 30d
routes: { /: {} }
plans:
  payg: { prepaid: { opening: $0.02 }, prices: { requests: $0.01 } }
  hobby: { includes: { requests: 3/month }, past_allowance: block }
  empty: { prepaid: { opening: $0 }, prices: { requests: $0.01 } }
consumers:
  script: { count: 1, plan: payg, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
  hobby: { count: 1, plan: hobby, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
  cardless: { count: 1, plan: payg, traffic: { rate: 0.001/day }, payment: none }
  empty: { count: 1, plan: empty, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
";

const PAGE: &str = "/.well-known/farebox/top-up";

/// A gateway that nothing is replayed of.
fn shop(scenario: &str, logging: Logging) -> Rig {
    let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::new(1).unwrap(),
        upstream: upstream.addr(),
        time: Time::Wall(Instant::now()),
        logging,
        token: None,
    };
    let world = Arc::new(World::whole(Arc::new(fixture::parse(scenario))).unwrap());
    Rig { gateway: Gateway::start(world, &options).unwrap(), upstream }
}

fn ask(rig: &Rig, method: &str, headers: &str) -> (u16, Value) {
    let mut wire = rig.client();
    wire.send(format!("{method} {PAGE} HTTP/1.1\r\nhost: a\r\n{headers}\r\n"));
    let answer = wire.receive();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (answer.status(), serde_json::from_slice(&answer.body).unwrap())
}

fn buy(rig: &Rig, id: u32) -> (u16, Value) {
    ask(rig, "POST", &keyed(AccountId(id), ""))
}

fn call(rig: &Rig, id: u32) -> (u16, Value) {
    let answer = rig.client().get(&keyed(AccountId(id), ""));
    (answer.status(), serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Two calls are paid from the opening credit, the third is refused and says where to buy more; then two more pass.
#[test]
fn who_buys_credit_where_the_refusal_says_is_served_again() {
    let rig = shop(CREDIT, Logging::Off);
    assert_eq!([call(&rig, 0).0, call(&rig, 0).0], [200; 2]);
    let (status, problem) = call(&rig, 0);
    assert_eq!((status, &problem["top_up_url"]), (402, &json!(PAGE)));
    assert_eq!(problem["action"], json!({ "who": "consumer", "what": "top_up", "url": PAGE }));
    assert_eq!(buy(&rig, 0), (202, json!({ "status": "pending", "amount": "0.02", "currency": "USD" })));
    assert_eq!([call(&rig, 0).0, call(&rig, 0).0, call(&rig, 0).0], [200, 200, 402]);
    assert_eq!(rig.count(Cause::CreditExhausted), 2, "the page is no call");
    let finished = rig.gateway.finish(GRACE, WallClock::now).unwrap();
    let account = &finished.histories[0].account;
    assert_eq!(account.books().moved(Movement::Capture).nanos(), 2 * PRICE_NANOS);
    account.check();
    rig.upstream.shutdown(Duration::ZERO);
}

/// The processor takes an hour: nothing can be bought a second time, and a machine is told that waiting helps.
#[test]
fn credit_that_is_on_its_way_is_waited_for() {
    let rig = shop(&format!("{CREDIT}payments: {{ processor: {{ latency: 1h }} }}\n"), Logging::Off);
    call(&rig, 0);
    call(&rig, 0);
    assert_eq!(buy(&rig, 0).0, 202);
    let (status, problem) = buy(&rig, 0);
    assert_eq!((status, &problem["code"], &problem["retryable"]), (409, &json!("pending"), &json!(true)));
    let (status, problem) = call(&rig, 0);
    assert_eq!((status, &problem["retryable"], problem.get("top_up_url")), (402, &json!(true), None));
    let mut wire = rig.client();
    assert_eq!(wire.get(&keyed(AccountId(0), "")).header("retry-after"), Some("1"));
    wire.send(format!("POST {PAGE} HTTP/1.1\r\nhost: a\r\n{}\r\n", keyed(AccountId(0), "")));
    assert_eq!(wire.receive().header("retry-after"), Some("1"));
    assert_eq!(problem["action"], json!({ "who": "nobody", "what": "wait" }));
    rig.gateway.finish(GRACE, WallClock::now).unwrap();
    rig.upstream.shutdown(Duration::ZERO);
}

/// Every attempt is declined. A machine that buys where it is told is told once: then somebody has to put in another card.
#[test]
fn credit_that_was_declined_is_not_offered_again() {
    let rig = shop(&CREDIT.replacen("declines: 0%", "declines: 100%", 1), Logging::Off);
    call(&rig, 0);
    call(&rig, 0);
    assert_eq!(call(&rig, 0).1["top_up_url"], json!(PAGE));
    assert_eq!(buy(&rig, 0).0, 202);
    let (status, problem) = call(&rig, 0);
    assert_eq!((status, &problem["retryable"], problem.get("top_up_url")), (402, &json!(false), None));
    assert_eq!(problem["action"], json!({ "who": "consumer", "what": "update_payment_method" }));
    assert_eq!(problem["decline_code"], "do_not_honor");
    assert!(problem["detail"].as_str().unwrap().contains("another"), "{problem}");
    rig.gateway.finish(GRACE, WallClock::now).unwrap();
    rig.upstream.shutdown(Duration::ZERO);
}

/// Who signs up is refused until the processor has answered, or its webhook has come: that is nothing to act upon.
#[test]
fn a_first_payment_that_is_under_way_is_waited_for() {
    for (payments, is_declined) in
        [("processor: { latency: 1h }", false), ("webhooks: { delay: 1h }", false), ("", true)]
    {
        let rig = shop(
            &format!(
                "scenario: first\nhorizon: 30d\nplans: {{ pro: {{ fee: $10/month }} }}\nconsumers:\n  \
                 one: {{ count: 1, plan: pro, joined: start, traffic: {{ rate: 0.001/day }}, payment: {{ card: {{ declines: {} }} }} }}\n\
                 payments: {{ {payments} }}\n",
                if is_declined { "100%" } else { "0%" },
            ),
            Logging::Off,
        );
        let answer = rig.client().get(&keyed(AccountId(0), ""));
        refused(&answer, 402, "first_payment_failed");
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        let said = (answer.header("retry-after"), problem["retryable"].as_bool(), problem["action"]["what"].as_str());
        let expected = if is_declined {
            (None, Some(false), Some("update_payment_method"))
        } else {
            (Some("1"), Some(true), Some("wait"))
        };
        assert_eq!(said, expected, "{payments}");
        rig.gateway.finish(GRACE, WallClock::now).unwrap();
        rig.upstream.shutdown(Duration::ZERO);
    }
}

#[test]
fn what_is_not_sold_is_told_with_the_reason() {
    let rig = shop(CREDIT, Logging::Off);
    for (id, status, code) in [(1, 422, "not_prepaid"), (2, 409, "no_payment_method"), (3, 422, "no_usual_amount")] {
        let (said, problem) = buy(&rig, id);
        assert_eq!((said, &problem["code"]), (status, &json!(code)));
        assert_eq!(problem["type"], format!("urn:farebox:problem:top_up_{code}"));
    }
    call(&rig, 2);
    call(&rig, 2);
    let (_, problem) = call(&rig, 2);
    assert_eq!(problem["action"], json!({ "who": "consumer", "what": "add_payment_method" }));
    assert_eq!(problem.get("top_up_url"), None);
    let keyed = keyed(AccountId(0), "");
    assert_eq!(ask(&rig, "GET", &keyed).0, 405);
    assert_eq!(ask(&rig, "POST", "").0, 401);
    assert_eq!(ask(&rig, "POST", "x-api-key: nobody\r\n").0, 401);
    rig.quiesce();
}

/// Where what happens is replayed, nothing is sold and nobody is sent there; nor while billing is down.
#[test]
fn nothing_is_sold_that_a_replay_would_not_know_of_or_while_billing_is_down() {
    let rig = shop(CREDIT, Logging::Full);
    call(&rig, 0);
    call(&rig, 0);
    let (_, problem) = call(&rig, 0);
    assert_eq!(problem["action"], json!({ "who": "consumer", "what": "top_up" }));
    assert_eq!(problem.get("top_up_url"), None);
    let (status, problem) = buy(&rig, 0);
    assert_eq!((status, &problem["code"]), (409, &json!("replayed")));
    rig.quiesce();
    let down = format!("{CREDIT}faults: [ {{ at: 0s, for: 1d, fault: billing_down }} ]\n");
    let rig = shop(&down, Logging::Off);
    let (status, problem) = buy(&rig, 0);
    assert_eq!((status, &problem["code"]), (503, &json!("billing_unavailable")));
    assert_eq!(problem["retryable"], true, "it says to send it again later");
    rig.quiesce();
}

/// Software of its own, which calls a gateway that is not its run's: it buys where the refusals say, and its calls are made
/// again and served. The gateway buys nothing for it, so each purchase is one of the page's.
#[test]
fn a_load_on_somebody_else_s_gateway_buys_its_credit_there() {
    let text = "
scenario: buying
horizon: 30d
plans:
  payg: { prepaid: { opening: $0.05 }, prices: { requests: $0.01 } }
consumers:
  scripts:
    count: 4
    plan: payg
    traffic: { rate: 10/day }
    payment: { card: { declines: 0% } }
    client: { attempts: 4, retry_on: [], delay: 20ms, on_402: top_up_then_retry }
live: { rate: 50/s, duration: 2s, clock: 1h per 1s, connections: 8 }
";
    let upstream = Server::start(&mock_upstreams::Options::default()).unwrap();
    let world = Arc::unwrap_or_clone(fixture::scaled(fixture::parse(text))).without_software();
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::new(1).unwrap(),
        upstream: upstream.addr(),
        time: Time::Wall(Instant::now()),
        logging: Logging::Off,
        token: None,
    };
    let gateway = Gateway::start(Arc::new(world), &options).unwrap();
    let folder = Folder::new("load-buying").with("buying.yaml", text);
    let answer = folder.farebox(&format!("load buying.yaml --target http://{} --out results", gateway.addr())).run();
    let read = std::fs::read_to_string(folder.path().join("results/run.json")).unwrap();
    let run: Value = serde_json::from_str(&read).unwrap();
    let bought = run["top_ups"]["202"].as_u64().unwrap();
    assert!(answer.stdout.contains("bought credit: 202"), "{answer}");
    assert!(bought > 0 && run["recovered"].as_u64().unwrap() > 0, "{run}");
    let finished = gateway.finish(GRACE, WallClock::now).unwrap();
    let captured = finished.histories.iter().map(|it| it.account.books().moved(Movement::Capture).nanos()).sum::<i64>();
    // Beside the opening credit, which is granted, nothing was bought but what was asked for.
    assert_eq!(captured, 5 * PRICE_NANOS * bought as i64);
    upstream.shutdown(Duration::ZERO);
}
