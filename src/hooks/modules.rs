//! `require`: files beside a hook, compiled in its own state; the prelude keeps what they return.

use super::sandbox;
use super::script::Library;
use super::text::{one_line, visible};
use super::values::told;
use mlua::chunk::ChunkMode;
use mlua::{Lua, Table, Value};

/// Adds what the prelude makes `require` of.
pub(super) fn add(lua: &Lua, host: &Table, library: Library) -> mlua::Result<()> {
    let module = move |lua: &Lua, name: Value| {
        let Some(name) = name.as_string() else { return Ok(told(Err("`require` takes the name of a file".into()))) };
        let name = name.to_string_lossy();
        let shown = visible(&name);
        let (file, source) = match library.find(&name) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(told(Err(format!("require: there is no `{shown}` beside this hook")))),
            Err(why) => return Ok(told(Err(format!("require: `{shown}`: {why}")))),
        };
        let chunk = lua.load(source).set_name(format!("={}", visible(&file))).set_mode(ChunkMode::Text);
        match chunk.into_function() {
            Ok(function) => Ok(told(Ok(Value::Function(function)))),
            Err(error) => Ok(told(Err(one_line(&sandbox::message(&error))))),
        }
    };
    host.set("module", lua.create_function(module)?)
}
