//! What a run was configured by, as a text that can be compared later: where one of the sources differs, the run
//! needs a restart to follow it.

use super::levels::Levels;
use super::{Env, command, compose, package_json};
use crate::files::{self, MANIFEST_BYTES};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

/// Hexadecimal digits that are kept of a hash: 64 bits, with which no two of a person's files look alike by chance.
const DIGITS: usize = 16;
/// Sources of one run: a script, the compose files and the files of the configuration are bounded to about so many.
/// In a signature that is no longer ours, more are not read.
const SOURCES: usize = 70;
/// There is no such file, or no such script in it.
const ABSENT: &str = "-";
/// It is there and could not be read, or not be understood: that says nothing about what it holds. A manifest in the
/// moment in which an editor writes it is like that.
const UNREADABLE: &str = "?";

/// What makes up a run.
pub struct Run<'a> {
    /// The directory of the command.
    pub cwd: &'a Path,
    /// The root of its project.
    pub root: &'a Path,
    /// The command and its arguments.
    pub command: &'a [OsString],
    /// The project's wrap.toml, or where it would be.
    pub settings: &'a Path,
    /// Further files, as seen from the root.
    pub env_files: &'a [String],
}

/// One source and what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    path: String,
    /// Only this script of the package.json counts, with what runs before and after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    hash: String,
}

/// Compares signatures, and reads each source once however many instances have it in common.
#[derive(Default)]
pub struct Comparison {
    now: HashMap<(String, Option<String>), String>,
}

/// The signature of a run: a JSON array of its sources, each with its path and a short hash.
pub fn of(run: &Run<'_>, env: Env) -> String {
    let levels = Levels::above(run.cwd, env);
    let mut sources = Vec::new();
    if let Some((path, script)) = package_json::runs(run.cwd, &levels.dirs, run.command) {
        sources.extend(source(&path, Some(script)));
    }
    if command::about(run.command) == Some(super::Kind::DockerCompose) {
        let files = compose::files(run.cwd, &levels.dirs, run.command, env);
        sources.extend(files.iter().take(compose::MAX_FILES).filter_map(|path| source(path, None)));
    }
    sources.extend(source(run.settings, None));
    sources.extend(run.env_files.iter().filter_map(|file| source(&run.root.join(file), None)));
    sources.truncate(SOURCES);
    serde_json::to_string(&sources).unwrap_or_default()
}

/// The names of the sources that differ now from what the signature says; none for a text that is no signature.
pub fn changed(signature: &str) -> Vec<String> {
    Comparison::default().changed(signature)
}

impl Comparison {
    /// As [`changed`].
    pub fn changed(&mut self, signature: &str) -> Vec<String> {
        let mut sources: Vec<Source> = serde_json::from_str(signature).unwrap_or_default();
        sources.truncate(SOURCES);
        sources.into_iter().filter(|source| self.differs(source)).map(Source::title).collect()
    }

    fn differs(&mut self, source: &Source) -> bool {
        let key = (source.path.clone(), source.script.clone());
        let now = self.now.entry(key).or_insert_with(|| hash(Path::new(&source.path), source.script.as_deref()));
        *now != source.hash && now != UNREADABLE && source.hash != UNREADABLE
    }
}

impl Source {
    fn title(self) -> String {
        match self.script {
            Some(script) => format!("{}#{script}", self.path),
            None => self.path,
        }
    }
}

/// `None` for a path that is not UTF-8, which no entry can hold.
fn source(path: &Path, script: Option<String>) -> Option<Source> {
    let hash = hash(path, script.as_deref());
    Some(Source { path: path.to_str()?.to_owned(), script, hash })
}

