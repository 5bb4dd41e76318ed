//! `wrap __complete`: what may stand at the cursor. A completion script asks, and shows what the answer says.
//!
//! The first line of the answer says what the others are: `words`, each with a tab and a description behind it; `files` or
//! `directories`, which the shell knows best; `command N`, where the wrapped command begins at the word N and is the
//! shell's to complete, too.

use super::print;
use crate::cli::{CompleteArgs, First, Front, definition, front};
use crate::config::SHIPPED;
use crate::hooks::{Event, inspect, trust};
use crate::keys::Key;
use crate::project;
use crate::registry::Registry;
use crate::registry::entry::Entry;
use crate::registry::health::{self, Status};
use crate::registry::history::History;
use crate::render::columns::Column;
use crate::render::visible;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// How long the instances may take to say how they fare: Tab should feel like a key, and a hung one must not hold it up.
const GLANCE: Duration = Duration::from_millis(20);

/// Beside a name stands as much of its command as fits into a line with it.
const COMMAND_CHARS: usize = 40;

/// Stands for all files, or all directories, among the candidates.
const FILES: &str = "files";
const DIRECTORIES: &str = "directories";

/// Answers.
pub fn run(args: &CompleteArgs) -> anyhow::Result<ExitCode> {
    print(&answer(&args.words, args.at))?;
    Ok(ExitCode::SUCCESS)
}

fn answer(words: &[OsString], at: usize) -> String {
    let mut words = words.to_vec();
    // The word at the cursor may be missing because it is empty, and no other.
    let at = at.min(words.len());
    words.resize(at + 1, OsString::new());
    let current = words[at].clone();
    let mut definition = definition();
    let Front { run, first } = front(&words, &definition);
    let begins = match first {
        First::Separator(separator) if separator < at => Some(separator + 1),
        First::Command(first) => Some(first),
        First::Verb(verb) if verb == at => Some(at),
        _ => None,
    };
    match begins {
        Some(begins) if begins < at => return format!("command {begins}\n"),
        // Behind `--` and `run` there is no verb.
        Some(begins) if begins > run.unwrap_or(0) + 1 && words[begins - 1] == "--" => {
            return format!("command {begins}\n");
        }
        Some(begins) if run.is_some() => return format!("command {begins}\n"),
        // Every command of the machine is no help where nothing was typed.
        Some(begins) if !current.is_empty() => {
            return format!("command {begins}\n{}", lines(&candidates(&mut definition, words, at)));
        }
        _ => {}
    }
    let mut found = candidates(&mut definition, words, at);
    for kind in [FILES, DIRECTORIES] {
        if found.iter().any(|candidate| is_kind(candidate, kind)) {
            return format!("{kind}\n");
        }
    }
    // Options are offered to whoever has begun one, or has nothing else to say.
    let is_option = |candidate: &CompletionCandidate| candidate.get_value().as_encoded_bytes().starts_with(b"-");
    if !current.as_encoded_bytes().starts_with(b"-") && !found.iter().all(is_option) {
        found.retain(|candidate| !is_option(candidate));
    }
    format!("words\n{}", lines(&found))
}

fn candidates(definition: &mut clap::Command, words: Vec<OsString>, at: usize) -> Vec<CompletionCandidate> {
    let mut with_values = with_values(std::mem::take(definition));
    complete(&mut with_values, words, at, None).unwrap_or_default()
}

/// A line each. Names are others' words: one that would act on the terminal, or be two lines or columns to the script, is
/// left out, and what is beside it is made harmless.
fn lines(candidates: &[CompletionCandidate]) -> String {
    let mut text = String::new();
    for candidate in candidates {
        let Some(value) = candidate.get_value().to_str().filter(|value| visible(value) == **value) else { continue };
        let about = visible(&candidate.get_help().map(ToString::to_string).unwrap_or_default());
        let _ = if about.is_empty() { writeln!(text, "{value}") } else { writeln!(text, "{value}\t{about}") };
    }
    text
}

/// What a value may be goes by its name, which is the same wherever it is taken.
fn with_values(command: clap::Command) -> clap::Command {
    let verb = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
        match values(&verb, &name) {
            Some(values) => arg.add(values),
            None => arg,
        }
    });
    command.mut_subcommands(with_values)
}

