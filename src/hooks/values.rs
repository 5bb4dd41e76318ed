//! Values between Lua and us.

use mlua::{Lua, Value};
use serde_json::Value as Json;
use std::time::Duration;

/// A value for the hook, or nothing and why: an error of mlua's would carry a traceback on the heap, where no limit
/// counts it.
pub(super) type Told = (Value, Option<String>);

/// As the prelude takes it.
pub(super) fn told(result: Result<Value, String>) -> Told {
    match result {
        Ok(value) => (value, None),
        Err(why) => (Value::Nil, Some(why)),
    }
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
        Json::Object(object) => {
            let table = lua.create_table()?;
            for (name, value) in object {
                table.raw_set(name.as_str(), copy(lua, value)?)?;
            }
            table.set_readonly(true);
            Value::Table(table)
        }
    })
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

/// A time in seconds, more than none.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    number(value).filter(|seconds| *seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
