//! A log as a stream: what was written last, and what comes, read from the file that the keeper writes.

use super::hub::{comment, event, silence};
use crate::api::Refusal;
use crate::log::lines::{overwritten, safe};
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// So many logs may be read along at once: each has a thread, and a page shows one.
pub const MOST: usize = 64;

/// Lines in one event: enough to fill a screen at once, and a piece that a page can draw between two pictures.
const BATCH: usize = 200;

/// Events that wait for a reader before its thread waits for it: the log itself is the buffer.
const AHEAD: usize = 4;

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

/// Reads along from the last `tail` lines on, until the instance has ended, or the stream is dropped.
pub fn stream(
    places: &Arc<Semaphore>,
    path: PathBuf,
    keeper: Option<&Entry>,
    tail: usize,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Refusal> {
    let refuse = |why: &str| Refusal(StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
    let place = Arc::clone(places).try_acquire_owned().map_err(|_| refuse("too many logs are read along already"))?;
    let keeper = keeper.and_then(|entry| Handle::open(entry.pid, entry.pid_token).ok().flatten());
    // Dropped with the stream, which wakes the thread.
    let (gone, open) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| refuse(&error.to_string()))?;
    let (sender, receiver) = channel(AHEAD);
    let thread = move || {
        // `None` only says that nobody listens any more.
        let _ = read(&path, keeper.as_ref(), tail, &gone, &sender);
    };
    thread::Builder::new().name("log".to_owned()).spawn(thread).map_err(|error| refuse(&error.to_string()))?;
    let reader = Reader { receiver, _open: open, _place: place };
    Ok(stream::unfold(reader, async |mut reader| {
        let bytes = match timeout(silence(), reader.receiver.recv()).await {
            Ok(bytes) => bytes?,
            Err(_) => comment(),
        };
        Some((Ok(bytes), reader))
    }))
}

struct Reader {
    receiver: Receiver<Bytes>,
    _open: OwnedFd,
    _place: OwnedSemaphorePermit,
}

/// Runs on the thread; returns when there is nothing more to tell, or nobody to tell it to.
fn read(path: &Path, keeper: Option<&Handle>, tail: usize, gone: &OwnedFd, sender: &Sender<Bytes>) -> Option<()> {
    let tell =
        |name: &str, value: &serde_json::Value| sender.blocking_send(event(name, &value.to_string()).into()).ok();
    let lines = |lines: &[Line]| {
        for batch in lines.chunks(BATCH) {
            let batch: Vec<Shown> = batch.iter().map(Shown::from).collect();
            tell("log-lines", &serde_json::to_value(batch).unwrap_or_default())?;
        }
        Some(())
    };
    let failed = |error: std::io::Error| tell("log-failed", &crate::error::reason(&error).into());
    let mut follow = match Follow::new(path) {
        Ok(follow) => follow,
        Err(error) => return failed(error),
    };
    if let Err(error) = follow.reader().skip_to_last(tail) {
        return failed(error);
    }
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
            return tell("log-ended", &serde_json::Value::Null);
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
