//! A real terminal with a command in it.

use super::leader;
use super::modes::Modes;
use super::process::any_stopped_below;
use super::text::{find, plain, tail, title};
use super::watched::Watched;
use super::{Change, DEADLINE, Ending, LEAVING, RECHECK};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long after the command's end its terminal is still read, should another process go on writing to it.
const DRAIN: Duration = Duration::from_secs(5);

/// The keys that raise signals or end the input.
pub const CTRL_C: &[u8] = b"\x03";
pub const CTRL_D: &[u8] = b"\x04";
pub const CTRL_Z: &[u8] = b"\x1a";
pub const CTRL_BACKSLASH: &[u8] = b"\x1c";

/// A PTY, the command that runs in it, and a thread that reads whatever it writes.
pub struct Terminal {
    /// What runs, for messages.
    title: String,
    /// Rows and columns that it was opened with.
    size: (u16, u16),
    /// The terminal's side of the PTY; `None` after [`Terminal::hang_up`].
    master: Option<Arc<OwnedFd>>,
    seen: Arc<Watched<Seen>>,
    /// The command's pid.
    pid: u32,
    leader: Child,
    /// Closing it lets the leader go.
    hold: Option<OwnedFd>,
    /// Closing it makes the reader let go of the master.
    wake: Option<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

/// What the reader has collected.
#[derive(Default)]
struct Seen {
    output: Vec<u8>,
    /// Up to here the test has waited.
    mark: usize,
    changes: Vec<Change>,
    /// So many of the changes the test has waited for.
    taken: usize,
    /// The reader has let go of the master.
    released: bool,
}

impl Seen {
    fn ending(&self) -> Option<Ending> {
        self.changes.iter().find_map(|change| match change {
            Change::Ended(ending) => Some(*ending),
            _ => None,
        })
    }
}

impl Terminal {
    /// Opens a PTY of `rows` and `columns` and runs the command in it, in the foreground of a session of its own.
    pub fn start(mut command: Command, rows: u16, columns: u16) -> Self {
        let title = title(&command);
        let (master, slave) = open_pty(rows, columns);
        // Both pipes are closed on exec: neither the command nor anything else that a test starts keeps them open.
        let (report, report_end) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let (hold_end, hold) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let (wake_end, wake) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        command.stdin(slave.try_clone().expect("a descriptor"));
        command.stdout(slave.try_clone().expect("a descriptor")).stderr(slave);
        let (report_fd, hold_fd) = (report_end.as_raw_fd(), hold_end.as_raw_fd());
        // SAFETY: `lead` is made for this place: system calls only. Both descriptors are open until after the spawn.
        unsafe { command.pre_exec(move || leader::lead(report_fd, hold_fd)) };
        let forking = super::process::FORK.read();
        let leader = command.spawn().unwrap_or_else(|error| panic!("cannot start {title}: {error}"));
        drop((forking, command));
        drop((report_end, hold_end));
        let mut report = File::from(report);
        let pid = read_number(&mut report).expect("the leader names the command's pid");

        let master = Arc::new(master);
        let seen = Arc::new(Watched::new(Seen::default()));
        let reader = thread::spawn({
            let (master, seen) = (Arc::clone(&master), Arc::clone(&seen));
            move || read_all(master, report, &wake_end, &seen)
        });
        Self {
            title,
            size: (rows, columns),
            master: Some(master),
            seen,
            pid: u32::try_from(pid).expect("a pid"),
            leader,
            hold: Some(hold),
            wake: Some(wake),
            reader: Some(reader),
        }
    }

    /// The pid of the command (wrap's client, or the shell).
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn master(&self) -> &OwnedFd {
        self.master.as_deref().expect("the terminal is open")
    }

