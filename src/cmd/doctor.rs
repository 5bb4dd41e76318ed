//! `wrap doctor`: looks at everything that wrap stands on, and says of what is odd how it is mended. It changes nothing.

use super::manual::{self, Manual};
use super::{install, print};
use crate::cli::{DoctorArgs, Shell};
use crate::error::reason;
use crate::hooks::{Hooks, inspect, trust};
use crate::ping;
use crate::registry::center::running;
use crate::registry::health::{self, Health, Status};
use crate::registry::{Registry, entry::Entry, now_ms};
use crate::render::human::{DIM, Screen, painted};
use crate::render::visible;
use crate::sys::process::{self, Handle};
use crate::sys::pty::Pty;
use crate::{config, files, paths, project};
use anyhow::Context;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A clock that is this far behind what an entry says was set back; less is another machine's, or a moment's.
const JUMP: Duration = Duration::from_mins(1);

/// How long a control center may take to say that it is there.
const CENTER: Duration = Duration::from_secs(2);

/// How a matter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Well,
    /// It works, and there is something to know.
    Note,
    /// Something is lost by it.
    Problem,
}

/// One matter that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found.
    said: String,
    /// What to do about it; null where there is nothing to do.
    fix: Option<String>,
}

/// What was found, and, where it is odd, what to do.
struct Finding(State, String, Option<String>);

fn well(said: impl Into<String>) -> Finding {
    Finding(State::Well, said.into(), None)
}

fn note(said: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding(State::Note, said.into(), Some(fix.into()))
}

fn problem(said: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding(State::Problem, said.into(), Some(fix.into()))
}

/// Looks, prints, and fails where there is a problem.
pub fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let cwd = std::env::current_dir().context("this directory is gone")?;
    let root = project::detect(&cwd, &[], &|name| std::env::var_os(name)).root;
    let loaded = trust::settings(&cwd, &root);
    let entries: Vec<Entry> = Registry::existing()
        .0
        .iter()
        .flat_map(|registry| registry.read_all().entries)
        .map(|found| found.entry)
        .collect();
    let healths = health::check(&entries);
    let all: Vec<(&Entry, Health)> = entries.iter().zip(healths).collect();
    let found = [
        ("version", version()),
        ("system", system()),
        ("registry", registry()),
        ("state", state()),
        ("settings", settings(&loaded)),
        ("hooks", hooks(&root, &loaded)),
        ("trust", words()),
        ("instances", instances(&all)),
        ("sockets", sockets(&all)),
        ("clock", clock(&entries)),
        ("center", center()),
        ("terminal", terminal()),
        ("shell", shell()),
        ("manual", manual()),
    ];
    let checks: Vec<Check> = found
        .into_iter()
        .map(|(name, Finding(state, said, fix))| Check {
            name,
            state,
            said: visible(&said),
            fix: fix.as_deref().map(visible),
        })
        .collect();
    let is_well = checks.iter().all(|check| check.state != State::Problem);
    print(&if args.json { serde_json::to_string_pretty(&checks)? + "\n" } else { lines(&checks) })?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(checks: &[Check]) -> String {
    let screen = Screen::of_stdout();
    let mut text = String::new();
    for check in checks {
        let (mark, colour) = match check.state {
            State::Well => ("ok", "32"),
            State::Note => ("note", "33"),
            State::Problem => ("PROBLEM", "31"),
        };
        let mark = painted(&format!("{mark:7}"), colour, screen.colour);
        let _ = writeln!(text, "{mark}  {:9}  {}", check.name, check.said);
        if let Some(fix) = &check.fix {
            let _ = writeln!(text, "{:20}{}", "", painted(fix, DIM, screen.colour));
        }
    }
    text
}

/// Which wrap this is, and whether the one that a shell finds is the same.
fn version() -> Finding {
    let own = std::env::current_exe().ok().and_then(|path| fs::canonicalize(path).ok());
    let said = format!("wrap {}", env!("CARGO_PKG_VERSION"));
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&dirs).map(|dir| dir.join("wrap")).find(|path| path.is_file());
    match (own, found.as_ref().and_then(|path| fs::canonicalize(path).ok())) {
        (Some(own), Some(first)) if own != first => {
            let (own, first) = (own.display(), first.display());
            problem(format!("{said}, at `{own}`, and a shell finds `{first}`"), "remove one of them, or change PATH")
        }
        (Some(own), None) => {
            let dir = own.parent().unwrap_or(Path::new("/")).display();
            note(format!("{said}, at `{}`, which is not on PATH", own.display()), format!("add `{dir}` to PATH"))
        }
        (own, _) => well(own.map_or_else(|| said.clone(), |own| format!("{said}, at `{}`", own.display()))),
    }
}

