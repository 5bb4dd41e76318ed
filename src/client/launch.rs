//! The start: what the streams are, a keeper, and what it needs to know.

use super::tell::tell;
use super::{CAUGHT, Client, Errand, Outcome, Outputs, Plan, Terminal};
use crate::error::{Error, not_started};
use crate::registry::entry::Mode;
use crate::sys::pty::Pty;
use crate::sys::reopen::Sink;
use crate::sys::signal::Signals;
use crate::sys::tty::{Modes, Size};
use crate::sys::{inherited, process, spawn};
use crate::wire::{Failed, Kind, Launch, Outbox, Route, Streams, VERSION};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use rustix::fs::{FileType, fstat};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::termios::isatty;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::rc::Rc;

/// Runs the command in our own place. Returns only where that is impossible.
pub fn bare(plan: &Plan) -> Outcome {
    let mut command = Command::new(&plan.command[0]);
    command.args(&plan.command[1..]);
    let error = spawn::replace(&mut command);
    let (code, message) = not_started(&plan.command[0], &error);
    say_failed(plan, &Failed { code, message });
    Outcome::Exit(code)
}

/// Says why nothing runs, and what was perhaps meant.
pub fn say_failed(plan: &Plan, failed: &Failed) {
    match (plan.suggest)(&plan.command[0]).filter(|_| failed.code == NOT_FOUND) {
        Some(hint) => tell(&format!("{}; {hint}", failed.message)),
        None => tell(&failed.message),
    }
}

/// The exit code of a command that was not found.
const NOT_FOUND: u8 = 127;

