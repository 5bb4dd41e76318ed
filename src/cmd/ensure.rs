//! `wrap --ensure`: this command of this project runs, once, and is ready: the one that is there, or a new one.

use super::instance::title;
use super::wait::{Outcome, until_ready};
use super::{TIMED_OUT, print};
use crate::cli::RunArgs;
use crate::error::Error;
use crate::project;
use crate::registry::Registry;
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::registry::history::Past;
use crate::render::{ended, visible};
use crate::sweep::{end_orphan, forget, sweep, with_hooks};
use anyhow::bail;
use serde_json::json;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;

/// How long a run that somebody else has just started may take to become ready, where nothing else was said.
const READY: Duration = Duration::from_secs(15);

/// What there is of the command.
pub enum There {
    /// Nothing: it is to be started, and this lock is to be held until it is registered.
    Nothing(Option<File>),
    /// It runs; what to exit with.
    Runs(ExitCode),
}

/// Looks for a run of this command in this project, which is decided by one process at a time. What lost its keeper is
/// ended first.
pub fn look(args: &RunArgs, command: &[OsString]) -> anyhow::Result<There> {
    // Without a registry there is none to be found, and the command still starts.
    let lock = match Registry::open_or_create().and_then(|registry| registry.lock("ensure")) {
        Ok(lock) => Some(lock),
        Err(error) => {
            eprintln!("wrap: {error}");
            None
        }
    };
    let cwd = env::current_dir().unwrap_or_default();
    let root = project::detect(&cwd, command, &|name| env::var_os(name)).root;
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    let is_it = |entry: &Entry| entry.project_root == root.to_string_lossy() && entry.cmd_args == words;
    let swept = sweep(&mut with_hooks());
    for warning in &swept.warnings {
        eprintln!("wrap: {warning}");
    }
    let mut waits = None;
    for (entry, health) in swept.live.iter().filter(|(entry, _)| is_it(entry)) {
        match health.status {
            Status::Orphaned => replace(entry)?,
            Status::Starting | Status::Restarting => waits = Some(entry),
            Status::Healthy => return told(args, entry, true).map(There::Runs),
            // It is on its way out; the new one does not wait for it.
            Status::Stopping | Status::Dead | Status::Stopped => {}
            Status::Unresponsive | Status::Unknown => {
                bail!("{} runs but does not answer; `wrap restart {}` starts it again", title(entry), entry.short_id())
            }
        }
    }
    let Some(entry) = waits else { return Ok(There::Nothing(lock)) };
    let wait = args.wait.flatten().unwrap_or(READY);
    match until_ready(entry, wait)? {
        Outcome::Ready(entry) => told(args, &entry, true).map(There::Runs),
        Outcome::Ended(past) => {
            let how = past.map_or_else(String::new, |past: Box<Past>| format!(": {}", ended(&past.end)));
            bail!("{} ended before it was ready{how}", title(entry))
        }
        Outcome::Late => {
            told(args, entry, false)?;
            eprintln!("wrap: {} is not ready after {} s", title(entry), wait.as_secs());
            Ok(There::Runs(ExitCode::from(TIMED_OUT)))
        }
    }
}

/// Its keeper is dead: what lives of it holds the port of the new one.
fn replace(entry: &Entry) -> anyhow::Result<()> {
    let left = end_orphan(entry);
    if !left.is_complete() {
        bail!("{} lost its keeper and cannot be ended; `wrap clean --kill` says why", title(entry));
    }
    forget(entry).map(drop).map_err(Error::into)
}

/// Says what it is called and where it answers, as `-d` does.
fn told(args: &RunArgs, entry: &Entry, ready: bool) -> anyhow::Result<ExitCode> {
    let line = if args.json {
        let told = json!({
            "instanceId": entry.instance_id,
            "projectName": entry.project_name,
            "childPid": entry.child_pid,
            "port": entry.port,
            "url": entry.url,
            "ready": ready,
        });
        told.to_string()
    } else {
        let port = entry.port.map(|port| format!(" :{port}")).unwrap_or_default();
        let url = entry.url.as_deref().map(|url| format!(" {}", visible(url))).unwrap_or_default();
        format!("{} {}{port}{url}", visible(&entry.project_name), entry.short_id())
    };
    print(&(line + "\n"))?;
    Ok(ExitCode::SUCCESS)
}
