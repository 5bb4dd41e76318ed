//! News of one file that is written, rotated and removed by others: by inotify(7), and where that is not to be had by
//! looking again and again.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often is looked where nothing tells of changes: people do not notice it, and it costs little.
const INTERVAL: Duration = Duration::from_millis(200);

/// Watches a path, what is written to the file there, and how often it was renamed to another name beside it.
#[derive(Debug)]
pub struct FileWatch {
    /// Where the news come; `None` where there are none to be had.
    news: Option<OwnedFd>,
    directory: PathBuf,
    renamed_to: OsString,
    renames: u64,
    /// What is watched: the directory, or the nearest one above it that exists, and the file.
    place: Option<Place>,
    file: Option<i32>,
}

#[derive(Debug)]
struct Place {
    number: i32,
    path: PathBuf,
}

impl FileWatch {
    /// Watches `path`, which need not exist, nor the directory that it belongs in. It is renamed to `renamed` in the same
    /// directory.
    pub fn new(path: &Path, renamed: &Path) -> Self {
        let directory = path.parent().unwrap_or(path).to_owned();
        let renamed_to = renamed.file_name().unwrap_or_default().to_owned();
        let mut watch = Self { news: news(), directory, renamed_to, renames: 0, place: None, file: None };
        watch.refresh(None);
        watch
    }

    /// How often the file was renamed, as far as it is known.
    pub fn renames(&self) -> u64 {
        self.renames
    }

    /// Counts on from this number.
    pub fn count_renames_from(&mut self, number: u64) {
        self.renames = number;
    }

    /// As [`Self::refresh`], after all renames that can be seen were told of.
    pub fn settle(&mut self, file: Option<&File>) {
        // A rename can be seen a moment before the kernel tells of it; the directory's lock is held until then, and to
        // read it takes that lock.
        let _ = std::fs::read_dir(&self.directory).map(|mut entries| entries.next().is_some());
        self.refresh(file);
    }

    /// Waits until there is news, or one of the others is as it is waited for, or the time is over; says of each of the
    /// others whether it is. A signal ends it too.
    pub fn wait(&self, others: &[(BorrowedFd<'_>, PollFlags)], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
        // A place that could not be watched is looked at.
        let blind = self.news.is_none() || self.place.is_none();
        let timeout = if blind { Some(timeout.unwrap_or(INTERVAL).min(INTERVAL)) } else { timeout };
        let mut fds: Vec<PollFd<'_>> = others.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        fds.extend(self.news.as_ref().map(|news| PollFd::from_borrowed_fd(news.as_fd(), PollFlags::IN)));
        // One that is too long for the system is as good as none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fds[..others.len()].iter().map(|fd| !fd.revents().is_empty()).collect())
    }
}

#[cfg(target_os = "linux")]
impl FileWatch {
    /// Takes note of what has happened so far, and watches what stands there now; `file` is the one that is written to.
    pub fn refresh(&mut self, file: Option<&File>) {
        use rustix::fs::inotify::{WatchFlags, add_watch, remove_watch};
        self.note();
        let Some(news) = &self.news else { return };
        if let Some(file) = file {
            use std::os::fd::AsRawFd as _;
            // By its descriptor: the name may stand for another one in this moment. One that is watched already keeps
            // its number.
            let flags = WatchFlags::MODIFY | WatchFlags::ATTRIB;
            let now = add_watch(news, format!("/proc/self/fd/{}", file.as_raw_fd()), flags).ok();
            if now.is_none() {
                // No /proc, or the user has no watches left.
                self.news = None;
                return;
            }
            if let Some(before) = self.file.filter(|before| Some(*before) != now) {
                let _ = remove_watch(news, before);
            }
            self.file = now;
        }
        if self.place.as_ref().is_some_and(|place| place.path == self.directory) {
            return;
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        // Until the nearest that exists is the same before and after it was watched.
        while let Some(path) = self.directory.ancestors().find(|path| path.is_dir()) {
            if self.place.as_ref().is_some_and(|place| place.path == path) {
                return;
            }
            let Ok(number) = add_watch(news, path, flags) else { return };
            if let Some(before) = self.place.replace(Place { number, path: path.to_owned() }) {
                let _ = remove_watch(news, before.number);
            }
        }
    }

    /// Reads the news.
    fn note(&mut self) {
        use rustix::fs::inotify::{ReadFlags, Reader};
        let Some(news) = &self.news else { return };
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(news, &mut buffer);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            let of_place = self.place.as_ref().is_some_and(|place| place.number == event.wd());
            let name = event.file_name().map_or(&[][..], std::ffi::CStr::to_bytes);
            if flags.contains(ReadFlags::MOVED_TO) && of_place && name == self.renamed_to.as_encoded_bytes() {
                self.renames += 1;
            }
            if of_place && flags.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                self.place = None;
            }
            if flags.contains(ReadFlags::IGNORED) && self.file == Some(event.wd()) {
                self.file = None;
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn news() -> Option<OwnedFd> {
    use rustix::fs::inotify::{CreateFlags, init};
    init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()
}

#[cfg(not(target_os = "linux"))]
impl FileWatch {
    /// Nothing tells of changes here.
    pub fn refresh(&mut self, _file: Option<&File>) {}
}

#[cfg(not(target_os = "linux"))]
fn news() -> Option<OwnedFd> {
    None
}
