//! The spawn of the command: its streams, its place among the processes, its environment.

use super::life::Child;
use super::relay::{Ends, type_ahead};
use crate::error::Error;
use crate::sys::pty::{self, Pty};
use crate::sys::spawn::{self, Standing};
use crate::sys::{inherited, process, signal, tty};
use crate::wire::{Route, Streams};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

/// An environment, sorted by name.
pub type Environment = BTreeMap<OsString, OsString>;

/// Everything for the command's streams, before it is spawned.
pub struct Prepared {
    /// The command's own ends: what standard input, output and error become; `None` is inherited.
    theirs: [Option<OwnedFd>; 3],
    /// Whether it stands in a group of its own, and is the foreground of its terminal.
    terminal: Option<bool>,
}

/// Makes the PTY the command's terminal, or opens its pipes.
pub fn prepare(streams: &Streams, pty: Option<Pty>) -> Result<(Prepared, Ends), Error> {
    match streams {
        Streams::Terminal { modes, size, foreground, terminals, typed } => {
            let pty = pty.ok_or_else(|| Error::Message("the client has opened no PTY".to_owned()))?;
            let slave = pty.set_up(*size, modes.as_ref()).map_err(|error| Error::system("open the PTY", error))?;
            pty::control(&slave).map_err(|error| Error::system("make the PTY our controlling terminal", error))?;
            // The foreground is given back after a stop; from the background that would stop us.
            signal::ignore(libc::SIGTTOU);
            signal::ignore(libc::SIGTTIN);
            if let Err(error) = type_ahead(&pty, &slave, typed) {
                return Err(Error::system("type ahead", error));
            }
            let mut theirs = [None, None, None];
            for (end, is_terminal) in theirs.iter_mut().zip(terminals) {
                if *is_terminal {
                    *end = Some(slave.try_clone().map_err(|error| Error::system("copy a descriptor", error))?);
                }
            }
            let ends = Ends::Terminal { pty, held: None, input: Vec::new(), ended: false };
            // Held until the spawn by `theirs`; a command with no terminal at all gets the session's anyway.
            Ok((Prepared { theirs, terminal: Some(*foreground) }, ends))
        }
        Streams::Pipe { out, err } => {
            let (mut our_out, mut our_err) = (None, None);
            let mut theirs = [None, None, None];
            if *out == Route::Relayed {
                let (read, write) = pipe()?;
                if *err == Route::WithOut {
                    theirs[2] = Some(write.try_clone().map_err(|error| Error::system("copy a descriptor", error))?);
                }
                theirs[1] = Some(write);
                our_out = Some(read);
            }
            if *err == Route::Relayed {
                let (read, write) = pipe()?;
                theirs[2] = Some(write);
                our_err = Some(read);
            }
            Ok((Prepared { theirs, terminal: None }, Ends::Pipe { out: our_out, err: our_err }))
        }
    }
}

/// A pipe whose reading end never blocks; the writing end, which the command gets, does.
fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| Error::system("make a pipe", error))?;
    rustix::io::ioctl_fionbio(&read, true).map_err(|error| Error::system("prepare a pipe", error))?;
    Ok((read, write))
}

/// The command's words, behind a shell where sockets were passed to our client: they are for one process alone, by its
/// pid (`LISTEN_PID`, sd_listen_fds(3)), which for the command nobody knows before it is there but itself.
pub fn addressed(command: &[OsString], client: Option<u32>) -> Vec<OsString> {
    let listener = std::env::var("LISTEN_PID").ok().and_then(|pid| pid.parse().ok());
    if client.is_none() || listener != client {
        return command.to_vec();
    }
    let shell = ["/bin/sh", "-c", "LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"", "wrap"];
    shell.into_iter().map(OsString::from).chain(command.iter().cloned()).collect()
}

/// Whether the command has standard output and standard error from our caller. In the place of one that was closed the
/// runtime has put something else.
pub fn inherited_outputs(streams: &Streams) -> [bool; 2] {
    let are = match streams {
        Streams::Terminal { terminals, .. } => [!terminals[1], !terminals[2]],
        Streams::Pipe { out, err } => [*out, *err].map(|route| route == Route::Inherited),
    };
    [are[0] && !inherited::was_closed(1), are[1] && !inherited::was_closed(2)]
}

/// Outputs that the command inherits from our caller and that another run can be given again: files and terminals,
/// but no pipes, of which a copy of ours would hide the end from its reader.
pub fn keep_outputs(streams: &Streams) -> [Option<OwnedFd>; 2] {
    let is_inherited = inherited_outputs(streams);
    let keep = |fd: BorrowedFd<'_>| {
        let kind = rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)).ok()?;
        let may = matches!(kind, FileType::RegularFile | FileType::CharacterDevice);
        if may { rustix::io::fcntl_dupfd_cloexec(fd, 3).ok() } else { None }
    };
    let of = |at: usize, fd: BorrowedFd<'_>| if is_inherited[at] { keep(fd) } else { None };
    [of(0, rustix::stdio::stdout()), of(1, rustix::stdio::stderr())]
}

/// Spawns the command. `environment` is added to `base`, or to our own; `None` removes a variable. `kept` has the
/// outputs that it inherits, where ours are not those any more.
pub fn spawn(
    mut prepared: Prepared,
    command: &[OsString],
    base: Option<&Environment>,
    environment: &[(String, Option<OsString>)],
    ends: &Ends,
    kept: &[Option<OwnedFd>; 2],
) -> io::Result<Child> {
    for (theirs, kept) in prepared.theirs[1..].iter_mut().zip(kept) {
        if let (None, Some(kept)) = (&theirs, kept) {
            *theirs = Some(kept.try_clone()?);
        }
    }
    let mut builder = Command::new(&command[0]);
    builder.args(&command[1..]);
    if let Some(base) = base {
        builder.env_clear().envs(base);
    }
    for (name, value) in environment {
        match value {
            Some(value) => builder.env(name, value),
            None => builder.env_remove(name),
        };
    }
    let replaced = [0, 1, 2].map(|fd: usize| prepared.theirs[fd].is_some());
    let [stdin, stdout, stderr] = prepared.theirs;
    for (end, set) in [
        (stdin, Command::stdin as fn(&mut Command, Stdio) -> &mut Command),
        (stdout, Command::stdout),
        (stderr, Command::stderr),
    ] {
        if let Some(end) = end {
            set(&mut builder, Stdio::from(end));
        }
    }
    let pty = match ends {
        Ends::Terminal { pty, .. } => Some(pty),
        Ends::Pipe { .. } => None,
    };
    let standing = match (prepared.terminal, pty) {
        (Some(foreground), Some(pty)) => Standing::OwnGroup(Some(pty.as_fd()).filter(|_| foreground)),
        _ => Standing::Callers,
    };
    let child = spawn::command(&mut builder, standing, replaced)?;
    let pid = child.id();
    // It cannot have been waited for by anyone but us, so its token is its own even if it has ended already.
    let token = process::look(pid).ok().flatten().map_or(0, |process| process.token);
    Ok(Child { pid, token, leads_group: prepared.terminal.is_some() })
}

/// Takes the terminal away from the command's group, because it was stopped; what was in the foreground.
pub fn take_foreground(pty: &Pty) -> Option<u32> {
    let before = tty::foreground(pty);
    let _ = tty::set_foreground(pty, std::process::id());
    before
}

/// Puts a group into the foreground of the command's terminal.
pub fn give_foreground(pty: &Pty, group: u32) {
    let _ = tty::set_foreground(pty, group);
}
