//! What a hook can use: the global `wrap`, and the `instance` that a handler gets.

use super::files::Library;
use super::lines::PATTERN_BYTES;
use super::programs::{Jobs, seconds};
use super::sandbox::Halt;
use super::text::{LINES_PER_CALL, one_line, visible};
use super::{Changes, Event, Host, LONGEST, Verdict, abilities, actions, modules};
use crate::files;
use mlua::{Function, Lua, LuaString, Table, Value};
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Notifications in one call: more of them are not read.
pub(super) const NOTIFICATIONS: usize = 5;

/// Handlers that one file may register: each may use up the whole limit.
const HANDLERS: usize = 32;

/// Bytes of one variable: Linux refuses an exec with a longer `NAME=value` (`MAX_ARG_STRLEN`, its end included).
const VARIABLE_BYTES: usize = (128 << 10) - "=\0".len();

/// Bytes of all the changes: a fraction of the 2 MiB that an exec usually takes, because the command must run.
const CHANGES_BYTES: usize = 256 << 10;

/// Takes a line of output.
pub(super) type Print = Box<dyn Fn(String)>;

/// What a function of ours gives back to the prelude: nothing, or the error that it raises in the hook's own
/// place. An error of mlua's would carry a traceback on the heap, where no limit counts it.
type Answer = Result<(), String>;

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

/// What the functions share with the worker: what is being done, and what came of it.
pub(super) struct Stage {
    /// The handlers, in the order of `wrap.on`.
    pub handlers: Vec<(Handler, Function)>,
    /// What is being handled; `None` while the file is loaded.
    pub about: Option<Rc<About>>,
    /// The environment's changes, while a start hook runs.
    pub env: Option<Changes>,
    /// The message of `wrap.refuse`.
    pub refused: Option<String>,
    /// The name that `wrap.rename` gave.
    pub name: Option<String>,
    /// Lines printed in this call.
    pub lines: usize,
    /// Notifications in this call.
    notified: usize,
    /// What was started and runs.
    pub jobs: Jobs,
    /// The process that the hook runs in.
    pub host: Host,
    print: Print,
}

impl Stage {
    /// Before the file is loaded.
    pub fn new(print: Print, host: Host) -> Rc<RefCell<Self>> {
        let (handlers, jobs) = (Vec::new(), Jobs::default());
        let (about, env, refused, name) = (None, None, None, None);
        Rc::new(RefCell::new(Self { handlers, about, env, refused, name, lines: 0, notified: 0, jobs, host, print }))
    }

    /// Begins a call.
    pub fn begin(&mut self, about: About, env: Changes) {
        self.env = (about.event == Event::Start).then_some(env);
        self.about = Some(Rc::new(about));
        (self.refused, self.name, self.lines, self.notified) = (None, None, 0, 0);
        self.jobs.forget_ended();
    }

    /// Counts one more.
    pub fn may_notify(&mut self) -> bool {
        self.notified += 1;
        self.notified <= NOTIFICATIONS
    }

