//! wrap: put it in front of any dev command; nothing about the command changes, except that it is known.
//!
//! The floors, and who may import whom, are in ARCHITECTURE.md; `tests/it/floors.rs` holds them.

pub mod api;
pub mod cli;
pub mod cmd;
pub mod end;
pub mod error;
pub mod paths;
pub mod registry;
pub mod render;
pub mod sweep;
pub mod sys;