/// What wrap needs of the system: a terminal for a command, its own identity, a handle on a process.
fn system() -> Finding {
    if let Err(error) = Pty::open() {
        return problem(
            format!("no terminal can be opened: {}", reason(&error)),
            "mount devpts, or raise kernel.pty.max",
        );
    }
    let pid = std::process::id();
    let Some(token) = process::token(pid) else {
        return problem("/proc cannot be read: nothing can be told of a process", "mount proc on /proc");
    };
    match Handle::open(pid, token) {
        Ok(Some(_)) => well("terminals, /proc and process handles are there"),
        Ok(None) => problem("this process does not know itself in /proc", "mount the proc of this PID namespace"),
        Err(error) => problem(
            format!("a process cannot be held (pidfd_open): {}", reason(&error)),
            "use a kernel of 5.3 or later, or a container that allows pidfd_open",
        ),
    }
}

fn registry() -> Finding {
    let (existing, unsafe_ones) = Registry::existing();
    if let Some(first) = unsafe_ones.first() {
        return problem(first.clone(), "see above; until then other terminals do not see what runs");
    }
    let dirs: Vec<String> = existing.iter().map(|registry| format!("`{}`", registry.root().display())).collect();
    let broken: Vec<String> = existing.iter().flat_map(|registry| registry.read_all().warnings).collect();
    if let Some(first) = broken.first() {
        return note(first.clone(), "nothing to do: what cannot be read is put aside and runs on");
    }
    if dirs.is_empty() {
        let place = paths::registry_dirs().first().map_or_else(String::new, |dir| format!(" in `{}`", dir.display()));
        return well(format!("nothing was registered yet; it will be{place}"));
    }
    well(dirs.join(", "))
}

