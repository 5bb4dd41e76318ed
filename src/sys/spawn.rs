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

/// Spawns something that is no part of any run: it leads a session of its own, has the signals that we were started
/// with, and no descriptor of ours but the three that `command` was given; all of them must be given. With `is_ours` it gets
/// SIGTERM when the calling thread ends before it.
pub fn apart(command: &mut Command, is_ours: bool) -> io::Result<Child> {
    // SAFETY: between fork and exec only async-signal-safe calls are made (prctl, setsid, close_range, fcntl, sigaction,
    // sigprocmask); nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            if is_ours {
                super::process::end_with_parent();
            }
            // It cannot fail: a process that was just forked leads no group.
            let _ = rustix::process::setsid();
            inherited::keep_from_exec();
            inherited::restore([true; 3]);
            Ok(())
        });
    }
    command.spawn()
}

/// Forks this process; the child runs `become` and exits with the code that it returns. With `own_session` it leads a
/// session of its own from its first instruction on, so that no key of the outer terminal ever reaches it.
///
/// Call it before there is any other thread: a child has only the one that forked, and would wait for ever for a lock
/// that another held.
pub fn fork(own_session: bool, become_this: impl FnOnce() -> i32 + std::panic::UnwindSafe) -> io::Result<u32> {
    // SAFETY: fork takes nothing. As the caller promises there is one thread, so the child's memory is whole and it may
    // do whatever a process may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            if own_session {
                // It cannot fail: a process that was just forked leads no group.
                let _ = rustix::process::setsid();
            }
            // A panic must not unwind into what the parent was doing.
            let code = std::panic::catch_unwind(become_this).unwrap_or(PANICKED);
            std::process::exit(code)
        }
        pid => Ok(pid as u32),
    }
}

/// The exit code of a Rust program that has panicked.
const PANICKED: i32 = 101;

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
