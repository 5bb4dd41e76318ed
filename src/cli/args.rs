//! The options of each verb.

use super::values::{Awaited, alias, awaited, key, name, seconds, size};
use crate::center::Allowed;
use crate::render::columns::{Column, Filter};
use crate::sys::tty::Size;
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `run`, also without the word.
#[derive(Debug, Default, Args)]
#[allow(clippy::struct_excessive_bools)] // one per option, all independent
pub struct RunArgs {
    /// Call the instance NAME instead of by its project
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Leave it running in the background and return
    #[arg(short, long)]
    pub detach: bool,
    /// With --detach: wait until it is ready, SECONDS at most
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, value_parser = seconds)]
    pub wait: Option<Option<Duration>>,
    /// Print the one that runs, or start one, detached
    #[arg(long)]
    pub ensure: bool,
    /// With --detach: the size of its terminal
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = size, hide_short_help = true)]
    pub size: Option<Size>,
    /// With --detach: print what was started as JSON
    #[arg(long, hide_short_help = true)]
    pub json: bool,
    /// Under a terminal of its own also where there is none
    #[arg(long, hide_short_help = true)]
    pub pty: bool,
    /// Run in DIR
    #[arg(short = 'C', value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The port that it will answer on, where wrap cannot find out
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true)]
    pub port: Option<u16>,
    /// In the foreground: a line at the start, one at the end
    #[arg(short, long)]
    pub verbose: bool,
    /// The command and its arguments, passed on untouched
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// Options of `list`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // one per option, all independent
pub struct ListArgs {
    /// Show the unresponsive, orphaned and ending ones too, and the last that have ended
    #[arg(short, long)]
    pub all: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value = "human", value_name = "FORMAT")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Show it again at each change, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Only the short ids, a line each
    #[arg(short, long, conflicts_with_all = ["format", "json", "output"])]
    pub quiet: bool,
    /// Sort by a column (started, the newest first, without)
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<Column>,
    /// The other way round
    #[arg(long)]
    pub reverse: bool,
    /// Only those of which COLUMN is TEXT, or has TEXT in it (COLUMN~TEXT); may be given again
    #[arg(long, value_name = "COLUMN=TEXT")]
    pub filter: Vec<Filter>,
    /// These columns; with a tab between them in a pipe
    #[arg(short, long, value_name = "COLUMN,…", value_delimiter = ',', conflicts_with_all = ["format", "json"])]
    pub output: Vec<Column>,
}

/// What names one instance.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
}

/// Options of `attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Look on: nothing that is typed reaches the command (Ctrl-C leaves, too)
    #[arg(short, long)]
    pub read_only: bool,
    /// Do not draw the screen as it is now, show only what comes
    #[arg(long)]
    pub no_replay: bool,
}

/// Options of `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// The line; several words become one line; `-` reads standard input
    #[arg(value_name = "TEXT", required_unless_present = "key", allow_hyphen_values = true, trailing_var_arg = true)]
    pub text: Vec<String>,
    /// Do not press Enter behind it
    #[arg(short = 'n', long)]
    pub no_newline: bool,
    /// Press KEY (after the text, if there is one); may be given again
    #[arg(short, long, value_name = "KEY", value_parser = key)]
    pub key: Vec<String>,
    /// Send control sequences as they are
    #[arg(long)]
    pub raw: bool,
    /// Print what became of it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `screen`.
#[derive(Debug, Args)]
pub struct ScreenArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// With its colours
    #[arg(long)]
    pub ansi: bool,
    /// As HTML
    #[arg(long, conflicts_with = "ansi")]
    pub html: bool,
}

/// Options of `restart`.
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Give it the environment of this shell, and say what is different
    #[arg(long)]
    pub env_from_here: bool,
    /// Return as soon as it was started
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of `start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// An id, a short id, a name or :PORT
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Wait until it is ready, SECONDS at most (ready_timeout without)
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, value_parser = seconds)]
    pub wait: Option<Option<Duration>>,
    /// Print what was started as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `adopt`.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// A pid, or :PORT for what listens there
    #[arg(value_name = "PID|:PORT")]
    pub process: String,
    /// Call it NAME instead of by its project
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// How to print
    #[arg(short, long, value_enum, default_value = "human", value_name = "FORMAT")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// Options of `wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// An id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// What to wait for: ready, healthy, exit, or log= and a regular expression
    #[arg(long = "for", value_name = "WHAT", default_value = "ready", value_parser = awaited)]
    pub what: Awaited,
    /// How long at most; without it, for ever
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
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

