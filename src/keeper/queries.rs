//! Questions that a program asks its terminal: where is the cursor, what are you, which colours have you.
//!
//! Several terminals would all answer, and the program would read the same answer twice: so only one of them is asked,
//! and where there is none we answer what programs wait for. Sequences as in ECMA-48 and xterm's ctlseqs.

use memchr::memchr2;

/// What a program waits for an answer to where it has no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// What are you (DA1, `CSI c`)?
    Attributes,
    /// Which version (DA2, `CSI > c`)?
    Version,
    /// Are you well (DSR, `CSI 5 n`)?
    Status,
    /// Where is the cursor (CPR, `CSI 6 n`)?
    Cursor,
}

impl Query {
    /// The answer of a VT220 with colours that has its cursor at this row and column, counted from 0.
    pub fn answer(self, cursor: (u16, u16)) -> Vec<u8> {
        match self {
            Self::Attributes => b"\x1b[?62;22c".to_vec(),
            Self::Version => b"\x1b[>1;10;0c".to_vec(),
            Self::Status => b"\x1b[0n".to_vec(),
            Self::Cursor => format!("\x1b[{};{}R", cursor.0 + 1, cursor.1 + 1).into_bytes(),
        }
    }
}

/// The longest sequence that is waited for; a longer one (an image, a clipboard) is no question and passes.
const LONGEST: usize = 256;

const ESCAPE: u8 = 0x1b;
/// The oldest question of all (ENQ).
const ENQUIRY: u8 = 0x05;

/// Takes the questions out of a stream of output, however it is cut.
#[derive(Default)]
pub struct Filter {
    /// The beginning of a sequence whose rest is still to come.
    partial: Vec<u8>,
}

impl Filter {
    /// The output without its questions, and those of them that we could answer.
    pub fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<Query>) {
        let mut rest = std::mem::take(&mut self.partial);
        rest.extend_from_slice(bytes);
        let mut passed = Vec::with_capacity(rest.len());
        let mut found = Vec::new();
        let mut rest = &rest[..];
        while let Some(at) = memchr2(ESCAPE, ENQUIRY, rest) {
            passed.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            if rest[0] == ENQUIRY {
                rest = &rest[1..];
                continue;
            }
            match length(rest) {
                Some(length) => {
                    let (sequence, after) = rest.split_at(length);
                    if is_question(sequence) {
                        found.extend(known(sequence));
                    } else {
                        passed.extend_from_slice(sequence);
                    }
                    rest = after;
                }
                None if rest.len() < LONGEST => {
                    self.partial = rest.to_vec();
                    return (passed, found);
                }
                None => {
                    passed.push(ESCAPE);
                    rest = &rest[1..];
                }
            }
        }
        passed.extend_from_slice(rest);
        (passed, found)
    }
}

/// How long the sequence is that begins here with an escape; `None` where its end is not there.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'[' => {
            let end = bytes[2..].iter().position(|byte| !(0x20..=0x3f).contains(byte))?;
            // A control character inside ends it for us, and stays.
            Some(2 + end + usize::from((0x40..=0x7e).contains(&bytes[2 + end])))
        }
        // Strings: to BEL or to ST (ESC \).
        b']' | b'P' => {
            let end = memchr2(0x07, ESCAPE, &bytes[2..])?;
            match bytes[2 + end] {
                0x07 => Some(2 + end + 1),
                _ => bytes.get(2 + end + 1).map(|last| 2 + end + if *last == b'\\' { 2 } else { 0 }),
            }
        }
        _ => Some(2),
    }
}

fn is_question(sequence: &[u8]) -> bool {
    match sequence {
        [_, b'[', b'>', parameters @ .., b'q'] => parameters.iter().all(u8::is_ascii_digit),
        [_, b'Z']
        | [_, b'[', b'?', b'u']
        | [_, b'[', .., b'c']
        | [_, b'[', .., b'$', b'p']
        | [_, b'[', b'0' | b'1', b'x']
        | [_, b'P', b'+' | b'$', b'q', ..] => true,
        // `CSI > … n` switches key modifiers off.
        [_, b'[', first, .., b'n'] => *first != b'>',
        [_, b'[', number @ .., b't'] => WINDOW.contains(&number),
        [_, b']', body @ ..] => text(body).ends_with(b"?"),
        _ => false,
    }
}

