//! The start of a run: what it is about, its entry and socket, the start hooks, and then the command.

use super::clients::Clients;
use super::life::{GroupSignals, Phase};
use super::link::{Link, Request, Role};
use super::mailbox::{LastWord, Mailbox, Message};
use super::outer::Outer;
use super::output::Output;
use super::record::{Birth, Record, Shared};
use super::relay::Relay;
use super::restart::Then;
use super::sends::{Send, Sends, Text};
use super::{Endpoint, Job, Keeper, REFRESH, Ready, START, ScreenModes, Terminated, command};
use crate::config::{self, Leftovers, Loaded};
use crate::error::{Error, not_started, reason};
use crate::hooks::{Event, Hooks, Host, Outcome, Runner, Wish, trust};
use crate::log;
use crate::paths;
use crate::ping;
use crate::project::{self, signature};
use crate::registry::INSTANCE_VARIABLE;
use crate::registry::entry::Mode;
use crate::sys::pty::Pty;
use crate::sys::signal::{self, Signals};
use crate::sys::timer::Timer;
use crate::sys::{inherited, memory, process};
use crate::wire::{Decoder, Failed, KEEPER, Kind, Notification, Started, Streams, VERSION};
use rustix::fd::OwnedFd;
use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Whether a spawn failed for want of descriptors, processes or memory, not because of the command.
fn lacks_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM))
}

/// The exit code of a run that a start hook refused.
const REFUSED: u8 = 125;

/// Signals that a key or somebody else may send to a keeper. In its own session they ask for the end; in the
/// caller's they tell that the command got them too.
const CAUGHT: [i32; 9] = [
    libc::SIGCHLD,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGCONT,
];

/// Makes this process a keeper: what it is called, what it catches, and what it must not die of.
fn become_keeper() -> Result<Signals, Error> {
    let signals = Signals::catch(&CAUGHT).map_err(|error| Error::system("catch signals", error))?;
    // The command does not stand in the keeper's arguments: `pkill -f vite` must find vite alone.
    process::retitle(&["wrap", KEEPER]);
    // A limit on file sizes (ulimit -f) is to fail our write of the entry, not to kill us.
    signal::ignore(libc::SIGXFSZ);
    // In the caller's group these would stop us with a command that reads or writes in the background.
    signal::ignore(libc::SIGTTIN);
    signal::ignore(libc::SIGTTOU);
    process::become_subreaper(true);
    memory::give_back_large_blocks();
    Ok(signals)
}

/// What the client is to this run, and all that is known of its terminal.
fn introduce(link: &mut Link, request: &Request) {
    if request.launch.detached {
        link.role = Role::Launcher;
        return;
    }
    link.process = client();
    link.outer = outer(request, link.process);
    if let Streams::Terminal { size, foreground, modes, .. } = &request.launch.streams {
        // Without a terminal of its own (`--pty`) it has no size to keep to.
        link.size = modes.is_some().then_some(*size);
        link.in_foreground = *foreground;
    }
}

