//! From the registry to the board: which entries have changed, how each fares, and what was left behind.
//!
//! One thread, woken by changes of the directories, by pings and by those who want to know; the checks run beside it.

use super::board::{Board, News};
use crate::project::changes::Changes;
use crate::registry::Registry;
use crate::registry::entry::Entry;
use crate::registry::health::{self, Health, Status};
use crate::registry::history::History;
use crate::sweep::{sweep, with_hooks};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What was found out about health counts for so long; and so often the directories are read without a hint, as hints
/// may be lost (inotify(7)).
pub const FRESH: Duration = Duration::from_secs(10);

/// What wakes the thread.
enum Wake {
    /// The entry with this id may have changed.
    Entry(String),
    /// Any of them may have.
    Everything,
    /// Somebody says so, and is to be heard.
    Ping(String),
    /// Somebody wants to know how all of them are, no older than [`FRESH`].
    Wanted(oneshot::Sender<()>),
    /// One was checked.
    Checked(Box<Entry>, Health, Vec<String>),
    /// All that were asked for were.
    CheckedAll,
    /// What was left behind was seen to.
    Swept(Vec<String>),
    /// It is over.
    End,
}

/// The way to the thread.
#[derive(Clone)]
pub struct Watch {
    sender: Sender<Wake>,
}

impl Watch {
    /// Starts it; what it finds is on the board when this returns, unless a keeper hangs.
    pub fn start(board: Arc<Board>) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (sender, receiver) = channel();
        let watch = Self { sender };
        let changes = watch.clone();
        // Where nothing of the kind can be had, there is still the look every ten seconds.
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // A file that is read is no news, and would be by our own reading.
            if event.kind.is_access() {
                return;
            }
            if event.need_rescan() {
                let _ = changes.sender.send(Wake::Everything);
            }
            for id in event.paths.iter().filter_map(|path| id_of(path)) {
                let _ = changes.sender.send(Wake::Entry(id));
            }
        });
        let mut looker = Looker {
            board,
            watch: watch.clone(),
            watcher: watcher.ok(),
            watched: HashMap::new(),
            waiting: Vec::new(),
            checked: None,
            is_checking: false,
            is_sweeping: false,
            given_up: HashSet::new(),
        };
        let handle = thread::Builder::new().name("watch".to_owned()).spawn(move || looker.run(&receiver))?;
        Ok((watch, handle))
    }

    /// There may be news of an instance: a hint, and no more.
    pub fn ping(&self, id: String) {
        let _ = self.sender.send(Wake::Ping(id));
    }

    /// Returns when the board is no older than [`FRESH`].
    pub async fn fresh(&self) {
        let (reply, done) = oneshot::channel();
        if self.sender.send(Wake::Wanted(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// Ends the thread.
    pub fn end(&self) {
        let _ = self.sender.send(Wake::End);
    }
}

/// The instance whose entry this path is.
fn id_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.strip_prefix("instance_")?.strip_suffix(".json")?.to_owned())
}

struct Looker {
    board: Arc<Board>,
    watch: Watch,
    watcher: Option<RecommendedWatcher>,
    /// The directories that are watched, and which they were: one that was made anew is watched anew.
    watched: HashMap<PathBuf, (u64, u64)>,
    /// Who waits for a check of all.
    waiting: Vec<oneshot::Sender<()>>,
    /// When all were checked last.
    checked: Option<Instant>,
    is_checking: bool,
    is_sweeping: bool,
    /// What a sweep has left as it is; it is not seen to again before the next look.
    given_up: HashSet<String>,
}

impl Looker {
    fn run(&mut self, receiver: &Receiver<Wake>) {
        self.read_all();
        self.check_all();
        let mut due = Instant::now() + FRESH;
        loop {
            let first = match receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(wake) => Some(wake),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if first.is_none() {
                due = Instant::now() + FRESH;
                self.given_up.clear();
                self.read_all();
                // Without anybody who looks on, only what is needed to find what was left behind.
                if self.board.hub.readers() > 0 { self.check_all() } else { self.check_identities() }
            }
            // What came meanwhile is one piece of work: an entry that was written three times is read once.
            let (mut entries, mut pinged) = (BTreeSet::new(), BTreeSet::new());
            for wake in first.into_iter().chain(receiver.try_iter()) {
                match wake {
                    Wake::Entry(id) => drop(entries.insert(id)),
                    Wake::Everything => self.read_all(),
                    Wake::Ping(id) => drop(pinged.insert(id)),
                    Wake::Wanted(reply) => self.want(reply),
                    Wake::Checked(entry, health, changed) => self.judge(&entry, health, changed),
                    Wake::CheckedAll => {
                        self.is_checking = false;
                        self.checked = Some(Instant::now());
                        self.waiting.clear();
                    }
                    Wake::Swept(left) => {
                        self.is_sweeping = false;
                        self.given_up = left.into_iter().collect();
                        self.read_all();
                    }
                    Wake::End => return,
                }
            }
            self.read(&entries, &pinged);
        }
    }

