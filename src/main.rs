//! The binary: parses the command line and hands over to the verb.

use std::process::ExitCode;
use wrap::cli::{self, Verb};
use wrap::cmd;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let result = match cli.verb.unwrap_or(Verb::Run(cli.run)) {
        Verb::Run(args) => cmd::run::run(&args),
        Verb::List(args) => cmd::list::run(&args),
        Verb::Attach(args) => cmd::attach::run(&args),
        Verb::Detach(args) => cmd::detach::run(&args),
        Verb::Send(args) => cmd::send::run(&args),
        Verb::Screen(args) => cmd::screen::run(&args),
        Verb::Start(args) => cmd::start::run(&args),
        Verb::Restart(args) => cmd::restart::run(&args),
        Verb::Adopt(args) => cmd::adopt::run(&args),
        Verb::Show(args) => cmd::show::run(&args),
        Verb::Wait(args) => cmd::wait::run(&args),
        Verb::Stop(args) => cmd::stop::run(&args),
        Verb::Logs(args) => cmd::logs::run(&args),
        Verb::Clean(args) => cmd::clean::run(&args),
        Verb::Trust(args) => cmd::trust::run(&args),
        Verb::Hooks(args) => cmd::hooks::run(&args),
        Verb::Config(args) => cmd::config::run(&args),
        Verb::Center(args) => cmd::center::run(args),
        Verb::Ui(args) => cmd::ui::run(&args),
        Verb::Doctor(args) => cmd::doctor::run(&args),
        Verb::Init(args) => cmd::init::run(&args),
        Verb::Completions { shell } => cmd::completions::run(shell),
        Verb::Complete(args) => cmd::complete::run(&args),
        Verb::Help { verb } => cmd::help::run(&verb),
    };
    result.unwrap_or_else(|error| {
        cmd::failed(&error);
        ExitCode::FAILURE
    })
}
