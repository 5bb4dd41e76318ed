//! The files of the registry: their names, and how one is opened, read, taken away and pruned without trust.

use super::dir::ours;
use super::entry::Entry;
use super::now_ms;
use crate::error::Error;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;
use uuid::Uuid;

/// The largest entry that is read. A real one has one or two KiB; its command line is what may grow.
pub(super) const MAX_ENTRY: usize = 1024 * 1024;
/// A write or a removal takes milliseconds: a temporary file of this age was left by one that crashed.
const TEMPORARY_FOR: Duration = Duration::from_hours(1);
/// A corrupt entry was reported when it was moved aside; for a week somebody may want to look at it.
const CORRUPT_FOR: Duration = Duration::from_hours(7 * 24);

pub(super) const TEMPORARY: &str = ".tmp-";
pub(super) const ASIDE: &str = ".aside-";
pub(super) const CORRUPT: &str = ".corrupt";

/// What stands under a name.
pub(super) enum Content {
    Gone,
    Entry(Box<Entry>),
    Corrupt(String),
    /// It could not be read now; that says nothing about what it is.
    Failed(io::Error),
}

/// `instance_<uuid>.json`; refused unless the id is a uuid in its usual form, so that no id can name another path.
pub(super) fn file_name(instance_id: &str) -> Result<String, Error> {
    match Uuid::parse_str(instance_id) {
        Ok(uuid) if uuid.hyphenated().to_string() == instance_id => Ok(format!("instance_{instance_id}.json")),
        _ => Err(Error::Message(format!("`{}` is not an instance id", instance_id.escape_debug()))),
    }
}

/// Whether a name is, or pretends to be, that of an entry.
pub(super) fn is_entry(name: &str) -> bool {
    name.strip_prefix("instance_").is_some_and(|rest| rest.strip_suffix(".json").is_some())
}

/// Renames `name` to `aside` if what then stands there is what was meant; else puts it back, unless a newer one
/// was written meanwhile. `false` where it was gone or another.
pub(super) fn take(
    dir: BorrowedFd<'_>,
    name: &str,
    aside: &str,
    is_it: impl Fn(&Content) -> bool,
) -> rustix::io::Result<bool> {
    match fs::renameat(dir, name, dir, aside) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error),
    }
    if is_it(&read(dir, aside, name)) {
        return Ok(true);
    }
    match fs::linkat(dir, aside, dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => fs::unlinkat(dir, aside, AtFlags::empty()).map(|()| false),
        Err(error) => Err(error),
    }
}

/// Reads what stands under `file`, which is, or was, called `name`. Never blocks and follows no link: a FIFO, a
/// device or another user's file may have been planted there.
pub(super) fn read(dir: BorrowedFd<'_>, file: &str, name: &str) -> Content {
    let corrupt = |why: &str| Content::Corrupt(why.to_owned());
    let json = match bytes(dir, file) {
        Ok(json) => json,
        Err(content) => return content,
    };
    let entry: Entry = match serde_json::from_slice(&json) {
        Ok(entry) => entry,
        Err(error) => return Content::Corrupt(error.to_string()),
    };
    if file_name(&entry.instance_id).ok().as_deref() != Some(name) {
        return corrupt("its instanceId is not that of its name");
    }
    // A pid beyond that would be negative, and so a group, to kill(2).
    if [Some(entry.pid), entry.child_pid].into_iter().flatten().any(|pid| pid == 0 || i32::try_from(pid).is_err()) {
        return corrupt("it has an impossible pid");
    }
    Content::Entry(Box::new(entry.honest()))
}

/// All that a file of ours holds; what stands there instead, where it is none.
pub(super) fn bytes(dir: BorrowedFd<'_>, file: &str) -> Result<Vec<u8>, Content> {
    let corrupt = |why: &str| Err(Content::Corrupt(why.to_owned()));
    let fd = match open(dir, file) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Err(Content::Gone),
        Err(Errno::LOOP) => return corrupt("it is a symbolic link"),
        // What open(2) says of a socket.
        Err(Errno::NXIO) => return corrupt("it is not a file"),
        Err(Errno::ACCESS) => return corrupt("it is not readable"),
        Err(error) => return Err(Content::Failed(error.into())),
    };
    match fs::fstat(&fd) {
        Err(error) => return Err(Content::Failed(error.into())),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
            return corrupt("it is not a file");
        }
        Ok(stat) if stat.st_uid != ours() => return corrupt("it belongs to another user"),
        Ok(stat) if stat.st_size > MAX_ENTRY as i64 => return corrupt("it is larger than 1 MiB"),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    match File::from(fd).take(MAX_ENTRY as u64).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Content::Failed(error)),
    }
}

pub(super) fn open(dir: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::empty())
}

/// Removes what a crash left, and corrupt entries that had their week.
pub(super) fn prune(dir: BorrowedFd<'_>, name: &str) {
    let kept_for = if name.starts_with(TEMPORARY) || name.starts_with(ASIDE) {
        TEMPORARY_FOR
    } else if name.ends_with(CORRUPT) {
        CORRUPT_FOR
    } else {
        return;
    };
    // The time of the last change of the file's name, not of its content, which may be old when it is moved aside.
    let old = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| now_ms() / 1000 > stat.st_ctime as u64 + kept_for.as_secs());
    if old {
        // Where it fails it is tried again at the next listing.
        let _ = fs::unlinkat(dir, name, AtFlags::empty());
    }
}

/// The names in a directory; those that are not UTF-8 are not ours.
pub(super) fn names(dir: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
    }
    Ok(names)
}
