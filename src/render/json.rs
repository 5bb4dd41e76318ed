//! For programs: the entry's own fields, with `status` and `uptime`.

use super::{Shown, is_hidden, push_escaped};
use serde_json::{Value, json};

/// The fields of one instance that others may see.
pub fn value(shown: &Shown, now_ms: u64) -> Value {
    let mut value = serde_json::to_value(shown.entry.public()).unwrap_or_else(|_| json!({}));
    value["status"] = json!(shown.status);
    value["uptime"] = json!(shown.uptime(now_ms));
    value
}

/// An array of all, `[]` where there is none.
pub fn list(instances: &[Shown], now_ms: u64) -> String {
    let values = instances.iter().map(|shown| value(shown, now_ms)).collect();
    let text = serde_json::to_string_pretty(&Value::Array(values)).unwrap_or_else(|_| "[]".to_owned());
    escape(&text) + "\n"
}

/// JSON leaves some characters as they are that a terminal would act upon; as escapes they mean the same.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            push_escaped(&mut escaped, character);
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn the_fields_are_there_the_key_is_not_and_nothing_is_changed() {
        assert_eq!(list(&[], 0), "[]\n");
        let instance = shown("\u{9b}1m\u{202e}\u{e0041}", "a \"b\"\n", Some(3000));
        let text = list(std::slice::from_ref(&instance), 1_767_323_045_678);
        assert!(!text.contains("secret") && !text.contains("authKey"));
        assert!(text.contains("\\u009b1m\\u202e\\udb40\\udc41"), "{text}");
        let value: Value = serde_json::from_str(&text).expect("json");
        assert_eq!(value[0]["projectName"], instance.entry.project_name.as_str());
        assert_eq!((&value[0]["command"], &value[0]["port"]), (&json!("a \"b\"\n"), &json!(3000)));
        assert_eq!((&value[0]["status"], &value[0]["uptime"]), (&json!("healthy"), &json!(0)));
    }
}
