//! The keys of plans, and of how they change.

use farebox_engine::model::METERS_MAX;

use super::Presence::{Default, Optional, Required};
use super::Shape::{List as ListOf, Map, One, OneOrMap, Overlay};
use super::{
    ANY, DURATION, DURATION_ABOVE_ZERO, LENGTH_ABOVE_ZERO, Least, List, Rule, Table, Unit, key, keys, named, quantity,
    sized,
};
use crate::scenario::unit::Choice;
use farebox_engine::model::Period;

/// Units of a period, a package or a tier: so many that a million of them at a nano each stay an amount.
const UNITS_MOST: u64 = 1_000_000_000_000_000;

pub(super) static PLANS: Table = named("A plan.", Unit::Name, Map(&PLAN), sized("plans", 1, ANY));

/// The keys of a plan.
pub(in crate::scenario) static PLAN: Table = Table {
    keys: &[
        key("fee", Optional, One(Unit::Fee), "The recurring fee, billed in advance: `$49/month`."),
        key(
            "trial",
            Default("0d"),
            One(Unit::Length(Least::Zero)),
            "A free start, for those who join inside the horizon.",
        ),
        key("includes", Optional, Map(&INCLUDES), "What a period includes, by meter."),
        key("rollover", Optional, Map(&ROLLOVER), "Unused allowance that the next period inherits."),
        key(
            "past_allowance",
            Optional,
            OneOrMap(Unit::Choice(&PAST_ALLOWANCE), &THROTTLE),
            "What happens to calls past the allowance: refused, billed as `overage`, or slowed down; required with `includes`.",
        ),
        key("overage", Optional, Map(&PRICES), "What units past the allowance cost, billed when the period ends."),
        key("limits", Default("[]"), ListOf(&List { item: Map(&LIMIT), size: sized("limits", 0, 4) }), "Rate limits."),
        key("prepaid", Optional, Map(&PREPAID), "Makes the plan prepaid: calls are paid from credit."),
        key(
            "prices",
            Optional,
            Map(&PRICES),
            "What units cost: from credit on a prepaid plan, from a wallet with `pay_per_request`, else billed when the period ends.",
        ),
        key(
            "pay_per_request",
            Default("false"),
            One(Unit::Bool),
            "Whether each call past the allowance is paid for by itself: one without a payment is answered `payment_required` (402), and a client with `on_402: pay_once` makes it again with one, from the consumer's wallet.",
        ),
        key("minimum", Optional, One(Unit::Fee), "What usage costs at least: `$100/month`; the fee is apart."),
        key(
            "spend_cap",
            Optional,
            One(Unit::Fee),
            "What usage may cost at most: `$500/month`; then calls are refused.",
        ),
        key(
            "grace",
            Default("0s"),
            One(DURATION),
            "How long calls are still served after the first failed attempt to charge an invoice.",
        ),
        key(
            "routes",
            Optional,
            ListOf(&List { item: One(Unit::Path), size: sized("routes", 1, ANY) }),
            "The routes that the plan covers; by default all.",
        ),
    ],
    named: None,
    rules: &[
        Rule::Needs("includes", "past_allowance", "write `past_allowance: block`"),
        Rule::Needs(
            "past_allowance",
            "includes",
            "write what the plan includes, such as `includes: { requests: 10k/month }`",
        ),
        Rule::Needs(
            "rollover",
            "includes",
            "write what the plan includes, such as `includes: { requests: 10k/month }`",
        ),
        Rule::Needs("overage", "past_allowance", "write `past_allowance: overage`"),
    ],
};

static PAST_ALLOWANCE: Choice = Choice::of(&["block", "overage"]);

static THROTTLE: Table =
    keys(&[key("throttle", Required, One(Unit::Rate), "How fast calls past the allowance still pass, unbilled.")]);

static INCLUDES: Table = named(
    "Units per period; without `/day`, `/month` or `/year`, per the fee's.",
    Unit::Name,
    One(Unit::Allowance),
    sized("meters", 1, METERS_MAX),
);

static ROLLOVER: Table = keys(&[
    key("min", Default("0"), quantity(0, UNITS_MOST), "At least so many units, even when fewer were left."),
    key("max", Required, quantity(0, UNITS_MOST), "At most so many units."),
]);

static LIMIT: Table = Table {
    keys: &[
        key("requests", Optional, One(Unit::Rate), "How fast requests may come."),
        key("in_flight", Optional, quantity(1, 1_000_000), "How many may be in flight at once, of `concurrency`."),
        key("kind", Required, One(Unit::Choice(&LIMIT_KIND)), "How it is counted."),
        key(
            "burst",
            Optional,
            quantity(1, 1_000_000_000),
            "How many may come at once; by default what a second refills, rounded up, of a token bucket, and none beyond the rate of a leaky bucket.",
        ),
    ],
    named: None,
    rules: &[Rule::ExactlyOne(
        &["requests", "in_flight"],
        "write how fast requests may come, such as `requests: 20/s`",
    )],
};

