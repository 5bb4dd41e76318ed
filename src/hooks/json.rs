//! JSON of Lua's values, and back: bounded in size and depth whatever a hook makes of its tables.

use super::values::kind;
use mlua::{Table, Value};

/// Bytes of one text, either way: the size of a large manifest.
pub(super) const TEXT_BYTES: usize = 1 << 20;

/// Tables within each other, as serde_json allows them.
const DEPTH: usize = 127;

/// The value as JSON. A table with nothing but 1, 2, 3 … is an array, as is an empty one.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    let mut text = String::new();
    push(value, 0, &mut text)?;
    if text.len() > TEXT_BYTES { Err(too_large()) } else { Ok(text) }
}

fn push(value: &Value, depth: usize, text: &mut String) -> Result<(), String> {
    // A table that is in itself, or twice in each of many, has no end.
    if depth > DEPTH || text.len() > TEXT_BYTES {
        return Err(too_large());
    }
    match value {
        Value::Nil => text.push_str("null"),
        Value::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => text.push_str(&value.to_string()),
        Value::Number(value) if value.is_finite() => {
            // A whole number as one: 3000, not 3000.0.
            text.push_str(&value.to_string());
        }
        Value::Number(_) => return Err("JSON has no infinity and no NaN".into()),
        Value::String(value) => quote(&value.to_string_lossy(), text),
        Value::Table(table) => push_table(table, depth, text)?,
        other => return Err(format!("JSON has no {}", kind(other))),
    }
    Ok(())
}

fn push_table(table: &Table, depth: usize, text: &mut String) -> Result<(), String> {
    let length = table.raw_len();
    let mut names = 0;
    let mut object = String::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        names += 1;
        if object.len() + text.len() > TEXT_BYTES {
            return Err(too_large());
        }
        let name = match &name {
            Value::String(name) => name.to_string_lossy(),
            Value::Integer(number) if (1..=length as i64).contains(number) => continue,
            Value::Number(number) if number.fract() == 0.0 && (1..=length).contains(&(*number as usize)) => continue,
            other => return Err(format!("a name in JSON is a text, not {}", kind(other))),
        };
        object.push(if object.is_empty() { '{' } else { ',' });
        quote(&name, &mut object);
        object.push(':');
        push(&value, depth + 1, &mut object)?;
    }
    if object.is_empty() {
        text.push('[');
        for at in 1..=length {
            if at > 1 {
                text.push(',');
            }
            push(&table.raw_get::<Value>(at).map_err(|error| error.to_string())?, depth + 1, text)?;
        }
        text.push(']');
    } else if length > 0 {
        return Err(format!("a table for JSON has names or numbers, not both ({names} in all)"));
    } else {
        text.push_str(&object);
        text.push('}');
    }
    Ok(())
}

fn too_large() -> String {
    format!("too large for JSON: {DEPTH} tables within each other and {} MiB at most", TEXT_BYTES >> 20)
}

fn quote(value: &str, text: &mut String) {
    // A string is always JSON.
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
}
