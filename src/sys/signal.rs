//! Signals: which came and from whom, as a descriptor for a poll loop; and dying of one.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::{Pid, Signal};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::io;
use std::os::unix::net::UnixStream;

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Whether the kernel raised it itself (a key, a closed terminal), not a process through kill(2).
    pub from_kernel: bool,
    /// The process that sent it, where there is one.
    pub sender: Option<u32>,
}

/// The signals this process waits for. Their default action no longer happens.
pub struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
}

impl Signals {
    /// Starts to catch these signals, also where our caller had blocked them: the command gets his mask back, but we
    /// would hear of nothing. The handlers restart interrupted calls (SA_RESTART).
    pub fn catch(signals: &[i32]) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        // A full pipe must make the handler give up, not block: the signals themselves are kept apart from it.
        write.set_nonblocking(true)?;
        let delivery = SignalDelivery::with_pipe(read, write, WithOrigin::default(), signals)?;
        unblock(signals);
        Ok(Self { delivery })
    }

    /// Those that have come since the last call.
    pub fn take(&mut self) -> Vec<Received> {
        self.delivery
            .pending()
            .map(|origin| Received {
                signal: origin.signal,
                from_kernel: matches!(origin.cause, Cause::Kernel),
                sender: origin.process.map(|process| process.pid as u32),
            })
            .collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Ignores a signal from here on; the command gets back what was recorded at the start.
pub fn ignore(signal: i32) {
    set_action(signal, libc::SIG_IGN);
}

fn set_action(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: the structure is plain data, zero means no flags and an empty mask; SIG_IGN and SIG_DFL are valid
    // handlers. An impossible number only makes the call fail.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// Ends this process by `signal`, so that whoever waits for it sees the same death as of the command.
/// Without a core dump: the command has left one already. Returns only if the signal cannot kill.
pub fn die_of(signal: i32) {
    // The limit alone does not stop a core that is piped to a program (core(5)); not being dumpable does.
    let _ = set_not_dumpable();
    act_by_default(signal);
}

/// Stops this process as `signal` (SIGTSTP, SIGTTIN, …) does by default, if `still` holds; returns when it was
/// continued, or at once where its group is orphaned and the kernel does not stop it. `false` where `still` did not
/// hold. Give the handler back afterwards with [`catch_again`].
///
/// The signal waits while `still` looks: a SIGCONT in that moment takes it away again (signal(7)), so that nobody is
/// stopped behind the `fg` that was for him.
pub fn stop_by(signal: i32, still: impl FnOnce() -> bool) -> bool {
    block(signal);
    set_action(signal, libc::SIG_DFL);
    // SAFETY: raise takes a number and sends to this thread, where it waits.
    unsafe { libc::raise(signal) };
    let stops = still();
    if !stops {
        // What waits is thrown away with it (sigaction(2)).
        set_action(signal, libc::SIG_IGN);
    }
    unblock(&[signal]);
    stops
}

/// What [`stop_by`] took away: `saved` comes from [`handler_of`].
pub fn catch_again(signal: i32, saved: &libc::sigaction) {
    // SAFETY: `saved` was filled in by sigaction for the same signal, so its handler is still valid.
    unsafe { libc::sigaction(signal, std::ptr::from_ref(saved), std::ptr::null_mut()) };
}

/// The action of a signal, to give back after [`stop_by`].
pub fn handler_of(signal: i32) -> libc::sigaction {
    // SAFETY: the structure is plain data; a null new action only reads.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        action
    }
}

/// From here on these interrupt a system call instead of restarting it; give the actions back with [`catch_again`].
pub fn interrupt(signals: &[i32]) -> Vec<(i32, libc::sigaction)> {
    signals
        .iter()
        .map(|&signal| {
            let saved = handler_of(signal);
            let mut once = saved;
            once.sa_flags &= !libc::SA_RESTART;
            catch_again(signal, &once);
            (signal, saved)
        })
        .collect()
}

fn act_by_default(signal: i32) {
    set_action(signal, libc::SIG_DFL);
    unblock(&[signal]);
    // SAFETY: raise takes a number and sends to this thread, so the default action happens before it returns.
    unsafe { libc::raise(signal) };
}

fn block(signal: i32) {
    // SAFETY: the mask is built by sigemptyset and sigaddset; the call changes this thread's mask alone.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        libc::sigaddset(&raw mut mask, signal);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const mask, std::ptr::null_mut());
    }
}

fn unblock(signals: &[i32]) {
    // SAFETY: the mask is built by sigemptyset and sigaddset; unblocking affects this thread, and those that it
    // starts, alone.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        for &signal in signals {
            libc::sigaddset(&raw mut mask, signal);
        }
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const mask, std::ptr::null_mut());
    }
}

#[cfg(target_os = "linux")]
fn set_not_dumpable() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn set_not_dumpable() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Sends to one process. The caller must know that the pid is still the one meant: an unreaped child of ours,
/// or ourselves; for anything else use [`super::process::Handle`].
pub fn send(pid: u32, signal: i32) -> io::Result<()> {
    kill(pid as i32, signal)
}

/// Sends to a process group, under the same condition: its leader is an unreaped child of ours.
pub fn send_group(group: u32, signal: i32) -> io::Result<()> {
    if group < 2 {
        // kill(2): -1 would mean every process of this user, 0 our own group.
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    kill(-(group as i32), signal)
}

/// Sends to every process of our own group, ourselves included.
pub fn send_own_group(signal: i32) -> io::Result<()> {
    kill(0, signal)
}

fn kill(target: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill(2) takes two numbers and touches no memory of ours.
    if unsafe { libc::kill(target, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Its name, as in `SIGTERM`; the number where it has none.
pub fn name(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal).map_or_else(|| signal.to_string(), str::to_owned)
}

/// A signal by its number, where rustix knows it by name.
pub fn named(signal: i32) -> Option<Signal> {
    Signal::from_named_raw(signal)
}

/// A pid as rustix wants it; `None` for 0.
pub fn pid(raw: u32) -> Option<Pid> {
    Pid::from_raw(raw as i32)
}
