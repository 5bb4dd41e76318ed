//! The last lines of a log, found from its end.

use super::MAX_LINE;
use super::cri::{self, HEADER};
use super::join::place;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// What is read at once, backwards: a hundred lines are in the first.
const BLOCK: u64 = 64 * 1024;

/// How far before the wanted lines the beginnings of them are looked for: the other stream may have written much between
/// two pieces of a line. What begins further away is shown without its beginning.
const LOOK_BACK: u64 = 2 * MAX_LINE as u64;

/// Where to begin to read for the last `count` lines: which of the files, and the position in it. More lines than these
/// may follow there, but only before them.
pub(super) fn start(files: &[&File], count: usize) -> io::Result<(usize, u64)> {
    let end = match files.last() {
        Some(last) => (files.len() - 1, last.metadata()?.len()),
        None => return Ok((0, 0)),
    };
    if count == 0 {
        return Ok(end);
    }
    let mut search = Search { count, seen: [false; 2], wanted: [false; 2], start: end, behind: 0 };
    for (at, file) in files.iter().enumerate().rev() {
        if search.file(at, file)? {
            return Ok(search.start);
        }
    }
    Ok((0, 0))
}

struct Search {
    /// Lines that are still to be found.
    count: usize,
    /// Streams of which a record was seen.
    seen: [bool; 2],
    /// Streams whose record before may be the beginning of a line that was found.
    wanted: [bool; 2],
    start: (usize, u64),
    /// Bytes passed since the last line was found.
    behind: u64,
}

impl Search {
    /// Goes through a file from its end; `true` once everything is found.
    fn file(&mut self, at: usize, file: &File) -> io::Result<bool> {
        let size = file.metadata()?.len();
        let mut end = size;
        let mut block = Vec::new();
        // What has no newline behind it is no record yet, or was torn by a crash.
        let mut is_whole = false;
        while end > 0 {
            let begin = end.saturating_sub(BLOCK);
            // A record that begins at the block's end has its header behind it.
            block.resize((size.min(end + HEADER as u64) - begin) as usize, 0);
            file.read_exact_at(&mut block, begin)?;
            let newlines = memchr::memrchr_iter(b'\n', &block[..(end - begin) as usize]).map(|newline| newline + 1);
            for line in newlines.chain((begin == 0).then_some(0)) {
                if std::mem::replace(&mut is_whole, true) && self.record((at, begin + line as u64), &block[line..]) {
                    return Ok(true);
                }
            }
            if self.count == 0 {
                self.behind += end - begin;
                if self.behind > LOOK_BACK {
                    return Ok(true);
                }
            }
            end = begin;
        }
        Ok(false)
    }

    /// Takes the record that begins here; `true` once everything is found.
    fn record(&mut self, position: (usize, u64), bytes: &[u8]) -> bool {
        let Some(record) = bytes.get(..HEADER).and_then(cri::parse) else { return false };
        let (stream, partial) = (place(record.stream), record.partial);
        // A partial one without a later record of its stream is a line, too.
        let ends_a_line = !partial || !self.seen[stream];
        self.seen[stream] = true;
        if self.count > 0 {
            if ends_a_line {
                self.count -= 1;
                self.wanted[stream] = true;
            }
            self.start = position;
        } else if ends_a_line {
            self.wanted[stream] = false;
        } else if self.wanted[stream] {
            self.start = position;
        }
        self.count == 0 && self.wanted == [false; 2]
    }
}
