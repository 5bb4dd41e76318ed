//! The leader of a test terminal's session: the smallest of all shells.
//!
//! The command itself cannot lead the session where its end is to be looked at: when a session's leader ends, the
//! kernel hangs its terminal up and resets the modes, and a process group whose parent is in another session
//! ignores Ctrl-Z. So a process between the test and the command makes the session, starts the command as a
//! foreground job, reports every change of its state over a pipe, passes SIGHUP on as shells do, and stays until
//! the test closes the other pipe.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// Where the leader keeps its two pipes after it has closed everything else.
const REPORT: RawFd = 3;
const HOLD: RawFd = 4;

/// The command's process group, for the signal handler. Each leader is a process of its own, so one is enough.
static JOB: AtomicI32 = AtomicI32::new(0);

/// To be called between fork and exec, with the terminal as standard input: makes the session and forks. Returns
/// in the child, which goes on to run the command; the leader itself stays here until it exits.
///
/// # Safety
/// Only between fork and exec, where only async-signal-safe functions may be called: all of the calls here are
/// system calls, and nothing allocates.
pub unsafe fn lead(report: RawFd, hold: RawFd) -> io::Result<()> {
    // SAFETY: as the caller promises; the arguments are integers.
    unsafe {
        if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                libc::setpgid(0, 0);
                take_foreground();
                Ok(())
            }
            job => stay(job, report, hold),
        }
    }
}

/// The leader's life: report, wait, report, …, hold.
///
/// # Safety
/// As [`lead`].
unsafe fn stay(job: i32, report: RawFd, hold: RawFd) -> ! {
    // SAFETY: as the caller promises; pointers are to locals that outlive the calls.
    unsafe {
        // Done on both sides of the fork, as shells do: whoever comes first.
        libc::setpgid(job, job);
        // Everything but the terminal and the two pipes is closed: pipes of the test, and the masters of other
        // tests' terminals, which would otherwise never hang up.
        let report = libc::fcntl(report, libc::F_DUPFD, 100);
        let hold = libc::fcntl(hold, libc::F_DUPFD, 100);
        libc::dup2(report, REPORT);
        libc::dup2(hold, HOLD);
        libc::close_range(HOLD as u32 + 1, u32::MAX, 0);
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGPIPE] {
            libc::signal(signal, libc::SIG_IGN);
        }
        JOB.store(job, Ordering::Relaxed);
        let handler: extern "C" fn(i32) = pass_hangup;
        libc::signal(libc::SIGHUP, handler as libc::sighandler_t);
        tell(job);
        let mut status = 0;
        loop {
            let found = libc::waitpid(job, &raw mut status, libc::WUNTRACED | libc::WCONTINUED);
            if found < 0 {
                if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                // Nothing to wait for, as where SIGCHLD is ignored: never to be tried for ever.
                libc::_exit(1);
            }
            if libc::WIFSTOPPED(status) {
                take_foreground();
            }
            let ended = libc::WIFEXITED(status) || libc::WIFSIGNALED(status);
            if ended {
                JOB.store(0, Ordering::Relaxed);
                take_foreground();
            }
            tell(status);
            if ended {
                break;
            }
        }
        let mut byte = 0_u8;
        // Returns 0 when the test closes its end, or is no more; -1 with EINTR after a SIGHUP.
        while libc::read(HOLD, (&raw mut byte).cast(), 1) != 0 {}
        libc::_exit(0)
    }
}

/// Puts the caller's process group into the foreground of its terminal.
///
/// # Safety
/// As [`lead`].
unsafe fn take_foreground() {
    // SAFETY: system calls on integers. From the background tcsetpgrp would stop us unless SIGTTOU is ignored.
    unsafe {
        let before = libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        libc::tcsetpgrp(0, libc::getpgrp());
        libc::signal(libc::SIGTTOU, before);
    }
}

/// Sends one number to the test.
///
/// # Safety
/// As [`lead`].
unsafe fn tell(number: i32) {
    let bytes = number.to_ne_bytes();
    // SAFETY: the buffer is a local of exactly this length.
    unsafe { libc::write(REPORT, bytes.as_ptr().cast(), bytes.len()) };
}

/// A shell whose terminal goes away sends SIGHUP to its jobs, and SIGCONT to those that are stopped.
extern "C" fn pass_hangup(_signal: i32) {
    let job = JOB.load(Ordering::Relaxed);
    if job > 0 {
        // SAFETY: kill is async-signal-safe and takes integers. The job is our child and was not waited for yet.
        unsafe {
            libc::kill(-job, libc::SIGHUP);
            libc::kill(-job, libc::SIGCONT);
        }
    }
}
