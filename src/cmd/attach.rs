//! `wrap attach`: takes a running instance over.

use super::instance::{self, ANSWER, title};
use crate::api::{self, FRAMES};
use crate::cli::AttachArgs;
use crate::client::{self, Visit};
use crate::registry::INSTANCE_VARIABLE;
use crate::registry::entry::Mode;
use crate::render::visible;
use anyhow::bail;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Attaches, and returns when it is detached or has ended.
pub fn run(args: &AttachArgs) -> anyhow::Result<ExitCode> {
    let entry = match instance::live(&args.target) {
        Ok(entry) => entry,
        Err(code) => return Ok(code),
    };
    if entry.mode == Mode::Adopted {
        bail!("cannot attach to {}: wrap did not start it, and its terminal is where it was started", title(&entry));
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        bail!("attach needs a terminal; `wrap logs {} -f` follows it without one", visible(&args.target));
    }
    if std::env::var(INSTANCE_VARIABLE).is_ok_and(|id| id == entry.instance_id) {
        bail!("this terminal is inside {}: attached to itself, it would show itself for ever", title(&entry));
    }
    match api::upgrade(&entry, &instance::path(&entry, "attach"), FRAMES, ANSWER)? {
        Err(refused) => bail!("cannot attach to {}: {}", title(&entry), refused.refusal()),
        Ok((socket, read)) => {
            let visit = Visit {
                name: visible(&entry.project_name),
                short_id: entry.short_id().to_owned(),
                keeper: entry.pid,
                read_only: args.read_only,
                replay: !args.no_replay,
            };
            Ok(client::attach(visit, socket, read)?.carry_out())
        }
    }
}
