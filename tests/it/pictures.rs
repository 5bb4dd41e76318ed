//! The README's pictures, from real runs: `docs/pictures/make` writes them. Otherwise it is only tried whether they could
//! be made.

use crate::harness::{Browser, Center, Sandbox, Terminal};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use vt100::Color;

/// Of each of the two terminals.
const ROWS: u16 = 13;
const COLUMNS: u16 = 80;

/// A cell, in pixels: that of a monospaced font of 14 pixels.
const CELL: (f32, f32) = (8.4, 19.0);

/// Around a terminal, and above it, where its title is.
const MARGIN: f32 = 12.0;
const TITLE: f32 = 26.0;

/// How long a picture stays, in seconds: what was typed, what came of it, and the last one.
const TYPED: f32 = 1.0;
const CAME: f32 = 2.2;
const LAST: f32 = 4.0;

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d8dce4";

/// The first sixteen colours.
const PALETTE: [&str; 16] = [
    "#3b4048", "#e5616b", "#8fc56e", "#e2bd6f", "#63a9ec", "#c27be0", "#53b8c4", "#c8ccd4", "#6b7280", "#f07d86",
    "#a5d986", "#f0d08c", "#83bff5", "#d59aed", "#74d0db", "#ffffff",
];

fn write(name: &str, bytes: &[u8]) {
    if std::env::var_os("WRAP_BLESS").is_some() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
        fs::write(dir.join(name), bytes).expect("written");
    }
}

/// A project called `shop`, with the server of the fixtures.
fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    let manifest = fs::read_to_string(sandbox.project().join("package.json")).expect("the manifest");
    sandbox.write("project/package.json", manifest.replace("fixture-app", "shop"));
    sandbox
}

#[test]
fn two_terminals() {
    let sandbox = shop();
    let open = || {
        let terminal = sandbox.run("bash", ["--norc", "--noprofile", "-i"]).size(ROWS, COLUMNS).terminal();
        terminal.wait_prompt();
        terminal.line("alias dev='wrap npm run dev'; PS1='$ '; clear");
        terminal.wait_shown("a clear screen", |screen| screen.trim_end() == "$");
        terminal
    };
    let mut film = Film { terminals: [open(), open()], frames: Vec::new() };
    film.take(TYPED);
    film.type_line(0, "dev", "http://localhost:");
    film.type_line(1, "wrap list", "shop@");
    film.type_line(1, "wrap restart shop", "ready at");
    film.type_line(1, "wrap stop shop", "stopped `shop`");
    film.type_line(1, "wrap list --all", "stopped, ");
    let svg = film.svg();
    for expected in ["FIXTURE", "restarted", "wrap list"] {
        assert!(svg.contains(&expected.replace(' ', "\u{a0}")), "{expected}");
    }
    assert!(svg.len() < 150_000, "{}", svg.len());
    write("terminal.svg", svg.as_bytes());
    for terminal in &film.terminals {
        terminal.send("exit\r");
        terminal.wait_end();
    }
    sandbox.stop_all();
}

#[test]
fn the_control_center() {
    let sandbox = shop();
    let _center = Center::start(&sandbox);
    sandbox.wrap(["-d", "--wait", "npm", "run", "dev"]).piped().expect_code(0);
    sandbox.wrap(["-d", "--wait", "-n", "api", "python3", "-m", "http.server", "--bind", "127.0.0.1", "0"]).piped();
    sandbox.wrap(["-d", "-n", "worker", "sh", "-c", "echo waiting for jobs; exec sleep 1000"]).piped();
    let Some(browser) = Browser::start(&sandbox, 1200, 280) else { return sandbox.stop_all() };
    let link = sandbox.wrap(["ui", "--print"]).piped().expect_code(0).out();
    browser.open(link.trim());
    browser.wait("three cards", "return document.querySelectorAll('#list:not([hidden]) .name').length === 3");
    let used =
        "return [...document.querySelectorAll('.memory')].filter(cell => /MiB/.test(cell.textContent)).length === 3";
    browser.wait("what they use", used);
    browser.wait("no more news", "return document.getElementById('toasts').textContent === ''");
    let picture = browser.screenshot();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{}", picture.len());
    write("center.png", &picture);
    sandbox.stop_all();
}

/// What two terminals showed, one moment after another.
struct Film {
    terminals: [Terminal; 2],
    frames: Vec<Frame>,
}

struct Frame {
    screens: [vt100::Parser; 2],
    seconds: f32,
}

impl Film {
    fn take(&mut self, seconds: f32) {
        let screens = [0, 1].map(|which| parsed(&self.terminals[which]));
        self.frames.push(Frame { screens, seconds });
    }

