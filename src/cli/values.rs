//! Values of options: what people type, made into what is meant. Each error completes clap's sentence about the value.

use crate::config;
use crate::files;
use crate::keys::Key;
use crate::sys::tty::Size;
use regex_lite::Regex;
use std::time::Duration;

/// A number of seconds, or a time as in `2m`; a day at most.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let spelt = || text.parse::<jiff::SignedDuration>().ok().map(|time| time.as_secs_f64());
    let seconds = text.parse().ok().or_else(spelt);
    let seconds = seconds.ok_or_else(|| "it is no time; say 90, 1.5 or 2m".to_owned())?;
    // NaN is in no range; more than a day is a slip.
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("it is more than a day, or less than nothing".to_owned())
    }
}

/// `24x80`: rows and columns.
pub(super) fn size(text: &str) -> Result<Size, String> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| (1..=MOST_CELLS).contains(number));
    let parts = text.split_once(['x', 'X', '×']).and_then(|(rows, columns)| Some((number(rows)?, number(columns)?)));
    let (rows, columns) = parts.ok_or_else(|| "it is not of the form ROWSxCOLUMNS, as in 24x80".to_owned())?;
    Ok(Size { rows, columns, ..Size::default() })
}

/// Rows, and columns, that a terminal may be given: ten times those of a large one; what is kept of its screen grows
/// with their product.
const MOST_CELLS: u16 = 1000;

/// `dev=npm run dev`: an alias and its command line.
pub(super) fn alias(text: &str) -> Result<(String, String), String> {
    let (name, command) = text.split_once('=').ok_or("it is not of the form NAME=COMMAND")?;
    config::alias(name, command)
}

/// A name that can be shown and typed.
pub(super) fn name(text: &str) -> Result<String, String> {
    match files::name(text) {
        Some(name) if name == text => Ok(name),
        Some(_) => Err("it is too long, or has something in it that cannot be shown".to_owned()),
        None => Err("it has nothing in it that can be shown".to_owned()),
    }
}

/// The name of a key.
pub(super) fn key(name: &str) -> Result<String, String> {
    let known = Key::named(name).map(|_| name.to_owned());
    known.ok_or_else(|| "it is no key; try enter, up, f5, ctrl-c, alt-x or a character".to_owned())
}

/// What can be waited for.
#[derive(Debug, Clone)]
pub enum Awaited {
    /// It is ready.
    Ready,
    /// It answers.
    Healthy,
    /// It has ended.
    Exit,
    /// It has printed a line that matches.
    Log(Regex),
}

pub(super) fn awaited(text: &str) -> Result<Awaited, String> {
    match text {
        "ready" => Ok(Awaited::Ready),
        "healthy" => Ok(Awaited::Healthy),
        "exit" => Ok(Awaited::Exit),
        _ => match text.strip_prefix("log=") {
            Some(pattern) => Regex::new(pattern).map(Awaited::Log).map_err(|error| error.to_string()),
            None => Err("it must be ready, healthy, exit, or log= and a regular expression".to_owned()),
        },
    }
}
