//! `wrap completions`: the completions of a shell, as clap derives them from the command line.

use crate::cli::{Cli, Shell};
use clap::CommandFactory;
use std::io::Write;
use std::process::ExitCode;

/// Prints them.
pub fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(&generate(shell))?;
    Ok(ExitCode::SUCCESS)
}

/// The command line without the wrapped command: zsh would take every verb for its first word.
fn verbs_and_options() -> clap::Command {
    let all = Cli::command();
    let options = all.get_arguments().filter(|arg| !arg.is_positional()).cloned().collect::<Vec<_>>();
    clap::Command::new("wrap")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(options)
        .subcommands(all.get_subcommands().cloned())
}

/// The completions as they are committed in `completions/`.
pub fn generate(shell: Shell) -> Vec<u8> {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(generator, &mut verbs_and_options(), "wrap", &mut text);
    text
}
