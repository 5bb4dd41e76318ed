//! What a hook can use: the global `wrap`, and the `instance` that a handler gets.

use super::sandbox::Halt;
use super::text::{LINES_PER_CALL, one_line, visible};
use super::{Changes, Event, LONGEST, Verdict, abilities};
use mlua::{Function, Lua, LuaString, Table, Value};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handler {
    /// At this event.
    pub event: Event,
    /// `None`: as long as every other.
    pub limit: Option<Duration>,
}

/// What the functions share with the worker: what is being done, and what came of it.
pub(super) struct Stage {
    /// The handlers, in the order of `wrap.on`.
    pub handlers: Vec<(Handler, Function)>,
    /// The event that is being handled; `None` while the file is loaded.
    pub event: Option<Event>,
    /// The environment's changes, while a start hook runs.
    pub env: Option<Changes>,
    /// The message of `wrap.refuse`.
    pub refused: Option<String>,
    /// Lines printed in this call.
    pub lines: usize,
    /// Where the instance of this call runs: what a hook's relative paths are seen from.
    pub cwd: Option<PathBuf>,
    print: Print,
}

impl Stage {
    /// Before the file is loaded.
    pub fn new(print: Print) -> Rc<RefCell<Self>> {
        let handlers = Vec::new();
        Rc::new(RefCell::new(Self { handlers, event: None, env: None, refused: None, lines: 0, cwd: None, print }))
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
        let limit = time_limit(&options)?;
        if self.event.is_some() {
            return Err("`wrap.on` has no effect within a handler: call it at the top of the file".into());
        }
        if self.handlers.len() == HANDLERS {
            return Err(format!("more than {HANDLERS} handlers: use a second file"));
        }
        self.handlers.push((Handler { event, limit }, handler));
        Ok(())
    }

    /// `wrap.refuse`.
    fn refuse(&mut self, message: &Value, halt: &Halt) -> Answer {
        if self.event != Some(Event::Start) {
            return Err("`wrap.refuse` works in a start hook only".into());
        }
        let message = message.as_string().ok_or("`wrap.refuse` takes a message")?;
        self.refused = Some(one_line(&message.to_string_lossy()));
        halt.now();
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
pub(super) fn host(lua: &Lua, stage: &Rc<RefCell<Stage>>, halt: Halt) -> mlua::Result<Table> {
    let host = lua.create_table()?;
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
    abilities::add(lua, &host, stage, &left)?;
    Ok(host)
}

/// The options of `wrap.on`: how long the handler may take, where that is not [`super::TIME_LIMIT`].
fn time_limit(options: &Value) -> Result<Option<Duration>, String> {
    let table = match options {
        Value::Nil => return Ok(None),
        Value::Table(table) => table,
        other => return Err(format!("the options of `wrap.on` are a table, not {}", kind(other))),
    };
    let mut limit = None;
    for pair in table.pairs::<Value, Value>() {
        let Ok((name, value)) = pair else { break };
        let name = name.as_string().map(LuaString::to_string_lossy).unwrap_or_default();
        if name != "timeout" {
            return Err(format!("`wrap.on` has no option `{}`: there is `timeout`", visible(&name)));
        }
        let seconds = number(&value).filter(|seconds| *seconds > 0.0);
        let wanted = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let fits = wanted.filter(|wanted| *wanted <= LONGEST);
        let why = || format!("`timeout` is a number of seconds, {} at most", LONGEST.as_secs());
        limit = Some(fits.ok_or_else(why)?);
    }
    Ok(limit)
}

/// The `instance` of one call: a read-only copy of the entry, for a start hook with `env`.
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
    }
    table.set_readonly(true);
    Ok(table)
}

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
