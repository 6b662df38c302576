//! One module per command: a function from what was typed to a verdict.

pub mod compare;
pub mod completions;
pub mod doctor;
mod elsewhere;
pub mod explain;
pub mod import;
pub mod init;
pub mod judged;
pub mod load;
pub mod plan;
pub mod prove;
pub mod repeats;
pub mod report;
pub mod run;
pub mod schema;
pub mod serve;
pub mod simulate;
pub mod sweep;
pub mod validate;
