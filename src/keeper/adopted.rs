//! A keeper of a process that wrap did not start: it makes it known, looks after its port and sees its end. Its streams
//! and its exit status are its parent's.

use super::endpoint::Endpoint;
use super::life::Child;
use super::mailbox::{Mailbox, Message, Terminated};
use super::ready::{Change, Ready};
use super::record::{Birth, Record};
use super::routes::App;
use super::{REFRESH, leftovers};
use crate::end::{Ending, end};
use crate::error::Error;
use crate::hooks::trust;
use crate::ping;
use crate::project;
use crate::registry::entry::{Mode, State};
use crate::registry::history::{End, History};
use crate::registry::now_ms;
use crate::sys::process::{self, Handle};
use crate::sys::signal::Signals;
use crate::sys::timer::Timer;
use crate::wire::KEEPER;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use std::env;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Somebody wants the keeper gone, not the process: it is not ours.
const CAUGHT: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// A process to be adopted.
pub struct Adoptee {
    /// Its pid.
    pub pid: u32,
    /// Its start token.
    pub token: u64,
    /// What `--name` said.
    pub name: Option<String>,
}

/// Runs a keeper for a process until that has ended. What became of it at the start is written to `report`: the entry
/// without its key as JSON, or a sentence. Returns an exit code.
pub fn adopt(adoptee: &Adoptee, report: OwnedFd) -> i32 {
    process::retitle(&["wrap", KEEPER]);
    let mut report = File::from(report);
    match Adopted::begin(adoptee) {
        Ok(mut keeper) => {
            let entry = serde_json::to_string(&keeper.record.entry().public()).unwrap_or_default();
            // Whoever asked may be gone; the process is adopted all the same.
            let _ = report.write_all(entry.as_bytes());
            drop(report);
            keeper.serve();
            0
        }
        Err(error) => {
            let _ = report.write_all(error.to_string().as_bytes());
            1
        }
    }
}

struct Adopted {
    process: Handle,
    child: Child,
    record: Record,
    endpoint: Option<Endpoint>,
    mailbox: Mailbox,
    timer: Timer,
    signals: Signals,
    ready: Ready,
    grace: Duration,
    next_refresh: Instant,
    /// Ends it, for those who have asked for that.
    ending: Vec<JoinHandle<()>>,
}

impl Adopted {
    fn begin(adoptee: &Adoptee) -> Result<Self, Error> {
        let gone = || Error::Message(format!("process `{}` has ended meanwhile", adoptee.pid));
        let process = Handle::open(adoptee.pid, adoptee.token);
        let process = process.map_err(|error| Error::system("open the process", error))?.ok_or_else(gone)?;
        let signals = Signals::catch(&CAUGHT).map_err(|error| Error::system("catch signals", error))?;
        let command = process::arguments(adoptee.pid);
        let cwd = process::directory(adoptee.pid).unwrap_or_else(|| PathBuf::from("/"));
        // The entry is of the place where the process is; one that is gone by now is only named in it.
        let _ = env::set_current_dir(&cwd);
        let project = project::detect(&cwd, &command, &|_| None);
        let config = trust::settings(&cwd, &project.root).config;
        let name = adoptee.name.clone().unwrap_or_else(|| project.name.clone());
        let (record, lost) = Record::new(Birth { project: &project, name, command: &command, mode: Mode::Adopted });
        if let Some(error) = lost {
            return Err(error);
        }
        let id = record.entry().instance_id.clone();
        let ready = Ready::new(id, config.port, Vec::new(), &config).of_tree(adoptee.pid);
        let endpoint = Endpoint::open(record.socket_path())?;
        let child = Child { pid: adoptee.pid, token: adoptee.token, leads_group: false };
        {
            let mut entry = record.entry();
            let started =
                Timestamp::now() - jiff::SignedDuration::try_from(process::age(adoptee.token)).unwrap_or_default();
            entry.start_time = format!("{started:.3}");
            entry.local_url = Some(endpoint.url.clone());
            entry.state = State::Running;
        }
        let mut keeper = Self {
            process,
            child,
            record,
            endpoint: Some(endpoint),
            mailbox: Mailbox::new()?,
            timer: Timer::new().map_err(|error| Error::system("make a timer", error))?,
            signals,
            ready,
            grace: config.grace,
            next_refresh: Instant::now() + REFRESH,
            ending: Vec::new(),
        };
        keeper.look_for_ports();
        keeper.record.spawned(child, false)?;
        ping::send(&config.center, keeper.record.entry().public());
        Ok(keeper)
    }

