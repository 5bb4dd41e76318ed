//! Many instances for a long time, restarted, attached to and looked at: descriptors, threads and memory stay as they are, and
//! who does nothing costs nothing.

use crate::bout::{Bout, Subject};
use crate::harness::{Center, Sandbox};
use fastrand::Rng;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

pub const SUBJECT: Subject = Subject {
    name: "soak",
    what: "50 instances with restarts, attaches, logs and a control center with 20 readers",
    share: 12,
    run,
};

/// Instances, where there is time for them.
const MANY: u32 = 50;
/// Readers of the stream.
const READERS: u32 = 20;
/// From here on the slope says something.
const LONG: Duration = Duration::from_mins(2);

/// How much more memory of its own a process may have in the last quarter than in the second, in KiB: an allocator keeps what it
/// needs once for a while, and what a leak of 10 bytes a second would take in an hour is beyond it.
const MORE_MEMORY: f64 = 512.0;
/// How much processor time an instance may take in a second of the end, when nobody does anything, in parts of a core.
const IDLE: f64 = 0.002;

/// What is looked at, of keepers and center together.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    descriptors: u32,
    threads: u32,
    memory: u32,
}

fn run(bout: &Bout) {
    let sandbox = Sandbox::new();
    let is_long = bout.left() > LONG;
    let (instances, readers) = if is_long { (MANY, READERS) } else { (6, 3) };
    for number in 0..instances {
        let name = format!("i{number}");
        let script = "while :; do date; sleep 5 & wait; done";
        sandbox.wrap(["-d", "-n", &name, "sh", "-c", script]).piped().expect_code(0);
    }
    let center = Center::start(&sandbox);
    let streams: Vec<_> = (0..readers).map(|_| center.events("/stream", None)).collect();
    let keepers = |sandbox: &Sandbox| -> Vec<u32> { sandbox.instances().iter().map(|one| one.pid).collect() };
    let pids = keepers(&sandbox);
    assert_eq!(pids.len(), instances as usize);
    let mut random = Rng::with_seed(7);
    let until =
        Instant::now() + bout.left().saturating_sub(if is_long { Duration::from_secs(20) } else { Duration::ZERO });
    let mut samples = Vec::new();
    loop {
        for _ in 0..3 {
            act(bout, &sandbox, &format!("i{}", random.u32(..instances)), random.u8(..6));
        }
        samples.push(sample(&pids, center.pid));
        if Instant::now() > until {
            break;
        }
        thread::sleep(Duration::from_millis(if is_long { 400 } else { 50 }));
    }
    assert_eq!(keepers(&sandbox), pids, "keepers are those of the beginning");
    bout.count("instances", instances.into());
    if is_long {
        // Threads that answer a caller come and go; what nobody uses any more must have gone.
        let quarter = samples.len() / 4;
        let [early, late] = [mean(&samples[quarter..2 * quarter]), mean(&samples[3 * quarter..])];
        let said = format!("{early:?} in the second quarter, {late:?} in the last");
        assert!(late[0] <= early[0] + 2.0, "descriptors grow: {said}");
        assert!(late[1] <= early[1] + 2.0, "threads grow: {said}");
        let each = (late[2] - early[2]) / f64::from(instances + 1);
        assert!(each <= MORE_MEMORY, "memory grows by {each} KiB each: {said}");
        println!("soak: descriptors, threads and KiB of all: {said}");
        let before = ticks(&pids);
        thread::sleep(Duration::from_secs(15));
        // A tick is a hundredth of a second (sysconf(3), _SC_CLK_TCK).
        let idle = f64::from(ticks(&pids) - before) / 100.0 / 15.0 / f64::from(instances);
        println!("soak: {:.4} % of a core for each keeper while its command prints a line every 5 s", idle * 100.0);
        assert!(idle <= IDLE, "{idle} of a core each");
    }
    drop(streams);
    drop(center);
    sandbox.stop_all();
}

/// What people do to an instance.
fn act(bout: &Bout, sandbox: &Sandbox, name: &str, what: u8) {
    match what {
        0 => {
            sandbox.wrap(["restart", name]).piped().expect_code(0);
            bout.count("restarts", 1);
        }
        1 | 2 => {
            let terminal = sandbox.wrap(["attach", name]).terminal();
            terminal.wait_until("something", |shown| !shown.trim().is_empty());
            terminal.send(b"\x1cd");
            terminal.wait_end();
            bout.count("attaches", 1);
        }
        3 => drop(sandbox.wrap(["logs", "-n", "5", name]).piped().expect_code(0)),
        4 => drop(sandbox.wrap(["screen", name]).piped().expect_code(0)),
        _ => drop(sandbox.wrap(["send", name, "x"]).piped()),
    }
}

fn sample(keepers: &[u32], center: u32) -> Sample {
    let mut all = Sample::default();
    for pid in keepers.iter().chain([&center]) {
        all.descriptors += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as u32;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| -> u32 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        all.threads += field("Threads:");
        all.memory += field("RssAnon:");
    }
    all
}

/// Descriptors, threads, KiB.
fn mean(samples: &[Sample]) -> [f64; 3] {
    let count = f64::from(samples.len().max(1) as u32);
    let of = |value: fn(&Sample) -> f64| samples.iter().map(value).sum::<f64>() / count;
    [of(|one| one.descriptors.into()), of(|one| one.threads.into()), of(|one| one.memory.into())]
}

/// Processor time of all of them.
fn ticks(pids: &[u32]) -> u32 {
    let of = |pid: &u32| -> u32 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum()
    };
    pids.iter().map(of).sum()
}
