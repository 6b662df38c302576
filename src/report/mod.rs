//! Renders outcomes. Reads plain data only: nothing here runs, measures or decides.

pub mod load;
pub mod run;
pub mod text;
