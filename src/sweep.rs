//! What was left behind: found, the stale hook asked, removed.

use crate::end::{Ended, Ending, end};
use crate::error::reason;
use crate::hooks::{Event, Hooks, Runner, Wish, trust};
use crate::registry::entry::{Entry, State};
use crate::registry::health::{self, Health, Status};
use crate::registry::history::{End, History};
use crate::registry::{INSTANCE_VARIABLE, Registry, now_ms};
use crate::render::visible;
use crate::sys::process;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From the request to end to the kill, as wherever wrap ends a command.
pub const GRACE: Duration = Duration::from_secs(5);
/// How long the stale hooks may take in one sweep: somebody waits for a list. What is left is asked about at the next.
const HOOKS_TIME: Duration = Duration::from_secs(2);

/// Behind the reason why the history could not be written.
const UNREMEMBERED: &str = "`wrap list --all` will not show what has ended";

/// What the stale hooks say about an entry that was left behind: [`Verdict::Remove`] forgets it, `Keep` leaves it as
/// it is, `Kill` ends what lives of it and then forgets it.
pub use crate::hooks::Verdict;

/// Asks about an entry that was left behind.
pub type Ask<'a> = &'a mut dyn FnMut(&Entry, Status) -> Option<Verdict>;

/// What a sweep found and did.
#[derive(Debug, Default)]
pub struct Swept {
    /// What is still registered, orphaned ones among them.
    pub live: Vec<(Entry, Health)>,
    /// The dead that were removed, and orphaned ones that the hook gave up.
    pub removed: Vec<Entry>,
    /// Those whose processes were ended because the hook said so; they are in `removed` or in `live` too.
    pub ended: Vec<(Entry, Ended)>,
    /// What could not be read or removed, as whole sentences.
    pub warnings: Vec<String>,
    /// Where what was removed is remembered.
    history: Option<History>,
}

/// Reads all registries of this user, checks every instance at once, and removes the dead. `verdict` is the stale
/// hook: asked once about each entry that was left behind, by one process only, however many sweep at a time. Where
/// there is no hook it says `Remove` of the dead and `Keep` of the orphaned; `None` puts the question off until the next
/// sweep.
pub fn sweep(verdict: Ask<'_>) -> Swept {
    let (registries, warnings) = Registry::existing();
    let mut swept = sweep_in(&registries, History::ours().as_ref(), verdict);
    swept.warnings.splice(0..0, warnings);
    swept
}

/// As [`sweep`], over these registries; what is removed goes into this history.
pub fn sweep_in(registries: &[Registry], history: Option<&History>, verdict: Ask<'_>) -> Swept {
    let mut swept = Swept { history: history.cloned(), ..Swept::default() };
    let mut entries = Vec::new();
    let mut homes = Vec::new();
    for registry in registries {
        let listing = registry.read_all();
        swept.warnings.extend(listing.warnings);
        let known: HashSet<String> = listing.entries.iter().map(|found| found.entry.short_id().to_owned()).collect();
        registry.prune_sockets(|short_id| known.contains(short_id));
        homes.extend(listing.entries.iter().map(|_| registry));
        entries.extend(listing.entries.into_iter().map(|found| found.entry));
    }
    let mut healths = health::check(&entries);
    survivors(&entries, &mut healths);
    for ((entry, health), registry) in entries.into_iter().zip(healths).zip(homes) {
        match health.status {
            // Its hook wants it to be seen: until `wrap clean`.
            Status::Dead if entry.stale_kept => swept.live.push((entry, health)),
            Status::Dead => swept.bury(registry, entry, health, verdict),
            // The mark says that the hook was asked when it was found.
            Status::Orphaned if entry.stale_since.is_none() => swept.bury(registry, entry, health, verdict),
            _ => swept.live.push((entry, health)),
        }
    }
    swept
}

