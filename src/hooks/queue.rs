//! What waits for the hooks: events one behind the other, and lines, of which only so many wait and which give way.

use super::{Event, Outcome};
use regex_lite::Regex;
use serde_json::Value as Json;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Lines that wait at the most: a second of the most that are told. What comes beyond is counted and not told.
const LINES: usize = 1000;

/// How long the lines of before may take once the run has ended: what it said last is often why.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What a handler looks for.
pub(super) struct Pattern {
    /// The hook's number.
    pub hook: usize,
    /// The handler's place in it.
    pub handler: usize,
    /// What must be in the line.
    pub regex: Regex,
}

/// What a line handler gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The line as a terminal would show it, without colours.
    pub text: String,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// Lines before it that were not looked at, or matched and were not told.
    pub missed: u64,
}

/// An event to be handled.
pub(super) struct Job {
    pub event: Event,
    pub instance: Json,
    pub done: Box<dyn FnOnce(Outcome) + Send>,
}

/// A line for one handler.
pub(super) struct LineJob {
    pub hook: usize,
    pub handler: usize,
    pub instance: Arc<Json>,
    pub line: Line,
}

/// What comes next.
pub(super) enum Next {
    Job(Job),
    Line(LineJob),
}

/// The queue, and what is known of the hooks once they are loaded.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
    patterns: OnceLock<Vec<Pattern>>,
    handled: OnceLock<BTreeSet<Event>>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Job, Instant)>,
    lines: VecDeque<LineJob>,
    /// Nothing more will come.
    is_over: bool,
    /// Nobody takes anything any more.
    is_deaf: bool,
}

impl Queue {
    /// Adds an event. Where nobody would take it, it is given back.
    pub fn job(&self, job: Job) -> Result<(), Job> {
        let mut waiting = self.lock();
        if waiting.is_deaf {
            return Err(job);
        }
        waiting.jobs.push_back((job, Instant::now()));
        self.news.notify_one();
        Ok(())
    }

    /// Adds a line, which is made only where there is room for it.
    pub fn line(&self, line: impl FnOnce() -> LineJob) -> bool {
        let mut waiting = self.lock();
        let has_room = !waiting.is_deaf && waiting.lines.len() < LINES;
        if has_room {
            waiting.lines.push_back(line());
            self.news.notify_one();
        }
        has_room
    }

    /// Waits for what comes next; `None` once nothing will.
    pub fn next(&self) -> Option<Next> {
        let mut waiting = self.lock();
        loop {
            let is_exit = |(job, since): &(Job, Instant)| job.event == Event::Exit && since.elapsed() < LAST_LINES;
            // Events go first; the last one only behind the lines that led to it.
            let lines_first = waiting.jobs.front().is_none_or(is_exit);
            if lines_first && let Some(line) = waiting.lines.pop_front() {
                return Some(Next::Line(line));
            }
            if let Some((job, _)) = waiting.jobs.pop_front() {
                if job.event == Event::Exit {
                    waiting.lines.clear();
                }
                return Some(Next::Job(job));
            }
            if waiting.is_over {
                return None;
            }
            waiting = self.news.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.news.notify_one();
    }

    /// Nobody takes anything any more: what waits is dropped.
    pub fn close(&self) {
        // Whoever waits for them to be loaded waits no longer.
        self.loaded(BTreeSet::new(), Vec::new());
        let mut waiting = self.lock();
        waiting.is_deaf = true;
        let dropped = (std::mem::take(&mut waiting.jobs), std::mem::take(&mut waiting.lines));
        drop(waiting);
        drop(dropped);
    }

    /// The hooks are loaded: they handle these events, and look for these patterns.
    pub fn loaded(&self, handled: BTreeSet<Event>, patterns: Vec<Pattern>) {
        let _ = self.patterns.set(patterns);
        let _ = self.handled.set(handled);
    }

    /// Waits until they are.
    pub fn wait_loaded(&self) {
        self.handled.wait();
    }

    /// What is looked for in lines; `None` until that is known.
    pub fn patterns(&self) -> Option<&[Pattern]> {
        self.patterns.get().map(Vec::as_slice)
    }

    /// Whether a hook handles the event, as far as that is known by now.
    pub fn handles(&self, event: Event) -> bool {
        self.handled.get().is_some_and(|handled| handled.contains(&event))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
