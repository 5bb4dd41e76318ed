//! A log read along while it is written: through rotations, removals and clearings, and before it exists.

use super::join::Line;
use super::reader::{Reader, Source, halves, standing};
use super::rotated;
use crate::sys::file_watch::FileWatch;
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use std::io;
use std::path::Path;
use std::time::Duration;

/// What [`Follow::read_new`] hands out at once: it bounds the memory while a flood goes on.
const BATCH: usize = 1024 * 1024;

/// How often the files are looked at before they are taken as they are, while they change under our eyes.
const ATTEMPTS: usize = 16;

/// A reader that waits for more.
#[derive(Debug)]
pub struct Follow {
    reader: Reader,
    watch: FileWatch,
    /// The older half as it was last seen, held open: its inode number could be given to a new file else, and that would
    /// be taken for it.
    older: Option<Source>,
    /// More was there than was handed out.
    more: bool,
}

impl Follow {
    /// Opens a log, which may not exist yet, and watches it.
    pub fn new(path: &Path) -> io::Result<Self> {
        // Watched first: what happens after the reader has looked must not be missed.
        let mut watch = FileWatch::new(path, &rotated(path));
        let (older, newer) = halves(path)?;
        watch.count_renames_from(u64::from(newer.is_none() && older.is_some()));
        let kept = older.as_ref().map(again).transpose()?;
        Ok(Self { reader: Reader::of(path, older, newer), watch, older: kept, more: true })
    }

    /// The reader, for what has been written before: it ends where [`Self::read_new`] begins.
    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The lines that came since. Some at a time: call it until there are none, then [`Self::wait`].
    pub fn read_new(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut size = 0;
        loop {
            // In this order: what is written after the reading leaves an event.
            self.watch.refresh(self.reader.last().map(|source| &source.file));
            self.reader.rewind_if_cleared()?;
            let changed = self.advance()?;
            let before = lines.len();
            while let Some(line) = self.reader.next_line()? {
                size += line.text.len() + size_of::<Line>();
                lines.push(line);
                if size > BATCH {
                    self.more = true;
                    return Ok(lines);
                }
            }
            if !changed && lines.len() == before {
                self.more = false;
                return Ok(lines);
            }
        }
    }

    /// The lines that have no end, for when no more will come.
    pub fn unfinished(&mut self) -> Vec<Line> {
        self.reader.unfinished()
    }

    /// Waits until something may have come, or one of the others is as it is waited for (a process that ended, a reader
    /// that left), or the time is over. Says of each of the others whether it is; errors and ends always count.
    pub fn wait(&mut self, others: &[(BorrowedFd<'_>, PollFlags)], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
        let timeout = if self.more { Some(Duration::ZERO) } else { timeout };
        self.watch.wait(others, timeout)
    }

    /// Looks which files are there, and has those read that are new. `true` where there are some.
    fn advance(&mut self) -> io::Result<bool> {
        let identity = |source: Option<&Source>| source.map(|source| source.identity);
        let (last, known) = (identity(self.reader.last()), identity(self.older.as_ref()));
        if last.is_some() && standing(self.reader.path()) == last && standing(&rotated(self.reader.path())) == known {
            return Ok(false);
        }
        let (older, newer) = self.look()?;
        let was_rotated = last.is_some() && identity(older.as_ref()) == last;
        let unread =
            older.as_ref().filter(|older| !was_rotated && Some(older.identity) != known).map(again).transpose()?;
        self.older = older;
        if last.is_some() && identity(newer.as_ref()) == last {
            // The older half alone is another, or gone.
            return Ok(false);
        }
        // How many rotations brought about what is there: that of ours, and that of the unread one. Every other has taken
        // a file away that nobody has read.
        let explained = u64::from(last.is_some()) + u64::from(unread.is_some());
        let ends_rotated = newer.is_none();
        let mut new: Vec<Source> = unread.into_iter().chain(newer).collect();
        let Some(first) = new.first_mut() else { return Ok(false) };
        first.missed = !was_rotated && self.watch.renames() > explained;
        if !was_rotated && self.watch.renames() == 0 {
            // It was removed; what was begun in it has no end.
            self.reader.forget_begun();
        }
        self.reader.extend(new);
        // That of what is now the last one is to be explained the next time, too.
        self.watch.count_renames_from(u64::from(ends_rotated));
        Ok(true)
    }

    /// Both halves, and all that led to them noted by the watch.
    fn look(&mut self) -> io::Result<(Option<Source>, Option<Source>)> {
        let path = self.reader.path().to_owned();
        let mut found = halves(&path)?;
        for _ in 0..ATTEMPTS {
            self.watch.settle(found.1.as_ref().map(|source| &source.file));
            let now = halves(&path)?;
            let ids = |(older, newer): &(Option<Source>, Option<Source>)| {
                [older, newer].map(|source| source.as_ref().map(|source| source.identity))
            };
            let settled = ids(&found) == ids(&now);
            found = now;
            if settled {
                break;
            }
        }
        Ok(found)
    }
}

/// The same file, to be read from its beginning.
fn again(source: &Source) -> io::Result<Source> {
    Ok(Source { file: source.file.try_clone()?, identity: source.identity, position: 0, missed: false })
}
