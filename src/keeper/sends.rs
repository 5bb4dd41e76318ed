//! What callers type who are not attached: each text whole, one behind the other, and known by its id, so that one
//! that is sent again because its answer was late is not typed twice.

use super::life::Phase;
use super::{Keeper, Typist};
use crate::keys::Key;
use crate::log::lines::plain;
use crate::sys::tty::Modes;
use crate::wire::INPUT_WINDOW;
use std::collections::VecDeque;
use tokio::sync::oneshot::Sender;

/// Texts that are remembered by their id: a sender tries for a second or two, and more of them than this at a time
/// would each be told so long before.
const REMEMBERED: usize = 256;

/// What somebody types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Lines, with Enter pressed behind each.
    Line {
        /// What they say.
        text: String,
        /// Their control sequences are meant, and not taken out.
        raw: bool,
    },
    /// A text as it is.
    Data(String),
    /// A key.
    Key(Key),
}

/// A text on its way.
pub struct Send {
    /// What.
    pub text: Text,
    /// What tells it from others; empty where its sender tries once.
    pub id: String,
    /// Told when the terminal has taken it, or at once that it cannot be typed.
    pub reply: Sender<Result<(), Refused>>,
}

/// Why a text is not typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no terminal to type into.
    NoTerminal,
    /// The command does not run.
    NotRunning,
    /// So much waits already that the command cannot be reading.
    Full,
}

/// The texts that were taken.
#[derive(Default)]
pub struct Sends {
    taken: VecDeque<Taken>,
}

struct Taken {
    id: String,
    /// It has arrived once the terminal has taken so many bytes.
    end: u64,
    replies: Vec<Sender<Result<(), Refused>>>,
}

impl Sends {
    /// Whether one more would be at the cost of one that still waits.
    fn is_full(&self) -> bool {
        self.taken.len() >= REMEMBERED && self.taken.front().is_some_and(|oldest| !oldest.replies.is_empty())
    }

    /// Nothing that has not arrived ever will: its senders are told.
    pub fn give_up(&mut self) {
        for taken in &mut self.taken {
            for reply in taken.replies.drain(..) {
                let _ = reply.send(Err(Refused::NotRunning));
            }
        }
        self.taken.clear();
    }
}

impl Keeper {
    /// Types it, unless that was done already.
    pub(super) fn send(&mut self, send: Send) {
        let Send { text, id, reply } = send;
        if let Some(known) = self.sends.taken.iter_mut().find(|taken| !id.is_empty() && taken.id == id) {
            known.replies.push(reply);
            self.settle_sends();
            return;
        }
        let refused = if self.relay.pty().is_none() {
            Some(Refused::NoTerminal)
        } else if !matches!(self.phase, Phase::Running | Phase::Ending(_)) {
            Some(Refused::NotRunning)
        } else if self.relay.typed().1 > INPUT_WINDOW || self.sends.is_full() {
            Some(Refused::Full)
        } else {
            None
        };
        if let Some(refused) = refused {
            let _ = reply.send(Err(refused));
            return;
        }
        let bytes = self.bytes_of(text);
        self.typed = true;
        self.type_in(Typist::Caller, &bytes);
        let end = self.relay.typed().0;
        if self.sends.taken.len() >= REMEMBERED {
            // The oldest has its answer long since, or nobody would read: see above.
            self.sends.taken.pop_front();
        }
        self.sends.taken.push_back(Taken { id, end, replies: vec![reply] });
        self.settle_sends();
    }

    /// Answers those whose text has arrived.
    pub(super) fn settle_sends(&mut self) {
        let (typed, waiting) = self.relay.typed();
        let arrived = typed - waiting as u64;
        for taken in self.sends.taken.iter_mut().filter(|taken| taken.end <= arrived) {
            for reply in taken.replies.drain(..) {
                // One who hung up needs no answer.
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// What a keyboard would send for it.
    fn bytes_of(&self, text: Text) -> Vec<u8> {
        match text {
            Text::Data(data) => data.into_bytes(),
            Text::Key(key) => key.bytes(self.screen.has_application_keys()),
            Text::Line { text, raw } => {
                // Enter sends a carriage return, which the terminal makes a newline of; one that does not, and reads
                // lines, would never see the end of it.
                let modes = self.relay.pty().and_then(|pty| Modes::of(pty).ok());
                let enter =
                    if modes.is_none_or(|modes| modes.maps_enter() || !modes.is_canonical()) { b'\r' } else { b'\n' };
                let mut bytes = Vec::with_capacity(text.len() + 1);
                for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
                    let line = if raw { line.to_owned() } else { plain(line.as_bytes()) };
                    bytes.extend_from_slice(line.as_bytes());
                    bytes.push(enter);
                }
                bytes
            }
        }
    }
}
