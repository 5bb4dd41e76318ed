//! Raw output made into records, and put into the log.

use super::cri::{self, Stamp};
use super::join::place;
use super::output::Output;
use super::{CUT, MAX_LINE, MAX_RECORD};
use crate::error::Error;
use crate::wire::Stream;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The size at which a log becomes the older half and a new one is started: some 100,000 lines. Both together are what
/// is kept of an instance.
pub const LIMIT: u64 = 10 * 1024 * 1024;

/// Records are written when there are so many: measured, larger writes cost no less.
const BATCH: usize = 64 * 1024;

/// A disk at its limit takes one write and refuses the next: so long after a failure nothing more is said of others.
const QUIET: Duration = Duration::from_mins(1);

const STREAMS: [Stream; 2] = [Stream::Out, Stream::Err];

/// Writes the log of one instance. Its output comes in pieces of any size and ends in lines.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    limit: u64,
    stamp: Stamp,
    /// Whole records that are still to be written.
    records: Vec<u8>,
    /// The unfinished line of each stream.
    tails: [Tail; 2],
    /// The file is full: the next write starts another.
    full: bool,
    rotated: bool,
    /// Lines that could not be written, until the log says so.
    lost: Option<u64>,
    /// Streams whose last record is partial: in the file, and with what is to be written.
    partial: [[bool; 2]; 2],
    /// Streams of whose line only the beginning is in the file, because the rest was lost.
    broken: [bool; 2],
    failed_at: Option<Instant>,
    error: Option<Error>,
}

/// The unfinished line of a stream.
#[derive(Debug, Default)]
struct Tail {
    /// What is in no record yet.
    held: Vec<u8>,
    /// When that came.
    at: Timestamp,
    /// How many bytes of the line are in partial records.
    begun: usize,
    /// The line was cut: what follows up to its end is dropped.
    cut: bool,
}

impl Writer {
    /// Writes to this file and, when it has `limit` bytes, makes it the older half. Opens nothing before there is
    /// something to write.
    pub fn new(path: PathBuf, limit: u64) -> Self {
        Self {
            output: Output::new(path),
            limit,
            stamp: Stamp::new(),
            records: Vec::new(),
            tails: Default::default(),
            full: false,
            rotated: false,
            lost: None,
            partial: [[false; 2]; 2],
            broken: [false; 2],
            failed_at: None,
            error: None,
        }
    }

