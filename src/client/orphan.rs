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
use std::time::Duration;

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
        let Some(started) = self.started.take() else { return Self::died_before_start(&plan) };
        self.say(&format!(
            "the keeper ({}) was killed; ending what it ran: `{}`",
            self.keeper,
            plan.command[0].display()
        ));
        let id = started.instance_id.clone();
        let ended = end::end(&Ending {
            roots: &[(started.pid, started.token)],
            also: &|one| process::has_environment(one.pid, INSTANCE_VARIABLE, &id),
            spare_sessions: true,
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
    fn died_before_start(plan: &Plan) -> Outcome {
        // Every command is told its instance; whoever exec'ed us may have had children of its own.
        let outer = std::env::var(INSTANCE_VARIABLE).ok();
        let command = process::descendants(std::process::id())
            .into_iter()
            .find(|one| process::environment(one.pid, INSTANCE_VARIABLE).is_some_and(|id| Some(id) != outer));
        match command {
            None => {
                tell(&format!(
                    "the keeper ended before it could start `{}`; running it without wrap",
                    plan.command[0].display()
                ));
                launch::bare(plan)
            }
            Some(command) => {
                tell(&format!("the keeper ended as it started `{}`", plan.command[0].display()));
                let _ = end::end(&Ending {
                    roots: &[(command.pid, command.token)],
                    also: &|_| false,
                    spare_sessions: true,
                    grace: Duration::from_secs(5),
                });
                Self::status_of(command.pid).map_or(Outcome::Exit(1), outcome)
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

fn ended(status: WaitStatus) -> Option<Ended> {
    status.exit_status().map(Ended::Code).or_else(|| status.terminating_signal().map(Ended::Signal))
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Code(code) => Outcome::Exit(code as u8),
        Ended::Signal(number) => Outcome::Die(number),
    }
}
