//! The keeper's end of a client's socket.

use crate::error::Error;
use crate::wire::{Decoder, Kind, Launch, Outbox, REPORT_STEP, Stream, VERSION, report};
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
        Self { socket, decoder: Decoder::default(), outbox: Outbox::default(), under_way: [0; 2], accepted: 0 }
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

    /// Sends output of a stream; it counts against the window until the client reports it taken.
    pub fn send_output(&mut self, stream: Stream, bytes: &[u8]) {
        self.under_way[index(stream)] += bytes.len();
        self.send(stream.output(), bytes);
    }

    /// Output of this stream that the client has not taken yet.
    pub fn under_way(&self, stream: Stream) -> usize {
        self.under_way[index(stream)]
    }

    /// The client reports bytes of a stream as written.
    pub fn taken(&mut self, stream: Stream, count: usize) {
        let under_way = &mut self.under_way[index(stream)];
        *under_way = under_way.saturating_sub(count);
    }

    /// Input was handed on to the command; the client learns it in steps.
    pub fn accept(&mut self, count: usize) {
        self.accepted += count;
        if self.accepted >= REPORT_STEP {
            let count = std::mem::take(&mut self.accepted);
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
