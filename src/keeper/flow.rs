//! Bytes both ways: what the command writes to all who look, what is typed to the command.

use super::life::Phase;
use super::restart::Then;
use super::screen::Screen;
use super::screen_modes::Seen;
use super::{Keeper, Typist};
use crate::wire::{Kind, Stream};
use std::time::{Duration, Instant};

/// How long the command's echo of a key is waited for awake: it takes 30 microseconds where the command is quick. A
/// typist of ten keys a second pays a thousandth of a processor for it.
const ECHO: Duration = Duration::from_micros(60);

/// Answers to the command's questions that may wait for it to read them: a terminal's own buffer.
const UNREAD: usize = 4096;

impl Keeper {
    /// Stays awake for a moment after a key: nearly always its echo is there by then, and to be put to sleep and woken
    /// costs more than the rest of its way.
    pub(super) fn await_echo(&mut self) {
        let until = Instant::now() + ECHO;
        while !self.relay_output() && Instant::now() < until {
            // With one processor it is the command that must run.
            std::thread::yield_now();
        }
    }

    /// Moves what there is; `true` where the command has written something.
    pub(super) fn relay_output(&mut self) -> bool {
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
    pub(super) fn credit_input(&mut self, mut accepted: usize) {
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
    pub(super) fn read_output(&mut self, is_forced: bool) -> (usize, bool) {
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
                let seen = if in_terminal { modes.look(bytes) } else { Seen::default() };
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
            let cursor = self.output.on_screen(Screen::cursor).unwrap_or_default();
            self.type_in(Typist::Caller, &query.answer(cursor));
        }
        (read.count, is_ready)
    }
}
