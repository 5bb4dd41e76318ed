//! The client: the process that the shell waits for. It holds the terminal's modes, relays bytes, forwards signals
//! and ends as the command ended. One poll loop, no runtime, nothing allocated on the path of a byte.
//!
//! Who attaches later is a client, too, and differs by its [`Errand`].

mod detach_keys;
mod errand;
mod hear;
mod input;
mod job;
mod launch;
mod leave;
mod notification;
mod orphan;
mod outputs;
mod tell;
mod terminal;
mod visit;

use crate::registry::entry::Mode;
use crate::sys::inherited;
use crate::sys::pty::Pty;
use crate::sys::signal::{Received, Signals};
use crate::wire::{Decoder, INPUT_WINDOW, Kind, Outbox, Place, REPORT_STEP, Started, Stream, report};
use detach_keys::DetachKeys;
use errand::Errand;
use leave::Farewell;
use outputs::Outputs;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd, RawFd};
use std::io;
use std::rc::Rc;
use std::time::Instant;
use terminal::Terminal;

/// Signals that are forwarded to the command, or that change the terminal under us.
const CAUGHT: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// Runs the command and returns when it has ended, or, detached, when it has started.
pub fn run(plan: Plan) -> Outcome {
    let plan = Rc::new(plan);
    match launch::launch(&plan) {
        Ok(mut client) => client.serve(Decoder::default()),
        Err(error) => {
            // The command always runs: without a keeper it runs as if we were not there.
            tell::tell(&format!("{error}; running `{}` without wrap", plan.command[0].display()));
            launch::bare(&plan)
        }
    }
}

pub use errand::{Detach, Outcome, Plan};
pub use launch::bare;
pub use visit::{Visit, attach};

struct Client {
    errand: Errand,
    /// How the keeper holds the streams.
    mode: Mode,
    keeper: u32,
    socket: OwnedFd,
    outbox: Outbox,
    /// The command's terminal: text that is typed goes straight to it.
    pty: Option<Pty>,
    signals: Signals,
    /// The outer terminal, in terminal mode.
    terminal: Option<Terminal>,
    /// With `--pty` and no terminal on it: standard input, until its end.
    input: Option<OwnedFd>,
    outputs: Outputs,
    /// Descriptors of the caller's that only the command needs.
    inherited: Vec<RawFd>,
    /// Input bytes sent and not yet accepted.
    under_way: usize,
    started: Option<Started>,
    /// When it was.
    started_at: Option<Instant>,
    /// Where it answers, once it is ready.
    place: Option<Place>,
    /// What it said last before it ended, for one that leaves.
    last_words: Vec<Vec<u8>>,
    detach_keys: DetachKeys,
    /// When one that leaves has waited for long enough.
    until: Option<Instant>,
    /// The keeper's question whether its output may go straight to the terminal, until it is answered.
    asked: Option<u8>,
    /// How it ended, once it has; what is still to be written is written first.
    ended: Option<Outcome>,
    /// A last line for the user, once the terminal is his again.
    farewell: Option<Farewell>,
}

impl Client {
    /// One without streams of its own, to which its caller gives what it has.
    fn new(errand: Errand, mode: Mode, keeper: u32, (socket, outbox): (OwnedFd, Outbox), signals: Signals) -> Self {
        Self {
            errand,
            mode,
            keeper,
            socket,
            outbox,
            signals,
            outputs: Outputs::new(None, None, Vec::new()),
            pty: None,
            terminal: None,
            input: None,
            inherited: Vec::new(),
            under_way: 0,
            started: None,
            started_at: None,
            place: None,
            last_words: Vec::new(),
            detach_keys: DetachKeys::default(),
            until: None,
            asked: None,
            ended: None,
            farewell: None,
        }
    }

