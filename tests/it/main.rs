//! The integration tests: one binary, one subject a file, over a small harness of our own.

mod api;
mod attach;
mod background;
mod center;
mod center_guard;
mod center_verbs;
mod command_line;
mod faults;
mod floors;
mod generated;
// Shared with the conformance suite: what only that uses is unused here.
#[allow(dead_code, unused_imports)]
mod harness;
mod harness_holds;
mod history;
mod hook_events;
mod hook_trust;
mod hooks;
mod job_control;
mod list;
mod log_live;
mod logs;
mod page;
mod ping;
mod ports;
mod project;
mod restart;
mod run_pipe;
mod run_terminal;
mod send;
mod shipped_hooks;
mod show;
mod stop;
mod wait;
mod ways_out;
mod worst_days;
