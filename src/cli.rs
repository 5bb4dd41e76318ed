//! The command line: every verb and option, and where the wrapped command begins.

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Runs a dev command as if nothing stood in front of it, and makes it known.
#[derive(Debug, Parser)]
#[command(
    name = "wrap",
    version,
    about = "Runs a dev command as if nothing stood in front of it, and makes it known",
    override_usage = "wrap [OPTIONS] COMMAND...\n       wrap VERB [OPTIONS]",
    after_help = "\
Everything after the first word of COMMAND belongs to it. `wrap` alone runs the project's own dev command.

Examples:
  wrap npm run dev            run it, known to every terminal
  alias dev='wrap npm run dev'
  wrap list                   what is running, where, and how it is
  wrap stop :3000             end what answers on port 3000
  wrap -- list                run a command whose name is also a verb

WRAP=0 in the environment runs the command as if wrap were not there.",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// A verb; without one, the options of `run` and its command.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// What `wrap [OPTIONS] COMMAND…` means.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What wrap can be asked.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command (also one whose name is a verb)
    #[command(after_help = "\
Without COMMAND, the project's own dev command: the first of the scripts dev, develop, serve and start of
package.json, or `docker compose up`.

Examples:
  wrap run list               run a command called `list`
  wrap run -n api cargo run   under a name of its own
  wrap run -d npm run dev     leave it running and return")]
    Run(RunArgs),
    /// Show what is running
    #[command(after_help = "\
Examples:
  wrap list
  wrap list --all
  wrap list -f json | jq '.[].url'")]
    List(ListArgs),
    /// End instances, and everything that they started
    #[command(
        override_usage = "wrap stop TARGET...\n       wrap stop --all",
        after_help = "\
TARGET is an id, a short id, a name, :PORT or a pid.

Examples:
  wrap stop shop
  wrap stop :3000
  wrap stop --all

Exit status: 0 ended, 1 something could not be ended, 2 ambiguous, 3 no such target."
    )]
    Stop(StopArgs),
    /// Remove what ended without a trace, and list or end what was orphaned
    #[command(after_help = "\
Examples:
  wrap clean
  wrap clean --kill")]
    Clean(CleanArgs),
    /// Print the completions of a shell
    #[command(after_help = "\
Examples:
  wrap completions bash > ~/.local/share/bash-completion/completions/wrap
  wrap completions fish > ~/.config/fish/completions/wrap.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print this help, or that of a verb
    Help {
        /// The verb
        verb: Option<String>,
    },
}

/// Options of `run`, also without the word.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// Call the instance NAME instead of by its project
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Leave it running in the background and return
    #[arg(short, long)]
    pub detach: bool,
    /// Under a terminal of its own also where there is none
    #[arg(long)]
    pub pty: bool,
    /// Run in DIR
    #[arg(short = 'C', value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The port that it will answer on, where wrap cannot find out
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// The command and its arguments, passed on untouched
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Show the unresponsive, orphaned and ending ones too
    #[arg(short, long)]
    pub all: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value = "human", value_name = "FORMAT")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// Options of `stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// What to end: an id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Every instance of yours
    #[arg(short, long, conflicts_with = "targets")]
    pub all: bool,
}

/// Options of `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// End what was orphaned
    #[arg(long)]
    pub kill: bool,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    Human,
    /// An array of objects
    Json,
    /// key=value, a line each
    Logfmt,
    /// A Markdown table
    Md,
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Parses the arguments. A usage error is printed by clap and exits with 2.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    Cli::try_parse_from(with_verb(args, &Cli::command()))
}

/// `wrap [OPTIONS] COMMAND…` as `wrap run [OPTIONS] -- COMMAND…`. The first word that is neither one of our options,
/// nor an option's value, nor a verb begins the command, and clap never looks at it or at what follows.
fn with_verb(args: Vec<OsString>, definition: &clap::Command) -> Vec<OsString> {
    let mut at = 1;
    let mut run = None;
    while let Some(word) = args.get(at) {
        if word == "--" {
            return spliced(args, run, at, at + 1);
        }
        if word.as_encoded_bytes().starts_with(b"-") && word != "-" {
            at += if takes_next(word, definition) { 2 } else { 1 };
        } else if word == "run" && run.is_none() {
            // Its options are the same as ours: what follows is looked at likewise.
            run = Some(at);
            at += 1;
        } else {
            let is_verb = run.is_none() && word.to_str().is_some_and(|word| definition.find_subcommand(word).is_some());
            return if is_verb { args } else { spliced(args, run, at, at) };
        }
    }
    args
}