/// Options of `logs`.
#[derive(Debug, Args)]
// Each is a word on the command line.
#[allow(clippy::struct_excessive_bools)]
pub struct LogsArgs {
    /// Whose: an id, a short id, a name, :PORT or a pid
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Go on with what is printed, until it has ended
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N lines
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Only what was printed since then
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only what was printed until then
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    pub until: Option<String>,
    /// Only lines that RE matches, without their colours
    #[arg(long, value_name = "RE")]
    pub grep: Option<String>,
    /// Only this stream; a terminal has only one, out
    #[arg(long, value_enum, value_name = "STREAM")]
    pub stream: Option<Output>,
    /// The bytes as they were printed, with everything
    #[arg(long, conflicts_with_all = ["plain", "json"])]
    pub raw: bool,
    /// The text alone, on a terminal too
    #[arg(long)]
    pub plain: bool,
    /// Put the local time before each line
    #[arg(short, long, conflicts_with = "json")]
    pub timestamps: bool,
    /// An object a line: time, stream, line
    #[arg(long)]
    pub json: bool,
    /// Empty the log instead of showing it
    #[arg(long, conflicts_with_all = [
        "follow", "lines", "since", "until", "grep", "stream", "raw", "plain", "timestamps", "json"
    ])]
    pub clear: bool,
}

/// An output stream of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Standard output
    Out,
    /// Standard error
    Err,
}

/// Options of `trust`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // one per option, all independent
pub struct TrustArgs {
    /// The project, or a directory in it (this one without)
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Show what would run, with the text
    #[arg(long)]
    pub show: bool,
    /// Take it back
    #[arg(long, conflicts_with = "show")]
    pub revoke: bool,
    /// Show what is trusted, and whether it is still what it was
    #[arg(long, conflicts_with_all = ["dir", "show", "revoke"])]
    pub list: bool,
    /// Forget what is gone or was changed
    #[arg(long, conflicts_with_all = ["dir", "show", "revoke", "list"])]
    pub prune: bool,
    /// With --list, an array of objects
    #[arg(long, requires = "list")]
    pub json: bool,
}

/// Options of `hooks`.
#[derive(Debug, Args)]
pub struct HooksArgs {
    /// What to do; without, `list`.
    #[command(subcommand)]
    pub verb: Option<HooksVerb>,
}

/// What can be done with hooks.
#[derive(Debug, Subcommand)]
pub enum HooksVerb {
    /// Show which hooks there are, what they handle, and what came of them the last time
    List {
        /// An array of objects
        #[arg(long)]
        json: bool,
    },
    /// Begin a hook of your own
    New {
        /// What it is called
        #[arg(value_name = "NAME")]
        name: String,
        /// In this project's `.wrap/hooks/`, for everybody who trusts it
        #[arg(long)]
        project: bool,
        /// As a copy of one that ships with wrap
        #[arg(long, value_name = "HOOK")]
        from: Option<String>,
    },
    /// Run the handlers of an event for a made or a live instance, and show what they did
    Test(TestArgs),
    /// Look for mistakes, with line and column
    Check {
        /// The files (all that would run without)
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Options of `hooks test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The event: start, ready, unhealthy, healthy, line, restart, exit or stale
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// A hook's name, or a file; all that handle the event without
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// For this instance instead of a made one
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// What the command has written, for `line`
    #[arg(long, value_name = "TEXT", default_value = "an example of a line")]
    pub line: String,
}

/// Options of `init`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // one per option, all independent
pub struct InitArgs {
    /// The shell
    #[arg(value_name = "SHELL", required_unless_present_any = ["install", "uninstall"])]
    pub shell: Option<Shell>,
    /// One more alias, or another in the place of a configured one; may be given again
    #[arg(long, value_name = "NAME=COMMAND", value_parser = alias)]
    pub alias: Vec<(String, String)>,
    /// Put completions and manual pages where shells and man find them
    #[arg(long, conflicts_with_all = ["shell", "alias"])]
    pub install: bool,
    /// Take them away again
    #[arg(long, conflicts_with_all = ["shell", "alias", "install"])]
    pub uninstall: bool,
    /// For you, in your home (where nothing else is said)
    #[arg(long, conflicts_with = "shell")]
    pub user: bool,
    /// For everybody, below /usr/local
    #[arg(long, conflicts_with_all = ["user", "shell"])]
    pub system: bool,
}

/// What a completion script asks.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// Which of the words is to be completed; the first, `wrap` itself, is 0.
    pub at: usize,
    /// The words of the line, as far as they were typed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// An array of objects: name, state (well, note, problem), said, fix
    #[arg(long)]
    pub json: bool,
}

/// Options of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// An object, with the value and the source of each
    #[arg(long)]
    pub json: bool,
    /// Print the JSON Schema of a file instead
    #[arg(long, value_enum, value_name = "FILE", conflicts_with = "json")]
    pub schema: Option<SettingsFile>,
}

/// A file with settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SettingsFile {
    /// `config.toml`
    User,
    /// `wrap.toml`
    Project,
}

/// Options of `center`.
#[derive(Debug, Args)]
pub struct CenterArgs {
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Listen on this port (8969, or that of `center` in the configuration, without)
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Let pages of another origin ask, too; may be given again
    #[arg(long, value_name = "ORIGIN", value_parser = Allowed::parse)]
    pub allowed_origin: Vec<Allowed>,
    /// End the one that runs
    #[arg(long, conflicts_with_all = ["detach", "port", "allowed_origin"])]
    pub stop: bool,
}

/// Options of `ui`.
#[derive(Debug, Args)]
pub struct UiArgs {
    /// Print the link instead of opening it
    #[arg(long)]
    pub print: bool,
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

/// Shells that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Nu,
    Pwsh,
}
