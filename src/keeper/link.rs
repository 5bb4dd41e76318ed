//! The keeper's end of a client's socket.

use super::outer::{Outer, Way};
use crate::error::Error;
use crate::sys::reopen::Sink;
use crate::sys::tty::Size;
use crate::wire::{Decoder, Kind, Launch, OUTPUT_WINDOW, Outbox, REPORT_STEP, Stream, VERSION, report};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

/// What a client is to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The shell that started the run waits for it.
    First,
    /// It started the run and leaves: it is told how the run stands, and nothing that the command writes.
    Launcher,
    /// It came over the socket and has not yet said what it wants.
    Coming,
    /// It came over the socket; `types` says whether what it says reaches the command.
    Visitor {
        /// Not with `--read-only`.
        types: bool,
    },
    /// It was told to go, and is given what still waits for it.
    Leaving,
}

/// A client.
pub struct Link {
    /// What tells it from the others; the oldest has the lowest.
    pub id: u64,
    /// What it is to the run.
    pub role: Role,
    /// The size of its terminal, where it has one.
    pub size: Option<Size>,
    /// Whether it is in the foreground of its terminal, as far as it has said.
    pub in_foreground: bool,
    /// Its process and start token, where they are known.
    pub process: Option<(u32, u64)>,
    socket: OwnedFd,
    /// What it says; apart from the rest so that a frame can be acted on while it is borrowed.
    pub decoder: Decoder,
    outbox: Outbox,
    /// Bytes of output sent and not yet taken, by stream.
    under_way: [usize; 2],
    /// Bytes of input handed on and not yet reported.
    accepted: usize,
    /// Its terminal, where it has one.
    pub outer: Option<Outer>,
    /// It did not take what it was sent: nothing more is sent until it can be shown the screen anew.
    is_behind: bool,
    /// Since when it has had no room, while others look on; of the first client only.
    pub stuck_since: Option<Instant>,
}

/// What a client asks of its keeper.
pub struct Request {
    /// How to run it.
    pub launch: Launch,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

impl Link {
    /// Takes a socket: the one that our parent passed on, or one over which somebody came; `decoder` has what was read
    /// from it already.
    pub fn new(id: u64, role: Role, socket: OwnedFd, decoder: Decoder) -> Self {
        Self {
            id,
            role,
            size: None,
            in_foreground: true,
            process: None,
            socket,
            decoder,
            outbox: Outbox::default(),
            under_way: [0; 2],
            accepted: 0,
            outer: None,
            is_behind: false,
            stuck_since: None,
        }
    }

    /// Waits for the launch and the command. An error where the client went away before it had said all.
    pub fn receive(&mut self) -> Result<Request, Error> {
        let mut launch = None;
        let mut arguments = Vec::new();
        loop {
            while let Some(frame) = self.decoder.next_frame().map_err(|error| Error::system("read a frame", error))? {
                match frame.kind {
                    Some(Kind::Launch) => {
                        let asked: Launch = frame.json().map_err(|error| Error::system("read the launch", error))?;
                        if asked.version != VERSION {
                            return Err(Error::Message(format!(
                                "the client speaks version {} of the frames, this keeper {VERSION}",
                                asked.version
                            )));
                        }
                        launch = Some(asked);
                    }
                    Some(Kind::Arguments) => arguments.extend_from_slice(frame.payload),
                    Some(Kind::Go) => {
                        let command = split(&arguments);
                        return match launch {
                            Some(launch) if !command.is_empty() => Ok(Request { launch, command }),
                            _ => Err(Error::Message("the client sent no command".to_owned())),
                        };
                    }
                    _ => {}
                }
            }
            self.wait(PollFlags::IN, None).map_err(|error| Error::system("wait for the client", error))?;
            match self.decoder.fill(&self.socket) {
                Ok(0) => return Err(Error::Message("the client went away".to_owned())),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(Error::system("read from the client", error)),
            }
        }
    }

    /// Reads once. `Ok(false)` where the client is gone.
    pub fn fill(&mut self) -> bool {
        match self.decoder.fill(&self.socket) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    /// Whether what it says reaches the command.
    pub fn types(&self) -> bool {
        matches!(self.role, Role::First | Role::Visitor { types: true })
    }

    /// Whether it is shown what the command writes.
    pub fn looks(&self) -> bool {
        matches!(self.role, Role::First | Role::Visitor { .. })
    }

    /// Appends a frame and writes what goes at once.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) {
        self.outbox.push(kind, payload);
        self.flush();
    }

    /// Like [`Self::send`], with a JSON payload.
    pub fn send_json(&mut self, kind: Kind, value: &impl serde::Serialize) {
        self.outbox.push_json(kind, value);
        self.flush();
    }

    /// Hands on output of a stream, unless it is behind. It counts against the window until it is written.
    pub fn send_output(&mut self, stream: Stream, bytes: &[u8]) {
        if self.is_behind {
            return;
        }
        if stream == Stream::Out && self.way() != Way::Frames {
            if self.outer.as_mut().is_some_and(|outer| outer.write(bytes)) {
                return;
            }
            self.leave_terminal();
        }
        self.send_frames(stream, bytes);
        // Nobody waits for a visitor; what it does not take is not kept for it either.
        if matches!(self.role, Role::Visitor { .. }) && !self.has_room(stream) {
            self.fall_behind();
        }
    }

    fn send_frames(&mut self, stream: Stream, bytes: &[u8]) {
        self.under_way[index(stream)] += bytes.len();
        self.send(stream.output(), bytes);
    }

    /// From here on it gets nothing until [`Self::has_caught_up`].
    pub fn fall_behind(&mut self) {
        self.is_behind = true;
        self.stuck_since = None;
    }

