//! How large a scenario may be. Every loop over what a user wrote ends at one of these.

use farebox_engine::time::{DAY, Span};

/// Bytes of the scenario's text; and of its values, aliases expanded.
pub(super) const TEXT_BYTES: usize = 16 << 20;
/// Levels of nesting.
pub(super) const DEPTH: usize = 64;
/// Values, aliases expanded.
pub(super) const NODES: usize = 1_000_000;
/// Values of a document times its variants: each of them is read as a document of its own.
pub(super) const VARIED_NODES: usize = 4_000_000;
/// Names in one map, such as plans or cohorts: what is beyond is counted, not read.
pub(super) const NAMES: usize = 1_000;
/// Consumers over all cohorts.
pub(super) const CONSUMERS: u64 = 100_000_000;
/// Years of a horizon.
pub(super) const HORIZON_YEARS: u32 = 10;
/// Any other duration: ten years with their leap days.
pub(super) const DURATION: Span = Span::from_ns(3_653 * DAY);
/// Calls a second of one consumer, and of a load.
pub(super) const CALLS_PER_S: u64 = 1_000_000;
/// Engine units of an amount, and of what a consumer may come to owe: a tenth of the range, so that sums stay inside of it.
pub(super) const AMOUNT_NANOS: i64 = i64::MAX / 10;
/// What a token bucket may hold, in tokens × the nanoseconds of its span: the engine counts them in 64 bits.
pub(super) const BUCKET_LEVEL: u128 = 1 << 62;
/// Tokens for the retries of one client.
pub(super) const TOKENS: u64 = 1_000_000;
/// Calls that a sliding window counts to: the engine remembers each of them.
pub(super) const LOGGED_CALLS: u64 = 1 << 24;
/// Nanoseconds of a window.
pub(super) const WINDOW_NS: u64 = 1 << 62;
/// Rows of a trace, repeats included; 48 bytes of memory for each that is in the file, and 4 each time that it is played.
pub(super) const TRACE_ROWS: usize = 64 << 20;
/// Bytes of a trace, unpacked.
pub(super) const TRACE_BYTES: u64 = 8 << 30;
/// Bytes of one row of a trace.
pub(super) const TRACE_ROW_BYTES: u64 = 1 << 20;
/// What one call may use of a meter: all rows of a trace together then still fit in 64 bits.
pub(super) const USAGE: u64 = 100_000_000_000;
/// Bad rows of a trace that are shown one by one.
pub(super) const BAD_ROWS_SHOWN: u64 = 5;
/// Bytes of a file of measured values, and how many of them it may hold.
pub(super) const VALUES_BYTES: u64 = 64 << 20;
/// See [`VALUES_BYTES`].
pub(super) const VALUES: usize = 1 << 20;
/// Points of a grid.
pub(super) const POINTS: u128 = 100_000;
/// Bytes of an option that sets a key.
pub(super) const OPTION_BYTES: usize = 64 << 10;
