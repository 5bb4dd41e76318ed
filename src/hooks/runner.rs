//! Asks the hooks, one after the other, and waits for none longer than its limit.

use super::files::Script;
use super::functions::Handler;
use super::worker::{self, Effect, Report, Task};
use super::{Changes, Event, Hooks, Limits, Notice, Outcome};
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a hook gets beyond its limit before it is given up: the longest that Luau's C functions were seen to
/// take between two interrupts, on a machine that has other things to do too.
const GRACE: Duration = Duration::from_millis(500);

/// Failures in a row after which a hook is not asked again in this run: once may be the moment's fault, and
/// with an endless loop each costs its whole limit.
const STRIKES: u32 = 3;

/// Runs hooks on threads of their own. Make it only where [`Hooks::is_empty`] is false. Dropping it does not
/// wait: what was fired goes on for as long as the process lives.
pub struct Runner {
    jobs: Sender<Job>,
}

struct Job {
    event: Event,
    instance: Json,
    done: Box<dyn FnOnce(Outcome) + Send>,
}

impl Runner {
    /// Starts the thread and returns; the files are loaded there.
    pub fn new(hooks: Hooks, notice: Notice) -> Self {
        Self::with_limits(hooks, notice, Limits::default())
    }

    pub(super) fn with_limits(hooks: Hooks, notice: Notice, limits: Limits) -> Self {
        let (jobs, todo) = channel::<Job>();
        let told = notice.clone();
        let started = thread::Builder::new().name("hooks".into()).spawn(move || {
            let scripts = hooks.read(|text| notice(text));
            let mut hooks: Vec<Hook> =
                scripts.into_iter().filter_map(|script| Hook::load(script, limits, &notice)).collect();
            for job in todo {
                (job.done)(fire(&mut hooks, job.event, job.instance));
            }
        });
        if let Err(error) = started {
            told(format!("hooks are not run: cannot start a thread: {}", crate::error::reason(&error)));
        }
        Self { jobs }
    }

    /// Asks every hook that handles the event, and returns at once. `done` is called from the hooks' thread and
    /// must not block: the next event waits for it.
    pub fn fire(&self, event: Event, instance: Json, done: impl FnOnce(Outcome) + Send + 'static) {
        if let Err(unsent) = self.jobs.send(Job { event, instance, done: Box::new(done) }) {
            // There is no thread: the command runs as if there were no hooks.
            (unsent.0.done)(Outcome::default());
        }
    }

    /// The same, and waits: for each handler, and for each one that was fired before and has not ended, at most
    /// its limit and [`GRACE`].
    pub fn fire_and_wait(&self, event: Event, instance: Json) -> Outcome {
        let (tell, told) = channel();
        self.fire(event, instance, move |outcome| drop(tell.send(outcome)));
        told.recv().unwrap_or_default()
    }
}

fn fire(hooks: &mut Vec<Hook>, event: Event, instance: Json) -> Outcome {
    let instance = Arc::new(instance);
    let (mut env, mut outcome) = (Changes::new(), Outcome::default());
    'hooks: for hook in hooks.iter_mut() {
        for handler in 0..hook.handlers.len() {
            if hook.handlers[handler].event != event || hook.strikes == STRIKES {
                continue;
            }
            let Some(effect) = hook.call(Task { handler, instance: instance.clone(), env: env.clone() }) else {
                continue;
            };
            env = if event == Event::Start { effect.env } else { env };
            outcome.verdict = effect.verdict.or(outcome.verdict);
            outcome.refused = effect.refused;
            if outcome.refused.is_some() {
                break 'hooks;
            }
        }
    }
    hooks.retain(|hook| hook.strikes < STRIKES);
    outcome.env = env.into_iter().collect();
    outcome
}

/// One file, seen from here.
struct Hook {
    name: String,
    handlers: Vec<Handler>,
    strikes: u32,
    limits: Limits,
    tasks: Sender<Task>,
    reports: Receiver<Report>,
    notice: Notice,
}

