//! `wrap hooks`: which there are, a new one, one tried out, all checked.

use super::{USAGE, instance, print};
use crate::cli::{HooksArgs, HooksVerb, TestArgs};
use crate::config::{Config, Named, SHIPPED};
use crate::error::Error;
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
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
            complain!("wrap: {warning}");
        }
        Ok(Self { cwd, project, config: loaded.config })
    }

    fn hooks(&self) -> Vec<Seen> {
        let (seen, said) = inspect::all(&self.project.root, &self.config);
        for line in said {
            complain!("wrap: {line}");
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
    // What it handled before an edit is no news of it.
    let handles = |seen: &Seen, last: &Last| seen.events.is_empty() || seen.events.contains(&last.event.as_str());
    let of =
        |seen: &Seen| remembered.iter().filter(|last| last.hook == seen.name && handles(seen, last)).cloned().collect();
    let all: Vec<Listed> = Here::look()?.hooks().into_iter().map(|seen| Listed { last: of(&seen), seen }).collect();
    if json {
        print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        let dir = Hooks::dir().map_or_else(String::new, |dir| format!(" in `{}`", dir.display()));
        print(&format!("there are no hooks{dir}; `wrap hooks new NAME` begins one\n{}", not_in_use(&all)))?;
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
    text += &not_in_use(&all);
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What ships with wrap and is not switched on, as a line.
fn not_in_use(all: &[Listed]) -> String {
    let is_used = |name: &str| all.iter().any(|one| one.seen.origin == Origin::Shipped && one.seen.name == name);
    let rest: Vec<&str> = SHIPPED.into_iter().filter(|name| !is_used(name)).collect();
    if rest.is_empty() {
        return String::new();
    }
    format!("not in use: {} (`hooks = [\"NAME\"]` in the settings switches one on)\n", rest.join(" "))
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
            .ok_or_else(|| {
                anyhow!("no hook `{}` ships with wrap: there are `{}`", printable(from, 100), SHIPPED.join("`, `"))
            })?
            .to_owned(),
    };
    let dir = if in_project {
        Here::look()?.project.root.join(trust::DIRECTORY).join("hooks")
    } else {
        Hooks::dir().context("there is no HOME to put it in; set HOME or XDG_CONFIG_HOME")?
    };
    let above = dir.parent().unwrap_or(Path::new("/"));
    if in_project && above.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
        bail!("`{}` is a link: what it leads to would not be run", above.display());
    }
    // Nobody else may write there, or nothing in it is run.
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(&dir);
    made.map_err(|error| Error::file("make", &dir, error))?;
    let path = dir.join(format!("{name}.lua"));
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    if written.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists) {
        bail!("`{}` is there already: edit it, or choose another name", path.display());
    }
    written.map_err(|error| Error::file("write", &path, error))?;
    let then = if in_project { "`wrap trust` lets it run here, and " } else { "" };
    print(&format!("{}\n", path.display()))?;
    complain!("wrap: {then}`wrap hooks test EVENT {name}` tries it out");
    Ok(ExitCode::SUCCESS)
}

/// Every file that would be run, or those named: what cannot be parsed, with its place, or does not load.
fn check(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let here = Here::look()?;
    let seen = here.hooks();
    let mut text = String::new();
    let mut is_well = true;
    let wanted: Vec<&Seen> = if files.is_empty() { seen.iter().collect() } else { Vec::new() };
    for seen in wanted.iter().filter(|seen| seen.path.is_none() || !seen.trusted) {
        // One that ships has no file of the user's; one that is not trusted is not even read.
        is_well &= seen.runs;
        let what = seen.problem.clone().unwrap_or_else(|| seen.events.join(" "));
        writeln!(text, "{}: {}", visible(&seen.name), visible(&what))?;
    }
    let files: Vec<PathBuf> = if files.is_empty() {
        wanted.iter().filter(|seen| seen.trusted).filter_map(|seen| seen.path.clone()).collect()
    } else {
        let named = |file: &PathBuf| find(&seen, &file.to_string_lossy()).and_then(|seen| seen.path.clone());
        files.iter().map(|file| named(file).filter(|_| !file.exists()).unwrap_or_else(|| file.clone())).collect()
    };
    for file in &files {
        trust::may_run(file, &here.config.trusted).map_err(|why| anyhow!(why))?;
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
    if text.is_empty() {
        text.push_str("there is nothing to check\n");
    }
    print(&text)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The hook of this name; one of the project's also without `.wrap/`.
fn find<'a>(all: &'a [Seen], name: &str) -> Option<&'a Seen> {
    let in_project = format!("{}/{name}", trust::DIRECTORY);
    all.iter().find(|seen| seen.name == name).or_else(|| all.iter().find(|seen| seen.name == in_project))
}

/// Runs an event's handlers for an instance of this moment or a made one, and shows what they did.
fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let event: Event = match args.event.parse() {
        Ok(event) => event,
        Err(why) => {
            complain!("wrap: {why}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let mut here = Here::look()?;
    if let Some(which) = args.file.as_ref().filter(|which| inspect::shipped_text(which).is_some()) {
        // Also where no configuration names it.
        let options = json!({});
        here.config.hooks.extend(
            Some(Named { name: which.clone(), options })
                .filter(|one| !here.config.hooks.iter().any(|known| known.name == one.name)),
        );
    }
    let mut hooks = Hooks::find(&here.project.root, &here.config);
    let all = here.hooks();
    let mut tried: Vec<&Seen> = all.iter().collect();
    if let Some(which) = &args.file {
        let path = Path::new(which);
        if let Some(seen) = find(&all, which) {
            if let Some(why) = seen.problem.as_ref().filter(|_| !seen.trusted) {
                bail!("`{}` is {why}", visible(&seen.name));
            }
            hooks = hooks.named(&seen.name);
            tried = vec![seen];
        } else if !path.exists() {
            bail!("there is no hook `{}`, and no such file; `wrap hooks` lists them", printable(which, 200));
        } else {
            trust::may_run(path, &here.config.trusted).map_err(|why| anyhow!(why))?;
            inspect::check(path).map_err(|why| anyhow!("`{}`: {why}", path.display()))?;
            hooks = Hooks::only(path);
            tried = Vec::new();
        }
    }
    // What does not load cannot be called; that is said when it is tried.
    let is_broken = tried.iter().any(|seen| seen.trusted && !seen.runs);
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
        // Of a file that was named it is not asked here what it handles.
        let handles = tried.is_empty() || tried.iter().any(|seen| seen.events.contains(&event.as_str()));
        let hint = if event == Event::Line && handles {
            ": no pattern is in that line; `--line TEXT` gives another"
        } else {
            ""
        };
        writeln!(text, "no hook was called for `{}`{hint}", event.as_str())?;
    }
    print(&text)?;
    let is_well = !is_broken && trials.iter().all(|trial| trial.failed.is_none());
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
        Event::Start => {
            // Nothing listens yet.
            instance["wantedPort"] = instance["port"].take();
            (instance["url"], instance["ports"]) = (Value::Null, json!([]));
        }
        _ => {}
    }
}
