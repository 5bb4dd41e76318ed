//! `wrap start`: runs an ended instance's command again, where and as it ran.

use super::ensure::Same;
use super::instance::title;
use super::run::{enter, plan};
use super::target::{self, Found};
use crate::cli::{RunArgs, StartArgs};
use crate::client;
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::render::visible;
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Starts it in the background, with this shell's environment.
pub fn run(args: &StartArgs) -> anyhow::Result<ExitCode> {
    let entry = match target::find(&args.target) {
        Err(error) => return Ok(target::refused(&error)),
        Ok(Found::Live(entry, health)) => {
            bail!("{} still runs ({}); `wrap restart {}` restarts it", title(&entry), health.status, entry.short_id())
        }
        Ok(Found::Past(past)) => past.entry,
    };
    let command = words(&entry)?;
    enter(Path::new(&entry.cwd)).with_context(|| format!("{} cannot be started where it ran", title(&entry)))?;
    let same = Same::here(&command);
    let lock = same.lock();
    // What lost its keeper, or is on its way out, is not what was asked for.
    let runs =
        same.runs().into_iter().filter(|(_, health)| !matches!(health.status, Status::Orphaned | Status::Stopping));
    if let Some((running, _)) = runs.into_iter().find(|(running, _)| running.cwd == entry.cwd) {
        bail!("{} has been started again already, as {}", title(&entry), title(&running));
    }
    let args = RunArgs {
        name: Some(entry.project_name.clone()),
        port: entry.asked_port,
        detach: true,
        wait: args.wait,
        json: args.json,
        ..RunArgs::default()
    };
    Ok(client::run(plan(&args, command, lock)).carry_out())
}

/// The command's words, if they are all there.
fn words(entry: &Entry) -> anyhow::Result<Vec<OsString>> {
    // What was no text, or too long, is not in the entry as it was.
    let is_whole = |word: &String| !word.contains(char::REPLACEMENT_CHARACTER) && !word.ends_with('…');
    if entry.cmd_args.is_empty() || !entry.cmd_args.iter().all(is_whole) {
        bail!(
            "the command of {} is not known word by word: `{}`; run it again yourself",
            title(entry),
            visible(&entry.command)
        );
    }
    Ok(entry.cmd_args.iter().map(OsString::from).collect())
}