    fn serve(&mut self) {
        loop {
            let endpoint = self.endpoint.as_ref().and_then(Endpoint::deadline);
            let deadline = [self.ready.deadline(), Some(self.next_refresh), endpoint].into_iter().flatten().min();
            self.timer.set(deadline);
            let mut set = vec![
                PollFd::new(&self.process, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.mailbox, PollFlags::IN),
                PollFd::new(&self.timer, PollFlags::IN),
            ];
            if let Some(endpoint) = &self.endpoint {
                endpoint.watch(&mut set);
            }
            // EINTR is a signal that its descriptor reports in the next round.
            let _ = poll(&mut set, None);
            let woken: Vec<bool> = set.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(set);
            if woken[0] || woken[1] && !self.signals.take().is_empty() {
                break;
            }
            if woken[2] {
                self.take_messages();
            }
            if woken[3] {
                self.timer.clear();
                self.keep_time();
            }
            if let Some(endpoint) = &mut self.endpoint {
                let (entry, mailbox) = (self.record.shared(), &self.mailbox);
                // Without a thread for them callers get no answer; the listing still finds the process alive.
                let _ = endpoint.serve(|| App::new(Arc::clone(&entry), mailbox.post(), None));
            }
        }
        self.finish();
    }

    fn take_messages(&mut self) {
        for message in self.mailbox.take() {
            if let Message::Terminate(reply) = message {
                let _ = self.record.change(|entry| entry.state = State::Stopping);
                let (root, grace) = ((self.child.pid, self.child.token), self.grace);
                let ending = std::thread::Builder::new().name("ending".to_owned()).spawn(move || {
                    let ended = end(&Ending { roots: &[root], also: &|_| false, spare_sessions: true, grace });
                    let left: Vec<_> = ended.refused.into_iter().map(|(one, _)| one).chain(ended.survived).collect();
                    let terminated =
                        Terminated { killed: leftovers::names(&ended.killed), left: leftovers::names(&left) };
                    // A caller that hung up needs no answer.
                    let _ = reply.send(terminated);
                });
                self.ending.extend(ending);
            }
        }
    }

    fn keep_time(&mut self) {
        if self.next_refresh <= Instant::now() {
            self.next_refresh = Instant::now() + REFRESH;
            // The next refresh tries again.
            let _ = self.record.write();
        }
        self.look_for_ports();
    }

    fn look_for_ports(&mut self) {
        let change = self.ready.look();
        if change != Change::Nothing {
            let _ = self.record.found(self.ready.ports(), change);
        }
    }

    fn finish(&mut self) {
        if let Some(history) = History::ours().filter(|_| !process::is_alive(self.child.pid, self.child.token)) {
            let entry = self.record.entry().clone();
            let mut end = End::lost(&entry, now_ms());
            if !self.ending.is_empty() {
                // Its parent alone knows the status, and we know who asked for the end.
                end = End { signal: Some("SIGTERM".to_owned()), lost: false, ..end };
            }
            // Where it cannot be written it is not remembered.
            let _ = history.record(&entry, end);
        }
        let _ = self.record.remove();
        for ending in self.ending.drain(..) {
            let _ = ending.join();
        }
        if let Some(mut endpoint) = self.endpoint.take() {
            endpoint.close();
        }
    }
}
