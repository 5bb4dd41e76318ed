//! What the command has switched on in the user's terminal and not off again: the alternate screen, mouse reports, a
//! hidden cursor. A full-screen program that is killed leaves them; a shell is unusable behind them.
//!
//! Sequences as in ECMA-48 and xterm's ctlseqs; only those are followed that outlive their writer to the user's harm.

use memchr::memchr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::BitOr;

/// Private modes (DECSET, `CSI ? n h`) that are followed, and whether a terminal has them on by itself.
const MODES: &[(u16, bool)] = &[
    (1, false),    // cursor keys send application sequences
    (5, false),    // reverse video
    (6, false),    // origin at the scroll region
    (7, true),     // wrap at the margin
    (9, false),    // mouse reports: X10,
    (25, true),    // the cursor is shown
    (66, false),   // application keypad
    (1000, false), // clicks,
    (1001, false), // highlights,
    (1002, false), // drags,
    (1003, false), // movement,
    (1004, false), // focus,
    (1005, false), // and how they are written
    (1006, false),
    (1015, false),
    (1016, false),
    (2004, false), // bracketed paste
    (2026, false), // synchronized output: nothing is drawn while it is on
    (2031, false), // colour scheme reports
    (2048, false), // size reports
    (47, false),   // the alternate screen, in its three forms; last, as the cursor goes back with it
    (1047, false),
    (1049, false),
];

/// The alternate screen, in its forms.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];

/// Switched on again for somebody who comes later, it would hold up all that he is shown.
const SYNCHRONIZED: u16 = 2026;

/// Entries of the keyboard's stack that are remembered; terminals keep a handful themselves.
const PUSHED: usize = 16;

/// The longest sequence that is understood; those above are shorter, and what is longer is none of them.
const LONGEST: usize = 64;

/// Follows the modes through the output.
#[derive(Default)]
pub struct ScreenModes {
    /// Private modes that are not as a terminal has them by itself.
    changed: BTreeSet<u16>,
    /// Switched otherwise, and by what.
    others: BTreeMap<Other, Vec<u8>>,
    /// The stack of keyboard modes (kitty): what pushed each.
    pushed: Vec<Vec<u8>>,
    /// The beginning of a sequence whose rest is still to come.
    partial: Vec<u8>,
}

/// What has a sequence of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Keypad,
    Charset,
    CursorShape,
    ScrollRegion,
    ModifiedKeys,
    KeyboardFlags,
}

impl Other {
    fn undo(self) -> &'static str {
        match self {
            Self::Keypad => "\x1b>",
            Self::Charset => "\x1b(B",
            Self::CursorShape => "\x1b[0 q",
            // It moves the cursor home, so the cursor is put back.
            Self::ScrollRegion => "\x1b7\x1b[r\x1b8",
            Self::ModifiedKeys => "\x1b[>4m",
            Self::KeyboardFlags => "\x1b[=0u",
        }
    }
}

/// What a piece of output had in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Something was switched.
    pub switched: bool,
    /// There was more than text and colours: the cursor may have moved.
    pub moved: bool,
}

impl BitOr for Seen {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { switched: self.switched | other.switched, moved: self.moved | other.moved }
    }
}

impl ScreenModes {
    /// The next piece of output.
    pub fn look(&mut self, bytes: &[u8]) -> Seen {
        if self.partial.is_empty() {
            return self.scan(bytes);
        }
        // A sequence that was cut: as much as completes it, and then the rest.
        let mut joined = std::mem::take(&mut self.partial);
        let room = LONGEST.saturating_sub(joined.len()).min(bytes.len());
        joined.extend_from_slice(&bytes[..room]);
        let begun = joined.len() - room;
        match sequence(&joined) {
            Sequence::Whole(length) => {
                let seen = self.apply(&joined[..length]);
                let used = length.saturating_sub(begun);
                self.scan(&bytes[used..]) | seen
            }
            Sequence::Cut if room == bytes.len() && joined.len() < LONGEST => {
                self.partial = joined;
                Seen::default()
            }
            Sequence::Cut => self.scan(bytes),
        }
    }

    /// Undoes everything that is switched; empty where nothing is.
    pub fn undo(&self) -> Vec<u8> {
        let mut text = String::new();
        for other in self.others.keys() {
            text.push_str(other.undo());
        }
        if !self.pushed.is_empty() {
            let _ = write!(text, "\x1b[<{}u", self.pushed.len());
        }
        for (mode, own) in MODES.iter().filter(|(mode, _)| self.changed.contains(mode)) {
            let _ = write!(text, "\x1b[?{mode}{}", if *own { 'h' } else { 'l' });
        }
        if !text.is_empty() {
            // Whoever left one of these left its colours, too.
            text.insert_str(0, "\x1b[m");
        }
        text.into_bytes()
    }

