//! `wrap restart`: the command of an instance once more, in the same terminal.

use super::instance::{self, title};
use super::wait::{Outcome, until_ready};
use super::{TIMED_OUT, print};
use crate::api::{self, Method};
use crate::cli::RestartArgs;
use crate::log;
use crate::log::lines::{overwritten, plain};
use crate::registry::entry::Entry;
use crate::render::{ended, visible};
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long the old run may take to end: the longest grace that can be configured, for the command and for what it
/// leaves behind, and a little more.
const ANSWER: Duration = Duration::from_hours(49);

/// Lines of a run that failed: as much as its error message has, and fits on a screen.
const LAST_LINES: usize = 20;

/// What a keeper answers when the new run is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Restarted {
    ready_timeout: u64,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

/// Restarts it, and waits until it is ready.
pub fn run(args: &RestartArgs) -> anyhow::Result<ExitCode> {
    let entry = match instance::live(&args.target) {
        Ok(entry) => entry,
        Err(code) => return Ok(code),
    };
    let restarted = restart(&entry, args.env_from_here)?;
    let mut said = format!("restarted {}\n", title(&entry));
    if args.env_from_here {
        for (what, names) in
            [("added", &restarted.added), ("changed", &restarted.changed), ("removed", &restarted.removed)]
        {
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(|name| visible(name)).collect();
                writeln!(said, "  environment {what}: {}", names.join(", "))?;
            }
        }
        if said.lines().count() == 1 {
            said.push_str("  environment as before\n");
        }
    }
    print(&said)?;
    if args.no_wait { Ok(ExitCode::SUCCESS) } else { wait(&entry, Duration::from_millis(restarted.ready_timeout)) }
}

/// Until it is ready, which may take some time: Ctrl-C only ends the waiting.
fn wait(entry: &Entry, timeout: Duration) -> anyhow::Result<ExitCode> {
    match until_ready(entry, timeout)? {
        Outcome::Ready(now) => {
            if let Some(url) = &now.url {
                print(&format!("  ready at {}\n", visible(url)))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Ended(past) => {
            let how = past.map_or_else(String::new, |past| format!(": {}", ended(&past.end)));
            say_last_lines(entry);
            bail!(
                "{} ended again before it was ready{how}; `wrap logs {}` shows all that it said",
                title(entry),
                entry.short_id()
            )
        }
        Outcome::Late => {
            let seconds = timeout.as_secs_f64();
            complain!("wrap: {} runs and is not ready within {seconds} s (`ready_timeout`)", title(entry));
            Ok(ExitCode::from(TIMED_OUT))
        }
    }
}

/// The end of its log, where a failed command's words are looked for.
fn say_last_lines(entry: &Entry) {
    let Some(path) = &entry.log_path else { return };
    for line in log::tail(Path::new(path), LAST_LINES).unwrap_or_default() {
        complain!("  {}", plain(&overwritten(&line.text)));
    }
}

fn restart(entry: &Entry, env_from_here: bool) -> anyhow::Result<Restarted> {
    let body = if env_from_here {
        // Text alone crosses; a value that is none stays as the command has it from its start.
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Some(serde_json::to_vec(&json!({ "env": env }))?)
    } else {
        None
    };
    let response = api::call(entry, Method::POST, &instance::path(entry, "restart"), body, ANSWER)?;
    match response.status {
        200 => serde_json::from_slice(&response.body).context("its keeper answered something else"),
        400 => bail!("{} was not restarted and runs on: {}", title(entry), response.refusal()),
        _ => bail!("cannot restart {}: {}", title(entry), response.refusal()),
    }
}