/// Ends what lives of an instance whose keeper is dead: the command with all below it, and whatever else has the
/// instance's id in its environment. What leads a session of its own (a browser, a build daemon) is spared, unless the
/// run's leftovers rule says otherwise.
pub fn end_orphan(entry: &Entry) -> Ended {
    let command: Vec<(u32, u64)> = entry.child_pid.zip(entry.child_token).into_iter().collect();
    let also = |one: &process::Process| process::has_environment(one.pid, INSTANCE_VARIABLE, &entry.instance_id);
    end(&Ending { roots: &command, also: &also, spare_sessions: !entry.ends_sessions, grace: GRACE })
}

/// Why [`finish`] did not.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// A process was not signalled, as it may be another than the one that is meant, or is not ours.
    Refused(String),
    /// A process lives on, or the entry cannot be removed.
    Failed(String),
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) | Self::Failed(why) => formatter.write_str(why),
        }
    }
}

/// Ends an instance whose keeper is dead, or hangs: what lives of it, then the keeper, then the entry.
pub fn finish(entry: &Entry) -> Result<Ended, Unfinished> {
    let ended = end_orphan(entry);
    let title = |one: &process::Process| format!("`{}` ({})", visible(&one.name), one.pid);
    if let Some((one, reason)) = ended.refused.first() {
        return Err(Unfinished::Refused(format!("{} was not signalled: {reason}", title(one))));
    }
    if let Some(one) = ended.survived.first() {
        return Err(Unfinished::Failed(format!("{} cannot be killed", title(one))));
    }
    let failed = |error: String| Unfinished::Failed(error);
    if let Ok(Some(keeper)) = process::Handle::open(entry.pid, entry.pid_token) {
        // It hangs, or it would have answered; its command is gone.
        keeper.signal(rustix::process::Signal::KILL).map_err(|error| failed(reason(&error)))?;
    }
    forget(entry).map_err(|error| failed(error.to_string()))?;
    Ok(ended)
}

/// The stale hooks, the user's and the project's, as a verdict: made when the first entry of a project is found that was
/// left behind, because most sweeps find none.
pub fn with_hooks() -> impl FnMut(&Entry, Status) -> Option<Verdict> {
    with_hooks_that_tell(say)
}

/// The same, where a line of a hook's goes elsewhere.
pub fn with_hooks_that_tell(tell: fn(&str)) -> impl FnMut(&Entry, Status) -> Option<Verdict> {
    let mut runners: HashMap<String, Option<Runner>> = HashMap::new();
    let mut spent = Duration::ZERO;
    move |entry, status| {
        if spent > HOOKS_TIME {
            return None;
        }
        let begun = Instant::now();
        let runner = runners.entry(entry.project_root.clone()).or_insert_with(|| {
            let root = Path::new(&entry.project_root);
            // What the project itself sets is not asked for here: its own commands say what is wrong with it.
            let config = trust::settings(root, root).config;
            let hooks = Hooks::find(root, &config);
            (!hooks.is_empty()).then(|| Runner::new(hooks, Arc::new(move |wish| grant(wish, tell))))
        });
        let said = runner.as_ref().and_then(|runner| {
            let mut instance = serde_json::to_value(entry.public()).unwrap_or_default();
            instance["status"] = serde_json::to_value(status).unwrap_or_default();
            runner.fire_and_wait(Event::Stale, instance).verdict
        });
        spent += begun.elapsed();
        said.or_else(|| without_hook(entry, status))
    }
}

/// Tells the stale hooks of an instance whose keeper was killed and that somebody else has finished; the claim is held
/// until its entry is removed.
pub fn tell_hooks(registry: &Registry, entry: &Entry, tell: fn(&str)) -> Option<crate::registry::Claim> {
    let claim = registry.claim(entry).ok().flatten()?;
    with_hooks_that_tell(tell)(entry, Status::Dead);
    Some(claim)
}

