//! When a handler of a hook is called, and what a call is about.

use super::lines::PATTERN_BYTES;
use super::text::visible;
use super::values::{kind, seconds};
use super::{Event, LONGEST};
use mlua::{LuaString, Value};
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value as Json;
use std::path::PathBuf;
use std::time::Duration;

/// When a function is called, and how long it may take where the file says so.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    /// At this event.
    pub event: Event,
    /// `None`: as long as every other.
    pub limit: Option<Duration>,
    /// What is looked for in a line; of a line handler only.
    pub pattern: Option<Regex>,
}

/// What a call is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// What has happened.
    pub event: Event,
    /// The instance's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it runs: what a hook's relative paths are seen from.
    pub cwd: PathBuf,
    /// The project's directory.
    pub root: String,
    /// Whether the command has a terminal that one can type into.
    pub has_terminal: bool,
}

impl About {
    /// Of the instance as the hooks see it.
    pub fn new(event: Event, instance: &Json) -> Self {
        let text = |key: &str| instance[key].as_str().unwrap_or_default().to_owned();
        let (id, name, cwd, root) = (text("instanceId"), text("projectName"), text("cwd"), text("projectRoot"));
        Self { event, id, name, cwd: cwd.into(), root, has_terminal: instance["mode"] == "terminal" }
    }
}

impl Handler {
    /// Of the options of `wrap.on`: how long it may take, where that is not [`super::TIME_LIMIT`], and what lines it is
    /// about.
    pub fn read(event: Event, options: &Value) -> Result<Self, String> {
        let mut handler = Self { event, limit: None, pattern: None };
        let pairs = match options {
            Value::Nil => None,
            Value::Table(table) => Some(table.pairs::<Value, Value>()),
            other => return Err(format!("the options of `wrap.on` are a table, not {}", kind(other))),
        };
        for pair in pairs.into_iter().flatten() {
            let Ok((name, value)) = pair else { break };
            match &*name.as_string().map(LuaString::to_string_lossy).unwrap_or_default() {
                "timeout" => {
                    let fits = seconds(&value).filter(|wanted| *wanted <= LONGEST);
                    let why = || format!("`timeout` is a number of seconds, {} at most", LONGEST.as_secs());
                    handler.limit = Some(fits.ok_or_else(why)?);
                }
                "pattern" if event == Event::Line => {
                    let pattern = value.as_string().ok_or("`pattern` is a regular expression, as a text")?;
                    let pattern = pattern.to_string_lossy();
                    let broken = |error| format!("`pattern`: `{}`: {error}", visible(&pattern));
                    let built = RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES).build();
                    handler.pattern = Some(built.map_err(broken)?);
                }
                "pattern" => return Err("`pattern` is an option of `line` handlers only".into()),
                name => {
                    let name = visible(name);
                    return Err(format!("`wrap.on` has no option `{name}`: there are `timeout` and `pattern`"));
                }
            }
        }
        if event == Event::Line && handler.pattern.is_none() {
            return Err("a `line` handler needs a pattern: `wrap.on(\"line\", {pattern = \"ERROR\"}, …)`".into());
        }
        Ok(handler)
    }
}
