//! The command's screen as it is now, for whoever comes later. Nothing is parsed until somebody asks, or until more
//! waits than may: a parser is slower than a terminal, and most runs are never looked at.

use super::screen_modes::ScreenModes;
use crate::sys::tty::Size;
use memchr::{memchr, memchr_iter};
use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vt100::{Cell, Color, Parser};

/// Output that may wait to be parsed. Parsed in one go it takes 2 ms, a fifteenth of what an attach may take.
const WAITING: usize = 128 * 1024;

/// Of waiting text that scrolls, so much is kept: more lines than most terminals have.
const KEPT: usize = 32 * 1024;

/// What comes first where something was left out: its colour may have been set before.
const PLAIN: &[u8] = b"\x1b[m";

/// The screen.
pub struct Screen {
    size: Size,
    waiting: Vec<u8>,
    /// There is more than lines of text in what waits: nothing of it may be left out.
    moved: bool,
    /// As far as it was parsed.
    parser: Option<Parser>,
}

impl Screen {
    /// An empty one.
    pub fn new(size: Size) -> Self {
        Self { size, waiting: Vec::new(), moved: false, parser: None }
    }

    /// Takes a piece of output; `moved` says that there is more in it than text and colours.
    pub fn feed(&mut self, bytes: &[u8], moved: bool) {
        self.moved |= moved;
        // Of a flood most is not even put down.
        if let Some(shown) = self.shown_of(bytes) {
            self.waiting.clear();
            self.waiting.extend_from_slice(PLAIN);
            self.waiting.extend_from_slice(shown);
            return;
        }
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() <= WAITING {
            return;
        }
        match self.shown_of(&self.waiting).map(<[u8]>::len) {
            Some(count) => {
                let from = self.waiting.len() - count;
                self.waiting.drain(..from);
                self.waiting.splice(..0, PLAIN.iter().copied());
            }
            None => self.parse(),
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, size: Size) {
        if size == self.size {
            return;
        }
        if !self.waiting.is_empty() {
            // It was written for the size before.
            self.parse();
        }
        self.size = size;
        if self.parser.is_some() {
            let (rows, columns) = dimensions(size);
            self.guarded(|parser| parser.set_size(rows, columns));
        }
    }

    /// Where the cursor is: row and column, from 0.
    pub fn cursor(&mut self) -> (u16, u16) {
        self.parsed().screen().cursor_position()
    }

    /// What it shows, as lines of text.
    pub fn text(&mut self) -> String {
        let mut text = self.parsed().screen().contents();
        text.push('\n');
        text
    }

    /// The same with colours.
    pub fn ansi(&mut self) -> String {
        let mut text = self.parsed().screen().contents_formatted_basic();
        text.truncate(text.trim_end_matches('\n').len());
        text.push_str("\x1b[m\n");
        text
    }

    /// The same as a `pre` element of HTML.
    pub fn html(&mut self) -> String {
        let screen = self.parsed().screen();
        let (rows, columns) = screen.size();
        let row = |row: u16| {
            let cells: Vec<&Cell> = (0..columns.get()).filter_map(|column| screen.cell(row, column)).collect();
            let used = cells.iter().rposition(|cell| is_visible(cell)).map_or(0, |last| last + 1);
            let mut html = String::new();
            push_row(&mut html, &cells[..used]);
            html
        };
        let text = (0..rows.get()).map(row).collect::<Vec<_>>().join("\n");
        format!("<pre class=\"screen\">{}\n</pre>\n", text.trim_end_matches('\n'))
    }

    /// What makes another terminal of `rows` lines show the same, with the same modes. Its own content is scrolled up
    /// before it, unless the alternate screen is shown.
    pub fn replay(&mut self, modes: &ScreenModes, rows: u16) -> Vec<u8> {
        let screen = self.parsed().screen();
        let mut replay = b"\x1b[m".to_vec();
        if modes.is_alternate() {
            replay.extend_from_slice(b"\x1b[?1049h");
        } else {
            replay.extend(std::iter::repeat_n(b'\n', usize::from(rows)));
        }
        replay.extend_from_slice(b"\x1b[H\x1b[J");
        replay.extend_from_slice(screen.contents_formatted().as_bytes());
        replay.extend_from_slice(&modes.redo());
        // A scroll region puts the cursor home.
        replay.extend_from_slice(screen.cursor_state_formatted().as_bytes());
        replay.extend_from_slice(screen.attributes_formatted().as_bytes());
        replay
    }

    /// Everything parsed.
    fn parsed(&mut self) -> &Parser {
        self.parse();
        self.guarded(|_| {});
        // `guarded` leaves one behind, whatever happens.
        self.parser.get_or_insert_with(|| empty(self.size))
    }

    fn parse(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.moved = false;
        self.guarded(|parser| parser.process(&waiting));
    }

    /// Works on the parser. One that panics on what a program has written is replaced by an empty one: the screen is
    /// drawn anew sooner or later, and the run does not depend on it.
    fn guarded(&mut self, work: impl FnOnce(&mut Parser)) {
        let mut parser = self.parser.take().unwrap_or_else(|| empty(self.size));
        let done = catch_unwind(AssertUnwindSafe(|| {
            work(&mut parser);
            parser
        }));
        self.parser = Some(done.unwrap_or_else(|_| empty(self.size)));
    }

    /// What of these bytes can still be seen where all before it has scrolled away: lines of text that push each other up,
    /// and enough of them. `None` where that is not so.
    fn shown_of<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.moved || bytes.len() < KEPT {
            return None;
        }
        let is_alternate = self.parser.as_ref().is_some_and(|parser| parser.screen().alternate_screen());
        let last = &bytes[bytes.len() - KEPT..];
        let is_enough = || memchr_iter(b'\n', last).nth(2 * usize::from(self.size.rows)).is_some();
        if is_alternate || !is_enough() { None } else { memchr(b'\n', last).map(|end| &last[end..]) }
    }
}

