//! The keeper died: we are the next parent of everything it had started (a subreaper), and finish it.

use super::tell::tell;
use super::{Client, Errand, Farewell, Outcome, Plan, launch};
use crate::end::{self, Ending};
use crate::registry::INSTANCE_VARIABLE;
use crate::registry::history::{End, History, since_start};
use crate::registry::{Registry, now_ms};
use crate::sweep;
use crate::sys::process;
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
        let Some((id, first)) = begun() else {
            self.forget_unborn();
            tell(&format!(
                "the keeper ended before it could start `{}`; running it without wrap",
                plan.command[0].display()
            ));
            return launch::bare(plan);
        };
        tell(&format!("the keeper ended as it started `{}`; ending it", plan.command[0].display()));
        let _ = end::end(&Ending {
            roots: &[],
            also: &|one| process::has_environment(one.pid, INSTANCE_VARIABLE, &id),
            // So young, nothing of it was put there to stay.
            spare_sessions: false,
            grace: START_GRACE,
        });
        let seen = Self::status_of(first);
        self.forget(&id, seen);
        seen.map_or(Outcome::Exit(1), outcome)
    }

    /// The entry of a keeper that has started nothing is no run's.
    fn forget_unborn(&self) {
        for registry in Registry::existing().0 {
            for found in registry.read_all().entries {
                if found.entry.pid == self.keeper && found.entry.child_pid.is_none() {
                    // What is left is cleaned up by the next listing.
                    let _ = registry.forget(&found.entry);
                }
            }
        }
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

/// The instance that the keeper had begun to start, and the first process of it that is seen; `None` where there is none.
fn begun() -> Option<(String, u32)> {
    // Every command is told its instance; whoever exec'ed us may have had children of its own, and wrap's.
    let outer = std::env::var(INSTANCE_VARIABLE).ok();
    for _ in 0..FORK_LOOKS {
        let below = process::descendants(std::process::id());
        let marked = below.iter().find_map(|one| {
            let id = process::environment(one.pid, INSTANCE_VARIABLE).filter(|id| Some(id) != outer.as_ref())?;
            Some((id, one.pid))
        });
        // The keeper's fork, on its way to become the command, still runs our own program.
        if marked.is_some() || !below.iter().any(|one| process::is_our_program(one.pid)) {
            return marked;
        }
        thread::sleep(FORK_PAUSE);
    }
    None
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