static LIMIT_KIND: Choice =
    Choice::of(&["token_bucket", "leaky_bucket", "fixed_window", "sliding_window", "concurrency"]);

// === Prepaid ===

static PREPAID: Table = Table {
    keys: &[
        key("opening", Optional, One(Unit::Money), "Credit granted when the subscription starts."),
        key("paid", Default("false"), One(Unit::Bool), "Whether the opening credit was paid for."),
        key(
            "grants",
            Default("[]"),
            ListOf(&List { item: Map(&GRANT), size: sized("grants", 0, 8) }),
            "More credit granted when the subscription starts, each with its own terms.",
        ),
        key(
            "credits_expire",
            Optional,
            One(LENGTH_ABOVE_ZERO),
            "How long credit lasts, granted or bought; by default for ever.",
        ),
        key("auto_top_up", Optional, Map(&AUTO_TOP_UP), "Credit bought when it runs low."),
    ],
    named: None,
    rules: &[Rule::AtLeastOne(&["opening", "grants"], "write the credit to start with, such as `opening: $10`")],
};

static GRANT: Table = keys(&[
    key("amount", Required, One(Unit::Money), "How much."),
    key("priority", Default("0"), quantity(0, 255), "Lower numbers are used first."),
    key("expires", Optional, One(LENGTH_ABOVE_ZERO), "How long it lasts; by default as `credits_expire` says."),
    key("paid", Default("false"), One(Unit::Bool), "Whether it was paid for."),
]);

static AUTO_TOP_UP: Table = keys(&[
    key("below", Required, One(Unit::Money), "Buys when less than this is left."),
    key("add", Required, One(Unit::Money), "How much is bought."),
    key("at_most", Optional, One(Unit::CountPer(Period::Month)), "How often in a month: `10/month`."),
]);

// === Prices ===

static PRICES: Table = named(
    "The price of a unit, `$0.001`, or of many, `$2.50 per 1M`, both linear; or a map with packages or tiers.",
    Unit::Name,
    OneOrMap(Unit::Price, &PRICE_MODEL),
    sized("meters", 1, METERS_MAX),
);

static PRICE_MODEL: Table = Table {
    keys: &[
        key("package", Optional, quantity(1, UNITS_MOST), "How many units a package has; a begun one counts whole."),
        key("price", Optional, One(Unit::Money), "What a package costs."),
        key("free", Optional, quantity(0, UNITS_MOST), "How many units cost nothing before the first package."),
        key("graduated", Optional, ListOf(&TIERS), "Tiers that price the units inside of them."),
        key("volume", Optional, ListOf(&TIERS), "Tiers of which the one that is reached prices all units."),
        key("stairstep", Optional, ListOf(&STEPS), "Tiers with one price each for all units."),
    ],
    named: None,
    rules: &[
        Rule::ExactlyOne(
            &["package", "graduated", "volume", "stairstep"],
            "write `package` with its `price`, or tiers; a price per unit needs no map",
        ),
        Rule::Needs("package", "price", "write what a package costs, such as `price: $2.50`"),
        Rule::Needs("price", "package", "write how many units it is for, such as `package: 1M`"),
        Rule::Needs("free", "package", "a free tier is one with `price: $0`"),
    ],
};

static TIERS: List = List { item: Map(&TIER), size: sized("tiers", 1, 20) };
static STEPS: List = List { item: Map(&STEP), size: sized("tiers", 1, 20) };

const UP_TO: &str = "Its last unit, counted from 1 over all tiers; only the last tier has none.";

static TIER: Table = Table {
    keys: &[
        key("up_to", Optional, quantity(1, UNITS_MOST), UP_TO),
        key("price", Optional, One(Unit::Price), "What a unit costs."),
        key("flat", Optional, One(Unit::Money), "What reaching the tier costs beside that."),
    ],
    named: None,
    rules: &[Rule::AtLeastOne(&["price", "flat"], "write what a unit costs, such as `price: $0.001`")],
};

static STEP: Table = keys(&[
    key("up_to", Optional, quantity(1, UNITS_MOST), UP_TO),
    key("price", Required, One(Unit::Money), "What all units together cost."),
]);

// === Changes ===

pub(super) static CHANGES: List = List { item: Map(&CHANGE), size: sized("changes", 0, 100) };

static CHANGE: Table = keys(&[
    key("at", Required, One(DURATION_ABOVE_ZERO), "When, after the start."),
    key("plans", Required, Map(&CHANGED_PLANS), "What changes, by plan."),
    key(
        "applies_to",
        Required,
        One(Unit::Choice(&APPLIES_TO)),
        "Whom it reaches beside those who subscribe later: nobody, those already there from their next period, or all at once.",
    ),
]);

static CHANGED_PLANS: Table = named(
    "What differs from the plan as it is then. Maps merge, lists replace, `~` removes.",
    Unit::Name,
    Overlay(&PLAN),
    sized("plans", 1, ANY),
);

static APPLIES_TO: Choice = Choice::of(&["new", "at_renewal", "all"]);
