//! The one instance that a verb is about, where its keeper is to be asked: found without asking all of them how they are.

use crate::api::{self, Method, Response};
use crate::registry::Registry;
use crate::registry::entry::Entry;
use crate::registry::history::{self, History, Past};
use crate::registry::target::{TargetError, resolve};
use crate::render::{ended, visible};
use crate::sys::process;
use std::process::ExitCode;
use std::time::Duration;

/// How long a keeper may take for what it does at once.
pub const ANSWER: Duration = Duration::from_secs(5);

/// The instance that a target names; what is to be exited with where it names none.
pub fn live(target: &str) -> Result<Entry, ExitCode> {
    let entries: Vec<Entry> = Registry::existing()
        .0
        .iter()
        .flat_map(|registry| registry.read_all().entries)
        .map(|found| found.entry)
        .collect();
    let found = match resolve(target, &entries) {
        // Only where it matters: those whose keeper is dead are not meant.
        Err(TargetError::Ambiguous { .. }) => {
            let alive: Vec<Entry> =
                entries.into_iter().filter(|entry| process::is_alive(entry.pid, entry.pid_token)).collect();
            resolve(target, &alive).cloned()
        }
        found => found.cloned(),
    };
    found.map_err(|error| {
        match past(target).filter(|_| matches!(error, TargetError::NotFound { .. })) {
            Some(past) => complain!("wrap: {}", has_ended(&past)),
            None => complain!("wrap: {error}"),
        }
        ExitCode::from(error.exit_code())
    })
}

/// The ended one that a target names.
pub fn past(target: &str) -> Option<Past> {
    history::find(target, &History::ours()?.all().0).cloned()
}

/// What is to be said of one that is not there any more.
pub fn has_ended(past: &Past) -> String {
    let (title, short, how) = (title(&past.entry), past.entry.short_id(), ended(&past.end));
    format!(
        "{title} is not running: {how}; `wrap start {short}` starts it again, `wrap logs {short}` shows what it said"
    )
}

/// Asks its keeper; an answer other than 2xx is an error, in the keeper's words.
pub fn ask(
    entry: &Entry,
    method: Method,
    what: &str,
    body: Option<Vec<u8>>,
    within: Duration,
) -> anyhow::Result<Response> {
    let response = api::call(entry, method, &path(entry, what), body, within)?;
    if response.status / 100 != 2 {
        anyhow::bail!("{}", response.refusal());
    }
    Ok(response)
}

/// The path of one of its routes.
pub fn path(entry: &Entry, what: &str) -> String {
    format!("/api/instances/{}/{what}", entry.instance_id)
}

/// What it is called in messages.
pub fn title(entry: &Entry) -> String {
    format!("`{}` ({})", visible(&entry.project_name), entry.short_id())
}
