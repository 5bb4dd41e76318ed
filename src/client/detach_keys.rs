//! The two keys that detach: one with Ctrl, and a character. They count as key presses: the first as the last of what a read
//! has brought, the second in a read of its own or right behind it (a busy machine brings several keys at once), and never
//! inside a paste. A first key that no second follows is passed on.

use std::borrow::Cow;
use std::time::{Duration, Instant};

/// How long the first key waits for the second: people press the two within a third of that.
const WAIT: Duration = Duration::from_millis(500);

/// What a terminal puts around pasted text that a program has asked to be told of (bracketed paste, xterm's ctlseqs).
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Bits of a kitty key event's modifiers, of which the number is one more than their sum.
const CTRL: u32 = 4;
const LOCKS: u32 = 64 | 128;

/// The keys, and how far they have been pressed.
#[derive(Default)]
pub struct DetachKeys {
    /// As a terminal sends them; none of them does anything without.
    keys: Option<[u8; 2]>,
    held: Option<Held>,
    is_pasting: bool,
    /// The end of the last read, in which a paste may begin or end.
    tail: Vec<u8>,
}

/// The first key, pressed and not yet passed on.
struct Held {
    what: First,
    until: Instant,
}

/// In which form the first key came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// Bytes, of a terminal that is raw.
    Bytes(Vec<u8>),
    /// This signal, which a terminal that is not raw has made of it.
    Signal(i32),
}

/// What is to be done about typed bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning<'a> {
    /// A first key that was held and turns out to be the command's.
    pub first: Option<First>,
    /// What goes behind it.
    pub rest: Cow<'a, [u8]>,
    /// Both keys were pressed.
    pub detach: bool,
}

impl DetachKeys {
    /// Sets which they are.
    pub fn set(&mut self, keys: Option<[u8; 2]>) {
        self.keys = keys;
    }

    /// When a first key that is held is to be passed on.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }

    /// The first key, if it was held for long enough.
    pub fn due(&mut self) -> Option<First> {
        self.held.take_if(|held| held.until <= Instant::now()).map(|held| held.what)
    }

    /// A key of a terminal that is not raw has raised this signal: whether it is the first one, and held from now on.
    pub fn raised(&mut self, byte: Option<u8>, signal: i32) -> bool {
        let is_first = self.keys.is_some_and(|[first, _]| Some(first) == byte);
        if is_first {
            self.hold(First::Signal(signal));
        }
        is_first
    }

    /// What one read has brought.
    pub fn typed<'a>(&mut self, bytes: &'a [u8]) -> Meaning<'a> {
        let Some([first, second]) = self.keys else {
            return Meaning { first: None, rest: Cow::Borrowed(bytes), detach: false };
        };
        let was_pasting = self.is_pasting;
        self.follow_paste(bytes);
        if was_pasting || self.is_pasting {
            let first = self.held.take().map(|held| held.what);
            return Meaning { first, rest: Cow::Borrowed(bytes), detach: false };
        }
        let meaning = |first, rest, detach| Meaning { first, rest: Cow::Borrowed(rest), detach };
        if self.held.is_some() && is_second(bytes, second) {
            self.held = None;
            return meaning(None, &[], true);
        }
        // The first key is let go of, in a terminal that tells that, too.
        if let Some(Held { what: First::Bytes(held), .. }) = &mut self.held
            && is_release(bytes)
        {
            held.extend_from_slice(bytes);
            return meaning(None, &[], false);
        }
        let before = self.held.take().map(|held| held.what);
        if let Some(rest) = bytes.strip_suffix(&[first, second]) {
            return meaning(before, rest, true);
        }
        if let Some(rest) = bytes.strip_suffix(&[first]) {
            self.hold(First::Bytes(vec![first]));
            return meaning(before, rest, false);
        }
        if is_first(bytes, first) {
            self.hold(First::Bytes(bytes.to_vec()));
            return meaning(before, &[], false);
        }
        meaning(before, bytes, false)
    }

    fn hold(&mut self, what: First) {
        self.held = Some(Held { what, until: Instant::now() + WAIT });
    }

    fn follow_paste(&mut self, bytes: &[u8]) {
        // Text alone, by far the most of what is typed, begins and ends nothing.
        if !self.is_pasting && self.tail.is_empty() && !bytes.contains(&0x1b) {
            return;
        }
        let text = [&self.tail[..], bytes].concat();
        let last = |marker: &[u8]| text.windows(marker.len()).rposition(|window| window == marker);
        match (last(PASTE_BEGINS), last(PASTE_ENDS)) {
            (Some(begin), end) if end.is_none_or(|end| begin > end) => self.is_pasting = true,
            (_, Some(_)) => self.is_pasting = false,
            _ => {}
        }
        let keep = text.len().min(PASTE_BEGINS.len() - 1);
        self.tail = text[text.len() - keep..].to_vec();
        // Only a marker that was cut has to be remembered.
        if !self.tail.contains(&0x1b) {
            self.tail.clear();
        }
    }
}

fn is_first(bytes: &[u8], first: u8) -> bool {
    // Ctrl takes the upper bits of a character away; a keyboard's letters are small ones.
    let character = (first | 0x40).to_ascii_lowercase();
    bytes == [first]
        || event(bytes).is_some_and(|event| {
            event.character == u32::from(character) && event.modifiers == CTRL && !event.is_release
        })
}

