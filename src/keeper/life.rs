//! The life of a run: one enum of where it stands, and the steps by which a process is asked to end.

use crate::config::Leftovers as Rule;
use crate::sys::signal;
use crate::wire::Ended;
use std::time::{Duration, Instant};

/// Where a run stands.
pub enum Phase {
    /// The start hooks run; nothing is spawned.
    Preparing,
    /// The command runs.
    Running,
    /// The command was asked to end.
    Ending(Escalation),
    /// The command has ended; what it left behind is asked to end.
    Leftovers(Ended, Rule, Escalation),
    /// Nothing of it is left but output that is still to be read: looked at again at the first time, and from the second
    /// on handed to a client that takes nothing, too.
    Draining(Ended, Instant, Instant),
    /// The command has ended and what it left is kept running (`leftovers = "keep"`).
    Adopted(Ended),
    /// Nothing is left and the entry is gone; the exit hooks run.
    Leaving(Ended),
    /// Over.
    Over(Ended),
}

impl Phase {
    /// When this phase is to be looked at again, if no event comes before.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Ending(steps) => Some(steps.next()),
            // A process whose parent is kept does not tell us its end: look now and then while we wait.
            Self::Leftovers(_, _, steps) => {
                let look = Instant::now() + LOOK;
                Some(steps.next().min(look))
            }
            Self::Draining(_, until, _) => Some(*until),
            Self::Preparing | Self::Running | Self::Adopted(_) | Self::Leaving(_) | Self::Over(_) => None,
        }
    }
}

/// How often leftovers are looked at while they are being ended: seldom enough to cost nothing in five seconds of
/// grace, often enough that nobody notices the wait.
const LOOK: Duration = Duration::from_millis(50);

/// How long a command that was interrupted may take to end its own children before they count as left behind: they
/// got the same signal and are on their way out.
pub const SETTLE: Duration = Duration::from_millis(250);

/// After the last signal: how long the kernel may take to end a killed process.
pub const LAST: Duration = Duration::from_secs(3);

/// Signals one after the other, until what they are meant for is gone.
pub struct Escalation {
    steps: Vec<(Instant, i32)>,
    given_up: Instant,
}

impl Escalation {
    /// SIGTERM after `wait`, SIGKILL after the grace.
    pub fn terminate(wait: Duration, grace: Duration) -> Self {
        let start = Instant::now() + wait;
        Self::of(vec![(start, libc::SIGTERM), (start + grace, libc::SIGKILL)])
    }

    /// As a closed terminal: SIGHUP, SIGTERM for those that a hang-up does not impress, SIGKILL after the grace.
    pub fn hang_up(grace: Duration) -> Self {
        let start = Instant::now();
        Self::of(vec![(start, libc::SIGHUP), (start + grace / 5, libc::SIGTERM), (start + grace, libc::SIGKILL)])
    }

    fn of(steps: Vec<(Instant, i32)>) -> Self {
        let last = steps.last().map_or_else(Instant::now, |(at, _)| *at);
        Self { steps, given_up: last + LAST }
    }

    /// When the next step is due.
    pub fn next(&self) -> Instant {
        self.steps.first().map_or(self.given_up, |(at, _)| *at)
    }

    /// The signal that is due now; taken out.
    pub fn due(&mut self) -> Option<i32> {
        let (at, _) = self.steps.first()?;
        (*at <= Instant::now()).then(|| self.steps.remove(0).1)
    }

    /// Whether every step was taken and the time after the last has passed.
    pub fn is_over(&self) -> bool {
        self.steps.is_empty() && self.given_up <= Instant::now()
    }
}

/// Signals of a group in pipe mode, where the command stands in the caller's process group with us: one that was
/// sent to the group has reached it already, and one that was sent to the client alone has not. We stand in the
/// group too, and so can tell.
#[derive(Default)]
pub struct GroupSignals {
    seen: Vec<(i32, Instant)>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    signal: i32,
    until: Instant,
    /// We got it as well.
    seen: bool,
}

/// How long a signal to the client alone waits for the same signal to us: the kernel sends to a whole group within
/// microseconds, and nobody notices ten milliseconds in a `kill`.
const GROUP_SPREAD: Duration = Duration::from_millis(10);

/// How long a signal of ours stands for one that the client reports: a client that is busy writing is late.
const GROUP_MEMORY: Duration = Duration::from_millis(200);

impl GroupSignals {
    /// We got this signal: so did the command.
    pub fn saw(&mut self, signal: i32) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.signal == signal) {
            waiting.seen = true;
        }
        self.seen.retain(|(_, at)| at.elapsed() < GROUP_MEMORY);
        self.seen.push((signal, Instant::now()));
    }

    /// The client got this signal.
    pub fn client_got(&mut self, signal: i32) {
        self.seen.retain(|(_, at)| at.elapsed() < GROUP_MEMORY);
        let seen = self.seen.iter().any(|(seen, _)| *seen == signal);
        self.waiting.push(Waiting { signal, until: Instant::now() + GROUP_SPREAD, seen });
    }

    /// When the next of them is known to have been for the client alone.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// Those that go to the command now: they were for the client alone; or for each wrap by its pid, as killall sends
    /// them. `survived` says of a signal that the command lives although it would have died of it.
    pub fn due(&mut self, survived: impl Fn(i32) -> bool) -> Vec<i32> {
        let now = Instant::now();
        let (due, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|waiting| waiting.until <= now);
        self.waiting = waiting;
        due.into_iter().filter(|due| !due.seen || survived(due.signal)).map(|due| due.signal).collect()
    }
}

/// The command's process: a child of ours, which nobody else can wait for. Until we have, its pid is its own.
#[derive(Clone, Copy)]
pub struct Child {
    /// Its pid.
    pub pid: u32,
    /// Its start token.
    pub token: u64,
    /// Whether it leads a process group of its own (terminal mode).
    pub leads_group: bool,
}

impl Child {
    /// Sends to the command alone.
    pub fn signal(self, number: i32) {
        let _ = signal::send(self.pid, number);
    }

    /// Sends to its whole process group, or, in the caller's group, to it alone: that group is not ours to signal.
    pub fn signal_group(self, number: i32) {
        if self.leads_group {
            let _ = signal::send_group(self.pid, number);
        } else {
            self.signal(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_to_the_group_is_not_sent_again_and_one_to_the_client_alone_is() {
        let mut signals = GroupSignals::default();
        signals.saw(libc::SIGTERM);
        signals.client_got(libc::SIGTERM);
        signals.client_got(libc::SIGINT);
        signals.saw(libc::SIGINT);
        signals.client_got(libc::SIGUSR1);
        let until = signals.deadline().expect("they wait");
        assert_eq!(signals.due(|_| true), Vec::<i32>::new(), "not before the group's time has passed");
        while Instant::now() < until + GROUP_SPREAD {
            std::thread::yield_now();
        }
        assert_eq!(signals.due(|signal| signal == libc::SIGINT), [libc::SIGINT, libc::SIGUSR1]);
        assert_eq!(signals.deadline(), None);
    }

    #[test]
    fn an_escalation_takes_its_steps_in_order() {
        let mut steps = Escalation::hang_up(Duration::ZERO);
        assert_eq!(steps.due(), Some(libc::SIGHUP));
        assert_eq!(steps.due(), Some(libc::SIGTERM));
        assert_eq!(steps.due(), Some(libc::SIGKILL));
        assert_eq!(steps.due(), None);
        assert!(!steps.is_over(), "the kernel has a while to end a killed process");
        assert!(steps.next() > Instant::now());
    }
}
