//! `wrap run`, and `wrap` without a verb: runs a command, or the project's own.

use crate::cli::{Cli, RunArgs, similar_verb};
use crate::client::{self, Outcome, Plan};
use crate::project::{self, Candidate, DevCommand};
use anyhow::Context;
use clap::CommandFactory;
use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// The exit code of a usage error.
const USAGE: u8 = 2;

/// Runs it. Does not return where the command was killed by a signal: then we die of the same.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    if let Some(dir) = &args.directory {
        enter(dir)?;
    }
    let command = if args.command.is_empty() {
        match own_command()? {
            Some(command) => command,
            None => return Ok(ExitCode::from(USAGE)),
        }
    } else {
        args.command
    };
    let plan = Plan {
        command,
        name: args.name,
        port: args.port,
        detach: args.detach,
        pty: args.pty,
        suggest: |program| similar_verb(program).map(|verb| format!("did you mean `wrap {verb}`?")),
    };
    Ok(outcome(&plan).carry_out())
}

fn outcome(plan: &Plan) -> Outcome {
    if env::var_os("WRAP").is_some_and(|value| value == "0") { client::bare(plan) } else { client::run(plan) }
}

/// `-C`: PWD goes with it, or the command would believe that it is elsewhere.
fn enter(dir: &Path) -> anyhow::Result<()> {
    env::set_current_dir(dir).with_context(|| format!("cannot enter `{}`", dir.display()))?;
    if let Ok(now) = env::current_dir() {
        client::set_working_directory(&now);
    }
    Ok(())
}

/// The project's dev command; `None` where there is none, or more than one and nobody to ask.
fn own_command() -> anyhow::Result<Option<Vec<OsString>>> {
    let cwd = env::current_dir().context("cannot tell the working directory; `cd` to one that exists")?;
    let candidate = match project::dev_command(&cwd, &|name| env::var_os(name)) {
        DevCommand::Found(candidate) => candidate,
        DevCommand::Several(candidates) => match ask(&candidates)? {
            Some(candidate) => candidate,
            None => return Ok(None),
        },
        DevCommand::Nothing => {
            eprintln!("{}", Cli::command().render_help());
            eprintln!("wrap: no dev command in `{}`; name one: wrap COMMAND...", cwd.display());
            return Ok(None);
        }
    };
    if candidate.dir != cwd {
        enter(&candidate.dir)?;
    }
    Ok(Some(candidate.command))
}

/// Asks which one, on a terminal; says what was found and how to choose, elsewhere.
fn ask(candidates: &[Candidate]) -> anyhow::Result<Option<Candidate>> {
    let line = |candidate: &Candidate| {
        let words: Vec<_> = candidate.command.iter().map(|word| word.to_string_lossy()).collect();
        format!("{}  ({})", words.join(" "), candidate.from)
    };
    let mut stderr = io::stderr();
    if !io::stdin().is_terminal() || !stderr.is_terminal() {
        writeln!(stderr, "wrap: more than one dev command here; name one:")?;
        for candidate in candidates {
            writeln!(stderr, "  wrap {}", line(candidate))?;
        }
        return Ok(None);
    }
    for (number, candidate) in candidates.iter().enumerate() {
        writeln!(stderr, "  {}  {}", number + 1, line(candidate))?;
    }
    loop {
        write!(stderr, "wrap: which one? [1-{}] ", candidates.len())?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            writeln!(stderr)?;
            return Ok(None);
        }
        let chosen = answer.trim().parse::<usize>().ok().and_then(|number| candidates.get(number.checked_sub(1)?));
        if let Some(candidate) = chosen {
            return Ok(Some(candidate.clone()));
        }
        writeln!(stderr, "wrap: `{}` is not one of them", answer.trim().escape_debug())?;
    }
}
