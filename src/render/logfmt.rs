//! For logs: `key=value`, quoted where needed, one instance a line.

use super::{Shown, push_escaped};
use crate::files::is_hidden;

/// A line for each.
pub fn list(instances: &[Shown], now_ms: u64) -> String {
    instances.iter().map(|shown| line(shown, now_ms) + "\n").collect()
}

fn line(shown: &Shown, now_ms: u64) -> String {
    let (entry, end) = (&shown.entry, shown.end.as_ref());
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let fields = [
        ("instanceId", Some(entry.instance_id.clone())),
        ("projectName", Some(entry.project_name.clone())),
        ("port", number(entry.port.map(u32::from))),
        ("status", Some(shown.status.to_string())),
        ("pid", number(Some(entry.pid))),
        ("childPid", number(entry.child_pid)),
        ("command", Some(entry.command.clone())),
        ("cwd", Some(entry.cwd.clone())),
        ("detectedType", Some(entry.detected_type.clone())),
        ("startTime", Some(entry.start_time.clone())),
        ("uptime", Some(shown.uptime(now_ms).to_string())),
        ("url", entry.url.clone()),
        ("restartNeeded", (!shown.changed.is_empty()).then(|| "true".to_owned())),
        ("exitCode", end.and_then(|end| end.exit_code).map(|code| code.to_string())),
        ("signal", end.and_then(|end| end.signal.clone())),
        ("endTime", end.map(|end| end.end_time.clone())),
        ("duration", end.map(|end| end.duration.to_string())),
        ("lost", end.filter(|end| end.lost).map(|_| "true".to_owned())),
    ];
    // What is not known is left out.
    let known = fields.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", quoted(&value?))));
    known.collect::<Vec<_>>().join(" ")
}

fn quoted(value: &str) -> String {
    let needs =
        |character: char| character.is_whitespace() || is_hidden(character) || matches!(character, '=' | '"' | '\\');
    if !value.is_empty() && !value.contains(needs) {
        return value.to_owned();
    }
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            hidden if is_hidden(hidden) => push_escaped(&mut text, hidden),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{shown, stopped};
    use super::*;

    #[test]
    fn values_are_quoted_where_needed_and_what_is_unknown_is_left_out() {
        let mut instance = shown("web", "npm run \"dev\" a\\b\n\u{1b}[1m", Some(3000));
        let text = list(std::slice::from_ref(&instance), 1_767_323_045_679);
        assert_eq!(
            text,
            "instanceId=01990000-0000-7000-8000-000000abc123 projectName=web port=3000 status=healthy pid=42 \
             command=\"npm run \\\"dev\\\" a\\\\b\\n\\u001b[1m\" cwd=\"\" detectedType=\"\" \
             startTime=2026-01-02T03:04:05.678Z uptime=1 url=http://localhost:3000/\n"
        );
        instance.entry.port = None;
        instance.entry.project_name = "a=b".into();
        let text = list(&[instance], 0);
        assert!(!text.contains("port=") && text.contains(" projectName=\"a=b\" "), "{text}");
        assert_eq!(list(&[], 0), "");
        let ended =
            " uptime=125000 url=http://localhost:3000/ endTime=2026-01-02T03:06:10.678Z duration=125000 lost=true\n";
        assert!(list(&[stopped("web", None)], 0).ends_with(ended), "{}", list(&[stopped("web", None)], 0));
    }
}
