//! Processes: their identity, their tree, and signals that reach only the one that was meant.
//!
//! A pid alone names nobody: it is given again as soon as its process was waited for. Identity is
//! (pid, start token, boot id, PID namespace).

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

/// One process as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its pid, in our PID namespace.
    pub pid: u32,
    /// Its parent's pid.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// The foreground process group of its controlling terminal; -1 where it has none.
    pub foreground: i32,
    /// The kernel's one-letter state; `Z` and `X` are dead.
    pub state: u8,
    /// Start token: clock ticks since boot at which it started (field 22 of /proc/PID/stat, proc(5)), as the machine counts
    /// them: in a time namespace the kernel adds that namespace's offset to what it shows.
    pub token: u64,
    /// The first 15 bytes of its name.
    pub name: String,
}

impl Process {
    /// Whether it has ended and only waits to be waited for.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// A process that was proved to be the one that was meant; signals go to it and to no successor of its pid.
#[derive(Debug)]
pub struct Handle {
    fd: OwnedFd,
}

impl Handle {
    /// Opens the process with this pid if its start token is `token`. `None` where it is gone, dead or another.
    pub fn open(pid: u32, token: u64) -> io::Result<Option<Self>> {
        let Some(target) = Pid::from_raw(pid as i32) else {
            return Ok(None);
        };
        let fd = match pidfd_open(target, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The token is read after the pidfd was opened: if it matches now, the pidfd is of this process.
        match look(pid)? {
            Some(process) if process.token == token && !process.is_dead() => Ok(Some(Self { fd })),
            _ => Ok(None),
        }
    }

    /// Sends a signal; `false` where the process has ended meanwhile.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Handle {
    /// Readable once the process has ended (`pidfd_open(2)`).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Our session's id; 0 where its leader is outside our PID namespace (a shell entered by `nsenter(1)` or by a
/// sandbox). libc's, because rustix's has no value for that 0.
pub fn session() -> u32 {
    // SAFETY: getsid(2) takes no pointer, and cannot fail for ourselves.
    unsafe { libc::getsid(0) as u32 }
}

/// Our process group's id; 0 where its leader is outside our PID namespace.
pub fn group() -> u32 {
    // SAFETY: getpgrp(2) takes nothing and cannot fail.
    unsafe { libc::getpgrp() as u32 }
}

/// Makes us the parent of every descendant whose own parent ends, or no longer (PR_SET_CHILD_SUBREAPER, prctl(2)):
/// whatever a command leaves behind stays below us. Where there is no such thing the rest still works.
#[cfg(target_os = "linux")]
pub fn become_subreaper(on: bool) {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()).filter(|_| on));
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub fn become_subreaper(_: bool) {}

/// Has the kernel send us SIGTERM when the thread that started us ends (`PR_SET_PDEATHSIG`, prctl(2)). Where there is no
/// such thing we outlive it.
pub(super) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
}

/// Waits for a child of this thread that has ended, was stopped or goes on: one that it started, or that came to this
/// process as a subreaper when it calls from the first thread. Children of other threads are left to these
/// (`__WNOTHREAD`, waitpid(2)). `None` where there is none in this moment.
#[cfg(target_os = "linux")]
pub fn reap() -> Option<(u32, WaitStatus)> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    let options = options | WaitOptions::from_bits_retain(libc::__WNOTHREAD as u32);
    let (pid, status) = rustix::process::wait(options).ok().flatten()?;
    Some((pid.as_raw_nonzero().get() as u32, status))
}

/// The same of all children. Where there is no such flag, a thread that waits for a child of its own may learn only that
/// it has ended, and not how. Not tried on any such system.
#[cfg(not(target_os = "linux"))]
pub fn reap() -> Option<(u32, WaitStatus)> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    let (pid, status) = rustix::process::wait(options).ok().flatten()?;
    Some((pid.as_raw_nonzero().get() as u32, status))
}

/// Tells the kernel that this thread works in batches, so that it takes the processor from nobody when it wakes up
/// (SCHED_BATCH, sched(7)): what a relay hands on must not wait for what is made of it.
#[cfg(target_os = "linux")]
pub fn wait_for_others() {
    // SAFETY: the structure is plain data with one number; 0 is this thread. Where it is refused the thread still works.
    unsafe {
        let parameters = libc::sched_param { sched_priority: 0 };
        libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters);
    }
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub fn wait_for_others() {}

/// Goes to a directory and says so in PWD: or what is started there would believe that it is elsewhere. Call it before
/// there is any other thread.
pub fn enter(dir: &Path) -> io::Result<()> {
    std::env::set_current_dir(dir)?;
    let place = std::env::current_dir().unwrap_or_else(|_| dir.to_owned());
    // SAFETY: as the caller promises nobody else reads the environment in this moment.
    unsafe { std::env::set_var("PWD", place) };
    Ok(())
}

