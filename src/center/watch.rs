//! From the registry to the board: which entries have changed, how each fares, and what was left behind.
//!
//! One thread, woken by changes of the directories, by pings and by those who want to know; the checks run beside it.

use super::board::{Board, News};
use crate::project::changes::Changes;
use crate::registry::entry::Entry;
use crate::registry::health::{self, Status};
use crate::registry::history::History;
use crate::registry::{Registry, Standing};
use crate::sweep::{sweep, with_hooks};
use crate::sys::process;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What was found out about health counts for so long; and so often the directories are read without a hint, as hints
/// may be lost (inotify(7)).
pub const FRESH: Duration = Duration::from_secs(10);

/// A check takes a second at most; whoever waits for longer waits for a disk.
const PATIENCE: Duration = Duration::from_secs(2);

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
    Checked(Box<Entry>, Status),
    /// This is what one was configured by and differs now.
    Differs(String, Vec<String>),
    /// All that were asked for were checked.
    CheckedAll,
    /// What was left behind was seen to, and this one left as it is.
    Left(Box<Entry>, Status),
    /// That was all of it.
    Swept,
    /// It is over.
    End,
}

/// The way to the thread.
#[derive(Clone)]
pub struct Watch {
    sender: Sender<Wake>,
}

impl Watch {
    /// Starts it, and returns at once. `each_look` is called at every look, so every ten seconds.
    pub fn start(
        board: Arc<Board>,
        each_look: impl FnMut() + Send + 'static,
    ) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
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
            each_look: Box::new(each_look),
        };
        let handle = thread::Builder::new().name("watch".to_owned()).spawn(move || looker.run(&receiver))?;
        Ok((watch, handle))
    }

    /// There may be news of an instance: a hint, and no more.
    pub fn ping(&self, id: String) {
        let _ = self.sender.send(Wake::Ping(id));
    }

    /// Returns when the board is no older than [`FRESH`]; where a check hangs, with what is known.
    pub async fn fresh(&self) {
        let (reply, done) = oneshot::channel();
        if self.sender.send(Wake::Wanted(reply)).is_ok() {
            let _ = timeout(PATIENCE, done).await;
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
    /// What a sweep has left as it is: seen to again at the next look, a dead one that a hook keeps not at all.
    given_up: HashSet<String>,
    each_look: Box<dyn FnMut() + Send>,
}

/// Says that a thread is at its end, also where it has panicked: nobody waits for it for ever.
struct AtEnd {
    sender: Sender<Wake>,
    wake: Option<Wake>,
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        // Where nobody listens, all is over.
        self.wake.take().map(|wake| self.sender.send(wake));
    }
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
            // Also while there is so much to hear that there is never a pause.
            if Instant::now() >= due {
                due = Instant::now() + FRESH;
                (self.each_look)();
                self.read_all();
                self.reconsider();
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
                    Wake::Checked(entry, status) => self.judge(&entry, status),
                    Wake::Differs(id, changed) => self.board.differs(&id, changed),
                    Wake::CheckedAll => {
                        self.is_checking = false;
                        self.checked = Some(Instant::now());
                        self.waiting.clear();
                    }
                    Wake::Left(entry, status) => {
                        self.given_up.insert(entry.instance_id.clone());
                        // It was marked by the sweep; this is how it is now.
                        self.board.take((*entry).clone());
                        self.board.judge(&entry, status);
                    }
                    Wake::Swept => {
                        self.is_sweeping = false;
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
            match Registry::standing(id) {
                Standing::Registered(entry) => {
                    if self.board.take((*entry).clone()) == News::Changed {
                        changed.push(*entry);
                    } else if pinged.contains(id) {
                        self.board.ping(id);
                    }
                }
                Standing::Gone => self.gone(id),
                // The next look will tell.
                Standing::Unreadable => {}
            }
        }
        self.check(changed, false);
    }

    fn gone(&self, id: &str) {
        self.board.remove(id, || History::ours().and_then(|history| history.one(id)));
    }

    /// Reads all directories that there are, and watches those that are not watched yet.
    fn read_all(&mut self) {
        let (registries, warnings) = Registry::existing();
        // What could not be read has not gone for that.
        let mut all_read = warnings.is_empty();
        let mut changed = Vec::new();
        let mut there = HashSet::new();
        for registry in &registries {
            // Watched first: what is written after the reading leaves a hint.
            self.watch(&registry.entries_dir());
            let listing = registry.read_all();
            all_read &= listing.warnings.is_empty();
            for found in listing.entries {
                there.insert(found.entry.instance_id.clone());
                if self.board.take(found.entry.clone()) == News::Changed {
                    changed.push(found.entry);
                }
            }
        }
        for entry in self.board.entries() {
            if all_read && !there.contains(&entry.instance_id) {
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
        let dead = |entry: &Entry| !process::is_alive(entry.pid, entry.pid_token);
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
            let done = AtEnd { sender: sender.clone(), wake: all.then_some(Wake::CheckedAll) };
            health::check_each(&entries, &mut |index, health| {
                let _ = sender.send(Wake::Checked(Box::new(entries[index].clone()), health.status));
            });
            drop(done);
            // Files of projects, which may be slow to come: nobody waits for these.
            let mut changes = Changes::default();
            for entry in &entries {
                let _ = sender.send(Wake::Differs(entry.instance_id.clone(), changes.of(entry)));
            }
        });
        if started.is_err() && all {
            // Without a thread nothing is known; the next look tries again.
            self.is_checking = false;
            self.waiting.clear();
        }
    }

    fn judge(&mut self, entry: &Entry, status: Status) {
        let was_left = match status {
            Status::Dead => true,
            Status::Orphaned => entry.stale_since.is_none(),
            _ => false,
        };
        if was_left && !self.given_up.contains(&entry.instance_id) {
            self.sweep();
        }
        // Of a dead one a sweep has the last word: something may survive of it, or a hook may keep it.
        if status != Status::Dead {
            self.board.judge(entry, status);
        }
    }

    /// What a hook was asked about and kept though it is dead stays; all else is seen to again.
    fn reconsider(&mut self) {
        for entry in self.board.entries().iter().filter(|entry| entry.stale_since.is_some()) {
            self.given_up.remove(&entry.instance_id);
        }
    }

    /// Asks the stale hooks, and removes what is dead.
    fn sweep(&mut self) {
        if self.is_sweeping {
            return;
        }
        let sender = self.watch.sender.clone();
        let started = thread::Builder::new().name("sweep".to_owned()).spawn(move || {
            let _done = AtEnd { sender: sender.clone(), wake: Some(Wake::Swept) };
            for (entry, health) in sweep(&mut with_hooks()).live {
                let is_left = matches!(health.status, Status::Dead | Status::Orphaned);
                let entry = Box::new(entry);
                let _ = sender.send(if is_left {
                    Wake::Left(entry, health.status)
                } else {
                    Wake::Checked(entry, health.status)
                });
            }
        });
        self.is_sweeping = started.is_ok();
    }
}
