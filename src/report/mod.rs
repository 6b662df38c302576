//! Renders outcomes. Reads plain data only: nothing here runs, measures or decides.

pub mod about;
pub mod annotations;
pub mod assumed;
pub mod baseline;
pub mod compare;
mod dunning;
pub mod explain;
pub mod fault;
pub mod given_up;
pub mod hlog;
pub mod html;
pub mod junit;
pub mod load;
pub mod markdown;
pub mod oracle;
pub mod run;
pub mod section;
pub mod shown;
pub mod statement;
pub mod stored;
pub mod sweep;
pub mod table;
pub mod text;
pub mod threshold;
mod webhooks;
