//! Job control: when the command stops, its shell's job stops; when the job goes on, the command does.
//!
//! As sudo does it (`use_pty`): the command's own terminal has a foreground group like any other, and the client
//! decides by its own place in the outer terminal whether the command's group may be it.

use super::Client;
use crate::sys::{signal, tty};
use crate::wire::{Kind, Resume};

impl Client {
    /// The command was stopped by `stop`: stop likewise, with the terminal as the shell left it. `elsewhere` says that
    /// the command has given its terminal to another group of its own.
    pub(super) fn stopped(&mut self, stop: i32, elsewhere: bool) {
        let wants_terminal = matches!(stop, libc::SIGTTIN | libc::SIGTTOU);
        if wants_terminal && !elsewhere && self.terminal.as_ref().is_none_or(super::Terminal::is_ours) {
            // It asked for the terminal from the background, and we are in the foreground by now.
            self.resume(true);
            return;
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.give_back();
        }
        let terminal = self.terminal.as_ref();
        let mut continued = match terminal {
            Some(terminal) if stop == libc::SIGTTIN && !elsewhere => {
                // Or the read would be started anew behind a signal, and stop us again before it is passed on.
                let restart = signal::interrupt(&super::CAUGHT);
                let read = tty::read_nothing(terminal);
                for (number, saved) in &restart {
                    signal::catch_again(*number, saved);
                }
                read.is_ok()
            }
            _ => {
                let saved = signal::handler_of(stop);
                // For the terminal nobody is stopped who has it meanwhile.
                let still = || !wants_terminal || elsewhere || terminal.is_none_or(|terminal| !terminal.is_ours());
                let continued = !signal::stop_by(stop, still);
                signal::catch_again(stop, &saved);
                continued
            }
        };
        // What came meanwhile goes first: a bare command would find it pending when it is continued, and one that is
        // continued in the background may be stopped again before it arrived.
        for received in self.signals.take() {
            if received.signal == libc::SIGCONT {
                continued = true;
            } else {
                self.signal(received);
            }
        }
        // One that is closed is read without a stop, now and at every time again.
        if self.terminal.as_ref().is_some_and(super::Terminal::is_hung_up) {
            self.hang_up();
        }
        if continued || !wants_terminal {
            self.resume(true);
        } else {
            // Never stopped: our group is orphaned (setsid(2); a disowned job whose shell is gone), and nobody will
            // ever give it the terminal. Bare, the command's read would fail; here it waits for input that never
            // comes. Continued in the background it would be stopped again at once, and so for ever.
            let resume = Resume { foreground: true, modes: None, typed: Vec::new(), continued: true };
            self.outbox.push_json(Kind::Resume, &resume);
        }
    }

    /// We run, and perhaps in another place than before: look at the terminal anew and let the command go on.
    pub(super) fn resume(&mut self, continued: bool) {
        let mut foreground = true;
        let mut modes = None;
        let mut typed = Vec::new();
        if let Some(terminal) = &mut self.terminal {
            foreground = terminal.is_ours();
            let was_taken = terminal.is_taken();
            // A terminal that is gone shows itself by its end.
            modes = terminal.take().ok().flatten();
            if let Some(modes) = modes.as_ref().filter(|_| !was_taken) {
                typed = terminal.typed_ahead(modes);
            }
        }
        self.send_size();
        // The frame counts, too: what is typed behind it is for the modes that it brings.
        self.under_way += typed.len() + 1;
        self.outbox.push_json(Kind::Resume, &Resume { foreground, modes, typed, continued });
    }

    /// Something happens that may mean us: were we brought into the foreground? `fg` says nothing to a job that runs
    /// in the background, neither by a signal nor otherwise.
    pub(super) fn look_forward(&mut self) {
        if self.ended.is_none() && self.terminal.as_ref().is_some_and(super::Terminal::was_brought_forward) {
            self.resume(false);
        }
    }
}
