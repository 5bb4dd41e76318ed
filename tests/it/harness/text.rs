//! Terminal output as text to search in and to print.

use std::fmt::Write;
use std::process::Command;

/// How much of a terminal a failing test prints.
const TAIL: usize = 4000;

/// A command as its program and arguments; its environment is the sandbox's and would fill the page.
pub fn title(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.display().to_string().escape_debug().to_string()).collect::<Vec<_>>().join(" ")
}

/// The last of these bytes, escaped, one line a line.
pub fn tail(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(TAIL);
    let mut text = String::new();
    if from > 0 {
        let _ = writeln!(text, "  … {from} bytes before …");
    }
    for line in bytes[from..].split_inclusive(|&byte| byte == b'\n') {
        let _ = writeln!(text, "  | {}", line.escape_ascii());
    }
    text
}

/// Where `needle` begins in `hay`, at or after `from`.
pub fn find(hay: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = hay.get(from..)?;
    if needle.is_empty() {
        return Some(from);
    }
    rest.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

/// The text as a reader sees it: without escape sequences (CSI, OSC, DCS and the two-byte ones) and carriage returns.
pub fn plain(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after.first()) {
            (0x1b, Some(b'[')) => skip(&after[1..], |byte| (0x40..=0x7e).contains(&byte)),
            (0x1b, Some(b']' | b'P' | b'_' | b'^')) => skip_string(&after[1..]),
            (0x1b, Some(_)) => &after[1..],
            (b'\r', _) => after,
            _ => {
                text.push(byte);
                after
            }
        };
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What follows the first byte for which `last` holds.
fn skip(bytes: &[u8], last: impl Fn(u8) -> bool) -> &[u8] {
    bytes.iter().position(|&byte| last(byte)).map_or(&[], |at| &bytes[at + 1..])
}

/// What follows the BEL or ST that ends a control string.
fn skip_string(bytes: &[u8]) -> &[u8] {
    for (at, &byte) in bytes.iter().enumerate() {
        match (byte, bytes.get(at + 1)) {
            (0x07, _) => return &bytes[at + 1..],
            (0x1b, Some(b'\\')) => return &bytes[at + 2..],
            _ => {}
        }
    }
    &[]
}

#[test]
fn plain_text_loses_its_colours_titles_and_links() {
    let bytes = b"\x1b[1;32mready\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x07\r\n\x1b7end";
    assert_eq!(plain(bytes), "ready link\nend");
}
