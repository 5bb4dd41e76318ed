//! Lines of ours on standard error: never a panic, never a wait, never an escape sequence of somebody's name.

use crate::files;
use crate::sys::reopen::Sink;

/// The longest line; a message with a command line in it is cut there.
const LONGEST: usize = 2000;

/// Says it, if standard error takes it at once. A full disk or a reader that is gone or asleep costs the line.
pub fn tell(text: &str) {
    if let Ok(sink) = Sink::open(rustix::stdio::stderr()) {
        let _ = sink.write(line(text).as_bytes());
    }
}

/// The line as it is written. A raw terminal does not return the carriage by itself; elsewhere the return is harmless
/// only on a terminal, so it is added there alone.
pub fn line(text: &str) -> String {
    let end = if rustix::termios::isatty(rustix::stdio::stderr()) { "\r\n" } else { "\n" };
    format!("wrap: {}{end}", files::printable(text, LONGEST))
}
