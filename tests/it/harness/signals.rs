//! The signal state that a command starts with: a test must not depend on who started the tests (a shell's
//! background job ignores SIGINT, nohup SIGHUP, a CI runner may block some).

use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// As a fresh login shell starts a command: nothing ignored, nothing blocked.
pub fn reset(command: &mut Command) {
    before_exec(command, |mask| {
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: signal is async-signal-safe; the numbers that cannot be changed only give an error.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: the set is the caller's own.
        unsafe { libc::sigemptyset(mask) };
    });
}

/// With every signal blocked that can be.
pub fn block_all(command: &mut Command) {
    before_exec(command, |mask| {
        // SAFETY: the set is the caller's own.
        unsafe { libc::sigfillset(mask) };
    });
}

fn before_exec(command: &mut Command, fill: fn(*mut libc::sigset_t)) {
    // SAFETY: only async-signal-safe functions are called, on a set that lives on the stack; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            let mut mask: libc::sigset_t = mem::zeroed();
            fill(&raw mut mask);
            match libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}
