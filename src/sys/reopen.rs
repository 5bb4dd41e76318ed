//! Non-blocking access to an inherited stream, without making it non-blocking for everybody who shares it.
//!
//! O_NONBLOCK belongs to the open file description (fcntl(2)), which the shell and its other jobs share: setting
//! it on an inherited descriptor breaks them. A second description of the same terminal or pipe is ours alone.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::io;

/// Bytes that a write to a pipe or terminal that poll(2) calls writable takes without blocking: PIPE_BUF on Linux,
/// and no more than a terminal's own buffer.
const SAFE_WRITE: usize = 4096;

/// A stream of ours to write to.
pub enum Sink {
    /// A pipe in a description of our own, non-blocking.
    Own(OwnedFd),
    /// A terminal, likewise.
    Terminal(OwnedFd),
    /// The inherited descriptor, written in pieces that do not block once poll has said yes.
    Shared(OwnedFd),
    /// A regular file or device that never makes a writer wait.
    File(OwnedFd),
}

impl Sink {
    /// A way to write to `fd` that never blocks.
    pub fn open(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
        let terminal = rustix::termios::isatty(fd);
        if kind == FileType::Fifo || terminal {
            let access = if terminal { OFlags::RDWR } else { OFlags::WRONLY };
            if let Ok(own) = again(fd, access) {
                return Ok(if terminal { Self::Terminal(own) } else { Self::Own(own) });
            }
        }
        let copy = fd.try_clone_to_owned()?;
        Ok(if kind == FileType::RegularFile { Self::File(copy) } else { Self::Shared(copy) })
    }

    /// Writes what goes without blocking. `WouldBlock` where nothing does.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (fd, bytes) = match self {
            Self::Own(fd) | Self::Terminal(fd) | Self::File(fd) => (fd, bytes),
            Self::Shared(fd) => {
                use rustix::event::{PollFd, PollFlags, Timespec, poll};
                let mut fds = [PollFd::new(fd, PollFlags::OUT)];
                if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                (fd, &bytes[..bytes.len().min(SAFE_WRITE)])
            }
        };
        Ok(rustix::io::write(fd, bytes)?)
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(fd) | Self::Terminal(fd) | Self::Shared(fd) | Self::File(fd) => fd.as_fd(),
        }
    }
}

/// A sink and what it did not take yet.
#[derive(Default)]
pub struct Queue {
    sink: Option<Sink>,
    waiting: Vec<u8>,
    start: usize,
}

impl Queue {
    /// Writes to this sink; what has none is thrown away.
    pub fn new(sink: Option<Sink>) -> Self {
        Self { sink, ..Self::default() }
    }

    /// The sink, while somebody reads it.
    pub fn sink(&self) -> Option<&Sink> {
        self.sink.as_ref()
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.waiting.len() - self.start
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes as much as goes at once, behind what waits, and keeps the rest. How much was written or thrown away.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        if self.is_empty() {
            done = self.put(bytes);
        }
        let rest = &bytes[done..];
        if self.sink.is_none() {
            return done + rest.len();
        }
        if !rest.is_empty() {
            // What was written stays in front for a while: to move the rest at every write would cost more than the
            // write, and never to move it would let the buffer grow with the whole output.
            if self.start > self.len() {
                self.waiting.drain(..std::mem::take(&mut self.start));
            }
            self.waiting.extend_from_slice(rest);
        }
        done
    }

    /// Writes on what waits. How much was written or thrown away.
    pub fn flush(&mut self) -> usize {
        // Both are out of the way, as a sink that turns out to be gone clears them.
        let waiting = std::mem::take(&mut self.waiting);
        let start = std::mem::take(&mut self.start);
        let done = self.put(&waiting[start..]);
        self.waiting = waiting;
        self.start = start + done;
        if self.sink.is_none() || self.is_empty() { done + self.clear() } else { done }
    }

    /// Throws away what waits; how much that was.
    pub fn clear(&mut self) -> usize {
        let thrown = self.len();
        self.start = 0;
        if self.waiting.capacity() > SAFE_WRITE {
            // A burst is over; nearly always what comes is written at once, and nothing waits.
            self.waiting = Vec::new();
        } else {
            self.waiting.clear();
        }
        thrown
    }

    /// What waits; it is somebody else's to write now.
    pub fn take(&mut self) -> Vec<u8> {
        self.waiting.drain(..std::mem::take(&mut self.start));
        std::mem::take(&mut self.waiting)
    }

    /// Lets go of the sink.
    pub fn close(&mut self) {
        self.sink = None;
    }

    /// Writes until the sink takes no more; how much it took.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let Some(sink) = &self.sink else { break };
            match sink.write(&bytes[done..]) {
                Ok(count) => {
                    let is_full = count < bytes.len() - done;
                    done += count;
                    if is_full && !matches!(sink, Sink::File(_)) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A reader that went away, a closed terminal, a full disk.
                Err(_) => self.sink = None,
            }
        }
        done
    }
}

/// A second, non-blocking description of a terminal for reading; the inherited one where there can be none.
pub fn source(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    again(fd, OFlags::RDWR).or_else(|_| fd.try_clone_to_owned())
}

/// The terminal that is another process's standard input, in a description of our own that never blocks. ENOTTY where
/// that is none.
pub fn terminal_of(pid: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = open(format!("/proc/{pid}/fd/0"), flags, Mode::empty())?;
    if rustix::termios::isatty(&fd) { Ok(fd) } else { Err(rustix::io::Errno::NOTTY.into()) }
}

fn again(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(open(path, access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
}
