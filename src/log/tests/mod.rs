//! Writing and reading together.

mod follow;
mod full_disk;
mod read;
mod write;

use super::{Line, Reader, Writer};
use crate::wire::Stream;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory, and where a log in it belongs.
fn place() -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a directory");
    let path = temp.path().join("state/logs/a.log");
    (temp, path)
}

fn now() -> Timestamp {
    "2026-11-21T15:33:10.123456789Z".parse().expect("a time")
}

fn out(writer: &mut Writer, bytes: impl AsRef<[u8]>) {
    writer.append(Stream::Out, now(), bytes.as_ref()).expect("taken");
}

/// All lines of a log, and those that have no end.
fn lines(path: &Path) -> Vec<Line> {
    let mut reader = Reader::open(path).expect("opened");
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().expect("read") {
        lines.push(line);
    }
    lines.extend(reader.unfinished());
    lines
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
}
