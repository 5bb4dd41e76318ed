//! The hooks that ship with wrap: in the binary, and run only where a configuration names them.

use super::script::{Library, Script};
use crate::config::{Named, SHIPPED};

/// The text of each, in the order of [`SHIPPED`].
static SOURCES: [&str; SHIPPED.len()] = [
    include_str!("../../hooks/docker-cleanup.lua"),
    include_str!("../../hooks/dotenv.lua"),
    include_str!("../../hooks/free-port.lua"),
    include_str!("../../hooks/log-errors.lua"),
    include_str!("../../hooks/notify.lua"),
    include_str!("../../hooks/open-browser.lua"),
    include_str!("../../hooks/slack.lua"),
    include_str!("../../hooks/wait-for.lua"),
];

/// Their names and texts.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHIPPED.into_iter().zip(SOURCES)
}

/// One of them, with what the configuration says to it.
pub(super) fn script(named: &Named) -> Option<Script> {
    let (name, source) = all().find(|(name, _)| *name == named.name)?;
    let options = named.options.clone();
    Some(Script { name: name.to_owned(), source: source.into(), library: Library::Empty, options })
}
