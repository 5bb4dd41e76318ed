//! The end of a run: the command reaped, what it left behind stopped, the last output read, the entry removed.

use super::clients::STUCK;
use super::life::{Escalation, Phase, SETTLE};
use super::link::{Link, Role};
use super::mailbox::{LastWord, Message};
use super::output::make_room;
use super::restart::Then;
use super::{Job, Keeper, leftovers};
use crate::config::Leftovers as Rule;
use crate::hooks::Event;
use crate::log;
use crate::log::lines::{overwritten, plain};
use crate::registry::entry::State;
use crate::registry::history::{End, History};
use crate::sys::{process, signal};
use crate::wire::{Ended, Kind, Place};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long output may still come after the command's end while a process that is kept holds its terminal or pipe:
/// everything written before is in the kernel's buffers already, and only has to be read.
const LAST_OUTPUT: Duration = Duration::from_millis(50);

/// How much is read of it at the most: more than a PTY with its work queue can hold, or a pipe that nobody has enlarged
/// (64 KiB). What comes after was written after the command's end, by a process that is kept.
const LAST_BYTES: usize = 256 * 1024;

/// How long clients have together to give their terminals back, which takes them some microseconds.
const SEEN_OFF: Duration = Duration::from_secs(1);

/// How long those who look on have together to take the last that they are sent.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Lines of a command that died at once: as much as its error message has, and fits on a screen.
const LAST_LINES: usize = 20;

/// Bytes of each of them: a few lines of a terminal.
const LAST_LINE: usize = 2000;

impl Keeper {
    /// Waits for every child that has changed. What is not the command was orphaned below us; what a hook has started
    /// is waited for by the hook's thread.
    pub(super) fn reap(&mut self) {
        while let Some((pid, status)) = process::reap() {
            let is_command = self.child.is_some_and(|child| child.pid == pid);
            if !is_command || !self.command_lives() {
                continue;
            }
            if let Some(stop) = status.stopping_signal() {
                self.command_stopped(stop);
            } else if status.continued() {
                self.command_continued();
            } else if let Some(code) = status.exit_status() {
                self.command_ended(Ended::Code(code));
            } else if let Some(number) = status.terminating_signal() {
                self.command_ended(Ended::Signal(number));
            }
        }
    }

    /// Somebody asks for the end of the run.
    pub(super) fn terminate(&mut self) {
        self.then.give_up("it was stopped meanwhile");
        match self.phase {
            Phase::Preparing => self.phase = Phase::Over(Ended::Signal(libc::SIGTERM)),
            Phase::Running => self.end_command(Escalation::terminate(Duration::ZERO, self.config.grace)),
            Phase::Adopted(ended) => {
                // Kept until now; now it is asked for by name.
                let steps = Escalation::terminate(Duration::ZERO, self.config.grace);
                self.phase = Phase::Leftovers(ended, Rule::StopAll, steps);
            }
            // The hooks are waited for no longer.
            Phase::Leaving(ended) => self.phase = Phase::Over(ended),
            // Under way already.
            Phase::Ending(_) | Phase::Leftovers(..) | Phase::Draining(..) | Phase::Over(_) => {}
        }
    }

    /// Begins to end the command; the steps follow in [`Self::advance`].
    pub(super) fn end_command(&mut self, steps: Escalation) {
        self.was_interrupted = true;
        self.phase = Phase::Ending(steps);
        let state = self.ending_state();
        self.set_state(state);
        self.advance();
    }

    fn command_ended(&mut self, ended: Ended) {
        self.job = Job::Running;
        // Its last words come before ours about what it left.
        self.relay_rest();
        let wait = if self.was_interrupted { SETTLE } else { Duration::ZERO };
        self.phase = Phase::Leftovers(ended, self.config.leftovers, Escalation::terminate(wait, self.config.grace));
        self.advance();
    }

