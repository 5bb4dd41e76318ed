//! A restart: an ending with another spawn at its end. The keeper, its terminal and its clients stay.

use super::command::{self, Environment};
use super::life::{Escalation, Phase};
use super::relay::Ends;
use super::{Job, Keeper, Ready, Terminated};
use crate::config::{Leftovers, Loaded};
use crate::error::reason;
use crate::hooks::{Event, trust};
use crate::project;
use crate::registry::entry::State;
use crate::sys::{ports, process};
use crate::wire::{Ended, Kind, Route, Stream, Streams};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::sync::oneshot::Sender;

/// Variables that belong to the shell that somebody types in, not to what he runs; and those that we set ourselves.
const NOT_TAKEN: [&str; 6] = ["_", "PWD", "OLDPWD", "SHLVL", "WRAP_INSTANCE_ID", "WRAP_SOCKET"];

/// Somebody asks for a restart.
pub struct Asked {
    /// The environment to use from now on, in place of the one of the start.
    pub environment: Option<Environment>,
    /// Told once the new run is there.
    pub reply: Sender<Result<Restarted, Unable>>,
}

/// Another run of the command is there.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restarted {
    /// It is the so manieth.
    pub run_id: u64,
    /// How long it may take to become ready, in milliseconds.
    pub ready_timeout: u64,
    /// Names of variables that it has and the one before had not.
    pub added: Vec<String>,
    /// Names of variables that have another value.
    pub changed: Vec<String>,
    /// Names of variables that it has no longer.
    pub removed: Vec<String>,
}

/// Why there is no other run.
#[derive(Debug)]
pub enum Unable {
    /// It would not start: the old one goes on.
    Precondition(String),
    /// The old one has ended, and there is no new one.
    Failed(String),
}

/// What follows the end of the command.
pub enum Then {
    /// The run is over.
    End,
    /// Another one.
    Restart(Asked),
}

impl Then {
    /// Nothing but the end follows: whoever waits for a restart is told.
    pub fn give_up(&mut self, why: &str) {
        if let Self::Restart(asked) = std::mem::replace(self, Self::End) {
            // A caller that hung up needs no answer.
            let _ = asked.reply.send(Err(Unable::Failed(why.to_owned())));
        }
    }
}

impl Keeper {
    /// Ends the command and starts it again, if it would start.
    pub(super) fn restart(&mut self, asked: Asked) {
        if let Err(why) = self.could_start(asked.environment.as_ref()) {
            let _ = asked.reply.send(Err(Unable::Precondition(why)));
            return;
        }
        let line = format!("restarting `{}`", self.record.entry().command);
        self.then = Then::Restart(asked);
        self.clients.notice(&line);
        self.end_command(Escalation::terminate(std::time::Duration::ZERO, self.config.grace));
    }

    /// Whether the command would start, as far as can be told while it runs.
    fn could_start(&self, environment: Option<&Environment>) -> Result<(), String> {
        let is_odd = |text: &OsStr| text.as_encoded_bytes().contains(&0);
        let cannot_be = |(name, value): (&OsString, &OsString)| {
            name.is_empty() || name.as_encoded_bytes().contains(&b'=') || is_odd(name) || is_odd(value)
        };
        if environment.is_some_and(|environment| environment.iter().any(cannot_be)) {
            return Err("the environment that it would get has a name or a value that cannot be".to_owned());
        }
        if matches!(self.then, Then::Restart(_)) {
            return Err("it is being restarted already".to_owned());
        }
        if !matches!(self.phase, Phase::Running) {
            let why = match self.phase {
                Phase::Preparing => "its start hooks still run",
                Phase::Adopted(_) => "its command has ended and what it left is kept; stop it and run it again",
                _ => "it is ending; `wrap start` starts it again once it has ended",
            };
            return Err(why.to_owned());
        }
        let cwd = PathBuf::from(self.record.entry().cwd.clone());
        if !cwd.is_dir() {
            return Err(format!("its directory `{}` is not there any more", cwd.display()));
        }
        let path = match environment.or(self.base.as_ref()) {
            Some(environment) => environment.get(OsStr::new("PATH")).cloned(),
            None => env::var_os("PATH"),
        };
        let program = &self.words[0];
        if !can_be_found(program, &cwd, path.as_deref()) {
            return Err(format!("its command `{}` is not found any more", program.display()));
        }
        if let Some(port) = self.wanted_port
            && let Some(pid) = Self::holder_of(port)
        {
            return Err(format!("its port {port} is held by another process{pid}"));
        }
        match self.lost_output() {
            Some(stream) => Err(format!("its {stream} is a pipe that cannot be had again; stop it and start it anew")),
            None => Ok(()),
        }
    }

