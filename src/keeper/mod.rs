//! The keeper: one per instance. It starts the command, is its parent and the leader of its terminal session, relays
//! its streams, keeps its entry, runs its hooks, and sees to it that nothing of it is left.

mod clients;
mod command;
mod ending;
mod endpoint;
mod leftovers;
mod life;
mod link;
mod mailbox;
mod outer;
mod printed;
mod ready;
mod record;
mod relay;
mod screen_modes;
mod start;

use crate::config::Config;
use crate::error::Error;
use crate::hooks::Runner;
use crate::registry::entry::State;
use crate::sys::process;
use crate::sys::pty::Pty;
use crate::sys::signal::Signals;
use crate::sys::timer::Timer;
use crate::sys::tty::Modes;
use crate::wire::Kind;
use command::Prepared;
use endpoint::Endpoint;
use life::{Child, GroupSignals, Phase};
use link::Link;
use mailbox::{Mailbox, Message, Terminated};
use ready::{Change, Ready};
use record::Record;
use relay::Relay;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{OwnedFd, RawFd};
use screen_modes::ScreenModes;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// How often the entry is written anew, so that others can tell a keeper that they cannot see from one that is gone.
/// It is the only thing that wakes an idle keeper.
const REFRESH: Duration = Duration::from_secs(20);

/// How long the command's echo of a key is waited for awake: it takes 30 microseconds where the command is quick. A
/// typist of ten keys a second pays a thousandth of a processor for it.
const ECHO: Duration = Duration::from_micros(60);

/// Runs a keeper on the socket to its client, of which it was forked, with the PTY that the client has opened for the
/// command. Returns its exit code when the run is over.
pub fn run(socket: OwnedFd, pty: Option<Pty>) -> i32 {
    match start::start(socket, pty) {
        Ok(mut keeper) => {
            keeper.serve();
            0
        }
        // There is no client to tell: it went away before it had said what to run.
        Err(_) => 1,
    }
}

struct Keeper {
    link: Option<Link>,
    relay: Relay,
    phase: Phase,
    record: Record,
    endpoint: Option<Endpoint>,
    mailbox: Mailbox,
    timer: Timer,
    signals: Signals,
    group_signals: GroupSignals,
    ready: Ready,
    hooks: Option<Runner>,
    config: Config,
    command: Vec<OsString>,
    /// What the spawn needs; `None` once it has happened.
    prepared: Option<Prepared>,
    child: Option<Child>,
    job: Job,
    /// A key raised a signal, or one was passed on, in this run: its children are on their way out too.
    was_interrupted: bool,
    screen: ScreenModes,
    /// The first client's process, our parent, with its start token.
    client: Option<(u32, u64)>,
    /// Bytes read since the command and its leftovers are gone.
    drained: usize,
    /// The modes that the command's terminal was given by us.
    given: Option<Modes>,
    started: Instant,
    next_refresh: Instant,
    terminated: Terminated,
    to_answer: Vec<tokio::sync::oneshot::Sender<Terminated>>,
    /// A failure of the registry is said once.
    registry_failed: bool,
    /// Somebody has just typed.
    typed: bool,
    /// Descriptors that the command inherits and we do not need.
    inherited: Vec<RawFd>,
}

impl Keeper {
    fn serve(&mut self) {
        // What the client said right behind its request was read with it; the socket will not report it again.
        self.hear();
        while !matches!(self.phase, Phase::Over(_)) {
            let ready = self.wait();
            if ready.signals {
                self.take_signals();
            }
            if ready.mailbox {
                for message in self.mailbox.take() {
                    self.message(message);
                }
            }
            if ready.link {
                self.typed = false;
                self.hear();
                if self.typed {
                    self.await_echo();
                }
            }
            if ready.outer
                && let Some(link) = &mut self.link
            {
                link.flush_terminal();
            }
            if ready.streams {
                self.relay_output();
            }
            if ready.endpoint {
                self.answer_calls();
            }
            self.keep_time();
        }
        self.finish();
    }

    /// Stays awake for a moment after a key: nearly always its echo is there by then, and to be put to sleep and woken
    /// costs more than the rest of its way.
    fn await_echo(&mut self) {
        let until = Instant::now() + ECHO;
        while !self.relay_output() && Instant::now() < until {
            // With one processor it is the command that must run.
            std::thread::yield_now();
        }
    }

    /// Moves what there is; `true` where the command has written something.
    fn relay_output(&mut self) -> bool {
        let accepted = self.relay.flush_input();
        let (count, is_ready) = self.read_output();
        if is_ready {
            self.look_for_ports();
            if self.record.entry().state == State::Starting {
                self.set_state(State::Running);
            }
            self.became_ready();
        }
        if let Some(link) = &mut self.link {
            link.accept(accepted);
            link.report_input(self.relay.has_typed_all());
        }
        if matches!(self.phase, Phase::Running | Phase::Ending(_)) {
            self.relay.hold_terminal();
        }
        count > 0
    }

    /// Reads once: how much, and whether a configured text in it tells readiness.
    fn read_output(&mut self) -> (usize, bool) {
        let (watch, screen) = (&mut self.ready, &mut self.screen);
        let (mut is_ready, mut switched) = (false, false);
        let in_terminal = self.relay.pty().is_some();
        let count = self.relay.read(self.link.as_mut(), |bytes| {
            is_ready |= watch.output(bytes);
            switched |= in_terminal && screen.look(bytes);
        });
        if switched && let Some(link) = &mut self.link {
            link.send(Kind::Undo, &self.screen.undo());
        }
        (count, is_ready)
    }

