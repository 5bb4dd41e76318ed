//! The command line: every verb and option, and where the wrapped command begins.

mod args;
mod values;

pub use args::*;
pub use values::Awaited;

use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::{OsStr, OsString};

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
Without COMMAND, the project's own dev command: the first of the scripts dev, develop, serve and start of \
package.json, or `docker compose up`.

Examples:
  wrap run list               run a command called `list`
  wrap run -n api cargo run   under a name of its own
  wrap run -d npm run dev     leave it running and return
  wrap --ensure npm run dev   the one that runs, or a new one

Exit status: the command's own; 127 not found, 126 cannot be run, 125 refused by a start hook, 2 usage. With -d and \
--ensure: 0 it runs, 4 it is known to become ready and is not in time, 1 it cannot be ensured.")]
    Run(RunArgs),
    /// Show what is running
    #[command(after_help = "\
Examples:
  wrap list
  wrap list --all             also what is not well, and what has ended
  wrap list --watch           and again at each change
  wrap list -o name,port,url  these columns; in a pipe with a tab between them
  wrap list --filter type=package.json --filter name~shop --sort port
  wrap stop $(wrap list -q --filter branch=old)
  wrap list -f json | jq '.[].url'

Columns: id uuid name port url status type command cwd root branch pid started uptime. A filter by status looks at all.")]
    List(ListArgs),
    /// Take over a running instance: its screen as it is now, then live, and its keys
    #[command(after_help = "\
Ctrl-\\ d (two keys) leaves it running and gives the prompt back, in the terminal that started it, too. The keys can be \
changed in config.toml: detach_keys = \"ctrl-a d\", or \"off\". \
The size is the smallest of the terminals that may type. Ends as the command does.

Examples:
  wrap attach shop
  wrap attach :3000 --read-only

Exit status: the command's; 0 detached, 1 it cannot be attached to, 2 ambiguous, 3 no such target.")]
    Attach(AttachArgs),
    /// Let all terminals of an instance go; it runs on
    #[command(after_help = "\
Examples:
  wrap detach shop

Exit status: 0 done, 1 it cannot be detached, 2 ambiguous, 3 no such target.")]
    Detach(TargetArgs),
    /// Type a line into an instance
    #[command(after_help = "\
Control sequences in TEXT are taken out, unless --raw says that they are meant. With `-` the text is read from standard \
input, each line of it a line. Keys: enter, tab, esc, up, down, left, right, home, end, pageup, pagedown, f1 to f12, \
ctrl-c, alt-x, or a single character.

Examples:
  wrap send shop rs
  wrap send shop --key ctrl-c
  wrap send shop --no-newline y
  git log -1 --format=%s | wrap send shop -

Exit status: 0 it arrived, 1 it cannot be sent, 2 ambiguous, 3 no such target, 4 it was not taken in time.")]
    Send(SendArgs),
    /// Show the screen of an instance as text
    #[command(after_help = "\
Examples:
  wrap screen shop
  wrap screen shop --html > shop.html")]
    Screen(ScreenArgs),
    /// Start the command of an instance again, in the same terminal
    #[command(after_help = "\
First it is looked whether it would start: is the command found, is its directory there, is its port free? If not, the \
old run goes on. Attached terminals stay. Then it waits until the new run is ready, as long as `ready_timeout` allows.

Examples:
  wrap restart shop
  wrap restart shop --env-from-here

Exit status: 0 it runs again, 1 it could not be restarted, 2 ambiguous, 3 no such target, 4 it is not ready in time.")]
    Restart(RestartArgs),
    /// Start an ended instance again, in the background
    #[command(after_help = "\
Its command, its directory, its name and its --port are as they were; the environment is this shell's. Of several that \
have ended and are called so, the newest is meant.

Examples:
  wrap list --all
  wrap start shop --wait

Exit status: 0 started, 1 it still runs or cannot be started, 2 ambiguous, 3 no such target, 4 it is not ready in time; the \
command's own where it ended at once.")]
    Start(StartArgs),
    /// Make a process known that wrap did not start
    #[command(after_help = "\
It is listed, with its health, and can be stopped; its terminal and its output stay where they are.

Examples:
  wrap adopt 4711
  wrap adopt :5432 --name db

Exit status: 0 adopted, 1 it cannot be, 2 usage, 3 no such process.")]
    Adopt(AdoptArgs),
    /// Show everything of one instance, also of one that has ended
    #[command(after_help = "\
TARGET is an id, a short id, a name, :PORT or a pid. Of several that have ended the newest is meant.

Examples:
  wrap show shop
  wrap show :3000 --json

Exit status: 0 shown, 2 ambiguous, 3 no such target.")]
    Show(ShowArgs),
    /// Wait until an instance is ready, healthy, has printed something or has ended
    #[command(after_help = "\
TARGET is an id, a short id, a name, :PORT or a pid. One that has ended counts, too: `exit` is true of it at once.

  ready    its port answers, or it has printed the configured text; where nothing tells, when it counts as running
  healthy  it answers now
  exit     it has ended; prints how
  log=RE   a line that it has printed matches the regular expression RE; prints the line

Examples:
  wrap wait shop
  wrap wait shop --for log='compiled in \\d+' --timeout 60
  wrap wait shop --for exit

