//! The command's port: what its process tree listens on, or what it prints, and since when.

use super::printed::{PatternWatcher, Printed, UrlWatcher};
use crate::config::Config;
use crate::hooks::HOOK_VARIABLE;
use crate::registry::INSTANCE_VARIABLE;
use crate::sys::ports::{self, Listener};
use crate::sys::process;
use std::time::{Duration, Instant};

/// How often sockets are looked at while something may change; a port is to be found within 500 ms of its listen.
const LOOK: Duration = Duration::from_millis(400);

/// How long after the spawn they are looked at in any case: servers that compile first are up by then.
const ATTENTIVE: Duration = Duration::from_mins(1);

/// How long after any output: a server that opens a port says so.
const AFTER_OUTPUT: Duration = Duration::from_secs(2);

/// A run without any readiness to wait for counts as running after this time.
const SETTLED: Duration = Duration::from_secs(2);

/// Node's debugger listens here beside the app (`node --inspect`).
const INSPECTOR: u16 = 9229;

/// What is known about the port.
pub struct Ready {
    /// Who we are to the processes below us.
    instance_id: String,
    /// The process whose tree is looked at; `None` for our own, of which we are no part.
    root: Option<u32>,
    /// It is known to become ready, by what was configured or by the run before.
    is_expected: bool,
    /// From `--port` or the configuration.
    wanted: Option<u16>,
    /// Published by the project's compose file: the listener is docker's, not of our tree.
    published: Vec<u16>,
    /// From a URL in the output.
    printed: Option<Printed>,
    watcher: UrlWatcher,
    /// The configured text that tells readiness, until it was printed.
    pattern: Option<PatternWatcher>,
    spawned: Instant,
    attentive_until: Instant,
    next: Option<Instant>,
    timeout: Duration,
    seen: Vec<Listener>,
    answered: bool,
    /// In the order of their first appearance.
    open: Vec<u16>,
    now: Ports,
}

/// The ports of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports {
    /// The one to open.
    pub port: Option<u16>,
    /// All of them.
    pub all: Vec<u16>,
    /// Where to open it.
    pub url: Option<String>,
}

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    Nothing,
    /// Other ports than before.
    Ports,
    /// Other ports, and for the first time one that answers.
    Ready,
}

impl Ready {
    /// Watches a command that is about to be spawned.
    pub fn new(instance_id: String, wanted: Option<u16>, published: Vec<u16>, config: &Config) -> Self {
        let now = Instant::now();
        Self {
            instance_id,
            root: None,
            is_expected: wanted.is_some()
                || !published.is_empty()
                || config.ready.pattern.is_some()
                || config.health_path.is_some(),
            wanted,
            published,
            printed: None,
            watcher: UrlWatcher::default(),
            pattern: config.ready.pattern.as_ref().map(|text| PatternWatcher::new(text)),
            spawned: now,
            attentive_until: now + ATTENTIVE,
            next: Some(now + LOOK),
            timeout: config.ready.timeout,
            seen: Vec::new(),
            answered: false,
            open: Vec::new(),
            now: Ports::default(),
        }
    }

    /// Watches the tree of a process that we did not start.
    #[must_use]
    pub fn of_tree(self, root: u32) -> Self {
        Self { root: Some(root), ..self }
    }

    /// Whether there is something to wait for: a port, or a text that was configured.
    pub fn expects(&self) -> bool {
        self.is_expected
    }

    /// The run before has become ready: so will this one.
    pub fn expect(&mut self) {
        self.is_expected = true;
    }

    /// The command is spawned now.
    pub fn restart(&mut self) {
        let now = Instant::now();
        self.spawned = now;
        self.attentive_until = now + ATTENTIVE;
        self.next = Some(now + LOOK);
    }

    /// When to look next; `None` while nothing can have changed.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// When a run that is still `starting` counts as running.
    pub fn settled_at(&self) -> Instant {
        self.spawned + if self.is_expected { self.timeout } else { SETTLED }
    }

