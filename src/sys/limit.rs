//! The limit of open descriptors, raised for as long as it is needed.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Raises the soft limit while it lives. It is put back afterwards, because what is spawned inherits it, and a
/// program that uses select(2) cannot live with more than 1024.
#[derive(Debug)]
pub struct Descriptors {
    before: Option<Rlimit>,
    allowed: u64,
}

impl Descriptors {
    /// Asks for so many descriptors, or for as many as the hard limit allows.
    pub fn at_least(wanted: u64) -> Self {
        let before = getrlimit(Resource::Nofile);
        let soft = before.current.unwrap_or(u64::MAX);
        let allowed = wanted.min(before.maximum.unwrap_or(u64::MAX));
        if allowed > soft {
            let raised = Rlimit { current: Some(allowed), maximum: before.maximum };
            if setrlimit(Resource::Nofile, raised).is_ok() {
                return Self { before: Some(before), allowed };
            }
        }
        Self { before: None, allowed: soft }
    }

    /// What the limit was before, if it was raised: what is spawned is to have it again ([`restored`]).
    pub fn before(&self) -> Option<Rlimit> {
        self.before
    }

    /// How many may be open now.
    pub fn allowed(&self) -> u64 {
        self.allowed
    }
}

/// Has a command start with this limit.
pub fn restored(command: &mut Command, limit: Option<Rlimit>) -> &mut Command {
    let Some(limit) = limit else { return command };
    // SAFETY: between fork and exec there is one call, setrlimit(2), which is async-signal-safe and allocates nothing.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Nofile, limit)?)) }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // Lowering a soft limit is always allowed.
            let _ = setrlimit(Resource::Nofile, before);
        }
    }
}
