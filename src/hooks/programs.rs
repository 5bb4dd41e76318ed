//! Programs that hooks start: each beside the run, in a session of its own, so that no key, no signal and no ending of
//! the command's reaches it, and bounded in what is kept of its output and in time.

use super::handler::About;
use super::sandbox::Halt;
use super::text::visible;
use super::values::{kind, seconds};
use crate::end::{Ending, end};
use crate::error::{not_started, reason};
use crate::registry::INSTANCE_VARIABLE;
use crate::sys::process::{self, Handle};
use crate::sys::{signal, spawn};
use mlua::{Table, Value};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a hook has started has it in its environment, with the instance's id: it is never the command's.
pub const HOOK_VARIABLE: &str = "WRAP_HOOK";

/// Bytes of each output that are kept: a large answer of `docker inspect`; the rest is read and thrown away.
const OUTPUT: usize = 1 << 20;

/// Programs in the background that one hook may have at a time: each that is forgotten would be one more.
const JOBS: usize = 16;

/// Between the request to end and the kill, where a hook stops what it has started in the background.
const GRACE: Duration = Duration::from_secs(1);

/// Read at once.
const CHUNK: usize = 16 << 10;

/// As much as the largest pipe of a user holds (pipe-max-size, pipe(7)): all that an ended program has written.
const CHUNKS: usize = 64;

/// What is to be started.
pub(super) struct Wanted {
    words: Vec<OsString>,
    cwd: PathBuf,
    env: Vec<(OsString, Option<OsString>)>,
    stdin: Vec<u8>,
    timeout: Option<Duration>,
}

/// What became of it.
#[derive(Default)]
pub(super) struct Done {
    pub code: Option<i32>,
    pub signal: Option<String>,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub timed_out: bool,
    /// Why it could not be started.
    pub error: Option<String>,
}

impl Wanted {
    /// Reads `{word, …, cwd = …, env = {…}, stdin = …, timeout = …}`. `name` is the function's, for the error.
    pub fn read(table: &Value, about: &About, name: &str) -> Result<Self, String> {
        let Value::Table(table) = table else {
            return Err(format!("`{name}` takes a table of words, as in `{name}{{\"git\", \"status\"}}`"));
        };
        let mut wanted =
            Self { words: Vec::new(), cwd: about.cwd.clone(), env: Vec::new(), stdin: Vec::new(), timeout: None };
        for at in 1..=table.raw_len() {
            let word: Value = table.raw_get(at).map_err(|error| error.to_string())?;
            wanted.words.push(word_of(&word).ok_or_else(|| format!("`{name}`: word {at} is {}", kind(&word)))?);
        }
        if wanted.words.first().is_none_or(|word| word.is_empty()) {
            return Err(format!("`{name}`: the first word is the program, and there is none"));
        }
        for pair in table.pairs::<Value, Value>() {
            let Ok((key, value)) = pair else { break };
            let Some(key) = key.as_string() else { continue };
            wanted.set(&key.to_string_lossy(), &value).map_err(|why| format!("`{name}`: {why}"))?;
        }
        Ok(wanted)
    }

    fn set(&mut self, option: &str, value: &Value) -> Result<(), String> {
        let wrong = |takes: &str| format!("`{option}` is {takes}, not {}", kind(value));
        match option {
            "cwd" => {
                let path = word_of(value).ok_or_else(|| wrong("a path"))?;
                self.cwd = self.cwd.join(path);
            }
            "stdin" => self.stdin = value.as_string().ok_or_else(|| wrong("a text"))?.as_bytes().to_vec(),
            "timeout" => self.timeout = Some(seconds(value).ok_or_else(|| wrong("a number of seconds"))?),
            "env" => {
                let table = value.as_table().ok_or_else(|| wrong("a table"))?;
                self.env = environment(table).map_err(|why| format!("`env`: {why}"))?;
            }
            other => {
                let other = visible(other);
                return Err(format!("there is no option `{other}`: there are `cwd`, `env`, `stdin` and `timeout`"));
            }
        }
        Ok(())
    }

