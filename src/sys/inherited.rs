//! What this process was started with, recorded before Rust's runtime changes it, and given back to the command.
//!
//! The runtime opens /dev/null for closed standard streams and ignores SIGPIPE before `main` runs; a command that
//! inherited that would not be as it is bare.

use rustix::fs::{Mode, OFlags};
use std::ffi::c_int;
use std::fs;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Signals are numbered 1 to 64 on Linux and 1 to 31 on macOS; a bit each fits in a u64.
const LAST_SIGNAL: c_int = if cfg!(target_os = "linux") { 64 } else { 31 };

static CLOSED: AtomicU8 = AtomicU8::new(0);
static IGNORED: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// Run by the loader before the runtime.
// SAFETY: the loader calls every pointer in this section once, before main, on the only thread there is;
// `record` makes plain system calls and stores to atomics, which needs nothing of the runtime.
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static RECORD: extern "C" fn() = record;

extern "C" fn record() {
    let mut closed = 0;
    for fd in 0..3 {
        // SAFETY: F_GETFD only reads a flag; a closed descriptor gives -1.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            closed |= 1 << fd;
        }
    }
    CLOSED.store(closed, Ordering::Relaxed);
    let mut ignored = 0;
    let mut blocked = 0;
    // SAFETY: both structures are plain data for which all zeroes is valid; the calls fill them in, and a null
    // new action or set means that nothing is changed.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
        for signal in 1..=LAST_SIGNAL {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN {
                ignored |= bit(signal);
            }
            if libc::sigismember(&raw const mask, signal) == 1 {
                blocked |= bit(signal);
            }
        }
    }
    IGNORED.store(ignored, Ordering::Relaxed);
    BLOCKED.store(blocked, Ordering::Relaxed);
}

const fn bit(signal: c_int) -> u64 {
    1 << (signal - 1)
}

/// Whether this standard stream (0 to 2) was closed when we were started.
pub fn was_closed(fd: RawFd) -> bool {
    (0..3).contains(&fd) && CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0
}

/// Whether whoever started us had this signal ignored, as nohup does with SIGHUP.
pub fn was_ignored(signal: c_int) -> bool {
    IGNORED.load(Ordering::Relaxed) & bit(signal) != 0
}

/// The descriptors above 2 that came from our caller: all of ours are close-on-exec, theirs are not.
/// Call it before anything is made inheritable.
pub fn descriptors() -> Vec<RawFd> {
    let Ok(dir) = fs::read_dir("/dev/fd") else { return Vec::new() };
    dir.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok())
        .filter(|&fd| fd > 2)
        .filter(|&fd| {
            // SAFETY: F_GETFD only reads a flag; the directory's own descriptor may be closed by now, which gives -1.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            flags != -1 && flags & libc::FD_CLOEXEC == 0
        })
        .collect()
}

/// Closes descriptors that were found by [`descriptors`]. Holding them on would keep a caller's pipe open
/// after the command has closed its own copy.
pub fn close(descriptors: &[RawFd]) {
    for &fd in descriptors {
        // SAFETY: nothing in this process owns these numbers: they came with the exec and only the command uses them.
        unsafe { libc::close(fd) };
    }
}

/// Makes every descriptor above 2 close-on-exec: one of the caller's that a program keeps holds up whoever waits for its
/// end. For a child between fork and exec; makes only async-signal-safe calls.
pub(super) fn keep_from_exec() {
    #[cfg(target_os = "linux")]
    // SAFETY: close_range(2) with this flag closes nothing; it changes a flag of this process's own descriptors.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) } == 0 {
        return;
    }
    for fd in 3..HIGHEST {
        // SAFETY: F_SETFD changes a flag only; a number that is no descriptor gives -1.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Descriptors that are looked at one by one where the kernel cannot do it (Linux before 5.11, macOS): the usual limit.
const HIGHEST: RawFd = 1024;

/// Puts /dev/null in the place of standard input and of these other standard streams. What was there is closed.
pub fn replace_by_null(streams: &[RawFd]) {
    let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) else { return };
    let _ = rustix::stdio::dup2_stdin(&null);
    if streams.contains(&1) {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
    if streams.contains(&2) {
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// Gives dispositions, signal mask and closed streams back as they were recorded, but for the streams that were
/// `replaced`. For a child between fork and exec, or for ourselves just before an exec. Handlers need no care: exec
/// resets them.
///
/// Makes only async-signal-safe calls (signal-safety(7)).
pub(super) fn restore(replaced: [bool; 3]) {
    let ignored = IGNORED.load(Ordering::Relaxed);
    let blocked = BLOCKED.load(Ordering::Relaxed);
    // SAFETY: zeroed structures are valid, SIG_IGN and SIG_DFL are valid handlers, and the calls touch this
    // process's own signal state alone.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        for signal in 1..=LAST_SIGNAL {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 {
                let is_ignored = action.sa_sigaction == libc::SIG_IGN;
                let should_be = ignored & bit(signal) != 0;
                if is_ignored != should_be {
                    action.sa_sigaction = if should_be { libc::SIG_IGN } else { libc::SIG_DFL };
                    action.sa_flags = 0;
                    libc::sigaction(signal, &raw const action, std::ptr::null_mut());
                }
            }
            if blocked & bit(signal) != 0 {
                libc::sigaddset(&raw mut mask, signal);
            }
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
        for fd in 0..3 {
            if was_closed(fd) && !replaced[fd as usize] {
                libc::close(fd);
            }
        }
    }
}
