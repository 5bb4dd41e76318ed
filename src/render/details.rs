//! For people: everything of one instance, a line for each thing.

use super::human::{DIM, Screen, painted};
use super::{Shown, duration, ended, local, visible};
use crate::registry::entry::{Entry, Mode};
use std::path::Path;
use unicode_width::UnicodeWidthStr as _;

/// Between a key and its value.
const GAP: &str = "  ";

/// Aligned lines of keys and values; what is not known has none.
pub fn show(shown: &Shown, log_path: Option<&Path>, now_ms: u64, screen: Screen) -> String {
    let lines = lines(shown, log_path, now_ms);
    let width = lines.iter().map(|(key, _)| key.width()).max().unwrap_or(0);
    let line = |(key, value): &(&str, String)| {
        let space = " ".repeat(width - key.width());
        format!("{}{space}{GAP}{value}\n", painted(key, DIM, screen.colour))
    };
    lines.iter().map(line).collect()
}

fn lines(shown: &Shown, log_path: Option<&Path>, now_ms: u64) -> Vec<(&'static str, String)> {
    let entry = &shown.entry;
    let mut lines = vec![
        ("name", visible(&entry.project_name)),
        ("id", format!("{} ({})", entry.short_id(), visible(&entry.instance_id))),
        ("status", shown.status_text()),
        ("command", visible(&entry.command)),
        ("directory", visible(&entry.cwd)),
        ("project", visible(&entry.project_root)),
        ("type", visible(&entry.detected_type)),
        ("branch", visible(entry.branch.as_deref().unwrap_or_default())),
        ("URL", visible(entry.url.as_deref().unwrap_or_default())),
        ("ports", ports(entry)),
        ("started", shown.started()),
    ];
    if let Some(end) = &shown.end {
        lines.push(("ended", local(&end.end_time)));
        lines.push(("exit", ended(end)));
    } else {
        lines.push(("uptime", duration(shown.uptime(now_ms))));
        lines.push(("pids", pids(entry)));
        lines.push(("socket", visible(entry.local_url.as_deref().unwrap_or_default())));
        lines.push(("health path", visible(entry.health_path.as_deref().unwrap_or_default())));
    }
    lines.push(("mode", mode(entry.mode).to_owned()));
    lines.push(("run", entry.run_id.to_string()));
    lines.push(("log", log_path.map(|path| visible(&path.to_string_lossy())).unwrap_or_default()));
    lines.extend(shown.changed.iter().map(|source| ("changed", inside(entry, source))));
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

/// A source as seen from the project, where it is in it.
fn inside(entry: &Entry, source: &str) -> String {
    let root = Some(entry.project_root.as_str()).filter(|root| !root.is_empty());
    let below = root.and_then(|root| source.strip_prefix(root)?.strip_prefix('/'));
    visible(below.unwrap_or(source))
}

/// The app's own first.
fn ports(entry: &Entry) -> String {
    let others = entry.ports.iter().copied().filter(|port| Some(*port) != entry.port);
    let ports: Vec<String> = entry.port.into_iter().chain(others).map(|port| port.to_string()).collect();
    ports.join(", ")
}

fn pids(entry: &Entry) -> String {
    let command = entry.child_pid.map_or_else(String::new, |pid| format!(", command {pid}"));
    format!("keeper {}{command}", entry.pid)
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Terminal => "terminal",
        Mode::Adopted => "adopted",
        Mode::Pipe => "pipe",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{shown, stopped};
    use super::*;

    const PIPE: Screen = Screen { terminal: false, colour: false, width: None };

    #[test]
    fn values_are_aligned_and_what_is_unknown_has_no_line() {
        let mut instance = shown("web\u{1b}", "npm run dev", Some(3000));
        instance.entry.project_root = "/p".into();
        instance.entry.ports = vec![9229, 3000];
        instance.entry.child_pid = Some(43);
        instance.changed = vec!["/p/package.json#dev".into(), "/etc/x.env".into()];
        let text = show(&instance, Some(Path::new("/s/x.log")), 1_767_323_047_678, PIPE);
        for line in [
            "name       web\\u{1b}",
            "id         abc123 (01990000-0000-7000-8000-000000abc123)",
            "status     healthy, restart needed",
            "ports      3000, 9229",
            "uptime     2.0 s",
            "pids       keeper 42, command 43",
            "log        /s/x.log",
            "changed    package.json#dev",
            "changed    /etc/x.env",
        ] {
            // Aligned by the longest key that is shown.
            let line = line.replacen("  ", " ", usize::from(!text.contains("directory")));
            assert!(text.lines().any(|shown| shown.split_whitespace().eq(line.split_whitespace())), "{line}:\n{text}");
        }
        let starts: Vec<usize> = text
            .lines()
            .map(|line| line.find("  ").map_or(0, |at| at + line[at..].len() - line[at..].trim_start().len()))
            .collect();
        assert!(starts.iter().all(|start| *start == starts[0]), "{text}");
        assert!(!text.contains("branch") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn an_ended_one_has_its_end_and_no_pids() {
        let text = show(&stopped("web", Some(3)), None, 0, PIPE);
        assert!(text.contains("exited with 3 after 2 m 5 s") && !text.contains("pids"), "{text}");
        assert!(show(&stopped("web", None), None, 0, PIPE).contains("nobody saw how"));
    }
}
