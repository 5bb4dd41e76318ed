//! `wrap completions`: the script that makes a shell ask at each Tab (`complete.rs` answers).

use super::print;
use crate::cli::Shell;
use std::process::ExitCode;

/// Prints it.
pub fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    print(script(shell))?;
    Ok(ExitCode::SUCCESS)
}

/// The script, as it is in `completions/`.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completions/wrap.bash"),
        Shell::Zsh => include_str!("../../completions/_wrap"),
        Shell::Fish => include_str!("../../completions/wrap.fish"),
        Shell::Nu => include_str!("../../completions/wrap.nu"),
        Shell::Pwsh => include_str!("../../completions/wrap.ps1"),
    }
}
