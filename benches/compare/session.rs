//! One command in one terminal, read by this process: the same reader for every launcher.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// What a read is given; as much as a terminal emulator reads at once.
const CHUNK: usize = 64 * 1024;

/// A wait that lasts longer than this has failed.
const LIMIT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// The command, its terminal's side of the PTY, and a descriptor that becomes readable when it ends.
pub struct Session {
    child: Child,
    master: OwnedFd,
    ended: OwnedFd,
    chunk: Vec<u8>,
}

impl Session {
    /// Runs the command as the leader of a session on a terminal of 24 by 80, as a terminal emulator does.
    pub fn start(command: &mut Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a PTY");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other side");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("its size");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let name = name.to_str().expect("an ASCII name");
        let slave = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name);
        let slave = slave.expect("its other side");
        command.stdin(slave.try_clone().expect("a descriptor"));
        command.stdout(slave.try_clone().expect("a descriptor")).stderr(slave);
        // SAFETY: between fork and exec; two system calls on integers, nothing allocates.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the launcher starts");
        // The command keeps the programs' side open for as long as it is not told otherwise.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd of our child");
        Self { child, master, ended, chunk: vec![0; CHUNK] }
    }

    /// What the command writes next; `None` once nothing more will come.
    pub fn read(&mut self) -> Option<&[u8]> {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&LIMIT)).expect("poll");
        assert!(ready > 0, "nothing happened for {} s", LIMIT.tv_sec);
        if fds[0].revents().is_empty() {
            // It ended, and the terminal has nothing more: poll has brought in what was on its way.
            return None;
        }
        match rustix::io::read(&self.master, &mut self.chunk) {
            Ok(0) | Err(Errno::IO) => None,
            Ok(count) => Some(&self.chunk[..count]),
            Err(error) => panic!("read from a terminal: {error}"),
        }
    }

    /// Reads until the command's end; how many bytes came.
    pub fn drain(&mut self) -> u64 {
        let mut count = 0;
        while let Some(bytes) = self.read() {
            count += bytes.len() as u64;
        }
        count
    }

    /// Reads until this word has come; false when the end came first.
    pub fn read_until(&mut self, word: &[u8]) -> bool {
        let mut last = Vec::new();
        while let Some(bytes) = self.read() {
            last.extend_from_slice(bytes);
            if last.windows(word.len()).any(|window| window == word) {
                return true;
            }
            let keep = last.len().saturating_sub(word.len());
            last.drain(..keep);
        }
        false
    }

    /// Types one byte and waits until it is back; the time in between.
    pub fn ping(&mut self, byte: u8) -> Duration {
        let start = Instant::now();
        rustix::io::write(&self.master, &[byte]).expect("the terminal takes a key");
        loop {
            let back = self.read().expect("the command still runs").contains(&byte);
            if back {
                return start.elapsed();
            }
        }
    }

    /// Waits for the launcher's end.
    pub fn wait(mut self) -> ExitStatus {
        let mut fds = [PollFd::new(&self.ended, PollFlags::IN)];
        assert!(poll(&mut fds, Some(&LIMIT)).expect("poll") > 0, "the launcher did not end");
        self.child.wait().expect("our child")
    }

    /// Closes the terminal's window and waits for the launcher's end.
    pub fn close(self) {
        let Self { mut child, master, ended, .. } = self;
        drop(master);
        let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit)).expect("poll") == 0 {
            // Not waited for yet: the pid is still our child's.
            child.kill().expect("our child can be ended");
        }
        child.wait().expect("our child");
    }
}
