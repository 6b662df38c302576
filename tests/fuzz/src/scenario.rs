//! Any text as a scenario, beside the files of the fixtures.

#![no_main]

use std::path::Path;

use farebox_fuzz::read_and_play;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    read_and_play(text, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../it/fixture")));
    Corpus::Keep
});