    /// Reads these entries anew; of the pinged ones it is told in any case.
    fn read(&mut self, entries: &BTreeSet<String>, pinged: &BTreeSet<String>) {
        let mut changed = Vec::new();
        for id in entries.union(pinged) {
            match Registry::find(id) {
                Some((_, entry)) => {
                    if self.board.take(entry.clone()) == News::Changed {
                        changed.push(entry);
                    } else if pinged.contains(id) {
                        self.board.ping(id);
                    }
                }
                None => self.gone(id),
            }
        }
        self.check(changed, false);
    }

    fn gone(&self, id: &str) {
        self.board.remove(id, || History::ours().and_then(|history| history.one(id)));
    }

    /// Reads all directories that there are, and watches those that are not watched yet.
    fn read_all(&mut self) {
        let (registries, _) = Registry::existing();
        let mut changed = Vec::new();
        let mut there = HashSet::new();
        for registry in &registries {
            // Watched first: what is written after the reading leaves a hint.
            self.watch(&registry.entries_dir());
            for found in registry.read_all().entries {
                there.insert(found.entry.instance_id.clone());
                if self.board.take(found.entry.clone()) == News::Changed {
                    changed.push(found.entry);
                }
            }
        }
        for entry in self.board.entries() {
            if !there.contains(&entry.instance_id) {
                self.gone(&entry.instance_id);
            }
        }
        self.check(changed, false);
    }

    fn watch(&mut self, dir: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        let Ok(meta) = dir.metadata() else { return };
        let identity = (meta.dev(), meta.ino());
        if self.watched.get(dir) == Some(&identity) {
            return;
        }
        if self.watched.remove(dir).is_some() {
            let _ = watcher.unwatch(dir);
        }
        if watcher.watch(dir, RecursiveMode::NonRecursive).is_ok() {
            self.watched.insert(dir.to_owned(), identity);
        }
    }

    fn want(&mut self, reply: oneshot::Sender<()>) {
        if self.checked.is_some_and(|at| at.elapsed() < FRESH) {
            let _ = reply.send(());
            return;
        }
        // Dropped when all are checked, which is the answer.
        self.waiting.push(reply);
        self.check_all();
    }

    fn check_all(&mut self) {
        if !self.is_checking {
            self.is_checking = true;
            self.check(self.board.entries(), true);
        }
    }

    /// Asks nobody anything: whose processes are dead is seen without.
    fn check_identities(&mut self) {
        let dead = |entry: &Entry| !crate::sys::process::is_alive(entry.pid, entry.pid_token);
        let suspects: Vec<Entry> = self.board.entries().into_iter().filter(dead).collect();
        self.check(suspects, false);
    }

    /// Checks these on a thread of its own, which tells of each as soon as it is known.
    fn check(&mut self, entries: Vec<Entry>, all: bool) {
        if entries.is_empty() && !all {
            return;
        }
        let sender = self.watch.sender.clone();
        let started = thread::Builder::new().name("check".to_owned()).spawn(move || {
            let mut changes = Changes::default();
            health::check_each(&entries, &mut |index, health| {
                let differs = changes.of(&entries[index]);
                let _ = sender.send(Wake::Checked(Box::new(entries[index].clone()), health, differs));
            });
            if all {
                let _ = sender.send(Wake::CheckedAll);
            }
        });
        if started.is_err() && all {
            // Without a thread nothing is known; the next look tries again.
            self.is_checking = false;
            self.waiting.clear();
        }
    }

    fn judge(&mut self, entry: &Entry, health: Health, changed: Vec<String>) {
        let was_left = match health.status {
            Status::Dead => true,
            Status::Orphaned => entry.stale_since.is_none(),
            _ => false,
        };
        if was_left && !self.given_up.contains(&entry.instance_id) {
            self.sweep();
        }
        // A dead one goes with its entry, and until then nobody can do anything with it.
        if health.status != Status::Dead {
            self.board.judge(entry, health.status, changed);
        }
    }

    /// Asks the stale hooks, and removes what is dead.
    fn sweep(&mut self) {
        if self.is_sweeping {
            return;
        }
        let sender = self.watch.sender.clone();
        let started = thread::Builder::new().name("sweep".to_owned()).spawn(move || {
            let swept = sweep(&mut with_hooks());
            let left = swept.live.iter().filter(|(_, health)| matches!(health.status, Status::Dead | Status::Orphaned));
            let left = left.map(|(entry, _)| entry.instance_id.clone()).collect();
            for (entry, health) in swept.live {
                // Only a sweep knows of those of which something survives.
                let _ = sender.send(Wake::Checked(Box::new(entry), health, Vec::new()));
            }
            let _ = sender.send(Wake::Swept(left));
        });
        self.is_sweeping = started.is_ok();
    }
}
