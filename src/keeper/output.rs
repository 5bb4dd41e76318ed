//! What the command has written, kept: on disk, as the last lines, and as the screen. The relay only puts each piece
//! down here; a thread of its own takes it further, in batches, so that no byte on its way to a terminal waits for a disk.

use super::lines::{Lines, News};
use super::mailbox::{Message, Post};
use super::screen::Screen;
use super::screen_modes::ScreenModes;
use crate::error::Error;
use crate::hooks::LineWatch;
use crate::log::{self, Writer};
use crate::registry::Registry;
use crate::sys::process;
use crate::sys::tty::Size;
use crate::wire::Stream;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How long a piece may wait for others to be written with it: a follower of the log does not notice, and a program
/// that prints all day wakes the thread twenty times a second at most.
const BATCH_TIME: Duration = Duration::from_millis(50);

/// So much is written at once without waiting any longer: to wake the thread for it costs a hundredth of the work.
const BATCH: usize = 256 * 1024;

/// After so long without output the buffers of a burst are given back.
const IDLE: Duration = Duration::from_secs(1);

/// Output that is not on disk yet. Beyond it the command waits, as for a slow terminal …
const BEHIND: usize = 1024 * 1024;

/// … but for no longer than this: a disk that hangs costs the log, not the command.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The keeping of a run's output. Copies share it.
#[derive(Clone)]
pub struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked in this order: the file, what is made of the output, what comes in. Only the last is on the relay's path.
    file: Mutex<Option<Writer>>,
    made: Mutex<Made>,
    inbox: Mutex<Inbox>,
    news: Condvar,
    /// Bytes that have come in and are not on disk.
    behind: AtomicUsize,
    /// The disk hangs: nothing waits for it until it goes on.
    is_off: AtomicBool,
    /// Where a failure of the log is told, and that there is room again.
    post: Post,
    /// What the hooks look for in it.
    lines: OnceLock<LineWatch>,
}

/// What has come in.
#[derive(Default)]
struct Inbox {
    batch: Batch,
    /// One that was written, to be filled again: fresh memory for each would cost more than the copy into it.
    spare: Batch,
    /// The thread knows that there is something.
    is_told: bool,
    /// The relay waits for room.
    is_full: bool,
    /// Nothing more will come.
    is_over: bool,
    thread: Thread,
}

/// Whether somebody writes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Thread {
    #[default]
    NotStarted,
    Runs,
    HasEnded,
}

/// Pieces of output, one behind the other.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Not the command's.
    is_ours: bool,
}

struct Piece {
    stream: Stream,
    at: Timestamp,
    length: usize,
    /// There is more in it than text and colours.
    moved: bool,
}

/// What is made of it.
struct Made {
    lines: Lines,
    /// In terminal mode.
    screen: Option<Screen>,
    /// Not yet on disk.
    unwritten: Vec<Batch>,
}

