//! The conformance suite: each case is run bare and under a launcher, and what both saw must be the same.
//!
//! `cargo test --test conformance` holds wrap to it. Any other launcher can be pointed at:
//!
//!     cargo test --test conformance -- --launcher 'script -qec {} /dev/null' --launcher 'sudo'
//!
//! prints a row for each, and fails only for wrap. `--only WORD` takes the cases whose name has it; `--verbose` shows
//! what differs.

mod cases;
// Shared with the other integration tests: what only they use is unused here.
#[allow(dead_code, unused_imports)]
#[path = "../it/harness/mod.rs"]
mod harness;
mod launcher;
mod probe;

use cases::{Bed, Case};
use launcher::Launcher;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Cases at a time: they mostly wait, and a machine with two cores must not be so loaded that they time out.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|word| word == "--probe") {
        probe::run(args[2].to_str().expect("a probe's name"), &args[3..]);
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = args[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let values =
        |name: &str| words.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1].clone()).collect::<Vec<_>>();
    let verbose = words.iter().any(|word| word == "--verbose");
    let only = values("--only");
    let mut launchers: Vec<Launcher> = values("--launcher").iter().map(|line| Launcher::of(line)).collect();
    if launchers.is_empty() {
        launchers.push(Launcher::of("wrap"));
    }
    let cases: Vec<Case> = cases::all()
        .into_iter()
        .filter(|case| only.is_empty() || only.iter().any(|word| case.name.contains(word.as_str())))
        .collect();
    // A case that fails says so in what it saw.
    panic::set_hook(Box::new(|_| {}));

    let bare = observe(&Launcher::bare(), &cases);
    let mut failed = false;
    let mut table = Table::new(&cases, &bare);
    for launcher in &launchers {
        if !launcher.is_installed() {
            println!("{}: not installed, left out", launcher.name());
            continue;
        }
        let seen = observe(launcher, &cases);
        let mut kept = 0;
        let mut counted = 0;
        println!("\n{}", launcher.name());
        for (at, case) in cases.iter().enumerate() {
            let (bare, seen) = (&bare[&at], &seen[&at]);
            if let Seen::Skipped(why) = bare {
                println!("  left out  {}: {why}", case.name);
                continue;
            }
            counted += 1;
            if bare == seen {
                table.keep(case.subject);
                kept += 1;
                if verbose {
                    println!("  same      {}", case.name);
                }
                continue;
            }
            println!("  DIFFERS   {}", case.name);
            if verbose || launcher.name() == "wrap" {
                println!("    bare:  {bare:?}\n    here:  {seen:?}");
            }
        }
        println!("{}: {kept} of {counted} as bare", launcher.name());
        table.finish(launcher);
        failed |= launcher.name() == "wrap" && kept < counted;
    }
    table.print();
    // A bare case that failed compares nothing.
    for (at, case) in cases.iter().enumerate() {
        if let Seen::Failed(why) = &bare[&at] {
            println!("BROKEN {}: {why}", case.name);
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A column a launcher, a row a subject; in Markdown, for the README.
struct Table {
    /// Subjects in their order, and how many cases each has here.
    subjects: Vec<(&'static str, usize)>,
    kept: BTreeMap<&'static str, usize>,
    columns: Vec<(String, Vec<usize>)>,
}

impl Table {
    fn new(cases: &[Case], bare: &BTreeMap<usize, Seen>) -> Self {
        let mut subjects: Vec<(&'static str, usize)> = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            if subjects.last().is_none_or(|(subject, _)| *subject != case.subject) {
                subjects.push((case.subject, 0));
            }
            let count = usize::from(!matches!(bare[&at], Seen::Skipped(_)));
            subjects.last_mut().expect("one was pushed").1 += count;
        }
        Self { subjects, kept: BTreeMap::new(), columns: Vec::new() }
    }

    fn keep(&mut self, subject: &'static str) {
        *self.kept.entry(subject).or_default() += 1;
    }

    fn finish(&mut self, launcher: &Launcher) {
        let kept = std::mem::take(&mut self.kept);
        let column = self.subjects.iter().map(|(subject, _)| kept.get(subject).copied().unwrap_or_default()).collect();
        self.columns.push((launcher.name(), column));
    }

    fn print(&self) {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| format!(" `{name}` |")).collect();
        println!("\n| behaviours as bare | of |{}", names.concat());
        println!("|---|---|{}", "---|".repeat(names.len()));
        for (at, (subject, of)) in self.subjects.iter().enumerate() {
            let counts: Vec<_> = self.columns.iter().map(|(_, column)| format!(" {} |", column[at])).collect();
            println!("| {subject} | {of} |{}", counts.concat());
        }
        let all: usize = self.subjects.iter().map(|(_, of)| of).sum();
        let sums: Vec<_> =
            self.columns.iter().map(|(_, column)| format!(" {} |", column.iter().sum::<usize>())).collect();
        println!("| all | {all} |{}", sums.concat());
    }
}

/// What a case saw.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    This(String),
    /// It could not be finished.
    Failed(String),
    /// Something that it needs is not installed.
    Skipped(String),
}

fn observe(launcher: &Launcher, cases: &[Case]) -> BTreeMap<usize, Seen> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((at, case)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?)))
                {
                    let seen = run(launcher, case);
                    all.lock().expect("no case panics while it holds this").insert(at, seen);
                }
            });
        }
    });
    all.into_inner().expect("all cases have ended")
}

fn run(launcher: &Launcher, case: &Case) -> Seen {
    if let Some(missing) = case.needs.iter().find(|program| !Launcher::of(program).is_installed()) {
        return Seen::Skipped(format!("`{missing}` is not installed"));
    }
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        let bed = Bed::new(launcher.clone());
        // Its place is another each time.
        (case.observe)(&bed).replace(&*bed.sandbox.root().to_string_lossy(), "SANDBOX")
    }));
    done.map_or_else(
        |why| {
            let text = why.downcast_ref::<String>().cloned();
            Seen::Failed(text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
        },
        Seen::This,
    )
}
