//! For programs: the entry's own fields, with what wrap knows beside them.

use super::{Shown, push_escaped};
use crate::files::is_hidden;
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::registry::history::End;
use serde::Serialize;
use std::path::Path;
use utoipa::ToSchema;

/// One instance as others may see it, in the order of the entry's fields.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Public {
    #[serde(flatten)]
    entry: Entry,
    status: Status,
    /// Milliseconds that it has run, or ran.
    uptime: u64,
    /// Whether what it was configured by differs now.
    restart_needed: bool,
    /// Of an ended one.
    #[serde(flatten)]
    end: Option<End>,
}

/// The fields that stand beside the entry's.
static ADDED: &[&str] =
    &["status", "uptime", "restartNeeded", "exitCode", "signal", "endTime", "duration", "lost", "changed", "logPath"];

impl Public {
    /// Leaves out `authKey`, and what a newer wrap may have written under the names of the added fields.
    pub fn new(shown: &Shown, now_ms: u64) -> Self {
        let mut entry = shown.entry.public();
        entry.other.retain(|key, _| !ADDED.contains(&key.as_str()));
        Self {
            entry,
            status: shown.status,
            uptime: shown.uptime(now_ms),
            restart_needed: !shown.changed.is_empty(),
            end: shown.end.clone(),
        }
    }
}

/// One instance with all that can be told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(flatten)]
    public: Public,
    changed: &'a [String],
}

/// One object.
pub fn show(shown: &Shown, log_path: Option<&Path>, now_ms: u64) -> String {
    // A path that is not UTF-8 cannot be said in JSON.
    let log_path = log_path.map(|path| path.to_string_lossy().into_owned());
    let mut public = Public::new(shown, now_ms);
    // Only where there is one; the entry says where it would be.
    public.entry.log_path = log_path;
    text(&Details { public, changed: &shown.changed })
}

/// An array of all, `[]` where there is none.
pub fn list(instances: &[Shown], now_ms: u64) -> String {
    let all: Vec<Public> = instances.iter().map(|shown| Public::new(shown, now_ms)).collect();
    text(&all)
}

fn text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("its keys are strings, and nothing in it can fail");
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
    use super::super::tests::{shown, stopped};
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
        assert_eq!((&value[0]["restartNeeded"], value[0].get("exitCode")), (&json!(false), None));
    }

    #[test]
    fn an_ended_one_has_its_end_and_details_have_what_changed() {
        let value: Value = serde_json::from_str(&list(&[stopped("web", Some(1))], 0)).expect("json");
        let one = &value[0];
        assert_eq!((&one["status"], &one["exitCode"], &one["signal"]), (&json!("stopped"), &json!(1), &Value::Null));
        assert_eq!((&one["duration"], &one["uptime"], &one["lost"]), (&json!(125_000), &json!(125_000), &json!(false)));
        assert_eq!(one["endTime"], "2026-01-02T03:06:10.678Z");
        let mut stale = shown("web", "x", None);
        stale.changed = vec!["/p/wrap.toml".into()];
        let value: Value = serde_json::from_str(&show(&stale, Some(Path::new("/l")), 0)).expect("json");
        assert_eq!((&value["restartNeeded"], &value["changed"]), (&json!(true), &json!(["/p/wrap.toml"])));
        assert_eq!((&value["logPath"], &value["projectName"]), (&json!("/l"), &json!("web")));
    }
}