/// Options up to `end`, and from `command` on what belongs to the command; `run` is where the verb stood, if it did.
fn spliced(mut args: Vec<OsString>, run: Option<usize>, end: usize, command: usize) -> Vec<OsString> {
    let command = args.split_off(command);
    args.truncate(end);
    if let Some(run) = run {
        args.remove(run);
    }
    args.insert(1, "run".into());
    args.push("--".into());
    args.extend(command);
    args
}

/// Whether this word is an option of ours whose value is the next word (`-n web`, not `-nweb` or `--name=web`).
fn takes_next(word: &OsStr, definition: &clap::Command) -> bool {
    let Some(word) = word.to_str() else { return false };
    let takes = |arg: &clap::Arg| arg.get_action().takes_values();
    if let Some(long) = word.strip_prefix("--") {
        return definition.get_arguments().any(|arg| arg.get_long() == Some(long) && takes(arg));
    }
    // In a cluster (`-dn web`) an option with a value ends it: what follows in the word is the value.
    let mut rest = word[1..].chars();
    while let Some(short) = rest.next() {
        if definition.get_arguments().any(|arg| arg.get_short() == Some(short) && takes(arg)) {
            return rest.as_str().is_empty();
        }
    }
    false
}

/// The verb that somebody who typed this word may have meant.
pub fn similar_verb(word: &OsStr) -> Option<String> {
    let word = word.to_str()?;
    Cli::command()
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| (strsim::damerau_levenshtein(word, verb.get_name()), verb.get_name().to_owned()))
        // Two slips of the finger, in a word that has more left than them.
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len().min(word.len()).saturating_sub(1))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn run(line: &str) -> RunArgs {
        let cli = parse(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
        match cli.verb {
            Some(Verb::Run(args)) => args,
            None => cli.run,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn everything_after_the_first_word_is_the_commands() {
        let cases = [
            ("wrap npm run dev", "npm run dev"),
            ("wrap npm run dev -- --port 3", "npm run dev -- --port 3"),
            ("wrap -n web npm -n x", "npm -n x"),
            ("wrap -nweb npm", "npm"),
            ("wrap --name=web npm --help", "npm --help"),
            ("wrap --name web -C / npm -V", "npm -V"),
            ("wrap -dn web npm", "npm"),
            ("wrap run list", "list"),
            ("wrap run -d -- list -h", "list -h"),
            ("wrap -- list", "list"),
            ("wrap -- -- x", "-- x"),
            ("wrap echo --", "echo --"),
            ("wrap run echo -- --", "echo -- --"),
            ("wrap -n run run run", "run"),
            ("wrap run npm --no-such-option", "npm --no-such-option"),
        ];
        for (line, command) in cases {
            assert_eq!(run(line).command, words(command), "{line}");
        }
        assert_eq!(run("wrap --name web -C / npm -V").name.as_deref(), Some("web"));
        assert!(run("wrap -dn web npm").detach);
        assert!(run("wrap").command.is_empty());
        assert!(run("wrap -d").detach);
    }

    #[test]
    fn bytes_that_are_not_utf_8_pass() {
        let odd = OsString::from_vec(vec![b'x', 0xff]);
        let cli = parse(["wrap".into(), odd.clone(), odd.clone()]).expect("it parses");
        let Some(Verb::Run(args)) = cli.verb else { panic!("{cli:?}") };
        assert_eq!(args.command, [odd.clone(), odd]);
    }

    #[test]
    fn verbs_are_verbs_and_usage_errors_are_errors() {
        assert!(matches!(parse(words("wrap list --all")).expect("list").verb, Some(Verb::List(_))));
        for line in [
            "wrap stop --all shop",
            "wrap list --nothing",
            "wrap --nothing npm",
            "wrap --port 0 npm",
            "wrap run --nothing npm",
        ] {
            assert!(parse(words(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn a_slip_is_recognised_and_a_command_is_not_a_slip() {
        let similar = |word: &str| similar_verb(OsStr::new(word));
        assert_eq!(similar("lsit").as_deref(), Some("list"));
        assert_eq!(similar("stpo").as_deref(), Some("stop"));
        assert_eq!(similar("vite"), None);
        assert_eq!(similar("ls"), None);
    }
}
