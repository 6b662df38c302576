//! The properties of [`invariants`] and [`properties`] over ranges of seeds that take long: not for every run of the
//! tests, but for a night. In parts, so that a part can be run alone:
//!
//! ```text
//! cargo test -p farebox-engine --lib -- --ignored sweep::part_3
//! ```
//!
//! A failure names the property and the seed; the same seed fails again, alone.
//!
//! [`invariants`]: super::invariants
//! [`properties`]: super::properties

use std::ops::Range;

use super::arithmetic::is_plain_arithmetic;
use super::component::settles_together_as_one_by_one;
use super::headroom::is_as_one_by_one;
use super::invariants::{
    changes_status_legally, conserves_grants, does_anything, finds_invoices_again, never_stands_still,
    places_each_unit, recurs_as_planned, refuses_without_a_trace, resolves_once, stays_below_the_cap, sums_to_zero,
};
use super::properties::{accounts_for_every_call, jumps_as_it_steps, merges_to_the_whole, replays_as_logged};
use super::wrong::{is_as_its_log, nothing_is_wrong, only_what_can_be_wrong_is, right};
use super::{drawn, for_each_seed};
use crate::world::World;

/// What is tried on each world.
const PROPERTIES: [fn(u64, &World); 17] = [
    sums_to_zero,
    conserves_grants,
    resolves_once,
    finds_invoices_again,
    recurs_as_planned,
    places_each_unit,
    stays_below_the_cap,
    refuses_without_a_trace,
    changes_status_legally,
    never_stands_still,
    accounts_for_every_call,
    merges_to_the_whole,
    jumps_as_it_steps,
    replays_as_logged,
    is_as_one_by_one,
    is_as_its_log,
    only_what_can_be_wrong_is,
];

fn sweep(seeds: Range<u64>) {
    for_each_seed(seeds, |seed| {
        let world = drawn::world(seed);
        for property in PROPERTIES {
            property(seed, &world);
        }
        nothing_is_wrong(seed, &right(seed));
        settles_together_as_one_by_one(seed, &world);
        does_anything(seed);
        is_plain_arithmetic(seed);
    });
}

/// Parts of 50,000 seeds: half an hour on two cores.
macro_rules! parts {
    ($($name:ident: $part:literal),* $(,)?) => {
        $(
            #[test]
            #[ignore = "it takes many minutes"]
            fn $name() {
                sweep(1_000_000 + 50_000 * $part..1_050_000 + 50_000 * $part);
            }
        )*
    };
}

parts!(
    part_0: 0, part_1: 1, part_2: 2, part_3: 3, part_4: 4, part_5: 5, part_6: 6, part_7: 7,
    part_8: 8, part_9: 9, part_10: 10, part_11: 11,
);
