//! `wrap adopt`: makes a process known that wrap did not start.

use super::{USAGE, print};
use crate::cli::AdoptArgs;
use crate::error::Error;
use crate::files;
use crate::keeper::{self, Adoptee};
use crate::registry::INSTANCE_VARIABLE;
use crate::registry::Registry;
use crate::registry::entry::{Entry, Mode};
use crate::render::announcement::Announcement;
use crate::render::visible;
use crate::sys::ports::{self, Listener};
use crate::sys::process::{self, Process};
use crate::sys::spawn;
use anyhow::{Context, bail};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

/// The exit code where there is no such process.
const NO_PROCESS: u8 = 3;

/// Starts a keeper for it, and says what it is called.
pub fn run(args: &AdoptArgs) -> anyhow::Result<ExitCode> {
    let number = args.process.strip_prefix(':').unwrap_or(&args.process);
    if number.parse::<u32>().is_err() {
        complain!("wrap: `{}` is neither a pid nor a :PORT", visible(&args.process));
        return Ok(ExitCode::from(USAGE));
    }
    let Some(found) = find(&args.process)? else { return Ok(ExitCode::from(NO_PROCESS)) };
    may_be_adopted(&found)?;
    let (mut read, write) = pipe_with(PipeFlags::CLOEXEC)
        .map(|(read, write)| (File::from(read), write))
        .map_err(|error| Error::system("make a pipe", error))?;
    let name = args.name.as_deref().and_then(files::name);
    let adoptee = Adoptee { pid: found.pid, token: found.token, name };
    // Forked before there is any other thread; it leads a session of its own, so that no key here means it.
    let inherited = crate::sys::inherited::descriptors();
    spawn::fork(
        true,
        std::panic::AssertUnwindSafe(move || {
            crate::sys::inherited::close(&inherited);
            crate::sys::inherited::replace_by_null(&[1, 2]);
            keeper::adopt(&adoptee, write)
        }),
    )
    .map_err(|error| Error::system("start a keeper", error))?;
    let mut report = String::new();
    read.read_to_string(&mut report).context("the keeper did not say what became of it")?;
    let Ok(entry) = serde_json::from_str::<Entry>(&report) else {
        let why = if report.is_empty() { "its keeper ended at once" } else { &report };
        bail!("cannot adopt `{}`: {}", found.pid, visible(why));
    };
    print(&Announcement::of(&entry, entry.ready == Some(true)).text(args.json))?;
    Ok(ExitCode::SUCCESS)
}

/// The process that is meant; `None` where there is none, which was said.
fn find(word: &str) -> anyhow::Result<Option<Process>> {
    if let Some(port) = word.strip_prefix(':') {
        let port: u16 = port.parse().with_context(|| format!("`{}` is no port", visible(word)))?;
        let listening: Vec<Listener> =
            ports::listeners(None).into_iter().filter(|listener| listener.port == port).collect();
        let found = ports::holder(&listening);
        if found.is_none() {
            let whose = if listening.is_empty() { "nothing listens on" } else { "another user listens on" };
            complain!("wrap: {whose} port `{port}`; `ss -ltnp` shows what listens where");
        }
        return Ok(found);
    }
    let pid: u32 = word.parse().with_context(|| format!("`{}` is neither a pid nor a :PORT", visible(word)))?;
    let found = process::look(pid)?.filter(|process| !process.is_dead());
    if found.is_none() {
        complain!("wrap: there is no process `{pid}`");
    }
    Ok(found)
}

/// Refuses what is not ours to keep, or is kept already.
fn may_be_adopted(found: &Process) -> anyhow::Result<()> {
    let pid = found.pid;
    let us = rustix::process::getuid().as_raw();
    match process::owner(pid) {
        Some(owner) if owner == us => {}
        Some(owner) => bail!("process `{pid}` belongs to user {owner}; only your own can be adopted"),
        None => bail!("process `{pid}` has ended meanwhile"),
    }
    let own: Vec<u32> = ancestors(std::process::id());
    if pid == 1 || own.contains(&pid) {
        bail!("process `{pid}` is where this command itself runs; name the one that you mean");
    }
    let words = process::arguments(pid);
    if words.is_empty() {
        bail!("process `{pid}` is one of the kernel's");
    }
    let id = process::environment(pid, INSTANCE_VARIABLE);
    for registry in Registry::existing().0 {
        for entry in registry.read_all().entries.into_iter().map(|found| found.entry) {
            let is_its_own = entry.pid == pid || entry.child_pid == Some(pid);
            let is_below = entry.mode != Mode::Adopted && id.as_ref() == Some(&entry.instance_id);
            if (is_its_own || is_below) && process::is_alive(entry.pid, entry.pid_token) {
                bail!("process `{pid}` is known already, as `{}` ({})", visible(&entry.project_name), entry.short_id());
            }
        }
    }
    Ok(())
}

/// A process and all that it comes from.
fn ancestors(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    while let Some(parent) = found.last().and_then(|pid| process::look(*pid).ok().flatten()).map(|one| one.parent) {
        if parent == 0 || found.contains(&parent) {
            break;
        }
        found.push(parent);
    }
    found
}