    /// A line, and what comes of it.
    #[track_caller]
    fn type_line(&mut self, which: usize, line: &str, expected: &str) {
        self.terminals[which].send(line);
        self.terminals[which].wait_shown(line, |screen| screen.trim_end().ends_with(line));
        self.take(TYPED);
        self.terminals[which].send("\r");
        let shown = |screen: &str| {
            let behind = screen.rsplit(line).next().unwrap_or_default().to_owned();
            behind.contains(expected) && (which == 0 || behind.trim_end().ends_with('$'))
        };
        self.terminals[which].wait_shown(expected, shown);
        self.take(CAME);
    }

    fn svg(&self) -> String {
        let inner = (f32::from(COLUMNS) * CELL.0, f32::from(ROWS) * CELL.1);
        let height = inner.1 + TITLE + MARGIN;
        let size = (inner.0 + 2.0 * MARGIN, 2.0 * height + MARGIN);
        let mut frames = String::new();
        let mut moments = String::new();
        let last = self.frames.len() - 1;
        let whole: f32 = self.frames.iter().map(|frame| frame.seconds).sum::<f32>() + LAST;
        let mut begins = 0.0;
        for (at, frame) in self.frames.iter().enumerate() {
            let ends = if at == last { whole } else { begins + frame.seconds };
            let (from, to) = (100.0 * begins / whole, 100.0 * ends / whole);
            let _ = writeln!(
                moments,
                "@keyframes f{at}{{0%{{opacity:{}}}{from:.2}%{{opacity:1}}{to:.2}%{{opacity:{}}}}}\n\
                 .f{at}{{opacity:{};animation:f{at} {whole:.1}s step-end infinite}}",
                u8::from(at == 0),
                u8::from(at == last),
                u8::from(at == last),
            );
            begins = ends;
            let _ = writeln!(frames, "<g class=\"f{at}\">");
            for (which, screen) in [0.0, 1.0].into_iter().zip(&frame.screens) {
                let top = which * (height + MARGIN) + TITLE;
                frames.push_str(&rows(screen.screen(), top));
            }
            frames.push_str("</g>\n");
        }
        let window = |which: f32, title: &str| {
            let top = which * (height + MARGIN);
            format!(
                "<rect y=\"{top}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
                 <text x=\"{MARGIN}\" y=\"{:.1}\" fill=\"{}\">{title}</text>\n",
                size.0,
                top + TITLE - 9.0,
                PALETTE[8],
            )
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.1} {:.1}\" width=\"{:.0}\" \
             font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\" \
             xml:space=\"preserve\">\n<style>\n{moments}\
             @media (prefers-reduced-motion: reduce){{g{{animation:none!important}}}}\n</style>\n{}{}{frames}</svg>\n",
            size.0,
            size.1,
            size.0,
            window(0.0, "one terminal"),
            window(1.0, "any other"),
        )
    }
}

fn parsed(terminal: &Terminal) -> vt100::Parser {
    let number = |number| std::num::NonZeroU16::new(number).expect("a size");
    let mut parser = vt100::Parser::new(number(ROWS), number(COLUMNS), 0);
    parser.process(&terminal.output());
    parser
}

/// Its rows as text, each stretch of one look by itself.
fn rows(screen: &vt100::Screen, top: f32) -> String {
    let mut text = String::new();
    for row in 0..ROWS {
        let mut column = 0;
        while column < COLUMNS {
            let (begin, mut stretch) = (column, String::new());
            let look = screen.cell(row, column).map(look).unwrap_or_default();
            while let Some(cell) = screen.cell(row, column).filter(|cell| self::look(cell) == look) {
                stretch.push_str(if cell.has_contents() { cell.contents() } else { " " });
                column += 1;
            }
            let trimmed = stretch.trim();
            if trimmed.is_empty() {
                continue;
            }
            let ahead = u16::try_from(stretch.len() - stretch.trim_start().len()).expect("a row's width");
            let behind = u16::try_from(stretch.len() - stretch.trim_end().len()).expect("a row's width");
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\"{look}>{}</text>",
                MARGIN + f32::from(begin + ahead) * CELL.0,
                top + f32::from(row + 1) * CELL.1 - 5.0,
                f32::from(column - behind - begin - ahead) * CELL.0,
                // Browsers make one space of several, but of these.
                trimmed.replace('&', "&amp;").replace('<', "&lt;").replace(' ', "\u{a0}"),
            );
        }
    }
    text
}

/// The attributes of a stretch of text.
fn look(cell: &vt100::Cell) -> String {
    let colour = match cell.fgcolor() {
        Color::Idx(index) => PALETTE.get(usize::from(index)).copied().unwrap_or(FOREGROUND),
        _ => FOREGROUND,
    };
    let mut look = format!(" fill=\"{colour}\"");
    if cell.bold() {
        look.push_str(" font-weight=\"bold\"");
    }
    if cell.dim() {
        look.push_str(" opacity=\"0.6\"");
    }
    look
}
