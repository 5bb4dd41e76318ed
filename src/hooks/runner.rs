//! Asks the hooks, one after the other, and waits for none longer than its limit.

use super::handler::Handler;
use super::queue::{Job, LineJob, Next, Pattern, Queue};
use super::results::{self, Called};
use super::script::Script;
use super::worker::{self, Effect, Report, Task};
use super::{Changes, Event, Hooks, Host, Limits, LineWatch, Outcome, Wish};
use crate::sys::process;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
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
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// Told what came of the calls at an event.
type Keep = Box<dyn Fn(Event, &[Called]) + Send>;

impl Drop for Runner {
    fn drop(&mut self) {
        self.queue.end();
    }
}

/// Closes the queue when its thread ends, however it does.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Runner {
    /// Starts the thread and returns; the files are loaded there.
    pub fn new(hooks: Hooks, host: Host) -> Self {
        Self::start(hooks, host, Limits::default(), Box::new(results::keep))
    }

    /// With limits of its own, and nothing of it is remembered.
    #[cfg(test)]
    pub(super) fn with_limits(hooks: Hooks, host: Host, limits: Limits) -> Self {
        Self::start(hooks, host, limits, Box::new(|_, _| {}))
    }

    pub(super) fn start(hooks: Hooks, host: Host, limits: Limits, keep: Keep) -> Self {
        let queue = Arc::new(Queue::default());
        let (todo, told) = (Closing(queue.clone()), host.clone());
        let started = thread::Builder::new().name("hooks".into()).spawn(move || {
            // A thousand lines a second must not take the processor from the relay.
            process::wait_for_others();
            let scripts = hooks.read(|text| say(&host, text));
            let mut hooks: Vec<Hook> = Vec::new();
            for (number, script) in scripts.into_iter().enumerate() {
                hooks.extend(Hook::load(number, script, limits, &host));
            }
            let all = || hooks.iter().flat_map(|hook| hook.handlers.iter());
            todo.0.loaded(all().map(|handler| handler.event).collect(), patterns(&hooks));
            let mut lines: BTreeMap<String, Called> = BTreeMap::new();
            while let Some(next) = todo.0.next() {
                match next {
                    Next::Job(job) => {
                        if job.event == Event::Exit {
                            // Of a thousand calls a second, the last one of each hook is remembered, at the end.
                            let last: Vec<Called> = std::mem::take(&mut lines).into_values().collect();
                            keep(Event::Line, &last);
                        }
                        let (outcome, results) = fire(&mut hooks, job.event, job.instance);
                        if job.event == Event::Start {
                            // The command waits for it.
                            (job.done)(outcome);
                            keep(job.event, &results);
                        } else {
                            // After the last event, this process does not wait for us.
                            keep(job.event, &results);
                            (job.done)(outcome);
                        }
                    }
                    Next::Line(line) => {
                        if let Some(called) = deliver(&mut hooks, line) {
                            lines.insert(called.hook.clone(), called);
                        }
                    }
                }
            }
            keep(Event::Line, &lines.into_values().collect::<Vec<_>>());
        });
        if let Err(error) = &started {
            // The closure was dropped, and the queue closed with it.
            say(&told, format!("hooks are not run: cannot start a thread: {}", crate::error::reason(error)));
        }
        Self { queue, thread: started.ok() }
    }

    /// Waits until the files are loaded.
    pub(super) fn wait_loaded(&self) {
        self.queue.wait_loaded();
    }

    /// Waits until all that was fired is through.
    pub(super) fn finish(mut self) {
        self.queue.end();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }

    /// Asks every hook that handles the event, and returns at once. `done` is called from the hooks' thread and
    /// must not block: the next event waits for it.
    pub fn fire(&self, event: Event, instance: Json, done: impl FnOnce(Outcome) + Send + 'static) {
        if let Err(job) = self.queue.job(Job { event, instance, done: Box::new(done) }) {
            // There is no thread: the command runs as if there were no hooks.
            (job.done)(Outcome::default());
        }
    }

    /// The same, and waits: for each handler, and for each one that was fired before and has not ended, at most
    /// its limit and [`GRACE`].
    pub fn fire_and_wait(&self, event: Event, instance: Json) -> Outcome {
        let (tell, told) = channel();
        self.fire(event, instance, move |outcome| drop(tell.send(outcome)));
        told.recv().unwrap_or_default()
    }

    /// Whether a hook handles the event, as far as that is known: it is, once the first event was handled.
    pub fn handles(&self, event: Event) -> bool {
        self.queue.handles(event)
    }

    /// What looks through the output for line handlers. `instance` is asked for what they get with a line.
    pub fn line_watch(&self, instance: impl Fn() -> Json + Send + Sync + 'static) -> LineWatch {
        LineWatch::new(self.queue.clone(), Box::new(instance))
    }
}

/// A line for the user. Whoever cannot take it loses it.
fn say(host: &Host, line: String) {
    let _ = host(Wish::Say(line));
}

fn patterns(hooks: &[Hook]) -> Vec<Pattern> {
    let of_hook = |hook: &Hook| -> Vec<Pattern> {
        let handlers = hook.handlers.iter().enumerate();
        let patterns = handlers.filter_map(|(handler, about)| Some((handler, about.pattern.clone()?)));
        patterns.map(|(handler, regex)| Pattern { hook: hook.number, handler, regex }).collect()
    };
    hooks.iter().flat_map(of_hook).collect()
}