/// What a hook asks of a process that only looks.
fn grant(wish: Wish, tell: fn(&str)) -> Result<(), String> {
    match wish {
        Wish::Say(line) => tell(&line),
        // The desktop shows it; there is no terminal of the instance's.
        Wish::Notify { .. } => {}
        Wish::Send(_) | Wish::Stop => return Err("nothing of it runs any more".to_owned()),
    }
    Ok(())
}

/// A line for the user. A standard error that takes nothing must not turn it into a panic.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "wrap: {line}");
}

/// The verdict where there is no hook.
pub fn without_hook(_: &Entry, status: Status) -> Option<Verdict> {
    Some(if status == Status::Dead { Verdict::Remove } else { Verdict::Keep })
}

/// Calls those orphaned of which keeper and command are dead, but not all that the command started: removed, they
/// could not be found again. What is in a session that one of them leads does not count where it is not ended either.
fn survivors(entries: &[Entry], healths: &mut [Health]) {
    let mut dead: HashMap<&str, &mut Health> = HashMap::new();
    for (entry, health) in entries.iter().zip(healths) {
        if health.status == Status::Dead {
            dead.insert(&entry.instance_id, health);
        }
    }
    if dead.is_empty() {
        return;
    }
    let all = process::all().into_iter().filter(|one| !one.is_dead());
    let of_one: Vec<_> = all
        .filter_map(|one| Some((process::environment(one.pid, INSTANCE_VARIABLE)?, one)))
        .filter(|(id, _)| dead.contains_key(id.as_str()))
        .collect();
    let stays = |id: &str| entries.iter().any(|entry| entry.instance_id == id && !entry.ends_sessions);
    let leaders: HashSet<u32> =
        of_one.iter().filter(|(id, one)| one.pid == one.session && stays(id)).map(|(_, one)| one.pid).collect();
    for (id, _) in of_one.iter().filter(|(_, one)| !leaders.contains(&one.session)) {
        if let Some(health) = dead.get_mut(id.as_str()) {
            health.status = Status::Orphaned;
        }
    }
}

