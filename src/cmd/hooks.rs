//! `wrap hooks`: which there are, a new one, one tried out, all checked.

use super::{instance, print};
use crate::cli::{HooksArgs, HooksVerb, TestArgs};
use crate::config::Config;
use crate::error::{Error, reason};
use crate::files::printable;
use crate::hooks::inspect::{self, Origin, Seen};
use crate::hooks::results::{self, Last};
use crate::hooks::{Event, Hooks, Host, Outcome, Verdict, Wish, trust};
use crate::project::{self, Project};
use crate::registry::now_ms;
use crate::render::{duration, visible};
use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What a new hook begins as.
const TEMPLATE: &str = include_str!("template.lua");

/// Lists them, unless something else is asked for.
pub fn run(args: &HooksArgs) -> anyhow::Result<ExitCode> {
    match &args.verb {
        None => list(false),
        Some(HooksVerb::List { json }) => list(*json),
        Some(HooksVerb::New { name, project, from }) => new(name, *project, from.as_deref()),
        Some(HooksVerb::Test(args)) => test(args),
        Some(HooksVerb::Check { files }) => check(files),
    }
}

/// The project that this directory is in, and the settings for it.
struct Here {
    cwd: PathBuf,
    project: Project,
    config: Config,
}

impl Here {
    fn look() -> anyhow::Result<Self> {
        let cwd = std::env::current_dir().context("this directory is gone")?;
        let project = project::detect(&cwd, &[], &|name| std::env::var_os(name));
        let loaded = trust::settings(&cwd, &project.root);
        for warning in loaded.warnings {
            eprintln!("wrap: {warning}");
        }
        Ok(Self { cwd, project, config: loaded.config })
    }

