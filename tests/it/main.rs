//! The integration tests, in one binary: linking is what costs.
//!
//! - `baselines`: what is kept of runs, and what is worse than it.
//! - `ci`: what pipelines are told, and the schema of outcomes.
//! - `cli`: the program from outside: exit code, standard output and standard error of whole commands.
//! - `clients`: presets of clients beside what their libraries do.
//! - `collected`: payments over sockets: lockstep, replay, and the processor beside the books.
//! - `commands`: `init`, `plan` and `doctor`: whole answers, and figures beside exact sums and a simulation.
//! - `compare`: what a change does to whom: known answers, coverage, whole pages.
//! - `diagnostics`: broken scenarios beside what is said of them.
//! - `determinism`: the same seed, the same bytes.
//! - `docs`: what the documents say is true: their scenarios, links and commands.
//! - `drawn`: random scenarios over the whole language, read, broken, played on both halves.
//! - `import`: access logs become traces, and nothing of them is passed over in silence.
//! - `explain`: the stories of single consumers.
//! - `live`: the gateway on sockets: refusals, aborts, what travels through it.
//! - `load`: loads on sockets: what is measured, what happens when the gateway falls behind, targets of somebody's own.
//! - `oracle`: which answers were wrong, on the page, in tables, thresholds and stories.
//! - `payments`: the payment processor alone: whom it serves, what it says, and how it ends.
//! - `proofs`: that both halves decide alike, and that the proofs can fail.
//! - `prove`: textbook formulas beside what is simulated: whole answers of the command.
//! - `report`: pages for a browser, rendered again and side by side, and the example that is kept.
//! - `schema`: the JSON Schema beside the parser.
//! - `sweep`: grids from outside: the page, tables, charts, hostile names, an interrupt.
//! - `tidy`: the few rules that the architecture stands on.
//! - `told`: webhooks that go wrong on the wire, payments that go back, and who is believed.
//! - `trace`: recorded calls, counted and paid to the nano, repeated, packed, and built to hurt.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots with them")]
#![expect(clippy::unwrap_used, reason = "also in what tests share: a test that cannot go on has failed")]

mod baselines;
mod ci;
mod cli;
mod clients;
mod collected;
mod commands;
mod compare;
mod determinism;
mod diagnostics;
mod docs;
mod drawn;
mod explain;
mod fixture;
mod import;
mod live;
mod load;
mod oracle;
mod payments;
mod program;
mod proofs;
mod prove;
mod report;
mod schema;
mod sweep;
mod thresholds;
mod tidy;
mod told;
mod trace;