    /// Takes every step of the phase that is due.
    pub(super) fn advance(&mut self) {
        match &mut self.phase {
            Phase::Ending(steps) => {
                if let Some(number) = steps.due() {
                    self.signal_run(number);
                } else if steps.is_over() {
                    self.cannot_end();
                }
            }
            Phase::Leftovers(..) => self.advance_leftovers(),
            Phase::Draining(ended, until, force_at) => {
                let (ended, until, force_at) = (*ended, *until, *force_at);
                if self.relay.is_at_end() || self.left_to_drain == 0 {
                    self.over(ended);
                } else if until <= Instant::now() {
                    let is_forced = force_at <= Instant::now();
                    let more = self.relay_rest_of(is_forced) > 0;
                    // A slow terminal is waited for; so is what has come in this moment. One that takes nothing gets the rest
                    // all the same, which waits in us until the end: nobody else has to wait for it.
                    let go_on = more || (!is_forced && self.is_blocked() && !self.relay.is_at_end());
                    if go_on {
                        self.phase = Phase::Draining(ended, Instant::now() + LAST_OUTPUT, force_at);
                    } else {
                        self.over(ended);
                    }
                }
            }
            Phase::Adopted(ended) => {
                let ended = *ended;
                if self.left(Rule::StopAll).stop.is_empty() {
                    self.phase = Phase::Over(ended);
                }
            }
            Phase::Preparing | Phase::Running | Phase::Leaving(_) | Phase::Over(_) => {}
        }
    }

    /// Nothing is left of the command: another run of it, or the end.
    fn over(&mut self, ended: Ended) {
        match std::mem::replace(&mut self.then, Then::End) {
            Then::End => self.phase = Phase::Over(ended),
            Then::Restart(asked) => self.respawn(asked),
        }
    }

    /// Sends a step of an ending to the command: to its group in a session of ours, one by one in the caller's.
    fn signal_run(&mut self, number: i32) {
        let Some(child) = self.child else { return };
        let before = self.left(Rule::Stop).stop;
        if number == libc::SIGKILL {
            self.terminated.killed.extend(leftovers::names(&before));
        }
        child.signal_group(number);
        child.signal_group(libc::SIGCONT);
        if number == libc::SIGKILL || !child.leads_group {
            let others: Vec<_> = before.into_iter().filter(|process| process.pid != child.pid).collect();
            leftovers::signal_each(&others, number);
        }
    }

    /// Another user's (`wrap sudo …`), or one that the kernel holds: it is left, and loses its terminal with us.
    fn cannot_end(&mut self) {
        let left = self.left(Rule::StopAll).stop;
        let names = leftovers::names(&left);
        self.notice(&format!("{} cannot be ended by us and is left; look at it with `ps`", names.join(", ")));
        self.terminated.left.extend(names);
        self.then.give_up("it cannot be ended");
        self.phase = Phase::Over(Ended::Code(1));
    }

    fn advance_leftovers(&mut self) {
        let Phase::Leftovers(ended, rule, _) = self.phase else { return };
        let left = self.left(rule);
        if left.stop.is_empty() {
            self.nothing_to_stop(ended, &left.keep);
            return;
        }
        let state = self.ending_state();
        if self.record.entry().state != state {
            // Only where there is something to see: mostly the entry goes in the same moment.
            let result = self.record.change(|entry| entry.state = state);
            self.registry_result(result);
        }
        let Phase::Leftovers(_, _, steps) = &mut self.phase else { return };
        if steps.is_over() {
            let names = leftovers::names(&left.stop);
            self.terminated.left.extend(names.iter().cloned());
            self.notice(&format!("{} cannot be killed and is left; look at it with `ps`", names.join(", ")));
            self.drain(ended);
            return;
        }
        let Some(number) = steps.due() else { return };
        let names = leftovers::names(&left.stop);
        if number == libc::SIGKILL {
            self.terminated.killed.extend(names.iter().cloned());
            self.notice(&format!("killed {}, which did not end when asked", names.join(", ")));
        } else {
            self.notice(&format!("stopping what `{}` left running: {}", self.command[0].display(), names.join(", ")));
        }
        leftovers::signal_each(&left.stop, number);
    }