/// Where logs, history and trust are: it must be ours and take a file.
fn state() -> Finding {
    let Some(dir) = paths::state_dir() else {
        return problem("there is no HOME: no log and no history is kept", "set HOME, or XDG_STATE_HOME");
    };
    let shown = dir.display().to_string();
    let Ok(meta) = fs::metadata(&dir) else {
        return well(format!("`{shown}` will be made by the first run"));
    };
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != us {
        return problem(format!("`{shown}` belongs to user {}", meta.uid()), format!("chown -R {us} {shown}"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return note(format!("others can look into `{shown}`"), format!("chmod 700 {shown}"));
    }
    match tempfile::tempfile_in(&dir) {
        Ok(_) => well(format!("`{shown}`")),
        Err(error) => problem(
            format!("`{shown}` takes no file: {}; no log and no history is kept", reason(&error)),
            "make room, or the directory writable",
        ),
    }
}

fn settings(loaded: &config::Loaded) -> Finding {
    match loaded.warnings.as_slice() {
        [] => well(match loaded.sources.len() {
            0 => "the defaults".to_owned(),
            count => format!("{count} set; `wrap config` shows them"),
        }),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            note(format!("{first}{more}"), "`wrap config` says all of it")
        }
    }
}

fn hooks(root: &Path, loaded: &config::Loaded) -> Finding {
    let (seen, said) = inspect::all(root, &loaded.config);
    if let Some(first) = said.first() {
        return problem(first.clone(), "`wrap hooks` lists what runs");
    }
    if let Some(broken) = seen.iter().find(|seen| seen.trusted && !seen.runs) {
        let why = broken.problem.clone().unwrap_or_default();
        return problem(format!("{}: {why}", broken.name), "`wrap hooks check` says where");
    }
    let untrusted = seen.iter().filter(|seen| !seen.trusted).count();
    if untrusted > 0 {
        return note(
            format!("{untrusted} of this project are not run"),
            "`wrap trust --show` shows them, `wrap trust` allows them",
        );
    }
    match seen.len() {
        0 => well(Hooks::dir().map_or_else(|| "none".to_owned(), |dir| format!("none in `{}`", dir.display()))),
        count => well(format!("{count} that load")),
    }
}

fn words() -> Finding {
    match trust::Store::ours().map(|store| store.all()) {
        None => note("there is no HOME to keep your word in", "set HOME, or XDG_STATE_HOME"),
        Some(Err(why)) => problem(why, "`wrap trust` in a project begins a new one"),
        Some(Ok(all)) => well(match all.len() {
            0 => "no project is trusted".to_owned(),
            count => format!("{count} trusted; `wrap trust --list` shows them"),
        }),
    }
}

fn instances(all: &[(&Entry, Health)]) -> Finding {
    let of = |status: Status| -> Vec<&str> {
        all.iter().filter(|(_, health)| health.status == status).map(|(entry, _)| entry.short_id()).collect()
    };
    let orphaned = of(Status::Orphaned);
    if !orphaned.is_empty() {
        return problem(format!("without a keeper: {}", orphaned.join(", ")), "`wrap clean --kill` ends them");
    }
    let dead = of(Status::Dead);
    if !dead.is_empty() {
        return note(format!("left behind by a crash: {}", dead.join(", ")), "`wrap clean` removes them");
    }
    let silent = of(Status::Unresponsive);
    if !silent.is_empty() {
        return note(
            format!("do not answer: {}", silent.join(", ")),
            "`wrap logs ID` says why, `wrap restart ID` may help",
        );
    }
    well(match all.len() {
        0 => "nothing is running".to_owned(),
        count => format!("{count}, all well"),
    })
}

fn sockets(all: &[(&Entry, Health)]) -> Finding {
    let mute: Vec<&str> = all
        .iter()
        .filter(|(entry, health)| entry.local_url.is_none() || health.keeper_answers == Some(false))
        .filter(|(_, health)| !matches!(health.status, Status::Dead | Status::Orphaned | Status::Unknown))
        .map(|(entry, _)| entry.short_id())
        .collect();
    if mute.is_empty() {
        return well("every keeper answers");
    }
    problem(
        format!("no answer from the keepers of {}", mute.join(", ")),
        "`wrap stop ID` ends them; attach, send and restart need an answer",
    )
}

/// Times of entries are compared with the clock; processes never are, so a jump only shows odd times.
fn clock(entries: &[Entry]) -> Finding {
    let ahead = entries.iter().map(|entry| entry.updated_at).max().unwrap_or_default().saturating_sub(now_ms());
    if u128::from(ahead) <= JUMP.as_millis() {
        return well("no entry is from the future");
    }
    let seconds = ahead / 1000;
    note(
        format!("it was set back by some {seconds} s since an instance wrote its entry"),
        "nothing to do: only the times that are shown are odd",
    )
}

fn center() -> Finding {
    let Some((listening, _)) = running() else { return well("none runs; `wrap ui` starts one") };
    let url = &listening.url;
    if !ping::is_ours(url) {
        return problem(
            format!("somebody else listens at `{url}`"),
            "`wrap center --stop`, then `wrap center --port PORT`",
        );
    }
    let answer = ping::agent(CENTER).get(format!("{url}/health")).call();
    if !answer.is_ok_and(|answer| answer.status() == 200) {
        return problem(
            format!("the one at `{url}` does not answer"),
            "`wrap center --stop` ends it, `wrap ui` starts another",
        );
    }
    let own = env!("CARGO_PKG_VERSION");
    if listening.version != own {
        let theirs = &listening.version;
        return note(format!("`{url}` is of wrap {theirs}, this is {own}"), "`wrap center --stop`, then `wrap ui`");
    }
    well(format!("`{url}`"))
}

fn terminal() -> Finding {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if !Screen::of_stdout().terminal {
        return well("none here");
    }
    let Some(term) = set("TERM") else {
        return note("TERM is not set", "set it to what the terminal is, as in TERM=xterm-256color");
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    if !locale.contains("utf-8") && !locale.contains("utf8") {
        return note(format!("{term}; the locale `{locale}` is not UTF-8"), "set LANG, as in LANG=C.UTF-8");
    }
    if term == "dumb" {
        return note("dumb: no colours, and nothing is drawn in place", "set TERM to what the terminal is");
    }
    let tmux = if set("TMUX").is_some() { ", in tmux (`allow-passthrough on` lets notifications through)" } else { "" };
    well(format!("{term}{tmux}"))
}

/// Whether the shell that the user has knows what follows `wrap`.
fn shell() -> Finding {
    let shell = std::env::var("SHELL").unwrap_or_default();
    let name = Path::new(&shell).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(home) = paths::home() else { return well(name) };
    let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let zsh = std::env::var_os("ZDOTDIR").map_or_else(|| home.clone(), PathBuf::from);
    let (shell, rc, line) = match name.as_str() {
        "bash" => (Shell::Bash, home.join(".bashrc"), "eval \"$(wrap init bash)\""),
        "zsh" => (Shell::Zsh, zsh.join(".zshrc"), "eval \"$(wrap init zsh)\""),
        "fish" => (Shell::Fish, config.join("fish/config.fish"), "wrap init fish | source"),
        _ => return well(if name.is_empty() { "SHELL is not set".to_owned() } else { name }),
    };
    let text = files::read_bounded(&rc, files::MANIFEST_BYTES).ok().flatten().unwrap_or_default();
    if text.lines().any(|line| line.contains("wrap init") && !line.trim_start().starts_with('#')) {
        return well(format!("{name}, by `{}`", rc.display()));
    }
    if install::has_completions(shell) {
        return well(format!("{name}, with completions"));
    }
    note(format!("{name} knows nothing of wrap"), format!("put `{line}` into `{}`", rc.display()))
}

/// Whether `man wrap` answers.
fn manual() -> Finding {
    match manual::manual() {
        Manual::Found(path) => well(format!("`{path}`")),
        Manual::NoMan => well("there is no man(1); `wrap help` says the same"),
        Manual::NoAnswer => note("man(1) does not answer", "see what `man -w wrap` waits for"),
        Manual::NotFound => match install::own_manual() {
            Some(dir) => note("`man wrap` finds nothing", format!("export MANPATH={}:", dir.display())),
            None => note("`man wrap` finds nothing", "wrap init --install"),
        },
    }
}
