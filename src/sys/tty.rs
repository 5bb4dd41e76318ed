//! A terminal's modes, size and foreground, through termios(3) and tty_ioctl(4).

use rustix::fd::{AsFd, AsRawFd};
use rustix::termios::{Winsize, tcgetpgrp, tcgetwinsize, tcsetwinsize};
use serde::{Deserialize, Serialize};
use std::io;

/// Every mode of a terminal, as numbers that can cross a socket: termios(3) in a portable dress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modes {
    input: u64,
    output: u64,
    control: u64,
    local: u64,
    characters: Vec<u8>,
    input_speed: u64,
    output_speed: u64,
}

impl Modes {
    /// The modes of an open terminal. Fails with ENOTTY where it is none.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_raw(&get(fd)?))
    }

    /// Sets them at once (TCSANOW): nothing typed is thrown away, and a stopped output is not waited for.
    pub fn set(&self, fd: impl AsFd) -> io::Result<()> {
        // What our numbers do not carry (the line discipline) stays as the terminal has it.
        let mut raw = get(fd.as_fd())?;
        raw.c_iflag = self.input as libc::tcflag_t;
        raw.c_oflag = self.output as libc::tcflag_t;
        raw.c_cflag = self.control as libc::tcflag_t;
        raw.c_lflag = self.local as libc::tcflag_t;
        for (slot, character) in raw.c_cc.iter_mut().zip(&self.characters) {
            *slot = *character;
        }
        put(fd, raw, self.input_speed, self.output_speed)
    }

    /// These modes with cfmakeraw(3) applied: every byte passes as it is, nothing is echoed, no key raises a signal.
    #[must_use]
    pub fn raw(&self) -> Self {
        let mut modes = self.clone();
        modes.input &= !u64::from(
            libc::IGNBRK
                | libc::BRKINT
                | libc::PARMRK
                | libc::ISTRIP
                | libc::INLCR
                | libc::IGNCR
                | libc::ICRNL
                | libc::IXON,
        );
        modes.output &= !u64::from(libc::OPOST);
        modes.local &= !u64::from(libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG | libc::IEXTEN);
        modes.control = modes.control & !u64::from(libc::CSIZE | libc::PARENB) | u64::from(libc::CS8);
        modes.set_character(libc::VMIN, 1);
        modes.set_character(libc::VTIME, 0);
        modes
    }

    /// These modes without echo, for bytes that another terminal has echoed already.
    #[must_use]
    pub fn without_echo(&self) -> Self {
        let mut modes = self.clone();
        modes.local &= !u64::from(libc::ECHO | libc::ECHONL);
        modes
    }

    /// Whether input is handed over in lines (ICANON).
    pub fn is_canonical(&self) -> bool {
        self.local & u64::from(libc::ICANON) != 0
    }

    /// Whether the carriage return of the Enter key becomes a newline (ICRNL).
    pub fn maps_enter(&self) -> bool {
        self.input & u64::from(libc::ICRNL) != 0
    }

    /// The signal that this byte raises when it is typed, if any (ISIG with VINTR, VQUIT, VSUSP).
    pub fn signal_of(&self, byte: u8) -> Option<i32> {
        // _POSIX_VDISABLE is 0 on Linux and 0xff on macOS: such a character is switched off.
        let is = |index: usize| {
            self.character(index) == Some(byte) && byte != if cfg!(target_os = "linux") { 0 } else { 0xff }
        };
        if self.local & u64::from(libc::ISIG) == 0 {
            return None;
        }
        if is(libc::VINTR) {
            Some(libc::SIGINT)
        } else if is(libc::VQUIT) {
            Some(libc::SIGQUIT)
        } else if is(libc::VSUSP) {
            Some(libc::SIGTSTP)
        } else {
            None
        }
    }

    /// The byte that raises this signal when it is typed, if any.
    pub fn byte_of(&self, signal: i32) -> Option<u8> {
        (1..=u8::MAX).find(|byte| self.signal_of(*byte) == Some(signal))
    }

    /// Whether this byte takes its meaning from the next one (VLNEXT, with IEXTEN; Ctrl-V).
    pub fn quotes(&self, byte: u8) -> bool {
        self.local & u64::from(libc::IEXTEN) != 0 && self.is_canonical() && self.character(libc::VLNEXT) == Some(byte)
    }

    /// The end-of-file character (VEOF), Ctrl-D unless somebody changed it.
    pub fn end_of_file(&self) -> Option<u8> {
        self.character(libc::VEOF)
    }

    fn character(&self, index: usize) -> Option<u8> {
        self.characters.get(index).copied()
    }

    fn set_character(&mut self, index: usize, value: u8) {
        if let Some(slot) = self.characters.get_mut(index) {
            *slot = value;
        }
    }

    fn from_raw(raw: &libc::termios) -> Self {
        let (input_speed, output_speed) = speeds(raw);
        Self {
            input: u64::from(raw.c_iflag),
            output: u64::from(raw.c_oflag),
            control: u64::from(raw.c_cflag),
            local: u64::from(raw.c_lflag),
            characters: raw.c_cc.to_vec(),
            input_speed: u64::from(input_speed),
            output_speed: u64::from(output_speed),
        }
    }
}