/// What a value of this name may be in this verb.
fn values(verb: &str, name: &str) -> Option<ArgValueCompleter> {
    Some(match name {
        "TARGET" => match verb {
            "start" => ArgValueCompleter::new(ended),
            "show" | "logs" | "wait" => ArgValueCompleter::new(|current: &OsStr| either(current)),
            _ => ArgValueCompleter::new(living),
        },
        "COLUMN" | "COLUMN,…" => of(|| Column::ALL.map(|(name, _)| name).into_iter().map(plain).collect()),
        "COLUMN=TEXT" => ArgValueCompleter::new(filters),
        "WHAT" => of(|| ["ready", "healthy", "exit", "log="].into_iter().map(plain).collect()),
        "KEY" => of(|| Key::names().chain(["ctrl-c", "ctrl-d", "ctrl-z"]).map(plain).collect()),
        "EVENT" => of(|| Event::ALL.into_iter().map(Event::as_str).map(plain).collect()),
        "HOOK" => of(|| SHIPPED.into_iter().map(plain).collect()),
        "VERB" => of(verbs),
        "FILE" if verb == "test" => of(hooks),
        "FILE" if verb == "check" => of(|| vec![kind(FILES)]),
        "DIR" => of(|| vec![kind(DIRECTORIES)]),
        _ => return None,
    })
}

/// Those that begin as the word does.
fn of(all: impl Fn() -> Vec<CompletionCandidate> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let begun = |candidate: &CompletionCandidate| {
            let value = candidate.get_value().as_encoded_bytes();
            value.starts_with(current.as_encoded_bytes())
                || is_kind(candidate, FILES)
                || is_kind(candidate, DIRECTORIES)
        };
        all().into_iter().filter(begun).collect()
    })
}

/// A column with its `=`; behind that of the status what it can be.
fn filters(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all: Vec<String> = if current.starts_with("status=") {
        Status::ALL.iter().map(|status| format!("status={status}")).collect()
    } else {
        Column::ALL.iter().map(|(name, _)| format!("{name}=")).collect()
    };
    all.into_iter().filter(|filter| filter.starts_with(&*current)).map(CompletionCandidate::new).collect()
}

fn plain(word: &str) -> CompletionCandidate {
    CompletionCandidate::new(word)
}

fn kind(kind: &'static str) -> CompletionCandidate {
    CompletionCandidate::new("").tag(Some(kind.into()))
}

fn is_kind(candidate: &CompletionCandidate, kind: &str) -> bool {
    candidate.get_tag().is_some_and(|tag| tag.to_string() == kind)
}

fn verbs() -> Vec<CompletionCandidate> {
    let definition = definition();
    let shown = definition.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown.map(|verb| CompletionCandidate::new(verb.get_name()).help(verb.get_about().cloned())).collect()
}

/// The hooks that run here, and those that ship with wrap.
fn hooks() -> Vec<CompletionCandidate> {
    let Ok(cwd) = std::env::current_dir() else { return Vec::new() };
    let root = project::detect(&cwd, &[], &|name| std::env::var_os(name)).root;
    let mut names = inspect::names(&root, &trust::settings(&cwd, &root).config);
    names.extend(SHIPPED.map(str::to_owned));
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// What runs, newest first.
fn living(current: &OsStr) -> Vec<CompletionCandidate> {
    let registries = Registry::existing().0;
    let mut all: Vec<Entry> =
        registries.iter().flat_map(|registry| registry.read_all().entries).map(|found| found.entry).collect();
    all.sort_by(|one, other| other.instance_id.cmp(&one.instance_id));
    let statuses = glance(&all);
    let mut all: Vec<(Entry, Option<Status>)> = all.into_iter().zip(statuses).collect();
    all.retain(|(_, status)| *status != Some(Status::Dead));
    offered(current, &all)
}

/// What has ended.
fn ended(current: &OsStr) -> Vec<CompletionCandidate> {
    let past = History::ours().map(|history| history.all().0).unwrap_or_default();
    offered(current, &past.into_iter().map(|past| (past.entry, Some(Status::Stopped))).collect::<Vec<_>>())
}

/// What runs, and behind it what has ended and is called otherwise.
fn either(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = living(current);
    for one in ended(current) {
        if all.iter().all(|known| known.get_value() != one.get_value()) {
            all.push(one);
        }
    }
    all
}

/// How they fare, as far as they say so within a glance.
fn glance(entries: &[Entry]) -> Vec<Option<Status>> {
    let mut statuses = vec![None; entries.len()];
    let (sender, told) = channel();
    let asked = entries.to_vec();
    // Not joined: who hangs is left behind. Without the thread nothing is known of them.
    let _ = thread::Builder::new().name("glance".to_owned()).spawn(move || {
        health::check_each(&asked, &mut |index, health| {
            let _ = sender.send((index, health.status));
        });
    });
    let until = Instant::now() + GLANCE;
    while let Ok((index, status)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        statuses[index] = Some(status);
    }
    statuses
}

/// Each by its name; where two are called the same, by its id, until somebody has begun the name. Whoever has begun a port
/// or an id gets that.
fn offered(current: &OsStr, all: &[(Entry, Option<Status>)]) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let mut candidates: Vec<CompletionCandidate> = Vec::new();
    for (entry, status) in all {
        let is_only = all.iter().filter(|(other, _)| other.project_name == entry.project_name).count() == 1;
        let port = entry.port.map(|port| format!(":{port}"));
        let name = Some(entry.project_name.as_str()).filter(|_| is_only || !current.is_empty());
        let ids = [name.is_none() || !current.is_empty(), current.len() > entry.short_id().len()];
        let forms = [
            name,
            port.as_deref().filter(|_| current.starts_with(':')),
            Some(entry.short_id()).filter(|_| ids[0]),
            Some(entry.instance_id.as_str()).filter(|_| ids[1]),
        ];
        let form = forms.into_iter().flatten().find(|form| form.starts_with(current));
        if let Some(form) = form
            && candidates.iter().all(|known| known.get_value() != form)
        {
            candidates.push(CompletionCandidate::new(form).help(Some(about(entry, *status, form).into())));
        }
    }
    candidates
}

