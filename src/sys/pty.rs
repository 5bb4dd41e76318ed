//! The PTY that a command runs on in terminal mode.

use super::tty::{Modes, Size};
use portable_pty::{MasterPty, PtySize, native_pty_system};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io;

/// The master's side. The slave's is opened when a command needs it, and never kept: while anybody holds it,
/// the master does not report the end.
pub struct Pty {
    master: Box<dyn MasterPty + Send>,
}

impl Pty {
    /// Opens a PTY of this size with these modes, and the slave's side of it for the first command.
    pub fn open(size: Size, modes: Option<&Modes>) -> io::Result<(Self, OwnedFd)> {
        let size = PtySize { rows: size.rows, cols: size.columns, pixel_width: size.width, pixel_height: size.height };
        let pair = native_pty_system().openpty(size).map_err(|error| io::Error::other(format!("{error:#}")))?;
        let pty = Self { master: pair.master };
        let slave = pty.slave()?;
        // portable-pty's own descriptor of the slave goes here; from now on only commands hold it.
        drop(pair.slave);
        if let Some(modes) = modes {
            modes.set(&slave)?;
        }
        let flags = fcntl_getfl(&pty)?;
        fcntl_setfl(&pty, flags | OFlags::NONBLOCK)?;
        Ok((pty, slave))
    }

    /// Opens the slave's side.
    #[cfg(target_os = "linux")]
    pub fn slave(&self) -> io::Result<OwnedFd> {
        use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
        // By the master, not by its name: /dev/pts may be another one in a container (TIOCGPTPEER, ioctl_tty(2)).
        Ok(ioctl_tiocgptpeer(self, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?)
    }

    /// Opens the slave's side.
    #[cfg(not(target_os = "linux"))]
    pub fn slave(&self) -> io::Result<OwnedFd> {
        use rustix::fs::{Mode, open};
        let path = self.master.tty_name().ok_or(io::ErrorKind::NotFound)?;
        Ok(open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Sends SIGINT, SIGQUIT or SIGTSTP to the foreground process group, as its key would (TIOCSIG, tty(4)); the kernel
    /// takes no other.
    pub fn signal_foreground(&self, number: i32) -> io::Result<()> {
        // SAFETY: the descriptor is open while `self` lives, and TIOCSIG takes a number, no pointer.
        match unsafe { libc::ioctl(self.as_fd().as_raw_fd(), libc::TIOCSIG, number) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Sets the size; the kernel sends SIGWINCH where it changed.
    pub fn resize(&self, size: Size) {
        // A PTY whose other side is gone has no size; nobody is left to miss it.
        let _ = size.set(self);
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let raw = self.master.as_raw_fd().expect("a PTY on Unix has a descriptor");
        // SAFETY: the descriptor belongs to `self.master`, which lives as long as the borrow.
        unsafe { BorrowedFd::borrow_raw(raw) }
    }
}

/// Makes this terminal the controlling one of our session, which we lead and which has none yet (TIOCSCTTY,
/// ioctl_tty(2)).
pub fn control(slave: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(slave)?)
}
