//! What a user means by a target: an id, a short id, a project's name, `:port` or a pid, in this order.

use super::entry::Entry;
use crate::render::visible;
use std::fmt;

/// Why a target does not name one instance.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetError {
    /// Nothing is called so.
    NotFound {
        /// What was asked for.
        target: String,
        /// The name of one that was perhaps meant.
        meant: Option<String>,
    },
    /// Several are.
    Ambiguous {
        /// What was asked for.
        target: String,
        /// Those that it may mean.
        candidates: Vec<Entry>,
    },
}

impl TargetError {
    /// The exit code that scripts tell the two apart by.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Ambiguous { .. } => 2,
            Self::NotFound { .. } => 3,
        }
    }
}

impl std::error::Error for TargetError {}

impl fmt::Display for TargetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { target, meant: Some(meant) } => {
                write!(formatter, "there is no instance `{}`; did you mean `{}`?", visible(target), visible(meant))
            }
            Self::NotFound { target, meant: None } => {
                write!(formatter, "there is no instance `{}`; `wrap list --all` shows what there is", visible(target))
            }
            Self::Ambiguous { target, candidates } => {
                write!(formatter, "`{}` may mean any of these; name one by its id:", visible(target))?;
                for entry in candidates {
                    let port = entry.port.map_or_else(String::new, |port| format!("@{port}"));
                    let (name, command) = (visible(&entry.project_name), visible(&entry.command));
                    write!(formatter, "\n  {}  {name}{port}  {command}  in {}", entry.short_id(), visible(&entry.cwd))?;
                }
                Ok(())
            }
        }
    }
}

/// Finds the one instance that a target names. The first kind of name that fits any instance decides: a project
/// that is called `1234` is not hidden by a process with that pid.
pub fn resolve<'a>(target: &str, entries: &'a [Entry]) -> Result<&'a Entry, TargetError> {
    let port: Option<u16> = target.strip_prefix(':').and_then(|port| port.parse().ok());
    let pid: Option<u32> = target.parse().ok();
    let kinds: [&dyn Fn(&Entry) -> bool; 5] = [
        &|entry| entry.instance_id.eq_ignore_ascii_case(target),
        &|entry| entry.short_id().eq_ignore_ascii_case(target),
        &|entry| !target.is_empty() && entry.project_name == target,
        &|entry| port.is_some_and(|port| entry.port == Some(port) || entry.ports.contains(&port)),
        &|entry| pid.is_some_and(|pid| entry.pid == pid || entry.child_pid == Some(pid)),
    ];
    for fits in kinds {
        let found: Vec<&Entry> = entries.iter().filter(|entry| fits(entry)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one),
            several => {
                let candidates = several.iter().map(|entry| entry.public()).collect();
                return Err(TargetError::Ambiguous { target: target.to_owned(), candidates });
            }
        }
    }
    Err(TargetError::NotFound { target: target.to_owned(), meant: meant(target, entries) })
}

/// The name that a target is the beginning of, or a slip of.
fn meant(target: &str, entries: &[Entry]) -> Option<String> {
    let typed = target.to_lowercase();
    let alike = |name: &str| {
        let name = name.to_lowercase();
        if !typed.is_empty() && name.starts_with(&typed) { 1.0 } else { strsim::jaro_winkler(&typed, &name) }
    };
    let best = entries.iter().map(|entry| &entry.project_name).max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(best) >= ALIKE).then(|| best.clone())
}

/// How alike two words must be for one to be taken as a slip of the other (0 to 1, Jaro-Winkler).
const ALIKE: f64 = 0.85;

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    fn named(id_end: &str, name: &str, port: u16, pid: u32) -> Entry {
        Entry {
            instance_id: format!("01990000-0000-7000-8000-000000{id_end}"),
            project_name: name.into(),
            port: Some(port),
            ports: vec![port, port + 1],
            auth_key: "secret".into(),
            ..entry(pid)
        }
    }

    #[test]
    fn the_first_kind_that_fits_decides() {
        let entries = [
            named("aaaaaa", "web", 3000, 10),
            named("bbbbbb", "aaaaaa", 4000, 20),
            named("cccccc", "20", 5000, 30),
            named("123456", "api", 6000, 40),
            named("dddddd", "123456", 7000, 123_456),
            named("eeeeee", "web", 8000, 50),
        ];
        let pid = |target: &str| resolve(target, &entries).map(|entry| entry.pid);
        assert_eq!(pid("01990000-0000-7000-8000-000000aaaaaa"), Ok(10));
        assert_eq!(pid("aaaaaa"), Ok(10), "a short id before a name");
        assert_eq!(pid("BBBBBB"), Ok(20));
        assert_eq!(pid("20"), Ok(30), "a name before a pid");
        assert_eq!(pid("123456"), Ok(40), "a short id before a name and a pid");
        assert_eq!(pid(":5001"), Ok(30));
        assert_eq!(pid("50"), Ok(50));
        for nothing in ["", ":", ":99999", "we", "3000"] {
            let error = pid(nothing).expect_err(nothing);
            assert_eq!((error.exit_code(), matches!(error, TargetError::NotFound { .. })), (3, true));
        }
        let error = pid("web").expect_err("two are called so");
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2);
        assert!(text.contains("\n  aaaaaa  web@3000") && text.contains("\n  eeeeee  web@8000"), "{text}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}