/// Takes the request and does all that comes before the loop.
pub fn start(socket: OwnedFd, pty: Option<Pty>) -> Result<Keeper, Error> {
    let mut inherited = inherited::descriptors();
    let signals = become_keeper()?;
    let mut clients = Clients::default();
    let mut link = Link::new(clients.draw_id(), Role::First, socket, Decoder::default());
    let request = link.receive()?;
    if request.launch.detached {
        // Whoever waits for the end of a pipe of theirs waits for a command that they asked to leave behind.
        inherited::close(&std::mem::take(&mut inherited));
        inherited::replace_by_null(&[1, 2]);
    }
    introduce(&mut link, &request);
    let given = link.outer.as_ref().map(|outer| outer.saved.clone());

    let (prepared, ends) = match command::prepare(&request.launch.streams, pty) {
        Ok(done) => done,
        Err(error) => {
            link.send(Kind::Bare, error.to_string().as_bytes());
            link.finish(None);
            return Err(error);
        }
    };
    let cwd = env::current_dir().unwrap_or_default();
    let project = project::detect(&cwd, &request.command, &|name| env::var_os(name));
    let Loaded { config, warnings, .. } = trust::settings(&cwd, &project.root);
    let (mode, terminal) = match request.launch.streams {
        Streams::Terminal { size, .. } => (Mode::Terminal, Some(size)),
        Streams::Pipe { .. } => (Mode::Pipe, None),
    };
    let name = request.launch.name.clone().or_else(|| config.name.clone()).unwrap_or_else(|| project.name.clone());
    let (record, lost) = Record::new(Birth { project: &project, name, command: &request.command, mode });
    let wanted = request.launch.port.or(config.port);
    let ready = Ready::new(record.entry().instance_id.clone(), wanted, project.ports.clone(), &config);
    record.entry().health_path.clone_from(&config.health_path);
    record.entry().asked_port = request.launch.port;
    record.entry().ends_sessions = config.leftovers == Leftovers::StopAll;
    let now = Instant::now();
    let mailbox = Mailbox::new()?;
    // What goes straight to a file or a terminal of the caller's passes us by.
    let is_seen = command::inherited_outputs(&request.launch.streams) != [true, true];
    // Below a WRAP_DIR that was refused there is no place for a log either, and that was said.
    let is_refused =
        |log: &Path| !record.is_registered() && paths::override_dir().is_some_and(|dir| log.starts_with(dir));
    let log = log::path_of(&record.entry().instance_id).filter(|log| is_seen && !is_refused(log));
    record.entry().log_path = log.as_ref().map(|path| path.to_string_lossy().into_owned());
    clients.add(link);
    let mut keeper = Keeper {
        clients,
        output: Output::new(log, terminal, mailbox.post()),
        relay: Relay::new(ends),
        kept: command::keep_outputs(&request.launch.streams),
        streams: request.launch.streams,
        fitted: None,
        then: Then::End,
        stopper: None,
        sends: Sends::default(),
        waiting_input: VecDeque::new(),
        base: None,
        additions: Vec::new(),
        asked_port: request.launch.port,
        wanted_port: wanted,
        asking: None,
        log_stuck_since: None,
        phase: Phase::Preparing,
        record,
        endpoint: None,
        mailbox,
        timer: Timer::new().map_err(|error| Error::system("make a timer", error))?,
        signals,
        group_signals: GroupSignals::default(),
        ready,
        hooks: None,
        watching: None,
        config,
        words: request.command.clone(),
        command: request.command,
        prepared: Some(prepared),
        child: None,
        job: Job::Running,
        was_interrupted: false,
        left_to_drain: 0,
        given,
        started: now,
        next_refresh: now + REFRESH,
        terminated: Terminated::default(),
        to_answer: Vec::new(),
        registry_failed: lost.is_some(),
        slim_at: Some(now + START),
        typed: false,
        screen: ScreenModes::default(),
        inherited,
    };
    for warning in warnings {
        keeper.notice(&warning);
    }
    if let Some(error) = lost {
        keeper.notice(&format!("{error}; other terminals cannot see this run"));
    }
    keeper.open_endpoint();
    keeper.run_start_hooks();
    Ok(keeper)
}

/// Who started us. A client that ended meanwhile left us to another parent, which the missing link will tell.
fn client() -> Option<(u32, u64)> {
    let pid = rustix::process::getppid()?.as_raw_nonzero().get() as u32;
    Some((pid, process::token(pid)?))
}

/// The client's terminal, where it has one.
fn outer(request: &Request, client: Option<(u32, u64)>) -> Option<Outer> {
    match &request.launch.streams {
        Streams::Terminal { modes: Some(modes), foreground, .. } if !request.launch.detached => {
            Outer::new(modes.clone(), client, *foreground)
        }
        _ => None,
    }
}

