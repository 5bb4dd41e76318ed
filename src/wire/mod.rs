//! Frames: what client and keeper say to each other over one stream socket.
//!
//! A frame is a byte of kind, four bytes of length (little endian) and the payload. Both ends are the same
//! executable for the first client, but an `attach` of another version may come later: the first frame of either
//! side carries [`VERSION`], and an unknown kind is passed over.

mod messages;

pub use messages::*;

use rustix::fd::AsFd;
use serde::Serialize;
use std::io;

/// Raised when a frame changes its meaning.
pub const VERSION: u32 = 1;

/// Kind and length.
pub const HEADER: usize = 5;

/// The largest payload. It bounds what a decoder must hold; 64 KiB is one full pipe, and larger frames were
/// not faster when measured.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Bytes of input that a client may have under way: the keeper says [`Kind::Accepted`] as it hands them on.
/// A terminal holds 4 KiB; the rest keeps a paste moving. The client stops reading its terminal beyond it.
pub const INPUT_WINDOW: usize = 64 * 1024;

/// Bytes of one output stream that a keeper may have under way: the client says [`Kind::Taken`] as it writes them.
/// Then the keeper stops reading and the command blocks, as it would bare. With what the PTY itself holds it
/// stays under 256 KiB, the most that may still appear after Ctrl-C.
pub const OUTPUT_WINDOW: usize = 192 * 1024;

/// Either side reports what it handed on in steps of this many bytes, so that a keystroke never costs a report.
pub const REPORT_STEP: usize = 32 * 1024;

/// What a keeper calls itself behind `wrap`, in the words that `ps` shows.
pub const KEEPER: &str = "__keeper";

/// What a frame is. The numbers are the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client: the [`Launch`], as JSON.
    Launch = 1,
    /// Client: the command and its arguments, each ended by a NUL; in pieces, as there may be megabytes.
    Arguments = 2,
    /// Client: that was all; start it.
    Go = 3,
    /// Client: bytes typed.
    Input = 4,
    /// Client: its terminal's [`Size`], as JSON.
    Resize = 5,
    /// Client: a signal that somebody sent it, for the command (one byte).
    Signal = 6,
    /// Client: it was continued, or is in the foreground again ([`Resume`], as JSON).
    Resume = 7,
    /// Client: nobody reads this output stream any more (one byte, a [`Stream`]).
    Closed = 8,
    /// Client: its terminal was closed.
    Hangup = 9,
    /// Client: it leaves, and the command is to go on.
    Detach = 10,
    /// Client: this many bytes of an output stream were written ([`report`]).
    Taken = 11,
    /// Client: a key of its own terminal raised this signal (one byte), while that terminal was not raw.
    Key = 12,
    /// Client: the answer to [`Kind::Direct`]: its byte, and 1 where all frames are written and we are in the foreground.
    Ready = 13,
    /// Client: it comes to a run that is under way ([`Attach`], as JSON). Its first frame.
    Attach = 14,
    /// Client: the run is over, and its terminal is as it found it. Its last frame.
    Back = 15,

    /// Keeper: the command runs ([`Started`], as JSON).
    Started = 32,
    /// Keeper: it could not be started ([`Failed`], as JSON).
    Failed = 33,
    /// Keeper: there is no PTY to be had; the client is to run the command bare (the reason, as text).
    Bare = 34,
    /// Keeper: output of the terminal or of standard output.
    Output = 35,
    /// Keeper: output of standard error (pipe mode).
    ErrorOutput = 36,
    /// Keeper: the command was stopped by this signal (one byte); a second byte of 1 says that its terminal is in the
    /// hands of another group of its own.
    Stopped = 37,
    /// Keeper: a key raised this signal (one byte) in the command's terminal.
    Raised = 38,
    /// Keeper: this many bytes of input were handed on ([`report`]); a [`Resume`] counts as one more than it brings.
    Accepted = 39,
    /// Keeper: a line of ours for the user.
    Notice = 40,
    /// Keeper: the command has ended ([`Ended`], as JSON). The last frame.
    Ended = 41,
    /// Keeper: the command goes on without this client, which dies of this signal (one byte) or, for 0, exits
    /// with 0. The last frame.
    Detached = 42,
    /// Keeper: nobody writes to standard output any more.
    EndOfOutput = 43,
    /// Keeper: what undoes the modes that the command has switched on in the terminal; empty where none are.
    Undo = 44,
    /// Keeper: may output go straight to the terminal from here on? (a byte, to be given back in [`Kind::Ready`]).
    Direct = 45,
    /// Keeper: the run is ready ([`Place`], as JSON): for a client that waits for nothing else.
    IsReady = 46,
    /// Keeper: the last lines of a run that ended, as text: for such a client.
    LastWords = 47,
    /// Keeper: a hook's news for the user ([`Notification`], as JSON), for a terminal that can show such.
    Notify = 48,
}

