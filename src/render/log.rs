//! Lines of a log: for people, for pipes, for programs.

use crate::log::Line;
use crate::log::lines::{overwritten, plain, safe};
use crate::wire::Stream;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::Write as _;

/// How the text of a line is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The bytes as they were.
    Raw,
    /// As a terminal may have it: text, colours and links.
    Coloured,
    /// The text alone.
    Plain,
    /// An object with the time, the stream and the text alone.
    Json,
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    stream: &'static str,
    line: &'a str,
}

/// Adds a line to `text`, behind its local time where there is a zone. With [`Form::Raw`] it ends in a newline only if
/// that was printed.
pub fn push(text: &mut Vec<u8>, line: &Line, form: Form, zone: Option<&TimeZone>) {
    if let Some(zone) = zone {
        let time = line.time.to_zoned(zone.clone());
        // Writing to memory cannot fail.
        let _ = write!(text, "{} ", time.strftime("%Y-%m-%d %H:%M:%S%.3f"));
    }
    match form {
        Form::Raw => text.extend_from_slice(&line.text),
        Form::Coloured => text.extend_from_slice(safe(&overwritten(&line.text)).as_bytes()),
        Form::Plain => text.extend_from_slice(plain(&overwritten(&line.text)).as_bytes()),
        Form::Json => {
            let stream = match line.stream {
                Stream::Out => "out",
                Stream::Err => "err",
            };
            let object = Object { time: line.time.to_string(), stream, line: &plain(&overwritten(&line.text)) };
            let _ = serde_json::to_writer(&mut *text, &object);
        }
    }
    if line.complete || form != Form::Raw {
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_of_a_line_what_it_is_for() {
        let mut line = Line {
            time: "2026-11-21T15:33:10.123456789Z".parse().expect("a time"),
            stream: Stream::Err,
            text: b"1%\r\x1b[31m\"done\"\x1b[2J".to_vec(),
            complete: true,
        };
        let shown = |line: &Line, form, zone: Option<&TimeZone>| {
            let mut text = Vec::new();
            push(&mut text, line, form, zone);
            String::from_utf8(text).expect("UTF-8")
        };
        assert_eq!(shown(&line, Form::Raw, None), "1%\r\x1b[31m\"done\"\x1b[2J\n");
        assert_eq!(shown(&line, Form::Coloured, None), "\x1b[31m\"done\"\x1b[0m\n");
        assert_eq!(shown(&line, Form::Plain, Some(&TimeZone::UTC)), "2026-11-21 15:33:10.123 \"done\"\n");
        let json = r#"{"time":"2026-11-21T15:33:10.123456789Z","stream":"err","line":"\"done\""}"#;
        assert_eq!(shown(&line, Form::Json, None), format!("{json}\n"));
        line.complete = false;
        assert!(shown(&line, Form::Raw, None).ends_with('J'));
        assert!(shown(&line, Form::Plain, None).ends_with('\n'));
    }
}
