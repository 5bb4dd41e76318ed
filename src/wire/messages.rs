//! What the payloads of frames say that are more than bytes or a number.

use super::Kind;
#[cfg(doc)]
use super::VERSION;
use crate::sys::tty::{Modes, Size};
use serde::{Deserialize, Serialize};

/// An output stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stream {
    /// Standard output, or both where they are the same file, or the terminal.
    Out = 1,
    /// Standard error.
    Err = 2,
}

impl Stream {
    pub(super) fn of(byte: u8) -> Option<Self> {
        [Self::Out, Self::Err].into_iter().find(|stream| *stream as u8 == byte)
    }

    /// The frame that carries its output.
    pub fn output(self) -> Kind {
        match self {
            Self::Out => Kind::Output,
            Self::Err => Kind::ErrorOutput,
        }
    }
}

/// News for the user, as terminals and desktops show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is about.
    pub title: String,
    /// What it says.
    pub text: String,
}

/// How a pipe-mode stream of the caller is passed to the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// As it is: a terminal, a file, a device, or closed.
    Inherited,
    /// Through a pipe of its own, relayed byte for byte.
    Relayed,
    /// Into the pipe of standard output, because both are the same file and their order counts.
    WithOut,
}

/// How the keeper is to hold the streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Streams {
    /// A PTY.
    Terminal {
        /// The modes of the outer terminal; the kernel's own where there is none.
        modes: Option<Modes>,
        /// Its size.
        size: Size,
        /// Whether the client is in the foreground of it.
        foreground: bool,
        /// Which of the three are the terminal; the others are inherited as they are.
        terminals: [bool; 3],
        /// What was typed before the client had the terminal: echoed already, and not to be echoed again.
        typed: Vec<u8>,
    },
    /// Pipes.
    Pipe {
        /// Standard output.
        out: Route,
        /// Standard error.
        err: Route,
    },
}

/// Everything that a keeper needs to know and does not inherit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// [`VERSION`].
    pub version: u32,
    /// How to hold the streams.
    pub streams: Streams,
    /// No client stays: the command's streams above 2 are not passed on.
    pub detached: bool,
    /// What `--name` said.
    pub name: Option<String>,
    /// What `--port` said.
    pub port: Option<u16>,
}

/// The command runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// [`VERSION`].
    pub version: u32,
    /// The command's process.
    pub pid: u32,
    /// Its start token.
    pub token: u64,
    /// The instance.
    pub instance_id: String,
    /// Its project's name.
    pub name: String,
    /// Its entry, to be removed if the keeper dies; `None` where the registry could not be had.
    pub entry: Option<std::path::PathBuf>,
    /// How long a command that is asked to end may take, in milliseconds.
    pub grace: u64,
    /// Nothing that it starts may outlive it, not even what leads a session of its own.
    #[serde(default)]
    pub ends_sessions: bool,
    /// How long it may take to become ready, in milliseconds.
    #[serde(default)]
    pub ready_timeout: u64,
    /// It is known to become ready: by a port or a text that was configured.
    #[serde(default)]
    pub expects: bool,
    /// The two keys that detach a client, as a terminal sends them; `None` where there are none.
    #[serde(default)]
    pub detach_keys: Option<[u8; 2]>,
}

/// Where a run answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its port, where one is known.
    pub port: Option<u16>,
    /// Where to open it.
    pub url: Option<String>,
}

/// A client that comes to a run that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attach {
    /// [`VERSION`].
    pub version: u32,
    /// Its terminal's size.
    pub size: Size,
    /// The modes that its terminal has without us, to be given back where it is killed.
    pub modes: Option<Modes>,
    /// It looks on: nothing that it says reaches the command, and its size does not count.
    pub read_only: bool,
    /// Whether it is shown the screen as it is now, or only what comes.
    pub replay: bool,
}

/// The command did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What to exit with.
    pub code: u8,
    /// The sentence for the user.
    pub message: String,
}

/// The client runs, perhaps in another place than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Whether it is in the foreground of its terminal now.
    pub foreground: bool,
    /// The modes that the terminal had when it was taken again, if it was.
    pub modes: Option<Modes>,
    /// What was typed there before; it was echoed there.
    pub typed: Vec<u8>,
    /// By SIGCONT; a shell that brings forward what was running sends none.
    pub continued: bool,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}
