//! The platform: the only `unsafe` and the only `cfg(target_os)` of the crate.

pub mod desktop;
pub mod edge;
pub mod file_watch;
pub mod inherited;
pub mod limit;
pub mod lock;
pub mod memory;
pub mod ports;
mod proc_net;
pub mod process;
pub mod pty;
pub mod reopen;
pub mod signal;
mod sock_diag;
pub mod spawn;
pub mod timer;
pub mod tty;
pub mod users;
pub mod watch;