/// Takes the words of the command line away from what `ps` and `pkill -f` see of us, and puts others there as far as
/// they have room: they lie where the kernel has put them (proc(5), arg_start and arg_end in stat). Nothing may look at
/// our arguments afterwards.
#[cfg(target_os = "linux")]
pub fn retitle(words: &[&str]) {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let Some((_, fields)) = text.rsplit_once(')') else { return };
    let field = |number: usize| fields.split_whitespace().nth(number - 3)?.parse::<usize>().ok();
    let (Some(start), Some(end)) = (field(ARG_START), field(ARG_END)) else { return };
    if start == 0 || end <= start {
        return;
    }
    let mut title = words.join("\0").into_bytes();
    title.resize(end - start, 0);
    // The last one stays: another byte there would make the kernel show the environment, too.
    title[end - start - 1] = 0;
    // SAFETY: the kernel says that our arguments are there; they are writable memory of this process on its first stack,
    // and both ends are its own. Rust's own view of them is raw pointers that nothing reads any more.
    unsafe { std::ptr::copy_nonoverlapping(title.as_ptr(), start as *mut u8, title.len()) };
}

/// The fields of /proc/PID/stat, counted from 1 as proc(5) does.
#[cfg(target_os = "linux")]
const ARG_START: usize = 48;
#[cfg(target_os = "linux")]
const ARG_END: usize = 49;

/// Left as it is.
#[cfg(not(target_os = "linux"))]
pub fn retitle(_words: &[&str]) {}

/// This boot, as `/proc/sys/kernel/random/boot_id` names it; empty where it cannot be read.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The PID namespace that our pids belong to; empty where there is no such thing.
pub fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

/// This machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Looks at one process. `None` where there is none.
pub fn look(pid: u32) -> io::Result<Option<Process>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(parse_stat(&stat).map(|mut process| {
            let ticks = rustix::param::clock_ticks_per_second() as i64;
            process.token = process.token.wrapping_add_signed(-boot_offset().saturating_mul(ticks));
            process
        })),
        // ESRCH: it ended between the open and the read.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The start token of a process that lives; `None` where it is gone or dead.
pub fn token(pid: u32) -> Option<u64> {
    look(pid).ok().flatten().filter(|process| !process.is_dead()).map(|process| process.token)
}

