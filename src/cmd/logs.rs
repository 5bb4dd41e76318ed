//! `wrap logs`: what an instance has printed.

use super::target::Found;
use super::{USAGE, print};
use crate::api::{self, Method};
use crate::cli::{LogsArgs, Output};
use crate::error::Error;
use crate::log::lines::{overwritten, plain};
use crate::log::{self, Follow, Line, Reader, when};
use crate::registry::entry::{Entry, Mode, SHORT_ID};
use crate::registry::health::Status;
use crate::registry::target::TargetError;
use crate::render::human::Screen;
use crate::render::log::Form;
use crate::render::{self, visible};
use crate::sys::process::Handle;
use crate::wire::Stream;
use anyhow::bail;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use regex_lite::Regex;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long a keeper may take to empty its log: it does nothing else for it.
const ANSWER: Duration = Duration::from_secs(5);

/// What is written at once: measured, larger pieces are no faster.
const BLOCK: usize = 64 * 1024;

/// Whose log it is.
struct Subject {
    id: String,
    /// The project's name, where it is known.
    name: Option<String>,
    /// Where its keeper says that it is: it may have another place for such things than we have.
    path: Option<PathBuf>,
    /// Nothing of its output passes wrap.
    is_unseen: bool,
    /// Wrap did not start it.
    is_adopted: bool,
    /// What is registered of it, and how it fares, while it lives.
    live: Option<(Entry, Status)>,
}

impl Subject {
    fn of(entry: &Entry, status: Option<Status>) -> Self {
        Self {
            id: entry.instance_id.clone(),
            name: Some(entry.project_name.clone()),
            path: entry.log_path.as_ref().map(PathBuf::from),
            is_unseen: entry.mode == Mode::Pipe && entry.log_path.is_none(),
            is_adopted: entry.mode == Mode::Adopted,
            live: status.map(|status| (entry.clone(), status)),
        }
    }

    fn short_id(&self) -> &str {
        self.id.get(self.id.len().saturating_sub(SHORT_ID)..).unwrap_or(&self.id)
    }

    /// As it is called in a sentence.
    fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("`{}` ({})", visible(name), self.short_id()),
            None => format!("`{}`", self.short_id()),
        }
    }

    /// Its keeper, until that ends. `None` where nothing more comes.
    fn keeper(&self) -> Option<Keeper> {
        let (entry, status) = self.live.as_ref()?;
        if *status == Status::Unknown {
            return Some(Keeper::Elsewhere);
        }
        match Handle::open(entry.pid, entry.pid_token) {
            Ok(handle) => handle.map(Keeper::Here),
            // It lives, or it would not be listed; that it ends cannot be seen.
            Err(_) => Some(Keeper::Elsewhere),
        }
    }
}

/// Who writes a log that is followed.
enum Keeper {
    Here(Handle),
    /// In another container or on another machine: its end cannot be seen.
    Elsewhere,
}

/// Why not all was shown.
enum Stop {
    /// Who reads it has seen enough (`wrap logs shop | head`).
    ReaderLeft,
    Failed(Error),
}

