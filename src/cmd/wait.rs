//! `wrap wait`: until an instance is ready, healthy, has printed something or has ended.

use super::target::{self, Found};
use super::{TIMED_OUT, print};
use crate::cli::{Awaited, WaitArgs};
use crate::log::lines::{overwritten, plain};
use crate::log::{self, Follow, Line};
use crate::registry::entry::{Entry, Mode, State};
use crate::registry::health::{self, Status};
use crate::registry::history::{End, History, Past};
use crate::registry::{Registry, now_ms};
use crate::render::{duration, ended, visible};
use crate::sys::process::{self, Handle};
use crate::sys::watch::{INTERVAL, Watch};
use anyhow::{Context, bail};
use jiff::Timestamp;
use regex_lite::Regex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often health is asked for while nothing else changes: it has no event. A quarter of a second is soon enough for
/// a script, and four requests a second are nothing to a keeper and its app.
const HEALTH: Duration = Duration::from_millis(250);

/// How a wait ended.
enum Turn {
    /// It came true; with a line to print.
    Came(Option<String>),
    /// The instance has ended; how, where the history knows.
    Ended(Option<Box<Past>>),
    /// The time is over.
    Late,
}

/// What a wait for readiness has come to.
pub enum Outcome {
    /// It is ready; its entry as it is now.
    Ready(Box<Entry>),
    /// It has ended; how, where the history knows.
    Ended(Option<Box<Past>>),
    /// The time is over.
    Late,
}

/// Waits until an instance is ready.
pub fn until_ready(entry: &Entry, timeout: Duration) -> anyhow::Result<Outcome> {
    let mut subject = Subject::new(entry, Some(timeout))?;
    Ok(match wait(&mut subject, None, is_ready) {
        Turn::Came(_) => {
            let now = Registry::find(&entry.instance_id).map_or_else(|| entry.clone(), |(_, entry)| entry);
            Outcome::Ready(Box::new(now))
        }
        Turn::Ended(past) => Outcome::Ended(past),
        Turn::Late => Outcome::Late,
    })
}

/// Waits until an instance has ended; `false` where it has not in time.
pub fn until_ended(entry: &Entry, timeout: Duration) -> anyhow::Result<bool> {
    let mut subject = Subject::new(entry, Some(timeout))?;
    Ok(matches!(wait(&mut subject, None, |_| false), Turn::Ended(_)))
}

/// What has become of the instance.
enum Now {
    Registered(Box<Entry>),
    Ended(Option<Box<Past>>),
}

/// The instance that is waited for.
struct Subject {
    id: String,
    title: String,
    /// Its entry, changed or removed, and its log.
    watch: Watch,
    /// Keeper and command as they were last seen alive: their end is an event too.
    processes: Vec<Handle>,
    /// Something that should be watched cannot be.
    is_blind: bool,
    until: Option<Instant>,
}

/// Waits, and says how it went in the exit code. Ctrl-C has its default action, so that a script above us stops too.
pub fn run(args: &WaitArgs) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let found = match target::find(&args.target) {
        Ok(found) => found,
        Err(error) => return Ok(target::refused(&error)),
    };
    let entry = found.entry();
    let mut subject = Subject::new(entry, args.timeout)?;
    let turn = match &args.what {
        Awaited::Ready => wait(&mut subject, None, is_ready),
        Awaited::Healthy => wait(&mut subject, Some(HEALTH), is_healthy),
        Awaited::Exit => match wait(&mut subject, None, |_| false) {
            Turn::Ended(past) => Turn::Came(Some(past.map_or_else(|| "ended".to_owned(), |past| ended(&past.end)))),
            other => other,
        },
        Awaited::Log(pattern) => {
            if entry.mode == Mode::Adopted {
                bail!("{} was not started by wrap, which sees nothing of its output", subject.title);
            }
            wait_for_log(&mut subject, entry, pattern)?
        }
    };
    match turn {
        Turn::Came(line) => {
            if let Some(line) = line {
                print(&(line + "\n"))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Turn::Ended(past) => {
            let how = past.map_or_else(String::new, |past| format!(": {}", ended(&past.end)));
            complain!("wrap: {} ended before it {}{how}", subject.title, came(&args.what));
            Ok(ExitCode::FAILURE)
        }
        Turn::Late => {
            let time = duration(start.elapsed().as_millis() as u64);
            complain!("wrap: {} {} after {time}", subject.title, still_missing(&args.what));
            Ok(ExitCode::from(TIMED_OUT))
        }
    }
}

/// Until it is as `holds` wants it, or has ended.
fn wait(subject: &mut Subject, interval: Option<Duration>, holds: impl Fn(&Entry) -> bool) -> Turn {
    loop {
        match subject.look() {
            Now::Ended(past) => return Turn::Ended(past),
            Now::Registered(entry) if holds(&entry) => return Turn::Came(None),
            Now::Registered(_) => {}
        }
        if !subject.pause(interval) {
            return Turn::Late;
        }
    }
}

/// Until a line of its log matches, also one that this run has printed before.
fn wait_for_log(subject: &mut Subject, entry: &Entry, pattern: &Regex) -> anyhow::Result<Turn> {
    let since = begun(entry);
    let path = entry.log_path.as_ref().map(PathBuf::from).or_else(|| log::path_of(&subject.id));
    let path = path.context("there is no place for logs; set HOME or XDG_STATE_HOME")?;
    let mut follow = Follow::new(&path).context("cannot read the log")?;
    let matching = |lines: Vec<Line>| {
        let mut texts = lines.iter().filter(|line| line.time >= since).map(|line| plain(&overwritten(&line.text)));
        texts.find(|text| pattern.is_match(text))
    };
    loop {
        // First: what was printed before its end is in the log by then.
        let now = subject.look();
        loop {
            let lines = follow.read_new().context("cannot read the log")?;
            if lines.is_empty() {
                break;
            }
            if let Some(line) = matching(lines) {
                return Ok(Turn::Came(Some(line)));
            }
        }
        // A prompt has no end.
        if let Some(line) = matching(follow.reader().begun()) {
            return Ok(Turn::Came(Some(line)));
        }
        if let Now::Ended(past) = now {
            return Ok(Turn::Ended(past));
        }
        if subject.is_late() {
            return Ok(Turn::Late);
        }
        let others: Vec<_> = subject.events().into_iter().map(|fd| (fd, PollFlags::IN)).collect();
        follow.wait(&others, subject.limit(None)).context("cannot wait for the log")?;
    }
}

/// When the command that runs now was started: what an earlier run has printed does not count.
fn begun(entry: &Entry) -> Timestamp {
    let ms = entry.child_pid_start_time.and_then(|ms| i64::try_from(ms).ok());
    ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MIN)
}

