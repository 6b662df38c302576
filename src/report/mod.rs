//! Renders outcomes. Reads plain data only: nothing here runs, measures or decides.

pub mod assumed;
mod dunning;
pub mod explain;
pub mod fault;
pub mod given_up;
pub mod load;
pub mod oracle;
pub mod run;
pub mod table;
pub mod text;
pub mod threshold;
mod webhooks;