/// `web :3000 healthy, npm run dev`, without what the word itself says.
fn about(entry: &Entry, status: Option<Status>, form: &str) -> String {
    let name = visible(&entry.project_name);
    let mut said: Vec<String> = vec![name, entry.port.map_or_else(String::new, |port| format!(":{port}"))];
    said.retain(|part| !part.is_empty() && part != form);
    said.extend(status.map(|status| status.to_string()));
    let command: String = visible(&entry.command).chars().take(COMMAND_CHARS).collect();
    format!("{}, {command}", said.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let at = words.len() - 1;
        answer(&words, at)
    }

    /// The values alone.
    fn values_of(line: &str) -> Vec<String> {
        let answer = asked(line);
        let mut lines = answer.lines();
        assert_eq!(lines.next(), Some("words"), "{line}: {answer}");
        lines.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_wrapped_command_is_the_shells() {
        for (line, first) in [
            ("wrap npm ", "command 1"),
            ("wrap npm run ", "command 1"),
            ("wrap -n web npm ru", "command 3"),
            ("wrap run li", "command 2"),
            ("wrap run -d npm ", "command 3"),
            ("wrap -- li", "command 2"),
            ("wrap -- npm --", "command 2"),
            ("wrap run -- npm r", "command 3"),
        ] {
            assert_eq!(asked(line).trim_end(), first, "{line}");
        }
        let begun = asked("wrap lis");
        assert!(begun.starts_with("command 1\nlist\tShow what is running\n"), "{begun}");
    }

    #[test]
    fn verbs_options_and_values_are_ours() {
        let verbs = values_of("wrap ");
        assert!(verbs.contains(&"list".to_owned()) && !verbs.iter().any(|verb| verb.starts_with(['-', '_'])));
        assert_eq!(values_of("wrap --det"), ["--detach"]);
        assert_eq!(values_of("wrap list --form"), ["--format"]);
        assert_eq!(values_of("wrap list --format "), ["human", "json", "logfmt", "md"]);
        assert_eq!(values_of("wrap list --format=j"), ["--format=json"]);
        assert_eq!(values_of("wrap list -o name,po"), ["name,port"]);
        assert_eq!(values_of("wrap list --filter sta"), ["status=", "started="]);
        assert_eq!(values_of("wrap list --filter status=un"), ["status=unresponsive", "status=unknown"]);
        assert_eq!(values_of("wrap wait x --for he"), ["healthy"]);
        assert_eq!(values_of("wrap hooks test st"), ["start", "stale"]);
        assert_eq!(values_of("wrap hooks new x --from doc"), ["docker-cleanup"]);
        assert_eq!(values_of("wrap help doc"), ["doctor"]);
        assert_eq!(values_of("wrap init n"), ["nu"]);
        assert_eq!(values_of("wrap send x --key pagedo"), ["pagedown"]);
    }

    #[test]
    fn what_would_act_on_a_terminal_is_not_offered() {
        let named = |name: &str| CompletionCandidate::new(name.to_owned()).help(Some("a\u{202e}\nb".into()));
        let text = lines(&[named("a\nb"), named("a\tb"), named("a\u{1b}[2J"), named("my app")]);
        assert_eq!(text, "my app\ta\\u{202e}\\nb\n");
        assert_eq!(answer(&["wrap".into()], usize::MAX), answer(&["wrap".into(), "".into()], 1));
    }

    #[test]
    fn paths_are_the_shells() {
        assert_eq!(asked("wrap -C "), "directories\n");
        assert_eq!(asked("wrap trust sr"), "directories\n");
        assert_eq!(asked("wrap hooks check ho"), "files\n");
    }
}
