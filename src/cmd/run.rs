//! `wrap run`, and `wrap` without a verb: runs a command, or the project's own.

use super::USAGE;
use super::ensure::{self, There};
use crate::cli::{RunArgs, definition, similar_verb};
use crate::client::{self, Detach, Outcome, Plan};
use crate::error::Error;
use crate::keeper;
use crate::project::{self, Candidate, DevCommand};
use crate::sys::process;
use anyhow::Context;
use std::cell::RefCell;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

/// Runs it. Does not return where the command was killed by a signal: then we die of the same.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    if let Some(dir) = &args.directory {
        enter(dir)?;
    }
    let mut command = args.command.clone();
    if command.is_empty() {
        let Some(own) = own_command()? else { return Ok(ExitCode::from(USAGE)) };
        if env::current_dir().is_ok_and(|cwd| cwd != own.dir) {
            enter(&own.dir)?;
        }
        command = own.command;
    }
    if !args.detach && !args.ensure && (args.wait.is_some() || args.size.is_some() || args.json) {
        complain!("wrap: --wait, --size and --json are for a run that is left in the background: add -d");
        return Ok(ExitCode::from(USAGE));
    }
    let lock = match args.ensure.then(|| ensure::look(args, &command)).transpose()? {
        Some(There::Runs(code)) => return Ok(code),
        Some(There::Nothing(lock)) => lock,
        None => None,
    };
    Ok(outcome(plan(args, command, lock)).carry_out())
}

/// How to run a command as the line said; `lock` is let go of once it is registered.
pub fn plan(args: &RunArgs, command: Vec<OsString>, lock: Option<File>) -> Plan {
    // What is to be ensured is there when it is ready.
    let wait = args.wait.or(args.ensure.then_some(None));
    let detach = Detach { size: args.size.unwrap_or_default(), wait, json: args.json };
    Plan {
        command,
        name: args.name.clone(),
        port: args.port,
        detach: (args.detach || args.ensure).then_some(detach),
        lock: RefCell::new(lock),
        pty: args.pty,
        verbose: args.verbose,
        keeper: keeper::run,
        suggest,
    }
}

/// What may have been meant by a command that there is not.
fn suggest(program: &OsStr) -> Option<String> {
    if program.to_str().is_some_and(|word| word.parse::<f64>().is_ok()) {
        return Some(format!("did you mean `--wait={}`?", program.display()));
    }
    similar_verb(program).map(|verb| format!("did you mean `wrap {verb}`?"))
}

fn outcome(plan: Plan) -> Outcome {
    if env::var_os("WRAP").is_some_and(|value| value == "0") { client::bare(&plan) } else { client::run(plan) }
}

/// Goes to a directory.
pub fn enter(dir: &Path) -> anyhow::Result<()> {
    Ok(process::enter(dir).map_err(|error| Error::file("enter", dir, error))?)
}

/// The project's dev command; `None` where there is none, or more than one and nobody to ask.
fn own_command() -> anyhow::Result<Option<Candidate>> {
    let cwd = env::current_dir().context("cannot tell the working directory; `cd` to one that exists")?;
    match project::dev_command(&cwd, &|name| env::var_os(name)) {
        DevCommand::Found(candidate) => Ok(Some(candidate)),
        DevCommand::Several(candidates) => ask(&candidates),
        DevCommand::Nothing => {
            complain!("{}", definition().render_help());
            complain!("wrap: no dev command in `{}`; name one: wrap COMMAND...", cwd.display());
            Ok(None)
        }
    }
}

/// Asks which one, on a terminal; says what was found and how to choose, elsewhere.
fn ask(candidates: &[Candidate]) -> anyhow::Result<Option<Candidate>> {
    let line = |candidate: &Candidate| {
        let words: Vec<_> = candidate.command.iter().map(|word| word.to_string_lossy()).collect();
        format!("{}  ({})", words.join(" "), candidate.from)
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let offers: Vec<_> = candidates.iter().map(|candidate| format!("  wrap {}", line(candidate))).collect();
        complain!("wrap: more than one dev command here; name one:\n{}", offers.join("\n"));
        return Ok(None);
    }
    for (number, candidate) in candidates.iter().enumerate() {
        complain!("  {}  {}", number + 1, line(candidate));
    }
    loop {
        eprint!("wrap: which one? [1-{}] ", candidates.len());
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            complain!("");
            return Ok(None);
        }
        let chosen = answer.trim().parse::<usize>().ok().and_then(|number| candidates.get(number.checked_sub(1)?));
        if let Some(candidate) = chosen {
            return Ok(Some(candidate.clone()));
        }
        complain!("wrap: `{}` is not one of them", answer.trim().escape_debug());
    }
}
