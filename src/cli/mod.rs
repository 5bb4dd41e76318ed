//! The command line: every verb and option, and where the wrapped command begins.

mod args;
mod help;
pub mod pages;
mod values;

pub use args::*;
pub use help::definition;
pub use values::Awaited;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::{OsStr, OsString};

/// Runs a dev command as if nothing stood in front of it, and makes it known.
#[derive(Debug, Parser)]
#[command(
    name = "wrap",
    version,
    about = "Runs a dev command as if nothing stood in front of it, and makes it known",
    override_usage = "wrap [OPTIONS] COMMAND...\n       wrap VERB [OPTIONS]",
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
    Run(RunArgs),
    /// Show what is running
    List(ListArgs),
    /// Take over a running instance: its screen as it is now, then live, and its keys
    Attach(AttachArgs),
    /// Let all terminals of an instance go; it runs on
    Detach(TargetArgs),
    /// Type a line into an instance
    Send(SendArgs),
    /// Show the screen of an instance as text
    Screen(ScreenArgs),
    /// Start the command of an instance again, in the same terminal
    Restart(RestartArgs),
    /// Start an ended instance again, in the background
    Start(StartArgs),
    /// Make a process known that wrap did not start
    Adopt(AdoptArgs),
    /// Show everything of one instance, also of one that has ended
    Show(ShowArgs),
    /// Wait until an instance is ready, healthy, has printed something or has ended
    Wait(WaitArgs),
    /// End instances, and everything that they started
    #[command(override_usage = "wrap stop TARGET...\n       wrap stop --all")]
    Stop(StopArgs),
    /// Show what an instance has printed
    #[command(override_usage = "wrap logs [OPTIONS] TARGET")]
    Logs(LogsArgs),
    /// Remove what ended without a trace, and list or end what was orphaned
    Clean(CleanArgs),
    /// Say that a project's own hooks may run, see what they are, or take it back
    Trust(TrustArgs),
    /// List, begin, try out and check the hooks
    Hooks(HooksArgs),
    /// Show the settings in force, and where each comes from
    Config(ConfigArgs),
    /// Run the control center: every instance on one page, and over one API
    Center(CenterArgs),
    /// Open the control center's page in the browser
    Ui(UiArgs),
    /// Look for what is odd, and say how it is mended
    Doctor(DoctorArgs),
    /// Print what a shell's rc file evaluates: completions and aliases
    #[command(
        override_usage = "wrap init SHELL [--alias NAME=COMMAND]...\n       wrap init --install|--uninstall [--user|--system]"
    )]
    Init(InitArgs),
    /// Print the completions of a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// What may stand at the cursor, for a completion script
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
    /// Print this help, or that of a verb
    Help {
        /// The verb, and one of its own behind it
        #[arg(value_name = "VERB")]
        verb: Vec<String>,
    },
}

/// Parses the arguments. A usage error is printed by clap and exits with 2; help that is asked for is an error as well.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    Cli::try_parse_from(with_verb(args.clone(), &Cli::command())).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => help::asked(args).unwrap_or(error),
        _ => error,
    })
}

/// `wrap [OPTIONS] COMMAND…` as `wrap run [OPTIONS] -- COMMAND…`. The first word that is neither one of our options,
/// nor an option's value, nor a verb begins the command, and clap never looks at it or at what follows.
fn with_verb(args: Vec<OsString>, definition: &clap::Command) -> Vec<OsString> {
    let Front { run, first } = front(&args, definition);
    match first {
        First::Separator(at) => spliced(args, run, at, at + 1),
        First::Command(at) => spliced(args, run, at, at),
        First::Verb(_) | First::Nothing => args,
    }
}

/// How a command line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Front {
    /// Where the verb `run` stands.
    pub run: Option<usize>,
    /// What stands first behind our own options.
    pub first: First,
}

/// What stands behind our own options, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// `--`: the command begins behind it.
    Separator(usize),
    /// A verb other than `run`.
    Verb(usize),
    /// The command.
    Command(usize),
    /// There are only options.
    Nothing,
}

/// Looks for the first word that is neither one of our options nor an option's value; `args` begin with `wrap` itself.
pub fn front(args: &[OsString], definition: &clap::Command) -> Front {
    let mut at = 1;
    let mut run = None;
    while let Some(word) = args.get(at) {
        if word == "--" {
            return Front { run, first: First::Separator(at) };
        }
        if word.as_encoded_bytes().starts_with(b"-") && word != "-" {
            at += if takes_next(word, definition) { 2 } else { 1 };
        } else if word == "run" && run.is_none() {
            // Its options are the same as ours: what follows is looked at likewise.
            run = Some(at);
            at += 1;
        } else {
            let is_verb = run.is_none() && word.to_str().is_some_and(|word| definition.find_subcommand(word).is_some());
            return Front { run, first: if is_verb { First::Verb(at) } else { First::Command(at) } };
        }
    }
    Front { run, first: First::Nothing }
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
    let takes = |arg: &clap::Arg| arg.get_action().takes_values() && !arg.is_require_equals_set();
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
            ("wrap -d --wait npm", "npm"),
            ("wrap -d --wait=5 --size 24x80 npm", "npm"),
            ("wrap --ensure --json npm --json", "npm --json"),
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
            "wrap show",
            "wrap wait shop --for tea",
            "wrap wait shop --for log=(",
            "wrap wait shop --timeout -1",
            "wrap wait shop --timeout nan",
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