    fn nothing_to_stop(&mut self, ended: Ended, kept: &[crate::sys::process::Process]) {
        if kept.is_empty() {
            self.drain(ended);
            return;
        }
        let names = leftovers::names(kept);
        if self.config.leftovers == Rule::Keep && matches!(self.then, Then::End) {
            self.notice(&format!("`{}` left {} running; wrap keeps it", self.command[0].display(), names.join(", ")));
            self.adopt(ended, &kept[0]);
            return;
        }
        self.notice(&format!("{} runs on in a session of its own", names.join(", ")));
        self.terminated.left.extend(names);
        self.drain(ended);
    }

    /// `leftovers = "keep"`: the shell gets its prompt, and the entry goes on with what is left.
    fn adopt(&mut self, ended: Ended, first: &crate::sys::process::Process) {
        self.relay_rest();
        let (pid, token) = (first.pid, first.token);
        let result = self.record.change(|entry| {
            entry.child_pid = Some(pid);
            entry.child_token = Some(token);
            entry.state = State::Running;
        });
        self.registry_result(result);
        // We live on, and wait for nobody.
        drop(self.tell_end(ended));
        self.phase = Phase::Adopted(ended);
    }

    fn drain(&mut self, ended: Ended) {
        self.relay.release_terminal();
        // All that the command has written is in its pipes by now, which it may have enlarged (F_SETPIPE_SZ, fcntl(2)).
        self.left_to_drain = LAST_BYTES.max(self.relay.unread());
        let now = Instant::now();
        self.phase = Phase::Draining(ended, now + LAST_OUTPUT, now + STUCK);
        self.relay_rest();
        self.advance();
    }

    /// Reads what is there without waiting, as far as the client takes it.
    pub(super) fn relay_rest(&mut self) -> usize {
        self.relay_rest_of(false)
    }

    /// The same; `is_forced` where the client is not asked whether it takes it.
    fn relay_rest_of(&mut self, is_forced: bool) -> usize {
        for link in self.clients.iter_mut() {
            link.give_up_question();
        }
        let mut total = 0;
        while total < LAST_BYTES {
            let (count, _) = self.read_output(is_forced);
            if count == 0 {
                break;
            }
            total += count;
        }
        if matches!(self.phase, Phase::Draining(..)) {
            self.left_to_drain = self.left_to_drain.saturating_sub(total);
        }
        total
    }

    fn left(&self, rule: Rule) -> leftovers::Left {
        let entry = self.record.entry();
        leftovers::find(rule, &entry.instance_id, process::session(), &entry.ports)
    }

    /// The run is ready: it is written down, who waits for it is told, and the ready hooks run.
    pub(super) fn became_ready(&mut self) {
        let result = self.record.is_ready();
        self.registry_result(result);
        let place = {
            let entry = self.record.entry();
            Place { port: entry.port, url: entry.url.clone() }
        };
        for link in self.clients.iter_mut().filter(|link| link.role == Role::Launcher) {
            link.send_json(Kind::IsReady, &place);
        }
        if let Some(hooks) = &self.hooks {
            hooks.fire(Event::Ready, self.instance(), |_| {});
        }
        self.watch_health();
    }

    /// Nothing is left to be waited for: the entry goes into the history, and the exit hooks begin. `true` where there are
    /// any.
    pub(super) fn leave(&mut self) -> bool {
        let Phase::Over(ended) = self.phase else { return false };
        self.then.give_up("the run is over");
        self.watching = None;
        self.output.finish();
        self.remember(ended);
        let result = self.record.remove();
        self.registry_result(result);
        if self.child.is_none() {
            return false;
        }
        let instance = self.instance_at_exit(ended);
        let left = LastWord::new(self.mailbox.post(), Message::Left);
        let Some(hooks) = &self.hooks else { return false };
        hooks.fire(Event::Exit, instance, move |_| drop(left));
        self.phase = Phase::Leaving(ended);
        true
    }

