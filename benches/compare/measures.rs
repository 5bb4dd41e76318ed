//! The five measures and their tables.

// Sizes and counts of a measurement are far below the 2^52 that an f64 holds exactly.
#![allow(clippy::cast_precision_loss)]

use crate::launchers::{Kit, Launcher, MARK, option};
use crate::session::Session;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long the processes of a launcher have to settle before their memory is looked at.
const SETTLE: Duration = Duration::from_secs(2);

/// Keystrokes in a row before the next launcher's turn.
const BLOCK: u64 = 100;

/// Megabytes of output before the memory is looked at.
const MEMORY_MIB: u64 = 20;

/// A row of figures of one launcher.
struct Samples {
    sorted: Vec<f64>,
}

impl Samples {
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { sorted: values }
    }

    fn least(&self) -> f64 {
        self.sorted[0]
    }

    /// The value that this share of all is not above.
    fn at(&self, share: f64) -> f64 {
        // A share of a few thousand samples: exact in f64, and never negative.
        let index = (share * (self.sorted.len() - 1) as f64).round() as usize;
        self.sorted[index]
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// `value / base`, or a dash where there is nothing to compare with.
fn ratio(value: f64, base: Option<f64>) -> String {
    base.filter(|&base| base > 0.0).map_or_else(|| "-".to_owned(), |base| format!("{:.2}", value / base))
}

/// The figure of the launcher with this name.
fn figure<T>(launchers: &[Launcher], rows: &[T], name: &str, of: impl Fn(&T) -> f64) -> Option<f64> {
    launchers.iter().zip(rows).find(|(launcher, _)| launcher.name == name).map(|(_, row)| of(row))
}

/// From the spawn to the end of `true`, all output read.
pub fn startup(kit: &Kit, launchers: &[Launcher]) {
    let runs = option("COMPARE_RUNS", 40);
    let mut times = vec![Vec::new(); launchers.len()];
    for run in 0..=runs {
        for (launcher, times) in launchers.iter().zip(&mut times) {
            let (mut command, _) = kit.command(launcher, "true");
            let start = Instant::now();
            let mut session = Session::start(&mut command);
            session.drain();
            session.wait();
            let took = start.elapsed().as_secs_f64() * 1e3;
            if run > 0 {
                times.push(took);
            }
        }
    }
    let rows: Vec<Samples> = times.into_iter().map(Samples::new).collect();
    let least = figure(launchers, &rows, "bare", Samples::least).unwrap_or(0.0);
    let median = figure(launchers, &rows, "bare", Samples::median).unwrap_or(0.0);
    println!("\nstart-up of `true` in a terminal, {runs} runs each, ms; added = above bare");
    println!("{:<8}{:>9}{:>9}{:>9}{:>13}{:>15}", "", "minimum", "median", "p99", "added (min)", "added (median)");
    for (launcher, row) in launchers.iter().zip(&rows) {
        println!(
            "{:<8}{:>9.2}{:>9.2}{:>9.2}{:>+13.2}{:>+15.2}",
            launcher.name,
            row.least(),
            row.median(),
            row.at(0.99),
            row.least() - least,
            row.median() - median
        );
    }
}

/// Writes this many MiB of coloured lines; their bytes as a terminal gets them, each line's end two bytes long.
fn coloured_lines(path: &Path, mib: u64) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let (mut size, mut lines) = (0_u64, 0_u64);
    while size < mib * 1024 * 1024 {
        let line = format!(
            "\x1b[32m{:>8}\x1b[39m \x1b[1mGET\x1b[22m /assets/chunk-{:04x}.js \x1b[33m200\x1b[39m in \x1b[36m{} ms\x1b[39m\n",
            lines,
            lines * 7919 % 65536,
            lines % 97
        );
        file.write_all(line.as_bytes()).expect("room for it");
        size += line.len() as u64;
        lines += 1;
    }
    file.flush().expect("room for it");
    size + lines
}