    /// Whether the alternate screen is shown.
    pub fn is_alternate(&self) -> bool {
        ALTERNATE.iter().any(|mode| self.changed.contains(mode))
    }

    /// Whether arrows and their kin are sent in their application form (DECCKM).
    pub fn has_application_keys(&self) -> bool {
        self.changed.contains(&1)
    }

    /// Switches a terminal that has its own modes to these, but for the screen that is shown.
    pub fn redo(&self) -> Vec<u8> {
        let mut redone = self.pushed.concat();
        redone.extend(self.others.values().flatten());
        for (mode, own) in MODES.iter().filter(|(mode, _)| self.changed.contains(mode)) {
            if !ALTERNATE.contains(mode) && *mode != SYNCHRONIZED {
                redone.extend_from_slice(format!("\x1b[?{mode}{}", if *own { 'l' } else { 'h' }).as_bytes());
            }
        }
        redone
    }

    fn scan(&mut self, bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        let mut rest = bytes;
        while let Some(at) = memchr(ESCAPE, rest) {
            rest = &rest[at..];
            if let Some(length) = colour(rest) {
                rest = &rest[length..];
                continue;
            }
            match sequence(rest) {
                Sequence::Whole(length) => {
                    seen = seen | self.apply(&rest[..length]);
                    rest = &rest[length..];
                }
                Sequence::Cut if rest.len() < LONGEST => {
                    self.partial = rest.to_vec();
                    return seen;
                }
                Sequence::Cut => rest = &rest[1..],
            }
        }
        seen
    }

    /// Takes one whole sequence.
    fn apply(&mut self, sequence: &[u8]) -> Seen {
        // A line erased behind its text is what logs and spinners do, and `ESC ( B` comes with tput's colours.
        let stays = matches!(sequence, [_, b'[', .., b'm' | b'K'] | [_, b'(', b'B']);
        Seen { switched: self.switches(sequence), moved: !stays }
    }

    /// Follows one whole sequence; whether it switched anything.
    fn switches(&mut self, sequence: &[u8]) -> bool {
        match sequence {
            [_, b'='] => self.switch(Other::Keypad, sequence, true),
            [_, b'>'] => self.switch(Other::Keypad, sequence, false),
            [_, b'(', set] => self.switch(Other::Charset, sequence, *set != b'B'),
            [_, b'c'] => {
                let was_clean = self.undo().is_empty();
                *self = Self::default();
                !was_clean
            }
            [_, b'[', b'?', modes @ .., last @ (b'h' | b'l')] => self.private(modes, *last == b'h'),
            [_, b'[', b'>', .., b'u'] => {
                if self.pushed.len() < PUSHED {
                    self.pushed.push(sequence.to_vec());
                }
                true
            }
            [_, b'[', b'<', count @ .., b'u'] => {
                let popped = number(count).map_or(1, |count| usize::from(count).max(1));
                let before = self.pushed.len();
                self.pushed.truncate(before.saturating_sub(popped));
                before > 0
            }
            [_, b'[', b'=', flags @ .., b'u'] => {
                self.switch(Other::KeyboardFlags, sequence, flags.first() != Some(&b'0'))
            }
            [_, b'[', b'>', b'4', b';', level, b'm'] => self.switch(Other::ModifiedKeys, sequence, *level != b'0'),
            [_, b'[', b'>', b'4', .., b'm'] => self.switch(Other::ModifiedKeys, sequence, false),
            [_, b'[', shape @ .., b' ', b'q'] => {
                self.switch(Other::CursorShape, sequence, number(shape).is_some_and(|shape| shape != 0))
            }
            [_, b'[', region @ .., b'r'] if region.iter().all(|byte| byte.is_ascii_digit() || *byte == b';') => {
                self.switch(Other::ScrollRegion, sequence, region.iter().any(u8::is_ascii_digit))
            }
            _ => false,
        }
    }

    fn private(&mut self, modes: &[u8], on: bool) -> bool {
        let mut changed = false;
        for mode in modes.split(|byte| *byte == b';').filter_map(number) {
            if let Some((_, own)) = MODES.iter().find(|(known, _)| *known == mode) {
                changed |= if on == *own { self.changed.remove(&mode) } else { self.changed.insert(mode) };
            }
        }
        changed
    }

    fn switch(&mut self, what: Other, by: &[u8], on: bool) -> bool {
        if on { self.others.insert(what, by.to_vec()).is_none() } else { self.others.remove(&what).is_some() }
    }
}

const ESCAPE: u8 = 0x1b;

/// The length of the colour (SGR, `CSI 32 m`) that these bytes begin with: nearly every escape of a log is one, and they
/// are passed over at the speed of the search for the next.
fn colour(bytes: &[u8]) -> Option<usize> {
    if bytes.get(1) != Some(&b'[') {
        return None;
    }
    let digits = bytes.iter().skip(2).take(COLOUR).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    (bytes.get(2 + digits) == Some(&b'm')).then_some(2 + digits + 1)
}

