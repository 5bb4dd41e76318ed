//! Leaving a run to itself: at once (`-d`), when it is ready (`--wait`), or by the detach keys.

use super::{Client, Detach, Errand, Outcome, tell};
use crate::files;
use crate::log::lines::{overwritten, plain, safe};
use crate::registry::entry::{Mode, SHORT_ID};
use crate::render::announcement::Announcement;
use crate::render::duration;
use crate::sys::signal;
use crate::wire::{Ended, Kind, Place, Started};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How long a command that is left behind is watched for an end: one that cannot find its file, or its port taken, has
/// said so within it, and nobody notices the wait.
const AT_ONCE: Duration = Duration::from_millis(250);

/// As many characters of a name are shown as the registry keeps of it.
const NAME_CHARS: usize = 100;

/// The exit code of a wait that came to its end without what it waited for.
const TIMED_OUT: u8 = 4;

impl Client {
    /// The command runs: one that leaves it waits for a moment, or until it is ready.
    pub(super) fn wait_for_start(&mut self) {
        if let (Errand::Leave(plan, detach), Some(started), None) = (&self.errand, &self.started, self.until) {
            plan.lock.take();
            let configured = Duration::from_millis(started.ready_timeout);
            let wait = detach.wait.map_or(AT_ONCE, |seconds| seconds.unwrap_or(configured));
            self.until = Instant::now().checked_add(wait);
        }
    }

    /// It is ready: whoever waited for that leaves.
    pub(super) fn is_ready(&mut self, place: Place) -> Option<Outcome> {
        let is_waited_for = matches!(&self.errand, Errand::Leave(_, detach) if detach.wait.is_some());
        self.place = Some(place);
        is_waited_for.then(|| self.leave(true))
    }

    /// The time is over: it runs, and that is enough; or it should have been ready.
    pub(super) fn waited_enough(&mut self) -> Outcome {
        match &self.errand {
            // There was nothing to wait for but a port, and not every command opens one.
            Errand::Leave(_, detach) if detach.wait.is_some() && self.expects() => {
                let left = self.leave(false);
                let started = self.started.as_ref();
                let short = started.map_or_else(String::new, |started| short_id(started).to_owned());
                self.say(&format!("it is not ready yet, and runs on; `wrap logs {short}` shows what it says"));
                if left == Outcome::Exit(0) { Outcome::Exit(TIMED_OUT) } else { left }
            }
            Errand::Leave(_, detach) if detach.wait.is_some() => {
                self.say("it has opened no port so far, and runs; where it is ready without one, `ready_pattern` says by what");
                self.leave(false)
            }
            _ => self.leave(self.place.is_some()),
        }
    }

    /// Whether it is known to become ready.
    fn expects(&self) -> bool {
        self.started.as_ref().is_some_and(|started| started.expects)
    }

    /// Says what it is called and where it answers, and leaves.
    fn leave(&mut self, ready: bool) -> Outcome {
        self.outbox.push(Kind::Detach, &[]);
        let _ = self.outbox.flush(&self.socket);
        let (Errand::Leave(_, detach), Some(started)) = (&self.errand, &self.started) else { return Outcome::Exit(0) };
        let told = Announcement {
            instance_id: &started.instance_id,
            project_name: &started.name,
            child_pid: Some(started.pid),
            port: self.place.as_ref().and_then(|place| place.port),
            url: self.place.as_ref().and_then(|place| place.url.as_deref()),
            ready,
        };
        // A reader that left does not want to know.
        let _ = io::stdout().write_all(told.text(detach.json).as_bytes());
        Outcome::Exit(0)
    }