Exit status: 0 it came true, 1 it ended before, 2 usage or ambiguous, 3 no such target, 4 not within --timeout, 130 \
interrupted by Ctrl-C.")]
    Wait(WaitArgs),
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
    /// Show what an instance has printed
    #[command(
        override_usage = "wrap logs [OPTIONS] TARGET",
        after_help = "\
TARGET is an id, a short id, a name, :PORT or a pid. WHEN is a duration back from now (5m, 1h30m, 2d) or a time \
(15:00, \"2026-11-21 15:00\", RFC 3339).

On a terminal, colours and links are shown and every other control sequence is taken out; elsewhere there is only the \
text. A line that was written over, such as a progress bar, is shown as it last stood.

Examples:
  wrap logs shop
  wrap logs shop -f -n 100
  wrap logs :3000 --since 5m --grep 'error|warn'
  wrap logs shop --json | jq -r 'select(.stream == \"err\").line'

Exit status: 0 shown, also where nothing is logged, 1 failed, 2 usage or ambiguous, 3 no such target."
    )]
    Logs(LogsArgs),
    /// Remove what ended without a trace, and list or end what was orphaned
    #[command(after_help = "\
Examples:
  wrap clean
  wrap clean --kill")]
    Clean(CleanArgs),
    /// Say that a project's own hooks may run, see what they are, or take it back
    #[command(after_help = "\
A project brings hooks in `.wrap/hooks/`, and settings in `wrap.toml` that can run or reach something. They are used only \
after you have said so, and your word holds for all of `.wrap/` and that file as they are now: any edit, by anybody, needs \
another. Directories of which every project is trusted can be named in config.toml: \
trusted = [\"~/work\"]. Files that others can write to, and links, are refused.

Examples:
  wrap trust --show           what would run, with the text
  wrap trust                  this project's may
  wrap trust --revoke
  wrap trust --list

Exit status: 0 done, 1 it cannot be trusted, or was not, 2 usage.")]
    Trust(TrustArgs),
    /// List, begin, try out and check the hooks
    #[command(after_help = "\
Hooks are Lua files that run at the events of a run: those in `~/.config/wrap/hooks/`, those of a project that is trusted \
(`.wrap/hooks/`), and those that ship with wrap and are named in the configuration (`hooks = [\"notify\"]`). docs/hooks.md \
has what they can do, and recipes.

`test` runs the handlers of an event for a made instance, or for TARGET, and shows what they did: what they would set, type \
and end is only shown; programs and requests of theirs do run.

Examples:
  wrap hooks                       which there are, and how they fared
  wrap hooks new tell              begin one; --from notify copies a shipped one
  wrap hooks test exit tell        what it does at an exit
  wrap hooks test line tell --line 'ERROR: no database'
  wrap hooks check                 mistakes, with line and column

Events: start ready unhealthy healthy line restart exit stale
Exit status: 0 all is well, 1 a hook failed or has a mistake, 2 usage.")]
    Hooks(HooksArgs),
    /// Show the settings in force, and where each comes from
    #[command(after_help = "\
Settings are read from `~/.config/wrap/config.toml` and from the project's `wrap.toml`; docs/config.md has all of them. \
Editors complete and check them with the schema: put `#:schema PATH` into the first line of the file.

Examples:
  wrap config
  wrap config --json
  wrap config --schema project > wrap.schema.json

Exit status: 0, also where something in a file is not used, which is said.")]
    Config(ConfigArgs),
    /// Run the control center: every instance on one page, and over one API
    #[command(after_help = "\
It listens on 127.0.0.1 and [::1] only, and needs a token: `wrap ui` opens a page that is signed in. One runs for a user; \
Ctrl-C, SIGTERM or --stop end it. The commands do not need it and do not notice it.

An ORIGIN is a page of yours that may ask, too, with the token: https://app.local:3000 exactly, or app.local with any \
scheme and port.

Examples:
  wrap center
  wrap center -d
  wrap center --stop

Exit status: 0 it runs, or ran, or there was none to stop; 1 the port is taken, or it failed.")]
    Center(CenterArgs),
    /// Open the control center's page in the browser
    #[command(after_help = "\
Starts a control center in the background where none runs. The link works once; where no browser can be opened it is \
printed.

Examples:
  wrap ui
  wrap ui --print

Exit status: 0 opened or printed, 1 there is no control center to be had.")]
    Ui(UiArgs),
    /// Look for what is odd, and say how it is mended
    #[command(after_help = "\
Looks at the directories and their rights, the settings, the hooks and their trust, the instances and their keepers, the \
control center, the clock, the terminal and the shell. It changes nothing.

Examples:
  wrap doctor
  wrap doctor --json | jq '.[] | select(.state != \"well\")'

Exit status: 0 no problem was found (a note is none), 1 there is one.")]
    Doctor(DoctorArgs),
    /// Print what a shell's rc file evaluates: completions and aliases
    #[command(after_help = "\
One line in the rc file, and `dev` works and Tab completes:

  bash  eval \"$(wrap init bash)\"
  zsh   eval \"$(wrap init zsh)\"        behind compinit
  fish  wrap init fish | source

Aliases come from config.toml, and from --alias; one that would hide a command is not made, with the reason on standard \
error. In bash and zsh, aliases of your own expand behind `wrap`, too.

  [alias]
  dev = \"npm run dev\"

Exit status: 0, 2 usage.")]
    Init(InitArgs),
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
