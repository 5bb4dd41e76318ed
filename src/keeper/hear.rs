//! What clients say, and what becomes of the run when one goes.

use super::life::{Escalation, Phase};
use super::link::{Link, Role};
use super::outer::Outer;
use super::restart::Then;
use super::{Keeper, Typist};
use crate::config::OnHangup;
use crate::sys::inherited;
use crate::wire::{Attach, Ended, Frame, Kind, Resume, VERSION};
use rustix::fd::OwnedFd;

impl Keeper {
    /// Reads and acts on everything that a client has said.
    pub(super) fn hear(&mut self, id: u64) {
        let Some(link) = self.clients.get(id) else { return };
        let alive = link.fill();
        // The decoder is taken out, so that acting on a frame may use the rest of the link.
        let mut decoder = std::mem::take(&mut link.decoder);
        let broken = loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => self.frame(id, &frame),
                Ok(None) => break false,
                Err(_) => break true,
            }
            if self.clients.get(id).is_none() {
                return;
            }
        };
        if alive && !broken {
            let is_all = self.relay.has_typed_all();
            if let Some(link) = self.clients.get(id) {
                link.decoder = decoder;
                link.report_input(is_all);
            }
        } else {
            self.client_died(id);
        }
    }

    fn frame(&mut self, id: u64, frame: &Frame<'_>) {
        let Some(link) = self.clients.get(id) else { return };
        match frame.kind {
            Some(Kind::Attach) if link.role == Role::Coming => match frame.json() {
                Ok(attach) => self.attached(id, attach),
                Err(_) => drop(self.clients.remove(id)),
            },
            // One that has not said what it wants, or was told to go, is heard no further.
            _ if matches!(link.role, Role::Coming | Role::Leaving) => {}
            Some(Kind::Taken) => {
                if let Some((stream, count)) = frame.report() {
                    link.taken(stream, count);
                }
            }
            Some(Kind::Ready) => {
                if let (Some(outer), [question, yes]) = (link.outer.as_mut(), frame.payload) {
                    outer.answered(*question, *yes == 1);
                }
            }
            Some(Kind::Resize) => {
                if let Ok(size) = frame.json() {
                    link.size = Some(size);
                    self.fit_terminal();
                }
            }
            Some(Kind::Hangup) => self.hung_up(id),
            Some(Kind::Detach) => self.detach(id),
            Some(Kind::Resume) => {
                if let Ok(resume) = frame.json() {
                    self.client_resumed(id, resume);
                }
            }
            // What a looker-on says beyond that is not for the command.
            _ if !link.types() => {}
            Some(Kind::Input) => self.input(id, frame.payload),
            Some(Kind::Signal) => self.client_signalled(frame.number()),
            Some(Kind::Key) => self.key_pressed(id, frame.number()),
            Some(Kind::Closed) => {
                if let Some(stream) = frame.stream() {
                    link.taken(stream, usize::MAX);
                    self.relay.close(stream);
                }
            }
            // Launch frames came before the loop; the others are ours.
            _ => {}
        }
    }

    /// Somebody came over the socket; what he wants he says in his first frame. `process` is his, where it is known.
    pub(super) fn visit(&mut self, socket: OwnedFd, read: Vec<u8>, process: Option<(u32, u64)>) {
        let id = self.clients.draw_id();
        let mut link = Link::new(id, Role::Coming, socket, crate::wire::Decoder::after(read));
        link.process = process;
        if self.clients.add(link) {
            self.hear(id);
        }
    }

    /// A visitor has said what it wants: it is shown the screen as it is now, and what comes.
    fn attached(&mut self, id: u64, attach: Attach) {
        let started = self.started_frame();
        let why = if attach.version == VERSION {
            self.cannot_be_visited().map(str::to_owned)
        } else {
            Some(format!("the client speaks version {} of the frames, this keeper {VERSION}", attach.version))
        };
        let Some(link) = self.clients.get(id) else { return };
        if let Some(why) = why {
            link.notice(&why);
            link.send(Kind::Detached, &[0]);
            self.clients.remove(id);
            return;
        }
        link.role = Role::Visitor { types: !attach.read_only };
        link.size = Some(attach.size);
        link.outer = attach.modes.zip(link.process).and_then(|(modes, process)| Outer::of_visitor(modes, process));
        link.send_json(Kind::Started, &started);
        // First the size: a full-screen program draws itself anew for it.
        self.fit_terminal();
        if attach.replay {
            let replay = self.output.replay(&self.screen, attach.size.rows);
            if let Some(link) = self.clients.get(id) {
                link.show_anew(&replay);
            }
        }
        let undo = self.screen.undo();
        if let Some(link) = self.clients.get(id) {
            link.send(Kind::Undo, &undo);
        }
        if !attach.read_only {
            self.go_on_for_visitor();
        }
    }

    /// Why there is nothing to attach to in this moment.
    fn cannot_be_visited(&self) -> Option<&'static str> {
        match (&self.phase, &self.then) {
            (Phase::Running | Phase::Ending(_), _) | (_, Then::Restart(_)) => None,
            (Phase::Preparing, _) => Some("its start hooks still run; try again in a moment"),
            (Phase::Adopted(_), _) => Some("its command has ended, and what it left running has no terminal"),
            _ => Some("the run is ending"),
        }
    }

    /// Typed bytes of a client.
    fn input(&mut self, id: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            self.relay.type_end_of_file();
            return;
        }
        self.typed = true;
        let accepted = self.type_in(Typist::Client(id), bytes);
        if let Some(link) = self.clients.get(id) {
            link.accept(accepted);
        }
    }

    /// Types bytes into the command's terminal; how many it took at once.
    pub(super) fn type_in(&mut self, typist: Typist, bytes: &[u8]) -> usize {
        let typed = self.relay.type_in(bytes);
        if typed.accepted < bytes.len() {
            self.waiting_input.push_back((typist, bytes.len() - typed.accepted));
        }
        let Some(raised) = typed.raised else { return typed.accepted };
        let preparing = self.only_hooks_run();
        let to_command = self.child.is_some_and(|child| raised.group == Some(child.pid));
        // A key for a job inside (a shell's, a debugger's) is nothing to those above us.
        if preparing || to_command {
            if let Some(first) = self.clients.first() {
                first.send(Kind::Raised, &[raised.signal as u8]);
            }
            self.stopper = match typist {
                Typist::Client(id) => Some(id),
                Typist::Caller => None,
            };
        }
        if preparing {
            // There is no command yet that the key could have reached.
            self.without_command(raised.signal);
        } else {
            self.was_interrupted |= to_command;
        }
        typed.accepted
    }

    /// The client got a signal that is the command's. In a session of its own nobody else has sent it there.
    fn client_signalled(&mut self, number: i32) {
        if self.only_hooks_run() {
            self.without_command(number);
        } else if self.relay.pty().is_some() {
            self.signal_command(number);
        } else {
            self.group_signals.client_got(number);
        }
    }

    /// A key in the outer terminal: the foreground of the command's gets what the kernel sent to ours.
    fn key_pressed(&mut self, id: u64, number: i32) {
        if self.only_hooks_run() {
            self.without_command(number);
        } else if let Some(pty) = self.relay.pty() {
            let group = crate::sys::tty::foreground(pty);
            self.was_interrupted |= group.is_some() && group == self.child.map(|child| child.pid);
            self.stopper = Some(id);
            // A command that has closed its terminal has no foreground; its own group is what is left to be meant.
            if pty.signal_foreground(number).is_err() {
                self.signal_command(number);
            }
        }
    }

    /// There is no command that a key or a signal could reach: not yet, or not any more.
    fn only_hooks_run(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Leaving(_))
    }

    /// A signal while only hooks run: before the command it would have stopped or ended that, so it does that to the run;
    /// behind it nobody waits for the hooks any longer.
    fn without_command(&mut self, number: i32) {
        if let Phase::Leaving(ended) = self.phase {
            self.phase = Phase::Over(ended);
        } else if number != libc::SIGTSTP {
            self.phase = Phase::Over(Ended::Signal(number));
        } else if let Some(first) = self.clients.first() {
            first.send(Kind::Stopped, &[number as u8, 0]);
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

    /// A client runs, perhaps in another place than before.
    fn client_resumed(&mut self, id: u64, resume: Resume) {
        let Resume { foreground, modes, typed, continued } = resume;
        let Some(link) = self.clients.get(id) else { return };
        link.in_foreground = foreground;
        let (types, is_first) = (link.types(), link.role == Role::First);
        self.fit_terminal();
        if types {
            self.renew_modes(id, modes);
            if is_first {
                // In its background it may still be in the foreground of a visitor's terminal.
                let is_looked_at = self.clients.iter().any(|link| link.types() && link.in_foreground);
                self.resume(is_looked_at, continued);
            } else if foreground {
                self.go_on_for_visitor();
            }
        }
        let accepted = if types { self.relay.type_ahead(&typed) } else { typed.len() };
        if let Some(link) = self.clients.get(id) {
            link.accept(accepted + 1);
            if foreground && is_first {
                link.return_to_terminal();
            }
        }
        // Its shell has written to the terminal meanwhile.
        if foreground && !is_first {
            self.show_anew(id);
        }
    }

    /// A client's terminal was closed.
    fn hung_up(&mut self, id: u64) {
        if self.only_hooks_run() {
            self.without_command(libc::SIGHUP);
        } else if !self.clients.is_owner(id) {
            self.dismiss(id, libc::SIGHUP);
        } else if self.clients.iter().any(|link| link.types() && link.id != id) {
            // Another sits before it, who has it from here on.
            self.dismiss(id, libc::SIGHUP);
            self.clients.pass_on();
        } else if (self.config.on_hangup == OnHangup::Keep && self.relay.pty().is_some())
            || inherited::was_ignored(libc::SIGHUP)
        {
            self.clients.disown();
            self.dismiss(id, libc::SIGHUP);
        } else {
            self.then.give_up("its terminal was closed meanwhile");
            if matches!(self.phase, Phase::Running) {
                self.end_command(Escalation::hang_up(self.config.grace));
            }
        }
    }

    /// A client is gone without a word: killed. Mend its terminal; else as a closed one.
    fn client_died(&mut self, id: u64) {
        let Some(link) = self.clients.get(id) else { return };
        if let Some(outer) = link.outer.take().filter(|_| link.role != Role::Leaving) {
            outer.mend(&self.screen.undo());
        }
        let (looks, launcher) = (link.looks(), link.role == Role::Launcher);
        if looks && !matches!(self.phase, Phase::Over(_) | Phase::Adopted(_)) {
            self.hung_up(id);
        } else if launcher && matches!(self.phase, Phase::Preparing) {
            self.phase = Phase::Over(Ended::Signal(libc::SIGHUP));
        }
        self.let_go(id);
    }

    /// A client leaves and the command is to go on: by its own word, or by that of somebody else.
    pub(super) fn detach(&mut self, id: u64) {
        if self.clients.is_owner(id) {
            self.clients.disown();
        }
        if matches!(self.phase, Phase::Preparing)
            && self.clients.get(id).is_some_and(|link| link.role == Role::Launcher)
        {
            // Nothing has been started that could be left running.
            self.phase = Phase::Over(Ended::Signal(libc::SIGINT));
        }
        self.dismiss(id, 0);
    }

    /// Tells a client to go, by this signal or for 0 of its own accord: one that only lost its socket would take us for
    /// dead, and end the command.
    fn dismiss(&mut self, id: u64, signal: i32) {
        if let Some(link) = self.clients.get(id) {
            link.leave_terminal();
            link.send(Kind::Detached, &[signal as u8]);
            link.role = Role::Leaving;
            link.stuck_since = None;
        }
        self.clients.drop_those_gone();
        self.fit_terminal();
        self.go_on_for_nobody();
    }

    /// The command goes on without this client.
    fn let_go(&mut self, id: u64) {
        if self.clients.remove(id).is_some() {
            self.fit_terminal();
            self.go_on_for_nobody();
        }
    }

    /// Draws the screen anew for a client.
    fn show_anew(&mut self, id: u64) {
        let Some(rows) = self.clients.get(id).map(|link| link.size.unwrap_or_default().rows) else { return };
        let (replay, undo) = (self.output.replay(&self.screen, rows), self.screen.undo());
        if let Some(link) = self.clients.get(id) {
            link.show_anew(&replay);
            link.send(Kind::Undo, &undo);
        }
    }

    /// Draws the screen anew for those who were behind and have taken what they had been sent.
    pub(super) fn show_those_behind(&mut self) {
        let caught_up: Vec<u64> = self.clients.iter().filter(|link| link.has_caught_up()).map(|link| link.id).collect();
        for id in caught_up {
            self.show_anew(id);
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
        use crate::wire::Stream;
        !self.clients.has_room(Stream::Out) || !self.clients.has_room(Stream::Err) || !self.output.has_room()
    }
}
