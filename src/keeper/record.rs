//! The entry of this keeper's instance: kept current in the registry, and without it where that cannot be had.

use super::life::Child;
use super::ready::{Change, Ports};
use crate::error::Error;
use crate::project::Project;
use crate::registry::entry::{Entry, Mode, SHORT_ID, State};
use crate::registry::{Registry, now_ms};
use crate::sys::process;
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// An entry that the loop writes and others read.
pub type Shared = Arc<Mutex<Entry>>;

/// How often another id is drawn because the short one is in use. Two in a row are as good as impossible with
/// 16 million short ids; ten means that something else is wrong, and any id is better than none.
const DRAWS: usize = 10;

/// The entry and where it is kept.
pub struct Record {
    registry: Option<Registry>,
    shared: Arc<Mutex<Entry>>,
    written: bool,
}

/// What makes up an entry at the start.
pub struct Birth<'a> {
    /// The project that the command is about.
    pub project: &'a Project,
    /// What it is called.
    pub name: String,
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// How its streams are held.
    pub mode: Mode,
}

impl Record {
    /// Makes the entry, not yet written. With no registry it lives in memory alone, which the error says.
    pub fn new(birth: Birth<'_>) -> (Self, Option<Error>) {
        let (registry, error) = match Registry::open_or_create() {
            Ok(registry) => (Some(registry), None),
            Err(error) => (None, Some(error)),
        };
        let instance_id = draw(registry.as_ref());
        let words: Vec<String> = birth.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let now = Timestamp::now();
        let pid = std::process::id();
        let entry = Entry {
            instance_id,
            port: None,
            pid,
            pid_start_time: now_ms(),
            child_pid: None,
            child_pid_start_time: None,
            command: words.join(" "),
            cmd_args: words,
            cwd: std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            start_time: format!("{now:.3}"),
            project_name: birth.name,
            detected_type: birth.project.kind.as_str().to_owned(),
            pid_token: process::token(pid).unwrap_or_default(),
            child_token: None,
            boot_id: process::boot_id(),
            pid_namespace: process::pid_namespace(),
            host: process::host(),
            project_root: birth.project.root.to_string_lossy().into_owned(),
            ports: Vec::new(),
            url: None,
            state: State::Starting,
            ready: None,
            log_path: None,
            asked_port: None,
            health_path: None,
            run_id: 1,
            updated_at: now_ms(),
            local_url: None,
            auth_key: Uuid::new_v4().simple().to_string(),
            mode: birth.mode,
            owner: rustix::process::getuid().as_raw(),
            branch: birth.project.branch.clone(),
            config_signature: None,
            ends_sessions: false,
            stale_since: None,
            stale_kept: false,
            other: serde_json::Map::new(),
        };
        (Self { registry, shared: Arc::new(Mutex::new(entry)), written: false }, error)
    }

    /// The entry, shared with the endpoint.
    pub fn shared(&self) -> Shared {
        Arc::clone(&self.shared)
    }

    /// The entry as it stands.
    pub fn entry(&self) -> MutexGuard<'_, Entry> {
        // A thread that panicked while it held the lock leaves whole values: every change is one assignment.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the keeper's socket belongs, if the registry can be had and the path is short enough.
    pub fn socket_path(&self) -> Option<PathBuf> {
        self.registry.as_ref()?.socket_path(self.entry().short_id())
    }

    /// Whether there is a registry for it.
    pub fn is_registered(&self) -> bool {
        self.registry.is_some()
    }

    /// The entry's file.
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.registry.as_ref()?.entry_path(&self.entry().instance_id))
    }

    /// The command runs; `expects` says that it is known to become ready.
    pub fn spawned(&mut self, child: Child, expects: bool) -> Result<(), Error> {
        {
            let mut entry = self.entry();
            entry.child_pid = Some(child.pid);
            entry.child_token = Some(child.token);
            entry.child_pid_start_time = Some(now_ms());
            entry.ready = expects.then_some(false);
        }
        self.write()
    }

    /// The command runs again: nothing is known of this run yet.
    pub fn restarted(&mut self, child: Child, expects: bool) -> Result<(), Error> {
        {
            let mut entry = self.entry();
            entry.run_id += 1;
            entry.state = State::Starting;
            entry.port = None;
            entry.ports = Vec::new();
            entry.url = None;
        }
        self.spawned(child, expects)
    }

    /// Other ports were found, which may say that it is ready.
    pub fn found(&mut self, ports: &Ports, change: Change) -> Result<(), Error> {
        self.change(|entry| {
            entry.port = ports.port;
            entry.ports.clone_from(&ports.all);
            entry.url.clone_from(&ports.url);
            if change == Change::Ready {
                now_ready(entry);
            }
        })
    }

    /// It is ready.
    pub fn is_ready(&mut self) -> Result<(), Error> {
        self.change(now_ready)
    }

    /// Changes the entry, and writes it where that made a difference.
    pub fn change(&mut self, change: impl FnOnce(&mut Entry)) -> Result<(), Error> {
        let before = self.entry().clone();
        change(&mut self.entry());
        if *self.entry() == before { Ok(()) } else { self.write() }
    }

    /// Writes it as it stands: the refresh, and the return after the registry's directory vanished.
    pub fn write(&mut self) -> Result<(), Error> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let mut entry = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        self.written = true;
        registry.write(&mut entry)
    }

    /// Takes it out of the registry, if it is still ours.
    pub fn remove(&mut self) -> Result<(), Error> {
        match &self.registry {
            Some(registry) if self.written => registry.remove(&self.entry()).map(|_| ()),
            _ => Ok(()),
        }
    }
}

fn now_ready(entry: &mut Entry) {
    entry.ready = Some(true);
    if entry.state == State::Starting {
        entry.state = State::Running;
    }
}

/// A new id whose short form nobody uses here.
fn draw(registry: Option<&Registry>) -> String {
    let mut id = Uuid::now_v7().to_string();
    for _ in 0..DRAWS {
        let short = &id[id.len() - SHORT_ID..];
        if !registry.is_some_and(|registry| registry.short_id_taken(short)) {
            break;
        }
        id = Uuid::now_v7().to_string();
    }
    id
}