    fn hooks(&self) -> Vec<Seen> {
        let (seen, said) = inspect::all(&self.project.root, &self.config);
        for line in said {
            eprintln!("wrap: {line}");
        }
        seen
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    seen: Seen,
    /// What came of it the last time, by event.
    last: Vec<Last>,
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let remembered = results::all();
    let of = |seen: &Seen| remembered.iter().filter(|last| last.hook == seen.name).cloned().collect();
    let all: Vec<Listed> = Here::look()?.hooks().into_iter().map(|seen| Listed { last: of(&seen), seen }).collect();
    if json {
        print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        let dir = Hooks::dir().map_or_else(String::new, |dir| format!(" in `{}`", dir.display()));
        print(&format!("there are no hooks{dir}; `wrap hooks new NAME` begins one\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = all.iter().map(|listed| listed.seen.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Listed { seen, last } in &all {
        let origin = match seen.origin {
            Origin::Shipped => "shipped",
            Origin::User => "yours",
            Origin::Project => "project",
        };
        let place = seen.path.as_ref().map_or_else(String::new, |path| visible(&path.to_string_lossy()));
        let what = match &seen.problem {
            Some(why) => visible(why),
            None => seen.events.join(" "),
        };
        writeln!(text, "{:width$}  {origin:7}  {what}", visible(&seen.name))?;
        if !place.is_empty() {
            writeln!(text, "{:width$}  {place}", "")?;
        }
        for last in last {
            let ago = duration(now_ms().saturating_sub(last.at));
            let how = last.failed.as_ref().map_or_else(|| "went well".to_owned(), |why| visible(why));
            writeln!(text, "{:width$}  {} {ago} ago: {how} ({} ms)", "", visible(&last.event), last.took)?;
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a hook that does nothing yet, or a copy of a shipped one.
fn new(name: &str, in_project: bool, from: Option<&str>) -> anyhow::Result<ExitCode> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        bail!("`{}` is no name for a hook: letters, digits, `-` and `_` are", printable(name, 100));
    }
    let text = match from {
        None => TEMPLATE.replace("NAME", name),
        Some(from) => inspect::shipped_text(from)
            .ok_or_else(|| anyhow!("no hook `{}` ships with wrap", printable(from, 100)))?
            .to_owned(),
    };
    let dir = if in_project {
        Here::look()?.project.root.join(trust::DIRECTORY).join("hooks")
    } else {
        Hooks::dir().context("there is no HOME to put it in; set HOME or XDG_CONFIG_HOME")?
    };
    fs::create_dir_all(&dir).map_err(|error| Error::file("make", &dir, error))?;
    let path = dir.join(format!("{name}.lua"));
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::file("write", &path, error))?;
    let then = if in_project { "`wrap trust` lets it run here, and " } else { "" };
    print(&format!("{}\n", path.display()))?;
    eprintln!("wrap: {then}`wrap hooks test start` tries it out");
    Ok(ExitCode::SUCCESS)
}

/// Every file that would be run, or those named: what cannot be parsed, with its place, or does not load.
fn check(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let here = Here::look()?;
    let files = if files.is_empty() {
        let seen = here.hooks();
        seen.into_iter().filter(|seen| !is_untrusted(seen)).filter_map(|seen| seen.path).collect()
    } else {
        files.to_vec()
    };
    let mut text = String::new();
    let mut is_well = true;
    for file in &files {
        refuse_untrusted(&here, file)?;
        let shown = visible(&file.to_string_lossy());
        match inspect::check(file) {
            Ok(events) if events.is_empty() => writeln!(text, "{shown}: handles nothing")?,
            Ok(events) => writeln!(text, "{shown}: {}", events.join(" "))?,
            Err(why) => {
                is_well = false;
                writeln!(
                    text,
                    "{shown}:{}",
                    if why.starts_with(|c: char| c.is_ascii_digit()) { why } else { format!(" {why}") }
                )?;
            }
        }
    }
    if files.is_empty() {
        text.push_str("there is nothing to check\n");
    }
    print(&text)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_untrusted(seen: &Seen) -> bool {
    seen.origin == Origin::Project && !seen.runs && seen.events.is_empty()
}

/// A project's own file is not run by a slip either.
fn refuse_untrusted(here: &Here, file: &Path) -> anyhow::Result<()> {
    let full = file.canonicalize().map_err(|error| anyhow!("cannot read `{}`: {}", file.display(), reason(&error)))?;
    let root = here.project.root.canonicalize().unwrap_or_else(|_| here.project.root.clone());
    if !full.starts_with(root.join(trust::DIRECTORY)) {
        return Ok(());
    }
    match here.hooks().iter().find(|seen| seen.origin == Origin::Project).and_then(|seen| seen.problem.clone()) {
        Some(why) if why.starts_with("not trusted") => bail!("`{}` is {why}", file.display()),
        _ => Ok(()),
    }
}

/// Runs an event's handlers for an instance of this moment or a made one, and shows what they did.
fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let event: Event = args.event.parse().map_err(|why: String| anyhow!(why))?;
    let here = Here::look()?;
    let mut hooks = Hooks::find(&here.project.root, &here.config);
    if let Some(which) = &args.file {
        let known = here.hooks().iter().any(|seen| seen.name == *which);
        if known {
            hooks = hooks.named(which);
        } else {
            refuse_untrusted(&here, Path::new(which))?;
            hooks = Hooks::only(Path::new(which));
        }
    }
    let mut about = match &args.target {
        Some(target) => match instance::live(target) {
            Ok(entry) => serde_json::to_value(entry.public())?,
            Err(code) => return Ok(code),
        },
        None => made(&here),
    };
    add_what_the_event_has(&mut about, event);
    let host: Host = Arc::new(|wish| {
        let line = match wish {
            Wish::Say(line) => line,
            Wish::Notify { title, text } => format!("notification: {title}: {text}"),
            Wish::Send(text) => format!("would type: {text}"),
            Wish::Stop => "would end the run".to_owned(),
        };
        // A reader that is gone costs the line.
        let _ = print(&format!("{line}\n"));
        Ok(())
    });
    let (outcome, trials) = inspect::try_out(hooks, event, about, &args.line, host);
    let mut text = changes(&outcome);
    for trial in &trials {
        let how = if trial.failed.is_some() { "failed" } else { "went well" };
        writeln!(text, "{}: {how} in {} ms", visible(&trial.hook), trial.took.as_millis())?;
    }
    if trials.is_empty() {
        writeln!(text, "no hook was called for `{}`", event.as_str())?;
    }
    print(&text)?;
    let is_well = trials.iter().all(|trial| trial.failed.is_none());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn changes(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (name, value) in &outcome.env {
        let _ = match value {
            Some(value) => writeln!(text, "env: {}={}", visible(name), visible(value)),
            None => writeln!(text, "env: {} removed", visible(name)),
        };
    }
    if let Some(args) = &outcome.args {
        let _ = writeln!(text, "command: {}", visible(&args.join(" ")));
    }
    if let Some(name) = &outcome.name {
        let _ = writeln!(text, "name: {}", visible(name));
    }
    if let Some(why) = &outcome.refused {
        let _ = writeln!(text, "refused: {}", visible(why));
    }
    if let Some(verdict) = outcome.verdict {
        let word = match verdict {
            Verdict::Remove => "remove",
            Verdict::Keep => "keep",
            Verdict::Kill => "kill",
        };
        let _ = writeln!(text, "verdict: {word}");
    }
    text
}

/// An instance as one of this project would be, on a port that nobody was asked for.
fn made(here: &Here) -> Value {
    let name = here.config.name.clone().unwrap_or_else(|| here.project.name.clone());
    let port = here.config.port.unwrap_or(3000);
    json!({
        "instanceId": "00000000-0000-7000-8000-000000000000",
        "projectName": name,
        "projectRoot": here.project.root,
        "detectedType": here.project.kind.as_str(),
        "cwd": here.cwd,
        "command": "npm run dev",
        "cmdArgs": ["npm", "run", "dev"],
        "pid": std::process::id(),
        "childPid": null,
        "port": port,
        "ports": [port],
        "url": format!("http://localhost:{port}"),
        "state": "running",
        "mode": "terminal",
        "runId": 1,
        "startTime": jiff::Timestamp::now().to_string(),
    })
}

fn add_what_the_event_has(instance: &mut Value, event: Event) {
    match event {
        Event::Exit => {
            instance["exitCode"] = json!(1);
            instance["signal"] = Value::Null;
            instance["duration"] = json!(125_000);
            instance["lastLines"] = json!(["Error: an example of a last line"]);
        }
        Event::Stale => instance["status"] = json!("dead"),
        _ => {}
    }
}
