//! News of input that is not ours to read: a terminal in whose background we are.
//!
//! poll(2) would report such input without pause until the foreground has read it. An edge (EPOLLET, epoll(7)) is
//! reported once for each arrival.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;

/// Readable when input has come since [`Self::clear`].
pub struct Edge {
    fd: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Edge {
    /// Watches the input of `source`.
    pub fn of(source: impl AsFd) -> io::Result<Self> {
        use rustix::event::epoll::{CreateFlags, EventData, EventFlags, add, create};
        let fd = create(CreateFlags::CLOEXEC)?;
        add(&fd, source, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { fd })
    }

    /// Makes it unreadable until the next arrival.
    pub fn clear(&self) {
        use rustix::event::{Timespec, epoll};
        let mut events = Vec::with_capacity(1);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // What fails here is looked at again with the next signal or output.
        let _ = epoll::wait(&self.fd, rustix::buffer::spare_capacity(&mut events), Some(&now));
    }
}

#[cfg(not(target_os = "linux"))]
impl Edge {
    /// Nothing of the kind is used here yet; signals and output tell all the same, a little later.
    pub fn of(_source: impl AsFd) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nothing to clear.
    pub fn clear(&self) {}
}

impl AsFd for Edge {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
