//! The file that records go to: opened when there is something to write, made again when it is gone, started anew when
//! it is full, and never left with half a record at its end.

use super::rotated;
use crate::error::Error;
use crate::registry::dir;
use rustix::fd::OwnedFd;
use rustix::fs::{self, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A log's file, and where it belongs.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    /// Its length up to the end of its last whole record.
    length: u64,
    /// Whether there is something behind that, which could not be cut off yet.
    torn: bool,
}

impl Output {
    /// Opens nothing yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// The file's name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length, as far as it is open.
    pub(super) fn length(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.length)
    }

    /// Writes records. Where that fails: how many bytes of them are in the file, which end with a record's end.
    pub(super) fn write(&mut self, records: &[u8]) -> Result<(), (usize, Error)> {
        let open = match ready(&mut self.open, &self.path) {
            Ok(open) => open,
            Err(error) => return Err((0, error)),
        };
        let mut written = 0;
        let error = loop {
            if written == records.len() {
                open.length += written as u64;
                return Ok(());
            }
            match open.file.write(&records[written..]) {
                Ok(0) => break io::ErrorKind::WriteZero.into(),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
        };
        let whole = memchr::memrchr(b'\n', &records[..written]).map_or(0, |end| end + 1);
        open.length += whole as u64;
        open.torn = written > whole;
        // What cannot be cut off now is cut off before the next record.
        let _ = open.mend();
        Err((whole, Error::file("write", &self.path, error)))
    }

    /// Makes the file the older half, in place of the one before, so that the next write starts a new one.
    pub(super) fn rotate(&mut self) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let failed = |error: io::Error| Error::file("rename", &self.path, error);
        open.mend().map_err(failed)?;
        if is_there(&self.path, open.identity).is_some() {
            // Removed first: a rename that replaces a file makes ext4 write out the new one at once, and us wait.
            unlink(&rotated(&self.path))?;
            fs::rename(&self.path, rotated(&self.path)).map_err(|error| failed(error.into()))?;
        }
        self.open = None;
        Ok(())
    }

    /// Empties both halves. The file itself stays, so that who reads it along sees that it became shorter.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        unlink(&rotated(&self.path))?;
        if self.path.symlink_metadata().is_err() {
            self.open = None;
            return Ok(());
        }
        let open = ready(&mut self.open, &self.path)?;
        open.length = 0;
        open.torn = true;
        open.mend().map_err(|error| Error::file("clear", &self.path, error))
    }
}

impl Open {
    /// Cuts off what is behind the last whole record.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }
}

/// The open file, if it is still the one at `path`: somebody may have removed it, or the directory with it. Else it is
/// opened, and made where it is missing.
fn ready<'a>(open: &'a mut Option<Open>, path: &Path) -> Result<&'a mut Open, Error> {
    let kept = match open.take() {
        Some(mut was) => is_there(path, was.identity).map(|stat| {
            if !was.torn {
                // Somebody may have emptied it.
                was.length = stat.st_size as u64;
            }
            was
        }),
        None => None,
    };
    let now = match kept {
        Some(kept) => kept,
        None => fresh(path)?,
    };
    let now = open.insert(now);
    now.mend().map_err(|error| Error::file("write", path, error))?;
    Ok(now)
}

/// Opens the file in a directory of ours alone.
fn fresh(path: &Path) -> Result<Open, Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::Message(format!("`{}` is not the name of a log", path.display())));
    };
    let failed = |error: io::Error| Error::file("open", path, error);
    let dir = dir::make_all(parent)?;
    // Readable for its last byte alone. Neither a link nor a FIFO that somebody put there is waited for or followed.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND;
    let safe = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd: OwnedFd =
        fs::openat(&dir, name, flags | safe, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
    let stat = fs::fstat(&fd).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_uid != dir::ours() {
        return Err(failed(io::Error::other("it is not a file of yours")));
    }
    let mut file = File::from(fd);
    let mut length = stat.st_size as u64;
    let mut last = [b'\n'];
    if length > 0 && file.read_exact_at(&mut last, length - 1).is_ok() && last != [b'\n'] {
        // Whoever wrote it before was killed within a record: that one ends here.
        file.write_all(b"\n").map_err(failed)?;
        length += 1;
    }
    Ok(Open { file, identity: identity(&stat), length, torn: false })
}

/// Removes a file; it is no error where there is none.
fn unlink(path: &Path) -> Result<(), Error> {
    match fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(Error::file("remove", path, error.into())),
    }
}

/// What stands at `path`, if it is this file.
fn is_there(path: &Path, file: (u64, u64)) -> Option<Stat> {
    fs::lstat(path).ok().filter(|stat| identity(stat) == file)
}

/// What no two files have in common.
pub(super) fn identity(stat: &Stat) -> (u64, u64) {
    // Their types differ between systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    (stat.st_dev as u64, stat.st_ino as u64)
}
