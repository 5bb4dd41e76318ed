//! `wrap stop`: ends instances and everything that they started.

use super::{INTERRUPTED, USAGE, instance, print};
use crate::api::{self, Method};
use crate::cli::StopArgs;
use crate::registry::entry::Entry;
use crate::registry::health::{Health, Status};
use crate::registry::target::{self, TargetError};
use crate::render::visible;
use crate::sweep::{finish, sweep, with_hooks};
use crate::sys::process;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// How long a keeper may take to answer: the longest grace that can be configured, for the command and for what it
/// left behind, and a little more. Nobody has to wait for it: Ctrl-C leaves the keeper to it.
const ANSWER: Duration = Duration::from_hours(49);

/// What a keeper answers when nothing is left.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Terminated {
    killed: Vec<String>,
    left: Vec<String>,
}

/// Ends the targets, all at once, and returns when they are gone.
pub fn run(args: &StopArgs) -> anyhow::Result<ExitCode> {
    if args.targets.is_empty() && !args.all {
        complain!("wrap: stop what? name an id, a name, :PORT or a pid (`wrap list` shows them), or --all");
        return Ok(ExitCode::from(USAGE));
    }
    let swept = sweep(&mut with_hooks());
    for warning in &swept.warnings {
        complain!("wrap: {warning}");
    }
    let chosen = match choose(args, &swept.live) {
        Ok(chosen) => chosen,
        Err(error) => {
            if let TargetError::NotFound { target, .. } = &error
                && let Some(past) = instance::past(target)
            {
                complain!("wrap: {}", instance::has_ended(&past));
                return Ok(ExitCode::from(error.exit_code()));
            }
            complain!("wrap: {error}{}", if args.targets.len() > 1 { "; nothing was stopped" } else { "" });
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    if chosen.is_empty() {
        print("nothing is running\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    // Whoever stops waiting does not stop the ending: the keeper goes on with it.
    let _ = ctrlc::set_handler(|| {
        complain!("wrap: no longer waiting; what was asked to end still ends");
        std::process::exit(INTERRUPTED);
    });
    let waiting: Vec<_> = chosen
        .into_iter()
        .map(|(entry, health)| (entry.clone(), std::thread::spawn(move || stop(&entry, health))))
        .collect();
    let mut failed = false;
    for (entry, waiting) in waiting {
        match waiting.join().unwrap_or_else(|_| bail!("the thread that ended it failed")) {
            Ok(said) => print(&said)?,
            Err(error) => {
                complain!("wrap: cannot stop {}: {error:#}", title(&entry));
                failed = true;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn choose(args: &StopArgs, live: &[(Entry, Health)]) -> Result<Vec<(Entry, Health)>, TargetError> {
    let entries: Vec<Entry> = live.iter().map(|(entry, _)| entry.clone()).collect();
    let ids = if args.all {
        entries.iter().map(|entry| entry.instance_id.clone()).collect()
    } else {
        let mut ids = Vec::new();
        for target in &args.targets {
            let id = target::resolve(target, &entries)?.instance_id.clone();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    };
    Ok(live.iter().filter(|(entry, _)| ids.contains(&entry.instance_id)).cloned().collect())
}

/// Ends one, and says what that took. Its keeper does it, which is the command's parent and cannot mistake it; where
/// the keeper is dead or does not answer, we do.
fn stop(entry: &Entry, health: Health) -> anyhow::Result<String> {
    if health.status == Status::Unknown {
        bail!("it runs in another container or on `{}`; stop it there", visible(&entry.host));
    }
    // Not asked is no answer: a keeper whose command has ended is at work on what it left.
    let keeper_lives = process::is_alive(entry.pid, entry.pid_token);
    if health.keeper_answers == Some(true) || (health.keeper_answers.is_none() && keeper_lives) {
        let path = format!("/api/instances/{}/terminate", entry.instance_id);
        let response = match api::call(entry, Method::POST, &path, None, ANSWER) {
            // It was about to end when it was listed.
            Err(_) if !process::is_alive(entry.pid, entry.pid_token) => {
                return Ok(format!("{} has ended by itself\n", title(entry)));
            }
            response => response?,
        };
        if response.status != 200 {
            bail!("its keeper answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
        }
        let ended: Terminated = serde_json::from_slice(&response.body).context("its keeper answered something else")?;
        let mut said = format!("stopped {}\n", title(entry));
        for name in ended.killed {
            writeln!(said, "  killed {}, which did not end when asked", visible(&name))?;
        }
        for name in ended.left {
            writeln!(said, "  left {}", visible(&name))?;
        }
        return Ok(said);
    }
    // The keeper cannot.
    let ended = finish(entry).map_err(|unfinished| anyhow::anyhow!("{unfinished}"))?;
    let mut said = format!("stopped {}\n", title(entry));
    for one in ended.killed {
        writeln!(said, "  killed `{}` ({}), which did not end when asked", visible(&one.name), one.pid)?;
    }
    Ok(said)
}

fn title(entry: &Entry) -> String {
    format!("`{}` ({})", visible(&entry.project_name), entry.short_id())
}
