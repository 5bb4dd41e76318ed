//! Files of our own, for this user alone: replaced whole or not at all, and locked.

use super::file::TEMPORARY;
use crate::error::Error;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tempfile::NamedTempFile;

/// These bytes in a temporary file beside `path`, 0600 from the moment of opening, to be persisted there.
pub(crate) fn staged(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Puts these bytes in the place of what stands at `path`. Without an fsync: after a crash of the system the old ones,
/// or none, may stand there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::file("write", path, error);
    let file = staged(path, bytes).map_err(failed)?;
    // A rename over a file makes ext4 write the new one out at once, and us wait for the disk (auto_da_alloc, ext4(5)). An
    // exchange does not, and the old one goes with the temporary name.
    match renameat_with(CWD, file.path(), CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // There is nothing yet, or no such call.
        Err(_) => file.persist(path).map(drop).map_err(|error| failed(error.error)),
    }
}

/// A file to lock, made where it is missing. Never follows a link, never blocks.
pub(crate) fn open_to_lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path).map_err(|error| Error::file("open", path, error))
}
