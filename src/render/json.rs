//! For programs: the entry's own fields, with `status` and `uptime`.

use super::{Shown, is_hidden, push_escaped};
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use serde::Serialize;

/// One instance as others may see it, in the order of the entry's fields.
#[derive(Debug, Serialize)]
pub struct Public {
    #[serde(flatten)]
    entry: Entry,
    status: Status,
    uptime: u64,
}

impl Public {
    /// Leaves out `authKey`, and what a newer wrap may have written under the names of the two added fields.
    pub fn new(shown: &Shown, now_ms: u64) -> Self {
        let mut entry = shown.entry.public();
        entry.other.retain(|key, _| key != "status" && key != "uptime");
        Self { entry, status: shown.status, uptime: shown.uptime(now_ms) }
    }
}

/// An array of all, `[]` where there is none.
pub fn list(instances: &[Shown], now_ms: u64) -> String {
    let all: Vec<Public> = instances.iter().map(|shown| Public::new(shown, now_ms)).collect();
    let text = serde_json::to_string_pretty(&all).expect("its keys are strings, and nothing in it can fail");
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
    use serde_json::{Value, json};

    #[test]
    fn the_fields_are_there_the_key_is_not_and_nothing_is_changed() {
        assert_eq!(list(&[], 0), "[]\n");
        let mut instance = shown("\u{9b}1m\u{202e}\u{e0041}", "a \"b\"\n", Some(3000));
        instance.entry.other.insert("status".into(), "wrong".into());
        instance.entry.other.insert("new".into(), "kept".into());
        let text = list(std::slice::from_ref(&instance), 1_767_323_045_678);
        assert!(!text.contains("secret") && !text.contains("authKey"));
        assert!(text.contains("\\u009b1m\\u202e\\udb40\\udc41"), "{text}");
        assert_eq!(text.matches("\"status\"").count(), 1, "{text}");
        assert!(text.find("instanceId") < text.find("projectName") && text.contains("\"new\": \"kept\""), "{text}");
        let value: Value = serde_json::from_str(&text).expect("json");
        assert_eq!(value[0]["projectName"], instance.entry.project_name.as_str());
        assert_eq!((&value[0]["command"], &value[0]["port"]), (&json!("a \"b\"\n"), &json!(3000)));
        assert_eq!((&value[0]["status"], &value[0]["uptime"]), (&json!("healthy"), &json!(0)));
    }
}
