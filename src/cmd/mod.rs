//! The verbs, one a file.

pub mod completions;
pub mod help;
pub mod run;