    /// The exit hooks are through, or nobody waits for them any more: whoever asked for the end is answered, and the client
    /// learns how it ended.
    pub(super) fn finish(&mut self) {
        let Phase::Over(ended) = self.phase else { return };
        for reply in self.to_answer.drain(..) {
            // A caller that hung up needs no answer.
            let _ = reply.send(self.terminated.clone());
        }
        if let Some(mut endpoint) = self.endpoint.take() {
            endpoint.close();
        }
        for message in self.mailbox.take() {
            match message {
                Message::Notice(text) => self.notice(&text),
                Message::Notify(notification) => self.clients.notify(&notification),
                _ => {}
            }
        }
        let clients = self.tell_end(ended);
        self.see_off(clients);
        if self.child.is_some()
            && let Some(history) = History::ours()
        {
            // Nobody waits for us any more.
            history.prune();
            if let Some(path) = log::path_of(&self.record.entry().instance_id) {
                make_room(&path);
            }
        }
    }

    /// Writes the run into the history, before its entry goes. Like the registry it costs one line where it fails.
    fn remember(&mut self, ended: Ended) {
        let Some(history) = History::ours().filter(|_| self.child.is_some()) else { return };
        let result = history.write(&self.record.entry(), End::now(ended, self.started.elapsed()));
        if let Err(error) = result
            && !self.registry_failed
        {
            self.notice(&format!("{error}; `wrap list --all` will not show this run"));
        }
    }

    /// The last that the clients hear of us.
    fn tell_end(&mut self, ended: Ended) -> Vec<Link> {
        let mut clients = self.clients.take();
        let behind: Vec<u64> = clients.iter().filter(|link| link.is_behind()).map(|link| link.id).collect();
        let deadline = Instant::now() + LAST_WORDS;
        for link in &mut clients {
            link.leave_terminal();
            if behind.contains(&link.id) {
                let rows = link.size.unwrap_or_default().rows;
                link.show_anew(&self.output.replay(&self.screen, rows));
                link.send(Kind::Undo, &self.screen.undo());
            }
            match link.role {
                Role::Leaving => {}
                Role::Coming => link.send(Kind::Detached, &[0]),
                Role::Launcher => {
                    let lines = self.output.last(LAST_LINES);
                    for line in lines {
                        link.send(Kind::LastWords, &line[..line.len().min(LAST_LINE)]);
                    }
                    link.send_json(Kind::Ended, &ended);
                }
                Role::First | Role::Visitor { .. } => link.send_json(Kind::Ended, &ended),
            }
        }
        // The shell waits for the first one alone, and whatever it still has to take is the command's output: nobody else
        // waits for that.
        for link in clients.iter_mut().filter(|link| link.role != Role::First) {
            link.finish(Some(deadline));
        }
        for link in clients.iter_mut().filter(|link| link.role == Role::First) {
            link.finish(None);
        }
        clients
    }

    /// The clients give their terminals back, which takes a moment; that of one that is killed in it is mended. Nobody waits
    /// for one that is stopped.
    fn see_off(&self, mut clients: Vec<Link>) {
        let undo = self.screen.undo();
        let deadline = Instant::now() + SEEN_OFF;
        for link in clients.iter_mut().filter(|link| link.role != Role::Leaving) {
            link.see_back(&undo, deadline);
        }
    }

    /// The instance with how it ended.
    fn instance_at_exit(&self, ended: Ended) -> serde_json::Value {
        let mut instance = self.instance();
        let duration = self.started.elapsed().as_millis() as u64;
        if let Some(fields) = instance.as_object_mut() {
            let (code, number) = match ended {
                Ended::Code(code) => (json!(code), json!(null)),
                Ended::Signal(number) => (json!(null), json!(signal::name(number))),
            };
            fields.insert("exitCode".to_owned(), code);
            fields.insert("signal".to_owned(), number);
            fields.insert("duration".to_owned(), json!(duration));
            let lines = self.output.last(LAST_LINES);
            let shown = |line: &Vec<u8>| plain(&overwritten(&line[..line.len().min(LAST_LINE)]));
            fields.insert("lastLines".to_owned(), lines.iter().map(shown).collect());
        }
        instance
    }
}
