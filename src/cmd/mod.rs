//! The verbs, one a file.

pub mod clean;
pub mod completions;
pub mod help;
pub mod list;
pub mod run;
pub mod stop;
