//! Distributions, of times, of rates, of amounts and of numbers of calls: the same forms with another unit.

use farebox_engine::model::Sessions;

use super::Presence::{Optional, Required};
use super::Shape::{List as ListOf, Map, One};
use super::{Bounds, DURATION, DURATION_ABOVE_ZERO, Key, Least, List, Rule, Table, Unit, key, keys, limit, sized};

/// The forms that a distribution may have.
const FORMS: &[&str] = &["p50", "exponential", "uniform", "pareto", "gamma", "file"];
const FORMS_OF_RATES: &[&str] = &["p50", "exponential", "uniform", "pareto", "gamma"];

const SHAPE_HELP: &str = "write two points, such as `p50` and `p99`, or one value in place of the map";

/// The table of distributions of one unit, as constants of a module.
macro_rules! distribution {
    ($table:ident, $pareto:ident, $gamma:ident, $unit:expr, $from_zero:expr, $forms:expr, [$($more:expr),*]) => {
        static $pareto: Table = keys(&[
            key("min", Required, One($unit), "The least."),
            key("alpha", Required, One(Unit::Number(Least::AboveZero)), "How fast the tail falls."),
        ]);
        static $gamma: Table = keys(&[
            key("shape", Required, One(Unit::Number(Least::AboveZero)), "Its shape; 1 is exponential."),
            key("mean", Required, One($unit), "Its mean."),
        ]);
        pub(super) static $table: Table = Table {
            keys: &[
                key("p50", Optional, One($unit), "The median of a log-normal distribution."),
                key("p95", Optional, One($unit), "What 5% exceed."),
                key("p99", Optional, One($unit), "What 1% exceed."),
                key("exponential", Optional, One($unit), "The mean of an exponential distribution."),
                key(
                    "uniform",
                    Optional,
                    ListOf(&List { item: One($from_zero), size: sized("ends", 2, 2) }),
                    "The two ends of a uniform distribution.",
                ),
                key(
                    "pareto",
                    Optional,
                    Map(&$pareto),
                    "A Pareto distribution: few are far beyond the rest.",
                ),
                key(
                    "gamma",
                    Optional,
                    Map(&$gamma),
                    "A gamma distribution.",
                ),
                $($more),*
            ],
            named: None,
            rules: &[
                Rule::ExactlyOne($forms, SHAPE_HELP),
                Rule::NeedsOne(
                    "p50",
                    &["p95", "p99"],
                    "a distribution needs its second point: write `p99`, or one value in place of the map",
                ),
                Rule::Needs("p95", "p50", "write the median too"),
                Rule::Needs("p99", "p50", "write the median too"),
            ],
        };
    };
}

const FILE_OF_TIMES: Key = key(
    "file",
    Optional,
    One(Unit::Text),
    "Measured values: a file beside the scenario with one number of milliseconds per line.",
);
const FILE_OF_AMOUNTS: Key =
    key("file", Optional, One(Unit::Text), "Measured values: a file beside the scenario with one number per line.");

/// At least one, so that logarithms exist.
const AMOUNT_ABOVE_ZERO: Unit = Unit::Quantity(Bounds { least: 1, most: limit::USAGE });
/// Whole numbers of calls.
const CALLS_ABOVE_ZERO: Unit = Unit::Quantity(Bounds { least: 1, most: Sessions::MOST });
const MAX: Key = key(
    "max",
    Optional,
    One(AMOUNT_ABOVE_ZERO),
    "The upstream truncates there, and so much is held before the answer tells; by default what 1% exceed.",
);

distribution!(TIME, PARETO_OF_TIMES, GAMMA_OF_TIMES, DURATION_ABOVE_ZERO, DURATION, FORMS, [FILE_OF_TIMES]);
distribution!(
    AMOUNT,
    PARETO_OF_AMOUNTS,
    GAMMA_OF_AMOUNTS,
    AMOUNT_ABOVE_ZERO,
    Unit::Quantity(Bounds { least: 0, most: limit::USAGE }),
    FORMS,
    [FILE_OF_AMOUNTS, MAX]
);
distribution!(
    CALLS,
    PARETO_OF_CALLS,
    GAMMA_OF_CALLS,
    CALLS_ABOVE_ZERO,
    Unit::Quantity(Bounds { least: 0, most: Sessions::MOST }),
    FORMS,
    [FILE_OF_AMOUNTS]
);
distribution!(RATE, PARETO_OF_RATES, GAMMA_OF_RATES, Unit::Rate, Unit::Rate, FORMS_OF_RATES, []);
