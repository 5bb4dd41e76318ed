//! What `wrap list` says, and waiting until it says something else.

use super::changes::Changes;
use super::{DEADLINE, Sandbox};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Instant;

/// One element of `wrap list -f json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
// The names are those of the JSON.
#[allow(clippy::struct_field_names)]
pub struct Instance {
    pub instance_id: String,
    pub port: Option<u16>,
    pub pid: u32,
    pub child_pid: Option<u32>,
    pub command: String,
    pub cmd_args: Vec<String>,
    pub cwd: String,
    pub project_name: String,
    pub detected_type: String,
    pub status: String,
    pub url: Option<String>,
    pub mode: String,
}

impl Instance {
    /// The command's pid, where there must be one.
    #[track_caller]
    pub fn child(&self) -> u32 {
        self.child_pid.unwrap_or_else(|| panic!("no command runs in {self:#?}"))
    }

    /// The last six characters of the id, which people type.
    pub fn short_id(&self) -> &str {
        &self.instance_id[self.instance_id.len() - 6..]
    }
}

impl Sandbox {
    /// What `wrap list --all -f json` tells of those that are registered.
    #[track_caller]
    pub fn instances(&self) -> Vec<Instance> {
        let mut listed: Vec<Instance> = self.listed();
        listed.retain(|one| one.status != "stopped");
        listed
    }

    /// What `wrap list --all -f json` tells of those that have ended, the newest first.
    #[track_caller]
    pub fn stopped(&self) -> Vec<Value> {
        let mut listed: Vec<Value> = self.listed();
        listed.retain(|one| one["status"] == "stopped");
        listed
    }

    #[track_caller]
    fn listed<T: DeserializeOwned>(&self) -> Vec<T> {
        let listed = self.wrap(["list", "--all", "-f", "json"]).piped().expect_code(0);
        serde_json::from_slice(&listed.stdout)
            .unwrap_or_else(|error| panic!("`wrap list -f json` is not as it should be: {error}\n{}", listed.out()))
    }

    /// Waits until the list is as the closure wants it; what it returns is returned. The list is read again at each
    /// change in the directory of entries, and every [`RECHECK`] besides: health is worked out by the listing
    /// itself, and a process that dies or hangs changes no entry.
    #[track_caller]
    pub fn wait_instances<T>(&self, what: &str, mut find: impl FnMut(&[Instance]) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut changes = Changes::of_registry(self.wrap_dir());
        loop {
            let list = self.instances();
            if let Some(found) = find(&list) {
                return found;
            }
            if Instant::now() > deadline {
                let mut message = format!("{what}: not within {DEADLINE:?}; the list is {list:#?}\n");
                for entry in self.entries() {
                    let text = std::fs::read_to_string(&entry).unwrap_or_default();
                    let _ = writeln!(message, "{}: {text}", entry.display());
                }
                panic!("{message}");
            }
            changes.wait();
        }
    }

    /// Waits until exactly one instance is listed with this status.
    #[track_caller]
    pub fn wait_one(&self, status: &str) -> Instance {
        self.wait_instances(&format!("one instance, {status}"), |list| match list {
            [one] if one.status == status => Some(one.clone()),
            _ => None,
        })
    }

    /// Waits until exactly one instance is listed and its command was started.
    #[track_caller]
    pub fn wait_started(&self) -> Instance {
        self.wait_instances("one instance with a command", |list| match list {
            [one] if one.child_pid.is_some() => Some(one.clone()),
            _ => None,
        })
    }

    /// Waits until the registry has no entry any more.
    #[track_caller]
    pub fn wait_no_entry(&self) {
        let deadline = Instant::now() + DEADLINE;
        let mut changes = Changes::of_registry(self.wrap_dir());
        while !self.entries().is_empty() {
            assert!(Instant::now() < deadline, "entries are left: {:?}", self.entries());
            changes.wait();
        }
    }
}
