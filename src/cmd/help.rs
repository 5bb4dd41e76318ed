//! `wrap help`: the help, or that of a verb.

use super::USAGE;
use crate::cli::{definition, similar_verb};
use anyhow::Context as _;
use std::process::ExitCode;

/// Prints it.
pub fn run(verbs: &[String]) -> anyhow::Result<ExitCode> {
    let mut definition = definition();
    definition.build();
    let mut found = &mut definition;
    for verb in verbs {
        if found.find_subcommand(verb).is_none() {
            match similar_verb(verb.as_ref()) {
                Some(similar) => complain!("wrap: `{verb}` is no verb; did you mean `wrap help {similar}`?"),
                None => complain!("wrap: `{verb}` is no verb; `wrap help` lists them"),
            }
            return Ok(ExitCode::from(USAGE));
        }
        found = found.find_subcommand_mut(verb).context("it was there")?;
    }
    found.print_long_help()?;
    Ok(ExitCode::SUCCESS)
}
