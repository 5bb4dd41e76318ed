//! Locks on single bytes of a file: as many as there are numbers, in one file.

use rustix::fd::{AsFd, AsRawFd};
use std::io;

/// Waits until no other process holds the lock on this byte, and holds it until the file is closed in this process. A fork
/// does not inherit it (fcntl(2), advisory record locking), and a process that dies gives it back.
pub fn lock_byte(file: impl AsFd, at: u64) -> io::Result<()> {
    lock_with(file, at, libc::F_SETLKW)
}

/// The same without waiting: `false` where another process holds it.
pub fn try_lock_byte(file: impl AsFd, at: u64) -> io::Result<bool> {
    match lock_with(file, at, libc::F_SETLK) {
        Ok(()) => Ok(true),
        // Either of them (fcntl(2)).
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EAGAIN)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn lock_with(file: impl AsFd, at: u64, how: libc::c_int) -> io::Result<()> {
    // SAFETY: the structure is plain data for which all zeroes is valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // A file's offsets are positive.
    lock.l_start = (at >> 1) as libc::off_t;
    lock.l_len = 1;
    loop {
        // SAFETY: the descriptor is open while it is borrowed, and the pointer is to a live local.
        if unsafe { libc::fcntl(file.as_fd().as_raw_fd(), how, &raw const lock) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_a_lock_of_its_own() {
        let file = tempfile::tempfile().expect("a file");
        for at in [0, 7, u64::MAX] {
            lock_byte(&file, at).expect("locked");
            lock_byte(&file, at).expect("by ourselves, again");
        }
    }
}
