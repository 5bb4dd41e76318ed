//! Files of our own, for this user alone: replaced whole or not at all, and locked.

use super::file::TEMPORARY;
use crate::error::Error;
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
    let replaced = staged(path, bytes).and_then(|file| file.persist(path).map_err(|error| error.error));
    replaced.map(drop).map_err(|error| Error::file("write", path, error))
}

/// A file to lock, made where it is missing. Never follows a link, never blocks.
pub(crate) fn open_to_lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path).map_err(|error| Error::file("open", path, error))
}
