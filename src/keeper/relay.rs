//! The command's streams: what it writes goes to the client, what the client types goes to it.

use crate::sys::pty::Pty;
use crate::sys::tty::{self, Modes};
use crate::wire::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use std::io;

/// One read of output. A terminal hands over what it has, 4 KiB and more while it is filled anew; a pipe up to 64.
const READ: usize = 64 * 1024;

/// The keeper's ends of the command's streams.
pub enum Ends {
    /// A PTY for all of them.
    Terminal {
        /// The master's side.
        pty: Pty,
        /// Held where the command has closed its terminal and lives on: without any holder the master reports the
        /// end without pause.
        held: Option<OwnedFd>,
        /// What the terminal did not take yet.
        input: Vec<u8>,
        /// All holders have let go.
        ended: bool,
    },
    /// The read ends of its pipes.
    Pipe {
        /// Standard output, with standard error in it where both are the same file.
        out: Option<OwnedFd>,
        /// Standard error.
        err: Option<OwnedFd>,
    },
}

/// The relay and its buffer.
pub struct Relay {
    /// The ends.
    pub ends: Ends,
    buffer: Vec<u8>,
    /// The last typed byte takes the meaning from the next one.
    quoted: bool,
    last_typed: Option<u8>,
    /// Bytes that were typed in all, those that still wait included.
    typed: u64,
}

impl Relay {
    /// A relay between these ends and whoever is linked.
    pub fn new(ends: Ends) -> Self {
        Self { ends, buffer: Vec::new(), quoted: false, last_typed: None, typed: 0 }
    }

    /// The PTY, in terminal mode.
    pub fn pty(&self) -> Option<&Pty> {
        match &self.ends {
            Ends::Terminal { pty, .. } => Some(pty),
            Ends::Pipe { .. } => None,
        }
    }

    /// Adds the ends that are to be waited for, as far as there is room for what comes from them.
    pub fn watch<'a>(&'a self, set: &mut Vec<PollFd<'a>>, room: impl Fn(Stream) -> bool) {
        match &self.ends {
            Ends::Terminal { pty, input, ended, .. } => {
                let mut flags = PollFlags::empty();
                if room(Stream::Out) {
                    flags |= PollFlags::IN;
                }
                if !input.is_empty() {
                    flags |= PollFlags::OUT;
                }
                // Its end is reported unasked and without pause: look only while there is something to do.
                if !flags.is_empty() && !*ended {
                    set.push(PollFd::new(pty, flags));
                }
            }
            Ends::Pipe { out, err } => {
                for (stream, end) in [(Stream::Out, out), (Stream::Err, err)] {
                    if let Some(end) = end
                        && room(stream)
                    {
                        set.push(PollFd::new(end, PollFlags::IN));
                    }
                }
            }
        }
    }

    /// Reads once from each stream that has room, and hands each piece to `take`.
    pub fn read(&mut self, room: impl Fn(Stream) -> bool, mut take: impl FnMut(Stream, &[u8])) -> Read {
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ];
        }
        let mut read = Read::default();
        for stream in [Stream::Out, Stream::Err] {
            if !room(stream) {
                continue;
            }
            let count = match (&mut self.ends, stream) {
                (Ends::Terminal { pty, ended: at_end, .. }, Stream::Out) => {
                    let (count, end) = read_once(&*pty, &mut self.buffer);
                    *at_end |= end;
                    count
                }
                (Ends::Terminal { .. }, Stream::Err) => 0,
                (Ends::Pipe { out: end, .. }, Stream::Out) | (Ends::Pipe { err: end, .. }, Stream::Err) => {
                    let Some(pipe) = end.as_ref() else { continue };
                    let (count, at_end) = read_once(pipe, &mut self.buffer);
                    if at_end {
                        *end = None;
                        read.out_ended |= stream == Stream::Out;
                    }
                    count
                }
            };
            if count > 0 {
                read.count += count;
                take(stream, &self.buffer[..count]);
            }
        }
        read
    }

    /// Bytes that lie in the pipes; 0 of a terminal, which never holds much.
    pub fn unread(&self) -> usize {
        let Ends::Pipe { out, err } = &self.ends else { return 0 };
        let of = |end: &OwnedFd| rustix::io::ioctl_fionread(end).unwrap_or(0) as usize;
        [out, err].into_iter().flatten().map(of).sum()
    }

    /// Whether every end has been read to its end.
    pub fn is_at_end(&self) -> bool {
        match &self.ends {
            Ends::Terminal { ended, .. } => *ended,
            Ends::Pipe { out, err } => out.is_none() && err.is_none(),
        }
    }

    /// The command lives on without its terminal: hold the other side, so that the master is quiet until somebody
    /// opens it again.
    pub fn hold_terminal(&mut self) {
        if let Ends::Terminal { pty, held, ended, .. } = &mut self.ends
            && *ended
            && held.is_none()
        {
            *held = pty.slave().ok();
            *ended = held.is_none();
        }
    }

    /// The command is gone: from here on the master reports the end once the last of its processes let go.
    pub fn release_terminal(&mut self) {
        if let Ends::Terminal { held, .. } = &mut self.ends {
            *held = None;
        }
    }

    /// Nobody reads this stream any more: the command gets SIGPIPE at its next write, as it would bare.
    pub fn close(&mut self, stream: Stream) {
        if let Ends::Pipe { out, err } = &mut self.ends {
            match stream {
                Stream::Out => *out = None,
                Stream::Err => *err = None,
            }
        }
    }

    /// Hands typed bytes to the command's terminal; what it does not take waits. The signal that a key among them
    /// raises, if any, and how many bytes went.
    pub fn type_in(&mut self, bytes: &[u8]) -> Typed {
        let Ends::Terminal { pty, input, .. } = &mut self.ends else { return Typed::default() };
        let raised = raised(pty, bytes, &mut self.quoted);
        self.last_typed = bytes.last().copied().or(self.last_typed);
        self.typed += bytes.len() as u64;
        let mut rest = bytes;
        if input.is_empty() {
            let done = put(pty, rest);
            rest = &rest[done..];
        }
        input.extend_from_slice(rest);
        Typed { accepted: bytes.len() - rest.len(), raised }
    }

    /// Writes on what waited; how many bytes went.
    pub fn flush_input(&mut self) -> usize {
        let Ends::Terminal { pty, input, .. } = &mut self.ends else { return 0 };
        if input.is_empty() {
            return 0;
        }
        let done = put(pty, input);
        input.drain(..done);
        done
    }

    /// How many bytes were ever typed, and how many of them wait for the terminal to take them.
    pub fn typed(&self) -> (u64, usize) {
        let waiting = if let Ends::Terminal { input, .. } = &self.ends { input.len() } else { 0 };
        (self.typed, waiting)
    }

    /// Throws away what waits for the terminal; how much that was.
    pub fn drop_input(&mut self) -> usize {
        let Ends::Terminal { input, .. } = &mut self.ends else { return 0 };
        self.quoted = false;
        self.typed -= input.len() as u64;
        std::mem::take(input).len()
    }

    /// Whether nothing waits for the terminal, and the last key has its whole meaning.
    pub fn has_typed_all(&self) -> bool {
        !self.quoted && !matches!(&self.ends, Ends::Terminal { input, .. } if !input.is_empty())
    }

    /// Types what another terminal has echoed already; how many bytes went at once.
    pub fn type_ahead(&mut self, typed: &[u8]) -> usize {
        let Ends::Terminal { pty, input, .. } = &self.ends else { return typed.len() };
        if typed.is_empty() {
            return 0;
        }
        let done = match (pty.slave(), Modes::of(pty)) {
            (Ok(slave), Ok(modes)) if modes.is_canonical() && input.is_empty() => type_ahead(pty, slave, typed).ok(),
            // A command that has set its own modes echoes as it likes.
            _ => None,
        };
        let done = done.unwrap_or(0);
        // What the terminal has no room for is echoed once more, rather than lost.
        done + if done < typed.len() { self.type_in(&typed[done..]).accepted } else { 0 }
    }

    /// Types an end of file (`--pty` with a standard input that ended), where the terminal reads lines.
    pub fn type_end_of_file(&mut self) {
        let end = self.pty().and_then(|pty| Modes::of(pty).ok()).filter(Modes::is_canonical);
        let Some(end) = end.and_then(|modes| modes.end_of_file()) else { return };
        // Behind a line that has no end the first one only hands over what there is (termios(3), VEOF).
        if self.last_typed.is_some_and(|last| last != b'\n' && last != end) {
            self.type_in(&[end]);
        }
        self.type_in(&[end]);
    }
}

