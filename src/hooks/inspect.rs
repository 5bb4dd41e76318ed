//! What hooks there are and what they handle, found out without running any of it for an instance: for `wrap hooks`.

use super::results::Called;
use super::runner::patient;
use super::script::Script;
use super::worker::{self, Report};
use super::{Event, Hooks, Host, Limits, Runner, shipped, trust};
use crate::config::Config;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where a hook comes from, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It ships with wrap, and a configuration names it.
    Shipped,
    /// It is in the user's own directory.
    User,
    /// The project brings it.
    Project,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its name in messages.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its file; null for one that ships with wrap.
    pub path: Option<PathBuf>,
    /// What it handles; empty where it is not known, because it may not be loaded.
    pub events: Vec<&'static str>,
    /// Whether it may run at all; a project's may not until it is trusted.
    pub trusted: bool,
    /// Whether it runs.
    pub runs: bool,
    /// Why it does not, or does not load.
    pub problem: Option<String>,
}

/// All hooks for the project at `root`, in the order in which they run; then what is to be said of others.
pub fn all(root: &Path, config: &Config) -> (Vec<Seen>, Vec<String>) {
    let said = Mutex::new(Vec::new());
    let hooks = Hooks::find(root, config).without_project();
    let dir = hooks.place().to_owned();
    let own = hooks.read(|text| said.lock().unwrap_or_else(PoisonError::into_inner).push(text));
    let mut seen: Vec<Seen> = own
        .into_iter()
        .map(|script| {
            let is_shipped = script.is_shipped();
            let path = (!is_shipped).then(|| dir.join(format!("{}.lua", script.name)));
            let origin = if is_shipped { Origin::Shipped } else { Origin::User };
            loaded(script, origin, path)
        })
        .collect();
    let mut said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    match trust::scripts(root, &config.trusted) {
        Ok((scripts, why)) => seen.extend(scripts.into_iter().map(|script| {
            let path = Some(root.join(trust::DIRECTORY).join("hooks").join(format!("{}.lua", script.stem())));
            match &why {
                // Nothing of it is run, not even to see what it handles.
                Some(why) => Seen {
                    name: script.name,
                    origin: Origin::Project,
                    path,
                    events: Vec::new(),
                    trusted: false,
                    runs: false,
                    problem: Some(format!("not trusted: {why}")),
                },
                None => loaded(script, Origin::Project, path),
            }
        })),
        Err(why) => said.push(format!("the project's hooks are not run: {why}")),
    }
    (seen, said)
}

/// The names of those that may run, without loading any: in the time of a key, and with nobody's text run.
pub fn names(root: &Path, config: &Config) -> Vec<String> {
    let own = Hooks::find(root, config).without_project().read(|_| {});
    let projects = match trust::scripts(root, &config.trusted) {
        Ok((scripts, None)) => scripts,
        Ok((_, Some(_))) | Err(_) => Vec::new(),
    };
    own.into_iter().chain(projects).map(|script| script.name).collect()
}

fn loaded(script: Script, origin: Origin, path: Option<PathBuf>) -> Seen {
    let name = script.name.clone();
    let (events, problem) = match load(script) {
        Ok(events) => (events, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    Seen { name, origin, path, events, trusted: true, runs: problem.is_none(), problem }
}

/// What a file handles, without repetition. Its text runs, within the limits; no handler does.
fn load(script: Script) -> Result<Vec<&'static str>, String> {
    let limits = Limits::default();
    let host: Host = Arc::new(|_| Ok(()));
    let (_tasks, reports) = worker::start(script, limits, host).map_err(|error| error.to_string())?;
    loop {
        match reports.recv_timeout(patient(limits.time)) {
            Ok(Report::Loaded(Ok(handlers))) => {
                let mut events: Vec<Event> = handlers.iter().map(|handler| handler.event).collect();
                events.sort_unstable();
                events.dedup();
                return Ok(events.into_iter().map(Event::as_str).collect());
            }
            Ok(Report::Loaded(Err(why))) => return Err(why),
            Ok(_) => {}
            Err(_) => return Err("does not answer and could not be stopped".to_owned()),
        }
    }
}

/// Looks a hook's file over: what it handles, or what is wrong with it and where.
pub fn check(file: &Path) -> Result<Vec<&'static str>, String> {
    let script = Hooks::only(file).script()?;
    if let Some((line, column, message)) = super::sandbox::syntax_error(&script.source) {
        return Err(format!("{line}:{column}: {message}"));
    }
    load(script)
}

/// What one handler did in a trial.
pub struct Trial {
    /// The hook's name.
    pub hook: String,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// Runs the handlers of an event once, for an instance that may be a made one; `line` is what a line handler is called
/// for. Nothing of it is remembered.
pub fn try_out(
    hooks: Hooks,
    event: Event,
    instance: serde_json::Value,
    line: &str,
    host: Host,
) -> (super::Outcome, Vec<Trial>) {
    let trials = Arc::new(Mutex::new(Vec::new()));
    let kept = trials.clone();
    let keep = move |_: Event, called: &[Called]| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = |one: &Called| Trial { hook: one.hook.clone(), took: one.took, failed: one.failed.clone() };
        kept.extend(called.iter().map(trial));
    };
    let runner = Runner::start(hooks, host, Limits::default(), Box::new(keep));
    let outcome = if event == Event::Line {
        let shown = instance.clone();
        let watch = runner.line_watch(move || shown.clone());
        runner.wait_loaded();
        watch.feed(crate::wire::Stream::Out, format!("{line}\n").as_bytes());
        super::Outcome::default()
    } else {
        runner.fire_and_wait(event, instance)
    };
    runner.finish();
    let trials = std::mem::take(&mut *trials.lock().unwrap_or_else(PoisonError::into_inner));
    (outcome, trials)
}

/// The text of a hook that ships with wrap.
pub fn shipped_text(name: &str) -> Option<&'static str> {
    shipped::all().find(|(known, _)| *known == name).map(|(_, text)| text)
}
