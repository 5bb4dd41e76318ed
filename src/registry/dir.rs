//! Directories that may be trusted: real ones, ours, with no access for others.
//!
//! `/tmp/wrap-UID` can be planted by anybody before we come, as a directory of theirs or as a symbolic link.
//! What is opened here is looked at through its own descriptor, so that nothing can be swapped in between.

use crate::error::Error;
use crate::paths;
use crate::sys::users;
use rustix::fd::OwnedFd;
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;

/// Bits of a mode that give group and others access.
const OTHERS: u32 = 0o077;

/// Opens a directory of ours. `None` where there is none.
pub(crate) fn open(path: &Path) -> Result<Option<OwnedFd>, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::open(path, flags, Mode::empty()) {
        Ok(fd) => check(&fd, path).map(|()| Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(refused(path, what_stands_there(path))),
        Err(error) => Err(Error::file("open", path, error.into())),
    }
}

/// Opens a directory of ours, and makes it first where there is none. What it lies in has to exist.
pub(crate) fn make(path: &Path) -> Result<OwnedFd, Error> {
    if let Some(fd) = open(path)? {
        return Ok(fd);
    }
    check_parent(path)?;
    match fs::mkdir(path, Mode::RWXU) {
        // Somebody else was faster: whether it was one of us, the check says.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(Error::file("make", path, error.into())),
    }
    open(path)?.ok_or_else(|| Error::file("open", path, Errno::NOENT.into()))
}

/// As [`make`], with whatever is missing above it, all of it ours alone: a first run finds no `~/.local/state`. Nothing is
/// made below a `WRAP_DIR` that is not one of ours itself.
pub(crate) fn make_all(path: &Path) -> Result<OwnedFd, Error> {
    if let Some(base) = paths::override_dir().filter(|base| path.starts_with(base) && path != base) {
        make_missing(&base)?;
    }
    make_missing(path)
}

fn make_missing(path: &Path) -> Result<OwnedFd, Error> {
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        make_missing(parent)?;
    }
    make(path)
}

/// Refuses a place in which another user could replace what we make: a directory of another user's (unless it is
/// root's), or one that everybody may write to (unless it is sticky, as root's /tmp is).
pub(crate) fn check_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    let stat = fs::stat(parent).map_err(|error| Error::file("open", parent, error.into()))?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let sticky = mode.contains(Mode::SVTX);
    // The owner of a directory may rename what is in it, sticky or not (unlink(2), EPERM).
    if stat.st_uid != ours() && !users::is_root(stat.st_uid) {
        return Err(refused(path, format!("it would lie in a directory of user {}", stat.st_uid)));
    }
    if mode.contains(Mode::WOTH) && !sticky {
        return Err(refused(path, "it would lie in a directory that everybody may write to".to_owned()));
    }
    Ok(())
}

/// The user that our files belong to.
pub(crate) fn ours() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check(fd: &OwnedFd, path: &Path) -> Result<(), Error> {
    let stat = fs::fstat(fd).map_err(|error| Error::file("check", path, error.into()))?;
    if stat.st_uid != ours() {
        return Err(refused(path, format!("it belongs to user {}", stat.st_uid)));
    }
    let mode = stat.st_mode & 0o777;
    if mode & OTHERS != 0 {
        return Err(refused(path, format!("others have access to it (its mode is {mode:o} and has to be 700)")));
    }
    Ok(())
}

fn what_stands_there(path: &Path) -> String {
    match fs::lstat(path).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => "it is a symbolic link".to_owned(),
        _ => "it is not a directory".to_owned(),
    }
}

fn refused(path: &Path, why: String) -> Error {
    Error::Unsafe { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_real_private_directory_is_opened() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = |name: &str| temp.path().join(name);
        assert!(open(&path("none")).expect("nothing there").is_none());
        make(&path("good")).expect("it is made");
        assert_eq!(std::fs::metadata(path("good")).expect("made").permissions().mode() & 0o777, 0o700);

        std::fs::write(path("file"), "").expect("written");
        symlink(path("good"), path("link")).expect("linked");
        std::fs::create_dir(path("open")).expect("made");
        std::fs::set_permissions(path("open"), PermissionsExt::from_mode(0o755)).expect("opened to all");
        for (name, why) in [("file", "not a directory"), ("link", "symbolic link"), ("open", "mode is 755")] {
            let error = make(&path(name)).expect_err(name).to_string();
            assert!(error.contains(why) && error.contains("WRAP_DIR"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_above_is_made_as_private() {
        let temp = tempfile::tempdir().expect("a directory");
        make_all(&temp.path().join("a/b/c")).expect("made");
        for path in ["a", "a/b", "a/b/c"] {
            let mode = std::fs::metadata(temp.path().join(path)).expect("made").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{path}");
        }
    }

    #[test]
    fn a_place_that_everybody_may_write_to_is_refused_unless_sticky() {
        let temp = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o777)).expect("opened to all");
        assert!(make(&temp.path().join("wrap")).is_err());
        std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o1777)).expect("made sticky");
        make(&temp.path().join("wrap")).expect("as in /tmp");
    }
}
