//! What a hook may look at, write down and wait for: nothing here runs a program or leaves the machine. What could wait
//! is bounded by what the call has left of its time.

use super::json::{self, TEXT_BYTES};
use super::sandbox::Halt;
use super::stage::Stage;
use super::text::visible;
use super::values::{Told, copy, number, told};
use crate::error::reason;
use crate::registry::Registry;
use crate::sys::ports;
use mlua::{Lua, LuaString, Table, Value};
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Instances that a hook is told of: those of a large day, and a fraction of what its state may hold.
const INSTANCES: usize = 256;

/// Adds them to what the prelude makes the global `wrap` of.
pub(super) fn add(lua: &Lua, host: &Table, stage: &Rc<RefCell<Stage>>, halt: &Halt) -> mlua::Result<()> {
    let clock = halt.clone();
    host.set("sleep", lua.create_function(move |_, seconds: Value| Ok(sleep(&seconds, &clock).err()))?)?;
    let shared = stage.clone();
    let env = move |lua: &Lua, name: Value| {
        let Some(name) = name.as_string() else {
            return Ok(told(Err("`wrap.env` takes the name of a variable".into())));
        };
        let found = shared.borrow().read(&name.to_string_lossy());
        let value = found.map(|value| lua.create_string(value.as_bytes())).transpose()?;
        Ok(told(Ok(value.map_or(Value::Nil, Value::String))))
    };
    host.set("env", lua.create_function(env)?)?;
    host.set("port_free", lua.create_function(|_, port: Value| Ok(told(port_free(&port))))?)?;
    host.set("instances", lua.create_function(|lua, ()| Ok(told(Ok(instances(lua)?))))?)?;
    let shared = stage.clone();
    let read = move |lua: &Lua, path: Value| match path_of(&path, &shared.borrow()).and_then(|path| read(&path)) {
        Ok(Some(bytes)) => Ok(told(Ok(Value::String(lua.create_string(bytes)?)))),
        Ok(None) => Ok(told(Ok(Value::Nil))),
        Err(why) => Ok(told(Err(why))),
    };
    host.set("fs_read", lua.create_function(read)?)?;
    let shared = stage.clone();
    let exists = move |_: &Lua, path: Value| {
        Ok(told(path_of(&path, &shared.borrow()).map(|path| Value::Boolean(path.exists()))))
    };
    host.set("fs_exists", lua.create_function(exists)?)?;
    for (name, keeps) in [("fs_append", true), ("fs_write", false)] {
        let shared = stage.clone();
        let write = move |_: &Lua, (path, text): (Value, Value)| {
            Ok(path_of(&path, &shared.borrow()).and_then(|path| write(&path, &text, keeps)).err())
        };
        host.set(name, lua.create_function(write)?)?;
    }
    let encode = |lua: &Lua, value: Value| match json::encode(&value) {
        Ok(text) => Ok(told(Ok(Value::String(lua.create_string(text)?)))),
        Err(why) => Ok(told(Err(format!("`wrap.json.encode`: {why}")))),
    };
    host.set("json_encode", lua.create_function(encode)?)?;
    host.set("json_decode", lua.create_function(|lua, text: Value| decode(lua, &text))?)?;
    Ok(())
}

/// `wrap.sleep`: never longer than the call may take; the interrupt ends it then.
fn sleep(seconds: &Value, clock: &Halt) -> Result<(), String> {
    let wanted = number(seconds).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let wanted = wanted.ok_or("`wrap.sleep` takes a number of seconds")?;
    std::thread::sleep(wanted.min(clock.left()));
    Ok(())
}

/// `wrap.port_free`: whether nobody listens on it, on any address.
fn port_free(port: &Value) -> Result<Value, String> {
    let whole = number(port).filter(|number| number.fract() == 0.0 && (1.0..=65535.0).contains(number));
    let port = whole.map(|whole| whole as u16).ok_or("`wrap.port_free` takes a number from 1 to 65535")?;
    Ok(Value::Boolean(ports::listeners(None).iter().all(|listener| listener.port != port)))
}

/// `wrap.instances`: what is registered, the newest first, without their keys.
fn instances(lua: &Lua) -> mlua::Result<Value> {
    let list = lua.create_table()?;
    let entries = Registry::existing().0.into_iter().flat_map(|registry| registry.read_all().entries);
    for found in entries.take(INSTANCES) {
        let json = serde_json::to_value(found.entry.public()).unwrap_or_default();
        list.raw_push(copy(lua, &json)?)?;
    }
    list.set_readonly(true);
    Ok(Value::Table(list))
}

/// A path as the command would see it.
fn path_of(path: &Value, stage: &Stage) -> Result<PathBuf, String> {
    let text = path.as_string().ok_or("a path is a text")?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&text.as_bytes()));
    match &stage.about {
        _ if path.is_absolute() => Ok(path),
        Some(about) => Ok(about.cwd.join(path)),
        None => Err("a relative path means something within a handler only".into()),
    }
}

/// `wrap.fs.read`: a regular file's bytes; `None` where there is none.
fn read(path: &PathBuf) -> Result<Option<Vec<u8>>, String> {
    let failed = |why: &str| format!("cannot read `{}`: {why}", visible(&path.to_string_lossy()));
    // Not blocking: the open of a FIFO would wait for a writer.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = match opened {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        opened => opened.map_err(|error| failed(&reason(&error)))?,
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(failed("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(TEXT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| failed(&reason(&error)))?;
    if bytes.len() > TEXT_BYTES {
        return Err(failed(&format!("it is larger than {} MiB", TEXT_BYTES >> 20)));
    }
    Ok(Some(bytes))
}

/// `wrap.fs.append` and `wrap.fs.write`: into a regular file, which is made where it is missing.
fn write(path: &PathBuf, text: &Value, keeps: bool) -> Result<(), String> {
    let failed = |why: &str| format!("cannot write `{}`: {why}", visible(&path.to_string_lossy()));
    let text = text.as_string().ok_or("what is written is a text")?;
    if text.as_bytes().len() > TEXT_BYTES {
        return Err(failed(&format!("the text is larger than {} MiB", TEXT_BYTES >> 20)));
    }
    let mut options = OpenOptions::new();
    options.create(true).append(keeps).write(true).truncate(false);
    // Not blocking: the open of a FIFO would wait for a reader. No link: in a stranger's project it leads anywhere.
    let opened = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW).open(path);
    let mut file = opened.map_err(|error| failed(&reason(&error)))?;
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(failed("it is not a regular file"));
    }
    let cleared = if keeps { Ok(()) } else { file.set_len(0) };
    cleared.and_then(|()| file.write_all(&text.as_bytes())).map_err(|error| failed(&reason(&error)))
}

/// `wrap.json.decode`.
fn decode(lua: &Lua, text: &Value) -> mlua::Result<Told> {
    let refuse = |why: String| Ok(told(Err(format!("`wrap.json.decode`: {why}"))));
    let Some(text) = text.as_string().map(LuaString::as_bytes) else { return refuse("takes a text".into()) };
    if text.len() > TEXT_BYTES {
        return refuse(format!("the text is larger than {} MiB", TEXT_BYTES >> 20));
    }
    match serde_json::from_slice(&text) {
        Ok(json) => Ok(told(Ok(copy(lua, &json)?))),
        Err(error) => refuse(error.to_string()),
    }
}
