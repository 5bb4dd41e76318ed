//! `wrap list`: what runs.

use super::print;
use crate::cli::{Format, ListArgs};
use crate::registry::health::Status;
use crate::registry::now_ms;
use crate::render::{Shown, human, json, logfmt, markdown};
use crate::sweep::{sweep, with_hooks};
use std::process::ExitCode;

/// Sweeps, and writes what is left to standard output.
pub fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let swept = sweep(&mut with_hooks());
    for warning in &swept.warnings {
        eprintln!("wrap: {warning}");
    }
    let mut all: Vec<Shown> =
        swept.live.into_iter().map(|(entry, health)| Shown { entry, status: health.status }).collect();
    // Newest first, whichever directory they are from: ids of version 7 begin with the time.
    all.sort_by(|a, b| b.entry.instance_id.cmp(&a.entry.instance_id));
    let found = all.len();
    if !args.all {
        all.retain(|shown| matches!(shown.status, Status::Starting | Status::Healthy));
    }
    let text = match if args.json { Format::Json } else { args.format } {
        Format::Human => human::list(&all, found - all.len(), human::Screen::of_stdout()),
        Format::Json => json::list(&all, now_ms()),
        Format::Logfmt => logfmt::list(&all, now_ms()),
        Format::Md => markdown::list(&all),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
