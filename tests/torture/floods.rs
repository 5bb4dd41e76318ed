//! More output than anybody reads: nothing of it is lost, and what is held of it is bounded.

use crate::bout::{Bout, Subject};
use crate::harness::{Ending, Sandbox};
use rustix::termios::{Action, tcflow};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub const SUBJECT: Subject = Subject {
    name: "floods",
    what: "1 GB of output, a line of 100 MB without a newline, a million short lines a second, a terminal that takes nothing for a minute",
    share: 4,
    run,
};

/// What a process of ours may have in memory of its own at most, in KiB (RssAnon, proc(5)), whatever is written: the read-ahead
/// (256 KiB), the ring (2 MiB), the screen's 256 KiB and what is parsed of it, the log's 1 MiB, and what they are made of.
const BOUND: u64 = 16 * 1024;

/// Seconds that the whole would take: in less there is a tenth of everything.
const WHOLE: u64 = 90;

fn run(bout: &Bout) {
    let share = if bout.left().as_secs() < WHOLE { 10 } else { 1 };
    let megabytes = 1000 / share;
    // Of fifty bytes, so that a megabyte has 20,000 of them.
    let lines = "yes 'a line of fifty bytes, as builds print so many...' | head -n";
    flood(bout, "MB of lines to a pipe", false, &format!("{lines} {}", megabytes * 20_000), megabytes);
    flood(bout, "MB of lines to a terminal", true, &format!("{lines} {}", megabytes / 4 * 20_000), megabytes / 4);
    flood(
        bout,
        "MB without a newline",
        false,
        &format!("head -c {}000000 /dev/zero | tr '\\0' x", 100 / share),
        100 / share,
    );
    flood(
        bout,
        "MB without a newline to a terminal",
        true,
        &format!("head -c {}000000 /dev/zero | tr '\\0' x", 100 / share),
        100 / share,
    );
    flood(bout, "million short lines", false, &format!("yes | head -n {}000000", 20 / share), 20 / share);
    bout.guarded("a terminal that stops", || {
        stops(bout, if share == 1 { Duration::from_mins(1) } else { Duration::from_secs(3) });
    });
}

/// The command writes it; what arrives is what bare would have arrived, by length and sum.
fn flood(bout: &Bout, what: &'static str, in_terminal: bool, script: &str, count: u64) {
    bout.guarded(what, || {
        let sandbox = Sandbox::new();
        let bare =
            if in_terminal { format!("({script}) | sed 's/$/\\r/' | cksum") } else { format!("({script}) | cksum") };
        // The last line of what has no newline gets none from sed, but a carriage return.
        let bare = if script.contains("tr ") { format!("({script}) | cksum") } else { bare };
        let expected = sandbox.run("bash", ["-c", &bare]).piped().expect_code(0).out();
        let pty = if in_terminal { "--pty" } else { "" };
        let over = AtomicBool::new(false);
        let most = AtomicU64::new(0);
        let seen = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let all = sandbox.processes();
                    let ours = all.iter().filter(|one| one.line.starts_with("wrap "));
                    for one in ours {
                        most.fetch_max(private(one.pid), Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(50));
                }
            });
            let line = format!("wrap {pty} sh -c \"$SCRIPT\" | cksum");
            let launch = sandbox.run("bash", ["-c", &line]).env("SCRIPT", script);
            let finished = launch.start().finish_within(Duration::from_mins(5));
            over.store(true, Ordering::Relaxed);
            finished.expect_code(0).out()
        });
        assert_eq!(seen, expected, "{script}: what arrived is other than bare");
        let most = most.load(Ordering::Relaxed);
        assert!(most > 0 && most <= BOUND, "{script}: {most} KiB of memory");
        bout.count(what, count);
    });
}

/// Ctrl-S, in the user's own terminal; then Ctrl-Q.
fn stops(bout: &Bout, time: Duration) {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["sh", "-c", "seq 400000; echo e''nd; exit 5"]).terminal();
    let tty = fs::read_link(format!("/proc/{}/fd/0", terminal.pid())).expect("its terminal");
    let tty = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(tty).expect("opened");
    tcflow(&tty, Action::OOff).expect("stopped");
    let (from, mut most) = (Instant::now(), 0);
    while from.elapsed() < time {
        let all = sandbox.processes();
        let ours = all.iter().filter(|one| one.line.starts_with("wrap __keeper") || one.pid == terminal.pid());
        most = ours.map(|one| private(one.pid)).max().unwrap_or(0).max(most);
        thread::sleep(Duration::from_millis(100));
    }
    tcflow(&tty, Action::OOn).expect("continued");
    drop(tty);
    assert_eq!(terminal.wait_end_within(Duration::from_mins(1)), Ending::Code(5));
    let output = String::from_utf8_lossy(&terminal.output()).into_owned();
    let mut next = 1_u32;
    for line in output.lines() {
        if line.trim_end() == next.to_string() {
            next += 1;
        }
    }
    assert_eq!(next, 400_001, "lines are missing");
    assert!(output.contains("end"), "the last one is missing");
    assert!(most <= BOUND, "{most} KiB of memory");
    bout.count("seconds of a stopped terminal", time.as_secs());
}

/// What a process has in memory that is its own, in KiB.
fn private(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
