//! A line that was written over, as progress bars and spinners do, as it last stood.

use super::escapes::{Part, parts};
use super::{RESET, ends_link, is_colour, is_link, is_reset};
use std::borrow::Cow;
use unicode_width::UnicodeWidthChar as _;

/// How far to the right a sequence moves the cursor: no terminal is wider, and it must not make a line of gigabytes.
const COLUMNS: usize = 1000;

/// The longest sequence of colours that is kept for one character; programs that never reset add up otherwise.
const COLOURS: usize = 128;

/// The distance of tab stops.
const TAB: usize = 8;

/// The line after all its carriage returns, backspaces, erasures and movements within it, with its colours and links.
/// One without them is returned as it is, but for carriage returns at its end.
pub fn overwritten(line: &[u8]) -> Cow<'_, [u8]> {
    let end = line.iter().rposition(|&byte| byte != b'\r').map_or(0, |at| at + 1);
    let line = &line[..end];
    let text = String::from_utf8_lossy(line);
    let moves = memchr::memchr2(b'\r', 8, line).is_some()
        || (memchr::memchr(0x1b, line).is_some() || text.contains('\u{9b}')) && parts(&text).any(moves);
    if !moves {
        return Cow::Borrowed(line);
    }
    let mut screen = Row::default();
    for part in parts(&text) {
        screen.take(part);
    }
    Cow::Owned(screen.text().into_bytes())
}

fn moves(part: Part<'_>) -> bool {
    matches!(part, Part::Csi(_, 'C' | 'D' | 'G' | 'K' | 'P' | 'X' | '`'))
}

/// One column of the line.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// What stands there; `None` where the character before it reaches here.
    char: Option<char>,
    /// Where its combining marks are in [`Row::marks`], from 1; 0 where it has none.
    marks: u32,
    /// Its colours and link, by their places in [`Row::colours`] and [`Row::links`].
    colour: u32,
    link: u32,
}

const BLANK: Cell = Cell { char: Some(' '), marks: 0, colour: 0, link: 0 };
/// Behind the last: without colour and link.
const END: Cell = Cell { char: None, ..BLANK };

/// The line as a terminal without an end to the right would have it.
#[derive(Debug)]
struct Row<'a> {
    cells: Vec<Cell>,
    column: usize,
    marks: Vec<String>,
    /// What makes the colours of a cell after a reset; the last is in force, and the first is none.
    colours: Vec<String>,
    links: Vec<&'a str>,
}

impl Default for Row<'_> {
    fn default() -> Self {
        Self { cells: Vec::new(), column: 0, marks: Vec::new(), colours: vec![String::new()], links: vec![""] }
    }
}

impl<'a> Row<'a> {
    fn take(&mut self, part: Part<'a>) {
        match part {
            Part::Char('\r') => self.column = 0,
            Part::Char('\x08') => self.column = self.column.saturating_sub(1),
            Part::Char('\t') => self.tab(),
            Part::Char(char) => match char.width() {
                None => {}
                Some(0) => self.mark(char),
                Some(width) => self.put(char, width),
            },
            Part::Csi(parameters, 'm') if is_colour(parameters) => self.colour(parameters),
            Part::Csi(parameters, last) => self.motion(parameters, last),
            Part::Osc(text) if is_link(text) => self.links.push(if ends_link(text) { "" } else { text }),
            _ => {}
        }
    }

    fn motion(&mut self, parameters: &str, last: char) {
        let number = parameters.parse::<usize>().ok();
        let count = number.unwrap_or(1).max(1);
        match last {
            'G' | '`' => self.column = (count - 1).min(COLUMNS),
            'C' => self.column = self.column.max(self.column.saturating_add(count).min(COLUMNS)),
            'D' => self.column = self.column.saturating_sub(count),
            'K' => match number.unwrap_or(0) {
                0 => self.cut(self.column),
                1 => self.blank(0, self.column + 1),
                2 => self.cells.clear(),
                _ => {}
            },
            'X' => self.blank(self.column, self.column.saturating_add(count)),
            'P' => {
                let end = self.column.saturating_add(count).min(self.cells.len());
                if self.column < end {
                    self.blank(self.column, end);
                    self.cells.drain(self.column..end);
                }
            }
            _ => {}
        }
    }

    fn colour(&mut self, parameters: &str) {
        let sequence = format!("\x1b[{parameters}m");
        let before = self.colours.last().map_or("", String::as_str);
        let now = if is_reset(parameters) {
            String::new()
        } else if parameters.starts_with("0;") || before.len() + sequence.len() > COLOURS {
            sequence
        } else {
            before.to_owned() + &sequence
        };
        self.colours.push(now);
    }

    fn put(&mut self, char: char, width: usize) {
        self.reach(self.column);
        let end = self.column + width;
        self.blank(self.column, end);
        let (colour, link) = (self.colours.len() as u32 - 1, self.links.len() as u32 - 1);
        let cell = Cell { char: Some(char), marks: 0, colour, link };
        for at in self.column..end {
            let cell = if at == self.column { cell } else { Cell { char: None, ..cell } };
            match self.cells.get_mut(at) {
                Some(there) => *there = cell,
                None => self.cells.push(cell),
            }
        }
        self.column = end;
    }

