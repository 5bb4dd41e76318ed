//! `wrap list`: what runs, and what has ended.

use super::{print, watch};
use crate::cli::{Format, ListArgs};
use crate::project::changes::Changes;
use crate::registry::entry::Entry;
use crate::registry::health::{Health, Status};
use crate::registry::history::History;
use crate::registry::now_ms;
use crate::render::columns::{self, Column};
use crate::render::{Shown, human, json, logfmt, markdown};
use crate::sweep::{sweep, with_hooks};
use std::process::ExitCode;

/// Sweeps, and writes what is left to standard output; with `--all`, behind it what has ended. With `--watch` again at
/// each change.
pub fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    if args.watch {
        return watch::run(args);
    }
    print(&text(args))?;
    Ok(ExitCode::SUCCESS)
}

/// What there is now, as it is to be shown.
pub(super) fn text(args: &ListArgs) -> String {
    let swept = sweep(&mut with_hooks());
    for warning in &swept.warnings {
        complain!("wrap: {warning}");
    }
    let mut live = swept.live;
    let found = live.len();
    let all_wanted = args.all || args.filter.iter().any(|filter| filter.column == Column::Status);
    if !all_wanted {
        live.retain(|(_, health)| matches!(health.status, Status::Starting | Status::Healthy));
    }
    let hidden = found - live.len();
    // Newest first, whichever directory they are from: ids of version 7 begin with the time.
    live.sort_by(|(a, _), (b, _)| b.instance_id.cmp(&a.instance_id));
    let mut changes = Changes::default();
    let show = |(entry, health): (Entry, Health)| {
        let restart_for = changes.of(&entry);
        Shown::live(entry, health.status, restart_for)
    };
    let mut all: Vec<Shown> = live.into_iter().map(show).collect();
    if all_wanted {
        let ended = ended(&all);
        all.extend(ended);
    }
    let now = now_ms();
    all.retain(|shown| args.filter.iter().all(|filter| filter.holds(shown, now)));
    if let Some(column) = args.sort {
        columns::sort(&mut all, column, args.reverse, now);
    } else if args.reverse {
        all.reverse();
    }
    // Somebody who filters knows that there are others.
    let hidden = if args.filter.is_empty() { hidden } else { 0 };
    if args.quiet {
        return all.iter().map(|shown| Column::Id.of(shown, now) + "\n").collect();
    }
    if !args.output.is_empty() {
        return columns::list(&all, &args.output, human::Screen::of_stdout(), now);
    }
    match if args.json { Format::Json } else { args.format } {
        Format::Human => human::list(&all, hidden, human::Screen::of_stdout(), now),
        Format::Json => json::list(&all, now),
        Format::Logfmt => logfmt::list(&all, now),
        Format::Md => markdown::list(&all),
    }
}

/// Read after the registry, into which a run is written before it leaves that: whoever was in both is shown once.
fn ended(live: &[Shown]) -> Vec<Shown> {
    let (past, warnings) = History::ours().map(|history| history.all()).unwrap_or_default();
    for warning in warnings {
        complain!("wrap: {warning}");
    }
    let is_live = |id: &str| live.iter().any(|shown| shown.entry.instance_id == id);
    past.into_iter().filter(|past| !is_live(&past.entry.instance_id)).map(Shown::from).collect()
}