fn empty(size: Size) -> Parser {
    let (rows, columns) = dimensions(size);
    Parser::new(rows, columns, 0)
}

/// Rows, and columns, that are drawn: ten times those of a large terminal. What a screen takes grows with their product.
const MOST: u16 = 1000;

/// A terminal that has no size (0 × 0, as some CI systems give) is drawn for the usual one.
fn dimensions(size: Size) -> (NonZeroU16, NonZeroU16) {
    let usual = Size::default();
    let of =
        |own: u16, usual: u16| NonZeroU16::new(own.min(MOST)).or(NonZeroU16::new(usual)).unwrap_or(NonZeroU16::MIN);
    (of(size.rows, usual.rows), of(size.columns, usual.columns))
}

fn is_visible(cell: &Cell) -> bool {
    cell.has_contents() && cell.contents() != " "
        || cell.bgcolor() != Color::Default
        || cell.inverse()
        || cell.underline()
}

fn push_row(html: &mut String, cells: &[&Cell]) {
    for run in cells.chunk_by(|a, b| style(a) == style(b)) {
        let style = style(run[0]);
        if !style.is_empty() {
            let _ = write!(html, "<span style=\"{style}\">");
        }
        for cell in run.iter().filter(|cell| !cell.is_wide_continuation()) {
            let text = if cell.has_contents() { cell.contents() } else { " " };
            for character in text.chars() {
                match character {
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '&' => html.push_str("&amp;"),
                    other => html.push(other),
                }
            }
        }
        if !style.is_empty() {
            html.push_str("</span>");
        }
    }
}

fn style(cell: &Cell) -> String {
    let (mut foreground, mut background) = (css(cell.fgcolor()), css(cell.bgcolor()));
    if cell.inverse() {
        (foreground, background) =
            (background.or_else(|| Some("Canvas".to_owned())), foreground.or_else(|| Some("CanvasText".to_owned())));
    }
    let mut style = String::new();
    if let Some(colour) = foreground {
        let _ = write!(style, "color:{colour};");
    }
    if let Some(colour) = background {
        let _ = write!(style, "background:{colour};");
    }
    for (is_set, rule) in [
        (cell.bold(), "font-weight:bold;"),
        (cell.dim(), "opacity:.6;"),
        (cell.italic(), "font-style:italic;"),
        (cell.underline(), "text-decoration:underline;"),
    ] {
        if is_set {
            style.push_str(rule);
        }
    }
    style
}

/// The first sixteen colours as xterm has them.
const NAMED: [&str; 16] = [
    "#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5", "#7f7f7f", "#ff0000",
    "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff",
];

