//! Hooks as a caller sees them: files in a directory, events in, outcomes and notices out.

use super::{Event, Hooks, Limits, Notice, Outcome, Runner, Verdict};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod abilities;
mod attacks;
mod events;
mod files;
mod trust;

/// For hooks that are to run into their limit: short, so that the suite is fast.
const SHORT: Limits = Limits { time: Duration::from_millis(100), memory: super::MEMORY_LIMIT };

/// A directory of hooks, the runner of it, and what was said.
struct House {
    dir: tempfile::TempDir,
    said: Arc<Mutex<Vec<String>>>,
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
        Self { dir, said: Arc::default(), runner: None, limits: Limits::default() }
    }

    /// One file, `h.lua`.
    fn one(source: &str) -> Self {
        Self::new(&[("h.lua", source)])
    }

    fn fire(&mut self, event: Event, instance: Value) -> Outcome {
        let said = self.said.clone();
        let notice: Notice = Arc::new(move |line| said.lock().expect("no panic").push(line));
        let (dir, limits) = (self.dir.path(), self.limits);
        let runner = self.runner.get_or_insert_with(|| Runner::with_limits(Hooks::in_dir(dir), notice, limits));
        runner.fire_and_wait(event, instance)
    }

    fn start(&mut self) -> Outcome {
        self.fire(Event::Start, json!({}))
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
