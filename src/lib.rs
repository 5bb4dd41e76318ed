//! wrap: put it in front of any dev command; nothing about the command changes, except that it is known.
//!
//! The floors, and who may import whom, are in ARCHITECTURE.md; `tests/it/floors.rs` holds them.

pub mod api;
pub mod center;
pub mod cli;
pub mod client;
pub mod cmd;
pub mod config;
pub mod end;
pub mod error;
pub mod files;
pub mod hooks;
pub mod keeper;
pub mod keys;
pub mod log;
pub mod paths;
pub mod ping;
pub mod project;
pub mod registry;
pub mod render;
pub mod sweep;
pub mod sys;
pub mod wire;
