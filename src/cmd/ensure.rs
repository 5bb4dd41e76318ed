//! This command of this project, once: `wrap --ensure` takes the run that is there or starts one, and `wrap start` does
//! not start a second.

use super::instance::title;
use super::wait::{Outcome, until_ended, until_ready};
use super::{TIMED_OUT, print};
use crate::cli::RunArgs;
use crate::error::Error;
use crate::project;
use crate::registry::Registry;
use crate::registry::entry::Entry;
use crate::registry::health::{Health, Status};
use crate::registry::history::Past;
use crate::render::announcement::Announcement;
use crate::render::{ended, visible};
use crate::sweep::{end_orphan, forget, sweep, with_hooks};
use anyhow::bail;
use sha2::{Digest, Sha256};
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;

/// How long a run that somebody else has just started may take to become ready, or to end, where nothing else was said.
const PATIENCE: Duration = Duration::from_secs(15);

/// What there is of the command.
pub enum There {
    /// Nothing: it is to be started, and this lock is to be held until it is registered.
    Nothing(Option<File>),
    /// It runs; what to exit with.
    Runs(ExitCode),
}

/// A command of a project: what makes two runs the same.
pub struct Same {
    root: String,
    words: Vec<String>,
}

impl Same {
    /// This command, here.
    pub fn here(command: &[OsString]) -> Self {
        let cwd = env::current_dir().unwrap_or_default();
        let root = project::detect(&cwd, command, &|name| env::var_os(name)).root;
        let words = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Self { root: root.to_string_lossy().into_owned(), words }
    }

    /// Decided by one process at a time, each for its own command. Without a registry there is no run to be found, and
    /// the command still starts.
    pub fn lock(&self) -> Option<File> {
        let mut hash = Sha256::new();
        for part in [&self.root].into_iter().chain(&self.words) {
            hash.update(part);
            hash.update([0]);
        }
        let number = hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        match Registry::open_or_create().and_then(|registry| registry.lock("ensure", number)) {
            Ok(lock) => Some(lock),
            Err(error) => {
                complain!("wrap: {error}");
                None
            }
        }
    }

    /// Its runs that are registered.
    pub fn runs(&self) -> Vec<(Entry, Health)> {
        let swept = sweep(&mut with_hooks());
        for warning in &swept.warnings {
            complain!("wrap: {warning}");
        }
        let is_it = |entry: &Entry| entry.project_root == self.root && entry.cmd_args == self.words;
        swept.live.into_iter().filter(|(entry, _)| is_it(entry)).collect()
    }
}

/// Looks for a run of this command in this project. What lost its keeper is ended first, and what is ending is waited for.
pub fn look(args: &RunArgs, command: &[OsString]) -> anyhow::Result<There> {
    let same = Same::here(command);
    let lock = same.lock();
    let mut waits = None;
    for (entry, health) in same.runs() {
        match health.status {
            Status::Orphaned => replace(&entry)?,
            Status::Starting | Status::Restarting => waits = Some(entry),
            Status::Healthy => return told(args, &entry, true).map(There::Runs),
            // It holds the port of the new one until it is gone.
            Status::Stopping => {
                if !until_ended(&entry, PATIENCE)? {
                    bail!("{} is being stopped and does not end", title(&entry));
                }
            }
            Status::Dead | Status::Stopped => {}
            Status::Unresponsive | Status::Unknown => {
                bail!("{} runs but does not answer; `wrap restart {}` starts it again", title(&entry), entry.short_id())
            }
        }
    }
    let Some(entry) = waits else { return Ok(There::Nothing(lock)) };
    // Whoever else wants it waits for it likewise.
    drop(lock);
    let wait = args.wait.flatten().unwrap_or(PATIENCE);
    match until_ready(&entry, wait)? {
        Outcome::Ready(entry) => told(args, &entry, true).map(There::Runs),
        Outcome::Ended(past) => {
            let how = past.map_or_else(String::new, |past: Box<Past>| format!(": {}", ended(&past.end)));
            bail!("{} ended before it was ready{how}", title(&entry))
        }
        Outcome::Late => {
            told(args, &entry, false)?;
            complain!("wrap: {} is not ready after {} s", title(&entry), wait.as_secs_f64());
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
    if args.name.as_ref().is_some_and(|name| *name != entry.project_name) {
        complain!("wrap: it runs already, and is called `{}`", visible(&entry.project_name));
    }
    print(&Announcement::of(entry, ready).text(args.json))?;
    Ok(ExitCode::SUCCESS)
}
