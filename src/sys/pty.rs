//! The PTY that a command runs on in terminal mode.

use super::tty::{Modes, Size};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use std::io;

/// The master's side. The slave's is opened when a command needs it, and never kept: while anybody holds it,
/// the master does not report the end.
pub struct Pty {
    master: OwnedFd,
}

impl Pty {
    /// Opens a PTY. Its master never blocks.
    pub fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self { master })
    }

    /// Gives it its size and modes; the slave's side for the first command.
    pub fn set_up(&self, size: Size, modes: Option<&Modes>) -> io::Result<OwnedFd> {
        size.set(self)?;
        let slave = self.slave()?;
        if let Some(modes) = modes {
            modes.set(&slave)?;
        }
        Ok(slave)
    }

    /// Another holder of the same master.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { master: self.master.try_clone()? })
    }

    /// Types bytes; how many the terminal took.
    pub fn type_in(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self, bytes)?)
    }

    /// Lets output flow that a key has stopped (Ctrl-S, IXON).
    pub fn let_flow(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::termios::{Action, tcflow};
        let slave = self.slave()?;
        // The kernel handles keys in a work queue; polling the slave waits for it (n_tty_poll).
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&slave, PollFlags::IN)], Some(&now))?;
        // TCOON alone undoes only what TCOOFF has stopped, and takes what a key has stopped along.
        tcflow(&slave, Action::OOff)?;
        Ok(tcflow(&slave, Action::OOn)?)
    }

    /// Opens the slave's side.
    #[cfg(target_os = "linux")]
    pub fn slave(&self) -> io::Result<OwnedFd> {
        use rustix::pty::ioctl_tiocgptpeer;
        // By the master, not by its name: /dev/pts may be another one in a container (TIOCGPTPEER, ioctl_tty(2)).
        Ok(ioctl_tiocgptpeer(self, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?)
    }

    /// Opens the slave's side.
    #[cfg(not(target_os = "linux"))]
    pub fn slave(&self) -> io::Result<OwnedFd> {
        use rustix::fs::{Mode, OFlags, open};
        let path = rustix::pty::ptsname(&self.master, Vec::new())?;
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
        self.master.as_fd()
    }
}

/// Makes this terminal the controlling one of our session, which we lead and which has none yet (TIOCSCTTY,
/// ioctl_tty(2)).
pub fn control(slave: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(slave)?)
}
