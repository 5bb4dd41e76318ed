//! The platform: the only `unsafe` and the only `cfg(target_os)` of the crate.

pub mod limit;
pub mod ports;
mod proc_net;
pub mod process;
mod sock_diag;