    /// Who else listens on a port, as words behind a sentence; `None` where nobody does.
    fn holder_of(port: u16) -> Option<String> {
        let all: Vec<_> = ports::listeners(None).into_iter().filter(|listener| listener.port == port).collect();
        let own: Vec<u32> = process::descendants(std::process::id()).iter().map(|process| process.pid).collect();
        let of_own = ports::of_tree(&own, &all);
        let foreign = all.iter().find(|one| !of_own.iter().any(|own| own.inode == one.inode))?;
        let everybody: Vec<u32> = process::all().iter().map(|process| process.pid).collect();
        let holder =
            everybody.into_iter().find(|pid| !ports::of_tree(&[*pid], std::slice::from_ref(foreign)).is_empty());
        Some(holder.map_or_else(String::new, |pid| format!(" ({pid})")))
    }

    /// An output that the command has inherited and that cannot be given to another run.
    fn lost_output(&self) -> Option<&'static str> {
        let inherited = command::inherited_outputs(&self.streams);
        let lost = |at: usize| inherited[at] && self.kept[at].is_none();
        // What was closed, by it or by its reader, is closed in us and in the client, too.
        let closed = match (&self.streams, &self.relay.ends) {
            (Streams::Pipe { out, err }, Ends::Pipe { out: our_out, err: our_err }) => {
                [*out == Route::Relayed && our_out.is_none(), *err == Route::Relayed && our_err.is_none()]
            }
            _ => [false, false],
        };
        if lost(0) || closed[0] {
            return Some("standard output");
        }
        (lost(1) || closed[1]).then_some("standard error")
    }

    /// The old run is over and nothing of it is left: the next one.
    pub(super) fn respawn(&mut self, asked: Asked) {
        let difference = asked.environment.as_ref().map(|new| self.difference(new)).unwrap_or_default();
        if let Some(environment) = asked.environment {
            let taken = environment.into_iter().filter(|(name, _)| !is_shells_own(name));
            let kept = self.base_environment().into_iter().filter(|(name, _)| is_shells_own(name));
            self.base = Some(kept.chain(taken).collect());
        }
        match self.spawn_again() {
            Ok(()) => {
                let run_id = self.record.entry().run_id;
                let ready_timeout = self.config.ready.timeout.as_millis() as u64;
                let [added, changed, removed] = difference;
                let _ = asked.reply.send(Ok(Restarted { run_id, ready_timeout, added, changed, removed }));
            }
            Err(error) => {
                let why = format!("cannot start `{}` again: {}", self.words[0].display(), reason(&error));
                self.clients.notice(&why);
                let _ = asked.reply.send(Err(Unable::Failed(why)));
                self.phase = Phase::Over(Ended::Code(1));
            }
        }
    }

    fn spawn_again(&mut self) -> io::Result<()> {
        self.clean_terminal();
        self.let_output_flow();
        self.drop_input();
        self.terminated = Terminated::default();
        let pty = match std::mem::replace(&mut self.relay.ends, Ends::Pipe { out: None, err: None }) {
            Ends::Terminal { pty, .. } => Some(pty),
            Ends::Pipe { .. } => None,
        };
        if let Streams::Terminal { size, foreground, typed, .. } = &mut self.streams {
            *size = self.fitted.unwrap_or(*size);
            *foreground =
                self.clients.nobody_types() || self.clients.iter().any(|link| link.types() && link.in_foreground);
            typed.clear();
        }
        let (prepared, ends) = command::prepare(&self.streams, pty).map_err(io::Error::other)?;
        self.relay.ends = ends;
        let cwd = PathBuf::from(self.record.entry().cwd.clone());
        // Another may have its name by now; ours may have been removed.
        env::set_current_dir(&cwd)?;
        self.read_configuration(&cwd);
        let environment = self.additions.clone();
        let base = self.base.as_ref();
        let child = command::spawn(prepared, &self.words, base, &environment, &self.relay.ends, &self.kept)?;
        self.child = Some(child);
        self.phase = Phase::Running;
        self.job = Job::Running;
        self.was_interrupted = false;
        self.started = Instant::now();
        self.ready.restart();
        let signature = self.signature();
        self.record.entry().config_signature = Some(signature);
        let result = self.record.restarted(child, self.ready.expects());
        self.output.restart(self.record.entry().run_id);
        self.registry_result(result);
        let started = self.started_frame();
        for link in self.clients.iter_mut().filter(|link| link.looks()) {
            link.send_json(Kind::Started, &started);
        }
        // It runs already: nobody waits for these.
        if let Some(hooks) = &self.hooks {
            hooks.fire(Event::Restart, self.instance(), |_| {});
        }
        Ok(())
    }

    /// What the project and the user have configured by now: the change may be why it is restarted.
    fn read_configuration(&mut self, cwd: &Path) {
        let project = project::detect(cwd, &self.command, &|name| env::var_os(name));
        let Loaded { config, warnings, .. } = trust::settings(cwd, &project.root);
        for warning in warnings {
            self.notice(&warning);
        }
        self.wanted_port = self.asked_port.or(config.port);
        self.record.entry().ends_sessions = config.leftovers == Leftovers::StopAll;
        let id = self.record.entry().instance_id.clone();
        let was_ready = self.record.entry().port.is_some();
        self.ready = Ready::new(id, self.wanted_port, project.ports.clone(), &config);
        if was_ready {
            self.ready.expect();
        }
        self.asking = None;
        self.watching = None;
        self.config = config;
    }

    /// What was typed for the old run and never read is not for the new one: its typists are told that it is gone.
    fn drop_input(&mut self) {
        let dropped = self.relay.drop_input();
        if dropped > 0 {
            self.sends.give_up();
        }
        self.credit_input(dropped);
        self.waiting_input.clear();
    }

    /// What the old run has left switched on in the terminals is no business of the new one.
    fn clean_terminal(&mut self) {
        let undo = self.screen.undo();
        if undo.is_empty() {
            return;
        }
        self.screen = super::ScreenModes::default();
        self.clients.send_output(Stream::Out, &undo, true);
        self.clients.send(Kind::Undo, &[]);
        let _ = self.output.on_screen(|screen| screen.feed(&undo, true));
    }

    /// What an ending is called while it lasts.
    pub(super) fn ending_state(&self) -> State {
        if matches!(self.then, Then::Restart(_)) { State::Restarting } else { State::Stopping }
    }

    /// What the command's environment is made from.
    fn base_environment(&self) -> Environment {
        self.base.clone().unwrap_or_else(|| env::vars_os().collect())
    }

    /// Names of the variables by which another environment differs: added, changed, removed.
    fn difference(&self, new: &Environment) -> [Vec<String>; 3] {
        let old = self.base_environment();
        let names = |of: &Environment, holds: &dyn Fn(&OsString, &OsString) -> bool| -> Vec<String> {
            let names = of.iter().filter(|(name, value)| !is_shells_own(name) && holds(name, value));
            names.map(|(name, _)| name.to_string_lossy().into_owned()).collect()
        };
        [
            names(new, &|name, _| !old.contains_key(name)),
            names(new, &|name, value| old.get(name).is_some_and(|before| before != value)),
            names(&old, &|name, _| !new.contains_key(name)),
        ]
    }
}

fn is_shells_own(name: &OsStr) -> bool {
    NOT_TAKEN.iter().any(|own| name == *own)
}

/// Whether execvp(3) would find something that may be run.
fn can_be_found(program: &OsStr, cwd: &Path, path: Option<&OsStr>) -> bool {
    let may_run = |file: PathBuf| file.is_file() && rustix::fs::access(&file, rustix::fs::Access::EXEC_OK).is_ok();
    if program.as_encoded_bytes().contains(&b'/') {
        return may_run(cwd.join(program));
    }
    path.is_some_and(|path| env::split_paths(path).any(|dir| may_run(cwd.join(dir).join(program))))
}