/// From the first byte asked for to the last one read, of a file of coloured lines that `cat` writes.
pub fn throughput(kit: &Kit, launchers: &[Launcher]) {
    let mib = option("COMPARE_MIB", 100);
    let runs = option("COMPARE_STREAMS", 5);
    let file = kit.path("lines");
    let expected = coloured_lines(&file, mib);
    let line = format!("cat {}", file.display());
    let mut rates = vec![Vec::new(); launchers.len()];
    let mut lost = vec![0_u64; launchers.len()];
    for run in 0..=runs {
        for (at, launcher) in launchers.iter().enumerate() {
            let (mut command, _) = kit.command(launcher, &line);
            let start = Instant::now();
            let mut session = Session::start(&mut command);
            let count = session.drain();
            let took = start.elapsed().as_secs_f64();
            session.wait();
            lost[at] = lost[at].max(expected.saturating_sub(count));
            if run > 0 {
                rates[at].push(count as f64 / 1e6 / took);
            }
        }
    }
    let _ = fs::remove_file(&file);
    let rows: Vec<Samples> = rates.into_iter().map(Samples::new).collect();
    let bare = figure(launchers, &rows, "bare", Samples::median);
    let script = figure(launchers, &rows, "script", Samples::median);
    println!("\nthroughput of {mib} MiB of coloured lines to a terminal, {runs} runs each, MB/s (more is better)");
    println!("{:<8}{:>9}{:>9}{:>10}{:>12}", "", "median", "best", "of bare", "of script");
    for ((launcher, row), lost) in launchers.iter().zip(&rows).zip(lost) {
        let note = if lost > 0 { format!("   lost up to {lost} bytes") } else { String::new() };
        println!(
            "{:<8}{:>9.1}{:>9.1}{:>10}{:>12}{note}",
            launcher.name,
            row.median(),
            row.at(1.0),
            ratio(row.median(), bare),
            ratio(row.median(), script)
        );
    }
}

/// One byte typed, and back through `cat` on a raw terminal without echo.
pub fn echo(kit: &Kit, launchers: &[Launcher]) {
    let rounds = option("COMPARE_ROUNDS", 3000);
    let (mut sessions, mut marks) = (Vec::new(), Vec::new());
    for launcher in launchers {
        let (mut command, mark) = kit.command(launcher, "sh -c 'stty raw -echo; echo READY; exec cat'");
        let mut session = Session::start(&mut command);
        assert!(session.read_until(b"READY"), "{} runs `cat`", launcher.name);
        sessions.push(session);
        marks.push(mark);
    }
    let mut times = vec![Vec::new(); launchers.len()];
    // One block more than is counted: the first warms up, and takes the rest of READY's line away.
    for block in 0..=rounds.div_ceil(BLOCK) {
        for (session, times) in sessions.iter_mut().zip(&mut times) {
            for _ in 0..BLOCK {
                let took = session.ping(b'x').as_secs_f64() * 1e6;
                if block > 0 {
                    times.push(took);
                }
            }
        }
    }
    // The terminals close, and each command reads the end of its input or is hung up.
    sessions.into_iter().for_each(Session::close);
    for mark in &marks {
        end_marked(mark);
    }
    let rows: Vec<Samples> = times.into_iter().map(Samples::new).collect();
    let bare = figure(launchers, &rows, "bare", Samples::median);
    let script = figure(launchers, &rows, "script", Samples::median);
    println!("\none keystroke echoed, {rounds} each in turns of {BLOCK}, µs");
    println!("{:<8}{:>9}{:>9}{:>9}{:>18}{:>20}", "", "minimum", "median", "p99", "median / bare", "median / script");
    for (launcher, row) in launchers.iter().zip(&rows) {
        println!(
            "{:<8}{:>9.1}{:>9.1}{:>9.1}{:>18}{:>20}",
            launcher.name,
            row.least(),
            row.median(),
            row.at(0.99),
            ratio(row.median(), bare),
            ratio(row.median(), script)
        );
    }
}

