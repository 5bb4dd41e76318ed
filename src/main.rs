//! The binary: parses the command line and hands over to the verb.

use std::io::Write;
use std::process::ExitCode;
use wrap::cli::{self, Verb};
use wrap::cmd;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let result = match cli.verb.unwrap_or(Verb::Run(cli.run)) {
        Verb::Run(args) => cmd::run::run(args),
        Verb::List(args) => cmd::list::run(&args),
        Verb::Stop(args) => cmd::stop::run(&args),
        Verb::Clean(args) => cmd::clean::run(&args),
        Verb::Completions { shell } => cmd::completions::run(shell),
        Verb::Help { verb } => cmd::help::run(verb.as_deref()),
    };
    result.unwrap_or_else(|error| {
        // A standard error that takes nothing must not turn a message into a panic.
        let _ = writeln!(std::io::stderr(), "wrap: {error:#}");
        ExitCode::FAILURE
    })
}
