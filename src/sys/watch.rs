//! Changes of files and directories, as a descriptor for a poll loop.
//!
//! Where there is nothing of the kind (another system, or a user whose inotify instances are used up by editors) the
//! descriptor never becomes readable, [`Watch::add`] says so, and one looks every [`INTERVAL`] instead.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often to look where changes are not told: nobody notices the delay, and a look is a file or two.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Readable once something has changed.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
    /// The other end of a pipe that tells nothing, not even its end.
    silence: Option<OwnedFd>,
}

impl Watch {
    /// Of nothing yet.
    pub fn new() -> io::Result<Self> {
        if let Ok(fd) = system::open() {
            return Ok(Self { fd, silence: None });
        }
        let (fd, other) = rustix::pipe::pipe()?;
        Ok(Self { fd, silence: Some(other) })
    }

    /// Watches a file, or what is in a directory, too. `false` where that cannot be watched. It may be called again:
    /// what is watched already stays so, and what was made anew under the same name is found.
    pub fn add(&self, path: &Path) -> bool {
        self.silence.is_none() && system::add(&self.fd, path).is_ok()
    }

    /// Makes it unreadable until the next change. To be called before one looks.
    pub fn clear(&self) {
        if self.silence.is_none() {
            system::clear(&self.fd);
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::fd::OwnedFd;
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use std::io;
    use std::path::Path;

    pub(super) fn open() -> io::Result<OwnedFd> {
        Ok(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)
    }

    pub(super) fn add(fd: &OwnedFd, path: &Path) -> io::Result<()> {
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MODIFY
            | WatchFlags::MOVE
            | WatchFlags::MOVE_SELF;
        inotify::add_watch(fd, path, flags)?;
        Ok(())
    }

    /// What has changed is for the caller to look at: it has to anyway, as events may be lost (inotify(7)).
    pub(super) fn clear(fd: &OwnedFd) {
        let mut events = [0_u8; 4096];
        while rustix::io::read(fd, &mut events).is_ok_and(|count| count > 0) {}
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use rustix::fd::OwnedFd;
    use std::io;
    use std::path::Path;

    pub(super) fn open() -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn add(_: &OwnedFd, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn clear(_: &OwnedFd) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(watch: &Watch) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&at_once)).expect("polled") > 0
    }

    #[test]
    fn what_happens_in_a_directory_and_to_a_file_is_told_once() {
        let temp = tempfile::tempdir().expect("a directory");
        let file = temp.path().join("file");
        std::fs::write(&file, "a").expect("written");
        for watched in [temp.path(), &file] {
            let watch = Watch::new().expect("a watch");
            assert!(watch.add(watched) && watch.add(watched) && !is_readable(&watch));
            std::fs::write(&file, "b").expect("written");
            assert!(is_readable(&watch));
            watch.clear();
            assert!(!is_readable(&watch));
        }
    }

    #[test]
    fn what_cannot_be_watched_is_said() {
        assert!(!Watch::new().expect("a watch").add(Path::new("/nowhere")));
    }
}
