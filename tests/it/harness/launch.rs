//! What is to be run, and how: the fluent half of the harness.

use super::{Finished, Piped, Sandbox, Terminal, signals};
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A terminal's size where a test does not care.
const ROWS: u16 = 24;
const COLUMNS: u16 = 100;

/// A command with the sandbox's environment, to be started in a terminal or with pipes.
pub struct Launch {
    command: Command,
    streams: [Option<Stdio>; 3],
    input: Option<Vec<u8>>,
    size: (u16, u16),
}

impl Launch {
    /// In the sandbox's project, with the sandbox's environment and nothing of ours.
    pub fn new<A: AsRef<OsStr>>(sandbox: &Sandbox, program: &OsStr, args: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(sandbox.environment()).current_dir(sandbox.project());
        signals::reset(&mut command);
        Self { command, streams: [const { None }; 3], input: None, size: (ROWS, COLUMNS) }
    }

    /// Sets one variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes one variable away.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts in another directory.
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.command.current_dir(dir.into());
        self
    }

    /// Starts with every signal blocked.
    pub fn signals_blocked(mut self) -> Self {
        signals::block_all(&mut self.command);
        self
    }

    /// Starts in a terminal of this size.
    pub fn size(mut self, rows: u16, columns: u16) -> Self {
        self.size = (rows, columns);
        self
    }

    /// Standard input is this file; without it a piped command gets an empty one.
    pub fn stdin_from(mut self, file: File) -> Self {
        self.streams[0] = Some(file.into());
        self
    }

    /// Standard input is a pipe with these bytes, and then ends.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Standard output goes to this file.
    pub fn stdout_to(mut self, file: File) -> Self {
        self.streams[1] = Some(file.into());
        self
    }

    /// Runs it in a terminal of its own.
    pub fn terminal(self) -> Terminal {
        Terminal::start(self.command, self.size.0, self.size.1)
    }

    /// Starts it with pipes; its standard input stays open until it is closed.
    pub fn start(self) -> Piped {
        let input = self.input;
        let mut piped = Piped::start(self.command, self.streams);
        if let Some(bytes) = input {
            piped.send(bytes);
            piped.close_stdin();
        }
        piped
    }

    /// Runs it with pipes to its end. Its standard input is empty unless [`Launch::input`] or
    /// [`Launch::stdin_from`] said otherwise.
    #[track_caller]
    pub fn piped(mut self) -> Finished {
        if self.input.is_none() && self.streams[0].is_none() {
            self.streams[0] = Some(Stdio::null());
        }
        self.start().finish()
    }
}
