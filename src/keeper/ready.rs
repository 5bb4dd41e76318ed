//! The command's port: what its process tree listens on, or what it prints, and since when.

use crate::config;
use crate::sweep::INSTANCE_VARIABLE;
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

/// A URL that the command printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    port: u16,
    url: String,
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
#[derive(Debug, PartialEq, Eq)]
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
    pub fn new(instance_id: String, wanted: Option<u16>, published: Vec<u16>, config: &config::Ready) -> Self {
        let now = Instant::now();
        Self {
            instance_id,
            wanted,
            published,
            printed: None,
            watcher: UrlWatcher::default(),
            pattern: config.pattern.as_ref().map(|text| PatternWatcher::new(text)),
            spawned: now,
            attentive_until: now + ATTENTIVE,
            next: Some(now + LOOK),
            timeout: config.timeout,
            seen: Vec::new(),
            answered: false,
            open: Vec::new(),
            now: Ports::default(),
        }
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
        let waits = self.wanted.is_some() || !self.published.is_empty() || self.pattern.is_some();
        self.spawned + if waits { self.timeout } else { SETTLED }
    }

    /// The command wrote this. `true` where that is what tells that it is ready.
    pub fn output(&mut self, bytes: &[u8]) -> bool {
        let now = Instant::now();
        self.attentive_until = self.attentive_until.max(now + AFTER_OUTPUT);
        self.next.get_or_insert(now + LOOK);
        if let Some(printed) = self.watcher.look(bytes) {
            self.printed = Some(printed);
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
        let mut pids: Vec<u32> = process::descendants(std::process::id()).iter().map(|process| process.pid).collect();
        pids.retain(|pid| self.is_ours(*pid));
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

    /// What another wrap below us runs has an instance of its own, and its port is that one's.
    fn is_ours(&self, pid: u32) -> bool {
        process::environment(pid, INSTANCE_VARIABLE).is_none_or(|id| id == self.instance_id)
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

/// How much output is searched for a URL: a server says where it is within its first screens, and a command that
/// prints gigabytes must not be searched for ever.
const SEARCHED: usize = 1024 * 1024;

/// The longest URL that is understood, escape sequences within it included.
const LONGEST: usize = 512;

/// Finds `http://localhost:PORT/…` in output, also in pieces and with colours inside (Vite prints the port bold).
#[derive(Default)]
struct UrlWatcher {
    tail: Vec<u8>,
    searched: usize,
}

impl UrlWatcher {
    fn look(&mut self, bytes: &[u8]) -> Option<Printed> {
        if self.searched >= SEARCHED {
            return None;
        }
        self.searched += bytes.len();
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(&bytes[..bytes.len().min(SEARCHED)]);
        let found = text.windows(4).enumerate().filter(|(_, window)| *window == b"http").find_map(|(at, _)| {
            let rest = &text[at..(at + LONGEST).min(text.len())];
            parse_url(&url_like(rest))
        });
        let keep = text.len().saturating_sub(LONGEST);
        self.tail = text.split_off(keep);
        if found.is_some() {
            // The first one it prints is its own; later ones may be links in a log.
            self.searched = SEARCHED;
        }
        found
    }
}

/// Waits for a text in the output, also in pieces and with colours inside.
struct PatternWatcher {
    text: Vec<u8>,
    tail: Vec<u8>,
}

impl PatternWatcher {
    fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), tail: Vec::new() }
    }

    fn look(&mut self, bytes: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(bytes);
        let plain = plain(&text);
        if plain.windows(self.text.len().max(1)).any(|window| window == self.text) {
            return true;
        }
        // As much again as the text for the escape sequences within it.
        let keep = text.len().saturating_sub(self.text.len() + LONGEST);
        self.tail = text.split_off(keep);
        false
    }
}

/// The bytes without escape sequences (ECMA-48: ESC [ … a final byte from `@` to `~`).
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        if byte != 0x1b {
            text.push(byte);
        } else if rest.next() == Some(&b'[') {
            rest.find(|byte| (0x40..=0x7e).contains(*byte));
        }
    }
    text
}

/// The same, up to the first byte that no URL has, which becomes a space.
fn url_like(bytes: &[u8]) -> String {
    let plain = plain(bytes);
    let end = plain.iter().position(|byte| !(0x21..=0x7e).contains(byte));
    let mut text: String = plain[..end.unwrap_or(plain.len())].iter().map(|&byte| char::from(byte)).collect();
    // Only then is its end known: what the piece ends with may go on.
    if end.is_some() {
        text.push(' ');
    }
    text
}

/// A complete URL of this machine with a port in it.
fn parse_url(text: &str) -> Option<Printed> {
    let (url, _) = text.split_once(' ')?;
    let url = url.trim_end_matches(['.', ',', ')', ']', '"', '\'', '>']);
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = authority.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    // Bound to every address is reached by the local one; the wildcard itself is not an address to open.
    let host = match host {
        "localhost" | "127.0.0.1" | "[::1]" => host,
        "0.0.0.0" | "[::]" | "*" => "localhost",
        _ => return None,
    };
    let scheme = url.split(':').next()?;
    Some(Printed { port, url: format!("{scheme}://{host}:{port}{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str]) -> Option<(u16, String)> {
        let mut watcher = UrlWatcher::default();
        pieces.iter().find_map(|piece| watcher.look(piece.as_bytes())).map(|printed| (printed.port, printed.url))
    }

    #[test]
    fn urls_are_found_as_servers_print_them() {
        let cases = [
            ("Server on http://localhost:3000\n", 3000, "http://localhost:3000"),
            ("  Local:   \x1b[36mhttp://localhost:\x1b[1m5173\x1b[22m/\x1b[39m\r\n", 5173, "http://localhost:5173/"),
            ("listening at https://127.0.0.1:8443/app?x=1 now", 8443, "https://127.0.0.1:8443/app?x=1"),
            ("Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...\n", 8000, "http://localhost:8000/"),
            ("see http://[::1]:9000.\n", 9000, "http://[::1]:9000"),
        ];
        for (text, port, url) in cases {
            assert_eq!(found(&[text]), Some((port, url.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_local_url_with_a_port_is_none() {
        for text in [
            "http://example.com:80/\n",
            "http://localhost/\n",
            "http://localhost:99999/\n",
            "https\n",
            "http://localhost:3000",
        ] {
            assert_eq!(found(&[text]), None, "{text:?}");
        }
    }

    #[test]
    fn a_configured_text_is_found_in_pieces_and_colours() {
        let mut pattern = PatternWatcher::new("compiled in");
        assert!(!pattern.look(b"comp"));
        assert!(!pattern.look(b"iling\r\n\x1b[1mcompi"));
        assert!(pattern.look(b"led\x1b[0m in 3 s"));
    }

    #[test]
    fn a_url_in_pieces_is_put_together() {
        assert_eq!(found(&["on http://local", "host:30", "00\n"]), Some((3000, "http://localhost:3000".to_owned())));
    }
}
