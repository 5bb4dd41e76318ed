//! The keeper died: we are the next parent of everything it had started (a subreaper), and finish it.

use super::tell::tell;
use super::{Client, Outcome, launch};
use crate::end::{self, Ending};
use crate::registry::Registry;
use crate::sweep::INSTANCE_VARIABLE;
use crate::sys::process;
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::time::Duration;

impl Client {
    /// The socket ended and nothing had said that the run is over.
    pub(super) fn keeper_died(&mut self) -> Outcome {
        // Held by nobody now, the command's terminal hangs up.
        self.pty = None;
        self.undo_modes();
        self.give_terminal_back();
        let Some(started) = self.started.take() else { return self.died_before_start() };
        if self.plan.detach {
            return Outcome::Exit(0);
        }
        self.say(&format!(
            "the keeper ({}) was killed; ending what it ran: `{}`",
            self.keeper,
            self.plan.command[0].display()
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
        if let Err(error) = Registry::forget(&started.instance_id, self.keeper) {
            self.say(&format!("{error}; `wrap clean` removes the entry"));
        }
        // What the kernel left of the command for us to wait for, if it was ours by then.
        Self::status_of(started.pid).unwrap_or(Outcome::Exit(1))
    }

    /// Whether the command was started is told by what it left: then it must not run a second time.
    fn died_before_start(&mut self) -> Outcome {
        // Every command is told its instance; whoever exec'ed us may have had children of its own.
        let outer = std::env::var(INSTANCE_VARIABLE).ok();
        let command = process::descendants(std::process::id())
            .into_iter()
            .find(|one| process::environment(one.pid, INSTANCE_VARIABLE).is_some_and(|id| Some(id) != outer));
        match command {
            None => {
                tell(&format!(
                    "the keeper ended before it could start `{}`; running it without wrap",
                    self.plan.command[0].display()
                ));
                launch::bare(&self.plan)
            }
            Some(command) => {
                tell(&format!("the keeper ended as it started `{}`", self.plan.command[0].display()));
                let _ = end::end(&Ending {
                    roots: &[(command.pid, command.token)],
                    also: &|_| false,
                    spare_sessions: true,
                    grace: Duration::from_secs(5),
                });
                Self::status_of(command.pid).unwrap_or(Outcome::Exit(1))
            }
        }
    }

    fn status_of(command: u32) -> Option<Outcome> {
        let mut found = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() as u32 == command {
                found = outcome(status);
            }
        }
        found
    }
}

fn outcome(status: WaitStatus) -> Option<Outcome> {
    if let Some(code) = status.exit_status() {
        return Some(Outcome::Exit(code as u8));
    }
    status.terminating_signal().map(Outcome::Die)
}
