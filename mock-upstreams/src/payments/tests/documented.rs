//! docs/PAYMENTS.md has all endpoints, cards and events, and no others.

use std::collections::BTreeSet;

use super::*;

const PAGE: &str = include_str!("../../../../docs/PAYMENTS.md");

#[test]
fn every_endpoint_is_documented_and_no_other() {
    let real: BTreeSet<String> = route::ENDPOINTS
        .iter()
        .map(|(method, pattern, ..)| format!("{method} /v1/{}", pattern.replace('*', "{id}")))
        .collect();
    let quoted = PAGE.split('`').skip(1).step_by(2);
    let told: BTreeSet<String> =
        quoted.filter(|text| text.contains(" /v1/") && !text.contains('\n')).map(str::to_owned).collect();
    assert_eq!(told, real);
    assert_eq!(real.len(), route::ENDPOINTS.len(), "each is there once");
}

#[test]
fn every_card_is_documented_beside_its_name() {
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| ")).collect();
    for card in &cards::CARDS {
        let row = rows.iter().find(|row| row.contains(card.number));
        let row = row.unwrap_or_else(|| panic!("{} is not in docs/PAYMENTS.md", card.number));
        for name in card.names {
            assert!(row.contains(&format!("`{name}`")), "{name}: {row}");
        }
    }
}

/// What the sources emit, by their text, is what the page lists.
#[test]
fn every_kind_of_event_is_documented() {
    let sources = [
        include_str!("../attempt.rs"),
        include_str!("../customers.rs"),
        include_str!("../disputes.rs"),
        include_str!("../payment_intents.rs"),
        include_str!("../payment_methods.rs"),
        include_str!("../refunds.rs"),
        include_str!("../setup_intents.rs"),
        include_str!("../test_clocks.rs"),
    ];
    let texts = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let groups = [
        "customer",
        "payment_method",
        "setup_intent",
        "payment_intent",
        "charge",
        "charge.dispute",
        "refund",
        "test_helpers.test_clock",
    ];
    let kinds = texts.filter_map(|text| text.rsplit_once('.').filter(|(group, _)| groups.contains(group)));
    let kinds: BTreeSet<_> = kinds.collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    let section = PAGE.split("- The kinds:").nth(1).unwrap().split("- `Stripe-Signature").next().unwrap();
    for (group, end) in kinds {
        let of_group = section.split(&format!("`{group}.")).nth(1).and_then(|rest| rest.split(';').next());
        let of_group = of_group.unwrap_or_else(|| panic!("{group} is not in docs/PAYMENTS.md"));
        let is_first = of_group.starts_with(&format!("{end}`"));
        assert!(is_first || of_group.contains(&format!("`.{end}`")), "{group}.{end} is not in docs/PAYMENTS.md");
    }
}
