//! Starting processes: the keeper, the command, and the command in our own place.

use super::inherited;
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Where a command stands among the other processes.
#[derive(Clone, Copy)]
pub enum Standing<'a> {
    /// In a process group of its own; with `Some`, that group is the foreground one of this terminal, which must
    /// be our controlling terminal.
    OwnGroup(Option<BorrowedFd<'a>>),
    /// In the session and process group of whoever called us.
    Callers,
}

/// Spawns the command with the signal dispositions, mask and closed streams that we were started with.
/// The streams that `command` was given are those `replaced`. The error is what exec(3) said: `NotFound`, …
pub fn command(command: &mut Command, standing: Standing<'_>, replaced: [bool; 3]) -> io::Result<Child> {
    let terminal = match standing {
        Standing::OwnGroup(terminal) => {
            command.process_group(0);
            terminal.map(|terminal| terminal.as_raw_fd())
        }
        Standing::Callers => None,
    };
    // SAFETY: between fork and exec only async-signal-safe calls are made (tcsetpgrp, sigprocmask, sigaction,
    // close); nothing is allocated and no lock is taken. The descriptor outlives the spawn below.
    unsafe {
        command.pre_exec(move || {
            if let Some(terminal) = terminal {
                take_foreground(terminal)?;
            }
            inherited::restore(replaced);
            Ok(())
        });
    }
    command.spawn()
}

/// Spawns our own executable again, with this one descriptor passed on under its number; `own_session` makes it a
/// session leader before its first instruction, so that no key of the outer terminal ever reaches it.
pub fn keeper(command: &mut Command, pass: BorrowedFd<'_>, own_session: bool) -> io::Result<Child> {
    let pass = pass.as_raw_fd();
    // SAFETY: setsid, fcntl and what `restore` calls are async-signal-safe; the descriptor outlives the spawn.
    unsafe {
        command.pre_exec(move || {
            if own_session {
                rustix::process::setsid()?;
            }
            if libc::fcntl(pass, libc::F_SETFD, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            inherited::restore([false; 3]);
            Ok(())
        });
    }
    command.spawn()
}

/// Becomes the command: nothing of us is left. Returns only what went wrong.
pub fn replace(command: &mut Command) -> io::Error {
    // It would outlive the exec: orphans of the command are init's, as without us.
    super::process::become_subreaper(false);
    // SAFETY: `restore` makes only async-signal-safe calls; there is no fork here at all.
    unsafe {
        command.pre_exec(|| {
            inherited::restore([false; 3]);
            Ok(())
        });
    }
    command.exec()
}

/// Makes the calling process's group the terminal's foreground. From a background group that raises SIGTTOU,
/// which would stop the new process before its first instruction: so it is blocked around the call.
fn take_foreground(terminal: RawFd) -> io::Result<()> {
    // SAFETY: the sets are plain data initialised by sigemptyset; the calls change this thread's mask and the
    // terminal's foreground group only.
    unsafe {
        let mut block: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut block);
        libc::sigaddset(&raw mut block, libc::SIGTTOU);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const block, &raw mut before);
        let done = libc::tcsetpgrp(terminal, libc::getpid());
        libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Takes ownership of a descriptor that our parent passed on by number, and makes it ours alone.
pub fn adopt(fd: RawFd) -> io::Result<rustix::fd::OwnedFd> {
    use rustix::fd::FromRawFd;
    // SAFETY: F_GETFD and F_SETFD only touch a flag; a closed number gives -1 and ends here.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number was named by our parent as passed on for us alone; nothing else in this process owns it.
    Ok(unsafe { rustix::fd::OwnedFd::from_raw_fd(fd) })
}
