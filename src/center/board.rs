//! What the control center knows of each instance, and what it tells when that changes.

use super::hub::Hub;
use crate::registry::entry::{Entry, State};
use crate::registry::health::Status;
use crate::registry::history::Past;
use crate::registry::now_ms;
use crate::render::Shown;
use crate::render::json::Public;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use utoipa::ToSchema;

/// One instance as the control center shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    #[serde(flatten)]
    public: Public,
    /// Of all its processes, in percent of one processor; null while nobody looks on.
    cpu: Option<f32>,
    /// Resident memory of all its processes, in bytes; null while nobody looks on.
    memory: Option<u64>,
}

/// What a tree of processes uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Percent of one processor.
    pub cpu: f32,
    /// Bytes.
    pub memory: u64,
}

/// What is known of one.
struct Known {
    entry: Entry,
    /// `None` until it was checked for the first time; it is not shown before.
    status: Option<Status>,
    changed: Vec<String>,
    usage: Option<Usage>,
    /// It runs now, and that is told together with how it fares.
    untold: bool,
}

impl Known {
    fn show(&self) -> Option<Instance> {
        let shown = Shown::live(self.entry.clone(), self.status?, self.changed.clone());
        let usage = self.usage;
        Some(Instance {
            public: Public::new(&shown, now_ms()),
            cpu: usage.map(|usage| usage.cpu),
            memory: usage.map(|usage| usage.memory),
        })
    }
}

/// What is known, by instance id, and who is told.
pub struct Board {
    known: Mutex<BTreeMap<String, Known>>,
    /// The stream.
    pub hub: Hub,
}

/// What a look at an entry brought.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// As before, but for the sign of life.
    None,
    /// It is another than before: how it fares has to be looked at.
    Changed,
}

impl Board {
    /// Of nobody yet.
    pub fn new() -> Self {
        Self { known: Mutex::default(), hub: Hub::new() }
    }

    /// Takes an entry as it was read.
    pub fn take(&self, entry: Entry) -> News {
        let mut all = self.known();
        let Some(known) = all.get_mut(&entry.instance_id) else {
            let status = at_once(&entry);
            let known = Known { entry, status, changed: Vec::new(), usage: None, untold: false };
            self.tell("instance-ping", &known);
            all.insert(known.entry.instance_id.clone(), known);
            return News::Changed;
        };
        let state_before = known.entry.state;
        let is_refreshed = is_same(&known.entry, &entry);
        known.entry = entry;
        if is_refreshed {
            return News::None;
        }
        if let Some(status) = at_once(&known.entry) {
            known.status = Some(status);
        } else if known.entry.state != state_before {
            // Its status is that of before, until it was checked.
            known.untold = true;
            return News::Changed;
        }
        self.tell("instance-update", known);
        News::Changed
    }

    /// Somebody says that there is news of it: told even where there is none.
    pub fn ping(&self, id: &str) {
        if let Some(known) = self.known().get(id) {
            self.tell("instance-ping", known);
        }
    }

    /// It was checked as this entry says, and fares so.
    pub fn judge(&self, checked: &Entry, status: Status) {
        let mut all = self.known();
        let Some(known) = all.get_mut(&checked.instance_id) else { return };
        // It has gone on meanwhile, and is checked again as it is now.
        if !is_same(&known.entry, checked) || (known.status == Some(status) && !known.untold) {
            return;
        }
        known.untold = false;
        let name = if known.status.is_none() { "instance-ping" } else { "instance-update" };
        known.status = Some(status);
        self.tell(name, known);
    }

    /// This is what it was configured by and differs now.
    pub fn differs(&self, id: &str, changed: Vec<String>) {
        let mut all = self.known();
        if let Some(known) = all.get_mut(id).filter(|known| known.changed != changed) {
            known.changed = changed;
            self.tell("instance-update", known);
        }
    }

    /// It is registered no more; `past` looks up what the history has of it, for one that was known.
    pub fn remove(&self, id: &str, past: impl FnOnce() -> Option<Past>) {
        // Taken out first: nobody waits for the lock while a disk is asked.
        let Some(known) = self.known().remove(id) else { return };
        let shown = past().map_or_else(|| Shown::live(known.entry, Status::Stopped, Vec::new()), Shown::from);
        self.hub.publish("instance-gone", &ended(&shown));
    }