    /// The command has ended: one that left it behind says how, and so does one that only visited it.
    pub(super) fn command_ended(&mut self, ended: Ended) {
        let how = match ended {
            Ended::Code(code) => format!("exited with {code}"),
            Ended::Signal(number) => format!("was ended by {}", signal::name(number)),
        };
        match &self.errand {
            Errand::Run(plan) if plan.verbose => {
                let ran = self.started_at.map_or(0, |at| at.elapsed().as_millis() as u64);
                let line = format!("{} {how} after {}", self.called(), duration(ran));
                match self.mode {
                    // Standard error may be relayed: there it takes its turn.
                    Mode::Pipe | Mode::Adopted => self.say(&line),
                    Mode::Terminal => self.farewell = Some(Farewell::BehindItsOutput(line)),
                }
            }
            Errand::Run(_) => {}
            Errand::Visit(visit) => {
                self.farewell = Some(Farewell::InMidLine(format!("`{}` {how}", visit.name)));
            }
            Errand::Leave(_, Detach { json: true, .. }) => {
                let (code, number) = match ended {
                    Ended::Code(code) => (Some(code), None),
                    Ended::Signal(number) => (None, Some(signal::name(number))),
                };
                let lines: Vec<String> = self.last_words.iter().map(|line| plain(line)).collect();
                let started = self.started.as_ref();
                let told = json!({
                    "instanceId": started.map(|started| &started.instance_id),
                    "projectName": started.map(|started| &started.name),
                    "ready": false,
                    "exitCode": code,
                    "signal": number,
                    "lastLines": lines,
                });
                let _ = writeln!(io::stdout(), "{told}");
            }
            Errand::Leave(plan, _) => {
                let before = if self.last_words.is_empty() { "" } else { "; it said:" };
                tell::tell(&format!("`{}` {how}{before}", plan.command[0].display()));
                // Standard error is where a failed command's words are looked for.
                let is_terminal = io::stderr().is_terminal();
                for line in &self.last_words {
                    let line = if is_terminal { safe(&overwritten(line)) } else { plain(&overwritten(line)) };
                    let _ = writeln!(io::stderr(), "  {line}");
                }
            }
        }
    }

    /// The run goes on without us, because the keys were pressed or somebody has asked for it.
    pub(super) fn detached(&mut self) {
        if matches!(self.errand, Errand::Leave(..)) {
            return;
        }
        if let Some(started) = &self.started {
            let short = short_id(started);
            let name = files::printable(&started.name, NAME_CHARS);
            let line = format!("detached from `{name}`, which runs on; `wrap attach {short}` comes back to it");
            self.farewell = Some(Farewell::InMidLine(line));
        }
    }

    /// The last line of ours, on a terminal that is the shell's again.
    pub(super) fn say_farewell(&mut self) {
        let Some(farewell) = self.farewell.take() else { return };
        if self.terminal.is_some() && matches!(farewell, Farewell::InMidLine(_)) {
            let _ = writeln!(io::stderr(), "\r");
        }
        self.give_terminal_back();
        let (Farewell::InMidLine(line) | Farewell::BehindItsOutput(line)) = farewell;
        tell::tell(&line);
    }

    /// The keeper waits for this, to mend the terminal of a client that is killed just before it could.
    pub(super) fn say_back(&mut self) {
        if self.terminal.is_some() {
            self.give_terminal_back();
            self.outbox.push(Kind::Back, &[]);
            // One that is gone waits for nothing.
            let _ = self.outbox.flush(&self.socket);
        }
    }

    /// With `--verbose`, what was started.
    pub(super) fn say_started(&mut self) {
        if matches!(&self.errand, Errand::Run(plan) if plan.verbose) {
            let line = format!("started {}", self.called());
            self.say(&line);
        }
    }

    /// Name and short id, as the verbs print them.
    fn called(&self) -> String {
        self.started.as_ref().map_or_else(
            || self.errand.name(),
            |started| format!("`{}` ({})", files::printable(&started.name, NAME_CHARS), short_id(started)),
        )
    }
}

/// A last line.
pub(super) enum Farewell {
    /// The command may have left the cursor anywhere in a line.
    InMidLine(String),
    /// It has ended: the line stands where the shell's prompt would, behind an unfinished one, too.
    BehindItsOutput(String),
}

fn short_id(started: &Started) -> &str {
    let id = &started.instance_id;
    id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or(id)
}