impl Hook {
    /// Starts the file's thread and waits until it is loaded. `None`: it could not be, and the user was told.
    fn load(script: Script, limits: Limits, notice: &Notice) -> Option<Self> {
        let (name, notice) = (script.name.clone(), notice.clone());
        let (tasks, reports) = match worker::start(script, limits) {
            Ok(ends) => ends,
            Err(error) => {
                notice(format!("hook {name}: not run: cannot start a thread: {}", crate::error::reason(&error)));
                return None;
            }
        };
        let mut hook = Self { name, handlers: Vec::new(), strikes: 0, limits, tasks, reports, notice };
        let Some(Report::Loaded(loaded)) = hook.answer(limits.time) else { return None };
        match loaded {
            Ok(handlers) => hook.handlers = handlers,
            Err(why) => {
                hook.say(&why);
                return None;
            }
        }
        // One that handles nothing needs no thread.
        (!hook.handlers.is_empty()).then_some(hook)
    }

    /// Calls one handler. `None`: it failed, and the user was told.
    fn call(&mut self, task: Task) -> Option<Effect> {
        let limit = self.handlers[task.handler].limit.unwrap_or(self.limits.time);
        // Where the thread is gone, the wait for its answer says so.
        let _ = self.tasks.send(task);
        match self.answer(limit)? {
            Report::Called(Ok(effect)) => {
                self.strikes = 0;
                Some(effect)
            }
            Report::Called(Err(why)) => {
                self.say(&why);
                self.strikes += 1;
                if self.strikes == STRIKES {
                    self.say(&format!("failed {STRIKES} times in a row: switched off for this run"));
                }
                None
            }
            Report::Line(_) | Report::Loaded(_) => None,
        }
    }

    /// Passes on what the hook prints until it has answered. `None`: it did not, and is given up.
    fn answer(&mut self, limit: Duration) -> Option<Report> {
        let deadline = Instant::now() + limit + GRACE;
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Report::Line(line)) => self.say(&line),
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) => {
                    self.say("does not answer and could not be stopped: switched off for this run");
                    self.strikes = STRIKES;
                    return None;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.say("broke down inside: switched off for this run");
                    self.strikes = STRIKES;
                    return None;
                }
            }
        }
    }

    fn say(&self, text: &str) {
        (self.notice)(format!("hook {}: {text}", self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A hook whose thread is this test.
    fn hook(said: &Arc<Mutex<Vec<String>>>) -> (Hook, Receiver<Task>, Sender<Report>) {
        let ((tasks, todo), (say, reports)) = (channel(), channel());
        let said = said.clone();
        let notice: Notice = Arc::new(move |line| said.lock().expect("no panic").push(line));
        let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
        let handlers = vec![Handler { event: Event::Start, limit: None }; 2];
        (Hook { name: "h".into(), handlers, strikes: 0, limits, tasks, reports, notice }, todo, say)
    }

    #[test]
    fn a_thread_that_never_answers_is_given_up_and_not_asked_again() {
        let said = Arc::default();
        let (mute, todo, _say) = hook(&said);
        let mut hooks = vec![mute];
        let before = Instant::now();
        assert_eq!(fire(&mut hooks, Event::Start, Json::Null), Outcome::default());
        assert!(before.elapsed() < Duration::from_secs(1));
        assert_eq!(todo.try_iter().count(), 1, "its second handler is not called");
        assert!(hooks.is_empty());
        let said = said.lock().expect("no panic");
        assert_eq!(*said, ["hook h: does not answer and could not be stopped: switched off for this run"]);
    }

    #[test]
    fn a_thread_that_broke_down_is_given_up() {
        let said = Arc::default();
        let (broken, todo, say) = hook(&said);
        drop((todo, say));
        assert_eq!(fire(&mut vec![broken], Event::Start, Json::Null), Outcome::default());
        assert_eq!(*said.lock().expect("no panic"), ["hook h: broke down inside: switched off for this run"]);
    }
}