    /// Relays until it is over. `decoder` has what was read from the socket already.
    fn serve(&mut self, mut decoder: Decoder) -> Outcome {
        if let Some(outcome) = self.heard(&mut decoder) {
            self.ended = Some(outcome);
        }
        loop {
            if self.ended.is_some() {
                self.undo_modes();
            }
            if let Some(outcome) = self.ended
                && self.outputs.is_empty()
            {
                self.say_farewell();
                self.say_back();
                return outcome;
            }
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(error) => {
                    self.say(&format!("cannot wait for the command: {error}"));
                    return Outcome::Exit(1);
                }
            };
            if ready.signals {
                for received in self.signals.take() {
                    self.signal(received);
                }
            }
            if ready.edge {
                if let Some(edge) = self.terminal.as_ref().and_then(Terminal::edge) {
                    edge.clear();
                }
                self.look_forward();
            }
            if ready.input {
                self.read_input();
            }
            if let Some(first) = self.detach_keys.due() {
                self.pass_on(&first);
            }
            if self.until.is_some_and(|until| until <= Instant::now()) && self.ended.is_none() {
                self.ended = Some(self.waited_enough());
            }
            if ready.outputs {
                self.outputs.flush();
                self.report();
            }
            if ready.socket_out && self.outbox.flush(&self.socket).is_err() {
                // What the keeper still had to say can be read below.
                self.outbox = Outbox::default();
            }
            if ready.socket_in && self.ended.is_none() {
                if let Some(outcome) = self.hear(&mut decoder) {
                    self.ended = Some(outcome);
                    self.input = None;
                }
                self.report();
            }
            if !self.outbox.is_empty() {
                // Most frames fit into the socket at once; a poll round for each would double a keystroke's way.
                let _ = self.outbox.flush(&self.socket);
            }
        }
    }

    /// A signal that came to us. In terminal mode all of them go on; in pipe mode what reaches the whole group
    /// reaches the command too, and only the keeper can tell (see keeper/life.rs).
    fn signal(&mut self, received: Received) {
        if received.sender == Some(std::process::id()) {
            return;
        }
        if self.ended.is_some() {
            // The command is gone; what waits is its last output, and whoever wants us gone wants that gone too.
            if matches!(received.signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM) {
                self.outputs.close();
                self.ended = Some(Outcome::Die(received.signal));
            }
            return;
        }
        match received.signal {
            libc::SIGWINCH => {
                self.look_forward();
                self.send_size();
            }
            libc::SIGCONT => self.resume(true),
            libc::SIGHUP if inherited::was_ignored(libc::SIGHUP) => {}
            libc::SIGHUP if self.terminal.as_ref().is_some_and(Terminal::is_hung_up) => self.hang_up(),
            // Whoever wants a visitor gone does not mean the command; who waits for a start stops waiting.
            signal if !received.from_kernel && !matches!(self.errand, Errand::Run(_)) => self.leave_by(signal),
            signal if matches!(self.errand, Errand::Leave(..)) => self.leave_by(signal),
            // A key in the caller's terminal: the kernel sent it to the command as well.
            _ if self.mode == Mode::Pipe && received.from_kernel => {}
            // A key of the outer terminal, which is not raw: it means the command's foreground.
            key @ (libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP) if received.from_kernel => {
                let byte = self.terminal.as_ref().and_then(|terminal| terminal.byte_of(key));
                self.look_forward();
                if !self.detach_keys.raised(byte, key) {
                    self.outbox.push(Kind::Key, &[key as u8]);
                }
            }
            signal => self.outbox.push(Kind::Signal, &[signal as u8]),
        }
    }

    fn send_size(&mut self) {
        if let Some(terminal) = &self.terminal {
            self.outbox.push_json(Kind::Resize, &terminal.size());
        }
    }

    /// Somebody wants us gone, and the command is none of ours.
    fn leave_by(&mut self, signal: i32) {
        self.outbox.push(Kind::Detach, &[]);
        let _ = self.outbox.flush(&self.socket);
        self.ended = Some(Outcome::Die(signal));
    }

    /// The terminal was closed: the keeper decides what becomes of the command. Where SIGHUP is ignored (nohup)
    /// nothing becomes of it: it goes on, and we with it.
    fn hang_up(&mut self) {
        self.terminal = None;
        self.input = None;
        self.outputs.close();
        if !inherited::was_ignored(libc::SIGHUP) {
            self.outbox.push(Kind::Hangup, &[]);
            if matches!(self.errand, Errand::Visit(_)) {
                let _ = self.outbox.flush(&self.socket);
                self.ended = Some(Outcome::Die(libc::SIGHUP));
            }
        }
    }

    /// Tells the keeper what was written since the last time, and which outputs nobody reads any more.
    fn report(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            if let Some(count) = self.outputs.written(stream, REPORT_STEP) {
                self.outbox.push(Kind::Taken, &report(stream, count));
            }
            if self.outputs.newly_closed(stream) && self.mode == Mode::Pipe {
                self.outbox.push(Kind::Closed, &[stream as u8]);
            }
        }
        if self.outputs.is_empty()
            && let Some(question) = self.asked.take()
        {
            let yes = self.terminal.as_ref().is_some_and(|terminal| terminal.is_taken() && terminal.is_ours());
            self.outbox.push(Kind::Ready, &[question, u8::from(yes)]);
        }
    }

    fn wait(&mut self) -> io::Result<Ready> {
        if let Some(terminal) = &mut self.terminal {
            terminal.watch_behind();
        }
        let mut set = Vec::with_capacity(6);
        set.push(PollFd::new(&self.signals, PollFlags::IN));
        // An ended run's socket is at its end, which poll reports unasked and without pause.
        let mut socket = None;
        if self.ended.is_none() {
            socket = Some(set.len());
            let flags = if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            set.push(PollFd::new(&self.socket, flags));
        }
        let input = match (&self.terminal, &self.input) {
            (Some(terminal), _) if terminal.is_taken() => Some(terminal.as_fd()),
            (None, Some(input)) => Some(input.as_fd()),
            _ => None,
        };
        let input = input.filter(|_| self.under_way < INPUT_WINDOW || self.ended.is_some());
        let input_at = input.map(|input| {
            set.push(PollFd::from_borrowed_fd(input, PollFlags::IN));
            set.len() - 1
        });
        let edge_at = self.terminal.as_ref().and_then(Terminal::edge).map(|edge| {
            set.push(PollFd::new(edge, PollFlags::IN));
            set.len() - 1
        });
        let outputs = set.len();
        self.outputs.watch(&mut set);
        // Nearly never is there one: a timeout costs more than the rest of a keystroke's way (sys/timer.rs).
        let deadline = [self.detach_keys.deadline(), self.until].into_iter().flatten().min();
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| left.try_into().ok());
            match poll(&mut set, left.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => break,
            }
        }
        let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let of_socket = socket.map_or(PollFlags::empty(), |at| set[at].revents());
        Ok(Ready {
            socket_in: of_socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            socket_out: of_socket.contains(PollFlags::OUT),
            signals: ready(&set[0]),
            edge: edge_at.is_some_and(|at| ready(&set[at])),
            input: input_at.is_some_and(|at| ready(&set[at])),
            outputs: set[outputs..].iter().any(ready),
        })
    }
}

/// What poll found.
#[allow(clippy::struct_excessive_bools)] // one per descriptor, all independent
struct Ready {
    socket_in: bool,
    socket_out: bool,
    signals: bool,
    /// Input of a terminal in whose background we are.
    edge: bool,
    input: bool,
    outputs: bool,
}
