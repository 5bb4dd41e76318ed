//! What clients say, and what becomes of the run when one goes.

use super::life::{Escalation, Phase};
use super::link::Link;
use super::{Job, Keeper, command};
use crate::config::OnHangup;
use crate::sys::tty::Modes;
use crate::sys::{inherited, process};
use crate::wire::{Ended, Frame, Kind, Resume, Stream};

impl Keeper {
    /// Reads and acts on everything that the client has said.
    pub(super) fn hear(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        let alive = link.fill();
        // The decoder is taken out, so that acting on a frame may use the rest of the link.
        let mut decoder = std::mem::take(&mut link.decoder);
        self.link = Some(link);
        let broken = loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => self.frame(&frame),
                Ok(None) => break false,
                Err(_) => break true,
            }
            if self.link.is_none() {
                return;
            }
        };
        if alive && !broken {
            if let Some(link) = &mut self.link {
                link.decoder = decoder;
                link.report_input(self.relay.has_typed_all());
            }
        } else if let Some(link) = self.link.take() {
            self.client_died(link);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            Some(Kind::Input) => self.input(frame.payload),
            Some(Kind::Resize) => {
                if let (Some(pty), Ok(size)) = (self.relay.pty(), frame.json()) {
                    pty.resize(size);
                }
            }
            Some(Kind::Signal) => self.client_signalled(frame.number()),
            Some(Kind::Resume) => {
                if let Ok(Resume { foreground, modes, typed, continued }) = frame.json() {
                    self.renew_modes(modes);
                    self.resume(foreground, continued);
                    let accepted = self.relay.type_ahead(&typed);
                    if let Some(link) = &mut self.link {
                        link.accept(accepted + 1);
                    }
                    if let Some(link) = self.link.as_mut().filter(|_| foreground) {
                        link.return_to_terminal();
                    }
                }
            }
            Some(Kind::Key) => self.key_pressed(frame.number()),
            Some(Kind::Taken) => {
                if let (Some(link), Some((stream, count))) = (&mut self.link, frame.report()) {
                    link.taken(stream, count);
                }
            }
            Some(Kind::Closed) => {
                if let (Some(link), Some(stream)) = (&mut self.link, frame.stream()) {
                    link.taken(stream, usize::MAX);
                    self.relay.close(stream);
                }
            }
            Some(Kind::Ready) => {
                if let (Some(outer), [question, yes]) =
                    (self.link.as_mut().and_then(|link| link.outer.as_mut()), frame.payload)
                {
                    outer.answered(*question, *yes == 1);
                }
            }
            Some(Kind::Hangup) => self.hung_up(),
            Some(Kind::Detach) => self.let_go(),
            // Launch frames came before the loop; the others are ours.
            _ => {}
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.relay.type_end_of_file();
            return;
        }
        let typed = self.relay.type_in(bytes);
        self.typed = true;
        if let Some(link) = &mut self.link {
            link.accept(typed.accepted);
        }
        let Some(raised) = typed.raised else { return };
        let preparing = matches!(self.phase, Phase::Preparing);
        let to_command = self.child.is_some_and(|child| raised.group == Some(child.pid));
        // A key for a job inside (a shell's, a debugger's) is nothing to those above us.
        if (preparing || to_command)
            && let Some(link) = &mut self.link
        {
            link.send(Kind::Raised, &[raised.signal as u8]);
        }
        if preparing {
            // There is no command yet that the key could have reached.
            self.before_command(raised.signal);
        } else {
            self.was_interrupted |= to_command;
        }
    }

    /// The client got a signal that is the command's. In a session of its own nobody else has sent it there.
    fn client_signalled(&mut self, number: i32) {
        if matches!(self.phase, Phase::Preparing) {
            self.before_command(number);
        } else if self.relay.pty().is_some() {
            self.signal_command(number);
        } else {
            self.group_signals.client_got(number);
        }
    }

    /// A key in the outer terminal: the foreground of the command's gets what the kernel sent to ours.
    fn key_pressed(&mut self, number: i32) {
        if matches!(self.phase, Phase::Preparing) {
            self.before_command(number);
        } else if let Some(pty) = self.relay.pty() {
            let group = crate::sys::tty::foreground(pty);
            self.was_interrupted |= group.is_some() && group == self.child.map(|child| child.pid);
            // A command that has closed its terminal has no foreground; its own group is what is left to be meant.
            if pty.signal_foreground(number).is_err() {
                self.signal_command(number);
            }
        }
    }

    /// A signal while the start hooks run: it would have stopped or ended the command, so it does that to the run.
    fn before_command(&mut self, number: i32) {
        if number != libc::SIGTSTP {
            self.phase = Phase::Over(Ended::Signal(number));
        } else if let Some(link) = &mut self.link {
            link.send(Kind::Stopped, &[number as u8, 0]);
        }
    }

    /// Passes a signal on to the command alone, as kill(1) would have sent it to the bare one.
    pub(super) fn signal_command(&mut self, number: i32) {
        if matches!(number, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT) {
            self.was_interrupted = true;
        }
        if let (Some(child), true) = (self.child, self.command_lives()) {
            child.signal(number);
        }
    }

    /// Whether the command is still to be waited for: only then is its pid its own.
    pub(super) fn command_lives(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Ending(_))
    }

    /// The command was stopped: its terminal is nobody's until the client goes on.
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
        if let Some(link) = &mut self.link {
            link.leave_terminal();
            link.send(Kind::Stopped, &[number as u8, u8::from(elsewhere)]);
        } else if wants_terminal {
            // Nobody shares the terminal with it: it may have it.
            self.resume(true, true);
        }
    }

    /// Somebody continued the command directly: its client, which stopped with it, goes on too.
    pub(super) fn command_continued(&mut self) {
        if !matches!(self.job, Job::Stopped(_)) || self.link.is_none() {
            return;
        }
        if let Some((pid, token)) = self.client
            && let Ok(Some(client)) = process::Handle::open(pid, token)
        {
            // One that ends in this moment needs nothing more.
            let _ = client.signal(rustix::process::Signal::CONT);
        }
    }

    /// The shell has given the client's terminal other modes, as bash does for a job that it brings back. The
    /// command's terminal follows, unless the command has set its own.
    fn renew_modes(&mut self, modes: Option<Modes>) {
        let (Some(pty), Some(modes)) = (self.relay.pty(), modes) else { return };
        if self.given.is_some() && Modes::of(pty).ok() == self.given && modes.set(pty).is_ok() {
            self.given = Some(modes.clone());
        }
        if let Some(outer) = self.link.as_mut().and_then(|link| link.outer.as_mut()) {
            outer.saved = modes;
        }
    }

    /// The client runs (again), in the foreground of its terminal or not; `continued` by SIGCONT, as a bare command
    /// would have been.
    fn resume(&mut self, foreground: bool, continued: bool) {
        let (Some(child), true) = (self.child, self.command_lives()) else { return };
        let (was_stopped, before) = match std::mem::replace(&mut self.job, Job::Running) {
            Job::Stopped(before) => (true, before),
            Job::Running => (false, None),
        };
        if let Some(pty) = self.relay.pty()
            && foreground
        {
            let ours = std::process::id();
            let current = crate::sys::tty::foreground(pty);
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

    /// The client's terminal was closed.
    fn hung_up(&mut self) {
        if matches!(self.phase, Phase::Preparing) {
            self.phase = Phase::Over(Ended::Signal(libc::SIGHUP));
        } else if self.config.on_hangup == OnHangup::Keep && self.relay.pty().is_some() {
            if let Some(mut link) = self.link.take() {
                link.send(Kind::Detached, &[libc::SIGHUP as u8]);
            }
            self.let_go();
        } else if inherited::was_ignored(libc::SIGHUP) {
            self.let_go();
        } else if matches!(self.phase, Phase::Running) {
            self.end_command(Escalation::hang_up(self.config.grace));
        }
    }

    /// The client is gone without a word: killed. Mend its terminal; else as a closed one.
    fn client_died(&mut self, link: Link) {
        if let Some(outer) = link.outer {
            outer.mend(&self.screen.undo());
        }
        if !matches!(self.phase, Phase::Over(_) | Phase::Adopted(_)) {
            self.hung_up();
        }
    }

    /// The command goes on without a client.
    fn let_go(&mut self) {
        self.link = None;
        if matches!(self.job, Job::Stopped(_)) {
            self.resume(true, true);
        }
    }

    /// Signals that came to the keeper itself.
    pub(super) fn take_signals(&mut self) {
        for received in self.signals.take() {
            match received.signal {
                libc::SIGCHLD => self.reap(),
                number if self.relay.pty().is_none() => self.group_signals.saw(number),
                // From a key, while our own group was the terminal's foreground: nobody was meant.
                _ if received.from_kernel => {}
                libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT => self.terminate(),
                _ => {}
            }
        }
    }

    /// Where a stream has nobody who writes to it any more, as far as the relay knows.
    pub(super) fn is_blocked(&self) -> bool {
        let waits = |stream| self.link.as_ref().is_some_and(|link| !link.has_room(stream));
        waits(Stream::Out) || waits(Stream::Err)
    }
}