impl Output {
    /// Keeps nothing yet. `log` is where the log belongs, if there is such a place; `terminal` the size of the screen,
    /// in terminal mode.
    pub fn new(log: Option<PathBuf>, terminal: Option<Size>, post: Post) -> Self {
        let made = Made { lines: Lines::new(), screen: terminal.map(Screen::new), unwritten: Vec::new() };
        let shared = Shared {
            file: Mutex::new(log.map(|path| Writer::new(path, log::LIMIT))),
            made: Mutex::new(made),
            inbox: Mutex::default(),
            news: Condvar::new(),
            behind: AtomicUsize::new(0),
            is_off: AtomicBool::new(false),
            post,
            lines: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// From here on, what is written is looked through for the hooks.
    pub fn watch_lines(&self, watch: LineWatch) {
        let _ = self.shared.lines.set(watch);
    }

    /// Puts a piece of output down; `moved` says that there is more in it than text and colours.
    pub fn put(&self, stream: Stream, bytes: &[u8], moved: bool) {
        let mut inbox = lock(&self.shared.inbox);
        inbox.batch.bytes.extend_from_slice(bytes);
        let piece = Piece { stream, at: Timestamp::now(), length: bytes.len(), moved };
        match inbox.batch.pieces.last_mut() {
            // Of one burst: a line has the time at which the burst began.
            Some(last) if last.stream == stream && last.length < BATCH && is_near(last.at, piece.at) => {
                last.length += piece.length;
                last.moved |= moved;
            }
            _ => inbox.batch.pieces.push(piece),
        }
        if inbox.thread == Thread::NotStarted {
            self.start(&mut inbox);
        }
        if inbox.thread != Thread::Runs {
            // There can be no thread: the log is lost, and what is in memory is made at once.
            drop(inbox);
            self.catch_up().unwritten.clear();
            return;
        }
        if self.shared.is_off.load(Ordering::Relaxed) {
            let is_much = inbox.batch.bytes.len() >= BATCH;
            drop(inbox);
            if is_much {
                self.catch_up().leave_out();
            }
            return;
        }
        self.shared.behind.fetch_add(bytes.len(), Ordering::Relaxed);
        if !inbox.is_told || inbox.batch.bytes.len() >= BATCH && inbox.batch.bytes.len() - bytes.len() < BATCH {
            inbox.is_told = true;
            self.shared.news.notify_one();
        }
    }

    /// Whether more output may be read. Where there is not, a message comes when there is.
    pub fn has_room(&self) -> bool {
        if self.shared.behind.load(Ordering::Relaxed) < BEHIND {
            return true;
        }
        lock(&self.shared.inbox).is_full = true;
        // The thread may have made room between the two.
        self.shared.behind.load(Ordering::Relaxed) < BEHIND
    }

    /// The disk hangs: what waits for it, and what comes until it goes on, is left out of the log.
    pub fn leave_out(&self) {
        self.shared.is_off.store(true, Ordering::Relaxed);
        self.catch_up().leave_out();
        self.shared.behind.store(0, Ordering::Relaxed);
        // Should it go on in this moment, the thread must look once more: only it ends this.
        lock(&self.shared.inbox).is_told = true;
        self.shared.news.notify_one();
    }

    /// The terminal has another size.
    pub fn resize(&self, size: Size) {
        if let Some(screen) = &mut self.catch_up().screen {
            screen.resize(size);
        }
    }

    /// Works on the screen as it is now; `None` in pipe mode, where there is none.
    pub fn on_screen<T>(&self, work: impl FnOnce(&mut Screen) -> T) -> Option<T> {
        self.catch_up().screen.as_mut().map(work)
    }

    /// What makes a terminal of `rows` lines show the screen as it is now.
    pub fn replay(&self, modes: &ScreenModes, rows: u16) -> Vec<u8> {
        self.on_screen(|screen| screen.replay(modes, rows)).unwrap_or_default()
    }

    /// The lines that are new since an offset.
    pub fn since(&self, offset: u64, run_id: u64, show: impl Fn(&[u8]) -> String) -> News {
        self.catch_up().lines.since(offset, run_id, show)
    }

    /// The last lines.
    pub fn last(&self, count: usize) -> Vec<Vec<u8>> {
        self.catch_up().lines.last(count)
    }

    /// Another run begins: its lines are counted anew, and the log says so and goes on.
    pub fn restart(&self, run_id: u64) {
        let mut made = self.catch_up();
        let begun = if made.lines.has_begun() { "\n" } else { "" };
        made.lines.restart();
        let batch = Batch::of_ours(&format!("{begun}[wrap: run {run_id}]"));
        self.shared.behind.fetch_add(batch.bytes.len(), Ordering::Relaxed);
        made.unwritten.push(batch);
        drop(made);
        let mut inbox = lock(&self.shared.inbox);
        inbox.is_told = true;
        self.shared.news.notify_one();
    }

    /// Forgets all lines, in memory and on disk.
    pub fn clear(&self) -> Result<(), Error> {
        let mut file = lock(&self.shared.file);
        let mut made = self.catch_up();
        made.lines.restart();
        let thrown: usize = made.unwritten.drain(..).map(|batch| batch.bytes.len()).sum();
        drop(made);
        self.shared.less_behind(thrown);
        file.as_mut().map_or(Ok(()), Writer::clear)
    }

    /// Writes what there is and ends the thread; a disk that hangs is waited for no longer than [`PATIENCE`].
    pub fn finish(&self) {
        let mut inbox = lock(&self.shared.inbox);
        inbox.is_over = true;
        self.shared.news.notify_all();
        let writes = |inbox: &mut Inbox| inbox.thread == Thread::Runs;
        let _ = self.shared.news.wait_timeout_while(inbox, PATIENCE, writes);
    }

    /// Takes what has come in further, up to this moment.
    fn catch_up(&self) -> MutexGuard<'_, Made> {
        self.shared.catch_up()
    }

    /// Most runs write something; the thread is there from then on.
    fn start(&self, inbox: &mut Inbox) {
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            process::wait_for_others();
            shared.run();
            lock(&shared.inbox).thread = Thread::HasEnded;
            shared.news.notify_all();
        });
        inbox.thread = if started.is_ok() { Thread::Runs } else { Thread::NotStarted };
    }
}