fn is_second(bytes: &[u8], second: u8) -> bool {
    bytes == [second]
        || event(bytes)
            .is_some_and(|event| event.character == u32::from(second) && event.modifiers == 0 && !event.is_release)
}

fn is_release(bytes: &[u8]) -> bool {
    event(bytes).is_some_and(|event| event.is_release)
}

/// A key as kitty's keyboard protocol tells it (`CSI character ; modifiers : event u`), or xterm's modifyOtherKeys
/// (`CSI 27 ; modifiers ; character ~`).
struct Event {
    character: u32,
    modifiers: u32,
    is_release: bool,
}

fn event(bytes: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\x1b[")?).ok()?;
    let number = |text: &str| text.split(':').next()?.parse::<u32>().ok();
    let modifiers = |text: &str| Some(number(text)?.checked_sub(1)? & !LOCKS);
    if let Some(rest) = text.strip_prefix("27;").and_then(|rest| rest.strip_suffix('~')) {
        let (modified, character) = rest.split_once(';')?;
        return Some(Event { character: number(character)?, modifiers: modifiers(modified)?, is_release: false });
    }
    let mut fields = text.strip_suffix('u')?.split(';');
    let character = number(fields.next()?)?;
    let Some(modified) = fields.next() else { return Some(Event { character, modifiers: 0, is_release: false }) };
    let is_release = modified.split(':').nth(1) == Some("3");
    Some(Event { character, modifiers: if modified.is_empty() { 0 } else { modifiers(modified)? }, is_release })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> DetachKeys {
        DetachKeys { keys: Some([0x1c, b'd']), ..DetachKeys::default() }
    }

    /// What passes, and whether it detaches, for these reads.
    fn after(reads: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut keys = keys();
        let mut passed = Vec::new();
        for read in reads {
            let meaning = keys.typed(read);
            if let Some(First::Bytes(bytes)) = meaning.first {
                passed.extend(bytes);
            }
            passed.extend(meaning.rest.iter());
            if meaning.detach {
                return (passed, true);
            }
        }
        (passed, false)
    }

    #[test]
    fn two_presses_detach_in_every_form() {
        for reads in [
            &[&b"\x1c"[..], b"d"][..],
            &[b"\x1cd"],
            &[b"\x1b[92;5u", b"d"],
            &[b"\x1b[92;5:1u", b"\x1b[92;5:3u", b"\x1b[100u"],
            &[b"\x1b[92;69u", b"\x1b[100;65u"],
            &[b"\x1b[27;5;92~", b"d"],
            &[b"\x1c", b"\x1c", b"d"],
            &[b"typed before\x1c", b"d"],
            &[b"typed before\x1cd"],
        ] {
            assert!(after(reads).1, "{reads:?}");
        }
        assert_eq!(after(&[b"\x1c", b"\x1c", b"d"]).0, b"\x1c", "of three, the first was the command's");
        assert_eq!(after(&[b"typed before\x1c", b"d"]).0, b"typed before");
    }

    #[test]
    fn everything_else_passes_as_it_is() {
        for reads in [
            &[&b"d"[..]][..],
            &[b"\x1c", b"x"],
            &[b"\x1c", b"dd"],
            &[b"ab\x1cde"],
            &[b"\x1b[200~\x1c", b"d", b"\x1b[201~"],
            &[b"\x1b[20", b"0~", b"\x1c", b"d", b"\x1b[20", b"1~"],
            &[b"\x1b[92;6u", b"d"],
            &[b"\x1b[A", b"\x1b"],
            &[b"\x1c", b"\x1b[200~d\x1b[201~"],
        ] {
            assert_eq!(after(reads), (reads.concat(), false), "{reads:?}");
        }
    }

    #[test]
    fn after_a_paste_they_count_again() {
        assert!(after(&[b"\x1b[200~\x1cd\x1b[201~", b"\x1c", b"d"]).1);
    }

    #[test]
    fn a_lone_first_key_is_due_after_its_time_and_a_signal_is_held_likewise() {
        let mut keys = keys();
        assert_eq!(keys.typed(b"\x1c").rest.len(), 0);
        assert!(keys.due().is_none() && keys.deadline().is_some());
        if let Some(held) = &mut keys.held {
            held.until = Instant::now();
        }
        assert_eq!(keys.due(), Some(First::Bytes(b"\x1c".to_vec())));
        assert!(!keys.raised(Some(3), libc::SIGINT) && keys.raised(Some(0x1c), libc::SIGQUIT));
        assert!(keys.typed(b"d").detach);
        assert!(keys.raised(Some(0x1c), libc::SIGQUIT));
        assert_eq!(
            keys.typed(b"x"),
            Meaning { first: Some(First::Signal(libc::SIGQUIT)), rest: Cow::Borrowed(b"x"), detach: false }
        );
    }

    #[test]
    fn without_keys_nothing_is_held() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.typed(b"\x1cd"), Meaning { first: None, rest: Cow::Borrowed(b"\x1cd"), detach: false });
        assert!(!keys.raised(Some(0x1c), libc::SIGQUIT));
    }
}
