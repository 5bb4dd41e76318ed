//! Instances as text: for people, for logs, for documents, for programs.

pub mod announcement;
pub mod columns;
mod details;
pub mod human;
pub mod json;
pub mod log;
pub mod logfmt;
pub mod markdown;

use crate::files::is_hidden;
use crate::registry::entry::{Entry, State};
use crate::registry::health::Status;
use crate::registry::history::{End, Past, since_start};
use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write as _;

/// One instance to be shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What is registered of it.
    pub entry: Entry,
    /// How it fares.
    pub status: Status,
    /// What the command was configured by and differs now: it needs a restart to follow.
    pub changed: Vec<String>,
    /// How it ended; `None` for one that is registered.
    pub end: Option<End>,
}

impl From<Past> for Shown {
    fn from(past: Past) -> Self {
        Self { entry: past.entry, status: Status::Stopped, changed: Vec::new(), end: Some(past.end) }
    }
}

impl Shown {
    /// One that is registered.
    pub fn live(entry: Entry, status: Status, changed: Vec<String>) -> Self {
        Self { entry, status, changed, end: None }
    }

    /// Its status in words, with what a person should know beside it.
    fn status_text(&self) -> String {
        if let Some(end) = &self.end {
            let duration = duration(end.duration);
            return format!("{}, {} after {duration}", self.status, visible(&how(end)));
        }
        let not_ready = self.entry.ready == Some(false) && self.entry.state == State::Running;
        let mut text =
            if not_ready && self.status == Status::Healthy { "not ready".to_owned() } else { self.status.to_string() };
        if !self.changed.is_empty() {
            text.push_str(", restart needed");
        }
        text
    }

    /// When the run that there is was started, in the local zone; what the entry says, where that is no time.
    fn started(&self) -> String {
        let restarted = self.entry.child_pid_start_time.filter(|_| self.entry.run_id > 1);
        let restarted = restarted.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
        restarted.map_or_else(|| local(&self.entry.start_time), |time| local(&time.to_string()))
    }

    /// How long ago that is, for a glance.
    fn started_ago(&self, now_ms: u64) -> String {
        let minutes = since_start(&self.entry, now_ms).as_secs() / 60;
        match (minutes / (24 * 60), minutes / 60) {
            (0, 0) if minutes == 0 => "just now".to_owned(),
            (0, 0) => format!("{minutes} min ago"),
            (0, hours) => format!("{hours} h ago"),
            (days, _) => format!("{days} d ago"),
        }
    }

    /// Milliseconds that it has run; 0 where its start is unknown or in the future.
    fn uptime(&self, now_ms: u64) -> u64 {
        match &self.end {
            Some(end) => end.duration,
            None => since_start(&self.entry, now_ms).as_millis() as u64,
        }
    }
}

/// A time of RFC 3339 in the local zone; the text as it is, where that is no time.
fn local(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => visible(time),
    }
}

/// How a run ended, in a word or two.
fn how(end: &End) -> String {
    match (end.exit_code, &end.signal) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => signal.clone(),
        (None, None) => "lost".to_owned(),
    }
}

/// How a run ended and after what time, as a sentence without its subject.
pub fn ended(end: &End) -> String {
    let duration = duration(end.duration);
    match (end.exit_code, &end.signal) {
        (Some(code), _) => format!("exited with {code} after {duration}"),
        (None, Some(signal)) => format!("killed by {} after {duration}", visible(signal)),
        (None, None) => format!("ended after {duration}, and nobody saw how"),
    }
}

/// Milliseconds as people say them, in the two largest units.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 => format!("{milliseconds} ms"),
        (0, 0, 0) if seconds < 10 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} m {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} m", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Text of others made harmless for a terminal: control characters, and marks that are invisible or turn the
/// direction of writing, are shown as escapes. They come from file names, manifests and command lines.
pub fn visible(text: &str) -> String {
    escaped(text, is_hidden)
}

