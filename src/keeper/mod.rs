//! The keeper: one per instance. It starts the command, is its parent and the leader of its terminal session, relays
//! its streams, keeps its entry, runs its hooks, and sees to it that nothing of it is left.

mod adopted;
mod answers;
mod clients;
mod command;
mod ending;
mod endpoint;
mod flow;
#[cfg(fuzzing)]
pub mod fuzz;
mod healthy;
mod hear;
mod job;
mod leftovers;
mod life;
mod lines;
mod link;
mod mailbox;
mod outer;
mod output;
mod printed;
mod queries;
mod ready;
mod record;
mod relay;
mod restart;
mod routes;
mod screen;
mod screen_modes;
mod sends;
mod start;
mod wait;

pub use adopted::{Adoptee, adopt};

use crate::config::Config;
use crate::error::Error;
use crate::hooks::Runner;
use crate::registry::entry::State;
use crate::sys::pty::Pty;
use crate::sys::signal::Signals;
use crate::sys::timer::Timer;
use crate::sys::tty::{Modes, Size};
use crate::sys::{memory, process};
use crate::wire::Streams;
use answers::Asking;
use clients::Clients;
use command::{Environment, Prepared};
use endpoint::Endpoint;
use healthy::Watching;
use life::{Child, GroupSignals, Phase};
use mailbox::{Mailbox, Message, Terminated};
use output::Output;
use ready::{Change, Ready};
use record::Record;
use relay::Relay;
use restart::Then;
use routes::App;
use rustix::fd::{OwnedFd, RawFd};
use screen_modes::ScreenModes;
use sends::Sends;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the entry is written anew, so that others can tell a keeper that they cannot see from one that is gone.
/// It is the only thing that wakes an idle keeper.
const REFRESH: Duration = Duration::from_secs(20);

/// How long a start may use what only a start needs.
const START: Duration = Duration::from_secs(1);

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
    clients: Clients,
    relay: Relay,
    output: Output,
    /// How the streams are held, for another run.
    streams: Streams,
    /// Outputs that the command has from our caller, for another run.
    kept: [Option<OwnedFd>; 2],
    /// The size that the command's terminal was given, if that was not the first one.
    fitted: Option<Size>,
    /// What follows the end of the command.
    then: Then,
    /// The client in which the last key was pressed that may stop the command.
    stopper: Option<u64>,
    sends: Sends,
    /// Whose input waits for the terminal to take it, and how much; oldest first.
    waiting_input: VecDeque<(Typist, usize)>,
    /// What another run's environment is made from, where that is not our own.
    base: Option<Environment>,
    /// What the command's environment has more than that.
    additions: Vec<(String, Option<OsString>)>,
    /// What `--port` said.
    asked_port: Option<u16>,
    /// The port that was configured.
    wanted_port: Option<u16>,
    /// Whether the app answers at its health path is being asked.
    asking: Option<Asking>,
    /// Since when the log has had no room.
    log_stuck_since: Option<Instant>,
    phase: Phase,
    record: Record,
    endpoint: Option<Endpoint>,
    mailbox: Mailbox,
    timer: Timer,
    signals: Signals,
    group_signals: GroupSignals,
    ready: Ready,
    hooks: Option<Runner>,
    /// Whether the app goes on answering is looked at, for the hooks.
    watching: Option<Watching>,
    config: Config,
    /// What the user has typed.
    command: Vec<OsString>,
    /// What runs: the same, or what a start hook has made of it.
    words: Vec<OsString>,
    /// What the spawn needs; `None` once it has happened.
    prepared: Option<Prepared>,
    child: Option<Child>,
    job: Job,
    /// A key raised a signal, or one was passed on, in this run: its children are on their way out too.
    was_interrupted: bool,
    screen: ScreenModes,
    /// Bytes that are still to be read, at most, since the command and its leftovers are gone.
    left_to_drain: usize,
    /// The modes that the command's terminal was given by us.
    given: Option<Modes>,
    started: Instant,
    next_refresh: Instant,
    terminated: Terminated,
    to_answer: Vec<tokio::sync::oneshot::Sender<Terminated>>,
    /// A failure of the registry is said once.
    registry_failed: bool,
    /// When what only the start needed is let go of, until it was.
    slim_at: Option<Instant>,
    /// Somebody has just typed.
    typed: bool,
    /// Descriptors that the command inherits and we do not need.
    inherited: Vec<RawFd>,
}

impl Keeper {
    fn serve(&mut self) {
        // What the client said right behind its request was read with it; the socket will not report it again.
        self.hear_what_was_read();
        self.live();
        if self.leave() {
            self.live();
        }
        self.finish();
    }

