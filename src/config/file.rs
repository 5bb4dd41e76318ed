//! One settings file: its keys as a table, and what is said of a key that cannot be used.

use super::keys::{KEYS, Key, Who};
use super::{Loaded, Trusts};
use crate::error::meant;
use crate::files::{self, MANIFEST_BYTES};
use std::path::Path;
use toml::de::DeTable;

/// Who wrote a file, and so what it may set.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// `config.toml` in the user's own directory.
    User,
    /// `wrap.toml` in a directory that may have come from anywhere.
    Project(Trusts<'a>),
}

/// Warnings of one file; the rest is counted. A file of another format under our name would fill the terminal.
const WARNINGS: usize = 8;
/// Characters of a key or a message that a warning shows: two lines of a terminal.
pub(super) const SHOWN: usize = 160;
/// Puts what the file at `path` sets into `config`.
pub(super) fn apply(path: &Path, source: Source<'_>, loaded: &mut Loaded) {
    let Loaded { config, warnings, sources } = loaded;
    let read = match source {
        Source::User => files::read_own(path, MANIFEST_BYTES),
        Source::Project(_) => files::read_bounded(path, MANIFEST_BYTES),
    };
    let content = match read {
        Ok(Some(content)) => content,
        Ok(None) => return,
        Err(error) => return warnings.push(shown(&format!("{error}; its settings are not used"))),
    };
    // A folder of a project can be named by anybody.
    let file = shown(&path.to_string_lossy());
    let place = |at: usize| format!("`{file}:{}`", line(&content, at));
    let table = match DeTable::parse(&content) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = place(error.span().map_or(content.len(), |span| span.start));
            let message = files::printable(error.message(), SHOWN);
            return warnings.push(format!("cannot read {place}: {message}; the file is not used"));
        }
    };
    // The table is sorted by name; people read their file from top to bottom.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut wrong: Vec<(usize, String)> = Vec::new();
    let mut untrusted = Vec::new();
    let trusted = match source {
        Source::Project(trusts) if entries.iter().any(|(key, _)| is_for_trusted(key.get_ref())) => {
            trusts(path, &content, &config.trusted)
        }
        _ => Ok(()),
    };
    for (key, value) in entries {
        let at = key.span().start;
        match find(key.get_ref(), source) {
            Err(why) => wrong.push((at, why.sentence(key.get_ref()))),
            Ok(known) if trusted.is_err() && known.who == Who::Trusted => untrusted.push(known.name),
            Ok(known) => {
                let mut parts = Vec::new();
                if (known.set)(config, value.get_ref(), &mut parts).is_none() {
                    wrong.push((at, Refused::Wrong(known.takes).sentence(key.get_ref())));
                    continue;
                }
                wrong.extend(parts.into_iter().map(|why| (at, why)));
                sources.insert(known.name, format!("{file}:{}", line(&content, at)));
            }
        }
    }
    for (at, why) in wrong.iter().take(WARNINGS) {
        warnings.push(format!("{}: {why}", place(*at)));
    }
    if wrong.len() > WARNINGS {
        let more = wrong.len() - WARNINGS;
        warnings.push(format!("`{file}`: {more} more of its keys or values are not used"));
    }
    if let Err(why) = trusted {
        warnings.push(format!("`{file}`: `{}`: {why}", untrusted.join("`, `")));
    }
}

/// A text with a path in it, whole but harmless to a terminal; the path has a bound of its own.
fn shown(text: &str) -> String {
    files::printable(text, usize::MAX)
}

/// Why a key is not used.
enum Refused {
    /// There is no such key.
    Unknown,
    /// A project may not set it.
    NotYours,
    /// The value is not what the key takes.
    Wrong(&'static str),
}

impl Refused {
    fn sentence(&self, name: &str) -> String {
        let shown = files::printable(name, SHOWN);
        match (self, meant(&shown, KEYS.iter().map(|key| key.name))) {
            (Self::Unknown, Some(meant)) => format!("`{shown}` is not a setting; did you mean `{meant}`?"),
            (Self::Unknown, None) => format!("`{shown}` is not a setting; it is ignored"),
            (Self::NotYours, _) => format!("`{shown}` is only read from your own `config.toml`; set it there"),
            (Self::Wrong(takes), _) => format!("`{shown}` must be {takes}; it is ignored"),
        }
    }
}

/// The key of this name, where the file may set it at all.
fn find(name: &str, source: Source<'_>) -> Result<&'static Key, Refused> {
    let key = KEYS.iter().find(|key| key.name == name).ok_or(Refused::Unknown)?;
    let is_project = matches!(source, Source::Project(_));
    if is_project && key.who == Who::User { Err(Refused::NotYours) } else { Ok(key) }
}

fn is_for_trusted(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name && key.who == Who::Trusted)
}

/// Whether a file with this text sets a key that is for trusted ones.
pub(super) fn needs_trust(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|table| table.get_ref().keys().any(|key| is_for_trusted(key.get_ref())))
}

/// The line, counted from 1, that the byte at `at` stands in.
fn line(content: &str, at: usize) -> usize {
    1 + content.bytes().take(at).filter(|&byte| byte == b'\n').count()
}
