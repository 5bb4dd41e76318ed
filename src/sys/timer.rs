//! A deadline as a descriptor for a poll loop.
//!
//! A timeout given to poll(2) programs the clock at each call and clears it after; behind a keystroke that costs more
//! than the relay itself, on a virtual machine above all. This is programmed when the deadline changes, and only then.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::time::{Duration, Instant};

/// Readable once its deadline has passed.
pub struct Timer {
    fd: OwnedFd,
    set: Option<Instant>,
}

/// A deadline that has passed already: zero would switch the timer off (timerfd_settime(2)).
const AT_ONCE: Duration = Duration::from_nanos(1);

impl Timer {
    /// Without a deadline.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { fd, set: None })
    }

    /// Sets the deadline; `None` is never.
    pub fn set(&mut self, deadline: Option<Instant>) {
        if self.set == deadline {
            return;
        }
        let wait = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(AT_ONCE)).unwrap_or_default();
        let value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // It fails for a number of nanoseconds that is none, which these are not.
        if timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &spec).is_ok() {
            self.set = deadline;
        }
    }

    /// Makes it unreadable, after it has woken somebody.
    pub fn clear(&mut self) {
        let mut count = [0; 8];
        if rustix::io::read(&self.fd, &mut count).is_ok() {
            self.set = None;
        }
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
