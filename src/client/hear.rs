//! What the keeper says, and what the client does about it.

use super::{Client, Outcome, launch, tell};
use crate::files;
use crate::registry::entry::{Mode, SHORT_ID};
use crate::sys::{inherited, signal};
use crate::wire::{Decoder, Ended, Failed, Frame, Kind, Stream};
use std::io::{self, Write};

/// As many characters of a name are shown as the registry keeps of it.
const NAME_CHARS: usize = 100;

impl Client {
    /// Reads what the keeper says. `Some` once there is nothing more to come.
    pub(super) fn hear(&mut self, decoder: &mut Decoder) -> Option<Outcome> {
        match decoder.fill(&self.socket) {
            Ok(0) => return Some(self.keeper_died()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return Some(self.keeper_died()),
        }
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    if let Some(outcome) = self.frame(&frame) {
                        return Some(outcome);
                    }
                }
                Ok(None) => return None,
                Err(_) => return Some(self.keeper_died()),
            }
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Option<Outcome> {
        match frame.kind? {
            Kind::Output => {
                self.look_forward();
                self.outputs.write(Stream::Out, frame.payload);
            }
            Kind::ErrorOutput => self.outputs.write(Stream::Err, frame.payload),
            Kind::Started => {
                self.started = frame.json().ok();
                self.let_go_of_streams();
                if self.plan.detach {
                    return Some(self.leave());
                }
            }
            Kind::Failed => {
                let failed: Failed = frame.json().unwrap_or(Failed { code: 1, message: frame.text() });
                self.give_terminal_back();
                launch::say_failed(&self.plan, &failed);
                return Some(Outcome::Exit(failed.code));
            }
            Kind::Bare => {
                self.give_terminal_back();
                let name = self.plan.command[0].display().to_string();
                if self.plan.detach {
                    tell::tell(&format!("{}; `{name}` cannot be started", frame.text()));
                    return Some(Outcome::Exit(1));
                }
                tell::tell(&format!("{}; running `{name}` without wrap", frame.text()));
                return Some(launch::bare(&self.plan));
            }
            Kind::Stopped => self.stopped(frame.number(), frame.payload.get(1) == Some(&1)),
            // Only a key of our own terminal: with `--pty` and piped input nobody has pressed one.
            Kind::Raised if self.terminal.is_none() => {}
            Kind::Raised => {
                // The others in our group, a shell script or make, get it as the outer terminal would have sent it.
                // Our own handler passes over what we sent ourselves.
                let _ = signal::send_own_group(frame.number());
            }
            Kind::Accepted => {
                let count = frame.report().map_or(0, |(_, count)| count);
                self.under_way = self.under_way.saturating_sub(count);
            }
            Kind::Notice => self.say(&frame.text()),
            Kind::Undo => {
                if let Some(terminal) = &mut self.terminal {
                    terminal.set_undo(frame.payload);
                }
            }
            Kind::Direct => self.asked = Some(frame.number() as u8),
            Kind::EndOfOutput => self.outputs.end_out(),
            Kind::Ended => {
                return Some(match frame.json() {
                    Ok(Ended::Code(code)) => Outcome::Exit(code as u8),
                    Ok(Ended::Signal(signal)) => Outcome::Die(signal),
                    Err(_) => Outcome::Exit(1),
                });
            }
            Kind::Detached => {
                return Some(match frame.number() {
                    0 => Outcome::Exit(0),
                    signal => Outcome::Die(signal),
                });
            }
            // Frames of ours, which a keeper does not send.
            _ => {}
        }
        None
    }

    /// The command has its own copies now: ours would keep a pipe of the caller's open after it closed them.
    fn let_go_of_streams(&mut self) {
        inherited::close(&std::mem::take(&mut self.inherited));
        if self.mode == Mode::Pipe {
            inherited::replace_by_null(&self.outputs.relayed());
        }
    }

    /// Detached, once it is started: say what it is called, and leave.
    fn leave(&mut self) -> Outcome {
        self.outbox.push(Kind::Detach, &[]);
        let _ = self.outbox.flush(&self.socket);
        if let Some(started) = &self.started {
            let id = &started.instance_id;
            let short = id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or(id);
            // A reader that left does not want to know.
            let _ = writeln!(io::stdout(), "{} {short}", files::printable(&started.name, NAME_CHARS));
        }
        Outcome::Exit(0)
    }

    /// Behind the command's last output: what it left switched on in the terminal.
    pub(super) fn undo_modes(&mut self) {
        let undo = self.terminal.as_mut().map(super::Terminal::take_undo).unwrap_or_default();
        if !undo.is_empty() {
            self.outputs.write(Stream::Out, &undo);
        }
    }

    pub(super) fn give_terminal_back(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.give_back();
        }
    }

    /// A line of ours on standard error. Where that is relayed, it takes its turn behind what the command wrote.
    pub(super) fn say(&mut self, text: &str) {
        if !self.outputs.say(&tell::line(text)) {
            tell::tell(text);
        }
    }
}
