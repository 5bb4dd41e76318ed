//! For people: a line each, aligned, and coloured where that is wanted.

pub use super::details::show;
use super::{Shown, visible};
use crate::registry::health::Status;
use std::io::IsTerminal as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A command is cut to the terminal's width; before it is cut below this, other columns go.
const SHORTEST_COMMAND: usize = 16;
/// What there is of it in any case.
const LEAST: usize = 4;
/// What is not said, because it is as it should be.
const HEALTHY: &str = "healthy";
/// A name is cut to so much on a terminal: one that is longer would push all else away.
const LONGEST_NAME: usize = 32;
/// Between two columns.
const GAP: &str = "  ";

const BOLD: &str = "1";
/// Of what is beside the matter, as [`painted`] takes it.
pub const DIM: &str = "2";
const YELLOW: &str = "33";
const RED: &str = "31";
const CYAN: &str = "36";

/// What the text is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Whether a person is looking.
    pub terminal: bool,
    /// Whether colours are wanted.
    pub colour: bool,
    /// Its columns, where they are known.
    pub width: Option<usize>,
}

impl Screen {
    /// Our standard output, with the environment's wishes.
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let size = || rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0);
        let width = if terminal { size().map(|size| usize::from(size.ws_col)) } else { None };
        Self { terminal, colour: wants_colour(terminal, |name| std::env::var(name).ok()), width }
    }
}

/// `NO_COLOR` before `CLICOLOR_FORCE` before what the terminal can; a variable that is empty is not set.
fn wants_colour(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    terminal && set("TERM").is_none_or(|term| term != "dumb")
}

