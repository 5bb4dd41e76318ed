//! A log as a stream: what was written last, and what comes, read from the file that the keeper writes.

use super::hub::{COMMENT, comment, event, is_over};
use crate::api::Refusal;
use crate::log::lines::{overwritten, plain, safe};
use crate::log::{Follow, Line};
use crate::registry::entry::Entry;
use crate::sys::process::Handle;
use crate::wire::Stream as Output;
use axum::http::StatusCode;
use futures_util::stream::{self, Stream};
use hyper::body::Bytes;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::Serialize;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// So many logs may be read along at once: each has a thread, and a page shows one.
pub const MOST: usize = 64;

/// Lines in one event: enough to fill a screen at once, and a piece that a page can draw between two pictures.
const BATCH: usize = 200;

/// Events that wait for a reader before its thread waits for it: the log itself is the buffer.
const AHEAD: usize = 4;

/// Bytes of a whole log that are sent at once.
const PIECE: usize = 64 * 1024;

/// One line, as a page gets it.
#[derive(Serialize)]
struct Shown {
    time: String,
    stream: &'static str,
    /// Text, colours and links: nothing else that a terminal would obey.
    line: String,
}

impl From<&Line> for Shown {
    fn from(line: &Line) -> Self {
        let stream = match line.stream {
            Output::Out => "out",
            Output::Err => "err",
        };
        Self { time: format!("{:.3}", line.time), stream, line: safe(&overwritten(&line.text)) }
    }
}

/// What is read along.
pub struct Source {
    /// The log.
    pub path: PathBuf,
    /// The instance that writes it, as long as it is registered.
    pub live: Option<Entry>,
    /// So many lines first.
    pub tail: usize,
}

/// Reads along until the instance has ended, the stream is dropped, or all is over.
pub fn stream(
    places: &Arc<Semaphore>,
    source: Source,
    over: watch::Receiver<bool>,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Refusal> {
    let keeper = source.live.as_ref().and_then(|entry| Handle::open(entry.pid, entry.pid_token).ok().flatten());
    let work = move |gone: &OwnedFd, sender: &Sender<Bytes>| follow(&source, keeper.as_ref(), gone, sender);
    pieces(places, over, Some(comment()), Box::new(work))
}

/// The whole log, as plain text.
pub fn whole(
    places: &Arc<Semaphore>,
    path: PathBuf,
    over: watch::Receiver<bool>,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Refusal> {
    pieces(places, over, None, Box::new(move |_, sender| text(&path, sender)))
}

/// What a thread does: it sends until it is told to end by the first, or has sent all.
type Work = Box<dyn FnOnce(&OwnedFd, &Sender<Bytes>) -> Option<()> + Send>;

/// What a thread of its own sends, which may take as long as it wants to. It is woken by `gone` when the stream is dropped.
fn pieces(
    places: &Arc<Semaphore>,
    over: watch::Receiver<bool>,
    in_silence: Option<Bytes>,
    read: Work,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Refusal> {
    let refuse = |why: &str| Refusal(StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
    let full = format!("{MOST} logs are read along already; close a page that shows one");
    let place = Arc::clone(places).try_acquire_owned().map_err(|_| refuse(&full))?;
    // Dropped with the stream, which wakes the thread.
    let (gone, open) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| refuse(&error.to_string()))?;
    let (sender, receiver) = channel(AHEAD);
    let thread = move || {
        // `None` only says that nobody listens any more.
        let _ = read(&gone, &sender);
    };
    thread::Builder::new().name("log".to_owned()).spawn(thread).map_err(|error| refuse(&error.to_string()))?;
    let reader = Reader { receiver, over, in_silence, _open: open, _place: place };
    Ok(stream::unfold(reader, async |mut reader| {
        let bytes = reader.next().await?;
        Some((Ok(bytes), reader))
    }))
}

struct Reader {
    receiver: Receiver<Bytes>,
    over: watch::Receiver<bool>,
    in_silence: Option<Bytes>,
    _open: OwnedFd,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                biased;
                () = is_over(&mut self.over) => return None,
                received = timeout(COMMENT, self.receiver.recv()) => match (received, &self.in_silence) {
                    (Ok(bytes), _) => return bytes,
                    (Err(_), Some(comment)) => return Some(comment.clone()),
                    (Err(_), None) => {}
                },
            }
        }
    }
}

/// Runs on the thread; returns when there is nothing more to tell, or nobody to tell it to.
fn follow(source: &Source, keeper: Option<&Handle>, gone: &OwnedFd, sender: &Sender<Bytes>) -> Option<()> {
    let tell =
        |name: &str, value: &serde_json::Value| sender.blocking_send(event(name, &value.to_string()).into()).ok();
    let shown = |lines: &[Line]| {
        let lines: Vec<Shown> = lines.iter().map(Shown::from).collect();
        serde_json::to_value(lines).unwrap_or_default()
    };
    let lines = |lines: &[Line]| lines.chunks(BATCH).try_for_each(|batch| tell("log-lines", &shown(batch)));
    let failed = |error: std::io::Error| tell("log-failed", &crate::error::reason(&error).into());
    let mut follow = match Follow::new(&source.path) {
        Ok(follow) => follow,
        Err(error) => return failed(error),
    };
    if let Err(error) = follow.reader().skip_to_last(source.tail) {
        return failed(error);
    }
    let mut begun = serde_json::Value::Array(Vec::new());
    let mut over = keeper.is_none();
    loop {
        match follow.read_new() {
            Ok(new) if !new.is_empty() => {
                lines(&new)?;
                continue;
            }
            Ok(_) => {}
            Err(error) => return failed(error),
        }
        if over {
            lines(&follow.unfinished())?;
            // Of one that still runs nobody writes on: another keeper, or none.
            let why = source.live.as_ref().filter(|_| keeper.is_none()).map(|_| "its keeper is not here to write more");
            return tell("log-ended", &why.into());
        }
        // A question to be answered stands in a line that has no end yet.
        let now = shown(&follow.reader().begun());
        if now != begun {
            tell("log-begun", &now)?;
            begun = now;
        }
        let mut others: Vec<(BorrowedFd<'_>, PollFlags)> = vec![(gone.as_fd(), PollFlags::empty())];
        others.extend(keeper.map(|keeper| (keeper.as_fd(), PollFlags::IN)));
        match follow.wait(&others, None) {
            Ok(come) if come[0] => return None,
            Ok(come) => over = come.get(1).copied().unwrap_or(true),
            Err(error) => return failed(error),
        }
    }
}

/// The same for the whole of it. What cannot be read ends it.
fn text(path: &Path, sender: &Sender<Bytes>) -> Option<()> {
    let mut reader = crate::log::Reader::open(path).ok()?;
    let mut piece = String::new();
    while let Some(line) = reader.next_line().ok()? {
        piece.push_str(&plain(&overwritten(&line.text)));
        piece.push('\n');
        if piece.len() >= PIECE {
            sender.blocking_send(std::mem::take(&mut piece).into()).ok()?;
        }
    }
    for line in reader.unfinished() {
        piece.push_str(&plain(&overwritten(&line.text)));
        piece.push('\n');
    }
    sender.blocking_send(piece.into()).ok()
}