    fn is_start(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.event == Event::Start)
    }

    /// `wrap.on`.
    fn on(&mut self, event: &Value, options: Value, handler: Value) -> Answer {
        // The options may be left out.
        let (options, handler) =
            if let Value::Function(_) = options { (Value::Nil, options) } else { (options, handler) };
        let (Some(event), Value::Function(handler)) = (event.as_string(), handler) else {
            return Err("`wrap.on` takes the name of an event and a function".into());
        };
        let event = event.to_string_lossy().parse()?;
        let handler_of = Handler::read(event, &options)?;
        if self.about.is_some() {
            return Err("`wrap.on` has no effect within a handler: call it at the top of the file".into());
        }
        if self.handlers.len() == HANDLERS {
            return Err(format!("more than {HANDLERS} handlers: use a second file"));
        }
        self.handlers.push((handler_of, handler));
        Ok(())
    }

    /// `wrap.refuse`.
    fn refuse(&mut self, message: &Value, halt: &Halt) -> Answer {
        if !self.is_start() {
            return Err("`wrap.refuse` works in a start hook only".into());
        }
        let message = message.as_string().ok_or("`wrap.refuse` takes a message")?;
        self.refused = Some(one_line(&message.to_string_lossy()));
        halt.now();
        Ok(())
    }

    /// `wrap.rename`.
    fn rename(&mut self, name: &Value) -> Answer {
        if !self.is_start() {
            return Err("`wrap.rename` works in a start hook only".into());
        }
        let name = name.as_string().and_then(|name| files::name(&name.to_string_lossy()));
        self.name = Some(name.ok_or("`wrap.rename` takes a name that can be shown")?);
        Ok(())
    }

    /// `print` and `wrap.log`.
    fn print(&mut self, text: &[u8]) {
        for line in String::from_utf8_lossy(text).trim_end_matches('\n').split('\n') {
            self.lines += 1;
            match self.lines.cmp(&(LINES_PER_CALL + 1)) {
                Ordering::Less => (self.print)(visible(line)),
                Ordering::Equal => {
                    (self.print)(format!("printed more than {LINES_PER_CALL} lines: the rest is dropped"));
                }
                Ordering::Greater => break,
            }
        }
    }

    /// A read of `instance.env`.
    pub fn read(&self, name: &str) -> Option<OsString> {
        match self.env.as_ref().and_then(|env| env.get(name)) {
            Some(changed) => changed.as_ref().map(OsString::from),
            None => std::env::var_os(name),
        }
    }

    /// An assignment to a field of `instance.env`.
    fn write(&mut self, name: &Value, value: &Value) -> Answer {
        let name = name.as_string().and_then(|name| name.to_str().ok()).map(|name| name.to_owned());
        let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['=', '\0'])) else {
            return Err("`instance.env`: this cannot name a variable".into());
        };
        let shown = visible(&name);
        let value = match value {
            Value::Boolean(false) => None,
            Value::String(text) => match text.to_str() {
                Ok(text) if text.contains('\0') => {
                    return Err(format!("`instance.env.{shown}`: a value cannot hold a zero byte"));
                }
                Ok(text) => Some(text.to_owned()),
                Err(_) => return Err(format!("`instance.env.{shown}`: a value must be UTF-8")),
            },
            other => {
                let kind = kind(other);
                return Err(format!("`instance.env.{shown}` is to be a string, or false to remove it, not {kind}"));
            }
        };
        let env = self.env.as_mut().ok_or("`instance.env` can be set while a start hook runs only")?;
        let size = |name: &str, value: &Option<String>| name.len() + value.as_ref().map_or(0, String::len);
        let others = env.iter().filter(|(other, _)| **other != name);
        let total = others.map(|(name, value)| size(name, value)).sum::<usize>() + size(&name, &value);
        if size(&name, &value) > VARIABLE_BYTES || total > CHANGES_BYTES {
            return Err(format!("`instance.env.{shown}`: too much for an environment: write it to a file"));
        }
        env.insert(name, value);
        Ok(())
    }
}

/// What the prelude makes the global `wrap`, `print` and `instance.env` of.
pub(super) fn host(
    lua: &Lua,
    stage: &Rc<RefCell<Stage>>,
    halt: Halt,
    library: Library,
    options: &Json,
) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    host.set("options", copy(lua, options)?)?;
    let program = std::env::current_exe().unwrap_or_default();
    host.set("program", lua.create_string(program.as_os_str().as_bytes())?)?;
    let left = halt.clone();
    let shared = stage.clone();
    let on = move |_: &Lua, (event, options, handler)| Ok(shared.borrow_mut().on(&event, options, handler).err());
    host.set("on", lua.create_function(on)?)?;
    let shared = stage.clone();
    let refuse = move |_: &Lua, message| Ok(shared.borrow_mut().refuse(&message, &halt).err());
    host.set("refuse", lua.create_function(refuse)?)?;
    let shared = stage.clone();
    let print = move |_: &Lua, text: LuaString| {
        shared.borrow_mut().print(&text.as_bytes());
        Ok(())
    };
    host.set("print", lua.create_function(print)?)?;
    let shared = stage.clone();
    let read = move |lua: &Lua, name: Value| {
        let value = name.as_string().and_then(|name| shared.borrow().read(&name.to_string_lossy()));
        value.map(|value| lua.create_string(value.as_bytes())).transpose()
    };
    host.set("read", lua.create_function(read)?)?;
    let shared = stage.clone();
    let write = move |_: &Lua, (name, value)| Ok(shared.borrow_mut().write(&name, &value).err());
    host.set("write", lua.create_function(write)?)?;
    let shared = stage.clone();
    let rename = move |_: &Lua, name: Value| Ok(shared.borrow_mut().rename(&name).err());
    host.set("rename", lua.create_function(rename)?)?;
    abilities::add(lua, &host, stage, &left)?;
    actions::add(lua, &host, stage, &left)?;
    modules::add(lua, &host, library)?;
    Ok(host)
}

