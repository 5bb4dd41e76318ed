//! What came of each hook the last time: a small file, for `wrap hooks list`.

use super::Event;
use crate::registry::{dir, now_ms, own};
use crate::sys::lock::try_lock_byte;
use crate::{files, paths};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the file.
const BYTES: u64 = 1 << 20;

/// Results that are kept, the newest ones: of some hundred hooks.
const KEPT: usize = 512;

/// One call of a handler.
pub(super) struct Called {
    /// The hook's name.
    pub hook: String,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What came of a hook's last call at an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// The hook's name; a project's begins with `.wrap/`.
    pub hook: String,
    /// The event.
    pub event: String,
    /// When, epoch milliseconds.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// Why it failed; null where it did not.
    pub failed: Option<String>,
}

fn path() -> Option<PathBuf> {
    paths::state_dir().map(|state| state.join("hooks.json"))
}

/// All that is remembered. What cannot be read is as good as forgotten.
pub fn all() -> Vec<Last> {
    let text = path().and_then(|path| files::read_bounded(&path, BYTES).ok().flatten());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Writes down what came of an event's calls, after whoever waited for it was told. Nothing depends on it: where it cannot
/// be written, `wrap hooks list` knows less.
pub(super) fn keep(event: Event, called: &[Called]) {
    let Some(path) = path().filter(|_| !called.is_empty()) else { return };
    if dir::make_all(path.parent().unwrap_or(Path::new("/"))).is_err() {
        return;
    }
    let Ok(lock) = own::open_to_lock(&path.with_extension("lock")) else { return };
    // Another run that writes at this moment costs a line of the list; a wait could hold the end of this one up.
    if !try_lock_byte(&lock, 0).unwrap_or(false) {
        return;
    }
    let mut known = all();
    for call in called {
        known.retain(|last| last.hook != call.hook || last.event != event.as_str());
        let (hook, failed) = (call.hook.clone(), call.failed.clone());
        let took = call.took.as_millis() as u64;
        known.push(Last { hook, event: event.as_str().to_owned(), at: now_ms(), took, failed });
    }
    known.drain(..known.len().saturating_sub(KEPT));
    if let Ok(json) = serde_json::to_vec(&known) {
        let _ = own::replace(&path, &json);
    }
}
