//! A line of terminal output taken apart: characters, and what ECMA-48 and xterm say to the terminal between them.

/// One part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A character, control characters included.
    Char(char),
    /// `ESC [ parameters final`, without intermediate bytes.
    Csi(&'a str, char),
    /// `ESC ] text` and its end, which is there.
    Osc(&'a str),
    /// Any other escape sequence, or one that is broken or has no end.
    Other,
}

const BEL: char = '\x07';
const CAN: char = '\x18';
const SUB: char = '\x1a';
const ESC: char = '\x1b';

/// Takes a text apart. Never fails: what is no sequence is dropped as one.
pub(super) struct Parts<'a> {
    rest: &'a str,
}

pub(super) fn parts(text: &str) -> Parts<'_> {
    Parts { rest: text }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let first = self.take()?;
        // The eight-bit forms (U+0080 to U+009F) mean the same as ESC and the letter 64 below; terminals know them.
        let introducer = match first {
            ESC => match self.peek() {
                Some(next @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => {
                    self.take();
                    next
                }
                Some(_) => return Some(self.short()),
                None => return Some(Part::Other),
            },
            '\u{9b}' => '[',
            '\u{9d}' => ']',
            '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => 'P',
            other => return Some(Part::Char(other)),
        };
        Some(match introducer {
            '[' => self.csi(),
            ']' => self.string().map_or(Part::Other, Part::Osc),
            _ => {
                self.string();
                Part::Other
            }
        })
    }
}

impl<'a> Parts<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let first = chars.next()?;
        self.rest = chars.as_str();
        Some(first)
    }

    /// Takes what is in this range.
    fn run(&mut self, range: std::ops::RangeInclusive<char>) -> &'a str {
        let end = self.rest.find(|next| !range.contains(&next)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    /// What follows ESC where it introduces neither parameters nor a string: `ESC ( B`, `ESC 7`.
    fn short(&mut self) -> Part<'a> {
        self.run(' '..='/');
        self.run_one('0'..='~');
        Part::Other
    }

    /// Parameters, intermediates and the final character. One that is no part of it ends it and stands for itself.
    fn csi(&mut self) -> Part<'a> {
        let parameters = self.run('0'..='?');
        let intermediates = self.run(' '..='/');
        match self.run_one('@'..='~') {
            Some(last) if intermediates.is_empty() => Part::Csi(parameters, last),
            _ => Part::Other,
        }
    }

    fn run_one(&mut self, range: std::ops::RangeInclusive<char>) -> Option<char> {
        self.peek().filter(|next| range.contains(next)).inspect(|_| {
            self.take();
        })
    }

    /// A text up to its end: BEL or ST. `None` where it was broken off, or is not ended in this line.
    fn string(&mut self) -> Option<&'a str> {
        let is_end = |next: char| matches!(next, BEL | CAN | SUB | ESC | '\u{9c}');
        let Some(end) = self.rest.find(is_end) else {
            self.rest = "";
            return None;
        };
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if let Some(rest) = rest.strip_prefix("\x1b\\") {
            self.rest = rest;
            return Some(text);
        }
        match self.peek() {
            // Another sequence begins.
            Some(ESC) | None => None,
            Some(end) => {
                self.take();
                matches!(end, BEL | '\u{9c}').then_some(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line =
            "a\x1b[1;31mb\x1b]8;;u\x1b\\c\x1b]0;t\x07\x1bPq\x1b\\\x1b(B\x1b7\x1b[?25l\x1b[ q\u{9b}2Kd\x1b[1\u{7}\x1b";
        let expected = [
            Part::Char('a'),
            Part::Csi("1;31", 'm'),
            Part::Char('b'),
            Part::Osc("8;;u"),
            Part::Char('c'),
            Part::Osc("0;t"),
            Part::Other,
            Part::Other,
            Part::Other,
            Part::Csi("?25", 'l'),
            Part::Other,
            Part::Csi("2", 'K'),
            Part::Char('d'),
            Part::Other,
            Part::Char('\x07'),
            Part::Other,
        ];
        assert_eq!(parts(line).collect::<Vec<_>>(), expected);
        assert_eq!(parts("\x1b]0;no end").collect::<Vec<_>>(), [Part::Other]);
        assert_eq!(parts("\x1b]0;a\x1b[mb").collect::<Vec<_>>(), [Part::Other, Part::Csi("", 'm'), Part::Char('b')]);
    }
}
