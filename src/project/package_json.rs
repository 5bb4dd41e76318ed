//! package.json: its name, its dev script, and the package manager that runs it.

use crate::files::{self, MANIFEST_BYTES};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The file.
pub(super) const FILE: &str = "package.json";

/// The scripts that start a dev server, in the order of preference; the tasks of deno.json go by the same names.
pub(super) static SCRIPTS: &[&str] = &["dev", "develop", "serve", "start"];

/// The package managers, each with the files that it locks versions in.
static MANAGERS: &[(&str, &[&str])] = &[
    ("npm", &["package-lock.json", "npm-shrinkwrap.json"]),
    ("pnpm", &["pnpm-lock.yaml"]),
    ("yarn", &["yarn.lock"]),
    ("bun", &["bun.lock", "bun.lockb"]),
];

pub(super) fn name(text: &str) -> Option<String> {
    let package: Value = serde_json::from_str(text).ok()?;
    Some(package.get("name")?.as_str()?.to_owned())
}

/// The script that starts the dev server of the package in `dir`.
pub(super) fn script(dir: &Path) -> Option<&'static str> {
    let package = read(dir)?;
    let scripts = package.get("scripts")?;
    let is_there = |name: &str| scripts.get(name).and_then(Value::as_str).is_some_and(|line| !line.trim().is_empty());
    SCRIPTS.iter().copied().find(|name| is_there(name))
}

/// The package manager of the package in the first of `dirs`: what `packageManager` says, else whose lock file lies
/// there; for a member of a workspace the same above it; else npm, which comes with Node.
pub(super) fn manager(dirs: &[PathBuf]) -> &'static str {
    dirs.iter().find_map(|dir| named(dir).or_else(|| locked(dir))).unwrap_or("npm")
}

/// `"packageManager": "pnpm@9.1.0+sha512…"`.
fn named(dir: &Path) -> Option<&'static str> {
    let package = read(dir)?;
    let wanted = package.get("packageManager")?.as_str()?.split('@').next()?;
    MANAGERS.iter().map(|(name, _)| *name).find(|name| *name == wanted)
}

fn locked(dir: &Path) -> Option<&'static str> {
    MANAGERS.iter().find(|(_, locks)| locks.iter().any(|lock| dir.join(lock).exists())).map(|(name, _)| *name)
}

fn read(dir: &Path) -> Option<Value> {
    let text = files::read_bounded(&dir.join(FILE), MANIFEST_BYTES).ok()??;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn scripts_are_taken_in_their_order() {
        let tree = Fixture::new(&[
            ("a/package.json", r#"{"scripts": {"start": "x", "serve": "x", "dev": "x"}}"#),
            ("b/package.json", r#"{"scripts": {"start": "x", "serve": "x", "dev": " "}}"#),
            ("c/package.json", r#"{"scripts": {"build": "x", "start": 1}}"#),
            ("d/package.json", r#"{"scripts": ["dev"]}"#),
        ]);
        let scripts = ["a", "b", "c", "d", "none"].map(|folder| script(&tree.path(folder)));
        assert_eq!(scripts, [Some("dev"), Some("serve"), None, None, None]);
    }

    #[test]
    fn the_manager_is_named_or_locked_here_or_above() {
        let tree = Fixture::new(&[
            ("a/package.json", r#"{"packageManager": "yarn@4.1.0"}"#),
            ("a/package-lock.json", ""),
            ("a/member/package.json", "{}"),
            ("a/own/bun.lockb", ""),
            ("b/package.json", r#"{"packageManager": "unheard-of@1"}"#),
            ("b/pnpm-lock.yaml", ""),
            ("c/package.json", "{}"),
        ]);
        let of = |folders: &[&str]| manager(&folders.iter().map(|folder| tree.path(folder)).collect::<Vec<_>>());
        assert_eq!(of(&["a"]), "yarn");
        assert_eq!(of(&["a/member", "a"]), "yarn");
        assert_eq!(of(&["a/own", "a"]), "bun");
        assert_eq!(of(&["b"]), "pnpm");
        assert_eq!(of(&["c"]), "npm");
    }
}
