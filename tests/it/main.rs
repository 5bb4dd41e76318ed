//! The integration tests: one binary, one subject a file, over a small harness of our own.

mod floors;
mod harness;
mod harness_holds;
