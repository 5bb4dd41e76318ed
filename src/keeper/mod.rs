//! The keeper: one per instance. It starts the command, is its parent and the leader of its terminal session, relays
//! its streams, keeps its entry, runs its hooks, and sees to it that nothing of it is left.

mod adopted;
mod answers;
mod clients;
mod command;
mod ending;
mod endpoint;
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
use crate::wire::{Kind, Stream, Streams};
use answers::Asking;
use clients::Clients;
use command::Prepared;
use endpoint::Endpoint;
use life::{Child, GroupSignals, Phase};
use mailbox::{Mailbox, Message, Terminated};
use output::Output;
use ready::{Change, Ready};
use record::Record;
use relay::Relay;
use restart::{Environment, Then};
use routes::App;
use rustix::event::{PollFd, PollFlags, poll};
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

/// Answers to the command's questions that may wait for it to read them: a terminal's own buffer.
const UNREAD: usize = 4096;

/// How long a start may use what only a start needs.
const START: Duration = Duration::from_secs(1);

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
    config: Config,
    command: Vec<OsString>,
    /// What the spawn needs; `None` once it has happened.
    prepared: Option<Prepared>,
    child: Option<Child>,
    job: Job,
    /// A key raised a signal, or one was passed on, in this run: its children are on their way out too.
    was_interrupted: bool,
    screen: ScreenModes,
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

    fn hear_what_was_read(&mut self) {
        let ids: Vec<u64> = self.clients.iter().map(|link| link.id).collect();
        for id in ids {
            self.hear(id);
        }
    }

    /// Moves what there is; `true` where the command has written something.
    fn relay_output(&mut self) -> bool {
        let accepted = self.relay.flush_input();
        self.credit_input(accepted);
        let (count, is_ready) = self.read_output(false);
        if is_ready {
            self.look_for_ports();
            self.became_ready();
        }
        if matches!(self.phase, Phase::Running | Phase::Ending(_)) {
            self.relay.hold_terminal();
        }
        count > 0
    }

    /// The terminal has taken so many bytes of what waited for it.
    fn credit_input(&mut self, mut accepted: usize) {
        if accepted == 0 {
            return;
        }
        let is_all = self.relay.has_typed_all();
        while accepted > 0
            && let Some((typist, waiting)) = self.waiting_input.front_mut()
        {
            let taken = accepted.min(*waiting);
            accepted -= taken;
            *waiting -= taken;
            if let Typist::Client(id) = *typist
                && let Some(link) = self.clients.get(id)
            {
                link.accept(taken);
                link.report_input(is_all);
            }
            if *waiting == 0 {
                self.waiting_input.pop_front();
            }
        }
        self.settle_sends();
    }

    /// Reads once, as far as there is room for it or `is_forced`: how much, and whether a configured text in it tells
    /// readiness.
    fn read_output(&mut self, is_forced: bool) -> (usize, bool) {
        let in_terminal = self.relay.pty().is_some();
        let (watch, modes, output, clients) = (&mut self.ready, &mut self.screen, &self.output, &self.clients);
        let log_has_room = output.has_room();
        let room = [Stream::Out, Stream::Err].map(|stream| is_forced || log_has_room && clients.has_room(stream));
        let (mut is_ready, mut switched, mut asked) = (false, false, Vec::new());
        let clients = &mut self.clients;
        let read = self.relay.read(
            |stream| room[usize::from(stream == Stream::Err)],
            |stream, bytes| {
                asked.extend(clients.send_output(stream, bytes, in_terminal));
                let seen = if in_terminal { modes.look(bytes) } else { screen_modes::Seen::default() };
                switched |= seen.switched;
                is_ready |= watch.output(bytes);
                output.put(stream, bytes, seen.moved);
            },
        );
        // Another run will write to it again.
        if let Some(first) = self.clients.first()
            && read.out_ended
            && matches!(self.then, Then::End)
        {
            first.send(Kind::EndOfOutput, &[]);
        }
        if switched {
            let undo = self.screen.undo();
            self.clients.send(Kind::Undo, &undo);
        }
        for query in asked {
            if self.relay.typed().1 > UNREAD {
                // Nobody reads the answers.
                break;
            }
            let cursor = self.output.on_screen(screen::Screen::cursor).unwrap_or_default();
            self.type_in(Typist::Caller, &query.answer(cursor));
        }
        (read.count, is_ready)
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
            Message::Prepared(outcome) => self.prepared(outcome),
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
        if self.child.is_some() {
            if self.ready.deadline().is_some_and(|at| at <= now) {
                self.look_for_ports();
                if self.slim_at.take_if(|at| *at <= now).is_some() {
                    memory::let_go_of_code();
                }
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
            self.output.leave_out();
            self.notice("the disk does not take the log fast enough; some of it is left out");
            self.log_stuck_since = None;
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
        self.clients.notice(text);
    }

    fn wait(&mut self) -> Awake {
        let deadline = self.deadline();
        self.timer.set(deadline);
        let mut set = Vec::with_capacity(8);
        set.push(PollFd::new(&self.signals, PollFlags::IN));
        set.push(PollFd::new(&self.mailbox, PollFlags::IN));
        set.push(PollFd::new(&self.timer, PollFlags::IN));
        let clients_at = set.len();
        for link in self.clients.iter() {
            let flags = if link.is_blocked() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            set.push(PollFd::new(link, flags));
        }
        let endpoint_at = set.len();
        if let Some(endpoint) = &self.endpoint {
            endpoint.watch(&mut set);
        }
        let outer_at = set.len();
        for terminal in self.clients.iter().filter_map(link::Link::blocked_terminal) {
            set.push(PollFd::new(terminal, PollFlags::OUT));
        }
        let streams_at = set.len();
        let log_has_room = self.log_stuck_since.is_none();
        self.relay.watch(&mut set, |stream| log_has_room && self.clients.has_room(stream));
        // EINTR is a signal that the descriptor above reports in the next round.
        let _ = poll(&mut set, None);
        let woken = |at: usize| !set[at].revents().is_empty();
        let said = self.clients.iter().zip(clients_at..).filter(|(_, at)| woken(*at)).map(|(link, _)| link.id);
        let awake = Awake {
            signals: woken(0),
            mailbox: woken(1),
            timer: woken(2),
            clients: said.collect(),
            endpoint: (endpoint_at..outer_at).any(woken),
            outer: (outer_at..streams_at).any(woken),
            streams: (streams_at..set.len()).any(woken),
        };
        drop(set);
        if awake.timer {
            self.timer.clear();
        }
        for id in &awake.clients {
            if let Some(link) = self.clients.get(*id) {
                link.flush();
            }
        }
        awake
    }

    /// The next thing that happens by the clock.
    fn deadline(&self) -> Option<Instant> {
        let log = self.log_stuck_since.map(|since| since + output::PATIENCE);
        let endpoint = self.endpoint.as_ref().and_then(Endpoint::deadline);
        let next = [self.phase.deadline(), self.group_signals.deadline(), self.clients.deadline(), log, endpoint];
        let next = next.into_iter().flatten().min();
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

/// Who types.
#[derive(Debug, Clone, Copy)]
enum Typist {
    /// A client.
    Client(u64),
    /// Somebody who is not attached; or we, in the place of a terminal.
    Caller,
}

/// What poll found.
#[allow(clippy::struct_excessive_bools)] // one per descriptor, all independent
struct Awake {
    signals: bool,
    mailbox: bool,
    timer: bool,
    /// Clients that have said something, or take more.
    clients: Vec<u64>,
    endpoint: bool,
    /// An outer terminal takes more.
    outer: bool,
    streams: bool,
}