fn hash(path: &Path, script: Option<&str>) -> String {
    match files::read_bounded(path, MANIFEST_BYTES) {
        Ok(Some(text)) => match script {
            None => digest(text.as_bytes()),
            Some(script) => match package_json::lines(&text, script) {
                None => UNREADABLE.to_owned(),
                Some([_, None, _]) => ABSENT.to_owned(),
                Some(lines) => digest(&serde_json::to_vec(&lines).unwrap_or_default()),
            },
        },
        Ok(None) => ABSENT.to_owned(),
        Err(_) => UNREADABLE.to_owned(),
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(DIGITS);
    for byte in Sha256::digest(bytes).iter().take(DIGITS / 2) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, env, words};
    use super::*;
    use std::fs;

    fn signature(tree: &Fixture, line: &str, env_files: &[String]) -> String {
        let (root, settings) = (tree.path(""), tree.path("wrap.toml"));
        let command = words(line);
        of(&Run { cwd: &root, root: &root, command: &command, settings: &settings, env_files }, &env(&[]))
    }

    fn titles(tree: &Fixture, signature: &str) -> Vec<String> {
        let root = format!("{}/", tree.path("").display());
        changed(signature).iter().map(|title| title.replace(&root, "")).collect()
    }

    #[test]
    fn only_the_script_that_runs_counts_with_what_runs_around_it() {
        let package = |dev: &str, pre: &str, build: &str| {
            format!(r#"{{"version": "{build}", "scripts": {{"predev": "{pre}", "dev": "{dev}", "build": "{build}"}}}}"#)
        };
        let tree = Fixture::new(&[("package.json", &package("a", "b", "c"))]);
        let signature = signature(&tree, "npm run dev", &[]);
        let now = |text: &str| {
            fs::write(tree.path("package.json"), text).expect("written");
            titles(&tree, &signature)
        };
        assert_eq!(now(&package("a", "b", "other")), Vec::<String>::new());
        assert_eq!(now(&package("other", "b", "c")), ["package.json#dev"]);
        assert_eq!(now(&package("a", "other", "c")), ["package.json#dev"]);
        assert_eq!(now("{\"scripts\": {}}"), ["package.json#dev"]);
        // In the middle of a save.
        assert_eq!(now("{\"scri"), Vec::<String>::new());
        fs::remove_file(tree.path("package.json")).expect("removed");
        assert_eq!(titles(&tree, &signature), ["package.json#dev"]);
    }

    #[test]
    fn settings_env_files_and_compose_files_count_also_where_they_come_and_go() {
        let tree = Fixture::new(&[("compose.yaml", "services: {}"), ("conf/.env", "A=1"), ("package.json", "{}")]);
        let signature = signature(&tree, "docker compose up", &["conf/.env".into(), "gone.env".into()]);
        assert_eq!(titles(&tree, &signature), Vec::<String>::new());
        assert!(!signature.contains("package.json") && signature.contains("\"hash\":\"-\""), "{signature}");
        fs::write(tree.path("wrap.toml"), "port = 1").expect("written");
        fs::write(tree.path("gone.env"), "").expect("written");
        fs::write(tree.path("compose.yaml"), "services: {a: {}}").expect("written");
        fs::remove_file(tree.path("conf/.env")).expect("removed");
        assert_eq!(titles(&tree, &signature), ["compose.yaml", "wrap.toml", "conf/.env", "gone.env"]);
    }

    #[test]
    fn what_is_no_signature_says_nothing_and_reads_nothing_for_ever() {
        for text in ["", "{}", "[1]", "abc123", "[{}]", &"[".repeat(100_000), r#"[{"path":1,"hash":2}]"#] {
            assert_eq!(changed(text), Vec::<String>::new(), "{text}");
        }
        let tree = Fixture::new(&[]);
        rustix::fs::mknodat(rustix::fs::CWD, tree.path("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a FIFO");
        let fifo = tree.path("fifo").display().to_string();
        let text = format!(r#"[{{"path":"{fifo}","hash":"x"}},{{"path":"/dev/zero","hash":"x"}}]"#);
        assert_eq!(changed(&text), Vec::<String>::new());
        let many = vec![r#"{"path":"/nowhere","hash":"x"}"#; 5000].join(",");
        assert_eq!(changed(&format!("[{many}]")).len(), SOURCES);
    }

    #[test]
    fn a_source_is_read_once_in_one_comparison() {
        let tree = Fixture::new(&[("wrap.toml", "a")]);
        let signature = signature(&tree, "true", &[]);
        let mut comparison = Comparison::default();
        assert_eq!(comparison.changed(&signature), Vec::<String>::new());
        fs::write(tree.path("wrap.toml"), "b").expect("written");
        assert_eq!(comparison.changed(&signature), Vec::<String>::new());
        assert_eq!(titles(&tree, &signature), ["wrap.toml"]);
    }
}
