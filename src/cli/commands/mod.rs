//! One module per command: a function from what was typed to a verdict.

pub mod completions;
pub mod doctor;
pub mod init;
pub mod load;
pub mod plan;
pub mod run;
pub mod schema;
pub mod serve;
pub mod simulate;
pub mod validate;