/// Shows the log of the target, or empties it.
pub fn run(args: &LogsArgs) -> anyhow::Result<ExitCode> {
    let mut view = match View::new(args, Screen::of_stdout()) {
        Ok(view) => view,
        Err(error) => {
            complain!("wrap: {error}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let subject = match find(&args.target) {
        Ok(subject) => subject,
        Err(error) => {
            complain!("wrap: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    if subject.is_adopted {
        bail!(
            "there is no log of {}: wrap did not start it, and its output goes where it went before",
            subject.title()
        );
    }
    if subject.is_unseen && log::path_of(&subject.id).is_some() {
        bail!(
            "nothing of {} is logged: its output goes straight to a file or a terminal of its caller's, past wrap; with \
             `--pty`, or into a pipe, it is seen",
            subject.title()
        );
    }
    if args.clear {
        clear(&subject)?;
        print(&format!("cleared the log of {}\n", subject.title()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = subject.path.clone().or_else(|| log::path_of(&subject.id)).ok_or_else(|| {
        Error::Message("there is no place for logs; set HOME or XDG_STATE_HOME to a directory of your own".to_owned())
    })?;
    match show(&path, &subject, args, &mut view) {
        Ok(()) | Err(Stop::ReaderLeft) => Ok(ExitCode::SUCCESS),
        Err(Stop::Failed(error)) => Err(error.into()),
    }
}

/// Finds the instance that is meant: one that lives, one that has ended, or one that is forgotten and has left its log,
/// by its id or short id.
fn find(target: &str) -> Result<Subject, TargetError> {
    let not_found = match super::target::find(target) {
        Ok(Found::Live(entry, health)) => return Ok(Subject::of(&entry, Some(health.status))),
        Ok(Found::Past(past)) => return Ok(Subject::of(&past.entry, None)),
        Err(error @ TargetError::Ambiguous { .. }) => return Err(error),
        Err(error @ TargetError::NotFound { .. }) => error,
    };
    let typed = target.to_ascii_lowercase();
    let fits = |id: &String| *id == typed || (typed.len() == SHORT_ID && id.ends_with(&typed));
    // The newest, should two have the same short id: ids of version 7 begin with the time.
    let id = log::store::ids().into_iter().filter(fits).max();
    id.map(|id| Subject { id, name: None, path: None, is_unseen: false, is_adopted: false, live: None })
        .ok_or(not_found)
}

/// Empties the log: through the keeper that writes it, else by removing it.
fn clear(subject: &Subject) -> anyhow::Result<()> {
    let Some((entry, _)) = subject.live.as_ref().filter(|_| subject.keeper().is_some()) else {
        return Ok(log::store::remove(&subject.id)?);
    };
    let path = format!("/api/instances/{}/logs/clear", entry.instance_id);
    let response = api::call(entry, Method::POST, &path, None, ANSWER)?;
    match response.status {
        200..=299 => Ok(()),
        404 | 405 => {
            bail!("the keeper of {} is of an older wrap, which cannot clear a log; start it again", subject.title())
        }
        status => bail!(
            "cannot clear the log of {}: its keeper answered {status}: {}",
            subject.title(),
            visible(&String::from_utf8_lossy(&response.body))
        ),
    }
}

/// Writes the lines that are wanted, and with `--follow` those that come, until the instance has ended.
fn show(path: &Path, subject: &Subject, args: &LogsArgs, view: &mut View) -> Result<(), Stop> {
    let unreadable = |error| Stop::Failed(Error::file("read", path, error));
    // Opened before the log is read: what its keeper writes last is there when it has ended.
    let keeper = if args.follow { subject.keeper() } else { None };
    let mut last = Last { count: args.lines, lines: VecDeque::new(), unreadable: &unreadable };
    let Some(keeper) = keeper else {
        let mut reader = Reader::open(path).map_err(unreadable)?;
        let any = last.read(&mut reader, view)?;
        if any | last.end(reader.unfinished(), view)? {
            return view.flush();
        }
        let yet = if subject.live.is_some() { " yet" } else { "" };
        complain!("wrap: nothing is logged of {}{yet}", subject.title());
        return Ok(());
    };
    let mut follow = Follow::new(path).map_err(unreadable)?;
    last.read(follow.reader(), view)?;
    last.end(Vec::new(), view)?;
    let mut ended = false;
    loop {
        let lines = follow.read_new().map_err(unreadable)?;
        for line in &lines {
            view.show(line)?;
        }
        if !lines.is_empty() {
            continue;
        }
        view.flush()?;
        if ended {
            for line in follow.unfinished() {
                view.show(&line)?;
            }
            return view.flush();
        }
        let stdout = io::stdout();
        // Nothing is asked of it: that its reader has left is told in any case.
        let mut others: Vec<(BorrowedFd<'_>, PollFlags)> = vec![(stdout.as_fd(), PollFlags::empty())];
        if let Keeper::Here(handle) = &keeper {
            others.push((handle.as_fd(), PollFlags::IN));
        }
        let come = follow.wait(&others, None).map_err(unreadable)?;
        if come[0] {
            return Ok(());
        }
        ended = come.get(1).copied().unwrap_or(false);
    }
}

/// The lines that were written before: all of them, or the last.
struct Last<'a> {
    count: Option<usize>,
    lines: VecDeque<Line>,
    unreadable: &'a dyn Fn(io::Error) -> Stop,
}

impl Last<'_> {
    /// Reads up to the end, and shows what cannot be among the last; `true` where there was any line.
    fn read(&mut self, reader: &mut Reader, view: &mut View) -> Result<bool, Stop> {
        // With a filter it is not known how far back they are.
        if let Some(count) = self.count.filter(|_| !view.filters()) {
            reader.skip_to_last(count).map_err(self.unreadable)?;
        }
        let mut any = self.count == Some(0) && reader.exists();
        while let Some(line) = reader.next_line().map_err(self.unreadable)? {
            any = true;
            self.add(line, view)?;
        }
        Ok(any)
    }

    fn add(&mut self, line: Line, view: &mut View) -> Result<(), Stop> {
        let Some(count) = self.count else { return view.show(&line) };
        if view.wants(&line) {
            self.lines.push_back(line);
            if self.lines.len() > count {
                self.lines.pop_front();
            }
        }
        Ok(())
    }

    /// Shows the last ones, with these behind them; `true` where there were any of these.
    fn end(&mut self, unfinished: Vec<Line>, view: &mut View) -> Result<bool, Stop> {
        let any = !unfinished.is_empty();
        for line in unfinished {
            self.add(line, view)?;
        }
        for line in self.lines.drain(..) {
            view.write(&line)?;
        }
        Ok(any)
    }
}

/// Which lines are shown, and how; and what is still to be written of them.
struct View {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    stream: Option<Stream>,
    grep: Option<Regex>,
    form: Form,
    zone: Option<TimeZone>,
    buffer: Vec<u8>,
}

impl View {
    /// What the arguments ask for; a sentence where they cannot be understood.
    fn new(args: &LogsArgs, screen: Screen) -> Result<Self, String> {
        let now = Zoned::now();
        let time = |text: &Option<String>| text.as_ref().map(|text| when::parse(text, &now)).transpose();
        let grep = args.grep.as_ref().map(|pattern| {
            Regex::new(pattern).map_err(|error| format!("`{}` is no regular expression: {error}", visible(pattern)))
        });
        let form = match args {
            LogsArgs { json: true, .. } => Form::Json,
            LogsArgs { raw: true, .. } => Form::Raw,
            LogsArgs { plain: true, .. } => Form::Plain,
            _ if screen.colour => Form::Coloured,
            _ => Form::Plain,
        };
        let stream = args.stream.map(|stream| match stream {
            Output::Out => Stream::Out,
            Output::Err => Stream::Err,
        });
        let zone = args.timestamps.then(TimeZone::system);
        let (since, until, grep) = (time(&args.since)?, time(&args.until)?, grep.transpose()?);
        Ok(Self { since, until, stream, grep, form, zone, buffer: Vec::new() })
    }

    /// Whether lines may be left out.
    fn filters(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.stream.is_some() || self.grep.is_some()
    }

    fn wants(&self, line: &Line) -> bool {
        self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time <= until)
            && self.stream.is_none_or(|stream| line.stream == stream)
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&plain(&overwritten(&line.text))))
    }

    fn show(&mut self, line: &Line) -> Result<(), Stop> {
        if self.wants(line) { self.write(line) } else { Ok(()) }
    }

    fn write(&mut self, line: &Line) -> Result<(), Stop> {
        render::log::push(&mut self.buffer, line, self.form, self.zone.as_ref());
        if self.buffer.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Writes what is still to be written.
    fn flush(&mut self) -> Result<(), Stop> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Stop::ReaderLeft,
            _ => Stop::Failed(Error::system("write to standard output", error)),
        })
    }
}