impl Kind {
    const ALL: [Self; 32] = [
        Self::Launch,
        Self::Arguments,
        Self::Go,
        Self::Input,
        Self::Resize,
        Self::Signal,
        Self::Resume,
        Self::Closed,
        Self::Hangup,
        Self::Detach,
        Self::Taken,
        Self::Key,
        Self::Ready,
        Self::Attach,
        Self::Back,
        Self::Started,
        Self::Failed,
        Self::Bare,
        Self::Output,
        Self::ErrorOutput,
        Self::Stopped,
        Self::Raised,
        Self::Accepted,
        Self::Notice,
        Self::Ended,
        Self::Detached,
        Self::EndOfOutput,
        Self::Undo,
        Self::Direct,
        Self::IsReady,
        Self::LastWords,
        Self::Notify,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The payload of [`Kind::Taken`] and [`Kind::Accepted`]: which stream (input counts as [`Stream::Out`]) and how
/// many bytes.
pub fn report(stream: Stream, count: usize) -> [u8; 5] {
    let [a, b, c, d] = (count as u32).to_le_bytes();
    [stream as u8, a, b, c, d]
}

/// A frame as it lies in a [`Decoder`].
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is; `None` for a kind that this version does not know.
    pub kind: Option<Kind>,
    /// Its payload.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The payload as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> io::Result<T> {
        serde_json::from_slice(self.payload).map_err(io::Error::other)
    }

    /// The payload's first byte as a number; 0 where it is empty.
    pub fn number(&self) -> i32 {
        self.payload.first().copied().map_or(0, i32::from)
    }

    /// The payload as a [`report`].
    pub fn report(&self) -> Option<(Stream, usize)> {
        let [stream, count @ ..]: [u8; 5] = self.payload.try_into().ok()?;
        Some((Stream::of(stream)?, u32::from_le_bytes(count) as usize))
    }

    /// The payload as an output stream.
    pub fn stream(&self) -> Option<Stream> {
        Stream::of(*self.payload.first()?)
    }

    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.payload).into_owned()
    }
}

/// Collects bytes and hands out whole frames.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// The buffer of a decoder that has only seen small frames; it grows to one largest frame when it must.
const SMALL: usize = 4 * 1024;

impl Decoder {
    /// Begins with bytes that were read from the socket already.
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { end: bytes.len(), buffer: bytes, start: 0 }
    }

    /// Reads once from the socket. `Ok(0)` is its end.
    pub fn fill(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let pending = &self.buffer[self.start..self.end];
        let wanted = match length(pending) {
            Some(payload) => HEADER + payload,
            None => SMALL,
        };
        if self.start > 0 && (self.start == self.end || self.buffer.len() - self.start < wanted) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // A reader that got a full buffer last time is behind: read in the largest pieces.
        let room = if self.end == self.buffer.len() { HEADER + MAX_PAYLOAD } else { wanted };
        if self.buffer.len() < room.max(self.end + 1) {
            self.buffer.resize(room.max(self.end + 1), 0);
        }
        let count = rustix::io::read(socket, &mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// The next whole frame, if there is one. An impossible length is an error: the other side is broken.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame<'_>>> {
        let pending = &self.buffer[self.start..self.end];
        let Some(length) = length(pending) else { return Ok(None) };
        if length > MAX_PAYLOAD {
            return Err(io::Error::other(format!("a frame of {length} bytes, more than {MAX_PAYLOAD}")));
        }
        if pending.len() < HEADER + length {
            return Ok(None);
        }
        let from = self.start;
        self.start += HEADER + length;
        let kind = Kind::of(self.buffer[from]);
        Ok(Some(Frame { kind, payload: &self.buffer[from + HEADER..self.start] }))
    }
}

fn length(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(1..HEADER)?.try_into().ok()?;
    Some(u32::from_le_bytes(length) as usize)
}

