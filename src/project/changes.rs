//! What instances were configured by and differs now: they need a restart to follow it.

use super::signature::Comparison;
use crate::registry::entry::Entry;
use crate::sys::process;

/// Looks at the sources of one instance after the other, at each source once.
pub struct Changes {
    comparison: Comparison,
    host: String,
    namespace: String,
}

impl Default for Changes {
    /// Of nobody yet.
    fn default() -> Self {
        Self { comparison: Comparison::default(), host: process::host(), namespace: process::pid_namespace() }
    }
}

impl Changes {
    /// The sources of this instance that differ. Of another machine or container nothing is said: the same paths are
    /// other files there.
    pub fn of(&mut self, entry: &Entry) -> Vec<String> {
        let is_elsewhere = |theirs: &str, ours: &str| !theirs.is_empty() && theirs != ours;
        if is_elsewhere(&entry.host, &self.host) || is_elsewhere(&entry.pid_namespace, &self.namespace) {
            return Vec::new();
        }
        entry.config_signature.as_deref().map(|signature| self.comparison.changed(signature)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;

    #[test]
    fn the_files_of_another_machine_are_not_ours_to_compare() {
        let mut changes = Changes::default();
        let mut one = entry(7);
        assert_eq!(changes.of(&one), Vec::<String>::new());
        one.config_signature = Some(r#"[{"path":"/nowhere/wrap.toml","hash":"0"}]"#.into());
        assert_eq!(changes.of(&one), ["/nowhere/wrap.toml"]);
        one.host = process::host();
        assert_eq!(changes.of(&one).len(), 1);
        one.host = "another".into();
        assert_eq!(changes.of(&one), Vec::<String>::new());
    }
}
