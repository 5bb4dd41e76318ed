//! The outer terminal of the first client: its modes are mended if the client is killed, and while the client is in
//! its foreground the command's output goes straight to it.
//!
//! The way through the client costs a keystroke's echo two more wake-ups and the output one more copy. The client
//! alone may read the terminal, though: only its session's processes are stopped in the background, as they must be.

use crate::sys::process;
use crate::sys::reopen::{self, Queue, Sink};
use crate::sys::tty::Modes;
use rustix::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How often the client's place is looked at while there is output: somebody may have stopped it by SIGSTOP, which
/// nobody is told of, and a stopped job writes nothing. Often enough for a person, and a look takes 10 microseconds.
const LOOK: Duration = Duration::from_millis(20);

/// The outer terminal and what it was set to.
pub struct Outer {
    fd: OwnedFd,
    /// The modes that the client found.
    pub saved: Modes,
    /// The client's process and start token.
    client: Option<(u32, u64)>,
    queue: Queue,
    way: Way,
    /// Raised with each question, so that a late answer is not taken for another's.
    asked: u8,
    looked: Instant,
}

/// Which way the output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In frames, and the client writes it.
    Frames,
    /// The client is asked whether it has written all of them; until it answers, nothing goes.
    Asked,
    /// Straight to the terminal.
    Direct,
}

impl Outer {
    /// The terminal on standard input and output. `in_foreground`: the client has it, and nothing was sent yet.
    pub fn new(saved: Modes, client: Option<(u32, u64)>, in_foreground: bool) -> Option<Self> {
        // Copies: the streams themselves go to the command.
        let fd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).ok()?;
        // A description that is shared cannot be written without the danger of waiting.
        let sink = Sink::open(rustix::stdio::stdout()).ok().filter(|sink| matches!(sink, Sink::Terminal(_)));
        let way = if sink.is_some() && in_foreground { Way::Direct } else { Way::Frames };
        Some(Self { fd, saved, client, queue: Queue::new(sink), way, asked: 0, looked: Instant::now() })
    }

    /// The terminal of a visitor, only to be mended: `saved` is what it found there, `process` itself. `None` where it
    /// cannot be opened, or is no longer that process's.
    pub fn of_visitor(saved: Modes, process: (u32, u64)) -> Option<Self> {
        let fd = reopen::terminal_of(process.0).ok()?;
        // Looked at after the open: if it still lives, what was opened is its own.
        process::is_alive(process.0, process.1).then(|| Self {
            fd,
            saved,
            client: Some(process),
            queue: Queue::new(None),
            way: Way::Frames,
            asked: 0,
            looked: Instant::now(),
        })
    }

    /// Which way output goes now.
    pub fn way(&self) -> Way {
        self.way
    }

    /// How much output waits for the terminal to take it.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What to wait for until it takes more.
    pub fn blocked(&self) -> Option<&Sink> {
        self.queue.sink().filter(|_| !self.queue.is_empty())
    }

    /// Writes output; `false` where it is to go in frames, behind what [`Self::leave`] returns.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if self.way != Way::Direct || !self.may_write() {
            return false;
        }
        self.queue.write(bytes);
        true
    }

    /// Writes on what waits; `false` where that is the client's to do.
    pub fn flush(&mut self) -> bool {
        if self.way != Way::Direct || !self.may_write() {
            return false;
        }
        self.queue.flush();
        true
    }

    /// Whether the terminal is there, and the client runs in its foreground.
    fn may_write(&mut self) -> bool {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            if !self.client.is_some_and(|(pid, token)| process::may_use_terminal(pid, token)) {
                return false;
            }
        }
        self.queue.sink().is_some()
    }

    /// From now on output goes in frames; what still waits goes first.
    pub fn leave(&mut self) -> Vec<u8> {
        self.way = Way::Frames;
        self.queue.take()
    }

    /// The client is in the foreground again: what is to be asked before output may go straight, if it may.
    pub fn ask(&mut self) -> Option<u8> {
        if self.way == Way::Direct || self.queue.sink().is_none() {
            return None;
        }
        self.way = Way::Asked;
        self.asked = self.asked.wrapping_add(1);
        Some(self.asked)
    }

    /// The client's answer to a question: whether it has written all frames and keeps away.
    pub fn answered(&mut self, question: u8, yes: bool) {
        if self.way == Way::Asked && question == self.asked {
            self.way = if yes { Way::Direct } else { Way::Frames };
            self.looked = Instant::now();
        }
    }

    /// Gives the modes back, if they are still those that the client set, and undoes what the command has switched on.
    pub fn mend(&self, undo: &[u8]) {
        if Modes::of(&self.fd).is_ok_and(|now| now == self.saved.raw()) {
            // A terminal that is gone has nothing to mend.
            let _ = self.saved.set(self.fd.as_fd());
        }
        if !undo.is_empty() {
            // One that takes nothing now is stopped, or not looked at.
            let _ = Sink::open(self.fd.as_fd()).and_then(|terminal| terminal.write(undo));
        }
    }
}