/// A colour for CSS; `None` for the terminal's own.
fn css(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
        Color::Idx(index) => Some(match index {
            0..16 => NAMED[usize::from(index)].to_owned(),
            // The cube of 6 × 6 × 6: each of its steps is 40 but for the first, of 95.
            16..232 => {
                let step = |level: u8| if level == 0 { 0 } else { 55 + 40 * level };
                let cube = index - 16;
                format!("#{:02x}{:02x}{:02x}", step(cube / 36), step(cube / 6 % 6), step(cube % 6))
            }
            232.. => {
                let grey = 8 + 10 * (index - 232);
                format!("#{grey:02x}{grey:02x}{grey:02x}")
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(output: &str) -> Screen {
        let mut screen = Screen::new(Size { rows: 4, columns: 20, ..Size::default() });
        screen.feed(output.as_bytes(), true);
        screen
    }

    /// What a terminal shows after these bytes.
    fn shown(bytes: &[u8]) -> (String, (u16, u16), bool) {
        let mut parser = Parser::new(NonZeroU16::new(4).expect("4"), NonZeroU16::new(20).expect("20"), 0);
        parser.process(bytes);
        let screen = parser.screen();
        (screen.contents(), screen.cursor_position(), screen.alternate_screen())
    }

    #[test]
    fn it_is_shown_as_text_colours_and_html() {
        let mut screen = screen("one\r\n\x1b[31mr<d\x1b[0m\r\n\r\n\x1b[7mx\x1b[m");
        assert_eq!(screen.text(), "one\nr<d\n\nx\n");
        assert_eq!(screen.ansi(), "one\n\x1b[31mr<d\n\n\x1b[39;7mx\x1b[m\n");
        assert_eq!(
            screen.html(),
            "<pre class=\"screen\">one\n<span style=\"color:#cd0000;\">r&lt;d</span>\n\n\
             <span style=\"color:Canvas;background:CanvasText;\">x</span>\n</pre>\n"
        );
        assert_eq!(screen.cursor(), (3, 1));
    }

    #[test]
    fn another_terminal_shows_the_same_with_the_same_modes() {
        for output in
            ["one\r\ntwo\r\nthree\r\nfour\r\nfive", "\x1b[?1049h\x1b[2;3Hin\x1b[2;3r\x1b[?25l\x1b[4;5H\x1b[32m"]
        {
            let mut modes = ScreenModes::default();
            modes.look(output.as_bytes());
            let replay = screen(output).replay(&modes, 4);
            assert_eq!(shown(&replay), shown(output.as_bytes()), "{output:?}");
            let mut replayed = ScreenModes::default();
            replayed.look(&replay);
            assert_eq!(replayed.undo(), modes.undo(), "{output:?}");
        }
    }

    #[test]
    fn a_flood_of_lines_waits_within_bounds_and_shows_its_end() {
        let mut screen = Screen::new(Size { rows: 3, ..Size::default() });
        for number in 0..200_000 {
            screen.feed(format!("\x1b[3{}mline {number}\x1b[0m\r\n", number % 8).as_bytes(), false);
            assert!(screen.waiting.len() <= WAITING + 64);
        }
        assert!(screen.parser.is_none(), "nothing was parsed");
        assert_eq!(screen.text(), "line 199998\nline 199999\n");
    }

    #[test]
    fn what_moves_the_cursor_is_never_left_out() {
        let mut screen = Screen::new(Size { rows: 3, ..Size::default() });
        screen.feed(b"\x1b[1;1Htop", true);
        for _ in 0..10_000 {
            screen.feed(b"\x1b[3;1Hprogress progress progress\n\x1b[A", true);
        }
        assert!(screen.waiting.len() <= WAITING);
        assert!(screen.parser.is_some());
    }

    #[test]
    fn a_size_of_nothing_is_the_usual_one_and_any_bytes_are_survived() {
        let mut screen = Screen::new(Size { rows: 0, columns: 0, width: 0, height: 0 });
        screen.feed(b"x", false);
        assert_eq!(screen.text(), "x\n");
        screen.resize(Size { rows: 1, columns: 1, width: 0, height: 0 });
        screen.feed("\x1b[999999999999;9999999Hé日本\x1b[99999999@\x1b[1;99999r\x1b[?1049h".as_bytes(), true);
        screen.resize(Size { rows: 50, columns: 200, width: 0, height: 0 });
        screen.text();
    }
}