    fn command(&self, about: &About) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).current_dir(&self.cwd);
        mark(&mut command, about);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

/// It is none of the run's, whoever looks.
fn mark(command: &mut Command, about: &About) {
    command.env_remove(INSTANCE_VARIABLE).env_remove("WRAP_SOCKET").env(HOOK_VARIABLE, &about.id);
}

/// Starts a program as the hooks do.
pub(super) fn start(command: &mut Command, about: &About) -> io::Result<Child> {
    mark(command, about);
    spawn::apart(command, false)
}

/// Runs it to its end, for no longer than the call has left.
pub(super) fn run(wanted: &Wanted, about: &About, clock: &Halt) -> Done {
    let limit = wanted.timeout.unwrap_or(Duration::MAX).min(clock.left());
    let deadline = Instant::now() + limit;
    let mut command = wanted.command(about);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match spawn::apart(&mut command, true) {
        Ok(child) => child,
        Err(error) => return not_run(wanted, &error),
    };
    let mut done = Done::default();
    if let Err(error) = follow(&mut child, &wanted.stdin, deadline, &mut done) {
        done.error = Some(reason(&error));
    }
    if done.timed_out {
        kill(&child, Duration::ZERO);
    }
    if let Ok(status) = child.wait() {
        done.code = status.code();
        done.signal = status.signal().map(signal::name);
    }
    done
}

fn not_run(wanted: &Wanted, error: &io::Error) -> Done {
    if !wanted.cwd.is_dir() {
        let error = format!("`{}` is no directory", visible(&wanted.cwd.to_string_lossy()));
        return Done { error: Some(error), ..Done::default() };
    }
    let (code, why) = not_started(&wanted.words[0], error);
    Done { code: Some(i32::from(code)), error: Some(visible(&why)), ..Done::default() }
}

/// Feeds it, and reads what it writes, until it has ended or the time is over.
fn follow(child: &mut Child, stdin: &[u8], deadline: Instant, done: &mut Done) -> io::Result<()> {
    let (mut input, mut rest) = (child.stdin.take(), stdin);
    let mut out = child.stdout.take().map(OwnedFd::from);
    let mut err = child.stderr.take().map(OwnedFd::from);
    for end in [&out, &err].into_iter().flatten() {
        rustix::io::ioctl_fionbio(end, true)?;
    }
    if let Some(input) = &input {
        rustix::io::ioctl_fionbio(input, true)?;
    }
    // Where it has ended already there is nothing to wait for but what it wrote.
    let token = process::token(child.id()).unwrap_or_default();
    let process = Handle::open(child.id(), token)?;
    loop {
        if let Some(pipe) = &mut input {
            match pipe.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It does not want it.
                Err(_) => rest = &[],
            }
        }
        if rest.is_empty() {
            input = None;
        }
        let has_ended = ended(process.as_ref());
        take(&mut out, &mut done.out);
        take(&mut err, &mut done.err);
        // What it left in the background may hold its outputs; whatever it wrote itself is read.
        if has_ended {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            done.timed_out = true;
            return Ok(());
        }
        let mut set = Vec::with_capacity(4);
        set.extend(process.as_ref().map(|process| PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)));
        set.extend([&out, &err].into_iter().flatten().map(|end| PollFd::new(end, PollFlags::IN)));
        set.extend(input.as_ref().map(|input| PollFd::new(input, PollFlags::OUT)));
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        // EINTR and all else: the next round looks again.
        let _ = poll(&mut set, Some(&left));
    }
}

fn ended(process: Option<&Handle>) -> bool {
    let Some(process) = process else { return true };
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)], Some(&now)) == Ok(1)
}

