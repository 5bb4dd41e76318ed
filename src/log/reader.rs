//! The lines of a log, from its older half to its end.

use super::cri::{self, HEADER};
use super::join::{Joiner, Line};
use super::output::identity;
use super::tail::start;
use super::{CUT, MAX_RECORD, rotated};
use crate::registry::dir::ours;
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What is read at once: measured, larger blocks are no faster.
const BLOCK: usize = 64 * 1024;

/// How often it is tried to find both halves as they belong together, while they are being rotated under our eyes. A
/// rotation takes two system calls of the writer, and another comes only 10 MiB later.
const ATTEMPTS: usize = 16;

/// Said where a file went before it was read.
const MISSED: &str = "[wrap: lines are missing here: the log was rotated faster than it was read]";

/// Reads a log as it is. It holds at most one line of each stream, a block, and the open files, which stay readable
/// when they are rotated away.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// What is to be read, in this order; the last one is, or was, the file at `path`.
    files: VecDeque<Source>,
    /// The end of what was read of the first file, without its newline yet.
    buffer: Vec<u8>,
    start: usize,
    /// Until the next newline nothing is of use: what stands there is longer than any record.
    skipping: bool,
    joiner: Joiner,
}

/// An open file and how far it was read.
#[derive(Debug)]
pub(super) struct Source {
    pub file: File,
    pub identity: (u64, u64),
    pub position: u64,
    /// Whether there was another before it that nobody has read.
    pub missed: bool,
}

impl Reader {
    /// Opens what there is of a log. It may be nothing: then it has no lines.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (older, newer) = halves(path)?;
        Ok(Self::of(path, older, newer))
    }

    /// Reads these.
    pub(super) fn of(path: &Path, older: Option<Source>, newer: Option<Source>) -> Self {
        let files = older.into_iter().chain(newer).collect();
        let path = path.to_owned();
        Self { path, files, buffer: Vec::new(), start: 0, skipping: false, joiner: Joiner::default() }
    }

    /// Whether there is any file of this log.
    pub fn exists(&self) -> bool {
        !self.files.is_empty()
    }

    /// The next line that has its end; `None` at the end of what was written. More may come: it can be asked again.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            while let Some(length) = memchr::memchr(b'\n', &self.buffer[self.start..]) {
                let raw = &self.buffer[self.start..self.start + length];
                self.start += length + 1;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                // What is no record was torn by a crash, or is not from us.
                if let Some(line) = cri::parse(raw).and_then(|record| self.joiner.add(record)) {
                    return Ok(Some(line));
                }
            }
            if !self.fill()? {
                if self.files.len() < 2 {
                    return Ok(None);
                }
                self.files.pop_front();
                self.forget_block();
                if let Some(next) = self.files.front().filter(|next| next.missed) {
                    let time = first_time(&next.file);
                    return Ok(Some(Line::mark(time, MISSED)));
                }
            }
        }
    }

    /// What is known of the lines that have no end yet; they are handed out when they have.
    pub fn begun(&self) -> Vec<Line> {
        self.joiner.begun()
    }

    /// The lines that have no end yet, at most one of each stream.
    pub fn unfinished(&mut self) -> Vec<Line> {
        self.joiner.take()
    }

    /// Passes over everything but the last `lines` lines and some before them.
    pub fn skip_to_last(&mut self, lines: usize) -> io::Result<()> {
        let files: Vec<&File> = self.files.iter().map(|source| &source.file).collect();
        let (at, position) = start(&files, lines)?;
        self.files.drain(..at);
        if let Some(source) = self.files.front_mut() {
            source.position = position;
        }
        self.forget_block();
        Ok(())
    }

    /// Reads on in the first file; `false` at its end.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(source) = self.files.front_mut() else { return Ok(false) };
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.len() > HEADER + MAX_RECORD + CUT.len() {
            self.buffer.clear();
            self.skipping = true;
        }
        let held = self.buffer.len();
        self.buffer.resize(held + BLOCK, 0);
        let read = loop {
            match rustix::io::pread(&source.file, &mut self.buffer[held..], source.position) {
                Err(Errno::INTR) => {}
                read => break read,
            }
        };
        self.buffer.truncate(held + read.unwrap_or(0));
        source.position += read? as u64;
        Ok(self.buffer.len() > held)
    }

    fn forget_block(&mut self) {
        self.buffer.clear();
        (self.start, self.skipping) = (0, false);
    }

    /// The log's own file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is, or was, at the log's path.
    pub(super) fn last(&self) -> Option<&Source> {
        self.files.back()
    }

    /// More files follow.
    pub(super) fn extend(&mut self, sources: impl IntoIterator<Item = Source>) {
        self.files.extend(sources);
    }

    /// Starts again at the beginning of a file that has become shorter, if it has.
    pub(super) fn rewind_if_cleared(&mut self) -> io::Result<()> {
        if let [source] = self.files.make_contiguous()
            && source.file.metadata()?.len() < source.position
        {
            source.position = 0;
            self.forget_block();
            self.joiner.take();
        }
        Ok(())
    }

    /// What was begun has no end any more: the file that it is in was removed.
    pub(super) fn forget_begun(&mut self) {
        self.joiner.take();
    }
}

/// The last `count` lines of a log, the last of them perhaps without its end.
pub fn tail(path: &Path, count: usize) -> io::Result<Vec<Line>> {
    let mut reader = Reader::open(path)?;
    reader.skip_to_last(count)?;
    let mut last = VecDeque::new();
    let mut add = |line| {
        last.push_back(line);
        if last.len() > count {
            last.pop_front();
        }
    };
    while let Some(line) = reader.next_line()? {
        add(line);
    }
    reader.unfinished().into_iter().for_each(add);
    Ok(last.into())
}

/// Both halves as they belong together at one moment, each where it exists.
pub(super) fn halves(path: &Path) -> io::Result<(Option<Source>, Option<Source>)> {
    let older_path = rotated(path);
    let mut attempts = 0;
    loop {
        let older = open(&older_path)?;
        let newer = open(path)?;
        attempts += 1;
        // A rotation in between puts another file in the older one's place.
        if older.as_ref().map(|source| source.identity) == standing(&older_path) || attempts == ATTEMPTS {
            return Ok((older, newer));
        }
    }
}

/// Which file stands at a path.
pub(super) fn standing(path: &Path) -> Option<(u64, u64)> {
    fs::lstat(path).ok().map(|stat| identity(&stat))
}

/// Opens a file of ours; `None` where there is none. Nothing is waited for, and no link followed.
fn open(path: &Path) -> io::Result<Option<Source>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = match fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP) => return Err(io::Error::other("it is a symbolic link")),
        Err(error) => return Err(error.into()),
    };
    let stat = fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a file"));
    }
    if stat.st_uid != ours() {
        return Err(io::Error::other("it belongs to another user"));
    }
    Ok(Some(Source { file: File::from(fd), identity: identity(&stat), position: 0, missed: false }))
}

/// The time of a file's first record.
fn first_time(file: &File) -> jiff::Timestamp {
    let mut header = [0; HEADER];
    let read = file.read_exact_at(&mut header, 0);
    read.ok().and_then(|()| cri::parse(&header)).map_or_else(jiff::Timestamp::now, |record| record.time)
}
