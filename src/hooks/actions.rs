//! What a hook may do: run programs, ask servers, tell the user, type into the command and end it. Each of them works
//! within a handler only, as it is about an instance, and none lasts longer than the call may.

use super::handler::About;
use super::programs::{self, Done, Wanted};
use super::sandbox::Halt;
use super::stage::{NOTIFICATIONS, Stage};
use super::store::Store;
use super::text::visible;
use super::values::{copy, number, seconds, told};
use super::{Event, Wish, http};
use crate::sys::desktop::{self, Opened};
use mlua::{Lua, Table, Value};
use std::cell::RefCell;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

/// How long `wrap.connects` waits where nothing is said: a server on this machine or the next answers within it.
const CONNECT: Duration = Duration::from_secs(1);

/// Adds them to what the prelude makes the global `wrap` of.
pub(super) fn add(lua: &Lua, host: &Table, stage: &Rc<RefCell<Stage>>, halt: &Halt) -> mlua::Result<()> {
    let (shared, clock) = (stage.clone(), halt.clone());
    let run = move |lua: &Lua, table: Value| {
        let about = match within(&shared, "wrap.run") {
            Ok(about) => about,
            Err(why) => return Ok(told(Err(why))),
        };
        match Wanted::read(&table, &about, "wrap.run") {
            Ok(wanted) => Ok(told(Ok(result(lua, programs::run(&wanted, &about, &clock))?))),
            Err(why) => Ok(told(Err(why))),
        }
    };
    host.set("run", lua.create_function(run)?)?;
    let shared = stage.clone();
    let spawn = move |_: &Lua, table: Value| Ok(told(spawn(&shared, &table)));
    host.set("spawn", lua.create_function(spawn)?)?;
    let shared = stage.clone();
    let runs = move |_: &Lua, pid: u32| Ok(shared.borrow_mut().jobs.runs(pid));
    host.set("job_runs", lua.create_function(runs)?)?;
    let (shared, clock) = (stage.clone(), halt.clone());
    let stop = move |_: &Lua, pid: u32| {
        shared.borrow_mut().jobs.stop(pid, &clock);
        Ok(())
    };
    host.set("job_stop", lua.create_function(stop)?)?;
    let clock = halt.clone();
    host.set("http", lua.create_function(move |lua: &Lua, wanted: Value| http::request(lua, &wanted, &clock))?)?;
    let clock = halt.clone();
    let connects = move |_: &Lua, (host, port, limit)| Ok(told(connects(&host, &port, &limit, &clock)));
    host.set("connects", lua.create_function(connects)?)?;
    let shared = stage.clone();
    let notify = move |_: &Lua, (title, text)| Ok(notify(&shared, &title, &text).err());
    host.set("notify", lua.create_function(notify)?)?;
    let shared = stage.clone();
    host.set("open", lua.create_function(move |_, url: Value| Ok(told(open(&shared, &url))))?)?;
    let shared = stage.clone();
    let send = move |_: &Lua, text: Value| Ok(wish(&shared, "wrap.send", |about| send(about, &text)).err());
    host.set("send", lua.create_function(send)?)?;
    let shared = stage.clone();
    host.set("stop", lua.create_function(move |_, ()| Ok(wish(&shared, "wrap.stop", stop_wish).err()))?)?;
    let shared = stage.clone();
    let get = move |lua: &Lua, name: Value| match (within(&shared, "wrap.store"), name.as_string()) {
        (Ok(about), Some(name)) => match Store::of(&about.root) {
            Ok(store) => {
                let found = store.get(&name.to_string_lossy());
                Ok(told(Ok(found.map_or(Ok(Value::Nil), |found| copy(lua, &found))?)))
            }
            Err(why) => Ok(told(Err(why))),
        },
        (Err(why), _) => Ok(told(Err(why))),
        (_, None) => Ok(told(Err("`wrap.store.get` takes a name".into()))),
    };
    host.set("store_get", lua.create_function(get)?)?;
    let shared = stage.clone();
    let set = move |_: &Lua, (name, value): (Value, Value)| Ok(remember(&shared, &name, &value).err());
    host.set("store_set", lua.create_function(set)?)?;
    Ok(())
}

/// The instance that the handler is about.
fn within(stage: &Rc<RefCell<Stage>>, name: &str) -> Result<Rc<About>, String> {
    stage.borrow().about.clone().ok_or_else(|| format!("`{name}` works within a handler only"))
}

/// `{ok, code, signal, stdout, stderr, timedOut, error}`.
fn result(lua: &Lua, done: Done) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("ok", done.is_ok())?;
    table.raw_set("code", done.code)?;
    table.raw_set("signal", done.signal)?;
    table.raw_set("stdout", lua.create_string(done.out)?)?;
    table.raw_set("stderr", lua.create_string(done.err)?)?;
    table.raw_set("timedOut", done.timed_out)?;
    table.raw_set("error", done.error)?;
    Ok(Value::Table(table))
}