/// The digits of a colour in 24 bits (`38;2;255;255;255`).
const COLOUR: usize = 16;

enum Sequence {
    /// This many bytes.
    Whole(usize),
    /// Its end is not there.
    Cut,
}

/// The sequence at the start of these bytes, which begin with an escape.
fn sequence(bytes: &[u8]) -> Sequence {
    let Some(second) = bytes.get(1) else { return Sequence::Cut };
    match second {
        b'[' => {
            let rest = &bytes[2..bytes.len().min(LONGEST)];
            for (at, byte) in rest.iter().enumerate() {
                match byte {
                    0x40..=0x7e => return Sequence::Whole(2 + at + 1),
                    0x20..=0x3f => {}
                    // A control character: no such sequence of ours.
                    _ => return Sequence::Whole(2 + at),
                }
            }
            Sequence::Cut
        }
        b'(' => bytes.get(2).map_or(Sequence::Cut, |_| Sequence::Whole(3)),
        // The beginning of another one stands for itself.
        &ESCAPE => Sequence::Whole(1),
        _ => Sequence::Whole(2),
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(output: &str) -> String {
        let mut modes = ScreenModes::default();
        modes.look(output.as_bytes());
        String::from_utf8(modes.undo()).expect("text")
    }

    #[test]
    fn what_is_left_switched_is_undone() {
        assert_eq!(
            after("\x1b[?1049h\x1b[?25l text \x1b[?1000;1006h"),
            "\x1b[m\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?1049l"
        );
        assert_eq!(after("\x1b=\x1b[2 q\x1b[3;10r\x1b(0"), "\x1b[m\x1b>\x1b(B\x1b[0 q\x1b7\x1b[r\x1b8");
        assert_eq!(after("\x1b[>1u\x1b[>5u\x1b[<u\x1b[>4;2m"), "\x1b[m\x1b[>4m\x1b[<1u");
        assert_eq!(after("\x1b[?7l"), "\x1b[m\x1b[?7h");
    }

    #[test]
    fn what_is_switched_back_or_is_no_switch_is_left_alone() {
        for clean in [
            "\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l",
            "\x1b[31mred\x1b[0m \x1b[2J\x1b[1;1H",
            "\x1b[?25l\x1b[?1003h\x1bc",
            "\x1b[?12l\x1b[?12;25h\x1b[0 q\x1b[r\x1b=\x1b>",
            "\x1b[<5u",
            "\x1b\x1b[31",
        ] {
            assert_eq!(after(clean), "", "{clean:?}");
        }
    }

    #[test]
    fn a_sequence_is_seen_however_it_is_cut() {
        let output = "some \x1b[?1049h text \x1b[?25;1003h\x1b[?25l and \x1b(0 more".as_bytes();
        let mut whole = ScreenModes::default();
        assert_eq!(whole.look(output), Seen { switched: true, moved: true });
        for size in 1..output.len() {
            let mut cut = ScreenModes::default();
            for piece in output.chunks(size) {
                cut.look(piece);
            }
            assert_eq!(whole.undo(), cut.undo(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_terminal_that_comes_later_is_switched_likewise() {
        let mut modes = ScreenModes::default();
        modes.look(b"\x1b[?1049h\x1b[?1;2004;2026h\x1b[?25l\x1b=\x1b[3;10r\x1b[>1u\x1b[5 q");
        assert!(modes.is_alternate() && modes.has_application_keys());
        let mut later = ScreenModes::default();
        later.look(&modes.redo());
        assert!(!later.is_alternate());
        later.look(b"\x1b[?1049;2026h");
        assert_eq!(later.undo(), modes.undo());
        assert_eq!(ScreenModes::default().redo(), b"");
    }

    #[test]
    fn text_and_colours_move_nothing() {
        let moved = |output: &str| ScreenModes::default().look(output.as_bytes()).moved;
        assert!(!moved("\x1b[32mgreen\x1b[0m\r\n\x1b[2Kline\x1b[38:2:1:2:3mtrue\x1b[K"));
        assert!(moved("\x1b[1A") && moved("\x1b[2;2Hx") && moved("\x1b7") && moved("\x1b[?25l"));
    }

    #[test]
    fn no_output_keeps_more_than_a_sequence() {
        let mut modes = ScreenModes::default();
        for _ in 0..1000 {
            modes.look(b"\x1b[");
            modes.look(&[b';'; 500]);
            assert!(modes.partial.len() < LONGEST);
        }
        modes.look(b"\x1b[?25l");
        assert_eq!(modes.undo(), b"\x1b[m\x1b[?25h");
    }
}
