//! Any bytes as an access log, packed or not. Each line is a call or has a reason why it is none, and what is written is
//! a trace with a row for each call.

#![no_main]

use std::io::BufReader;

use farebox::import::trace::{Wanted, read};
use farebox::unpack::Unpacked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = Unpacked::new(bytes) else { return };
    let wanted = Wanted { top_routes: Some(2), is_anonymous: true, until_s: Some(4_000_000_000), ..Wanted::default() };
    let Ok(log) = read(BufReader::new(text), &wanted) else { return };
    let calls = log.summary().map_or(0, |summary| summary.calls as u64);
    let unusable: u64 = log.unusable.values().map(|example| example.lines).sum();
    assert_eq!(log.lines, calls + log.unwanted + unusable, "a line was lost, or counted twice");
    let mut trace = Vec::new();
    log.write(&mut trace).expect("memory takes all");
    // A header, and a line for each call: nothing that a log can hold makes a row of two.
    assert_eq!(trace.iter().filter(|byte| **byte == b'\n').count() as u64, 1 + calls);
});