impl Keeper {
    /// The socket is there before the command, which is told its path.
    fn open_endpoint(&mut self) {
        match Endpoint::open(self.record.socket_path()) {
            Ok(endpoint) => {
                self.record.entry().local_url = Some(endpoint.url.clone());
                self.endpoint = Some(endpoint);
            }
            Err(error) => self.notice(&format!("{error}; other terminals can list this run and not talk to it")),
        }
    }

    /// The registry's directory was removed, and the socket in it: there is another now.
    pub(super) fn return_socket(&mut self) {
        if self.endpoint.as_ref().is_some_and(Endpoint::is_gone) {
            self.endpoint = None;
            self.open_endpoint();
            let result = self.record.write();
            self.registry_result(result);
        }
    }

    fn run_start_hooks(&mut self) {
        let hooks = Hooks::find(Path::new(&self.record.entry().project_root), &self.config);
        if hooks.is_empty() {
            self.prepared(Outcome::default());
            return;
        }
        let (wishes, post) = (self.mailbox.post(), self.mailbox.post());
        let host: Host = Arc::new(move |wish| {
            wishes.send(granted(wish));
            Ok(())
        });
        let runner = Runner::new(hooks, host);
        let entry = self.record.shared();
        self.output.watch_lines(runner.line_watch(move || as_hooks_see(&entry)));
        // Without an answer the command would never run.
        let answer = LastWord::new(post, Message::Prepared(Outcome::default()));
        let mut instance = self.instance();
        instance["wantedPort"] = self.wanted_port.into();
        runner.fire(Event::Start, instance, move |outcome| answer.say(Message::Prepared(outcome)));
        self.hooks = Some(runner);
    }

    /// The instance as hooks see it.
    pub(super) fn instance(&self) -> serde_json::Value {
        as_hooks_see(&self.record.shared())
    }

    /// The start hooks are through: spawn, unless one refused or the user has interrupted meanwhile.
    pub(super) fn prepared(&mut self, outcome: Outcome) {
        let Some(prepared) = self.prepared.take() else { return };
        if let Some(reason) = outcome.refused {
            let by = outcome.refused_by.unwrap_or_default();
            self.fail(REFUSED, &format!("hook {by} refused to run `{}`: {reason}", self.command[0].display()));
            return;
        }
        if let Some(name) = outcome.name {
            self.record.entry().project_name = name;
        }
        if let Some(words) = outcome.args {
            self.words = original_words(words, &self.command);
        }
        let mut environment = self.environment();
        environment.extend(outcome.env.into_iter().map(|(name, value)| (name, value.map(OsString::from))));
        let client = self.clients.iter().next().and_then(|link| link.process);
        let words = command::addressed(&self.words, client.map(|(pid, _)| pid));
        // Before the command: should we and the client be killed right behind the spawn, its entry is what it is found by.
        let result = self.record.write();
        self.registry_result(result);
        let spawned = command::spawn(prepared, &words, None, &environment, &self.relay.ends, &self.kept);
        self.additions = environment;
        inherited::close(&self.inherited);
        let child = match spawned {
            Ok(child) => child,
            Err(error) if lacks_room(&error) => {
                // Not the command's fault but ours, who need more than it does: the client runs it bare.
                self.bare(&format!("cannot start `{}`: {}", self.words[0].display(), reason(&error)));
                return;
            }
            Err(error) => {
                let (code, message) = not_started(&self.words[0], &error);
                self.fail(code, &message);
                return;
            }
        };
        self.child = Some(child);
        self.phase = Phase::Running;
        // What the start hooks took is none of its time.
        self.started = Instant::now();
        self.ready.restart();
        let started = self.started_frame();
        for link in self.clients.iter_mut().filter(|link| link.role == Role::First) {
            link.send_json(Kind::Started, &started);
        }
        // The command runs while this is read.
        let signature = self.signature();
        self.record.entry().config_signature = Some(signature);
        let result = self.record.spawned(child, self.ready.expects());
        self.registry_result(result);
        // Who leaves it has promised that it can be found by then.
        for link in self.clients.iter_mut().filter(|link| link.role == Role::Launcher) {
            link.send_json(Kind::Started, &started);
        }
        // The command has its streams: ours would keep a pipe of the caller's open after it closed its own.
        inherited::replace_by_null(&[1, 2]);
        ping::send(&self.config.center, self.record.entry().public());
    }

