//! What others wrote: files that are read with a bound and without waiting, and words from them made fit to show.

use crate::error::Error;
use crate::sys::users;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Manifests and settings are a few kilobytes; a generated one can be some hundred. Beyond this it is something
/// else under that name, and reading it would delay the command.
pub const MANIFEST_BYTES: u64 = 1024 * 1024;

/// Longer names would break every table; npm allows 214 characters, Docker 63, and people read 20.
const NAME_CHARS: usize = 100;

/// As [`read_bounded`], of a file that only we or root can have written down: what another user wrote is an error.
pub fn read_own(path: &Path, limit: u64) -> Result<Option<String>, Error> {
    only(read(path, limit, Whose::OursOrRoots), path)
}

/// The text of a regular file of at most `limit` bytes, without a byte order mark; `None` where there is no file.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<String>, Error> {
    only(read(path, limit, Whose::Anybodys), path)
}

/// Who may have written a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Anybodys,
    OursOrRoots,
}

fn only(read: io::Result<String>, path: &Path) -> Result<Option<String>, Error> {
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::file("read", path, error)),
    }
}

fn read(path: &Path, limit: u64, whose: Whose) -> io::Result<String> {
    // A FIFO would block the open until somebody writes, and a terminal could become our controlling one.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    // With `sudo -E` it is root who reads what a user wrote.
    let is_ours = |uid| uid == rustix::process::geteuid().as_raw() || users::is_root(uid);
    if whose == Whose::OursOrRoots && !is_ours(meta.uid()) {
        return Err(io::Error::other(format!("it belongs to user {}", meta.uid())));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits"; a size asked for beforehand could change.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// A project's name as it is shown and typed; `None` where nothing of it can be shown.
pub fn name(text: &str) -> Option<String> {
    Some(printable(text, NAME_CHARS)).filter(|name| !name.is_empty())
}

/// A text as one line that can be shown anywhere: trimmed, without control characters and without those that are
/// invisible or turn the direction of writing, cut to `limit` characters. It may come out empty.
pub fn printable(text: &str, limit: usize) -> String {
    let spaced = text.trim().chars().map(|c| if c == '\t' { ' ' } else { c });
    let shown: String = spaced.filter(|c| !is_hidden(*c)).take(limit).collect();
    shown.trim().to_owned()
}

/// Whether a terminal or a reader would see something else than is written.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Zero width space and the direction marks; U+200C and U+200D stay: scripts and emoji need them.
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}'
            // Line and paragraph separator, embeddings and overrides, isolates.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Tags: a whole invisible alphabet.
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_read_up_to_the_bound_and_not_beyond() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        assert!(matches!(read_bounded(&path, 4), Ok(None)));
        fs::write(&path, "\u{feff}a").expect("written");
        assert_eq!(read_bounded(&path, 4).expect("it just fits").as_deref(), Some("a"));
        let error = read_bounded(&path, 3).expect_err("too large").to_string();
        assert!(error.ends_with("it is larger than 3 bytes"), "{error}");
        assert!(matches!(read_bounded(&path.join("below"), 4), Ok(None)));
    }

    #[test]
    fn what_is_no_regular_file_is_an_error_and_never_waits() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a fifo");
        assert!(read_bounded(&fifo, 4).is_err());
        assert!(read_bounded(dir.path(), 4).is_err());
        assert!(read_bounded(Path::new("/dev/zero"), 4).is_err());
        fs::write(dir.path().join("bytes"), [0xff, 0xfe]).expect("written");
        assert!(read_bounded(&dir.path().join("bytes"), 4).is_err());
    }

    #[test]
    fn shown_text_is_one_harmless_line() {
        assert_eq!(printable(" a\x1b[31m\nb\u{202e}c ", 100), "a[31mbc");
        assert_eq!(printable("a\u{e0041}\u{61c}b👩\u{200d}💻", 100), "ab👩\u{200d}💻");
        assert_eq!(printable("äöü", 2), "äö");
        assert_eq!(printable("\n\t ", 9), "");
        assert_eq!(name("\u{200b}\n"), None);
        assert_eq!(name(&"x".repeat(1000)).expect("a name").len(), NAME_CHARS);
    }
}