/// A line for one handler.
fn deliver(hooks: &mut Vec<Hook>, job: LineJob) -> Option<Called> {
    let hook = hooks.iter_mut().find(|hook| hook.number == job.hook)?;
    let (instance, env, line) = (job.instance, Changes::new(), Some(job.line));
    let begun = Instant::now();
    let called = hook.call(Task { handler: job.handler, instance, env, line });
    let failed = called.is_none().then(|| hook.why.clone());
    let called = Called { hook: hook.name.clone(), took: begun.elapsed(), failed };
    hooks.retain(|hook| hook.strikes < STRIKES);
    Some(called)
}

/// How long an answer is waited for that may take so long.
pub(super) fn patient(limit: Duration) -> Duration {
    limit + GRACE
}

/// Asks all, one after the other; what they made of it, and how it went with each.
fn fire(hooks: &mut Vec<Hook>, event: Event, instance: Json) -> (Outcome, Vec<Called>) {
    let mut instance = Arc::new(instance);
    let (mut env, mut outcome, mut results) = (Changes::new(), Outcome::default(), Vec::new());
    'hooks: for hook in hooks.iter_mut() {
        for handler in 0..hook.handlers.len() {
            if hook.handlers[handler].event != event || hook.strikes == STRIKES {
                continue;
            }
            let begun = Instant::now();
            let called = hook.call(Task { handler, instance: instance.clone(), env: env.clone(), line: None });
            let failed = called.is_none().then(|| hook.why.clone());
            results.push(Called { hook: hook.name.clone(), took: begun.elapsed(), failed });
            let Some(effect) = called else { continue };
            env = if event == Event::Start { effect.env } else { env };
            outcome.verdict = effect.verdict.or(outcome.verdict);
            outcome.refused = effect.refused;
            if outcome.refused.is_some() {
                outcome.refused_by = Some(hook.name.clone());
                break 'hooks;
            }
            // The next one sees what this one has made of it.
            if let Some(args) = effect.args {
                Arc::make_mut(&mut instance)["cmdArgs"] = json!(args);
                outcome.args = Some(args);
            }
            if let Some(name) = effect.name {
                Arc::make_mut(&mut instance)["projectName"] = json!(name);
                outcome.name = Some(name);
            }
        }
    }
    hooks.retain(|hook| hook.strikes < STRIKES);
    outcome.env = env.into_iter().collect();
    (outcome, results)
}

/// One file, seen from here.
struct Hook {
    /// Its place among those that were read.
    number: usize,
    name: String,
    handlers: Vec<Handler>,
    strikes: u32,
    limits: Limits,
    tasks: Sender<Task>,
    reports: Receiver<Report>,
    host: Host,
    /// Why its last failed call did.
    why: String,
}

impl Hook {
    /// Starts the file's thread and waits until it is loaded. `None`: it could not be, and the user was told.
    fn load(number: usize, script: Script, limits: Limits, host: &Host) -> Option<Self> {
        let (name, host) = (script.name.clone(), host.clone());
        let (tasks, reports) = match worker::start(script, limits, host.clone()) {
            Ok(ends) => ends,
            Err(error) => {
                say(&host, format!("hook {name}: not run: cannot start a thread: {}", crate::error::reason(&error)));
                return None;
            }
        };
        let why = String::new();
        let mut hook = Self { number, name, handlers: Vec::new(), strikes: 0, limits, tasks, reports, host, why };
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
                self.why = why;
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
        let deadline = Instant::now() + patient(limit);
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Report::Line(line)) => self.say(&line),
                Ok(answer) => return Some(answer),
                Err(error) => {
                    let why = match error {
                        RecvTimeoutError::Timeout => "does not answer and could not be stopped",
                        RecvTimeoutError::Disconnected => "broke down inside",
                    };
                    why.clone_into(&mut self.why);
                    self.say(&format!("{}: switched off for this run", self.why));
                    self.strikes = STRIKES;
                    return None;
                }
            }
        }
    }

    fn say(&self, text: &str) {
        say(&self.host, format!("hook {}: {text}", self.name));
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
        let host: Host = Arc::new(move |wish| {
            let Wish::Say(line) = wish else { return Ok(()) };
            said.lock().expect("no panic").push(line);
            Ok(())
        });
        let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
        let handlers = vec![Handler { event: Event::Start, limit: None, pattern: None }; 2];
        let (name, why) = ("h".into(), String::new());
        (Hook { number: 0, name, handlers, strikes: 0, limits, tasks, reports, host, why }, todo, say)
    }

    #[test]
    fn a_thread_that_never_answers_is_given_up_and_not_asked_again() {
        let said = Arc::default();
        let (mute, todo, _say) = hook(&said);
        let mut hooks = vec![mute];
        let before = Instant::now();
        assert_eq!(fire(&mut hooks, Event::Start, Json::Null).0, Outcome::default());
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
        assert_eq!(fire(&mut vec![broken], Event::Start, Json::Null).0, Outcome::default());
        assert_eq!(*said.lock().expect("no panic"), ["hook h: broke down inside: switched off for this run"]);
    }
}
