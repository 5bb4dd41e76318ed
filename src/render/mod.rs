//! Instances as text: for people, for logs, for documents, for programs.

pub mod human;
pub mod json;
pub mod logfmt;
pub mod markdown;

use crate::registry::entry::Entry;
use crate::registry::health::Status;
use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write as _;

/// One instance to be shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What is registered of it.
    pub entry: Entry,
    /// How it fares.
    pub status: Status,
}

impl Shown {
    /// When it was started, in the local zone; what the entry says, where that is no time.
    fn started(&self) -> String {
        match self.entry.start_time.parse::<Timestamp>() {
            Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Err(_) => visible(&self.entry.start_time),
        }
    }

    /// Milliseconds since the start; 0 where that is unknown or in the future.
    fn uptime(&self, now_ms: u64) -> u64 {
        let started =
            self.entry.start_time.parse::<Timestamp>().map_or(now_ms, |time| time.as_millisecond().max(0) as u64);
        now_ms.saturating_sub(started)
    }
}

/// Text of others made harmless for a terminal: control characters, and marks that are invisible or turn the
/// direction of writing, are shown as escapes. They come from file names, manifests and command lines.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
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

/// Whether a terminal or a reader would see something else than is written.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Zero width space and the direction marks; U+200C and U+200D stay: scripts and emoji need them.
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}'
            // Line and paragraph separator, embeddings and overrides, isolates.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Tags: a whole invisible alphabet.
            | '\u{e0000}'..='\u{e007f}')
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
        Shown { entry, status: Status::Healthy }
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
