//! `wrap help`: the help, or that of a verb.

use super::USAGE;
use crate::cli::{definition, similar_verb};
use std::process::ExitCode;

/// Prints it.
pub fn run(verb: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut cli = definition();
    cli.build();
    let Some(verb) = verb else {
        cli.print_long_help()?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(found) = cli.find_subcommand_mut(verb) {
        found.print_long_help()?;
        return Ok(ExitCode::SUCCESS);
    }
    match similar_verb(verb.as_ref()) {
        Some(similar) => eprintln!("wrap: `{verb}` is no verb; did you mean `wrap help {similar}`?"),
        None => eprintln!("wrap: `{verb}` is no verb; `wrap help` lists them"),
    }
    Ok(ExitCode::from(USAGE))
}