    /// The command wrote this. `true` where that is what tells that it is ready.
    pub fn output(&mut self, bytes: &[u8]) -> bool {
        let now = Instant::now();
        self.attentive_until = self.attentive_until.max(now + AFTER_OUTPUT);
        self.next.get_or_insert(now + LOOK);
        if let Some(printed) = self.watcher.look(bytes) {
            self.printed = Some(printed);
            // Whoever reads it in the terminal may look at the list in the next moment.
            self.next = Some(now);
        }
        let matched = self.pattern.as_mut().is_some_and(|pattern| pattern.look(bytes));
        if matched {
            self.pattern = None;
            self.answered = true;
        }
        matched
    }

    /// The ports as they were last seen.
    pub fn ports(&self) -> &Ports {
        &self.now
    }

    /// Looks, and says when to look again.
    pub fn look(&mut self) -> Change {
        let now = Instant::now();
        self.next = (now < self.attentive_until).then_some(now + LOOK);
        let listeners = ports::listeners(None);
        // The table of listening sockets is one read; walking the tree's descriptors is not, and is needed only
        // when the table has changed.
        if !same_sockets(&listeners, &self.seen) || self.stale() {
            self.find(&listeners);
            self.seen = listeners;
        }
        let ports = self.choose();
        if ports == self.now {
            return Change::Nothing;
        }
        self.now = ports;
        if self.now.port.is_some() && !self.answered && self.pattern.is_none() {
            self.answered = true;
            return Change::Ready;
        }
        Change::Ports
    }

    /// A URL was printed that no known port explains yet.
    fn stale(&self) -> bool {
        self.printed.as_ref().is_some_and(|printed| !self.open.contains(&printed.port))
    }

    fn find(&mut self, listeners: &[Listener]) {
        let root = self.root.unwrap_or_else(std::process::id);
        let mut pids: Vec<u32> = process::descendants(root).iter().map(|process| process.pid).collect();
        pids.extend(self.root);
        pids.retain(|pid| self.root.is_some() || self.is_ours(*pid));
        pids.sort_unstable();
        let mut found: Vec<u16> = ports::of_tree(&pids, listeners).iter().map(|listener| listener.port).collect();
        // Docker's proxy listens for a container; a URL that was printed may be another process's: both count only
        // while somebody listens there.
        let elsewhere = self.published.iter().copied().chain(self.wanted).chain(self.printed.as_ref().map(|p| p.port));
        found.extend(elsewhere.filter(|port| listeners.iter().any(|listener| listener.port == *port)));
        // The order is kept: the first one is the app's most of the time.
        self.open.retain(|port| found.contains(port));
        for port in found {
            if !self.open.contains(&port) {
                self.open.push(port);
            }
        }
    }

    /// What another wrap below us runs has an instance of its own, and its port is that one's; what a hook runs is none of
    /// the command's.
    fn is_ours(&self, pid: u32) -> bool {
        process::environment(pid, INSTANCE_VARIABLE).is_none_or(|id| id == self.instance_id)
            && !process::has_environment(pid, HOOK_VARIABLE, &self.instance_id)
    }

    fn choose(&self) -> Ports {
        let all = self.open.clone();
        let has = |port: &u16| all.contains(port);
        let port = self
            .wanted
            .filter(has)
            .or_else(|| self.printed.as_ref().map(|printed| printed.port).filter(has))
            .or_else(|| all.iter().copied().find(|port| *port != INSPECTOR))
            .or_else(|| all.first().copied());
        let url = port.map(|port| match &self.printed {
            Some(printed) if printed.port == port => printed.url.clone(),
            _ => format!("http://localhost:{port}"),
        });
        Ports { port, all, url }
    }
}

fn same_sockets(a: &[Listener], b: &[Listener]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.inode == b.inode)
}
