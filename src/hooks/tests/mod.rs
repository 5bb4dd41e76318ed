//! Hooks as a caller sees them: files in a directory, events in, outcomes and notices out.

use super::{Event, Hooks, Host, Limits, Outcome, Runner, Verdict, Wish};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod abilities;
mod actions;
mod attacks;
mod events;
mod files;
mod lines;
mod modules;
mod trust;

/// For hooks that are to run into their limit: short, so that the suite is fast.
const SHORT: Limits = Limits { time: Duration::from_millis(100), memory: super::MEMORY_LIMIT };

/// A directory of hooks, the runner of it, and what was said.
struct House {
    dir: tempfile::TempDir,
    said: Arc<Mutex<Vec<String>>>,
    wished: Arc<Mutex<Vec<Wish>>>,
    runner: Option<Runner>,
    limits: Limits,
}

impl House {
    /// Writes the files; nothing runs yet.
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, source) in files {
            write(&dir.path().join(name), source.as_bytes());
        }
        Self { dir, said: Arc::default(), wished: Arc::default(), runner: None, limits: Limits::default() }
    }

    /// One file, `h.lua`.
    fn one(source: &str) -> Self {
        Self::new(&[("h.lua", source)])
    }

    fn fire(&mut self, event: Event, instance: Value) -> Outcome {
        let said = self.said.clone();
        let wished = self.wished.clone();
        let host: Host = Arc::new(move |wish| {
            match wish {
                Wish::Say(line) => said.lock().expect("no panic").push(line),
                wish => wished.lock().expect("no panic").push(wish),
            }
            Ok(())
        });
        let (dir, limits) = (self.dir.path(), self.limits);
        let runner = self.runner.get_or_insert_with(|| Runner::with_limits(Hooks::in_dir(dir), host, limits));
        runner.fire_and_wait(event, instance)
    }

    /// What was asked of the process that the hooks run in.
    fn wished(&self) -> Vec<Wish> {
        std::mem::take(&mut *self.wished.lock().expect("no panic"))
    }

    fn start(&mut self) -> Outcome {
        self.fire(Event::Start, json!({}))
    }

    /// What the handlers of `h.lua` say at an event of an instance that runs in this house's directory.
    fn says(&mut self, event: Event) -> Vec<String> {
        let here = self.dir.path().to_owned();
        let instance = json!({
            "cwd": here, "instanceId": "0198", "projectName": "shop", "projectRoot": here, "mode": "terminal"
        });
        self.fire(event, instance);
        self.said().into_iter().map(|line| line.trim_start_matches("hook h: ").to_owned()).collect()
    }

    /// What was said since the last look.
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().expect("no panic"))
    }
}

fn write(path: &Path, source: &[u8]) {
    fs::write(path, source).expect("written");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("mode set");
}

/// `instance.env.NAME` as the hooks leave it.
fn set(name: &str, value: &str) -> (String, Option<String>) {
    (name.into(), Some(value.into()))
}