/// The same of a text that may have several lines.
pub fn visible_lines(text: &str) -> String {
    escaped(text, |character| is_hidden(character) && !matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Adds a character as JSON and logfmt escape it: `\u` and four digits for each unit of UTF-16.
fn push_escaped(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;

    pub(crate) fn shown(name: &str, command: &str, port: Option<u16>) -> Shown {
        let entry = Entry {
            instance_id: "01990000-0000-7000-8000-000000abc123".into(),
            project_name: name.into(),
            command: command.into(),
            port,
            url: port.map(|port| format!("http://localhost:{port}/")),
            start_time: "2026-01-02T03:04:05.678Z".into(),
            auth_key: "secret".into(),
            ..entry(42)
        };
        Shown::live(entry, Status::Healthy, Vec::new())
    }

    /// The same, ended.
    pub(crate) fn stopped(name: &str, exit_code: Option<i32>) -> Shown {
        let end = End {
            exit_code,
            end_time: "2026-01-02T03:06:10.678Z".into(),
            duration: 125_000,
            lost: exit_code.is_none(),
            ..End::default()
        };
        Past { end, entry: shown(name, "npm run dev", Some(3000)).entry }.into()
    }

    #[test]
    fn an_age_is_for_a_glance() {
        const START: u64 = 1_767_323_045_678;
        let one = shown("web", "x", None);
        for (seconds, expected) in
            [(0, "just now"), (59, "just now"), (60, "1 min ago"), (7199, "1 h ago"), (200_000, "2 d ago")]
        {
            assert_eq!(one.started_ago(START + seconds * 1000), expected);
        }
        assert_eq!(one.started_ago(0), "just now", "a clock that was set back");
    }

    #[test]
    fn a_status_says_what_a_person_should_know() {
        assert_eq!(stopped("web", Some(1)).status_text(), "stopped, exit 1 after 2 m 5 s");
        assert_eq!(stopped("web", None).status_text(), "stopped, lost after 2 m 5 s");
        let mut one = shown("web", "x", None);
        one.changed = vec!["wrap.toml".into()];
        assert_eq!(one.status_text(), "healthy, restart needed");
        one.entry.ready = Some(false);
        one.entry.state = State::Starting;
        assert_eq!(one.status_text(), "healthy, restart needed");
        one.entry.state = State::Running;
        assert_eq!(one.status_text(), "not ready, restart needed");
        let killed = End { signal: Some("SIGTERM\u{1b}".into()), ..End::default() };
        assert_eq!(ended(&killed), "killed by SIGTERM\\u{1b} after 0 ms");
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (350, "350 ms"),
            (1000, "1.0 s"),
            (9999, "9.9 s"),
            (10_000, "10 s"),
            (125_000, "2 m 5 s"),
            (3_600_000, "1 h 0 m"),
            (90_000_000, "1 d 1 h"),
            (u64::MAX, "213503982334 d 14 h"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
    }

    #[test]
    fn nothing_hidden_is_executed_and_other_scripts_stay() {
        assert_eq!(visible("a\u{1b}[2J\n\u{9b}1m\u{7f}"), "a\\u{1b}[2J\\n\\u{9b}1m\\u{7f}");
        assert_eq!(visible("\u{202e}evil\u{2066}\u{200f}"), "\\u{202e}evil\\u{2066}\\u{200f}");
        assert_eq!(visible("日本 👩‍💻 naïve עברית"), "日本 👩‍💻 naïve עברית");
    }

    #[test]
    fn uptime_counts_from_the_start_and_never_below_zero() {
        let mut shown = shown("web", "x", None);
        assert_eq!(shown.uptime(1_767_323_045_678 + 5), 5);
        assert_eq!(shown.uptime(1), 0);
        shown.entry.start_time = "yesterday\u{1b}".into();
        assert_eq!((shown.uptime(1), shown.started()), (0, "yesterday\\u{1b}".into()));
    }
}
