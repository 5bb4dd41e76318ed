//! A run that has ended: its entry, and how it ended.

use super::entry::Entry;
use crate::sys::signal;
use crate::wire::Ended;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct End {
    /// What it exited with; null where a signal killed it, or nobody saw it.
    pub exit_code: Option<i32>,
    /// The name of the signal that killed it.
    pub signal: Option<String>,
    /// When; RFC 3339 with milliseconds. Of a run that nobody saw end, its last sign of life.
    pub end_time: String,
    /// How long it ran, in milliseconds.
    pub duration: u64,
    /// Nobody saw its end: its keeper was killed, or the machine went down.
    pub lost: bool,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    // First: what it takes is not among the entry's unknown fields then.
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// Its entry as it last was, without `authKey`.
    #[serde(flatten)]
    pub entry: Entry,
}

impl End {
    /// It ended so, now.
    pub fn now(how: Ended, duration: Duration) -> Self {
        let (exit_code, signal) = match how {
            Ended::Code(code) => (Some(code), None),
            Ended::Signal(number) => (None, Some(signal::name(number))),
        };
        let (end_time, duration) = (format!("{:.3}", Timestamp::now()), duration.as_millis() as u64);
        Self { exit_code, signal, end_time, duration, lost: false }
    }

    /// Nobody saw it; at this time (epoch milliseconds) it was gone, or gave its last sign of life.
    pub fn lost(entry: &Entry, at_ms: u64) -> Self {
        let at = i64::try_from(at_ms).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        Self {
            end_time: at.map_or_else(String::new, |at| format!("{at:.3}")),
            duration: since_start(entry, at_ms).as_millis() as u64,
            lost: true,
            ..Self::default()
        }
    }
}

/// From the start of a run, the last of its instance, to this time (epoch milliseconds); nothing where the start is
/// unknown or later.
pub fn since_start(entry: &Entry, at_ms: u64) -> Duration {
    let first: Option<Timestamp> = entry.start_time.parse().ok();
    let first = first.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let started = if entry.run_id > 1 { entry.child_pid_start_time.or(first) } else { first };
    Duration::from_millis(started.map_or(0, |started| at_ms.saturating_sub(started)))
}

/// The run of the past that a target names: an id, a short id, a project's name or `:port`, in this order. Of several
/// it is the one that was started last: `past` has it first. Pids are given again, and mean nobody here.
pub fn find<'a>(target: &str, past: &'a [Past]) -> Option<&'a Past> {
    let port: Option<u16> = target.strip_prefix(':').and_then(|port| port.parse().ok());
    let kinds: [&dyn Fn(&Entry) -> bool; 4] = [
        &|entry| entry.instance_id.eq_ignore_ascii_case(target),
        &|entry| entry.short_id().eq_ignore_ascii_case(target),
        &|entry| !target.is_empty() && entry.project_name == target,
        &|entry| port.is_some_and(|port| entry.port == Some(port) || entry.ports.contains(&port)),
    ];
    kinds.iter().find_map(|fits| past.iter().find(|past| fits(&past.entry)))
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    #[test]
    fn the_newest_of_a_name_is_meant() {
        let past = |id: &str, name: &str, port: u16| Past {
            end: End::default(),
            entry: Entry {
                instance_id: format!("01990000-0000-7000-8000-000000{id}"),
                project_name: name.into(),
                port: Some(port),
                ..entry(7)
            },
        };
        let all = [past("cccccc", "web", 3000), past("bbbbbb", "web", 4000), past("aaaaaa", "cccccc", 3000)];
        let id = |target: &str| find(target, &all).map(|past| past.entry.short_id());
        assert_eq!((id("web"), id(":3000"), id(":4000")), (Some("cccccc"), Some("cccccc"), Some("bbbbbb")));
        assert_eq!((id("AAAAAA"), id("cccccc")), (Some("aaaaaa"), Some("cccccc")));
        assert_eq!((id(""), id("7"), id(":"), id("we")), (None, None, None, None));
    }
}