    /// A tab passes over what stands there; at the end of the line it stays one.
    fn tab(&mut self) {
        let next = (self.column / TAB + 1) * TAB;
        if self.column < self.cells.len() {
            self.column = next;
        } else {
            self.put('\t', next - self.column);
        }
    }

    /// A mark, or a joiner of an emoji, belongs to the character before it.
    fn mark(&mut self, mark: char) {
        let before = self.column.min(self.cells.len());
        let Some(cell) = self.cells[..before].iter_mut().rfind(|cell| cell.char.is_some()) else { return };
        if cell.marks == 0 {
            self.marks.push(String::new());
            cell.marks = self.marks.len() as u32;
        }
        if let Some(marks) = self.marks.get_mut(cell.marks as usize - 1) {
            marks.push(mark);
        }
    }

    /// Fills up with blanks to this column.
    fn reach(&mut self, column: usize) {
        if self.cells.len() < column {
            self.cells.resize(column, BLANK);
        }
    }

    fn cut(&mut self, column: usize) {
        if column < self.cells.len() {
            self.blank(column, column + 1);
            self.cells.truncate(column);
        }
    }

    /// Blanks the columns, and all of a wide character that is half in them.
    fn blank(&mut self, start: usize, end: usize) {
        let end = end.min(self.cells.len());
        if start >= end {
            return;
        }
        let first = self.cells[..=start].iter().rposition(|cell| cell.char.is_some()).unwrap_or(start);
        let last =
            self.cells[end..].iter().position(|cell| cell.char.is_some()).map_or(self.cells.len(), |at| end + at);
        self.cells[first..last].fill(BLANK);
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(self.cells.len());
        let (mut colour, mut link) = ("", "");
        for cell in self.cells.iter().filter(|cell| cell.char.is_some()).chain([&END]) {
            let (colour_now, link_now) = (self.colours[cell.colour as usize].as_str(), self.links[cell.link as usize]);
            if link_now != link {
                text.extend(["\x1b]", if link_now.is_empty() { "8;;" } else { link_now }, "\x1b\\"]);
            }
            if colour_now != colour {
                text.extend([if colour.is_empty() { "" } else { RESET }, colour_now]);
            }
            (colour, link) = (colour_now, link_now);
            text.extend(cell.char);
            if cell.marks > 0 {
                text.push_str(&self.marks[cell.marks as usize - 1]);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        String::from_utf8(overwritten(line.as_bytes()).into_owned()).expect("UTF-8")
    }

    #[test]
    fn a_progress_bar_is_shown_as_it_last_stood() {
        for (line, last) in [
            ("1%\r50%\r100%", "100%"),
            ("100%\rok", "ok0%"),
            ("100%\r\x1b[Kok", "ok"),
            ("loading\x1b[2K\x1b[1Gdone", "done"),
            ("abc\x08\x08X", "aXc"),
            ("abc\rX\x1b[K", "X"),
            ("abc\r\x1b[2CX", "abX"),
            ("abc\x1b[1K\rX", "X  "),
            ("abcdef\r\x1b[2P", "cdef"),
            ("abcdef\r\x1b[2X", "  cdef"),
            ("done\r", "done"),
            ("done\r\r", "done"),
            ("a\tb\rX", "X\tb"),
            ("\rab\tc", "ab\tc"),
            ("日本語\r月", "月本語"),
            ("日本語\rx", "x 本語"),
            ("\x08e\u{301}x", "e\u{301}x"),
            ("\r👩\u{200d}💻 ok", "👩\u{200d}💻 ok"),
        ] {
            assert_eq!(shown(line), last, "{line:?}");
        }
    }

    #[test]
    fn colours_and_links_stay_with_their_characters() {
        assert_eq!(shown("\x1b[31mabc\x1b[0m\rX"), "X\x1b[31mbc\x1b[0m");
        assert_eq!(shown("\x1b[1m\x1b[31ma\rb"), "\x1b[1m\x1b[31mb\x1b[0m");
        assert_eq!(shown("\r\x1b]8;;u\x07a\x1b]8;;\x07b"), "\x1b]8;;u\x1b\\a\x1b]8;;\x1b\\b");
        let line = "\x1b[31mno movement\x1b]0;title\x07";
        assert!(matches!(overwritten(line.as_bytes()), Cow::Borrowed(same) if same == line.as_bytes()));
    }

    #[test]
    fn a_far_cursor_makes_no_long_line() {
        assert_eq!(shown("\x1b[99999999999Ca").len(), COLUMNS + 1);
        assert!(shown("\x1b[999999999Ca\x1b[999999999Gb").len() < 2 * COLUMNS);
        assert!(shown("a\x1b[4000000000X\x1b[4000000000P\rb").starts_with('b'));
    }
}
