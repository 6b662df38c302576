//! Any bytes as the recorded calls of a scenario that is right. They go through a file, as in a scenario: the reader has
//! no other way in.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use farebox_fuzz::read_and_play;
use libfuzzer_sys::fuzz_target;

/// Its columns are those of `tests/it/broken/rows.csv`.
const SCENARIO: &str = "\
scenario: traces
horizon: 1d
meters:
  tokens: { sum: [input, output] }
plans:
  payg: { prepaid: { opening: $10 }, prices: { tokens: $2.50 per 1M } }
  pro: { fee: $49/month, includes: { tokens: 1k }, past_allowance: overage, overage: { tokens: { graduated: [ { up_to: 50, price: $0.01 }, { price: $0.005 } ] } } }
consumers:
  drawn: { count: 3, plan: payg, traffic: { trace: trace.csv, columns: { time: at, input: in, output: out } } }
  named: { count: 50, plan: pro, traffic: { trace: trace.csv, columns: { time: at, consumer: who, input: in, output: out } } }
";

/// The same with routes, in other hands, again and again. By itself, because most rows are for none of its routes.
const ROUTED: &str = "\
scenario: routed
horizon: 1d
routes:
  /a: {}
  /a/b: {}
plans:
  free: {}
consumers:
  again: { count: 50, plan: free, traffic: { trace: trace.csv, columns: { time: at, route: who }, map: zipf(1.5), repeat: true } }
";

/// A folder of this process: several may fuzz at once.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("farebox-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(FOLDER.join("trace.csv"), bytes).expect("a temporary file");
    read_and_play(SCENARIO, &FOLDER);
    read_and_play(ROUTED, &FOLDER);
});
