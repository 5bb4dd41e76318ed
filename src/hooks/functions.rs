//! What a hook can use: the global `wrap`, and the `instance` that a handler gets.

use super::sandbox::Halt;
use super::script::Library;
use super::stage::{CHANGES_BYTES, Stage};
use super::text::visible;
use super::values::{copy, kind};
use super::{Verdict, abilities, actions, modules};
use mlua::{Lua, LuaString, Table, Value};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

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
