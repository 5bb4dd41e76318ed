//! What a command can see of its surroundings: this binary run again as the command of a case.

use crate::harness::Modes;
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io};

/// Runs the probe of this name and says on standard output what it saw.
pub fn run(name: &str, args: &[std::ffi::OsString]) {
    match name {
        "streams" => streams(),
        "modes" => println!("{:?}\n{}", Modes::of(io::stdin()), size()),
        "size" => println!("{}", size()),
        "signals" => status(&["SigBlk", "SigIgn"]),
        "fds" => descriptors(),
        "surroundings" => surroundings(),
        "environment" => environment(),
        "arguments" => {
            println!("{:?}", args.iter().map(|word| word.as_bytes().escape_ascii().to_string()).collect::<Vec<_>>());
        }
        "signalled" => signalled(),
        "raw" => raw(args),
        other => panic!("no probe is called {other}"),
    }
}

fn size() -> String {
    let size = rustix::termios::tcgetwinsize(io::stdin()).expect("a terminal's size");
    format!("{}x{}", size.ws_row, size.ws_col)
}

fn streams() {
    // SAFETY: the three standard streams are open or isatty fails, which it may.
    let terminals = [0, 1, 2].map(|fd| rustix::termios::isatty(unsafe { BorrowedFd::borrow_raw(fd) }));
    let controlling = fs::File::open("/dev/tty").is_ok();
    let foreground = rustix::termios::tcgetpgrp(io::stdin()).ok() == Some(rustix::process::getpgrp());
    println!("terminals={terminals:?} controlling={controlling} foreground={foreground}");
}

fn status(names: &[&str]) {
    let all = fs::read_to_string("/proc/self/status").expect("our status");
    all.lines().filter(|line| names.iter().any(|name| line.starts_with(name))).for_each(|line| println!("{line}"));
}

fn descriptors() {
    let mut found: Vec<(u32, String)> = fs::read_dir("/proc/self/fd")
        .expect("our descriptors")
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            // The number of a pipe is another each time; that of a terminal is the terminal's.
            let kind = target.split('[').next().unwrap_or_default().trim_end_matches(char::is_numeric).to_owned();
            (!target.starts_with("/proc/")).then_some((number, kind))
        })
        .collect();
    found.sort();
    println!("{found:?}");
}

fn surroundings() {
    status(&["Umask"]);
    print!("{}", fs::read_to_string("/proc/self/limits").expect("our limits"));
    // SAFETY: getpriority takes numbers; 0 means ourselves.
    println!("nice={}", unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) });
    println!("cwd={:?}", env::current_dir().map_err(|error| error.kind()));
}

fn environment() {
    let mut all: Vec<String> = env::vars_os()
        // A shell's `_` is the path of what it has started itself: the launcher.
        .filter(|(name, _)| !name.as_bytes().starts_with(b"WRAP_") && name != "_")
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .collect();
    all.sort();
    println!("{}", all.join("\n"));
}

static CAUGHT: [AtomicU32; 65] = [const { AtomicU32::new(0) }; 65];

extern "C" fn count(signal: i32) {
    CAUGHT[signal as usize].fetch_add(1, Ordering::SeqCst);
}

/// Counts signals until a line `q` comes; says each first arrival's number, so that a test can wait for it.
fn signalled() {
    let handler: extern "C" fn(i32) = count;
    for signal in
        [libc::SIGINT, libc::SIGQUIT, libc::SIGWINCH, libc::SIGCONT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1]
    {
        // SAFETY: the handler only adds to an atomic.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
    println!("ready");
    let mut line = String::new();
    loop {
        line.clear();
        match io::stdin().read_line(&mut line) {
            Ok(0) => break,
            Ok(_) if line.trim() == "q" => break,
            Ok(_) => println!("{}", told()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
    println!("end {}", told());
}

fn told() -> String {
    let caught = (1..65).filter_map(|signal| match CAUGHT[signal].load(Ordering::SeqCst) {
        0 => None,
        // A burst of resizes arrives as one or as several: pending signals of a number are one (signal(7)).
        _ if signal as i32 == libc::SIGWINCH => Some("28:+".to_owned()),
        count => Some(format!("{signal}:{count}")),
    });
    let size = if rustix::termios::isatty(io::stdin()) { size() } else { String::new() };
    format!("caught {:?} {size}", caught.collect::<Vec<_>>())
}

/// Reads so many bytes in raw mode, and says a sum of them.
fn raw(args: &[std::ffi::OsString]) {
    let wanted: usize = args[0].to_str().and_then(|count| count.parse().ok()).expect("a number");
    let before = rustix::termios::tcgetattr(io::stdin()).expect("modes");
    let mut modes = before.clone();
    modes.make_raw();
    rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &modes).expect("raw modes");
    print!("ready");
    io::stdout().flush().expect("written");
    let mut bytes = vec![0; wanted];
    io::stdin().read_exact(&mut bytes).expect("they come");
    rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &before).expect("the modes");
    println!("read {} sum {:x}", bytes.len(), sum(&bytes));
}

/// A sum that tells the order, too (FNV-1a).
pub fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