/// Whether the process with this pid is still the one that started at `token`. A process that cannot be looked
/// at counts as alive: dead means proved dead.
pub fn is_alive(pid: u32, token: u64) -> bool {
    match look(pid) {
        Ok(Some(process)) => process.token == token && !process.is_dead(),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Whether this process runs and no other group has the foreground of its controlling terminal. One that cannot be
/// looked at counts as one that may.
pub fn may_use_terminal(pid: u32, token: u64) -> bool {
    match look(pid) {
        Ok(Some(it)) => {
            let in_background = it.foreground >= 0 && it.foreground as u32 != it.group;
            it.token == token && !it.is_dead() && it.state != b'T' && !in_background
        }
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Every process that we can see. One that ends while we look is left out.
pub fn all() -> Vec<Process> {
    let Ok(dir) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    dir.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| look(pid).ok().flatten())
        .collect()
}

/// The processes below `root` (itself not among them), parents before children, dead ones left out.
pub fn descendants(root: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for pid in children(parent) {
            if let Ok(Some(process)) = look(pid) {
                parents.push(pid);
                if !process.is_dead() {
                    found.push(process);
                }
            }
        }
    }
    found
}

/// The children of a process, those that have ended and wait to be waited for among them.
pub fn children_of(parent: u32) -> Vec<Process> {
    children(parent).into_iter().filter_map(|pid| look(pid).ok().flatten()).collect()
}

/// Whether a process runs the program that we run: a fork of ours that has not become another yet, or another of us.
pub fn is_our_program(pid: u32) -> bool {
    let exe = |of: &str| fs::metadata(format!("/proc/{of}/exe")).map(|meta| (meta.dev(), meta.ino())).ok();
    exe("self").is_some_and(|ours| exe(&pid.to_string()) == Some(ours))
}

/// The children of every thread of `parent` (/proc/PID/task/TID/children, proc(5)).
fn children(parent: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let mut pids = Vec::new();
    for task in tasks.flatten() {
        if let Ok(line) = fs::read_to_string(task.path().join("children")) {
            pids.extend(line.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    pids
}

/// Whether the environment that a process was started with has `name=value` in it.
pub fn has_environment(pid: u32, name: &str, value: &str) -> bool {
    environment(pid, name).is_some_and(|found| found == value)
}

/// A variable of the environment that a process was started with; `None` too where we may not see it.
pub fn environment(pid: u32, name: &str) -> Option<String> {
    let read = || fs::read(format!("/proc/{pid}/environ")).ok();
    let mut environ = read()?;
    let mut looks = 0;
    while environ.is_empty() && looks < EXEC_LOOKS {
        let may_change = is_in_exec(pid);
        // Once more in any case: the exec may have ended between the two looks.
        environ = read()?;
        if !may_change {
            break;
        }
        looks += 1;
        if environ.is_empty() {
            std::thread::sleep(EXEC_PAUSE);
        }
    }
    let value = environ
        .split(|&byte| byte == 0)
        .find_map(|pair| pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// How often, and with which pause, an environment is looked for that an execve(2) has not put in its place yet. It
/// takes microseconds; longer only where the program's file is slow to come.
const EXEC_LOOKS: u32 = 50;
const EXEC_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

/// Whether a process is in the midst of execve(2): it has memory, but no place for its environment in it yet, and
/// would be taken for one without any (fields 23 and 51 of /proc/PID/stat).
pub fn is_in_exec(pid: u32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let text = String::from_utf8_lossy(&stat);
    let Some((_, fields)) = text.rsplit_once(')') else { return false };
    let field = |number: usize| fields.split_ascii_whitespace().nth(number - 3);
    field(MEMORY_SIZE).is_some_and(|size| size != "0") && field(ENVIRONMENT_END) == Some("0")
}

const MEMORY_SIZE: usize = 23;
const ENVIRONMENT_END: usize = 51;

/// Whether a process lives that neither catches, ignores nor blocks this signal (the masks of /proc/PID/status,
/// proc(5)). False where that cannot be told.
pub fn would_die_of(pid: u32, signal: i32) -> bool {
    if !(1..=64).contains(&signal) {
        return false;
    }
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let masks = [mask("SigBlk:"), mask("SigIgn:"), mask("SigCgt:")];
    let is_dead = look(pid).ok().flatten().is_none_or(|process| process.is_dead());
    !is_dead && masks.iter().all(|mask| mask.is_some_and(|mask| mask & (1 << (signal - 1)) == 0))
}

/// The user that a process runs as; `None` where it is gone.
pub fn owner(pid: u32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(Path::new("/proc").join(pid.to_string())).ok().map(|meta| meta.uid())
}

/// The words that a process was started with, as it shows them; none where it is gone, or a thread of the kernel.
pub fn arguments(pid: u32) -> Vec<std::ffi::OsString> {
    use std::os::unix::ffi::OsStringExt;
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0);
    words.filter(|_| !line.is_empty()).map(|word| std::ffi::OsString::from_vec(word.to_vec())).collect()
}

/// The directory that a process is in; `None` where it is gone, or may not be asked.
pub fn directory(pid: u32) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// What this time namespace adds to the time since boot, in seconds (time_namespaces(7)); 0 outside of any.
fn boot_offset() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    *OFFSET.get_or_init(|| {
        let text = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("boottime"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    })
}

/// How long ago a process with this start token was started: to show.
pub fn age(token: u64) -> std::time::Duration {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let started = std::time::Duration::from_millis(token.saturating_mul(1000) / ticks);
    let since_boot = since_boot.tv_sec.saturating_sub(boot_offset()) as u64;
    std::time::Duration::from_secs(since_boot).saturating_sub(started)
}

/// Fields 1 to 22 of /proc/PID/stat. The name stands in parentheses and may hold any byte, parentheses and
/// spaces too: what follows the last `)` is what counts.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3 (state) is fields[0] here.
    Some(Process {
        pid,
        name,
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        foreground: fields.get(5)?.parse().ok()?,
        token: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_read_whole() {
        let stat = b"42 (a) b (c) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1 2";
        let process = parse_stat(stat).expect("it parses");
        assert_eq!((process.pid, process.name.as_str(), process.state), (42, "a) b (c", b'S'));
        assert_eq!((process.parent, process.group, process.session, process.token), (7, 8, 9, 123_456));
    }

    #[test]
    fn our_own_identity_holds_and_another_token_does_not() {
        let pid = std::process::id();
        let token = token(pid).expect("we live");
        assert!(is_alive(pid, token));
        assert!(!is_alive(pid, token + 1));
        assert!(Handle::open(pid, token).expect("pidfd").is_some());
        assert!(Handle::open(pid, token + 1).expect("pidfd").is_none());
    }

    #[test]
    fn a_process_that_is_becoming_another_still_has_its_environment() {
        for _ in 0..200 {
            let mut child = std::process::Command::new("env")
                .args(["sleep", "60"])
                .env("WRAP_OF_A_TEST", "here")
                .spawn()
                .expect("spawned");
            // The name is the new program's before its environment is there.
            while look(child.id()).expect("looked").is_some_and(|one| one.name != "sleep") {}
            assert!(has_environment(child.id(), "WRAP_OF_A_TEST", "here"));
            child.kill().and_then(|()| child.wait()).expect("ended");
        }
    }
}
