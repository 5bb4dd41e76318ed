//! Keys by their names, and what a terminal sends for them (xterm's ctlseqs, "PC-Style Function Keys").

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Sends this byte: letters, and what is pressed together with Ctrl.
    Byte(u8),
    /// Sends this byte behind an escape: pressed together with Alt.
    Alt(u8),
    /// Sends `CSI final`, or `SS3 final` to a program that has asked for the application's form (DECCKM).
    Cursor(u8),
    /// Sends `CSI number ~`.
    Numbered(u8),
    /// Sends `SS3 final`: F1 to F4.
    Function(u8),
}

/// The named ones; of those that two people call differently, both.
const NAMED: [(&str, Key); 36] = [
    ("enter", Key::Byte(b'\r')),
    ("return", Key::Byte(b'\r')),
    ("tab", Key::Byte(b'\t')),
    ("esc", Key::Byte(0x1b)),
    ("escape", Key::Byte(0x1b)),
    ("space", Key::Byte(b' ')),
    ("backspace", Key::Byte(0x7f)),
    ("up", Key::Cursor(b'A')),
    ("down", Key::Cursor(b'B')),
    ("right", Key::Cursor(b'C')),
    ("left", Key::Cursor(b'D')),
    ("home", Key::Cursor(b'H')),
    ("end", Key::Cursor(b'F')),
    ("insert", Key::Numbered(2)),
    ("delete", Key::Numbered(3)),
    ("del", Key::Numbered(3)),
    ("pageup", Key::Numbered(5)),
    ("page-up", Key::Numbered(5)),
    ("pagedown", Key::Numbered(6)),
    ("page-down", Key::Numbered(6)),
    ("f1", Key::Function(b'P')),
    ("f2", Key::Function(b'Q')),
    ("f3", Key::Function(b'R')),
    ("f4", Key::Function(b'S')),
    ("f5", Key::Numbered(15)),
    ("f6", Key::Numbered(17)),
    ("f7", Key::Numbered(18)),
    ("f8", Key::Numbered(19)),
    ("f9", Key::Numbered(20)),
    ("f10", Key::Numbered(21)),
    ("f11", Key::Numbered(23)),
    ("f12", Key::Numbered(24)),
    ("ctrl-space", Key::Byte(0)),
    ("^space", Key::Byte(0)),
    ("ctrl-enter", Key::Byte(b'\n')),
    ("^?", Key::Byte(0x7f)),
];

impl Key {
    /// The names of the keys that have one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.into_iter().map(|(name, _)| name)
    }

    /// The key of this name: `enter`, `up`, `f5`, `ctrl-c` (also `c-c` and `^C`), `alt-x`, or a single character.
    pub fn named(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if let Some((_, key)) = NAMED.iter().find(|(known, _)| *known == lower) {
            return Some(*key);
        }
        if let &[byte @ 0x20..=0x7e] = name.as_bytes() {
            return Some(Self::Byte(byte));
        }
        let after =
            |prefixes: &[&str]| prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix)).map(str::as_bytes);
        if let Some(&[byte]) = after(&["ctrl-", "ctrl+", "c-", "^"]) {
            return control(byte).map(Self::Byte);
        }
        if let Some(&[byte @ 0x20..=0x7e]) = after(&["alt-", "alt+", "m-"]) {
            // As it was written: Alt with a capital letter is another key.
            return Some(Self::Alt(*name.as_bytes().last().unwrap_or(&byte)));
        }
        None
    }

    /// What a terminal sends for it; `application` where the program has asked for that form of the cursor keys.
    pub fn bytes(self, application: bool) -> Vec<u8> {
        match self {
            Self::Byte(byte) => vec![byte],
            Self::Alt(byte) => vec![0x1b, byte],
            Self::Cursor(last) => vec![0x1b, if application { b'O' } else { b'[' }, last],
            Self::Numbered(number) => format!("\x1b[{number}~").into_bytes(),
            Self::Function(last) => vec![0x1b, b'O', last],
        }
    }
}

/// What Ctrl makes of a character: `@` to `_`, letters in either case, and `?`.
fn control(byte: u8) -> Option<u8> {
    match byte.to_ascii_uppercase() {
        upper @ b'@'..=b'_' => Some(upper & 0x1f),
        b'?' => Some(0x7f),
        _ => None,
    }
}

/// Two keys for one meaning, as in `ctrl-\ d`: one with Ctrl, that programs seldom want, and a plain character.
pub fn pair(text: &str) -> Option<[u8; 2]> {
    let mut names = text.split_whitespace();
    let (first, second) = (names.next()?, names.next()?);
    match (names.next(), Key::named(first)?, Key::named(second)?) {
        (None, Key::Byte(prefix @ 0x01..=0x1f), Key::Byte(key @ 0x21..=0x7e)) => Some([prefix, key]),
        _ => None,
    }
}

/// The same as a text that [`pair`] takes.
pub fn shown_pair([prefix, key]: [u8; 2]) -> String {
    // Ctrl takes two bits away from the letter's code.
    format!("ctrl-{} {}", char::from(prefix | 0x40).to_ascii_lowercase(), char::from(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_shown_as_it_is_taken() {
        for text in ["ctrl-\\ d", "ctrl-a x", "ctrl-] Q", "ctrl-[ 1"] {
            assert_eq!(pair(text).map(shown_pair).as_deref(), Some(text));
        }
    }

    #[test]
    fn keys_are_known_by_the_names_that_people_use() {
        let bytes = |name: &str| Key::named(name).map(|key| key.bytes(false));
        for (name, expected) in [
            ("ctrl-c", &b"\x03"[..]),
            ("Ctrl-C", b"\x03"),
            ("^C", b"\x03"),
            ("c-\\", b"\x1c"),
            ("ctrl-[", b"\x1b"),
            ("enter", b"\r"),
            ("Up", b"\x1b[A"),
            ("f1", b"\x1bOP"),
            ("f12", b"\x1b[24~"),
            ("delete", b"\x1b[3~"),
            ("alt-x", b"\x1bx"),
            ("alt-X", b"\x1bX"),
            ("q", b"q"),
            ("Q", b"Q"),
            ("^", b"^"),
        ] {
            assert_eq!(bytes(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(Key::named("up").map(|key| key.bytes(true)), Some(b"\x1bOA".to_vec()));
        for unknown in ["", "entre", "ctrl-", "ctrl-é", "ctrl-1", "alt-", "f13", "é"] {
            assert_eq!(Key::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_pair_is_one_key_with_ctrl_and_one_without() {
        assert_eq!(pair("ctrl-\\ d"), Some([0x1c, b'd']));
        assert_eq!(pair(" ^a  q "), Some([0x01, b'q']));
        for other in ["", "d", "ctrl-a", "a d", "ctrl-a ctrl-d", "ctrl-a d d", "up d", "ctrl-a space"] {
            assert_eq!(pair(other), None, "{other}");
        }
    }
}