/// Removes an entry whose command is gone by now, with its socket. `false` where another was faster.
pub fn forget(entry: &Entry) -> Result<bool, crate::error::Error> {
    // It is more than a line in the history that has to go.
    if let Some(Err(error)) = History::ours().map(|history| history.record(entry, End::lost(entry, now_ms()))) {
        say(&format!("{error}; {UNREMEMBERED}"));
    }
    for registry in Registry::existing().0 {
        if registry.forget(entry)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Swept {
    /// Writes it into the history; where that cannot be had, so much is said once.
    fn remember(&mut self, entry: &Entry, end: End) {
        let failed = self.history.as_ref().and_then(|history| history.record(entry, end).err());
        if let Some(error) = failed {
            self.warnings.push(format!("{error}; {UNREMEMBERED}"));
            self.history = None;
        }
    }

    fn bury(&mut self, registry: &Registry, mut entry: Entry, health: Health, verdict: Ask<'_>) {
        let orphaned = health.status == Status::Orphaned;
        // Held until the end of this function; another that sweeps passes the entry by.
        let _claim = match registry.claim(&entry) {
            Ok(Some(claim)) => claim,
            Ok(None) => {
                if orphaned {
                    self.live.push((entry, health));
                }
                return;
            }
            Err(error) => {
                self.warnings.push(error.to_string());
                self.live.push((entry, health));
                return;
            }
        };
        if entry.child_pid.is_none() && entry.state == State::Starting && !orphaned {
            // Its keeper was killed before it had started anything: there was no run.
            match registry.forget(&entry) {
                Ok(true) => self.removed.push(entry),
                Ok(false) => {}
                Err(error) => self.warnings.push(error.to_string()),
            }
            return;
        }
        let asked_before = entry.stale_since.is_some();
        // Nobody saw its end: the keeper's last write is the last that is known of it.
        let mut end = End::lost(&entry, entry.updated_at);
        let said = if asked_before { Some(Verdict::Remove) } else { verdict(&entry, health.status) };
        let Some(mut said) = said else {
            self.live.push((entry, health));
            return;
        };
        if said == Verdict::Kill {
            let ended = end_orphan(&entry);
            end = End::lost(&entry, now_ms());
            said = if ended.is_complete() { Verdict::Remove } else { Verdict::Keep };
            self.ended.push((entry.clone(), ended));
        }
        let done = match said {
            Verdict::Remove | Verdict::Kill => {
                self.remember(&entry, end);
                registry.forget(&entry).map(|removed| {
                    if removed {
                        self.removed.push(entry.clone());
                    }
                })
            }
            Verdict::Keep => {
                entry.stale_since = Some(now_ms());
                entry.stale_kept = !orphaned;
                let marked = registry.write(&mut entry);
                self.live.push((entry, health));
                marked
            }
        };
        if let Err(error) = done {
            self.warnings.push(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;
    use std::process::{Child, Command};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn registry() -> (tempfile::TempDir, Registry) {
        let temp = tempfile::tempdir().expect("a directory");
        let registry = Registry::at(&temp.path().join("wrap")).expect("a registry");
        (temp, registry)
    }

    /// A pid that nobody has: the kernel's largest pid is 4,194,304.
    const NOBODY: u32 = 5_000_000;

    fn dead() -> Entry {
        Entry { pid_token: 1, state: State::Running, ..entry(NOBODY) }
    }

    /// A command whose keeper is gone.
    fn orphan() -> (Child, Entry) {
        let mut entry = dead();
        let child =
            Command::new("sleep").arg("60").env(INSTANCE_VARIABLE, &entry.instance_id).spawn().expect("spawned");
        entry.child_pid = Some(child.id());
        entry.child_token = process::token(child.id());
        (child, entry)
    }

    #[test]
    fn what_was_never_started_is_no_run() {
        let (temp, registry) = registry();
        let mut unborn = Entry { state: State::Starting, ..dead() };
        registry.write(&mut unborn).expect("written");
        let history = History::at(&temp.path().join("state"));
        let swept = sweep_in(std::slice::from_ref(&registry), Some(&history), &mut |_, _| panic!("no hook is asked"));
        assert!(swept.live.is_empty() && registry.read_all().entries.is_empty());
        assert!(history.all().0.is_empty());
    }

    #[test]
    fn the_dead_are_removed_with_their_socket_after_one_question() {
        let (_temp, registry) = registry();
        let mut dead = dead();
        registry.write(&mut dead).expect("written");
        let socket = registry.socket_path(dead.short_id()).expect("short enough");
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
        let mut asked = Vec::new();
        let later = sweep_in(std::slice::from_ref(&registry), None, &mut |_, status| {
            asked.push(status);
            None
        });
        assert_eq!((asked, later.live.len(), later.removed.len()), (vec![Status::Dead], 1, 0));
        let swept = sweep_in(std::slice::from_ref(&registry), None, &mut |_, _| Some(Verdict::Remove));
        assert_eq!((swept.live.len(), swept.removed, swept.warnings), (0, vec![dead.clone()], vec![]));
        assert!(!socket.exists() && registry.read_all().entries.is_empty());
        registry.write(&mut dead).expect("written");
        let kept = sweep_in(std::slice::from_ref(&registry), None, &mut |_, _| Some(Verdict::Keep));
        assert_eq!((kept.live.len(), kept.removed.len()), (1, 0));
        let again = sweep_in(std::slice::from_ref(&registry), None, &mut |_, _| panic!("it was asked"));
        assert_eq!((again.live.len(), again.removed.len()), (1, 0));
    }

    #[test]
    fn what_is_removed_is_remembered_and_a_history_that_fails_is_said_once() {
        let (temp, registry) = registry();
        let history = History::at(&temp.path().join("state"));
        let sweep = || sweep_in(std::slice::from_ref(&registry), Some(&history), &mut without_hook);
        let mut dead = dead();
        registry.write(&mut dead).expect("written");
        assert_eq!((sweep().removed.len(), history.all().0[0].end.lost), (1, true));
        std::fs::remove_dir_all(temp.path().join("state")).expect("removed");
        std::fs::write(temp.path().join("state"), "a file").expect("written");
        for _ in 0..3 {
            registry.write(&mut Entry { instance_id: entry(1).instance_id, ..dead.clone() }).expect("written");
        }
        let swept = sweep();
        assert_eq!((swept.removed.len(), swept.warnings.len()), (3, 1), "{:?}", swept.warnings);
    }

    #[test]
    fn many_that_sweep_at_once_ask_once_about_each() {
        let (_temp, registry) = registry();
        for _ in 0..50 {
            registry.write(&mut dead()).expect("written");
        }
        let (asked, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let swept = sweep_in(std::slice::from_ref(&registry), None, &mut |_, _| {
                        asked.fetch_add(1, Ordering::Relaxed);
                        Some(Verdict::Remove)
                    });
                    removed.fetch_add(swept.removed.len(), Ordering::Relaxed);
                    assert_eq!(swept.warnings, Vec::<String>::new());
                });
            }
        });
        assert_eq!((asked.into_inner(), removed.into_inner()), (50, 50));
    }

    #[test]
    fn an_orphan_is_asked_about_once_kept_and_removed_when_it_died() {
        let (_temp, registry) = registry();
        let (mut child, mut orphan) = orphan();
        registry.write(&mut orphan).expect("written");
        let mut asked = 0;
        let mut sweep = || {
            let swept = sweep_in(std::slice::from_ref(&registry), None, &mut |_, status| {
                assert_eq!(status, Status::Orphaned);
                asked += 1;
                Some(Verdict::Keep)
            });
            (swept.live.len(), swept.removed.len(), asked)
        };
        assert_eq!(sweep(), (1, 0, 1));
        assert_eq!(sweep(), (1, 0, 1));
        child.kill().and_then(|()| child.wait()).expect("ended");
        assert_eq!(sweep(), (0, 1, 1));
    }

    #[test]
    fn a_dead_command_with_a_survivor_is_orphaned_unless_that_leads_a_session() {
        let (_temp, registry) = registry();
        let mut dead = dead();
        registry.write(&mut dead).expect("written");
        let start = |program: &str| {
            Command::new(program)
                .args(["sleep", "60"])
                .env(INSTANCE_VARIABLE, &dead.instance_id)
                .spawn()
                .expect("spawned")
        };
        let (mut survivor, mut daemon) = (start("env"), start("setsid"));
        // Until each has become what it runs.
        for pid in [survivor.id(), daemon.id()] {
            while process::look(pid).expect("looked").is_some_and(|one| one.name != "sleep") {
                thread::yield_now();
            }
        }
        let statuses = || {
            let swept = sweep_in(std::slice::from_ref(&registry), None, &mut without_hook);
            swept.live.iter().map(|(_, health)| health.status).collect::<Vec<_>>()
        };
        assert_eq!(statuses(), [Status::Orphaned]);
        survivor.kill().and_then(|()| survivor.wait()).expect("ended");
        assert_eq!(statuses(), []);
        daemon.kill().and_then(|()| daemon.wait()).expect("ended");
    }

    #[test]
    fn a_hook_may_have_an_orphan_ended_with_what_is_only_known_by_its_environment() {
        let (_temp, registry) = registry();
        let (mut child, mut orphan) = orphan();
        let mut survivor =
            Command::new("sleep").arg("60").env(INSTANCE_VARIABLE, &orphan.instance_id).spawn().expect("spawned");
        registry.write(&mut orphan).expect("written");
        let swept = sweep_in(std::slice::from_ref(&registry), None, &mut |_, _| Some(Verdict::Kill));
        assert_eq!((swept.live.len(), swept.removed.len()), (0, 1));
        assert_eq!(swept.ended[0].1.ended.len(), 2, "{:?}", swept.ended);
        child.wait().and_then(|_| survivor.wait()).expect("ended");
    }
}
