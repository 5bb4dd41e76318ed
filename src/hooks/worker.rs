//! The thread of one hook file: makes its Lua state, loads it, calls its handlers.

use super::functions;
use super::handler::{About, Handler};
use super::queue::Line;
use super::sandbox::Sandbox;
use super::script::Script;
use super::stage::Stage;
use super::{Changes, Event, Host, Limits, Verdict};
use crate::sys::process;
use mlua::{MultiValue, Table, Value};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

/// The thread's stack: an overflow would abort the process. Luau allows 1000 levels of syntax, which took 1.5 MiB
/// at the first level of optimisation, and 200 nested C calls, which took less than half of that. Only what is
/// touched becomes memory.
const STACK: usize = 8 << 20;

/// One handler is to be called.
pub(super) struct Task {
    /// Its place in the list that [`Report::Loaded`] gave.
    pub handler: usize,
    /// What it gets.
    pub instance: Arc<Json>,
    /// What earlier hooks changed.
    pub env: Changes,
    /// What a line handler is called for.
    pub line: Option<Line>,
}

/// What a worker says.
pub(super) enum Report {
    /// A line that the hook printed.
    Line(String),
    /// The file was loaded and handles these; or it could not be.
    Loaded(Result<Vec<Handler>, String>),
    /// The handler has ended.
    Called(Result<Effect, String>),
}

/// What one handler did.
pub(super) struct Effect {
    /// All changes so far, its own too.
    pub env: Changes,
    /// The message of `wrap.refuse`.
    pub refused: Option<String>,
    /// The words of the command, where it has changed them.
    pub args: Option<Vec<String>>,
    /// The name that it gave.
    pub name: Option<String>,
    /// What a stale hook returned.
    pub verdict: Option<Verdict>,
}

/// Starts the thread; it reports that the file is loaded, then answers each task with one report. It ends when
/// the sender of the tasks is dropped, or when nobody hears its reports any more.
pub(super) fn start(script: Script, limits: Limits, host: Host) -> io::Result<(Sender<Task>, Receiver<Report>)> {
    let (tasks, todo) = channel();
    let (say, reports) = channel();
    thread::Builder::new().name("hook".into()).stack_size(STACK).spawn(move || {
        process::wait_for_others();
        let loaded = Worker::load(&script, limits, host, &say);
        let (worker, answer) = match loaded {
            Ok(worker) => {
                let handlers = worker.stage.borrow().handlers.iter().map(|(handler, _)| handler.clone()).collect();
                (Some(worker), Ok(handlers))
            }
            Err(why) => (None, Err(why)),
        };
        if say.send(Report::Loaded(answer)).is_err() {
            return;
        }
        let Some(worker) = worker else { return };
        for task in todo {
            if say.send(Report::Called(worker.call(task))).is_err() {
                return;
            }
        }
    })?;
    Ok((tasks, reports))
}

struct Worker {
    sandbox: Sandbox,
    stage: Rc<RefCell<Stage>>,
    env: Table,
    limits: Limits,
    /// The last instance that a line handler got: the lines of one piece of output have the same.
    shown: RefCell<Option<(Arc<Json>, Table)>>,
}

impl Worker {
    fn load(script: &Script, limits: Limits, host: Host, say: &Sender<Report>) -> Result<Self, String> {
        let say = say.clone();
        // A hook that was given up has no hearer: what it still prints is dropped.
        let stage = Stage::new(Box::new(move |line| drop(say.send(Report::Line(line)))), host);
        let made = Sandbox::new(&script.name, limits, |lua, halt| {
            functions::host(lua, &stage, halt, script.library.clone(), &script.options)
        });
        let (sandbox, env) = made.map_err(|error| super::text::one_line(&error.to_string()))?;
        sandbox.load(&script.source)?;
        Ok(Self { sandbox, stage, env, limits, shown: RefCell::default() })
    }

    fn call(&self, task: Task) -> Result<Effect, String> {
        let (Handler { event, limit, .. }, handler) = self.stage.borrow().handlers[task.handler].clone();
        let start = event == Event::Start;
        self.stage.borrow_mut().begin(About::new(event, &task.instance), task.env);
        let made = self.arguments(&task.instance, start, task.line);
        let (instance, arguments) = made.map_err(|error| super::text::one_line(&error.to_string()))?;
        let result = self.sandbox.call(&handler, arguments, limit.unwrap_or(self.limits.time));
        let mut stage = self.stage.borrow_mut();
        let (env, refused, name) = (stage.env.take().unwrap_or_default(), stage.refused.take(), stage.name.take());
        // A refusal ends the call by an error, which is none.
        if refused.is_some() {
            return Ok(Effect { env, refused, args: None, name: None, verdict: None });
        }
        let values = result?;
        let args = if start { functions::changed_args(&instance, &task.instance)? } else { None };
        let verdict = if event == Event::Stale { functions::verdict(values.front())? } else { None };
        Ok(Effect { env, refused, args, name, verdict })
    }

    /// The instance, and all that the handler gets: of a line handler the line, and what there is to know of it.
    fn arguments(&self, entry: &Arc<Json>, start: bool, line: Option<Line>) -> mlua::Result<(Table, MultiValue)> {
        let lua = self.sandbox.lua();
        let shown = self.shown.take().filter(|(known, _)| line.is_some() && Arc::ptr_eq(known, entry));
        let instance = match shown {
            Some((_, table)) => table,
            None => functions::instance(lua, entry, start.then_some(&self.env))?,
        };
        if line.is_some() {
            self.shown.replace(Some((entry.clone(), instance.clone())));
        }
        let mut arguments = vec![Value::Table(instance.clone())];
        if let Some(line) = line {
            let about = lua.create_table()?;
            about.raw_set("stream", line.stream)?;
            about.raw_set("missed", line.missed)?;
            arguments.extend([Value::String(lua.create_string(line.text)?), Value::Table(about)]);
        }
        Ok((instance, arguments.into()))
    }
}
