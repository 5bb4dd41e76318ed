//! The last lines of the command's output, in memory, for callers that ask again and again what is new.

use crate::wire::Stream;
use memchr::{memchr, memchr_iter, memrchr_iter};
use std::collections::VecDeque;

/// So many lines are kept: a page's first view of a log, and the last words of a command that died.
const LINES: usize = 200;

/// So many bytes they may have together; a line alone may have half of it.
const BYTES: usize = 2 * 1024 * 1024;

/// The longest line; of a longer one the beginning is kept, with [`CUT`] behind it.
const LONGEST: usize = 1024 * 1024;

/// What stands behind a line that was cut.
const CUT: &[u8] = " … [cut by wrap: the line is longer than 1 MiB]".as_bytes();

/// The lines, and how many there were.
pub struct Lines {
    kept: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Of this log run, those that are no longer kept included.
    total: u64,
    /// Rises at each restart and each clear, so that an offset of before is not taken for one of now.
    run_id: u64,
    /// What came behind the last newline, by stream.
    begun: [Vec<u8>; 2],
}

/// What is new since an offset.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct News {
    /// The lines, oldest first.
    pub logs: Vec<String>,
    /// The offset to ask from next time.
    pub log_total: u64,
    /// The log run that it counts in.
    pub log_run_id: u64,
}

impl Lines {
    /// None yet.
    pub fn new() -> Self {
        Self { kept: VecDeque::new(), bytes: 0, total: 0, run_id: 1, begun: [Vec::new(), Vec::new()] }
    }

    /// Takes a piece of output.
    pub fn feed(&mut self, stream: Stream, bytes: &[u8]) {
        let mut rest = bytes;
        // Of a flood only the last lines are worth a copy; the others are counted.
        let passed = memchr_iter(b'\n', bytes).count().saturating_sub(LINES);
        if passed > 0
            && let Some(at) = memrchr_iter(b'\n', bytes).nth(LINES)
        {
            self.begun[index(stream)].clear();
            self.total += passed as u64;
            rest = &bytes[at + 1..];
        }
        while let Some(at) = memchr(b'\n', rest) {
            let mut line = std::mem::take(&mut self.begun[index(stream)]);
            grow(&mut line, &rest[..at]);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.push(line);
            rest = &rest[at + 1..];
        }
        grow(&mut self.begun[index(stream)], rest);
    }

    /// Whether the last line of standard output has no end yet.
    pub fn has_begun(&self) -> bool {
        !self.begun[index(Stream::Out)].is_empty()
    }

    /// Begins anew, under the next run id.
    pub fn restart(&mut self) {
        *self = Self { run_id: self.run_id + 1, ..Self::new() };
    }

    /// What came after the first `offset` lines of log run `run_id`; of another run, all that is kept of this one.
    /// `show` makes a line fit to be handed out.
    pub fn since(&self, offset: u64, run_id: u64, show: impl Fn(&[u8]) -> String) -> News {
        let offset = if run_id == self.run_id { offset.min(self.total) } else { 0 };
        let new = (self.total - offset).min(self.kept.len() as u64) as usize;
        let logs = self.kept.iter().skip(self.kept.len() - new).map(|line| show(line)).collect();
        News { logs, log_total: self.total, log_run_id: self.run_id }
    }

    /// The last `count` lines, an unfinished one included.
    pub fn last(&self, count: usize) -> Vec<Vec<u8>> {
        let begun = self.begun.iter().filter(|line| !line.is_empty());
        let mut lines: Vec<Vec<u8>> = self.kept.iter().chain(begun).cloned().collect();
        lines.drain(..lines.len().saturating_sub(count));
        lines
    }

    fn push(&mut self, line: Vec<u8>) {
        self.total += 1;
        self.bytes += line.len();
        self.kept.push_back(line);
        while self.kept.len() > LINES || self.bytes > BYTES {
            self.bytes -= self.kept.pop_front().map_or(0, |line| line.len());
        }
    }
}

/// Adds to a line as far as it may grow.
fn grow(line: &mut Vec<u8>, bytes: &[u8]) {
    if line.len() > LONGEST {
        return;
    }
    let room = LONGEST - line.len();
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    if bytes.len() > room {
        line.extend_from_slice(CUT);
    }
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Out => 0,
        Stream::Err => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &[u8]) -> String {
        String::from_utf8_lossy(line).into_owned()
    }

    #[test]
    fn lines_are_counted_kept_and_handed_out_from_an_offset() {
        let mut lines = Lines::new();
        lines.feed(Stream::Out, b"one\r\ntw");
        lines.feed(Stream::Err, b"oops\n");
        lines.feed(Stream::Out, b"o\nthr");
        let all = lines.since(0, 1, text);
        assert_eq!(all.logs, ["one", "oops", "two"]);
        assert_eq!((all.log_total, all.log_run_id), (3, 1));
        assert_eq!(lines.since(2, 1, text).logs, ["two"]);
        assert_eq!(lines.since(99, 1, text).logs, Vec::<String>::new());
        assert_eq!(lines.since(3, 7, text).logs.len(), 3, "another run's offset means nothing");
        assert_eq!(lines.last(2), [b"two".to_vec(), b"thr".to_vec()]);
        lines.restart();
        assert_eq!(lines.since(3, 1, text), News { logs: vec![], log_total: 0, log_run_id: 2 });
    }

    #[test]
    fn a_flood_keeps_the_last_lines_and_the_count() {
        let mut lines = Lines::new();
        lines.feed(Stream::Out, b"begun ");
        let flood: Vec<String> = (0..10_000).map(|number| format!("{number}\n")).collect();
        lines.feed(Stream::Out, flood.concat().as_bytes());
        let kept = lines.since(0, 1, text);
        assert_eq!((kept.logs.len(), kept.log_total), (LINES, 10_000));
        assert_eq!((kept.logs[0].as_str(), kept.logs[LINES - 1].as_str()), ("9800", "9999"));
    }

    #[test]
    fn a_line_without_end_is_cut_and_marked_and_all_are_bounded() {
        let mut lines = Lines::new();
        for _ in 0..5 {
            for _ in 0..40 {
                lines.feed(Stream::Out, &vec![b'x'; 50_000]);
            }
            assert!(lines.begun[0].len() <= LONGEST + CUT.len());
            lines.feed(Stream::Out, b"\n");
            assert!(lines.bytes <= BYTES && !lines.kept.is_empty());
        }
        assert!(lines.kept[0].ends_with(CUT) && lines.kept[0].starts_with(b"xxx"));
        assert_eq!(lines.since(0, 1, text).log_total, 5);
    }
}