    /// Until this part of its life is over.
    fn live(&mut self) {
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
            for id in ready.clients {
                self.typed = false;
                self.hear(id);
                if self.typed {
                    self.await_echo();
                }
            }
            if ready.outer {
                for link in self.clients.iter_mut().filter(|link| link.blocked_terminal().is_some()) {
                    link.flush_terminal();
                }
            }
            if ready.streams {
                self.relay_output();
            }
            if ready.endpoint
                || self.endpoint.as_ref().and_then(Endpoint::deadline).is_some_and(|at| at <= Instant::now())
            {
                self.answer_calls();
            }
            self.keep_time();
        }
    }

    fn hear_what_was_read(&mut self) {
        let ids: Vec<u64> = self.clients.iter().map(|link| link.id).collect();
        for id in ids {
            self.hear(id);
        }
    }

    fn answer_calls(&mut self) {
        let (entry, mailbox, output) = (self.record.shared(), &self.mailbox, &self.output);
        let app = || App::new(Arc::clone(&entry), mailbox.post(), Some(output.clone()));
        if let Some(endpoint) = &mut self.endpoint
            && let Err(error) = endpoint.serve(app)
        {
            self.notice(&error.to_string());
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Notice(text) => self.notice(&text),
            Message::Notify(notification) => self.clients.notify(&notification),
            Message::Answers(answers) => self.app_answers(answers),
            Message::Prepared(outcome) => self.prepared(outcome),
            Message::Left => {
                if let Phase::Leaving(ended) = self.phase {
                    self.phase = Phase::Over(ended);
                }
            }
            Message::Terminate(reply) => {
                self.to_answer.push(reply);
                self.terminate();
            }
            Message::Restart(asked) => self.restart(asked),
            Message::Send(send) => {
                self.send(send);
                self.await_echo();
            }
            Message::Detach(reply) => {
                let ids: Vec<u64> = self.clients.iter().filter(|link| link.looks()).map(|link| link.id).collect();
                // A caller that hung up needs no answer.
                let _ = reply.send(ids.len());
                for id in ids {
                    self.detach(id);
                }
            }
            Message::Visit(socket, read, process) => self.visit(socket, read, process),
            Message::Room => self.log_stuck_since = None,
            Message::Answered => {
                self.asking = None;
                self.became_ready();
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
        // An entry that is gone is not to be written again.
        if self.child.is_some() && !matches!(self.phase, Phase::Leaving(_) | Phase::Over(_)) {
            if self.ready.deadline().is_some_and(|at| at <= now) {
                self.look_for_ports();
                if self.slim_at.take_if(|at| *at <= now).is_some() {
                    memory::let_go_of_code();
                }
            }
            if self.next_refresh <= now {
                self.next_refresh = now + REFRESH;
                // Should the wake-up for its end have been lost, for want of memory in a signal handler.
                self.reap();
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
        self.look_who_waits(now);
        self.show_those_behind();
        self.clients.drop_those_gone();
        self.advance();
    }

    /// Whoever takes nothing for too long is waited for no longer: a terminal while others look on, and the disk.
    fn look_who_waits(&mut self, now: Instant) {
        self.clients.leave_behind_who_is_stuck();
        if self.log_stuck_since.is_none() && !self.output.has_room() {
            self.log_stuck_since = Some(now);
        }
        if self.log_stuck_since.is_some_and(|since| since + output::PATIENCE <= now) {
            // Cleared either way: a moment that stays in the past would make every wait return at once.
            self.log_stuck_since = None;
            if !self.output.has_room() {
                self.output.leave_out();
                self.notice("the disk does not take the log fast enough; some of it is left out");
            }
        }
    }

    fn look_for_ports(&mut self) {
        let mut change = self.ready.look();
        if change == Change::Nothing {
            return;
        }
        let (path, port) = (self.config.health_path.clone(), self.ready.ports().port);
        if let (Change::Ready, Some(path), Some(port)) = (change, path, port) {
            // The port is there; whether the app is, its own path tells.
            self.asking = Some(Asking::until_answered(port, &path, self.mailbox.post()));
            change = Change::Ports;
        }
        let result = self.record.found(self.ready.ports(), change);
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
            // Where there is none to be had, nothing was written.
            Ok(()) => self.registry_failed = !self.record.is_registered(),
            Err(error) if !self.registry_failed => {
                self.registry_failed = true;
                self.notice(&format!("{error}; other terminals cannot see this run"));
            }
            Err(_) => {}
        }
    }

    /// A line of ours for the user, if one is there.
    fn notice(&mut self, text: &str) {
        self.clients.notice(text);
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

/// Who types.
#[derive(Debug, Clone, Copy)]
enum Typist {
    /// A client.
    Client(u64),
    /// Somebody who is not attached; or we, in the place of a terminal.
    Caller,
}
