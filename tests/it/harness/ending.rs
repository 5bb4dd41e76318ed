//! What became of a process, as waitpid tells it.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// One change of a job's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Stopped by this signal.
    Stopped(i32),
    /// Runs again.
    Continued,
    /// Ended, and everything that it wrote has been read.
    Ended(Ending),
}

impl Change {
    /// Reads the status that waitpid gave.
    pub fn from_wait(status: i32) -> Self {
        let status = ExitStatus::from_raw(status);
        if let Some(signal) = status.stopped_signal() {
            Self::Stopped(signal)
        } else if status.continued() {
            Self::Continued
        } else {
            Self::Ended(Ending::from(status))
        }
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => unreachable!("a process that ended has a code or a signal: {status:?}"),
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "exit code {code}"),
            Self::Signal(signal) => write!(out, "killed by signal {signal}"),
        }
    }
}
