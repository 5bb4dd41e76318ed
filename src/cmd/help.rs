//! `wrap help`: the help, or that of a verb.

use crate::cli::{Cli, similar_verb};
use anyhow::bail;
use clap::CommandFactory;
use std::process::ExitCode;

/// Prints it.
pub fn run(verb: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut cli = Cli::command();
    cli.build();
    let Some(verb) = verb else {
        cli.print_long_help()?;
        return Ok(ExitCode::SUCCESS);
    };
    match cli.find_subcommand_mut(verb) {
        Some(found) => found.print_long_help()?,
        None => match similar_verb(verb.as_ref()) {
            Some(similar) => bail!("`{verb}` is no verb; did you mean `wrap help {similar}`?"),
            None => bail!("`{verb}` is no verb; `wrap help` lists them"),
        },
    }
    Ok(ExitCode::SUCCESS)
}
