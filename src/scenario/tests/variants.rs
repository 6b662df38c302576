//! Variants, and what has no effect yet.

use super::*;

const BASE: &str = "\
scenario: base
horizon: 30d
plans:
  pro: { fee: $49/month, includes: { requests: 100k }, past_allowance: block, limits: [ { requests: 2/s, kind: token_bucket } ] }
  spare: { fee: $9/month }
consumers:
  startups: { count: 8, plan: pro, traffic: { rate: { p50: 900/day, p95: 6k/day } } }
  others: { count: 8, plan: spare, traffic: { rate: 1/h } }
";

fn with(variants: &str) -> String {
    format!("{BASE}variants:\n{variants}")
}

fn variant(text: &str, name: &str) -> Loaded {
    parse_variant("test.yaml", text, Path::new(""), Some(name)).unwrap_or_else(|it| panic!("{:#?}", it.diagnostics))
}

fn messages(text: &str) -> Vec<String> {
    let rejected = parse("test.yaml", text, Path::new("")).unwrap_err();
    rejected.diagnostics.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn maps_merge_lists_replace_and_nothing_removes() {
    let text = with(
        "  cut: { plans: { pro: { includes: { requests: 60k }, limits: [ { in_flight: 3, kind: concurrency } ] } } }
  cut_with_grace: { extends: cut, plans: { pro: { grace: 14d, fee: $59/month } }, seed: 7 }
  alone: { plans: { spare: ~ }, consumers: { others: ~ } }
  even: { consumers: { startups: { traffic: { rate: 1k/day } } } }
",
    );
    let base = read(&text);
    assert_eq!(base.scenario.plans[0].allowance[0], Some(100_000));
    let names: Vec<&str> = base.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["cut", "cut_with_grace", "alone", "even"]);

    let cut = variant(&text, "cut").scenario;
    let pro = &cut.plans[0];
    assert_eq!((pro.allowance[0], pro.fee), (Some(60_000), Money::from_nanos(49_000_000_000)));
    assert_eq!((&pro.limits[..], cut.seed), (&[Limit::Concurrency(3)][..], 1));

    let graced = variant(&text, "cut_with_grace").scenario;
    let pro = &graced.plans[0];
    assert_eq!((pro.allowance[0], pro.fee), (Some(60_000), Money::from_nanos(59_000_000_000)));
    assert_eq!((pro.grace, graced.seed), (TimeSpan::from_ns(14 * DAY), 7));

    let alone = variant(&text, "alone").scenario;
    assert_eq!((alone.plans.len(), alone.cohorts.len()), (1, 1));
    let even = variant(&text, "even").scenario;
    assert!(matches!(even.cohorts[0].arrivals, Arrivals::Poisson { spread: None, .. }));
}

/// Results of a variant must never be merged with those of another, nor written over them.
#[test]
fn a_variant_has_its_own_name_and_fingerprint() {
    let text = with("  a: { seed: 2 }\n  b: { seed: 2 }\n");
    let [base, a, b] = [read(&text), variant(&text, "a"), variant(&text, "b")].map(|loaded| loaded.scenario);
    assert_eq!([&base.name, &a.name, &b.name], ["base", "base-a", "base-b"]);
    assert_ne!(base.fingerprint, a.fingerprint);
    assert_ne!(a.fingerprint, b.fingerprint);
}

#[test]
fn what_is_wrong_with_variants_is_said_once_with_their_name() {
    let text = with(
        "  cut: { plans: { pro: { includes: { tokns: 1 } } } }
  more: { extends: cut, plans: { spare: { grase: 1d } } }
  lost: { extends: cutt }
  round: { extends: about }
  about: { extends: round }
  into: { extends: round }
  gone: { plans: { prro: ~ } }
  nested: { variants: {} }
  list: []
",
    );
    assert_eq!(
        messages(&text),
        [
            "unknown meter `tokns` (in the variant `cut`)",
            "unknown key `grase` (in the variant `more`)",
            "unknown variant `cutt`",
            "the variant `round` extends itself",
            "the variant `about` extends itself",
            "there is no `prro` to remove (in the variant `gone`)",
            "a variant has no variants of its own",
            "`list` cannot be a list",
        ]
    );
}

/// A mistake of the file itself is none of its variants.
#[test]
fn a_mistake_of_the_file_is_said_once() {
    let text = with("  a: { seed: 2 }\n  b: { extends: a }\n").replace("plan: pro", "plan: prro");
    assert_eq!(messages(&text), ["unknown plan `prro`"]);
}

#[test]
fn a_variant_that_is_not_there_is_said_to_be_missing() {
    let text = with("  cut: { seed: 2 }\n");
    let rejected = parse_variant("test.yaml", &text, Path::new(""), Some("cutt")).unwrap_err();
    let [problem] = &rejected.diagnostics[..] else { panic!("{:#?}", rejected.diagnostics) };
    assert_eq!(problem.message, "there is no variant `cutt`");
    assert_eq!(problem.help.as_deref(), Some("did you mean `cut`?"));
}

/// Each of many variants would be a document of its own.
#[test]
fn many_variants_of_a_large_file_are_refused_unread() {
    let variants = (0..90).map(|at| format!("  v{at}: {{ seed: {at} }}\n")).collect::<Vec<_>>().concat();
    let tree = |items: usize| format!("x: [{}]\nvariants:\n{variants}", "a, ".repeat(items));
    for (items, message) in
        [(40_000, None), (50_000, Some("so many variants of so large a file take too long to check"))]
    {
        let mut problems = Problems::default();
        let root = node::parse(&tree(items), &mut problems).unwrap();
        let variants = overlay::variants(&root, &mut problems);
        assert_eq!(variants.len(), if message.is_some() { 0 } else { 90 });
        assert_eq!(problems.into_sorted().first().map(|problem| problem.message.as_str()), message);
    }
}

// === Without effect ===

/// Such a file is right, and is not run: its base for one reason, a variant for another.
#[test]
fn what_has_no_effect_yet_is_no_mistake() {
    let text = with("  nodes: { gateway: { nodes: 4, entitlement_cache: 0s } }\n")
        .replace("horizon", "gateway: { entitlement_cache: 1s }\nhorizon");
    let found = |loaded: &Loaded| -> Vec<String> { loaded.unsupported.iter().map(|it| it.message.clone()).collect() };
    let base = read(&text);
    assert_eq!(found(&base), ["`entitlement_cache` is not supported yet"]);
    assert_eq!(base.unsupported[0].help.as_deref(), Some("leave it out, or write `entitlement_cache: 0s`"));
    assert_eq!((base.warnings.len(), base.variants[0].unsupported.len()), (0, 1));
    assert_eq!(found(&variant(&text, "nodes")), ["`nodes` is not supported yet"]);
}

/// However nothing is written, it is nothing.
#[test]
fn what_asks_for_nothing_is_supported() {
    let text = BASE.to_owned()
        + "replications: 1.0
faults: []
gateway: { nodes: 1, counters: exact, entitlement_cache: 0.0ms, when_billing_down: closed, dialect: problem }
payments: { webhooks: { lose: 0.00%, delay: 0s } }
live: { warm_up: 0m }
";
    assert!(read(&text).unsupported.is_empty());
}