/// What a read has found.
#[derive(Default)]
pub struct Read {
    /// Bytes, of all streams.
    pub count: usize,
    /// Nobody writes to standard output any more.
    pub out_ended: bool,
}

/// What became of typed bytes.
#[derive(Default)]
pub struct Typed {
    /// How many the terminal took at once.
    pub accepted: usize,
    /// The signal that a key among them raised.
    pub raised: Option<Raised>,
}

/// A key's signal.
#[derive(Clone, Copy)]
pub struct Raised {
    /// Its number.
    pub signal: i32,
    /// The foreground group that got it.
    pub group: Option<u32>,
}

/// The signal that the last such key among these bytes raises in this terminal (INTR, QUIT, SUSP), and in which group.
/// `quoted` says whether the byte before them was LNEXT (Ctrl-V), which takes the meaning from the next one.
fn raised(pty: &Pty, bytes: &[u8], quoted: &mut bool) -> Option<Raised> {
    // Every signal key that people set is a control character; text costs no system call.
    if !*quoted && !bytes.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    let modes = Modes::of(pty).ok()?;
    let mut signal = None;
    for &byte in bytes {
        if std::mem::take(quoted) {
            continue;
        }
        *quoted = modes.quotes(byte);
        signal = modes.signal_of(byte).or(signal);
    }
    Some(Raised { signal: signal?, group: tty::foreground(pty) })
}

/// Reads once: how much, and whether the source has ended. A second read would mostly find a terminal empty, whose
/// buffer the kernel fills anew in a work queue; it wakes that queue for nothing, which costs more than the read.
fn read_once(source: impl AsFd, buffer: &mut [u8]) -> (usize, bool) {
    loop {
        match rustix::io::read(source.as_fd(), &mut *buffer) {
            Ok(0) => return (0, true),
            Ok(count) => return (count, false),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return (0, false),
            // EIO: the last holder of the slave let go (pty(7)).
            Err(_) => return (0, true),
        }
    }
}

fn put(pty: &Pty, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(pty, &bytes[done..]) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            // Nobody holds the terminal: nobody will ever read it.
            Err(_) => return bytes.len(),
        }
    }
    done
}

/// Types what the outer terminal has echoed already, without a second echo; how much it took. Only before the command is started:
/// afterwards the modes are its own.
pub fn type_ahead(pty: &Pty, slave: impl AsFd, typed: &[u8]) -> io::Result<usize> {
    if typed.is_empty() {
        return Ok(0);
    }
    let modes = Modes::of(pty)?;
    modes.without_echo().set(pty)?;
    let done = put(pty, typed);
    // The kernel handles input in a work queue; polling the slave waits for it (n_tty_poll). Without that the echo
    // would be on again before the bytes are looked at.
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let _ = poll(&mut [PollFd::new(&slave, PollFlags::IN)], Some(&now));
    modes.set(pty)?;
    Ok(done)
}