impl Shared {
    fn catch_up(&self) -> MutexGuard<'_, Made> {
        let mut made = lock(&self.made);
        let batch = {
            let mut inbox = lock(&self.inbox);
            let spare = std::mem::take(&mut inbox.spare);
            std::mem::replace(&mut inbox.batch, spare)
        };
        if !batch.pieces.is_empty() {
            made.take(&batch);
            made.unwritten.push(batch);
        }
        made
    }

    /// The thread: waits for output, lets it gather for a moment, and writes it.
    fn run(&self) {
        loop {
            let inbox = lock(&self.inbox);
            let nothing = |inbox: &mut Inbox| !inbox.is_told && !inbox.is_over;
            let waited = self.news.wait_timeout_while(inbox, IDLE, nothing);
            let (mut inbox, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                inbox.spare = Batch::default();
                inbox = self.news.wait_while(inbox, nothing).unwrap_or_else(PoisonError::into_inner);
            }
            let enough = |inbox: &mut Inbox| inbox.batch.bytes.len() < BATCH && !inbox.is_over;
            let waited = self.news.wait_timeout_while(inbox, BATCH_TIME, enough);
            let mut inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
            inbox.is_told = false;
            let is_over = inbox.is_over;
            drop(inbox);
            self.write();
            if is_over {
                if let Some(watch) = self.lines.get() {
                    watch.end();
                }
                return;
            }
        }
    }

    /// So many bytes are on disk, or given up; some of them may have been left out of the count before.
    fn less_behind(&self, bytes: usize) {
        let less = |behind: usize| Some(behind.saturating_sub(bytes));
        let _ = self.behind.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn write(&self) {
        let mut file = lock(&self.file);
        let mut batches = std::mem::take(&mut self.catch_up().unwritten);
        let mut written = 0;
        let mut result = Ok(());
        for batch in &batches {
            written += batch.bytes.len();
            for (piece, bytes) in batch.pieces() {
                if let Some(file) = file.as_mut() {
                    result = result.and(file.append(piece.stream, piece.at, bytes));
                }
            }
        }
        if let Some(file) = file.as_mut() {
            result = result.and(file.flush());
            if file.has_rotated() {
                make_room(file.path());
            }
        }
        drop(file);
        if let Err(error) = result {
            self.post.send(Message::Notice(error.to_string()));
        }
        self.less_behind(written);
        self.is_off.store(false, Ordering::Relaxed);
        if std::mem::take(&mut lock(&self.inbox).is_full) {
            self.post.send(Message::Room);
        }
        self.look_for_lines(&batches);
        if let Some(mut spare) = batches.pop() {
            spare.bytes.clear();
            spare.pieces.clear();
            spare.is_ours = false;
            lock(&self.inbox).spare = spare;
        }
    }

    /// What the hooks look for; nothing waits for it but the next batch.
    fn look_for_lines(&self, batches: &[Batch]) {
        let Some(watch) = self.lines.get() else { return };
        for batch in batches {
            if batch.is_ours {
                watch.end();
                continue;
            }
            for (piece, bytes) in batch.pieces() {
                watch.feed(piece.stream, bytes);
            }
        }
    }
}

/// Removes the logs of the oldest ended runs, where all together are too many: those that are still written belong to
/// entries.
pub fn make_room(log: &Path) {
    let Some(directory) = log.parent() else { return };
    let lives = |id: &str| Registry::find(id).is_some();
    log::store::enforce_total(directory, log::store::TOTAL, &lives);
}

impl Batch {
    /// A line of ours for the log: nothing of it is the command's, so it is neither among its lines nor on its screen.
    fn of_ours(line: &str) -> Self {
        let bytes = format!("{line}\n").into_bytes();
        let pieces = vec![Piece { stream: Stream::Out, at: Timestamp::now(), length: bytes.len(), moved: false }];
        Self { bytes, pieces, is_ours: true }
    }

    fn pieces(&self) -> impl Iterator<Item = (&Piece, &[u8])> {
        let mut rest = &self.bytes[..];
        self.pieces.iter().map(move |piece| {
            let (bytes, after) = rest.split_at(piece.length);
            rest = after;
            (piece, bytes)
        })
    }
}

impl Made {
    /// Forgets what is not on disk yet, but for a line that says so.
    fn leave_out(&mut self) {
        if !self.unwritten.is_empty() {
            self.unwritten = vec![Batch::of_ours("[wrap: output is missing here: the disk did not take it]")];
        }
    }

    fn take(&mut self, batch: &Batch) {
        for (piece, bytes) in batch.pieces() {
            self.lines.feed(piece.stream, bytes);
            if let Some(screen) = &mut self.screen {
                screen.feed(bytes, piece.moved);
            }
        }
    }
}

/// Whether two times are of the same millisecond, as the log's reader sees it.
fn is_near(first: Timestamp, second: Timestamp) -> bool {
    second.duration_since(first).abs() < SignedDuration::from_millis(1)
}

/// A thread that panicked leaves what it held as it was: it is looked at and written to all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
