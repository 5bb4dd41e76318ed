//! The verbs, one a file.

pub mod clean;
pub mod completions;
pub mod help;
pub mod list;
pub mod run;
pub mod stop;

use std::io::{self, ErrorKind, Write as _};

/// The exit code of a usage error.
const USAGE: u8 = 2;

/// Writes a verb's data. A reader that has seen enough (`wrap list | head -1`) is no error.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