/// What the launcher's own processes hold after much output.
pub fn memory(kit: &Kit, launchers: &[Launcher]) {
    let file = kit.path("lines");
    coloured_lines(&file, MEMORY_MIB);
    let line = format!("sh -c 'cat {}; echo DONE; exec sleep 1000'", file.display());
    println!("\nmemory (PSS of the launcher's processes, the command's left out) after {MEMORY_MIB} MiB of output");
    println!("{:<8}{:>9}{:>11}", "", "MiB", "processes");
    for launcher in launchers.iter().filter(|launcher| launcher.program.is_some()) {
        let (mut command, mark) = kit.command(launcher, &line);
        let mut session = Session::start(&mut command);
        assert!(session.read_until(b"DONE"), "{} runs `cat`", launcher.name);
        thread::sleep(SETTLE);
        let pids = own_processes(launcher, &mark);
        let sizes: Vec<Option<u64>> = pids.iter().map(|&pid| pss(pid)).collect();
        let kib: Option<u64> = sizes.into_iter().sum();
        let text = kib.map_or_else(|| "unreadable".to_owned(), |kib| format!("{:.2}", kib as f64 / 1024.0));
        println!("{:<8}{text:>9}{:>11}", launcher.name, pids.len());
        session.close();
        end_marked(&mark);
    }
    let _ = fs::remove_file(&file);
}

/// How often the launcher's own processes run while the command sleeps and nobody types. All at the same time: idle
/// processes do not disturb each other.
pub fn wakeups(kit: &Kit, launchers: &[Launcher]) {
    let settle = option("COMPARE_SETTLE", 5);
    let window = option("COMPARE_WINDOW", 10);
    let mut running = Vec::new();
    for launcher in launchers.iter().filter(|launcher| launcher.program.is_some()) {
        let (mut command, mark) = kit.command(launcher, "sh -c 'echo READY; exec sleep 1000'");
        let mut session = Session::start(&mut command);
        assert!(session.read_until(b"READY"), "{} runs a command", launcher.name);
        running.push((launcher, mark, session));
    }
    thread::sleep(Duration::from_secs(settle));
    let count = |launcher: &Launcher, mark: &str| -> u64 {
        own_processes(launcher, mark).into_iter().map(context_switches).sum()
    };
    let before: Vec<u64> = running.iter().map(|(launcher, mark, _)| count(launcher, mark)).collect();
    let start = Instant::now();
    thread::sleep(Duration::from_secs(window));
    let took = start.elapsed().as_secs_f64();
    println!("\nwake-ups while nothing happens, counted for {window} s from {settle} s after the start, per second");
    println!("{:<8}{:>9}{:>11}", "", "per s", "processes");
    for ((launcher, mark, _), before) in running.iter().zip(before) {
        let rate = count(launcher, mark).saturating_sub(before) as f64 / took;
        println!("{:<8}{rate:>9.2}{:>11}", launcher.name, own_processes(launcher, mark).len());
    }
    for (_, mark, session) in running {
        session.close();
        end_marked(&mark);
    }
}

/// The processes that were started in this session and run the launcher's own program.
fn own_processes(launcher: &Launcher, mark: &str) -> Vec<u32> {
    let program = launcher.program.as_deref();
    let is_own = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).ok().as_deref() == program;
    marked(mark).into_iter().filter(is_own).collect()
}

/// The processes with this mark in their environment.
fn marked(mark: &str) -> Vec<u32> {
    let pair = format!("{MARK}={mark}");
    let has_mark = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|&byte| byte == 0).any(|found| found == pair.as_bytes())
    };
    let Ok(dir) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    dir.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has_mark).collect()
}

/// Proportional set size in KiB: what is shared is divided among those who share it.
fn pss(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How often the threads of a process have given up the processor: each wake-up ends in one of these.
fn context_switches(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let of_task = |status: String| -> u64 {
        let counts = status.lines().filter(|line| line.contains("ctxt_switches:"));
        counts.filter_map(|line| line.rsplit(char::is_whitespace).next()?.parse::<u64>().ok()).sum()
    };
    tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("status")).ok()).map(of_task).sum()
}

/// Ends what a closed terminal did not end (dtach's master stays, as it is meant to).
fn end_marked(mark: &str) {
    for pid in marked(mark) {
        // SAFETY: kill(2) takes two integers. The mark is this run's own, so the process is one that it started.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    }
}