    /// What a client has to know of the run.
    pub(super) fn started_frame(&self) -> Started {
        let entry_path = self.record.path();
        let child = self.child.map_or((0, 0), |child| (child.pid, child.token));
        let entry = self.record.entry();
        Started {
            version: VERSION,
            pid: child.0,
            token: child.1,
            instance_id: entry.instance_id.clone(),
            name: entry.project_name.clone(),
            entry: entry_path,
            grace: self.config.grace.as_millis() as u64,
            ends_sessions: entry.ends_sessions,
            expects: self.ready.expects(),
            ready_timeout: self.config.ready.timeout.as_millis() as u64,
            detach_keys: self.config.detach_keys.filter(|_| self.relay.pty().is_some()),
        }
    }

    /// What the command was configured by, as it is now.
    pub(super) fn signature(&self) -> String {
        let cwd = env::current_dir().unwrap_or_default();
        let root = self.record.entry().project_root.clone();
        let root = Path::new(&root);
        let settings = config::project_file(&cwd, root).unwrap_or_else(|| root.join(config::PROJECT_FILE));
        let (command, env_files) = (&self.command, &self.config.env_files);
        let run = signature::Run { cwd: &cwd, root, command, settings: &settings, env_files };
        signature::of(&run, &|name| env::var_os(name))
    }

    /// What the command's environment has more than ours.
    fn environment(&self) -> Vec<(String, Option<OsString>)> {
        let entry = self.record.entry();
        let mut environment = vec![(INSTANCE_VARIABLE.to_owned(), Some(entry.instance_id.clone().into()))];
        if let Some(url) = &entry.local_url {
            environment.push(("WRAP_SOCKET".to_owned(), Some(url.into())));
        }
        environment
    }

    /// The client is to do without us.
    fn bare(&mut self, reason: &str) {
        for mut link in self.clients.take() {
            link.send(Kind::Bare, reason.as_bytes());
            link.finish(None);
        }
        self.phase = Phase::Over(crate::wire::Ended::Code(0));
    }

    /// Nothing was started: tell why, and end.
    fn fail(&mut self, code: u8, message: &str) {
        for link in self.clients.iter_mut() {
            link.send_json(Kind::Failed, &Failed { code, message: message.to_owned() });
        }
        self.phase = Phase::Over(crate::wire::Ended::Code(i32::from(code)));
    }
}

/// The entry without its key.
fn as_hooks_see(entry: &Shared) -> serde_json::Value {
    let public = entry.lock().unwrap_or_else(PoisonError::into_inner).public();
    serde_json::to_value(public).unwrap_or_default()
}

/// What the loop is told of a hook's wish.
fn granted(wish: Wish) -> Message {
    match wish {
        Wish::Say(text) => Message::Notice(text),
        Wish::Notify { title, text } => Message::Notify(Notification { title, text }),
        // Nobody waits for the answers: the hook goes on.
        Wish::Send(text) => Message::Send(Send {
            text: Text::Line { text, raw: false },
            id: String::new(),
            reply: tokio::sync::oneshot::channel().0,
        }),
        Wish::Stop => Message::Terminate(tokio::sync::oneshot::channel().0),
    }
}

/// The words as a start hook has left them. Those that were there before keep bytes that are not UTF-8, which the hook saw
/// as U+FFFD.
fn original_words(words: Vec<String>, before: &[OsString]) -> Vec<OsString> {
    let original = |word: String| match before.iter().find(|known| known.to_string_lossy() == word) {
        Some(known) => known.clone(),
        None => OsString::from(word),
    };
    words.into_iter().map(original).collect()
}