/// Starts a keeper and hands it the command. An error means that nothing was started.
pub fn launch(plan: &Rc<Plan>) -> Result<Client, Error> {
    let stdio = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let terminals = [0, 1, 2].map(|fd| !inherited::was_closed(fd) && isatty(stdio[fd as usize]));
    let on_terminal = terminals[0] && terminals[1];
    let in_terminal_mode = on_terminal || plan.pty || plan.detach.is_some();

    // If the keeper is killed, what it started becomes ours to finish instead of init's.
    process::become_subreaper(true);
    let inherited = inherited::descriptors();
    let (socket, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
            .map_err(|error| Error::system("make a socket pair", error))?;
    let pty = in_terminal_mode.then(Pty::open).transpose().map_err(|error| Error::system("open a PTY", error))?;
    let copy = pty.as_ref().filter(|_| on_terminal && plan.detach.is_none()).and_then(|pty| pty.try_clone().ok());
    let run_keeper = plan.keeper;
    // Forked and not started anew: that would cost more than the rest of the start, and what neither changes is in
    // memory once. Before anything of ours is opened or caught that it should not have.
    let ours: Vec<RawFd> =
        [Some(socket.as_raw_fd()), copy.as_ref().map(|pty| pty.as_fd().as_raw_fd())].into_iter().flatten().collect();
    let keeper = spawn::fork(in_terminal_mode, move || {
        // The child's copy of the client's end: while it is open, nobody would notice that the client is gone.
        inherited::close(&ours);
        run_keeper(theirs, pty)
    })
    .map_err(|error| Error::system("start a keeper", error))?;
    let signals = Signals::catch(&CAUGHT).map_err(|error| Error::system("catch signals", error))?;

    let mut terminal = None;
    let mut before = None;
    if on_terminal && plan.detach.is_none() {
        let outer = Terminal::open(stdio[0]).map_err(|error| Error::system("open the terminal", error))?;
        before = outer.modes().ok();
        terminal = Some(outer);
    }
    let streams = if in_terminal_mode {
        let replaced =
            if plan.detach.is_some() { [true; 3] } else { [true, true, terminals[2] || plan.pty && !on_terminal] };
        terminal_streams(terminal.as_mut(), before, replaced, plan.detach.map_or_else(Size::default, |it| it.size))
    } else {
        pipe_streams(stdio)
    };
    let outputs = match &streams {
        _ if plan.detach.is_some() => Outputs::new(None, None, Vec::new()),
        Streams::Terminal { .. } => Outputs::new(sink(stdio[1]), None, Vec::new()),
        Streams::Pipe { out, err } => {
            let sink_of = |route: Route, fd: usize| if route == Route::Relayed { sink(stdio[fd]) } else { None };
            let relayed = [(1, *out), (2, *err)].into_iter().filter(|(_, route)| *route != Route::Inherited);
            Outputs::new(sink_of(*out, 1), sink_of(*err, 2), relayed.map(|(fd, _)| fd).collect())
        }
    };
    let input = (plan.pty && !on_terminal && plan.detach.is_none() && !inherited::was_closed(0))
        .then(|| stdio[0].try_clone_to_owned().ok())
        .flatten();

    let mut outbox = Outbox::default();
    outbox.push_json(
        Kind::Launch,
        &Launch {
            version: VERSION,
            streams,
            detached: plan.detach.is_some(),
            name: plan.name.clone(),
            port: plan.port,
        },
    );
    let mut arguments = Vec::new();
    for word in &plan.command {
        arguments.extend_from_slice(word.as_bytes());
        arguments.push(0);
    }
    outbox.push(Kind::Arguments, &arguments);
    outbox.push(Kind::Go, &[]);
    // What does not fit goes with the loop; a keeper that is gone already shows itself there.
    let _ = outbox.flush(&socket);
    let errand = match plan.detach {
        Some(detach) => Errand::Leave(Rc::clone(plan), detach),
        None => Errand::Run(Rc::clone(plan)),
    };
    let mode = if in_terminal_mode { Mode::Terminal } else { Mode::Pipe };
    let client = Client::new(errand, mode, keeper, (socket, outbox), signals);
    Ok(Client { outputs, pty: copy, terminal, input, inherited, ..client })
}

/// Takes the terminal and says all about it that the command's own is to have; without one it has this size.
fn terminal_streams(
    terminal: Option<&mut Terminal>,
    before: Option<Modes>,
    replaced: [bool; 3],
    size: Size,
) -> Streams {
    let Some(terminal) = terminal else {
        return Streams::Terminal { modes: None, size, foreground: true, terminals: replaced, typed: Vec::new() };
    };
    let foreground = terminal.is_ours();
    let mut typed = Vec::new();
    // A terminal that cannot be made raw is relayed as it is: the command still runs.
    if foreground && terminal.take().is_ok() {
        typed = before.as_ref().map(|before| terminal.typed_ahead(before)).unwrap_or_default();
    }
    Streams::Terminal { modes: before, size: terminal.size(), foreground, terminals: replaced, typed }
}

/// Pipes and sockets are relayed, as one where both are the same. Terminals, files and devices are inherited as they
/// are: a full disk is the command's to hear of, and a file has one position for all who write to it.
fn pipe_streams(stdio: [BorrowedFd<'_>; 3]) -> Streams {
    let route = |fd: usize| {
        let kind = fstat(stdio[fd]).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let is_relayed = matches!(kind, Ok(FileType::Fifo | FileType::Socket)) && !inherited::was_closed(fd as RawFd);
        if is_relayed { Route::Relayed } else { Route::Inherited }
    };
    let (out, mut err) = (route(1), route(2));
    if out == Route::Relayed && err == Route::Relayed && same_file(stdio[1], stdio[2]) {
        err = Route::WithOut;
    }
    Streams::Pipe { out, err }
}

fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (fstat(a), fstat(b)) {
        (Ok(a), Ok(b)) => {
            a.st_dev == b.st_dev
                && a.st_ino == b.st_ino
                && FileType::from_raw_mode(a.st_mode) == FileType::from_raw_mode(b.st_mode)
        }
        _ => false,
    }
}

fn sink(fd: BorrowedFd<'_>) -> Option<Sink> {
    if inherited::was_closed(fd.as_raw_fd()) { None } else { Sink::open(fd).ok() }
}
