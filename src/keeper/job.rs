//! Job control from the command's side: it was stopped, it was continued, its terminal is somebody's again.

use super::life::Phase;
use super::link::Role;
use super::{Job, Keeper, command};
use crate::sys::tty::Modes;
use crate::sys::{process, tty};
use crate::wire::Kind;

impl Keeper {
    /// The command was stopped: its terminal is nobody's until a client goes on.
    pub(super) fn command_stopped(&mut self, number: i32) {
        // What it wrote before goes first: the client stops, too, and would show it only when it goes on.
        self.relay_rest();
        let before = self.relay.pty().and_then(command::take_foreground);
        let wants_terminal = matches!(number, libc::SIGTTIN | libc::SIGTTOU);
        let ours = std::process::id();
        let own = self.child.map(|child| child.pid);
        let elsewhere = wants_terminal && before.is_some_and(|group| group != ours && Some(group) != own);
        self.job = match self.job {
            // What wants the terminal gets it itself, when it goes on.
            _ if wants_terminal => Job::Stopped(None),
            // Stopped twice: the terminal was taken away the first time.
            Job::Stopped(Some(group)) => Job::Stopped(Some(group)),
            _ => Job::Stopped(before),
        };
        let visited = self.clients.iter().any(|link| link.types() && link.role != Role::First && link.in_foreground);
        if wants_terminal && (visited || self.clients.first().is_none()) {
            // Nobody shares the terminal with it, or somebody sits before it: it may have it.
            self.resume(true, true);
            return;
        }
        let stopper = self.stopper.take();
        for link in self.clients.iter_mut().filter(|link| link.types()) {
            // A visitor is a job of another shell: it stops where the key was pressed in it.
            if link.role == Role::First || Some(link.id) == stopper {
                link.leave_terminal();
                link.in_foreground = false;
                link.send(Kind::Stopped, &[number as u8, u8::from(elsewhere)]);
            } else {
                link.notice("the command was stopped; `fg` where it was stopped, or attaching anew, continues it");
            }
        }
        self.fit_terminal();
    }

    /// Somebody continued the command: the client that stopped with it goes on, too.
    pub(super) fn command_continued(&mut self) {
        if !matches!(self.job, Job::Stopped(_)) {
            return;
        }
        self.continue_first();
    }

    fn continue_first(&mut self) {
        if let Some((pid, token)) = self.clients.first().and_then(|link| link.process)
            && let Ok(Some(client)) = process::Handle::open(pid, token)
        {
            // One that ends in this moment needs nothing more.
            let _ = client.signal(rustix::process::Signal::CONT);
        }
    }

    /// The shell has given the client's terminal other modes, as bash does for a job that it brings back. The
    /// command's terminal follows, unless the command has set its own.
    pub(super) fn renew_modes(&mut self, id: u64, modes: Option<Modes>) {
        let (Some(pty), Some(modes)) = (self.relay.pty(), modes) else { return };
        if self.given.is_some() && Modes::of(pty).ok() == self.given && modes.set(pty).is_ok() {
            self.given = Some(modes.clone());
        }
        if let Some(outer) = self.clients.get(id).and_then(|link| link.outer.as_mut()) {
            outer.saved = modes;
        }
    }

    /// A client runs (again), in the foreground of its terminal or not; `continued` by SIGCONT, as a bare command
    /// would have been.
    pub(super) fn resume(&mut self, foreground: bool, continued: bool) {
        let (Some(child), true) = (self.child, self.command_lives()) else { return };
        let (was_stopped, before) = match std::mem::replace(&mut self.job, Job::Running) {
            Job::Stopped(before) => (true, before),
            Job::Running => (false, None),
        };
        if let Some(pty) = self.relay.pty()
            && foreground
        {
            let ours = std::process::id();
            let current = tty::foreground(pty);
            // Only where it is nobody's: a shell inside may have given it to a job of its own.
            if current.is_none_or(|group| group == ours) {
                command::give_foreground(pty, before.filter(|group| *group != ours).unwrap_or(child.pid));
            }
        }
        if !continued && !was_stopped {
            return;
        }
        if child.leads_group {
            child.signal_group(libc::SIGCONT);
        } else if process::look(child.pid).is_ok_and(|process| process.is_some_and(|it| it.state == b'T')) {
            child.signal(libc::SIGCONT);
        }
    }

    /// Somebody sits before the command who may type: as after `fg`, it goes on with its terminal. The client that was
    /// stopped with it goes on as after `bg`.
    pub(super) fn go_on_for_visitor(&mut self) {
        let was_stopped = matches!(self.job, Job::Stopped(_));
        self.resume(true, was_stopped);
        if was_stopped {
            self.continue_first();
        }
    }

    /// The last who could continue it is gone: it is not left stopped for ever.
    pub(super) fn go_on_for_nobody(&mut self) {
        if self.clients.nobody_types() {
            self.let_output_flow();
        }
        if matches!(self.job, Job::Stopped(_)) && self.clients.nobody_types() {
            self.resume(true, true);
        }
    }

    /// Somebody has pressed Ctrl-S and is gone: nobody would know why nothing comes any more.
    pub(super) fn let_output_flow(&self) {
        if let Some(pty) = self.relay.pty() {
            // A terminal that is gone stops nothing.
            let _ = pty.let_flow();
        }
    }

    /// The command's terminal has the size of the smallest one in which somebody may type.
    pub(super) fn fit_terminal(&mut self) {
        let (Some(pty), Some(size)) = (self.relay.pty(), self.clients.smallest()) else { return };
        if self.fitted == Some(size) {
            return;
        }
        self.fitted = Some(size);
        pty.resize(size);
        self.output.resize(size);
    }

    /// Whether the command is still to be waited for: only then is its pid its own.
    pub(super) fn command_lives(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Ending(_))
    }
}
