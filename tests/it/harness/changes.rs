//! Changes of files: what wakes a wait for something that only a file tells.

use super::{DEADLINE, RECHECK, Sandbox};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Changes in some directories.
pub struct Changes {
    fd: OwnedFd,
}

impl Changes {
    /// Of the registry's directory, and of its directory of entries.
    pub fn of_registry(wrap_dir: &Path) -> Self {
        // The directory of entries may not be there yet; then its making is the first change.
        Self::of(&[wrap_dir.to_owned(), wrap_dir.join("instances")])
    }

    fn of(dirs: &[PathBuf]) -> Self {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).expect("inotify");
        let flags = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVE
            | inotify::WatchFlags::CLOSE_WRITE;
        for dir in dirs {
            let _ = inotify::add_watch(&fd, dir, flags);
        }
        Self { fd }
    }

    /// Until one comes, or [`RECHECK`] is over.
    pub fn wait(&mut self) {
        let limit = Timespec::try_from(RECHECK).expect("a limit of milliseconds");
        let _ = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&limit));
        let mut events = [0_u8; 4096];
        while rustix::io::read(&self.fd, &mut events).is_ok_and(|count| count > 0) {}
    }
}

impl Sandbox {
    /// Waits until files of the project, or at the sandbox's top, are as the closure wants them; what it returns is
    /// returned.
    #[track_caller]
    pub fn wait_files<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut changes = Changes::of(&[self.project(), self.root().to_owned()]);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
            changes.wait();
        }
    }
}
