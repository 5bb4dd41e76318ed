//! What a command leaves behind: found below the keeper, which is the parent of every orphan of it, and stopped.

use crate::config::Leftovers as Rule;
use crate::files;
use crate::hooks::HOOK_VARIABLE;
use crate::sys::ports;
use crate::sys::process::{self, Handle, Process};
use crate::sys::signal;
use crate::wire::KEEPER;

/// What is still there after the command's end.
#[derive(Default)]
pub struct Left {
    /// To be stopped.
    pub stop: Vec<Process>,
    /// To be named and kept.
    pub keep: Vec<Process>,
}

/// Looks below this process, for what belongs to the instance `id` and no hook of it has started. `session` is the command's session, `known` the ports that it has listened on.
///
/// What runs in the command's session, or answers on its port, belongs to it. What leads a session of its own (a
/// browser that it opened, a build daemon) was put there to outlive it.
pub fn find(rule: Rule, id: &str, session: u32, known: &[u16]) -> Left {
    let mut all = process::descendants(std::process::id());
    all.retain(|process| !sees_to_itself(process) && !process::has_environment(process.pid, HOOK_VARIABLE, id));
    if all.is_empty() {
        return Left::default();
    }
    let listeners = if known.is_empty() { Vec::new() } else { ports::listeners(None) };
    let (stop, keep) = all.into_iter().partition(|process| match rule {
        Rule::StopAll => true,
        Rule::Keep => false,
        Rule::Stop => {
            process.session == session
                || ports::of_tree(&[process.pid], &listeners).iter().any(|listener| known.contains(&listener.port))
        }
    });
    Left { stop, keep }
}

/// A session's leader that is another keeper (wrap inside wrap), or that is on its way out: its words are gone already
/// (proc(5), cmdline).
fn sees_to_itself(process: &Process) -> bool {
    if process.session != process.pid {
        return false;
    }
    let read = || std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    let mut words = read();
    if words.is_empty() {
        if process::is_in_exec(process.pid) {
            // It has no words yet: a daemon that is just being started.
            return false;
        }
        // Unless it was, between the two looks.
        words = read();
    }
    // A short command line leaves room for only the beginning of a keeper's name.
    let is_keeper = |word: &[u8]| !word.is_empty() && KEEPER.as_bytes().starts_with(word);
    words.is_empty() || (words.starts_with(b"wrap\0") && words.split(|byte| *byte == 0).nth(1).is_some_and(is_keeper))
}

/// The kernel keeps fifteen bytes of a process's name (proc(5), comm).
const NAME: usize = 15;

/// Sends a signal to each of them that is still the process that was found; a stopped one is continued, or it
/// could not act on it.
pub fn signal_each(processes: &[Process], number: i32) {
    for process in processes {
        if let Ok(Some(handle)) = Handle::open(process.pid, process.token)
            && let Some(named) = signal::named(number)
        {
            // One that ends in this moment is what we want.
            let _ = handle.signal(named);
            let _ = handle.signal(rustix::process::Signal::CONT);
        }
    }
}

/// `name (pid)` of each.
pub fn names(processes: &[Process]) -> Vec<String> {
    // A process names itself; escape sequences in it are not for the user's terminal.
    processes.iter().map(|process| format!("`{}` ({})", files::printable(&process.name, NAME), process.pid)).collect()
}