fn spawn(stage: &Rc<RefCell<Stage>>, table: &Value) -> Result<Value, String> {
    let about = within(stage, "wrap.spawn")?;
    let wanted = Wanted::read(table, &about, "wrap.spawn")?;
    let pid = stage.borrow_mut().jobs.start(&wanted, &about)?;
    Ok(Value::Number(f64::from(pid)))
}

fn connects(host: &Value, port: &Value, limit: &Value, clock: &Halt) -> Result<Value, String> {
    let takes = || "`wrap.connects` takes a host, a port and, if you like, a number of seconds".to_owned();
    let host = host.as_string().ok_or_else(takes)?.to_string_lossy();
    let whole = number(port).filter(|port| port.fract() == 0.0 && (1.0..=65535.0).contains(port)).ok_or_else(takes)?;
    let limit = if limit.is_nil() { CONNECT } else { seconds(limit).ok_or_else(takes)? };
    Ok(Value::Boolean(http::connects(&host, whole as u16, limit.min(clock.left()))))
}

/// `wrap.notify(text)` or `wrap.notify(title, text)`: in the terminals that look on, and on the desktop.
fn notify(stage: &Rc<RefCell<Stage>>, title: &Value, text: &Value) -> Result<(), String> {
    let about = within(stage, "wrap.notify")?;
    let (title, text) = if text.is_nil() { (None, title) } else { (Some(title), text) };
    let shown = |value: &Value| value.as_string().map(|text| super::text::one_line(&text.to_string_lossy()));
    let text = shown(text).ok_or("`wrap.notify` takes a text, or a title and a text")?;
    let title = title.map_or(Some(about.name.clone()), shown).ok_or("the title of `wrap.notify` is a text")?;
    if !stage.borrow_mut().may_notify() {
        return Err(format!("more than {NOTIFICATIONS} notifications in a call"));
    }
    let host = stage.borrow().host.clone();
    host(Wish::Notify { title: title.clone(), text: text.clone() })?;
    if !stage.borrow_mut().jobs.may_leave() {
        return Ok(());
    }
    if let Some(mut command) = desktop::notifier(&title, &text) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A desktop without such a program is one without such news.
        if let Ok(child) = programs::start(&mut command, &about) {
            stage.borrow_mut().jobs.leave(child);
        }
    }
    Ok(())
}

/// `wrap.open`: `false` where there is nothing that could show it.
fn open(stage: &Rc<RefCell<Stage>>, url: &Value) -> Result<Value, String> {
    let about = within(stage, "wrap.open")?;
    let url = url.as_string().ok_or("`wrap.open` takes an address")?.to_string_lossy();
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    if !is_web || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("`wrap.open`: `{}` is no `http://` or `https://` address", visible(&url)));
    }
    match desktop::open(url.as_ref(), &|command| programs::start(command, &about)) {
        Opened::No => Ok(Value::Boolean(false)),
        Opened::Yes => Ok(Value::Boolean(true)),
        Opened::Shows(child) => {
            stage.borrow_mut().jobs.leave(child);
            Ok(Value::Boolean(true))
        }
    }
}

/// Asks the process that the hook runs in.
fn wish(
    stage: &Rc<RefCell<Stage>>,
    name: &str,
    made: impl FnOnce(&About) -> Result<Wish, String>,
) -> Result<(), String> {
    let wish = made(&*within(stage, name)?)?;
    let host = stage.borrow().host.clone();
    host(wish).map_err(|why| format!("`{name}`: {why}"))
}

fn send(about: &About, text: &Value) -> Result<Wish, String> {
    let text = text.as_string().ok_or("`wrap.send` takes a text")?.to_string_lossy();
    match about.event {
        Event::Start => Err("`wrap.send`: the command does not run yet".into()),
        Event::Exit | Event::Stale => Err("`wrap.send`: the command has ended".into()),
        _ if !about.has_terminal => Err("`wrap.send`: the command has no terminal of its own (pipe mode)".into()),
        _ => Ok(Wish::Send(text)),
    }
}

fn stop_wish(about: &About) -> Result<Wish, String> {
    match about.event {
        Event::Start => Err("`wrap.stop`: the command does not run yet: `wrap.refuse` keeps it from starting".into()),
        Event::Exit => Err("`wrap.stop`: the command has ended".into()),
        Event::Stale => Err("`wrap.stop`: a stale hook returns `kill`".into()),
        _ => Ok(Wish::Stop),
    }
}

fn remember(stage: &Rc<RefCell<Stage>>, name: &Value, value: &Value) -> Result<(), String> {
    let about = within(stage, "wrap.store")?;
    let name = name.as_string().ok_or("`wrap.store.set` takes a name and a value")?.to_string_lossy();
    Store::of(&about.root)?.set(&name, value)
}