    /// What each uses now, in this order; those who listen are told.
    pub fn measured(&self, usages: Vec<(String, Usage)>) {
        let mut all = self.known();
        let told: Vec<_> = usages.iter().map(|(id, usage)| (id, usage.cpu, usage.memory)).collect();
        self.hub.tell("instance-usage", &told);
        for (id, usage) in usages {
            if let Some(known) = all.get_mut(&id) {
                known.usage = Some(usage);
            }
        }
    }

    /// Nobody looks on any more: what was measured gets old.
    pub fn unmeasured(&self) {
        self.known().values_mut().for_each(|known| known.usage = None);
    }

    /// All of them, the newest first, and the id of the last event that they contain.
    pub fn all(&self) -> (Vec<Instance>, String) {
        let all = self.known();
        let instances = all.values().rev().filter_map(Known::show).collect();
        // Under the same lock: what comes behind this id is not in them.
        (instances, self.hub.last_id())
    }

    /// One of them.
    pub fn one(&self, id: &str) -> Option<Instance> {
        self.known().get(id).and_then(Known::show)
    }

    /// The entry with this id, or with this short id, and how it fares.
    pub fn find(&self, id: &str) -> Option<(Entry, Option<Status>)> {
        let all = self.known();
        let known = all.get(id).or_else(|| {
            let mut short = all.values().filter(|known| known.entry.short_id() == id);
            short.next().filter(|_| short.next().is_none())
        })?;
        Some((known.entry.clone(), known.status))
    }

    /// The entries.
    pub fn entries(&self) -> Vec<Entry> {
        self.known().values().map(|known| known.entry.clone()).collect()
    }

    fn tell(&self, name: &str, known: &Known) {
        if let Some(instance) = known.show() {
            self.hub.publish(name, &instance);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        // A thread that panicked while it held the lock leaves whole values.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two are the same but for the sign of life.
fn is_same(one: &Entry, other: &Entry) -> bool {
    Entry { updated_at: other.updated_at, ..one.clone() } == *other
}

/// One that has ended, as the control center shows it.
pub fn ended(shown: &Shown) -> Instance {
    Instance { public: Public::new(shown, now_ms()), cpu: None, memory: None }
}

/// How one fares whose keeper says so itself; a check may know better.
fn at_once(entry: &Entry) -> Option<Status> {
    match entry.state {
        State::Starting => Some(Status::Starting),
        State::Stopping => Some(Status::Stopping),
        State::Restarting => Some(Status::Restarting),
        State::Running => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;

    fn names(board: &Board) -> String {
        board.hub.last_id().rsplit_once('-').expect("an id").1.to_owned()
    }

    #[test]
    fn what_changes_is_told_once_and_a_sign_of_life_is_not() {
        let board = Board::new();
        let first = Entry { state: State::Running, ..entry(7) };
        let id = first.instance_id.clone();
        assert_eq!(board.take(first.clone()), News::Changed);
        assert_eq!((names(&board).as_str(), board.all().0.len()), ("0", 0), "not before it was checked");
        board.judge(&first, Status::Healthy);
        board.judge(&first, Status::Healthy);
        assert_eq!((names(&board).as_str(), board.all().0.len()), ("1", 1));
        assert_eq!(board.take(Entry { updated_at: 99, ..first.clone() }), News::None);
        assert_eq!(names(&board), "1");
        assert_eq!(board.take(Entry { port: Some(3000), ..first.clone() }), News::Changed);
        assert_eq!(names(&board), "2");
        board.ping(&id);
        board.ping("another");
        assert_eq!(names(&board), "3");
        assert_eq!(board.find(first.short_id()).map(|(entry, _)| entry.port), Some(Some(3000)));
        board.remove(&id, || None);
        board.remove(&id, || panic!("not looked up"));
        assert_eq!((names(&board).as_str(), board.all().0.len()), ("4", 0));
    }

    #[test]
    fn one_that_starts_is_shown_at_once() {
        let board = Board::new();
        let starting = entry(7);
        board.take(starting.clone());
        let json = serde_json::to_value(board.one(&starting.instance_id).expect("shown")).expect("json");
        assert_eq!((&json["status"], json.get("authKey")), (&"starting".into(), None));
    }
}
