//! `wrap show`: everything of one instance.

use super::{print, target};
use crate::cli::{Format, ShowArgs};
use crate::registry::history::History;
use crate::registry::now_ms;
use crate::render::{human, json, logfmt, markdown};
use std::process::ExitCode;

/// Writes it to standard output, of one that has ended too.
pub fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let shown = match target::find(&args.target) {
        Ok(found) => found.shown(),
        Err(error) => return Ok(target::refused(&error)),
    };
    let log = History::ours().map(|history| history.log_path(&shown.entry.instance_id)).filter(|path| path.exists());
    let text = match if args.json { Format::Json } else { args.format } {
        Format::Human => human::show(&shown, log.as_deref(), now_ms(), human::Screen::of_stdout()),
        Format::Json => json::show(&shown, log.as_deref(), now_ms()),
        Format::Logfmt => logfmt::list(&[shown], now_ms()),
        Format::Md => markdown::list(&[shown]),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