    /// Types these bytes.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let count = rustix::io::write(self.master(), rest).expect("the terminal takes what is typed");
            rest = &rest[count..];
        }
    }

    /// Types a line and Return.
    pub fn line(&self, text: &str) {
        self.send(format!("{text}\r"));
    }

    /// Waits for this text in what came after the last wait, and returns what came before it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_within(text, DEADLINE)
    }

    /// [`Terminal::wait_for`] with another deadline.
    #[track_caller]
    pub fn wait_for_within(&self, text: &str, limit: Duration) -> String {
        let needle = text.as_bytes();
        let mut searched = 0;
        let found = self.seen.wait(limit, |seen| {
            let from = seen.mark.max(searched);
            if let Some(at) = find(&seen.output, needle, from) {
                let before = seen.output[seen.mark..at].to_vec();
                seen.mark = at + needle.len();
                return Some(Ok(String::from_utf8_lossy(&before).into_owned()));
            }
            searched = seen.output.len().saturating_sub(needle.len().saturating_sub(1));
            // Nothing more will come.
            seen.ending().map(Err)
        });
        match found {
            Some(Ok(before)) => before,
            Some(Err(ending)) => self.fail(&format!("`{text}` never came: {ending:?}")),
            None => self.fail(&format!("`{text}` did not come within {limit:?}")),
        }
    }

    /// Whether this text comes within so long, after the last wait. For what must not come: a moment is all one can wait.
    pub fn comes_within(&self, text: &str, limit: Duration) -> bool {
        let found = self.seen.wait(limit, |seen| find(&seen.output, text.as_bytes(), seen.mark).map(|_| ()));
        found.is_some()
    }

    /// Waits until the whole output, as [`plain`] text, is as the closure wants it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let found = self.seen.wait(DEADLINE, |seen| {
            if holds(&plain(&seen.output)) {
                return Some(Ok(()));
            }
            seen.ending().map(Err)
        });
        match found {
            Some(Ok(())) => {}
            Some(Err(ending)) => self.fail(&format!("{what}: never came, {ending:?}")),
            None => self.fail(&format!("{what}: not within {DEADLINE:?}")),
        }
    }

    /// Waits for the next change of the command's state: stopped, continued, ended.
    #[track_caller]
    pub fn wait_change(&self) -> Change {
        let change = self.seen.wait(DEADLINE, |seen| {
            let change = *seen.changes.get(seen.taken)?;
            seen.taken += 1;
            Some(change)
        });
        change.unwrap_or_else(|| self.fail(&format!("the command's state did not change within {DEADLINE:?}")))
    }

    /// Waits for the command's end.
    #[track_caller]
    pub fn wait_end(&self) -> Ending {
        self.wait_end_within(DEADLINE)
    }

    /// [`Terminal::wait_end`] with another deadline.
    #[track_caller]
    pub fn wait_end_within(&self, limit: Duration) -> Ending {
        let ending = self.seen.wait(limit, |seen| seen.ending());
        ending.unwrap_or_else(|| self.fail(&format!("the command did not end within {limit:?}")))
    }

    /// Everything that was written so far.
    pub fn output(&self) -> Vec<u8> {
        self.seen.look(|seen| seen.output.clone())
    }

    /// Everything that was written so far, as a reader sees it.
    pub fn screen(&self) -> String {
        plain(&self.output())
    }

    /// What a terminal of the size that it was opened with shows now.
    pub fn shown(&self) -> String {
        let (rows, columns) = self.size;
        let of = |number| std::num::NonZeroU16::new(number).expect("a size");
        let mut parser = vt100::Parser::new(of(rows), of(columns), 0);
        parser.process(&self.output());
        parser.screen().contents()
    }

    /// Waits until what it shows is as the closure wants it.
    #[track_caller]
    pub fn wait_shown(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let length = self.seen.look(|seen| seen.output.len());
            let shown = self.shown();
            if holds(&shown) {
                return;
            }
            if Instant::now() > deadline {
                self.fail(&format!("{what}: not within {DEADLINE:?}; it shows\n{shown}\n"));
            }
            self.seen.wait(RECHECK, |seen| (seen.output.len() > length).then_some(()));
        }
    }

    /// Whether these bytes were written to it.
    pub fn raw_contains(&self, text: &str) -> bool {
        find(&self.output(), text.as_bytes(), 0).is_some()
    }

    /// The size that the terminal tells its programs; they get SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(self.master(), size(rows, columns)).expect("the size is set");
    }

    /// The terminal's modes now.
    pub fn modes(&self) -> Modes {
        Modes::of(self.master())
    }

    /// Waits until the terminal itself (its modes, its foreground) is as the closure wants it. Neither has an event,
    /// so this looks again and again: after each output, and every [`RECHECK`].
    #[track_caller]
    pub fn wait_state(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(self) {
            if Instant::now() > deadline {
                self.fail(&format!("{what}: foreground {}, {:#?}", self.foreground(), self.modes()));
            }
            let length = self.seen.look(|seen| seen.output.len());
            self.seen.wait(RECHECK, |seen| (seen.output.len() > length).then_some(()));
        }
    }

    /// Types `fg` to the shell and waits until its job has the terminal: what is typed before is the shell's.
    #[track_caller]
    pub fn bring_back(&self) {
        self.line("fg");
        self.wait_state("a job in the foreground", |terminal| terminal.foreground() != terminal.pid());
    }

    /// [`Self::bring_back`], and waits until wrap has the terminal for its command: who echoes a key that is pressed in
    /// the very moment of that change, the one terminal or the other or neither, is the kernel's to decide. That moment
    /// is over once the command runs again.
    #[track_caller]
    pub fn bring_back_wrapped(&self) {
        self.bring_back();
        self.wait_state("a raw terminal, and all continued", |terminal| {
            !terminal.modes().is_cooked() && !any_stopped_below(terminal.pid())
        });
    }

    /// Waits until the shell has its terminal back.
    #[track_caller]
    pub fn wait_prompt(&self) {
        self.wait_state("the shell in the foreground", |terminal| terminal.foreground() == terminal.pid());
    }

    /// The process group in the foreground of this terminal; 0 where there is none.
    pub fn foreground(&self) -> u32 {
        let mut group = 0;
        // SAFETY: TIOCGPGRP writes one pid_t, which `group` is. rustix takes 0 for an error, but after the
        // foreground group has ended it is the answer.
        let result = unsafe { libc::ioctl(self.master().as_raw_fd(), libc::TIOCGPGRP, &raw mut group) };
        assert_eq!(result, 0, "TIOCGPGRP: {}", io::Error::last_os_error());
        let group: libc::pid_t = group;
        u32::try_from(group).unwrap_or(0)
    }

    /// The terminal's modes now; `None` where it was closed.
    pub fn modes_if_open(&self) -> Option<Modes> {
        self.master.as_ref().map(Modes::of)
    }

    /// Closes the terminal's window, unless that was done: the session gets SIGHUP and every read ends. What became of the command can
    /// still be waited for.
    pub fn hang_up(&mut self) {
        if self.master.is_none() {
            return;
        }
        self.wake = None;
        let released = self.seen.wait(DEADLINE, |seen| seen.released.then_some(()));
        assert!(released.is_some(), "the reader lets go of the terminal");
        self.master = None;
    }

    /// Fails the test with what the terminal shows.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        let mut message = format!("{why}\nin the terminal of {}\n", self.title);
        self.seen.look(|seen| {
            let _ = writeln!(message, "its changes: {:?}; the end of its output:", seen.changes);
            message.push_str(&tail(&seen.output));
            if seen.mark < seen.output.len() {
                message.push_str("of which came after the last wait:\n");
                message.push_str(&tail(&seen.output[seen.mark..]));
            }
        });
        let _ = write!(message, "its processes:\n{}", super::process::tree(self.leader.id()));
        panic!("{message}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.wake = None;
        self.master = None;
        // The leader has not waited for the command as long as it reports no end: until then the pid is its own.
        if self.seen.wait(LEAVING, |seen| seen.ending()).is_none() {
            eprintln!("{} outlives its terminal; it is killed", self.title);
            super::signal(self.pid, libc::SIGKILL);
        }
        self.hold = None;
        let _ = self.leader.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A PTY of this size: the terminal's side and the programs' side, both closed on exec.
fn open_pty(rows: u16, columns: u16) -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a PTY");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other side");
    tcsetwinsize(&master, size(rows, columns)).expect("the size is set");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let name = name.to_str().expect("an ASCII name");
    let slave = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name);
    (master, slave.expect("its other side").into())
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// The reader thread: collects output and the leader's reports until the command has ended and the terminal is
/// given up.
fn read_all(master: Arc<OwnedFd>, mut report: File, wake: &OwnedFd, seen: &Watched<Seen>) {
    let mut master = Some(master);
    let mut leader_lives = true;
    while master.is_some() || leader_lives {
        let mut fds = Vec::with_capacity(3);
        if leader_lives {
            fds.push(PollFd::new(&report, PollFlags::IN));
        }
        if let Some(master) = &master {
            fds.push(PollFd::new(wake, PollFlags::IN));
            fds.push(PollFd::from_borrowed_fd(master.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result.expect("poll"),
        };
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let reported = leader_lives && ready.next() == Some(true);
        let given_up = master.is_some() && ready.next() == Some(true);
        let wrote = master.is_some() && ready.next() == Some(true);
        drop(ready);
        drop(fds);
        if given_up {
            master = None;
            seen.update(|seen| seen.released = true);
        } else if wrote && let Some(fd) = &master {
            read_some(fd, seen);
        }
        if reported {
            let Some(status) = read_number(&mut report) else {
                leader_lives = false;
                continue;
            };
            let change = Change::from_wait(status);
            if let (Change::Ended(_), Some(fd)) = (change, &master) {
                let until = Instant::now() + DRAIN;
                // poll brings in what is on its way between the two sides, so "nothing to read" means nothing left.
                while has_more(fd) && read_some(fd, seen) && Instant::now() < until {}
            }
            seen.update(|seen| seen.changes.push(change));
        }
    }
}

/// Reads once; false when there is nothing more.
fn read_some(master: &OwnedFd, seen: &Watched<Seen>) -> bool {
    let mut chunk = vec![0_u8; 64 * 1024];
    match rustix::io::read(master, &mut chunk) {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            seen.update(|seen| seen.output.extend_from_slice(&chunk[..count]));
            true
        }
    }
}

fn has_more(master: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(master, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

fn read_number(report: &mut File) -> Option<i32> {
    let mut bytes = [0; 4];
    report.read_exact(&mut bytes).ok()?;
    Some(i32::from_ne_bytes(bytes))
}
