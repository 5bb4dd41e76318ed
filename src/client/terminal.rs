//! The outer terminal: its modes saved, raw while the command has it, and given back on every way out.

use crate::sys::edge::Edge;
use crate::sys::reopen;
use crate::sys::tty::{self, Modes, Size};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;

/// The terminal that the user sits at. Dropping it gives the modes back, in a panic too.
pub struct Terminal {
    fd: OwnedFd,
    /// The modes to give back, and those we set, while it is ours.
    taken: Option<Taken>,
    /// Of its input, from the first time that we are in its background.
    edge: Option<Edge>,
    /// What the command has switched on in it is undone by this.
    undo: Vec<u8>,
}

struct Taken {
    saved: Modes,
    raw: Modes,
}

impl Terminal {
    /// A description of our own of the terminal behind `fd`.
    pub fn open(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { fd: reopen::source(fd)?, taken: None, edge: None, undo: Vec::new() })
    }

    /// Its modes as they are now.
    pub fn modes(&self) -> io::Result<Modes> {
        Modes::of(&self.fd)
    }

    /// Its size as it is now.
    pub fn size(&self) -> Size {
        Size::of(&self.fd).unwrap_or_default()
    }

    /// Whether we may read it and set its modes.
    pub fn is_ours(&self) -> bool {
        tty::in_foreground(&self.fd)
    }

    /// The byte whose key raises this signal in it as it is now.
    pub fn byte_of(&self, signal: i32) -> Option<u8> {
        self.modes().ok()?.byte_of(signal)
    }

    /// Whether it was closed: a terminal that is gone has no modes.
    pub fn is_hung_up(&self) -> bool {
        self.modes().is_err()
    }

    /// Whether it is raw for the command.
    pub fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// Whether a shell has brought us forward without a word: SIGCONT comes only to a job that was stopped.
    pub fn was_brought_forward(&self) -> bool {
        !self.is_taken() && self.is_ours()
    }

    /// Watches the input while we are in the background: somebody types, and it may be for us by now.
    pub fn watch_behind(&mut self) {
        if !self.is_taken() && self.edge.is_none() {
            self.edge = Edge::of(&self.fd).ok();
        }
    }

    /// What to wait for in the background.
    pub fn edge(&self) -> Option<&Edge> {
        self.edge.as_ref().filter(|_| !self.is_taken())
    }

    /// Makes it raw, if we are in its foreground. What the shell set meanwhile is what will be given back; it is
    /// returned, unless the terminal was ours all the time.
    pub fn take(&mut self) -> io::Result<Option<Modes>> {
        if !self.is_ours() {
            return Ok(None);
        }
        let now = self.modes()?;
        if self.taken.as_ref().is_some_and(|taken| taken.raw == now) {
            return Ok(None);
        }
        // The kernel handles keys in a work queue; polling waits for it (n_tty_poll). What is in it was typed before, and
        // is echoed here; only a key within the next microseconds is echoed by neither terminal.
        let now_or_never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&now_or_never));
        let raw = now.raw();
        raw.set(&self.fd)?;
        self.taken = Some(Taken { saved: now.clone(), raw });
        Ok(Some(now))
    }

    /// Gives the modes back. In the background they are the shell's, and stay.
    pub fn give_back(&mut self) {
        if let Some(taken) = self.taken.take()
            && self.is_ours()
        {
            // A terminal that is gone has nothing to give back.
            let _ = taken.saved.set(&self.fd);
        }
    }

    /// The command has switched modes on that this undoes.
    pub fn set_undo(&mut self, undo: &[u8]) {
        undo.clone_into(&mut self.undo);
    }

    /// What is to be written to it before anybody else uses it.
    pub fn take_undo(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.undo)
    }

    /// What was typed before it was taken; it stands in the terminal's buffer and was echoed there.
    pub fn typed_ahead(&self, before: &Modes) -> Vec<u8> {
        let count = rustix::io::ioctl_fionread(&self.fd).unwrap_or(0) as usize;
        let mut bytes = vec![0; count];
        if count == 0 {
            return bytes;
        }
        let read = rustix::io::read(&self.fd, &mut bytes).unwrap_or(0);
        bytes.truncate(read);
        // A canonical terminal keeps a typed Ctrl-D as a NUL that ends a read (n_tty); in raw modes it would arrive
        // as that NUL. The command's terminal is to see the end of file again.
        if before.is_canonical()
            && let Some(end) = before.end_of_file()
        {
            for byte in &mut bytes {
                if *byte == 0 {
                    *byte = end;
                }
            }
        }
        bytes
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
        // Only where nothing else has done it, as in a panic.
        if !self.undo.is_empty() {
            let _ = rustix::io::write(&self.fd, &self.undo);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pty::Pty;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_panic_gives_the_terminal_back_and_undoes_what_the_command_has_switched_on() {
        let pty = Pty::open().expect("a PTY");
        let slave = pty.set_up(Size::default(), None).expect("its slave");
        let before = Modes::of(&slave).expect("its modes");
        let mut terminal = Terminal::open(slave.as_fd()).expect("the terminal");
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            terminal.take().expect("it is ours");
            assert_ne!(terminal.modes().expect("its modes"), before, "raw");
            terminal.set_undo(b"\x1b[?1049l");
            std::panic::resume_unwind(Box::new(before));
        }));
        let before = panicked.expect_err("it panicked").downcast::<Modes>().expect("what it was thrown");
        assert_eq!(Modes::of(&slave).expect("its modes"), *before);
        let mut shown = [0; 64];
        let count = rustix::io::read(&pty, &mut shown).expect("it was written");
        assert_eq!(&shown[..count], b"\x1b[?1049l");
    }
}
