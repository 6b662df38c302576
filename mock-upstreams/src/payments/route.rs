//! What a method and a path mean.

use hyper::Method;

use super::call::Call;
use super::error::Outcome;
use super::{charges, customers, events, payment_intents, payment_methods, refunds, setup_intents, test_clocks};

/// What executes a request.
pub(super) type Run = fn(&mut Call<'_>) -> Outcome;

/// What a method and a path mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'p> {
    /// What the answer is, or is a list of.
    pub(super) object: &'static str,
    pub(super) is_list: bool,
    pub(super) run: Run,
    pub(super) id: &'p str,
    pub(super) second: &'p str,
}

/// The endpoints: method, path with `*` for ids, what the answer is, and what executes it.
pub(super) const ENDPOINTS: [(&str, &str, &str, Run); 38] = [
    ("POST", "customers", "customer", customers::create),
    ("GET", "customers", "list of customer", customers::list),
    ("GET", "customers/*", "customer", customers::retrieve),
    ("POST", "customers/*", "customer", customers::update),
    ("DELETE", "customers/*", "customer", customers::delete),
    ("GET", "customers/*/payment_methods", "list of payment_method", payment_methods::list_of_customer),
    ("GET", "customers/*/payment_methods/*", "payment_method", payment_methods::retrieve_of_customer),
    ("POST", "payment_methods", "payment_method", payment_methods::create),
    ("GET", "payment_methods", "list of payment_method", payment_methods::list),
    ("GET", "payment_methods/*", "payment_method", payment_methods::retrieve),
    ("POST", "payment_methods/*", "payment_method", payment_methods::update),
    ("POST", "payment_methods/*/attach", "payment_method", payment_methods::attach),
    ("POST", "payment_methods/*/detach", "payment_method", payment_methods::detach),
    ("POST", "setup_intents", "setup_intent", setup_intents::create),
    ("GET", "setup_intents", "list of setup_intent", setup_intents::list),
    ("GET", "setup_intents/*", "setup_intent", setup_intents::retrieve),
    ("POST", "setup_intents/*/confirm", "setup_intent", setup_intents::confirm),
    ("POST", "setup_intents/*/cancel", "setup_intent", setup_intents::cancel),
    ("POST", "payment_intents", "payment_intent", payment_intents::create),
    ("GET", "payment_intents", "list of payment_intent", payment_intents::list),
    ("GET", "payment_intents/*", "payment_intent", payment_intents::retrieve),
    ("POST", "payment_intents/*", "payment_intent", payment_intents::update),
    ("POST", "payment_intents/*/confirm", "payment_intent", payment_intents::confirm),
    ("POST", "payment_intents/*/capture", "payment_intent", payment_intents::capture),
    ("POST", "payment_intents/*/cancel", "payment_intent", payment_intents::cancel),
    ("GET", "charges", "list of charge", charges::list),
    ("GET", "charges/*", "charge", charges::retrieve),
    ("POST", "refunds", "refund", refunds::create),
    ("GET", "refunds", "list of refund", refunds::list),
    ("GET", "refunds/*", "refund", refunds::retrieve),
    ("POST", "refunds/*", "refund", refunds::update),
    ("GET", "events", "list of event", events::list),
    ("GET", "events/*", "event", events::retrieve),
    ("POST", "test_helpers/test_clocks", "test_helpers.test_clock", test_clocks::create),
    ("GET", "test_helpers/test_clocks", "list of test_helpers.test_clock", test_clocks::list),
    ("GET", "test_helpers/test_clocks/*", "test_helpers.test_clock", test_clocks::retrieve),
    ("POST", "test_helpers/test_clocks/*/advance", "test_helpers.test_clock", test_clocks::advance),
    ("DELETE", "test_helpers/test_clocks/*", "test_helpers.test_clock", test_clocks::delete),
];

/// What a method and a path mean, if anything.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> Option<Route<'p>> {
    let path = path.strip_prefix("/v1/")?;
    ENDPOINTS.iter().filter(|(takes, ..)| *takes == method.as_str()).find_map(|(_, pattern, object, run)| {
        let ids = ids(pattern, path)?;
        let is_list = object.starts_with("list of ");
        let object = object.strip_prefix("list of ").unwrap_or(object);
        Some(Route { object, is_list, run: *run, id: ids[0], second: ids[1] })
    })
}

/// The ids of a path that is like the pattern.
fn ids<'p>(pattern: &str, path: &'p str) -> Option<[&'p str; 2]> {
    let (mut ids, mut found) = ([""; 2], 0);
    let (mut expected, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), segments.next()) {
            (None, None) => return Some(ids),
            (Some("*"), Some(segment)) if !segment.is_empty() => {
                ids[found] = segment;
                found += 1;
            }
            (Some(expected), Some(segment)) if expected == segment && expected != "*" => {}
            _ => return None,
        }
    }
}