/// A line for each: when it was started (on a terminal: how long ago), name@port, the command, the URL, its short id, and
/// its status where that is not `healthy`. On a terminal a last line tells of the `hidden` ones.
pub fn list(instances: &[Shown], hidden: usize, screen: Screen, now_ms: u64) -> String {
    let mut rows: Vec<Row> = instances.iter().map(Row::new).collect();
    if screen.terminal {
        for (row, shown) in rows.iter_mut().zip(instances) {
            row.started = shown.started_ago(now_ms);
            row.name = cut(&row.name, LONGEST_NAME);
        }
    }
    let widest = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).width()).max().unwrap_or(0);
    let (mut started, name, mut url) = (widest(|row| &row.started), widest(|row| &row.name), widest(|row| &row.url));
    let (id, status, longest) = (widest(|row| &row.id), widest(|row| &row.status), widest(|row| &row.command));
    let others = |started: usize, url: usize| -> usize {
        [started, name, url, id, status].iter().filter(|&&width| width > 0).map(|width| width + GAP.len()).sum()
    };
    // In a narrow terminal first the URL goes, whose port stands behind the name, and then the age.
    let is_narrow =
        |started, url| screen.width.is_some_and(|width| others(started, url) + longest.min(SHORTEST_COMMAND) > width);
    if is_narrow(started, url) {
        url = 0;
    }
    if is_narrow(started, url) {
        started = 0;
    }
    let room = screen.width.map_or(usize::MAX, |width| width.saturating_sub(others(started, url)).max(LEAST));
    let command = longest.min(room);

    let mut text = String::new();
    for row in &rows {
        let cells = [
            (&row.started, started, DIM),
            (&row.name, name, BOLD),
            (&cut(&row.command, room), command, ""),
            (&row.url, url, CYAN),
            (&row.id, id, DIM),
            (&row.status, status, row.colour),
        ];
        let mut line = String::new();
        for (content, width, colour) in cells.into_iter().filter(|(_, width, _)| *width > 0) {
            if !line.is_empty() {
                line.push_str(GAP);
            }
            line.push_str(&painted(content, colour, screen.colour));
            line.push_str(&" ".repeat(width.saturating_sub(content.width())));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(line) = last_line(instances.len(), hidden).filter(|_| screen.terminal) {
        text.push_str(&painted(&line, DIM, screen.colour));
        text.push('\n');
    }
    text
}

fn last_line(shown: usize, hidden: usize) -> Option<String> {
    match (shown, hidden) {
        (0, 0) => Some("nothing is running; `wrap COMMAND` starts something".to_owned()),
        (_, 0) => None,
        (_, 1) => Some("1 more is not healthy; `wrap list --all` shows it".to_owned()),
        (_, more) => Some(format!("{more} more are not healthy; `wrap list --all` shows them")),
    }
}

struct Row {
    started: String,
    name: String,
    command: String,
    url: String,
    id: String,
    status: String,
    colour: &'static str,
}

impl Row {
    fn new(shown: &Shown) -> Self {
        let entry = &shown.entry;
        let name = visible(&entry.project_name);
        Self {
            started: shown.started(),
            name: entry.port.map_or_else(|| name.clone(), |port| format!("{name}@{port}")),
            command: visible(&entry.command),
            url: visible(entry.url.as_deref().unwrap_or_default()),
            id: entry.short_id().to_owned(),
            status: Some(shown.status_text()).filter(|text| text != HEALTHY).unwrap_or_default(),
            colour: match shown.status {
                Status::Stopped => DIM,
                Status::Healthy | Status::Starting | Status::Stopping | Status::Restarting | Status::Unknown => YELLOW,
                Status::Unresponsive | Status::Orphaned | Status::Dead => RED,
            },
        }
    }
}

/// The text in a colour (the number of an SGR), where that is wanted.
pub fn painted(text: &str, colour: &str, wanted: bool) -> String {
    if wanted && !colour.is_empty() && !text.is_empty() {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The text in so many columns, the last of them `…` where it is longer.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= columns
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::super::tests::{shown, stopped};
    use super::*;

    /// Ten minutes after those of the tests were started.
    const NOW: u64 = 1_767_323_045_678 + 600_000;
    const PIPE: Screen = Screen { terminal: false, colour: false, width: None };

    #[test]
    fn columns_are_aligned_by_what_they_take_on_the_screen() {
        let mut ill = shown("日本", "cargo run", None);
        ill.status = Status::Unresponsive;
        let text = list(&[shown("web", "npm run dev\n", Some(3000)), ill], 1, PIPE, NOW);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with("  web@3000  npm run dev\\n  http://localhost:3000/  abc123"), "{text}");
        assert!(lines[1].contains("  日本      cargo run      "), "{text}");
        assert!(lines[1].ends_with("  abc123  unresponsive") && !text.contains('\x1b'), "{text}");
        assert_eq!(list(&[], 0, PIPE, NOW), "");
    }

    #[test]
    fn a_terminal_gets_colours_a_cut_command_and_a_word_about_the_rest() {
        let screen = Screen { terminal: true, colour: false, width: Some(80) };
        let instance = shown("web", &"long ".repeat(50), Some(3000));
        let text = list(std::slice::from_ref(&instance), 2, screen, NOW);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].width(), 80, "{text}");
        assert!(lines[0].starts_with("10 min ago  web@3000"), "{text}");
        assert!(lines[0].contains("long …  http") || lines[0].contains("…  http"), "{text}");
        assert_eq!(lines[1], "2 more are not healthy; `wrap list --all` shows them");
        let text = list(&[instance], 0, Screen { colour: true, ..screen }, NOW);
        assert!(text.contains("\x1b[1mweb@3000\x1b[0m") && text.lines().count() == 1, "{text:?}");
        assert!(list(&[], 0, screen, NOW).starts_with("nothing is running"));
    }

    #[test]
    fn a_narrow_terminal_loses_the_url_and_then_the_age() {
        let one = [stopped("web", Some(1))];
        let at = |width| list(&one, 0, Screen { terminal: true, colour: false, width: Some(width) }, NOW);
        let line = |rest: &str| format!("{rest}web@3000  npm run dev  abc123  stopped, exit 1 after 2 m 5 s\n");
        assert!(at(100).contains("http://localhost:3000/"), "{}", at(100));
        assert_eq!(at(80), line("10 min ago  "));
        assert_eq!(at(65), line(""));
        assert_eq!(at(54).trim_end().width(), 54, "{}", at(54));
    }

    #[test]
    fn the_ended_have_their_end_in_the_last_column() {
        let mut stale = shown("web", "npm run dev", Some(3000));
        stale.changed = vec!["/p/package.json#dev".into()];
        let text = list(&[stale, stopped("web", Some(1))], 0, PIPE, NOW);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("  abc123  healthy, restart needed"), "{text}");
        assert!(lines[1].ends_with("  abc123  stopped, exit 1 after 2 m 5 s"), "{text}");
    }

    #[test]
    fn a_wide_character_is_not_cut_in_half() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }

    #[test]
    fn colours_follow_the_environment() {
        let colour = |terminal, set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            wants_colour(terminal, variable)
        };
        assert!(colour(true, &[]) && colour(true, &[("NO_COLOR", "")]) && colour(true, &[("TERM", "xterm")]));
        assert!(!colour(false, &[]) && !colour(true, &[("TERM", "dumb")]) && !colour(true, &[("NO_COLOR", "1")]));
        assert!(colour(false, &[("CLICOLOR_FORCE", "1")]) && !colour(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!colour(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }
}
