//! Ends processes with all that belong to them: asked first, killed after the grace, and proved to be gone.

use crate::error::reason;
use crate::sys::limit::Descriptors;
use crate::sys::process::{self, Handle, Process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// What is killed is gone within milliseconds; one that waits for a disk or a network file system may take longer.
const AFTER_KILL: Duration = Duration::from_secs(3);
/// One descriptor is open for each process: a parallel build may have more of them than the usual limit of 1024.
const DESCRIPTORS: u64 = 8192;

/// What is to be ended, and what belongs to it.
pub struct Ending<'a> {
    /// Processes and their start tokens. All below them belong to them.
    pub roots: &'a [(u32, u64)],
    /// Others that belong, though no parent leads to them any more: by group, session or environment.
    pub also: &'a dyn Fn(&Process) -> bool,
    /// Whether those stay that lead a session of their own, such as a browser or a build daemon.
    pub spare_sessions: bool,
    /// From the request to the kill.
    pub grace: Duration,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Ended {
    /// They ended within the grace.
    pub ended: Vec<Process>,
    /// They had to be killed.
    pub killed: Vec<Process>,
    /// They live on: we may not signal them, or their identity could not be proved. With the reason.
    pub refused: Vec<(Process, String)>,
    /// They live on, even after the kill.
    pub survived: Vec<Process>,
    /// They lead sessions of their own and were left alone.
    pub spared: Vec<Process>,
}

impl Ended {
    /// Whether all are gone that should be.
    pub fn is_complete(&self) -> bool {
        self.refused.is_empty() && self.survived.is_empty()
    }
}

/// Asks, waits, kills, waits again. Our own process is never touched.
pub fn end(what: &Ending<'_>) -> Ended {
    let _room = Descriptors::at_least(DESCRIPTORS);
    let mut hunt = Hunt { what, known: HashMap::new(), spared: HashMap::new(), done: Ended::default() };
    hunt.look();
    hunt.signal(Signal::TERM);
    hunt.wait(Instant::now() + what.grace, None);
    // From here on, what appears is killed at once.
    hunt.look();
    hunt.signal(Signal::KILL);
    hunt.wait(Instant::now() + AFTER_KILL, Some(Signal::KILL));
    hunt.finish()
}

struct Hunt<'a> {
    what: &'a Ending<'a>,
    /// By pid and token: a pid may be given again while we wait.
    known: HashMap<(u32, u64), Prey>,
    /// The leaders of the sessions that are left alone, remembered because they may lose the parent they were
    /// reached by.
    spared: HashMap<u32, Process>,
    done: Ended,
}

impl Hunt<'_> {
    /// Adds all that belong to it now. `true` where there was a new one.
    fn look(&mut self) -> bool {
        let all: HashMap<u32, Process> =
            process::all().into_iter().filter(|process| !process.is_dead()).map(|one| (one.pid, one)).collect();
        let is_root = |one: &Process| self.what.roots.contains(&(one.pid, one.token));
        let mut members: HashSet<u32> = all
            .values()
            .filter(|one| is_root(one) || self.known.contains_key(&(one.pid, one.token)) || (self.what.also)(one))
            .map(|one| one.pid)
            .collect();
        let mut spared: HashSet<u32> = self.spared.keys().copied().collect();
        // Children of members are members, however deep; a session of its own takes all that is in it along.
        loop {
            if self.what.spare_sessions {
                let leads = |pid: &&u32| all[pid].session == **pid && !is_root(&all[pid]);
                spared.extend(members.iter().filter(leads).copied());
                members.retain(|pid| !spared.contains(&all[pid].session) || is_root(&all[pid]));
            }
            let belongs = |one: &&Process| members.contains(&one.parent) && !members.contains(&one.pid);
            let found: Vec<u32> =
                all.values().filter(belongs).filter(|one| !spared.contains(&one.session)).map(|one| one.pid).collect();
            if found.is_empty() {
                break;
            }
            members.extend(found);
        }
        for leader in spared.iter().filter_map(|pid| all.get(pid)) {
            self.spared.entry(leader.pid).or_insert_with(|| leader.clone());
        }
        members.remove(&std::process::id());
        let before = self.known.len();
        for process in members.iter().map(|pid| &all[pid]) {
            if let Entry::Vacant(vacant) = self.known.entry((process.pid, process.token))
                && let Some(prey) = Prey::new(process)
            {
                vacant.insert(prey);
            }
        }
        self.known.len() > before
    }

    fn signal(&mut self, signal: Signal) {
        for prey in self.known.values_mut() {
            prey.signal(signal);
        }
    }

    /// Waits until all have ended. Whenever one has, others may have come into sight: with `at_sight` they get
    /// that signal, else they are waited for like the rest, because a program that is being asked to end may
    /// well start another for it.
    fn wait(&mut self, deadline: Instant, at_sight: Option<Signal>) {
        while Instant::now() < deadline {
            let waiting: Vec<_> =
                self.known.iter().filter_map(|(key, prey)| Some((*key, prey.handle.as_ref()?))).collect();
            let ended: Vec<_> = ended(waiting.iter().map(|(_, handle)| *handle), deadline)
                .into_iter()
                .map(|index| waiting[index].0)
                .collect();
            for key in ended {
                self.gone(key);
            }
            let fresh = self.look();
            if let Some(signal) = at_sight {
                self.known.values_mut().filter(|prey| !prey.killed).for_each(|prey| prey.signal(signal));
            }
            if !fresh && self.known.values().all(|prey| prey.handle.is_none()) {
                return;
            }
        }
    }

    fn gone(&mut self, key: (u32, u64)) {
        if let Some(prey) = self.known.remove(&key) {
            let list = if prey.killed { &mut self.done.killed } else { &mut self.done.ended };
            list.push(prey.process);
        }
    }

    fn finish(mut self) -> Ended {
        for (key, prey) in std::mem::take(&mut self.known) {
            if !process::is_alive(key.0, key.1) {
                let list = if prey.killed { &mut self.done.killed } else { &mut self.done.ended };
                list.push(prey.process);
            } else if let Some(reason) = prey.refusal {
                self.done.refused.push((prey.process, reason));
            } else {
                self.done.survived.push(prey.process);
            }
        }
        self.done.spared =
            self.spared.into_values().filter(|leader| process::is_alive(leader.pid, leader.token)).collect();
        self.done
    }
}

