//! What a launcher costs, compared in one run with the bare command and with other launchers.
//!
//!     cargo bench --bench compare                      # everything; some minutes
//!     cargo bench --bench compare -- startup echo      # some of: startup throughput echo memory wakeups
//!
//! Options, by environment: `COMPARE_ONLY` (launchers, `bare,wrap,script`), `COMPARE_RUNS` (start-ups, 40),
//! `COMPARE_MIB` (of coloured lines, 100), `COMPARE_ROUNDS` (keystrokes, 3000), `COMPARE_SETTLE` and `COMPARE_WINDOW`
//! (seconds before and while wake-ups are counted, 5 and 10; the first 60 s of a run are not idle for wrap, which
//! looks for the command's port then: use 65 and 60 for the figure of an idle one), `COMPARE_WRAP` (another binary).
//!
//! Fair means here: one reader, this process's own, for all of them; each in a terminal of its own; in turn, A B C
//! A B C, so that whatever else the machine does falls on all alike; one round of warming up that does not count;
//! the same environment for all; the same command, started by the launcher in the shortest way that it has.

#[path = "compare/launchers.rs"]
mod launchers;
#[path = "compare/measures.rs"]
mod measures;
#[path = "compare/session.rs"]
mod session;

use launchers::{Kit, Launcher};
use std::fs;

/// Takes its figures and prints its table.
type Measure = fn(&Kit, &[Launcher]);

fn main() {
    // `cargo bench` adds `--bench`; every other word is a measure.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let all: [(&str, Measure); 5] = [
        ("startup", measures::startup),
        ("throughput", measures::throughput),
        ("echo", measures::echo),
        ("memory", measures::memory),
        ("wakeups", measures::wakeups),
    ];
    if let Some(unknown) = wanted.iter().find(|word| all.iter().all(|(name, _)| name != word)) {
        eprintln!("compare: no measure is called `{unknown}`; there are: startup throughput echo memory wakeups");
        std::process::exit(2);
    }
    println!("{}", machine());
    let kit = Kit::new();
    let launchers = kit.launchers();
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure(&kit, &launchers);
        }
    }
}

/// The machine that the figures are of.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = rustix::system::uname();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let system = format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy());
    format!("{model}, {cores} cores, {system}, load {load} at the start")
}
