//! The verbs, one a file.

/// A line on standard error. One that takes nothing (a full disk, a reader that left) costs the line, and not the exit code.
macro_rules! complain {
    ($($said:tt)*) => {
        $crate::cmd::complained(format_args!($($said)*))
    };
}

pub mod adopt;
pub mod attach;
pub mod center;
pub mod clean;
pub mod complete;
pub mod completions;
pub mod config;
pub mod detach;
pub mod doctor;
mod ensure;
pub mod help;
pub mod hooks;
pub mod init;
mod install;
mod instance;
pub mod list;
pub mod logs;
mod manual;
pub mod restart;
pub mod run;
pub mod screen;
pub mod send;
pub mod show;
pub mod start;
pub mod stop;
pub mod target;
pub mod trust;
pub mod ui;
pub mod wait;
mod watch;

use crate::render::visible_lines;
use std::io::{self, ErrorKind, Write as _};

/// The exit code of a usage error.
const USAGE: u8 = 2;

/// The exit code of a verb that waited for something in vain.
const TIMED_OUT: u8 = 4;

/// The exit code of a verb that Ctrl-C ended, as shells count: 128 and SIGINT.
const INTERRUPTED: i32 = 130;

/// What `complain!` does.
fn complained(line: std::fmt::Arguments) {
    let _ = writeln!(io::stderr(), "{}", visible_lines(&line.to_string()));
}

/// The last word of a verb that failed.
pub fn failed(error: &anyhow::Error) {
    complain!("wrap: {error:#}");
}

/// Writes a verb's data. A reader that has seen enough (`wrap list | head -1`) is no error.
fn print(text: &str) -> io::Result<()> {
    print_on(text).map(drop)
}

/// The same for a verb that goes on: `false` where nobody reads any more.
fn print_on(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}
