//! `wrap list --watch`: the list again at each change. The control center's stream tells of them where one runs; else
//! the directories are watched, and those who only hang are found by a look every ten seconds.

use super::list::text;
use super::{INTERRUPTED, print, print_on};
use crate::cli::{Format, ListArgs};
use crate::ping;
use crate::registry::Registry;
use crate::registry::center::running;
use crate::sys::watch::Watch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How often it is looked without a change: as old as a health may be that somebody else has found out.
const LOOK: Duration = Duration::from_secs(10);

/// What happens within so long is shown at once: a start alone writes its entry three times.
const TOGETHER: Duration = Duration::from_millis(50);

/// Of a screen that is drawn on, line by line without a break, and given back as it was.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Shows it until Ctrl-C, or until nobody reads any more.
pub fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let on_terminal = io::stdout().is_terminal();
    ctrlc::set_handler(move || {
        if on_terminal {
            let _ = print(LEAVE);
        }
        std::process::exit(INTERRUPTED)
    })?;
    if on_terminal {
        print(ENTER)?;
    }
    let (sender, changes) = changes();
    if on_terminal {
        follow_terminal(sender);
    }
    let mut last = String::new();
    loop {
        let text = text(args);
        if on_terminal {
            draw(&text)?;
        } else if args.json || args.format == Format::Json {
            // A line each time, for programs that read lines; within a text of JSON no line breaks.
            let line: String = text.lines().map(str::trim_start).collect();
            if !print_on(&format!("{line}\n"))? {
                return Ok(ExitCode::SUCCESS);
            }
        } else if text != last {
            let gap = if last.is_empty() { "" } else { "\n" };
            if !print_on(&format!("{gap}{text}"))? {
                return Ok(ExitCode::SUCCESS);
            }
            last = text;
        }
        if let Err(RecvTimeoutError::Disconnected) = changes.recv_timeout(LOOK) {
            thread::sleep(LOOK);
        }
        thread::sleep(TOGETHER);
        while changes.try_recv().is_ok() {}
    }
}

/// Over what stood there: line by line, so that nothing flickers; what does not fit is left out.
fn draw(text: &str) -> io::Result<()> {
    let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(24, |size| usize::from(size.ws_row.max(3)));
    let mut drawn = "\x1b[H".to_owned();
    let count = text.lines().count();
    let room = if count < rows { count } else { rows - 2 };
    for line in text.lines().take(room) {
        // Erased first: behind a line that fills the row, it would take the last character away.
        drawn.extend(["\x1b[K", line, "\r\n"]);
    }
    if room < count {
        let _ = write!(drawn, "\x1b[K… {} more lines\r\n", count - room);
    }
    drawn.push_str("\x1b[J");
    print(&drawn)
}

/// Something comes out whenever the list may be another.
fn changes() -> (Sender<()>, Receiver<()>) {
    let (sender, receiver) = channel();
    let further = sender.clone();
    // Without the thread it is looked every ten seconds.
    let _ = thread::Builder::new().name("changes".to_owned()).spawn(move || {
        // Made where it is missing: what does not exist cannot be watched.
        let _ = Registry::open_or_create();
        let watch = Watch::new();
        // A stream that has ended means another look, and the next best way to hear of changes.
        while sender.send(()).is_ok() {
            if follow_center(&sender).is_none() {
                wait_for_directories(watch.as_ref().ok());
            }
        }
    });
    (further, receiver)
}

/// A terminal of another size is drawn anew; one that is left by Ctrl-Z is given back meanwhile.
fn follow_terminal(sender: Sender<()>) {
    let Ok(mut signals) = Signals::new([SIGWINCH, SIGTSTP]) else { return };
    // Without the thread, the next change draws it right.
    let _ = thread::Builder::new().name("terminal".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGTSTP {
                let _ = print(LEAVE);
                // Returns when we are continued.
                let _ = emulate_default_handler(SIGTSTP);
                let _ = print(ENTER);
            }
            if sender.send(()).is_err() {
                return;
            }
        }
    });
}

/// As long as the control center's stream lasts. `None` where there is none.
fn follow_center(sender: &Sender<()>) -> Option<()> {
    let (listening, token) = running()?;
    if !ping::is_ours(&listening.url) {
        return None;
    }
    let request = ping::patient().get(format!("{}/stream", listening.url));
    let mut response = request.header("Authorization", format!("Bearer {token}")).call().ok()?;
    if response.status() != 200 {
        return None;
    }
    let reader = BufReader::new(response.body_mut().as_reader());
    for line in reader.lines() {
        let line = line.ok()?;
        if line.starts_with("event: instance-") && !line.ends_with("-usage") {
            sender.send(()).ok()?;
        }
    }
    Some(())
}

/// Until something changes in a registry, or a control center may have come.
fn wait_for_directories(watch: Option<&Watch>) {
    let added = |watch: &&Watch| {
        let dirs = Registry::existing().0.into_iter().map(|registry| registry.entries_dir());
        dirs.filter(|dir| watch.add(dir)).count() > 0
    };
    let Some(watch) = watch.filter(added) else { return thread::sleep(LOOK) };
    let limit = Timespec { tv_sec: LOOK.as_secs().cast_signed(), tv_nsec: 0 };
    let _ = poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&limit));
    // Before the look that follows: what changes during it is told the next time.
    watch.clear();
}
