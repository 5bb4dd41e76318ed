//! What the keeper says, and what the client does about it.

use super::{Client, Errand, Outcome, launch, notification, tell};
use crate::registry::entry::Mode;
use crate::sys::{inherited, memory, signal};
use crate::wire::{Decoder, Ended, Failed, Frame, Kind, Notification, Stream};
use std::io;
use std::time::Instant;

impl Client {
    /// Reads what the keeper says. `Some` once there is nothing more to come.
    pub(super) fn hear(&mut self, decoder: &mut Decoder) -> Option<Outcome> {
        match decoder.fill(&self.socket) {
            Ok(0) => return Some(self.keeper_died()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return Some(self.keeper_died()),
        }
        self.heard(decoder)
    }

    /// Acts on what was read already.
    pub(super) fn heard(&mut self, decoder: &mut Decoder) -> Option<Outcome> {
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
                let again = self.started.is_some();
                self.started = frame.json().ok();
                self.started_at.get_or_insert_with(Instant::now);
                self.let_go_of_streams();
                self.detach_keys.set(self.started.as_ref().and_then(|started| started.detach_keys));
                self.wait_for_start();
                if !again {
                    self.say_started();
                }
                memory::let_go_of_code();
            }
            Kind::IsReady => return self.is_ready(frame.json().ok()?),
            Kind::LastWords => self.last_words.push(frame.payload.to_vec()),
            Kind::Failed => {
                let failed: Failed = frame.json().unwrap_or(Failed { code: 1, message: frame.text() });
                self.give_terminal_back();
                launch::say_failed(self.errand.plan()?, &failed);
                return Some(Outcome::Exit(failed.code));
            }
            Kind::Bare => {
                self.give_terminal_back();
                let name = self.errand.name();
                if let Errand::Run(plan) = &self.errand {
                    tell::tell(&format!("{}; running `{name}` without wrap", frame.text()));
                    return Some(launch::bare(plan));
                }
                tell::tell(&format!("{}; `{name}` cannot be started", frame.text()));
                return Some(Outcome::Exit(1));
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
            Kind::Notify => self.notify(frame),
            Kind::Undo => {
                if let Some(terminal) = &mut self.terminal {
                    terminal.set_undo(frame.payload);
                }
            }
            Kind::Direct => self.asked = Some(frame.number() as u8),
            Kind::EndOfOutput => self.outputs.end_out(),
            Kind::Ended => {
                let ended: Ended = frame.json().unwrap_or(Ended::Code(1));
                self.command_ended(ended);
                return Some(match ended {
                    Ended::Code(code) => Outcome::Exit(code as u8),
                    Ended::Signal(signal) => Outcome::Die(signal),
                });
            }
            Kind::Detached => {
                return Some(match frame.number() {
                    0 => {
                        self.detached();
                        Outcome::Exit(0)
                    }
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

    /// News, for a terminal that is ours in this moment.
    fn notify(&mut self, frame: &Frame) {
        let is_shown = self.terminal.is_some() && rustix::termios::isatty(rustix::stdio::stdout());
        if let Ok(news) = frame.json::<Notification>()
            && is_shown
        {
            self.outputs.tell(&notification::sequence(&news));
        }
    }

    /// A line of ours on standard error. Where that is relayed, it takes its turn behind what the command wrote.
    pub(super) fn say(&mut self, text: &str) {
        if !self.outputs.say(&tell::line(text)) {
            tell::tell(text);
        }
    }
}
