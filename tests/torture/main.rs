//! What is done to wrap on its worst day, and what was lost.
//!
//!     cargo test --test torture                              each thing once or twice: half a minute
//!     cargo test --test torture -- --seconds 7200            as the README's table was made
//!     cargo test --test torture -- --only kills --seed 7     one subject, as it was run before
//!
//! It prints a row for each subject and fails where anything was lost.

mod bout;
mod calls;
mod crowd;
mod disks;
mod floods;
// Shared with the other integration tests: what only they use is unused here.
#[allow(dead_code, unused_imports)]
#[path = "../it/harness/mod.rs"]
mod harness;
mod identity;
mod inputs;
mod kills;
mod pages;
mod projects;
mod registry;
mod soak;
mod strangers;

use bout::{Bout, Subject};
use std::panic;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// In the order in which they are run.
const SUBJECTS: &[Subject] = &[
    kills::SUBJECT,
    identity::SUBJECT,
    calls::SUBJECT,
    registry::SUBJECT,
    disks::SUBJECT,
    floods::SUBJECT,
    soak::SUBJECT,
    strangers::SUBJECT,
    pages::SUBJECT,
    projects::SUBJECT,
    inputs::SUBJECT,
    crowd::SUBJECT,
];

/// So long all subjects together go on beyond their first rounds, unless somebody says otherwise.
const SHORT: u64 = 12;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let values = |name| words.windows(2).filter(move |pair| pair[0] == name).map(|pair| pair[1].as_str());
    let only: Vec<&str> = values("--only").collect();
    let seconds = values("--seconds").next_back().map(number);
    // In the suite it is always the same that is tried: what comes by chance is for those who have the time to look at it.
    let by_chance = || if seconds.is_some() { fastrand::u64(..) } else { 1 };
    let seed = values("--seed").next_back().map_or_else(by_chance, number);
    let seconds = seconds.unwrap_or(SHORT);
    let subjects: Vec<&Subject> =
        SUBJECTS.iter().filter(|subject| only.is_empty() || only.contains(&subject.name)).collect();
    if words.iter().any(|word| word == "--list") {
        for subject in subjects {
            println!("{:<10} {}", subject.name, subject.what);
        }
        return ExitCode::SUCCESS;
    }
    // What fails says so in the report.
    panic::set_hook(Box::new(|_| {}));
    println!("seed {seed}");
    let shares: u32 = subjects.iter().map(|subject| subject.share).sum();
    let mut rows = Vec::new();
    let mut lost = 0;
    for subject in subjects {
        let time = Duration::from_secs(seconds) * subject.share / shares.max(1);
        let report = Bout::run(subject, time, seed);
        report.lost.iter().for_each(|text| println!("LOST  {}: {text}", subject.name));
        report.left_out.iter().for_each(|text| println!("left out  {}: {text}", subject.name));
        println!("{:<10} {} ({:.1} s)", subject.name, report.done, report.took.as_secs_f64());
        lost += report.lost.len();
        rows.push(format!("| {} | {} | {} |", subject.what, report.done, report.losses()));
    }
    println!("\n| what was done | how often | lost |\n|---|---|---|\n{}", rows.join("\n"));
    if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}