    /// Whether it is behind and has taken what it was sent: it is to be shown the screen as it is now.
    pub fn has_caught_up(&self) -> bool {
        // Less than a step is not reported, and may have been taken long ago.
        self.is_behind
            && self.under_way[0] < REPORT_STEP
            && self.way() != Way::Asked
            && self.outer.as_ref().is_none_or(|outer| outer.waiting() == 0)
    }

    /// Whether it is behind.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Shows it the screen as it is now, which `replay` draws; what comes after follows again.
    pub fn show_anew(&mut self, replay: &[u8]) {
        self.is_behind = false;
        if self.way() != Way::Frames {
            if self.outer.as_mut().is_some_and(|outer| outer.write(replay)) {
                return;
            }
            self.leave_terminal();
        }
        // However large it is: behind again for its sake alone, it would be drawn again and again.
        self.send_frames(Stream::Out, replay);
    }

    /// Whether more output of this stream may be read.
    pub fn has_room(&self, stream: Stream) -> bool {
        match (&self.outer, self.way()) {
            _ if self.is_behind => true,
            (_, Way::Asked) if stream == Stream::Out => false,
            (Some(outer), Way::Direct) if stream == Stream::Out => outer.waiting() < OUTPUT_WINDOW,
            _ => self.under_way[index(stream)] < OUTPUT_WINDOW,
        }
    }

    fn way(&self) -> Way {
        self.outer.as_ref().map_or(Way::Frames, Outer::way)
    }

    /// What to wait for until the client's terminal takes more.
    pub fn blocked_terminal(&self) -> Option<&Sink> {
        self.outer.as_ref().and_then(Outer::blocked)
    }

    /// Writes on what waits for the client's terminal.
    pub fn flush_terminal(&mut self) {
        if !self.outer.as_mut().is_some_and(Outer::flush) {
            self.leave_terminal();
        }
    }

    /// From here on the client writes the output itself, behind what still waits.
    pub fn leave_terminal(&mut self) {
        let waiting = self.outer.as_mut().map(Outer::leave).unwrap_or_default();
        if !waiting.is_empty() {
            self.send_frames(Stream::Out, &waiting);
        }
    }

    /// A line of ours, between the output that came before it and what comes after.
    pub fn notice(&mut self, text: &str) {
        self.tell(Kind::Notice, text.as_bytes());
    }

    /// Something of ours, at its place in the output.
    pub fn tell(&mut self, kind: Kind, payload: &[u8]) {
        if self.is_behind && self.outbox.len() > OUTPUT_WINDOW {
            // It reads nothing at all; what it is told must not pile up either.
            return;
        }
        let way = self.way();
        self.leave_terminal();
        self.send(kind, payload);
        if way != Way::Frames {
            self.return_to_terminal();
        }
    }

    /// A question that is still open is given up: what is read next goes in frames.
    pub fn give_up_question(&mut self) {
        if self.way() == Way::Asked {
            self.leave_terminal();
        }
    }

    /// The client is in the foreground again: once it has written all frames, output goes straight to its terminal.
    pub fn return_to_terminal(&mut self) {
        if let Some(question) = self.outer.as_mut().and_then(Outer::ask) {
            self.send(Kind::Direct, &[question]);
        }
    }

    /// The client reports bytes of a stream as written.
    pub fn taken(&mut self, stream: Stream, count: usize) {
        let under_way = &mut self.under_way[index(stream)];
        *under_way = under_way.saturating_sub(count);
    }

    /// Input was handed on to the command.
    pub fn accept(&mut self, count: usize) {
        self.accepted += count;
    }

    /// Tells the client what was handed on: in steps, and once that is all of it, as it may type directly then.
    pub fn report_input(&mut self, is_all: bool) {
        // One byte is held back until then.
        let count = if is_all { self.accepted } else { self.accepted.saturating_sub(1) };
        if count >= REPORT_STEP || (is_all && count > 0) {
            self.accepted -= count;
            self.send(Kind::Accepted, &report(Stream::Out, count));
        }
    }

    /// Writes what goes. A client that is gone shows itself at the next read.
    pub fn flush(&mut self) {
        if self.outbox.flush(&self.socket).is_err() {
            self.outbox = Outbox::default();
        }
    }

    /// Whether something waits for room in the socket.
    pub fn is_blocked(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Waits until the client has been given everything, or is gone, or the deadline has passed.
    pub fn finish(&mut self, deadline: Option<Instant>) {
        while self.is_blocked() && self.wait(PollFlags::OUT, deadline).is_ok() {
            self.flush();
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return;
            }
        }
    }

    /// Waits until the client has given its terminal back; mends that of one that is gone before.
    pub fn see_back(&mut self, undo: &[u8], deadline: Instant) {
        let Some(outer) = self.outer.take() else { return };
        loop {
            let lives = self.fill();
            while let Ok(Some(frame)) = self.decoder.next_frame() {
                if frame.kind == Some(Kind::Back) {
                    return;
                }
            }
            if !lives {
                return outer.mend(undo);
            }
            if self.wait(PollFlags::IN, Some(deadline)).is_err() || deadline <= Instant::now() {
                return;
            }
        }
    }

    fn wait(&self, flags: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
            let left = left.and_then(|left| left.try_into().ok());
            match poll(&mut [PollFd::new(&self.socket, flags)], left.as_ref()) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Out => 0,
        Stream::Err => 1,
    }
}

/// Words that each end with a NUL: no argument can hold one.
fn split(arguments: &[u8]) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        arguments.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    words.pop();
    words
}