/// Reads what is there; at the end of it the pipe is closed. One that is filled as fast as it is read is left after a
/// while, so that the time is looked at.
fn take(end: &mut Option<OwnedFd>, kept: &mut Vec<u8>) {
    let mut chunk = [0; CHUNK];
    for _ in 0..CHUNKS {
        let Some(fd) = end else { return };
        match rustix::io::read(&*fd, &mut chunk) {
            Ok(0) => *end = None,
            Ok(count) => kept.extend_from_slice(&chunk[..count.min(OUTPUT - kept.len())]),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return,
            Err(_) => *end = None,
        }
    }
}

/// Ends it with all that it has started, also in sessions of their own.
fn kill(child: &Child, grace: Duration) {
    let pid = child.id();
    let root = (pid, process::token(pid).unwrap_or_default());
    end(&Ending { roots: &[root], also: &|one| one.session == pid, spare_sessions: false, grace });
}

/// What a hook has running in the background.
#[derive(Default)]
pub(super) struct Jobs {
    children: Vec<Child>,
    /// Those that only have to be waited for.
    left: Vec<Child>,
}

impl Jobs {
    /// Starts one; its pid.
    pub fn start(&mut self, wanted: &Wanted, about: &About) -> Result<u32, String> {
        self.forget_ended();
        if self.children.len() == JOBS {
            return Err(format!("`wrap.spawn`: {JOBS} programs of this hook run already"));
        }
        let mut command = wanted.command(about);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            spawn::apart(&mut command, false).map_err(|error| not_run(wanted, &error).error.unwrap_or_default())?;
        let pid = child.id();
        self.children.push(child);
        Ok(pid)
    }

    /// Whether one of ours runs.
    pub fn runs(&mut self, pid: u32) -> bool {
        self.forget_ended();
        self.children.iter().any(|child| child.id() == pid)
    }

    /// Ends one, if it is ours and runs.
    pub fn stop(&mut self, pid: u32, clock: &Halt) {
        self.forget_ended();
        if let Some(at) = self.children.iter().position(|child| child.id() == pid) {
            let mut child = self.children.swap_remove(at);
            kill(&child, GRACE.min(clock.left()));
            let _ = child.try_wait();
        }
    }

    /// Whether there is room for one more that nobody waits for.
    pub fn may_leave(&mut self) -> bool {
        self.forget_ended();
        self.left.len() < JOBS
    }

    /// One that nobody asks for any more, and that ends by itself.
    pub fn leave(&mut self, child: Child) {
        self.left.push(child);
    }

    /// Those that have ended are waited for, so that no zombie is left of them.
    pub fn forget_ended(&mut self) {
        for children in [&mut self.children, &mut self.left] {
            children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        }
    }
}

/// A word of a command line: a text or a number.
fn word_of(value: &Value) -> Option<OsString> {
    let bytes = match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(whole) => whole.to_string().into_bytes(),
        Value::Number(number) => number.to_string().into_bytes(),
        _ => return None,
    };
    (!bytes.contains(&0)).then(|| OsString::from_vec(bytes))
}

fn environment(table: &Table) -> Result<Vec<(OsString, Option<OsString>)>, String> {
    let mut variables = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        let name = name.as_string().map(|name| OsStr::from_bytes(&name.as_bytes()).to_owned());
        let Some(name) = name.filter(|name| !name.is_empty() && !name.as_bytes().iter().any(|b| b"=\0".contains(b)))
        else {
            return Err("this cannot name a variable".into());
        };
        let value = if let Value::Boolean(false) = value {
            None
        } else {
            let shown = visible(&name.to_string_lossy());
            Some(word_of(&value).ok_or_else(|| format!("`{shown}` is a text, or false to remove it"))?)
        };
        variables.push((name, value));
    }
    Ok(variables)
}

impl Done {
    /// Whether it ran and ended well.
    pub fn is_ok(&self) -> bool {
        self.code == Some(0) && self.error.is_none()
    }
}
