//! The keeper's end of a client's socket.

use super::outer::{Outer, Way};
use crate::error::Error;
use crate::sys::reopen::Sink;
use crate::wire::{Decoder, Kind, Launch, OUTPUT_WINDOW, Outbox, REPORT_STEP, Stream, VERSION, report};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;

/// A client.
pub struct Link {
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
}

/// What a client asks of its keeper.
pub struct Request {
    /// How to run it.
    pub launch: Launch,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

impl Link {
    /// Takes the socket that our parent passed on.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            outbox: Outbox::default(),
            under_way: [0; 2],
            accepted: 0,
            outer: None,
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
            self.wait(PollFlags::IN).map_err(|error| Error::system("wait for the client", error))?;
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

    /// Hands on output of a stream. It counts against the window until it is written.
    pub fn send_output(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Out && self.way() != Way::Frames {
            if self.outer.as_mut().is_some_and(|outer| outer.write(bytes)) {
                return;
            }
            self.leave_terminal();
        }
        self.send_frames(stream, bytes);
    }

    fn send_frames(&mut self, stream: Stream, bytes: &[u8]) {
        self.under_way[index(stream)] += bytes.len();
        self.send(stream.output(), bytes);
    }

    /// Whether more output of this stream may be read.
    pub fn has_room(&self, stream: Stream) -> bool {
        match (&self.outer, self.way()) {
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
        let way = self.way();
        self.leave_terminal();
        self.send(Kind::Notice, text.as_bytes());
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

    /// Waits until the client has been given everything, or is gone.
    pub fn finish(&mut self) {
        while self.is_blocked() && self.wait(PollFlags::OUT).is_ok() {
            self.flush();
        }
    }

    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        loop {
            match poll(&mut [PollFd::new(&self.socket, flags)], None) {
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
