//! `wrap clean`: what is dead is removed, what lives without its keeper is listed, or ended.

use super::print;
use crate::cli::CleanArgs;
use crate::end::Ended;
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::render::visible;
use crate::sweep::{end_orphan, forget, sweep, with_hooks};
use crate::sys::process::Process;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Sweeps, says what was done, and fails where something is left that should be gone.
pub fn run(args: &CleanArgs) -> anyhow::Result<ExitCode> {
    let swept = sweep(&mut with_hooks());
    let mut failed = !swept.warnings.is_empty();
    for warning in &swept.warnings {
        complain!("wrap: {warning}");
    }
    let mut said = String::new();
    for (entry, ended) in &swept.ended {
        said += &report(entry, ended);
    }
    for entry in &swept.removed {
        writeln!(said, "removed {}", title(entry))?;
    }
    for (entry, _) in swept.live.iter().filter(|(entry, health)| health.status == Status::Dead && entry.stale_kept) {
        match forget(entry) {
            Ok(_) => writeln!(said, "removed {}", title(entry))?,
            Err(error) => {
                complain!("wrap: {error}");
                failed = true;
            }
        }
    }
    let orphans: Vec<&Entry> =
        swept.live.iter().filter(|(_, health)| health.status == Status::Orphaned).map(|(entry, _)| entry).collect();
    for entry in &orphans {
        if args.kill {
            let ended = end_orphan(entry);
            said += &report(entry, &ended);
            if !ended.is_complete() {
                failed = true;
            } else if let Err(error) = forget(entry) {
                complain!("wrap: {error}");
                failed = true;
            }
        } else {
            let pid = entry.child_pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            writeln!(said, "orphaned {}: `{}`{pid}", title(entry), visible(&entry.command))?;
        }
    }
    if said.is_empty() && !failed {
        said.push_str("nothing to clean\n");
    }
    if !orphans.is_empty() && !args.kill {
        said.push_str("`wrap clean --kill` ends what is orphaned\n");
    }
    print(&said)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn title(entry: &Entry) -> String {
    format!("`{}` ({})", visible(&entry.project_name), entry.short_id())
}

/// What became of an orphan's processes, a line for each kind.
fn report(entry: &Entry, ended: &Ended) -> String {
    let names = |processes: &[Process]| {
        let named: Vec<String> = processes.iter().map(|one| format!("{} ({})", visible(&one.name), one.pid)).collect();
        named.join(", ")
    };
    let mut lines = format!("ended {}: {}\n", title(entry), names(&[&ended.ended[..], &ended.killed].concat()));
    for (what, processes) in [
        ("had to be killed", &ended.killed),
        ("still alive after the kill", &ended.survived),
        ("left alone, because it leads a session of its own", &ended.spared),
    ] {
        if !processes.is_empty() {
            lines.extend(["  ", what, ": ", &names(processes), "\n"]);
        }
    }
    for (process, reason) in &ended.refused {
        lines.extend(["  not signalled: ", &names(std::slice::from_ref(process)), ": ", reason, "\n"]);
    }
    lines
}
