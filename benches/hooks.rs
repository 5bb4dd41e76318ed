//! What hooks cost: the start without any and with an empty one, an endless loop at the start, and the throughput of a
//! terminal whose lines are looked through.
//!
//!     cargo bench --bench hooks                  # everything; two minutes
//!     cargo bench --bench hooks -- start lines   # some of: start loop lines
//!
//! Options, by environment: `HOOKS_STARTS` (60 pairs), `HOOKS_MIB` (100), `HOOKS_STREAMS` (7 pairs). What is asked stands
//! in brackets behind each figure. All figures of a measure are of one run, taken in turns.

// Counts of bytes become megabytes a second.
#![allow(clippy::cast_precision_loss)]

#[allow(dead_code)]
#[path = "compare/session.rs"]
mod session;

use session::Session;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

/// Handles an event and does nothing.
const EMPTY: &str = "wrap.on('start', function() end)";

/// Never comes back by itself.
const LOOP: &str = "wrap.on('start', function() while true do end end)";

/// Is told of every tenth line, as far as that goes, and says at the end how many these were.
const LINES: &str = "local told = 0\nwrap.on('line', {pattern = 'match'}, function() told += 1 end)\n\
                     wrap.on('exit', function(i) wrap.fs.write(wrap.env('TOLD'), `{told} {i.duration}`) end)";

fn option(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// A home with this hook, or none.
struct Kit(TempDir);

impl Kit {
    fn new(hook: Option<&str>) -> Self {
        let dir = tempfile::Builder::new().prefix("wrap-hooks-").tempdir().expect("a directory");
        for name in ["home", "run", "config/wrap/hooks"] {
            fs::create_dir_all(dir.path().join(name)).expect("a directory");
        }
        fs::set_permissions(dir.path().join("run"), fs::Permissions::from_mode(0o700)).expect("its permissions");
        match hook {
            Some(text) => fs::write(dir.path().join("config/wrap/hooks/bench.lua"), text).expect("written"),
            None => fs::remove_dir(dir.path().join("config/wrap/hooks")).expect("removed"),
        }
        Self(dir)
    }

    /// `wrap` in a terminal.
    fn run(&self, words: &[&str]) -> Session {
        let at = |name: &str| self.0.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wrap"));
        command.args(words).current_dir(at("home")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm-256color");
        command.env("HOME", at("home")).env("XDG_CONFIG_HOME", at("config")).env("XDG_STATE_HOME", at("state"));
        command.env("WRAP_DIR", at("run")).env("WRAP_CENTER", "off").env("TOLD", at("told"));
        Session::start(&mut command)
    }

    /// Milliseconds from the start of wrap to the command's first byte.
    fn start(&self) -> f64 {
        let begun = Instant::now();
        let mut session = self.run(&["echo", "READY"]);
        assert!(session.read_until(b"READY"), "the command runs");
        let took = begun.elapsed().as_secs_f64() * 1e3;
        session.drain();
        session.wait();
        took
    }
}

/// The least, and the median.
fn of(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn start() {
    let kits = [Kit::new(None), Kit::new(Some(EMPTY))];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=option("HOOKS_STARTS", 60) {
        for (kit, times) in kits.iter().zip(&mut times) {
            let took = kit.start();
            // The first one brings everything into memory.
            if round > 0 {
                times.push(took);
            }
        }
    }
    let [none, empty] = times.map(of);
    println!("\nfrom the start of wrap to the command's first byte, ms");
    println!("  no hook        least {:.2}, median {:.2}", none.0, none.1);
    println!("  an empty hook  least {:.2}, median {:.2}", empty.0, empty.1);
    println!("  one costs      least {:.2}, median {:.2}   (at most 3)", empty.0 - none.0, empty.1 - none.1);
}

fn endless() {
    let kit = Kit::new(Some(LOOP));
    let times: Vec<f64> = (0..3).map(|_| kit.start()).collect();
    let most = times.iter().copied().fold(0.0, f64::max);
    println!(
        "\nan endless loop at the start delays it by {most:.0} ms at most of 3   (its limit of 2000, and no more)"
    );
}

fn lines() {
    let mib = option("HOOKS_MIB", 100);
    let mut text = String::new();
    for number in 0_u32.. {
        if text.len() >= 1 << 20 {
            break;
        }
        let kind = if number.is_multiple_of(10) { "a match" } else { "nothing" };
        let _ = writeln!(
            text,
            "\x1b[32m{:>9}\x1b[0m {kind} in a line of the usual length, with colours, and so on and on",
            text.len()
        );
    }
    let kits = [Kit::new(None), Kit::new(Some(LINES))];
    let file = kits[0].0.path().join("lines");
    fs::write(&file, text.repeat(mib)).expect("written");
    let words = ["cat", file.to_str().expect("UTF-8")];
    let mut rates = [Vec::new(), Vec::new()];
    let mut told = Vec::new();
    for round in 0..=option("HOOKS_STREAMS", 7) {
        for (at, kit) in kits.iter().enumerate() {
            let begun = Instant::now();
            let mut session = kit.run(&words);
            let count = session.drain();
            let took = begun.elapsed().as_secs_f64();
            session.wait();
            if round > 0 {
                rates[at].push(count as f64 / 1e6 / took);
            }
        }
        let said = fs::read_to_string(kits[1].0.path().join("told")).expect("told");
        let (count, duration) = said.split_once(' ').expect("two numbers");
        let (count, duration): (f64, f64) = (count.parse().expect("a number"), duration.parse().expect("a number"));
        told.push(count / (duration / 1e3));
    }
    let ratios: Vec<f64> = rates[0].iter().zip(&rates[1]).map(|(none, some)| some / none).collect();
    let [none, some] = rates.map(of);
    println!("\n{mib} MiB of coloured lines to a terminal, MB/s, medians of pairs");
    println!("  no hook      {:.1}", none.1);
    println!("  lines        {:.1}, with {:.0} handler calls a second (1000)", some.1, of(told).1);
    println!("  of no hook   {:.2}   (more than 0.9)", of(ratios).1);
}

fn main() {
    // `cargo bench` adds `--bench`; every other word is a measure.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    for (name, measure) in [("start", start as fn()), ("loop", endless), ("lines", lines)] {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure();
        }
    }
}