fn get(fd: impl AsFd) -> io::Result<libc::termios> {
    // SAFETY: termios is plain data for which all zeroes is valid; tcgetattr fills it in or fails.
    let mut raw: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is borrowed for the call, and the pointer is to a live local.
    let done = unsafe { libc::tcgetattr(fd.as_fd().as_raw_fd(), &raw mut raw) };
    if done == 0 { Ok(raw) } else { Err(io::Error::last_os_error()) }
}

fn put(fd: impl AsFd, mut raw: libc::termios, input_speed: u64, output_speed: u64) -> io::Result<()> {
    // SAFETY: `raw` came from tcgetattr; the speeds are stored into it; the descriptor is borrowed for the call.
    let done = unsafe {
        libc::cfsetispeed(&raw mut raw, input_speed as libc::speed_t);
        libc::cfsetospeed(&raw mut raw, output_speed as libc::speed_t);
        libc::tcsetattr(fd.as_fd().as_raw_fd(), libc::TCSANOW, &raw const raw)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn speeds(raw: &libc::termios) -> (libc::speed_t, libc::speed_t) {
    // SAFETY: both only read fields of a structure that tcgetattr has filled in.
    unsafe { (libc::cfgetispeed(raw), libc::cfgetospeed(raw)) }
}

/// Rows and columns, and the size in pixels where the terminal tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
    /// Width in pixels, 0 where unknown.
    pub width: u16,
    /// Height in pixels, 0 where unknown.
    pub height: u16,
}

impl Default for Size {
    /// What a terminal that nobody looks at is given: 24 lines of 80.
    fn default() -> Self {
        Self { rows: 24, columns: 80, width: 0, height: 0 }
    }
}

impl Size {
    /// The size of an open terminal.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        let size = tcgetwinsize(fd)?;
        Ok(Self { rows: size.ws_row, columns: size.ws_col, width: size.ws_xpixel, height: size.ws_ypixel })
    }

    /// Sets it; the kernel sends SIGWINCH to the foreground group where it changed.
    pub fn set(self, fd: impl AsFd) -> io::Result<()> {
        let size = Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: self.width, ws_ypixel: self.height };
        Ok(tcsetwinsize(fd, size)?)
    }
}

/// Whether our process group is the terminal's foreground one: only then may we read it or change its modes.
/// A terminal that is not our controlling terminal has no say in that and counts as ours.
pub fn in_foreground(fd: impl AsFd) -> bool {
    // SAFETY: tcgetpgrp(3) takes no pointer, and `fd` is open while it is borrowed. rustix's has no value for the 0 of
    // a group whose leader is outside our PID namespace, and ours may be that one.
    match unsafe { libc::tcgetpgrp(fd.as_fd().as_raw_fd()) } {
        -1 => io::Error::last_os_error().raw_os_error() == Some(libc::ENOTTY),
        group => group as u32 == super::process::group(),
    }
}

/// Reads nothing, as a command in the background reads: it is stopped by SIGTTIN, with its process group, until it is in
/// the foreground. The kernel looks and stops in one step, so that no `fg` comes between the two. An error is EINTR
/// where it was continued to handle a signal that interrupts (see `signal::interrupt`), and EIO where nobody could ever continue the group (setsid(2)).
pub fn read_nothing(fd: impl AsFd) -> io::Result<()> {
    rustix::io::read(fd, &mut [0_u8; 0])?;
    Ok(())
}

/// The foreground process group of a terminal, seen from either end; `None` where there is none.
pub fn foreground(fd: impl AsFd) -> Option<u32> {
    tcgetpgrp(fd).ok().map(|group| group.as_raw_nonzero().get() as u32)
}

/// Makes a process group of our session the foreground one. Ignore SIGTTOU before, or be in the foreground.
pub fn set_foreground(fd: impl AsFd, group: u32) -> io::Result<()> {
    let group = super::signal::pid(group).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::termios::tcsetpgrp(fd, group)?)
}
