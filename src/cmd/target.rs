//! Who is meant on the command line: an instance that is registered, else one that has ended.

use crate::project::changes::Changes;
use crate::registry::Registry;
use crate::registry::entry::Entry;
use crate::registry::health::{self, Health, Status};
use crate::registry::history::{self, History, Past};
use crate::registry::target::{TargetError, resolve};
use crate::render::Shown;
use crate::sweep::{sweep, with_hooks};
use std::process::ExitCode;

/// Who a target names.
#[derive(Debug)]
pub enum Found {
    /// One that is registered.
    Live(Box<Entry>, Health),
    /// One that has ended.
    Past(Box<Past>),
}

impl Found {
    /// Its entry, also of an ended one.
    pub fn entry(&self) -> &Entry {
        match self {
            Self::Live(entry, _) => entry,
            Self::Past(past) => &past.entry,
        }
    }

    /// To be shown, with what it was configured by and differs now.
    pub fn shown(self) -> Shown {
        match self {
            Self::Live(entry, health) => {
                let changed = Changes::default().of(&entry);
                Shown::live(*entry, health.status, changed)
            }
            Self::Past(past) => (*past).into(),
        }
    }
}

/// Finds it: among the registered ones first, then in the history, of several there the newest. Of the registered ones
/// only the one that is meant is asked how it fares, so that others that hang cost nothing.
pub fn find(target: &str) -> Result<Found, TargetError> {
    let mut warnings = Vec::new();
    let mut entries = Vec::new();
    for registry in Registry::existing().0 {
        let listing = registry.read_all();
        warnings.extend(listing.warnings);
        entries.extend(listing.entries.into_iter().map(|found| found.entry));
    }
    if let Ok(entry) = resolve(target, &entries)
        && let Some(health) = health::check(std::slice::from_ref(entry)).pop()
        && !matches!(health.status, Status::Dead | Status::Orphaned)
    {
        say(&warnings);
        return Ok(Found::Live(Box::new(entry.clone()), health));
    }
    // Nobody, or several, or one that was left behind: the dead are out of the way behind a sweep.
    let swept = sweep(&mut with_hooks());
    warnings.extend(swept.warnings);
    let (entries, healths): (Vec<Entry>, Vec<Health>) = swept.live.into_iter().unzip();
    let found = match resolve(target, &entries) {
        Ok(entry) => {
            let health = entries.iter().position(|one| std::ptr::eq(one, entry)).map(|at| healths[at]);
            health.map(|health| Found::Live(Box::new(entry.clone()), health)).ok_or_else(|| not_found(target))
        }
        Err(error @ TargetError::NotFound { .. }) => {
            let (past, more) = History::ours().map(|history| history.all()).unwrap_or_default();
            warnings.extend(more);
            let past = history::find(target, &past).cloned();
            past.map(|past| Found::Past(Box::new(past))).ok_or(error)
        }
        Err(ambiguous) => Err(ambiguous),
    };
    say(&warnings);
    found
}

fn say(warnings: &[String]) {
    for warning in warnings {
        complain!("wrap: {warning}");
    }
}

/// Says who is not found or who may be meant; the exit code that tells which.
pub fn refused(error: &TargetError) -> ExitCode {
    complain!("wrap: {error}");
    ExitCode::from(error.exit_code())
}

fn not_found(target: &str) -> TargetError {
    TargetError::NotFound { target: target.to_owned(), meant: None }
}