/// Reports of the window (XTWINOPS): its state, place, sizes and titles.
const WINDOW: [&[u8]; 9] = [b"11", b"13", b"14", b"15", b"16", b"18", b"19", b"20", b"21"];

/// A string sequence's text without what ends it.
fn text(body: &[u8]) -> &[u8] {
    body.strip_suffix(b"\x07").or_else(|| body.strip_suffix(b"\x1b\\")).unwrap_or(body)
}

fn known(sequence: &[u8]) -> Option<Query> {
    match sequence {
        [_, b'Z'] | [_, b'[', b'c'] | [_, b'[', b'0', b'c'] => Some(Query::Attributes),
        [_, b'[', b'>', b'c'] | [_, b'[', b'>', b'0', b'c'] => Some(Query::Version),
        [_, b'[', b'5', b'n'] => Some(Query::Status),
        [_, b'[', b'6', b'n'] => Some(Query::Cursor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(text: &str) -> (String, Vec<Query>) {
        let (passed, found) = Filter::default().pass(text.as_bytes());
        (String::from_utf8(passed).expect("text"), found)
    }

    #[test]
    fn questions_are_taken_out_and_nothing_else() {
        for question in [
            "\x1b[c",
            "\x1b[0c",
            "\x1b[>c",
            "\x1b[=c",
            "\x1b[5n",
            "\x1b[6n",
            "\x1b[?6n",
            "\x1b[?2026$p",
            "\x1b[>q",
            "\x1b[>0q",
            "\x1b[?u",
            "\x1b[18t",
            "\x1b]11;?\x07",
            "\x1b]4;1;?\x1b\\",
            "\x1bP+q544e\x1b\\",
            "\x1bZ",
            "\x05",
        ] {
            assert_eq!(pass(&format!("a{question}b")).0, "ab", "{question:?}");
        }
        for other in [
            "\x1b[31m",
            "\x1b[2 q",
            "\x1b[>1u",
            "\x1b[22;0t",
            "\x1b]0;what?now\x07",
            "\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\",
            "\x1b[?25l",
            "\x1b(B",
            "\x1b7",
            "\x1b[1;1H",
            "\x1b[>4;2m",
            "\x1b[\x18",
            "\x1b[>2n",
        ] {
            assert_eq!(pass(&format!("a{other}b")).0, format!("a{other}b"), "{other:?}");
        }
        assert_eq!(
            pass("\x1b[c\x1b[6n\x1b[5n\x1b[>c").1,
            [Query::Attributes, Query::Cursor, Query::Status, Query::Version]
        );
        assert_eq!(Query::Cursor.answer((4, 9)), b"\x1b[5;10R");
    }

    #[test]
    fn however_it_is_cut_the_same_passes() {
        let output = "a\x1b[6nb\x1b]11;?\x1b\\c\x1b[1mbold\x1b]0;title\x07 \x1bP$qm\x1b\\ end\x1b[".as_bytes();
        let (whole, questions) = Filter::default().pass(output);
        for size in 1..output.len() {
            let mut filter = Filter::default();
            let (mut passed, mut found) = (Vec::new(), Vec::new());
            for piece in output.chunks(size) {
                let (bytes, queries) = filter.pass(piece);
                passed.extend(bytes);
                found.extend(queries);
            }
            assert_eq!((&passed, &found), (&whole, &questions), "in pieces of {size}");
        }
    }

    #[test]
    fn what_never_ends_passes() {
        let mut filter = Filter::default();
        let mut passed = 0;
        for _ in 0..100 {
            passed += filter.pass(b"\x1b]52;c;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").0.len();
            passed += filter.pass(&[b'a'; 1000]).0.len();
            assert!(filter.partial.len() < LONGEST);
        }
        assert!(passed > 100_000);
    }
}