    fn answer_calls(&mut self) {
        let (entry, post) = (self.record.shared(), self.mailbox.post());
        if let Some(endpoint) = &mut self.endpoint
            && let Err(error) = endpoint.answer(entry, post)
        {
            self.notice(&error.to_string());
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Notice(text) => self.notice(&text),
            Message::Prepared(outcome) => self.prepared(outcome),
            Message::Terminate(reply) => {
                self.to_answer.push(reply);
                self.terminate();
            }
        }
    }

    /// Everything that is due by now.
    fn keep_time(&mut self) {
        let now = Instant::now();
        let child = self.child.filter(|_| self.command_lives());
        let survived = |signal| child.is_some_and(|child| process::would_die_of(child.pid, signal));
        for signal in self.group_signals.due(survived) {
            self.signal_command(signal);
        }
        if self.child.is_some() {
            if self.ready.deadline().is_some_and(|at| at <= now) {
                self.look_for_ports();
            }
            if self.next_refresh <= now {
                self.next_refresh = now + REFRESH;
                self.look_for_ports();
                let result = self.record.write();
                self.registry_result(result);
                self.return_socket();
            }
            let starting = self.record.entry().state == State::Starting;
            if starting && self.ready.settled_at() <= now {
                self.set_state(State::Running);
            }
        }
        self.advance();
    }

    fn look_for_ports(&mut self) {
        let change = self.ready.look();
        if change == Change::Nothing {
            return;
        }
        let ports = self.ready.ports().clone();
        let result = self.record.change(|entry| {
            entry.port = ports.port;
            entry.ports = ports.all;
            entry.url = ports.url;
            if change == Change::Ready && entry.state == State::Starting {
                entry.state = State::Running;
            }
        });
        self.registry_result(result);
        if change == Change::Ready {
            self.became_ready();
        }
    }

    fn set_state(&mut self, state: State) {
        let result = self.record.change(|entry| entry.state = state);
        self.registry_result(result);
    }

    /// A registry that fails costs one line, and nothing else.
    fn registry_result(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) => self.registry_failed = false,
            Err(error) if !self.registry_failed => {
                self.registry_failed = true;
                self.notice(&format!("{error}; other terminals cannot see this run"));
            }
            Err(_) => {}
        }
    }

    /// A line of ours for the user, if one is there.
    fn notice(&mut self, text: &str) {
        if let Some(link) = &mut self.link {
            link.notice(text);
        }
    }

    fn wait(&mut self) -> Awake {
        let deadline = self.deadline();
        self.timer.set(deadline);
        let mut set = Vec::with_capacity(8);
        set.push(PollFd::new(&self.signals, PollFlags::IN));
        set.push(PollFd::new(&self.mailbox, PollFlags::IN));
        set.push(PollFd::new(&self.timer, PollFlags::IN));
        let mut link_at = None;
        if let Some(link) = &self.link {
            link_at = Some(set.len());
            let flags = if link.is_blocked() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            set.push(PollFd::new(link, flags));
        }
        let mut endpoint_at = None;
        if let Some(listener) = self.endpoint.as_ref().and_then(Endpoint::waiting) {
            endpoint_at = Some(set.len());
            set.push(PollFd::from_borrowed_fd(listener, PollFlags::IN));
        }
        let mut outer_at = None;
        if let Some(terminal) = self.link.as_ref().and_then(Link::blocked_terminal) {
            outer_at = Some(set.len());
            set.push(PollFd::new(terminal, PollFlags::OUT));
        }
        let streams_at = set.len();
        self.relay.watch(&mut set, self.link.as_ref());
        // EINTR is a signal that the descriptor above reports in the next round.
        let _ = poll(&mut set, None);
        let woken = |at: usize| !set[at].revents().is_empty();
        let awake = Awake {
            signals: woken(0),
            mailbox: woken(1),
            timer: woken(2),
            link: link_at.is_some_and(woken),
            endpoint: endpoint_at.is_some_and(woken),
            outer: outer_at.is_some_and(woken),
            streams: (streams_at..set.len()).any(woken),
        };
        drop(set);
        if awake.timer {
            self.timer.clear();
        }
        if awake.link
            && let Some(link) = &mut self.link
        {
            link.flush();
        }
        awake
    }

    /// The next thing that happens by the clock.
    fn deadline(&self) -> Option<Instant> {
        let next = [self.phase.deadline(), self.group_signals.deadline()].into_iter().flatten().min();
        if self.child.is_none() {
            return next;
        }
        let settled = (self.record.entry().state == State::Starting).then(|| self.ready.settled_at());
        [next, self.ready.deadline(), Some(self.next_refresh), settled].into_iter().flatten().min()
    }
}

/// The command under job control.
#[derive(Clone, Copy)]
enum Job {
    /// It runs.
    Running,
    /// It is stopped; this group was in the foreground of its terminal.
    Stopped(Option<u32>),
}

/// What poll found.
#[allow(clippy::struct_excessive_bools)] // one per descriptor, all independent
struct Awake {
    signals: bool,
    mailbox: bool,
    timer: bool,
    link: bool,
    endpoint: bool,
    /// The outer terminal takes more.
    outer: bool,
    streams: bool,
}