/// Frames that wait to be written to a non-blocking socket.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Bytes not yet written.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether all was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a frame; a payload over [`MAX_PAYLOAD`] becomes several.
    pub fn push(&mut self, kind: Kind, payload: &[u8]) {
        let mut rest = payload;
        loop {
            let (piece, after) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            self.bytes.push(kind as u8);
            self.bytes.extend_from_slice(&(piece.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(piece);
            rest = after;
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Appends a frame with a JSON payload.
    pub fn push_json(&mut self, kind: Kind, value: &impl Serialize) {
        // Our own types have string keys and no failing serializer.
        self.push(kind, &serde_json::to_vec(value).unwrap_or_default());
    }

    /// Writes what goes. `Ok` also where nothing did; an error means that the other side is gone.
    pub fn flush(&mut self, socket: impl AsFd) -> io::Result<()> {
        while !self.is_empty() {
            match rustix::net::send(socket.as_fd(), &self.bytes[self.sent..], rustix::net::SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (rustix::fd::OwnedFd, rustix::fd::OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).expect("a socket pair")
    }

    /// Sends through a real socket and collects what comes out.
    fn carry(outbox: &mut Outbox) -> Vec<(Option<Kind>, Vec<u8>)> {
        let (near, far) = pair();
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        loop {
            outbox.flush(&near).expect("flush");
            while let Ok(1..) = decoder.fill(&far) {
                while let Some(frame) = decoder.next_frame().expect("frames") {
                    frames.push((frame.kind, frame.payload.to_vec()));
                }
            }
            if outbox.is_empty() {
                return frames;
            }
        }
    }

    #[test]
    fn frames_of_every_size_arrive_whole_and_in_order() {
        let mut outbox = Outbox::default();
        let large: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        outbox.push(Kind::Input, b"");
        outbox.push(Kind::Output, b"a");
        outbox.push(Kind::Arguments, &large);
        outbox.push(Kind::Output, b"xyz");
        let frames = carry(&mut outbox);
        assert_eq!(frames[0], (Some(Kind::Input), vec![]));
        assert_eq!(frames[1], (Some(Kind::Output), b"a".to_vec()));
        let arguments: Vec<u8> =
            frames.iter().filter(|(kind, _)| *kind == Some(Kind::Arguments)).flat_map(|(_, b)| b.clone()).collect();
        assert_eq!(arguments, large);
        assert_eq!(frames.last(), Some(&(Some(Kind::Output), b"xyz".to_vec())));
    }

    #[test]
    fn an_unknown_kind_is_passed_over_and_an_impossible_length_refused() {
        let (near, far) = pair();
        rustix::io::write(&near, &[200, 1, 0, 0, 0, b'x', Kind::Go as u8, 0, 0, 0, 0]).expect("write");
        let mut decoder = Decoder::default();
        decoder.fill(&far).expect("fill");
        assert_eq!(decoder.next_frame().expect("a frame"), Some(Frame { kind: None, payload: b"x" }));
        assert_eq!(decoder.next_frame().expect("a frame"), Some(Frame { kind: Some(Kind::Go), payload: b"" }));
        assert_eq!(decoder.next_frame().expect("none"), None);
        rustix::io::write(&near, &[1, 0xff, 0xff, 0xff, 0xff]).expect("write");
        decoder.fill(&far).expect("fill");
        assert!(decoder.next_frame().is_err());
    }

    #[test]
    fn every_kind_is_known_by_its_number() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind as u8), Some(kind));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..proptest::prelude::ProptestConfig::with_cases(300)
        })]

        /// Whatever came: whole frames, a length that cannot be, or the wait for more; and never more than came.
        #[test]
        fn any_bytes_are_frames_or_an_error_and_never_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let mut decoder = Decoder::after(bytes.clone());
            let mut used = 0;
            while let Ok(Some(frame)) = decoder.next_frame() {
                used += HEADER + frame.payload.len();
                let _ = (frame.number(), frame.report(), frame.stream(), frame.text());
                let _ = (frame.json::<Launch>().is_ok(), frame.json::<Attach>().is_ok(), frame.json::<Resume>().is_ok());
            }
            assert!(used <= bytes.len());
        }

        /// What is pushed comes out as it was, however the socket has cut it.
        #[test]
        fn frames_come_out_as_they_were_pushed_however_they_were_cut(
            payloads in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..3000), 1..6),
            cut in 1..700_usize,
        ) {
            let mut outbox = Outbox::default();
            for payload in &payloads {
                outbox.push(Kind::Output, payload);
            }
            let bytes = std::mem::take(&mut outbox.bytes);
            let (near, far) = pair();
            let (mut decoder, mut found) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                rustix::io::write(&near, piece).expect("sent");
                while decoder.fill(&far).is_ok_and(|count| count > 0) {}
                while let Some(frame) = decoder.next_frame().expect("a frame") {
                    assert_eq!(frame.kind, Some(Kind::Output));
                    found.push(frame.payload.to_vec());
                }
            }
            assert_eq!(found, payloads);
        }
    }
}
