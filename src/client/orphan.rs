//! The keeper died: we are the next parent of everything it had started (a subreaper), and finish it.

use super::tell::tell;
use super::{Client, Errand, Farewell, Outcome, Plan, launch};
use crate::end::{self, Ending};
use crate::registry::INSTANCE_VARIABLE;
use crate::registry::entry::Entry;
use crate::registry::history::{End, History, since_start};
use crate::registry::{Registry, now_ms};
use crate::sweep;
use crate::sys::process::{self, Process};
use crate::wire::Ended;
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

/// How often, and with which pause, a fork of the keeper's is looked at that has not become the command yet: an exec takes
/// a millisecond, on a loaded machine some more.
const FORK_LOOKS: u32 = 500;
const FORK_PAUSE: Duration = Duration::from_millis(2);

/// What was only just started has nothing to tidy up.
const START_GRACE: Duration = Duration::from_millis(500);

impl Client {
    /// The socket ended and nothing had said that the run is over.
    pub(super) fn keeper_died(&mut self) -> Outcome {
        // Held by nobody now, the command's terminal hangs up.
        self.pty = None;
        self.undo_modes();
        self.give_terminal_back();
        let plan = match &self.errand {
            Errand::Run(plan) => Rc::clone(plan),
            Errand::Leave(plan, _) if self.started.is_none() => Rc::clone(plan),
            // It is on its own: what the keeper leaves is found by the next `wrap`.
            Errand::Leave(..) => {
                self.say(&format!("the keeper ({}) was killed; `wrap clean` tells what it left", self.keeper));
                return Outcome::Exit(1);
            }
            Errand::Visit(visit) => {
                self.farewell =
                    Some(Farewell::InMidLine(format!("the keeper of `{}` ({}) is gone", visit.name, visit.short_id)));
                return Outcome::Exit(1);
            }
        };
        let Some(started) = self.started.take() else { return self.died_before_start(&plan) };
        self.say(&format!(
            "the keeper ({}) was killed; ending what it ran: `{}`",
            self.keeper,
            plan.command[0].display()
        ));
        let id = started.instance_id.clone();
        let ended = end::end(&Ending {
            roots: &[(started.pid, started.token)],
            also: &|one| process::has_environment(one.pid, INSTANCE_VARIABLE, &id),
            spare_sessions: !started.ends_sessions,
            grace: Duration::from_millis(started.grace),
        });
        for one in ended.killed {
            self.say(&format!("killed `{}` ({}), which did not end when asked", one.name, one.pid));
        }
        for (one, reason) in ended.refused {
            self.say(&format!("`{}` ({}) is left: {reason}", one.name, one.pid));
        }
        // What the kernel left of the command for us to wait for, if it was ours by then.
        let seen = Self::status_of(started.pid);
        self.forget(&started.instance_id, seen);
        seen.map_or(Outcome::Exit(1), outcome)
    }

    /// Into the history, and out of the registry.
    fn forget(&mut self, instance_id: &str, seen: Option<Ended>) {
        let Some((registry, entry)) = Registry::find(instance_id).filter(|(_, entry)| entry.pid == self.keeper) else {
            return;
        };
        let end = match seen {
            Some(ended) => End::now(ended, since_start(&entry, now_ms())),
            None => End::lost(&entry, now_ms()),
        };
        let _claim = sweep::tell_hooks(&registry, &entry, tell);
        if let Some(Err(error)) = History::ours().map(|history| history.record(&entry, end)) {
            self.say(&format!("{error}; `wrap list --all` will not show this run"));
        }
        if let Err(error) = registry.forget(&entry) {
            self.say(&format!("{error}; `wrap clean` removes the entry"));
        }
    }

    /// Whether the command was started is told by what it left: then it must not run a second time.
    fn died_before_start(&mut self, plan: &Plan) -> Outcome {
        let command = plan.command[0].display();
        let begun = begun(self.keeper);
        let unborn = self.unborn();
        let seen = match &begun {
            Begun::Nothing => {
                // No run is to be remembered.
                if let Some((registry, entry)) = unborn {
                    let _ = registry.forget(&entry);
                }
                tell(&format!("the keeper ended before it could start `{command}`; running it without wrap"));
                return launch::bare(plan);
            }
            Begun::Runs(id, pid) => {
                tell(&format!("the keeper ended as it started `{command}`; ending it"));
                let _ = end::end(&Ending {
                    roots: &[],
                    also: &|one| process::has_environment(one.pid, INSTANCE_VARIABLE, id),
                    // So young, nothing of it was put there to stay.
                    spare_sessions: false,
                    grace: START_GRACE,
                });
                Self::status_of(*pid)
            }
            Begun::Over(pid) => Self::status_of(*pid),
        };
        if let Some((_, entry)) = unborn {
            self.forget(&entry.instance_id, seen);
        }
        seen.map_or(Outcome::Exit(1), outcome)
    }

    /// The entry that the keeper had written before it started anything.
    fn unborn(&self) -> Option<(Registry, Entry)> {
        Registry::existing().0.into_iter().find_map(|registry| {
            let mut all = registry.read_all().entries.into_iter().map(|found| found.entry);
            let entry = all.find(|entry| entry.pid == self.keeper && entry.child_pid.is_none())?;
            Some((registry, entry))
        })
    }

    fn status_of(command: u32) -> Option<Ended> {
        let mut found = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() as u32 == command {
                found = ended(status);
            }
        }
        found
    }
}

/// How far a keeper that was killed had come.
enum Begun {
    /// It had started nothing.
    Nothing,
    /// The command of this instance runs, as this process.
    Runs(String, u32),
    /// The command was this process, and has ended.
    Over(u32),
}

/// What the keeper has started is our child by now, and younger than the keeper: whoever exec'ed us may have had children
/// of its own, and other wraps among them.
fn begun(keeper: u32) -> Begun {
    let born = process::look(keeper).ok().flatten().map_or(0, |keeper| keeper.token);
    let outer = std::env::var(INSTANCE_VARIABLE).ok();
    for _ in 0..FORK_LOOKS {
        // It lets go of our socket a moment before its children become ours.
        let is_gone = process::look(keeper).ok().flatten().is_none_or(|keeper| keeper.is_dead());
        let mut all = process::children_of(std::process::id());
        all.retain(|one| one.pid != keeper && one.token >= born);
        let id =
            |one: &Process| process::environment(one.pid, INSTANCE_VARIABLE).filter(|id| Some(id) != outer.as_ref());
        if let Some((id, pid)) = all.iter().find_map(|one| Some((id(one)?, one.pid))) {
            return Begun::Runs(id, pid);
        }
        // Its fork, on its way to become the command, still runs our own program.
        if is_gone && !all.iter().any(|one| !one.is_dead() && process::is_our_program(one.pid)) {
            let dead = all.iter().find(|one| one.is_dead());
            return dead.map_or(Begun::Nothing, |one| Begun::Over(one.pid));
        }
        thread::sleep(FORK_PAUSE);
    }
    Begun::Nothing
}

fn ended(status: WaitStatus) -> Option<Ended> {
    status.exit_status().map(Ended::Code).or_else(|| status.terminating_signal().map(Ended::Signal))
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Code(code) => Outcome::Exit(code as u8),
        Ended::Signal(number) => Outcome::Die(number),
    }
}
