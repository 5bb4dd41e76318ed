//! What a client is there for, and how it ends.

use super::Visit;
use crate::sys::pty::Pty;
use crate::sys::signal;
use crate::sys::tty::Size;
use rustix::fd::OwnedFd;
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// What to run, as the command line said it.
pub struct Plan {
    /// The command and its arguments; at least one word.
    pub command: Vec<OsString>,
    /// `--name`.
    pub name: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--detach`: leave it running and return.
    pub detach: Option<Detach>,
    /// `--verbose`: a line at the start and one at the end.
    pub verbose: bool,
    /// Held until the run is registered, where somebody has to know by then that it is there.
    pub lock: RefCell<Option<File>>,
    /// `--pty`: under a PTY also where the streams are no terminals.
    pub pty: bool,
    /// Runs the keeper in a process of its own: [`crate::keeper::run`], which the client does not know.
    pub keeper: fn(OwnedFd, Option<Pty>) -> i32,
    /// A word to add where the command is not found.
    pub suggest: fn(&OsStr) -> Option<String>,
}

/// How to leave a run behind.
#[derive(Debug, Clone, Copy)]
pub struct Detach {
    /// The size of its terminal.
    pub size: Size,
    /// Wait until it is ready; `Some(None)` for as long as is configured.
    pub wait: Option<Option<Duration>>,
    /// Tell it as JSON.
    pub json: bool,
}

/// How a run ended for the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit with this code.
    Exit(u8),
    /// Die of this signal.
    Die(i32),
}

impl Outcome {
    /// Ends this process so: by the signal itself, so that a shell sees the same death.
    pub fn carry_out(self) -> ExitCode {
        match self {
            Self::Exit(code) => ExitCode::from(code),
            Self::Die(signal) => {
                signal::die_of(signal);
                // Only for a signal that does not kill: what a shell would report of it.
                ExitCode::from(128u8.wrapping_add(signal as u8))
            }
        }
    }
}

/// What a client is there for.
pub(super) enum Errand {
    /// It has started the command and shows it.
    Run(Rc<Plan>),
    /// It has started the command and leaves it.
    Leave(Rc<Plan>, Detach),
    /// It looks at a command that others have started.
    Visit(Visit),
}

impl Errand {
    /// What it has started.
    pub(super) fn plan(&self) -> Option<&Rc<Plan>> {
        match self {
            Self::Run(plan) | Self::Leave(plan, _) => Some(plan),
            Self::Visit(_) => None,
        }
    }

    /// What the command is called in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Run(plan) | Self::Leave(plan, _) => plan.command[0].display().to_string(),
            Self::Visit(visit) => visit.name.clone(),
        }
    }
}