/// Where nothing tells readiness, a run that is past its start counts as ready.
fn is_ready(entry: &Entry) -> bool {
    entry.ready.unwrap_or(entry.state == State::Running)
}

fn is_healthy(entry: &Entry) -> bool {
    let healths = health::check(std::slice::from_ref(entry));
    healths.first().is_some_and(|health| health.status == Status::Healthy)
}

/// Completing "ended before it …".
fn came(what: &Awaited) -> String {
    match what {
        Awaited::Ready => "was ready".to_owned(),
        Awaited::Healthy => "was healthy".to_owned(),
        Awaited::Exit => "ended".to_owned(),
        Awaited::Log(pattern) => format!("printed a line that matches `{}`", visible(pattern.as_str())),
    }
}

/// Completing "it … after 5 s".
fn still_missing(what: &Awaited) -> String {
    match what {
        Awaited::Ready => "is not ready".to_owned(),
        Awaited::Healthy => "is not healthy".to_owned(),
        Awaited::Exit => "still runs".to_owned(),
        Awaited::Log(pattern) => format!("has printed no line that matches `{}`", visible(pattern.as_str())),
    }
}

impl Subject {
    fn new(entry: &Entry, timeout: Option<Duration>) -> anyhow::Result<Self> {
        Ok(Self {
            id: entry.instance_id.clone(),
            title: format!("`{}` ({})", visible(&entry.project_name), entry.short_id()),
            watch: Watch::new().context("cannot watch the registry")?,
            processes: Vec::new(),
            is_blind: false,
            // A time too long for the clock is no limit.
            until: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        })
    }

    /// What has become of it; from here on every change is an event.
    fn look(&mut self) -> Now {
        self.watch.clear();
        self.processes.clear();
        // Watched before it is read, or a change in between would be missed.
        let dirs: Vec<PathBuf> = Registry::existing().0.iter().map(Registry::entries_dir).collect();
        self.is_blind = dirs.is_empty() || !dirs.iter().all(|dir| self.watch.add(dir));
        let Some((_, entry)) = Registry::find(&self.id) else { return Now::Ended(self.past()) };
        let command = entry.child_pid.zip(entry.child_token);
        let mut lives = false;
        for (pid, token) in command.into_iter().chain([(entry.pid, entry.pid_token)]) {
            self.processes.extend(Handle::open(pid, token).ok().flatten());
            lives |= process::is_alive(pid, token);
        }
        if lives { Now::Registered(Box::new(entry)) } else { self.judge(entry) }
    }

    /// Nobody of it is seen alive: whether that means anything, a sweep knows, and then writes it into the history.
    fn judge(&self, entry: Entry) -> Now {
        match target::find(&self.id) {
            Ok(Found::Live(_, health)) if health.status != Status::Orphaned => Now::Registered(Box::new(entry)),
            // Something that it had started lives on: the command itself has ended, unseen.
            Ok(Found::Live(..)) => {
                let end = End::lost(&entry, now_ms());
                Now::Ended(Some(Box::new(Past { end, entry })))
            }
            Err(_) => Now::Ended(self.past()),
            Ok(Found::Past(past)) => Now::Ended(Some(past)),
        }
    }

    fn past(&self) -> Option<Box<Past>> {
        History::ours()?.one(&self.id).map(Box::new)
    }

    /// Sleeps until something may have changed; `false` where the time is over.
    fn pause(&self, interval: Option<Duration>) -> bool {
        if self.is_late() {
            return false;
        }
        let limit = self.limit(interval).and_then(|limit| Timespec::try_from(limit).ok());
        let mut set: Vec<_> = self.events().into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // A signal that interrupts it only makes us look once more.
        let _ = poll(&mut set, limit.as_ref());
        true
    }

    /// Whether the time is over.
    fn is_late(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// How long to sleep at most.
    fn limit(&self, interval: Option<Duration>) -> Option<Duration> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let blind = self.is_blind.then_some(INTERVAL);
        [left, interval, blind].into_iter().flatten().min()
    }

    /// What tells of changes.
    fn events(&self) -> Vec<BorrowedFd<'_>> {
        [self.watch.as_fd()].into_iter().chain(self.processes.iter().map(AsFd::as_fd)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;

    #[test]
    fn readiness_is_what_is_told_else_that_it_runs() {
        let ready = |ready, state| is_ready(&Entry { state, ready, ..entry(7) });
        assert!(ready(Some(true), State::Starting) && ready(None, State::Running));
        assert!(!ready(Some(false), State::Running) && !ready(None, State::Starting));
    }
}
