//! package.json: its name, its dev script, and the package manager that runs it.

use super::command;
use crate::files::{self, MANIFEST_BYTES};
use serde_json::Value;
use std::ffi::OsString;
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

/// The package.json and the script of it that a command of a package manager runs: `npm run dev`, `pnpm dev`,
/// `yarn start`. `None` for any other command, and where there is no such script.
pub(super) fn runs(cwd: &Path, dirs: &[PathBuf], command: &[OsString]) -> Option<(PathBuf, String)> {
    let (script, elsewhere) = command::script(command)?;
    let path = match elsewhere {
        Some(dir) => cwd.join(dir).join(FILE),
        None => dirs.iter().map(|dir| dir.join(FILE)).find(|path| path.exists())?,
    };
    let text = files::read_bounded(&path, MANIFEST_BYTES).ok()??;
    lines(&text, script)?[1].is_some().then(|| (path, script.to_owned()))
}

/// What a manager runs for a script: the one before it, itself, and the one after it. `None` where the text is no
/// package.json.
pub(super) fn lines(text: &str, script: &str) -> Option<[Option<String>; 3]> {
    let package: Value = serde_json::from_str(text).ok()?;
    let line = |name: &str| Some(package.get("scripts")?.get(name)?.as_str()?.to_owned());
    Some([line(&format!("pre{script}")), line(script), line(&format!("post{script}"))])
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
    use super::super::fixture::{Fixture, words};
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
    fn the_script_that_a_command_runs_is_found_in_its_package() {
        let tree = Fixture::new(&[
            ("package.json", r#"{"scripts": {"dev": "x", "start": "y", "test": "z"}}"#),
            ("web/package.json", r#"{"scripts": {"dev": "x"}}"#),
            ("src/", ""),
        ]);
        let dirs = [tree.path("src"), tree.path("")];
        let found = |line: &str| runs(&dirs[0], &dirs, &words(line));
        let here = |script: &str| Some((tree.path("package.json"), script.to_owned()));
        for (line, script) in [
            ("npm run dev", "dev"),
            ("npm run-script --silent dev -- --port 3", "dev"),
            ("npm -s start", "start"),
            ("npm t", "test"),
            ("pnpm dev", "dev"),
            ("pnpm run dev", "dev"),
            ("yarn start", "start"),
            ("env A=b bun run dev", "dev"),
            ("corepack yarn dev", "dev"),
        ] {
            assert_eq!(found(line), here(script), "{line}");
        }
        let web = Some((tree.path("src").join("../web/package.json"), "dev".to_owned()));
        assert_eq!(found("npm --prefix ../web run dev"), web);
        assert_eq!(found("pnpm -C ../web dev"), web);
        for line in [
            "npm run",
            "npm run gone",
            "npm dev",
            "npm -w web run dev",
            "pnpm --filter web dev",
            "yarn",
            "node dev",
            "npx dev",
            "vite",
            "",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
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
