//! Processes: found by the sandbox they belong to, waited for and signalled through a pidfd.

use super::DEADLINE;
use super::text::find;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::RwLock;
use std::time::Duration;

/// Held to read by who starts a process, to write by who writes a script.
pub static FORK: RwLock<()> = RwLock::new(());

/// A process whose environment was looked at.
#[derive(Debug)]
pub struct Marked {
    pub pid: u32,
    /// Its command line, to print.
    pub line: String,
    fd: OwnedFd,
}

impl Marked {
    /// Ends it; the pidfd makes sure that it is the process that was looked at.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.fd, Signal::KILL);
    }

    /// Waits for its end.
    pub fn ends_within(&self, limit: Duration) -> bool {
        readable_within(&self.fd, limit)
    }
}

/// The processes that belong to a sandbox: those whose environment names its root, or that stand in it (`env -i`
/// takes the environment away, `cd` the directory; a process that did both is not found).
pub fn of_sandbox(root: &Path) -> Vec<Marked> {
    let Ok(dir) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    dir.flatten().filter_map(|entry| marked(entry.file_name().to_str()?.parse().ok()?, root)).collect()
}

/// Opens the pidfd before it reads: if the environment is right then, the pidfd is of that process.
fn marked(pid: u32, root: &Path) -> Option<Marked> {
    let fd = open(pid)?;
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let stands_there = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(root));
    if find(&environ, root.as_os_str().as_bytes(), 0).is_none() && !stands_there() {
        return None;
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
    // A zombie has neither environment nor directory, but may become one between the reads.
    (!readable_within(&fd, Duration::ZERO)).then_some(Marked { pid, line, fd })
}

/// A process and all below it as `ps` shows them: who waits for what.
pub fn tree(root: u32) -> String {
    let columns = "pid,ppid,pgid,tpgid,stat,wchan:20,args";
    let Ok(all) = Command::new("ps").args(["-eo", columns]).output() else { return String::new() };
    let all = String::from_utf8_lossy(&all.stdout).into_owned();
    let mut known = vec![root];
    let mut lines = String::new();
    // Parents mostly stand before their children; pids that were given anew need another round.
    for _ in 0..3 {
        for line in all.lines() {
            let mut numbers = line.split_whitespace().map(str::parse::<u32>);
            if let (Some(Ok(pid)), Some(Ok(parent))) = (numbers.next(), numbers.next())
                && known.contains(&parent)
                && !known.contains(&pid)
            {
                known.push(pid);
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    lines
}

/// Whether a process below this one is stopped.
pub fn any_stopped_below(root: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{root}/task/{root}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).any(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        state == Some("T") || any_stopped_below(pid)
    })
}

/// Waits until there is no running process of this pid.
pub fn wait_gone(pid: u32) {
    assert!(ended_within(pid, DEADLINE), "process {pid} still runs after {DEADLINE:?}: {}", describe(pid));
}

/// Whether the process ends within the limit (or has ended already; a zombie has).
pub fn ended_within(pid: u32, limit: Duration) -> bool {
    open(pid).is_none_or(|fd| readable_within(&fd, limit))
}

/// Whether a process of this pid runs; a zombie does not.
pub fn is_running(pid: u32) -> bool {
    !ended_within(pid, Duration::ZERO)
}

/// Sends a signal by number to one process.
pub fn signal(pid: u32, number: i32) {
    let target = i32::try_from(pid).expect("a pid");
    assert!(target > 1, "pid {pid} is nobody's in a test");
    // SAFETY: kill(2) takes two integers and touches no memory of ours; a positive pid is one process, no group.
    let result = unsafe { libc::kill(target, number) };
    assert_eq!(result, 0, "signal {number} to {pid}: {}", std::io::Error::last_os_error());
}

/// The command line of a process, to print.
fn describe(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ")
}

fn open(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()
}

/// A pidfd is readable once its process has ended (`pidfd_open(2)`).
fn readable_within(fd: &OwnedFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).expect("a limit of seconds");
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    loop {
        match poll(&mut fds, Some(&limit)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(count) => return count > 0,
            Err(error) => panic!("poll on a pidfd: {error}"),
        }
    }
}