impl Handler {
    /// Of the options of `wrap.on`: how long it may take, where that is not [`super::TIME_LIMIT`], and what lines it is
    /// about.
    fn read(event: Event, options: &Value) -> Result<Self, String> {
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

/// The `instance` of one call: a read-only copy of the entry. For a start hook it has `env`, and `cmdArgs` is a list that
/// the hook may change.
pub(super) fn instance(lua: &Lua, entry: &Json, env: Option<&Table>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (key, value) in entry.as_object().into_iter().flatten() {
        // Not shown to anybody, whatever the caller passed.
        if key != "authKey" {
            table.raw_set(key.as_str(), copy(lua, value)?)?;
        }
    }
    if let Some(env) = env {
        table.raw_set("env", env)?;
        if let Value::Table(words) = table.raw_get(ARGS)? {
            words.set_readonly(false);
        }
    }
    table.set_readonly(true);
    Ok(table)
}

/// The words of the command, as a start hook has left them. `None` where they are what they were.
pub(super) fn changed_args(instance: &Table, before: &Json) -> Result<Option<Vec<String>>, String> {
    let Ok(Value::Table(list)) = instance.raw_get(ARGS) else { return Ok(None) };
    let wrong = |at: usize, why: &str| Err(format!("`instance.cmdArgs[{at}]` {why}"));
    let mut words = Vec::new();
    let mut bytes = 0;
    for at in 1..=list.raw_len() {
        let word: Value = list.raw_get(at).map_err(|error| error.to_string())?;
        let text = word.as_string().and_then(|word| word.to_str().ok()).map(|word| word.to_owned());
        let Some(word) = text else { return wrong(at, &format!("is to be a text in UTF-8, not {}", kind(&word))) };
        bytes += word.len();
        if word.contains('\0') {
            return wrong(at, "cannot hold a zero byte");
        }
        if bytes > CHANGES_BYTES {
            return wrong(at, "is too much for a command line: write it to a file");
        }
        words.push(word);
    }
    if words.first().is_none_or(String::is_empty) {
        return Err("`instance.cmdArgs` has no program any more: its first word is what runs".into());
    }
    let before = before[ARGS].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_same = before.len() == words.len() && before.iter().zip(&words).all(|(old, new)| old == new);
    Ok((!is_same).then_some(words))
}

/// The field with the words of the command.
const ARGS: &str = "cmdArgs";

/// A JSON value in Lua; null is nil, tables are read-only.
pub(super) fn copy(lua: &Lua, value: &Json) -> mlua::Result<Value> {
    Ok(match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(list) => {
            let table = lua.create_table()?;
            for value in list {
                table.raw_push(copy(lua, value)?)?;
            }
            table.set_readonly(true);
            Value::Table(table)
        }
        Json::Object(_) => Value::Table(instance(lua, value, None)?),
    })
}

/// What a stale hook returned.
pub(super) fn verdict(value: Option<&Value>) -> Result<Option<Verdict>, String> {
    let word = match value {
        None | Some(Value::Nil) => return Ok(None),
        Some(Value::String(word)) => word.to_string_lossy(),
        Some(other) => kind(other).to_owned(),
    };
    match &*word {
        "remove" => Ok(Some(Verdict::Remove)),
        "keep" => Ok(Some(Verdict::Keep)),
        "kill" => Ok(Some(Verdict::Kill)),
        word => Err(format!("returned `{}`: a stale hook returns `remove`, `keep`, `kill` or nothing", visible(word))),
    }
}

/// A number; mlua tells whole ones from others.
pub(super) fn number(value: &Value) -> Option<f64> {
    let whole = || value.as_integer().and_then(|whole| i32::try_from(whole).ok()).map(f64::from);
    value.as_f64().or_else(whole)
}

/// The type's name as Lua says it; mlua tells whole numbers from others.
pub(super) fn kind(value: &Value) -> &'static str {
    if value.is_integer() { "number" } else { value.type_name() }
}
