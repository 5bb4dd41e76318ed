//! What the functions of a hook share with its worker: what is being done, and what came of it.

use super::handler::{About, Handler};
use super::programs::Jobs;
use super::sandbox::Halt;
use super::text::{LINES_PER_CALL, one_line, visible};
use super::values::kind;
use super::{Changes, Event, Host};
use crate::files;
use mlua::{Function, Value};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::ffi::OsString;
use std::rc::Rc;

/// Notifications in one call: more of them are not read.
pub(super) const NOTIFICATIONS: usize = 5;

/// Handlers that one file may register: each may use up the whole limit.
const HANDLERS: usize = 32;

/// Bytes of one variable: Linux refuses an exec with a longer `NAME=value` (`MAX_ARG_STRLEN`, its end included).
const VARIABLE_BYTES: usize = (128 << 10) - "=\0".len();

/// Bytes of all the changes: a fraction of the 2 MiB that an exec usually takes, because the command must run.
pub(super) const CHANGES_BYTES: usize = 256 << 10;

/// Takes a line of output.
pub(super) type Print = Box<dyn Fn(String)>;

/// What a function of ours gives back to the prelude: nothing, or the error that it raises in the hook's own
/// place. An error of mlua's would carry a traceback on the heap, where no limit counts it.
pub(super) type Answer = Result<(), String>;

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
    pub fn on(&mut self, event: &Value, options: Value, handler: Value) -> Answer {
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
    pub fn refuse(&mut self, message: &Value, halt: &Halt) -> Answer {
        if !self.is_start() {
            return Err("`wrap.refuse` works in a start hook only".into());
        }
        let message = message.as_string().ok_or("`wrap.refuse` takes a message")?;
        self.refused = Some(one_line(&message.to_string_lossy()));
        halt.now();
        Ok(())
    }

    /// `wrap.rename`.
    pub fn rename(&mut self, name: &Value) -> Answer {
        if !self.is_start() {
            return Err("`wrap.rename` works in a start hook only".into());
        }
        let name = name.as_string().and_then(|name| files::name(&name.to_string_lossy()));
        self.name = Some(name.ok_or("`wrap.rename` takes a name that can be shown")?);
        Ok(())
    }

    /// `print` and `wrap.log`.
    pub fn print(&mut self, text: &[u8]) {
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
    pub fn write(&mut self, name: &Value, value: &Value) -> Answer {
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
