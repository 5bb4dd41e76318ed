//! What the user types: to the command, unless it is a key of ours.

use super::detach_keys::First;
use super::{Client, Errand};
use crate::wire::Kind;

/// Ctrl-C as a raw terminal hands it over.
const INTERRUPT: u8 = 3;

impl Client {
    pub(super) fn read_input(&mut self) {
        let mut buffer = [0; 4096];
        let terminal = self.terminal.as_ref();
        let read = match (terminal, &self.input) {
            (Some(terminal), _) => rustix::io::read(terminal, &mut buffer),
            (None, Some(input)) => rustix::io::read(input, &mut buffer),
            (None, None) => return,
        };
        match read {
            Ok(0) if terminal.is_some() => self.hang_up(),
            Ok(0) => {
                self.input = None;
                self.outbox.push(Kind::Input, &[]);
            }
            Ok(count) => self.typed(&buffer[..count]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => self.hang_up(),
        }
    }

    fn typed(&mut self, bytes: &[u8]) {
        if self.ended.is_some() {
            // The command is gone and its last output waits for the terminal: an interrupt throws that away, as it
            // would empty the terminal's queue.
            if bytes.contains(&INTERRUPT) {
                self.outputs.clear();
            }
            return;
        }
        let meaning = self.detach_keys.typed(bytes);
        if let Some(first) = &meaning.first {
            self.pass_on(first);
        }
        let looks_on = matches!(&self.errand, Errand::Visit(visit) if visit.read_only);
        if !looks_on {
            let rest = &meaning.rest[self.type_in(&meaning.rest)..];
            self.send_input(rest);
        }
        // Nothing else is a looker-on's to press, and not everybody knows the keys.
        if meaning.detach || looks_on && bytes == [INTERRUPT] {
            self.outbox.push(Kind::Detach, &[]);
        }
    }

    fn send_input(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.under_way += bytes.len();
            self.outbox.push(Kind::Input, bytes);
        }
    }

    /// A first detach key that was none.
    pub(super) fn pass_on(&mut self, first: &First) {
        match first {
            _ if matches!(&self.errand, Errand::Visit(visit) if visit.read_only) => {}
            First::Bytes(bytes) => self.send_input(bytes),
            First::Signal(number) => self.outbox.push(Kind::Key, &[*number as u8]),
        }
    }

    /// Types straight into the command's terminal, which saves a keystroke the way through the keeper: how many bytes
    /// it took. Only plain text, as the keeper has to know of every key that may raise a signal; and only where nothing
    /// is on that other way, or it would be overtaken.
    fn type_in(&self, bytes: &[u8]) -> usize {
        let is_text = |byte: &u8| *byte >= b' ' && *byte != 0x7f;
        match &self.pty {
            Some(pty) if self.under_way == 0 && self.started.is_some() && bytes.iter().all(is_text) => {
                pty.type_in(bytes).unwrap_or(0)
            }
            _ => 0,
        }
    }
}