    /// Takes output as it came. An error is told once, as a sentence for the user; what cannot be written is dropped
    /// and counted, and the log says so when it can be written again.
    pub fn append(&mut self, stream: Stream, at: Timestamp, bytes: &[u8]) -> Result<(), Error> {
        self.stamp.set(at);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.line(stream, &bytes[start..end]);
            start = end + 1;
        }
        if start < bytes.len() {
            let tail = &mut self.tails[place(stream)];
            if !tail.cut {
                tail.at = at;
                tail.held.extend_from_slice(&bytes[start..]);
                self.spill(stream);
            }
        }
        self.tell()
    }

    /// Writes everything that came, unfinished lines too. Errors are those of [`Self::append`].
    pub fn flush(&mut self) -> Result<(), Error> {
        for stream in STREAMS {
            let mut held = std::mem::take(&mut self.tails[place(stream)].held);
            // A carriage return may be the terminal's, with the newline yet to come.
            let end = held.len() - usize::from(held.ends_with(b"\r"));
            if end > 0 {
                self.stamp.set(self.tails[place(stream)].at);
                self.push(stream, true, &held[..end]);
                self.tails[place(stream)].begun += end;
                held.drain(..end);
            }
            self.tails[place(stream)].held = held;
        }
        self.write();
        self.tell()
    }

    /// Empties the log, and forgets what has not been written yet.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.records.clear();
        for tail in &mut self.tails {
            tail.held.clear();
            tail.begun = 0;
        }
        (self.full, self.lost) = (false, None);
        (self.partial, self.broken) = ([[false; 2]; 2], [false; 2]);
        self.output.clear()
    }

    /// Whether a new file was started since this was last asked: the moment to look what all logs take
    /// ([`super::store::enforce_total`]).
    pub fn has_rotated(&mut self) -> bool {
        std::mem::take(&mut self.rotated)
    }

    /// The end of a line, which came without its newline.
    #[inline]
    fn line(&mut self, stream: Stream, text: &[u8]) {
        let tail = &mut self.tails[place(stream)];
        if tail.held.is_empty() && tail.begun == 0 && !tail.cut && text.len() <= MAX_RECORD {
            self.push(stream, false, without_return(text));
            return;
        }
        if !tail.cut {
            tail.held.extend_from_slice(text);
            self.spill(stream);
        }
        let tail = &mut self.tails[place(stream)];
        let mut held = std::mem::take(&mut tail.held);
        tail.begun = 0;
        if !std::mem::take(&mut tail.cut) {
            self.push(stream, false, without_return(&held));
        }
        held.clear();
        self.tails[place(stream)].held = held;
    }

    /// Makes records of an unfinished line that has become too long for one, and cuts it where it is too long at all.
    fn spill(&mut self, stream: Stream) {
        let tail = &mut self.tails[place(stream)];
        if tail.held.len() <= MAX_RECORD.min(MAX_LINE - tail.begun) {
            return;
        }
        let mut begun = tail.begun;
        let held = std::mem::take(&mut tail.held);
        let mut rest = &held[..];
        loop {
            let room = MAX_LINE - begun;
            if rest.len() <= room.min(MAX_RECORD) {
                let tail = &mut self.tails[place(stream)];
                tail.begun = begun;
                tail.held.extend_from_slice(rest);
                return;
            }
            if room <= MAX_RECORD {
                self.push(stream, false, &[&rest[..room], CUT.as_bytes()].concat());
                let tail = &mut self.tails[place(stream)];
                (tail.begun, tail.cut) = (0, true);
                return;
            }
            self.push(stream, true, &rest[..MAX_RECORD]);
            begun += MAX_RECORD;
            rest = &rest[MAX_RECORD..];
        }
    }

    /// Adds a record, and writes what there is where that is enough, or where the file would become too large.
    #[inline]
    fn push(&mut self, stream: Stream, partial: bool, text: &[u8]) {
        let there = if self.full { 0 } else { self.output.length() } + self.records.len() as u64;
        if there + (cri::HEADER + text.len() + 1) as u64 > self.limit && there > 0 {
            self.write();
            self.full = true;
        } else if self.records.len() >= BATCH {
            self.write();
        }
        self.stamp.push(&mut self.records, stream, partial, text);
        self.partial[1][place(stream)] = partial;
    }

    /// Writes the records, or counts them as lost.
    fn write(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let mut records = std::mem::take(&mut self.records);
        match self.write_behind_mark(&records) {
            Ok(()) => self.partial[0] = self.partial[1],
            Err((whole, error)) => {
                for (stream, partial) in memchr::memchr_iter(b'\n', &records[..whole])
                    .scan(0, |start, end| Some(&records[std::mem::replace(start, end + 1)..end]))
                    .filter_map(cri::kind)
                {
                    self.partial[0][place(stream)] = partial;
                }
                *self.lost.get_or_insert(0) += lines_in(&records[whole..]);
                for stream in STREAMS.map(place) {
                    self.broken[stream] |= self.partial[0][stream];
                }
                self.partial = [[false; 2]; 2];
                let silent = self.failed_at.replace(Instant::now()).is_some_and(|at| at.elapsed() < QUIET);
                if !silent {
                    self.error = Some(error);
                }
            }
        }
        records.clear();
        self.records = records;
    }

    /// Starts a new file where the old one is full, says in it what was lost, and writes the records.
    fn write_behind_mark(&mut self, records: &[u8]) -> Result<(), (usize, Error)> {
        if self.full {
            self.output.rotate().map_err(|error| (0, error))?;
            (self.full, self.rotated) = (false, true);
        }
        if let Some(lost) = self.lost {
            let mut mark = Vec::new();
            for stream in STREAMS.into_iter().filter(|stream| self.broken[place(*stream)]) {
                // Else what is said, or what follows of that line, would be joined to its beginning.
                self.stamp.push(&mut mark, stream, false, b"");
            }
            let said = if lost > 1 { format!("{lost} lines were lost here") } else { "1 line was lost here".into() };
            self.stamp.push(&mut mark, Stream::Out, false, format!("[wrap: {said}]").as_bytes());
            self.output.write(&mark).map_err(|(_, error)| (0, error))?;
            (self.lost, self.broken) = (None, [false; 2]);
        }
        self.output.write(records)
    }

    fn tell(&mut self) -> Result<(), Error> {
        match self.error.take() {
            Some(error) => Err(Error::Message(format!(
                "the log of this run has gaps: {error}; make room or see to its rights, the command is not affected"
            ))),
            None => Ok(()),
        }
    }

    /// The file that is written to.
    pub fn path(&self) -> &std::path::Path {
        self.output.path()
    }
}

/// Without the carriage return that a terminal puts before a newline (ONLCR).
#[inline]
fn without_return(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// How many lines end in these records.
fn lines_in(records: &[u8]) -> u64 {
    let ends = records.split(|&byte| byte == b'\n').filter_map(cri::kind).filter(|(_, partial)| !partial);
    ends.count() as u64
}