struct Prey {
    process: Process,
    /// `None` where it is refused.
    handle: Option<Handle>,
    refusal: Option<String>,
    killed: bool,
}

impl Prey {
    /// `None` where it has ended meanwhile.
    fn new(process: &Process) -> Option<Self> {
        let (handle, refusal) = match Handle::open(process.pid, process.token) {
            Ok(handle) => (Some(handle?), None),
            Err(error) => (None, Some(reason(&error))),
        };
        Some(Self { process: process.clone(), handle, refusal, killed: false })
    }

    fn signal(&mut self, signal: Signal) {
        let Some(handle) = &self.handle else { return };
        let mut sent = handle.signal(signal);
        if sent.is_ok() && signal != Signal::KILL && self.process.state == b'T' {
            // A stopped process does not see what it is asked.
            sent = handle.signal(Signal::CONT);
        }
        match sent {
            Ok(lived) => self.killed = lived && signal == Signal::KILL,
            Err(error) => {
                self.refusal = Some(reason(&error));
                self.handle = None;
            }
        }
    }
}

/// Waits until one at least has ended; the indices of those that have. Empty where none has at the deadline.
fn ended<'a>(handles: impl Iterator<Item = &'a Handle>, deadline: Instant) -> Vec<usize> {
    let mut fds: Vec<_> = handles.map(|handle| PollFd::new(handle, PollFlags::IN)).collect();
    if fds.is_empty() {
        return Vec::new();
    }
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
            Err(Errno::INTR) => {}
            // Out of memory: nothing is known to have ended, and the next step follows.
            Err(_) => return Vec::new(),
            Ok(_) => break,
        }
    }
    fds.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty()).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    /// A shell that has said on a line of its own that it is set up.
    fn shell(script: &str) -> (Child, (u32, u64)) {
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().expect("spawned");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
        let pid = child.id();
        (child, (pid, process::token(pid).expect("it lives")))
    }

    fn ending(roots: &[(u32, u64)], grace: Duration) -> Ending<'_> {
        Ending { roots, also: &|_| false, spare_sessions: true, grace }
    }

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(300);

    #[test]
    fn a_tree_ends_when_asked_and_nobody_waits_for_the_grace() {
        let (mut child, root) = shell("sleep 60 & sleep 60 & echo ready; wait");
        let start = Instant::now();
        let ended = end(&ending(&[root], LONG));
        assert!(start.elapsed() < LONG / 2);
        assert!(ended.is_complete() && ended.killed.is_empty(), "{ended:?}");
        assert_eq!(ended.ended.len(), 3, "{ended:?}");
        child.wait().expect("ended");
    }

    #[test]
    fn what_ignores_the_request_is_killed_with_what_it_started_meanwhile_and_what_was_stopped() {
        let (mut child, root) = shell(
            "trap 'sleep 61 & sleep 62' TERM; (trap '' TERM; kill -STOP $(exec sh -c 'echo $PPID')) & \
             while ! grep -q '^State:.T' /proc/$!/status; do :; done; echo ready; while :; do sleep 63; done",
        );
        let ended = end(&ending(&[root], SHORT));
        assert!(ended.is_complete(), "{ended:?}");
        assert!(ended.killed.len() >= 2, "{ended:?}");
        child.wait().expect("ended");
        assert!(
            process::all().iter().all(|one| one.is_dead() || !one.name.starts_with("sleep") || one.parent != root.0)
        );
    }

    #[test]
    fn a_session_of_its_own_is_spared_and_named_unless_all_shall_end() {
        let (mut child, root) = shell("setsid sh -c 'echo ready; sleep 60; :' & wait");
        let ended = end(&ending(&[root], LONG));
        assert_eq!(ended.spared.len(), 1, "{ended:?}");
        let leader = &ended.spared[0];
        assert!(process::is_alive(leader.pid, leader.token));
        child.wait().expect("ended");
        let rest = end(&Ending { spare_sessions: false, ..ending(&[(leader.pid, leader.token)], LONG) });
        assert_eq!((rest.ended.len(), rest.is_complete()), (2, true), "{rest:?}");
    }

    #[test]
    fn a_wrong_token_ends_nothing_and_others_are_found_by_what_they_are() {
        let (mut child, (pid, token)) = shell("sleep 60 & echo ready; wait");
        let ended = end(&ending(&[(pid, token + 1)], LONG));
        assert!(ended.ended.is_empty() && process::is_alive(pid, token));
        let ended = end(&Ending { also: &|one| one.parent == pid, ..ending(&[], LONG) });
        assert_eq!(ended.ended.len(), 1, "{ended:?}");
        child.wait().expect("the shell ends by itself");
    }
}
