//! What is said of an instance that was started, or was there already: a line for people, an object for programs.

use super::visible;
use crate::registry::entry::{Entry, SHORT_ID};
use serde::Serialize;

/// An instance and where it answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement<'a> {
    /// Its id.
    pub instance_id: &'a str,
    /// What it is called.
    pub project_name: &'a str,
    /// The command's process.
    pub child_pid: Option<u32>,
    /// Where it answers, as soon as that is known.
    pub port: Option<u16>,
    /// Where to open it.
    pub url: Option<&'a str>,
    /// Whether it is known to be ready.
    pub ready: bool,
}

impl<'a> Announcement<'a> {
    /// Of one that is registered.
    pub fn of(entry: &'a Entry, ready: bool) -> Self {
        Self {
            instance_id: &entry.instance_id,
            project_name: &entry.project_name,
            child_pid: entry.child_pid,
            port: entry.port,
            url: entry.url.as_deref(),
            ready,
        }
    }

    /// `shop fa03c8 :3000 http://localhost:3000/`, or the object; with the end of the line.
    pub fn text(&self, as_json: bool) -> String {
        if as_json {
            return serde_json::to_string(self).expect("its keys are strings, and nothing in it can fail") + "\n";
        }
        let id = self.instance_id;
        let short = id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or(id);
        let port = self.port.map(|port| format!(" :{port}")).unwrap_or_default();
        let url = self.url.map(|url| format!(" {}", visible(url))).unwrap_or_default();
        format!("{} {short}{port}{url}\n", visible(self.project_name))
    }
}
