//! The registry: which instances there are.

pub mod entry;
