//! Lua hooks: what the user's own files, and a project's that he trusts, do when an instance starts, is ready, ends or
//! was left behind.
//!
//! Each file has a thread and a Lua state of its own ([`worker`]), so that one that hangs or eats memory harms
//! no other; one more thread ([`runner`]) asks them in order of name and waits no longer than the limit.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

mod abilities;
mod actions;
mod files;
mod functions;
mod handler;
mod http;
pub mod inspect;
mod json;
mod lines;
mod modules;
mod programs;
mod queue;
pub mod results;
mod runner;
mod safe;
mod sandbox;
mod script;
pub mod shipped;
mod stage;
mod store;
#[cfg(test)]
mod tests;
mod text;
pub mod trust;
mod values;
mod worker;

pub use files::Hooks;
pub use lines::LineWatch;
pub use programs::HOOK_VARIABLE;
pub use runner::Runner;

/// How long one call of a handler, or the load of a file, may take. A start waits for it: longer than this and
/// a user takes the command itself to be hung.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// What an option of `wrap.on` may raise that to: a database that starts takes half a minute, and whoever waits for longer
/// believes that all hangs.
const LONGEST: Duration = Duration::from_mins(1);

/// What one file's Lua state may hold. A hook that parses a few megabytes of JSON needs ten times their size.
const MEMORY_LIMIT: usize = 64 << 20;

/// What hooks ask of the process that they run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A line of a hook's output, or what wrap has to say about hooks: one line, without `wrap: ` in front.
    Say(String),
    /// A notification in the terminals that look on.
    Notify {
        /// What it is about.
        title: String,
        /// What it says.
        text: String,
    },
    /// A line typed into the command's terminal.
    Send(String),
    /// The end of the run.
    Stop,
}

/// Grants the wishes of hooks, from whatever thread, without waiting. The error is why it cannot.
pub type Host = Arc<dyn Fn(Wish) -> Result<(), String> + Send + Sync>;

/// What a hook can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Before the command is spawned.
    Start,
    /// The command's port answers, or it is otherwise known to be ready.
    Ready,
    /// The app does not answer any more.
    Unhealthy,
    /// It answers again.
    Healthy,
    /// The command has written a line in which a pattern is.
    Line,
    /// The command was started again, in the same terminals.
    Restart,
    /// The command has ended.
    Exit,
    /// An instance was found dead or orphaned.
    Stale,
}

impl Event {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 8] =
        [Self::Start, Self::Ready, Self::Unhealthy, Self::Healthy, Self::Line, Self::Restart, Self::Exit, Self::Stale];

    /// The word that `wrap.on` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Unhealthy => "unhealthy",
            Self::Healthy => "healthy",
            Self::Line => "line",
            Self::Restart => "restart",
            Self::Exit => "exit",
            Self::Stale => "stale",
        }
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some(event) = Self::ALL.into_iter().find(|event| event.as_str() == word) {
            return Ok(event);
        }
        let known = Self::ALL.map(Self::as_str).join("`, `");
        let hint = crate::error::meant(word, Self::ALL.map(Self::as_str))
            .map(|known| format!("did you mean `{known}`? "))
            .unwrap_or_default();
        Err(format!("unknown event `{}`: {hint}the events are `{known}`", text::visible(word)))
    }
}

/// What a stale hook decides about an instance that was left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Take its entry out of the registry.
    Remove,
    /// Leave it as it is.
    Keep,
    /// End what still lives of it, then remove the entry.
    Kill,
}

/// What the hooks made of one event. Where two of them disagree the later one counts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Variables that start hooks set (`Some`) or removed (`None`), in order of name.
    pub env: Vec<(String, Option<String>)>,
    /// The words of the command as start hooks have left them, where one has changed them.
    pub args: Option<Vec<String>>,
    /// The name that a start hook has given.
    pub name: Option<String>,
    /// The message of `wrap.refuse`: the command is not to be started.
    pub refused: Option<String>,
    /// The hook that called it.
    pub refused_by: Option<String>,
    /// What the stale hooks decided.
    pub verdict: Option<Verdict>,
}

/// The changes to the environment so far: what is set, and `None` for what is removed.
type Changes = BTreeMap<String, Option<String>>;

/// What a hook may use up.
#[derive(Debug, Clone, Copy)]
struct Limits {
    time: Duration,
    memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: TIME_LIMIT, memory: MEMORY_LIMIT }
    }
}
