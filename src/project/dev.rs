//! The project's own dev command, for `wrap` without one.

use super::levels::Levels;
use super::{Env, Kind, compose, manifests, package_json};
use crate::files::{self, MANIFEST_BYTES};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A command that a project's own files propose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// Where to run it.
    pub dir: PathBuf,
    /// What proposes it, as in "script `dev` of package.json".
    pub from: String,
    /// The kind of project that it is about.
    pub kind: Kind,
}

/// What a project proposes to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DevCommand {
    /// One command.
    Found(Candidate),
    /// Several that nothing tells apart: somebody must choose.
    Several(Vec<Candidate>),
    /// None.
    Nothing,
}

/// The dev command of the nearest project: a script of package.json, a task of deno.json, the services of a compose
/// file. The nearest directory with one of these files decides, also where it has no such script: a package
/// without one does not mean the dev server of the whole repository.
pub fn dev_command(cwd: &Path, env: Env) -> DevCommand {
    let mut dirs = Levels::above(cwd, env).dirs;
    // Nobody has named what is run: above the directory that one stands in, it is not for others to choose.
    let end = dirs.iter().position(|dir| !may_choose(dir, cwd)).unwrap_or(dirs.len());
    dirs.truncate(end);
    for (at, dir) in dirs.iter().enumerate() {
        // COMPOSE_FILE is about the directory that one stands in.
        let listed = if at == 0 { compose::listed(cwd, env) } else { Vec::new() };
        let is_project = package_json_in(dir) || deno_in(dir).is_some();
        let found: Vec<Candidate> =
            [script(&dirs[at..]), task(dir), services(dir, &listed)].into_iter().flatten().collect();
        if is_project || !found.is_empty() {
            return choose(found);
        }
    }
    DevCommand::Nothing
}

/// Whether a directory is ours, root's, or of whoever owns the directory that one stands in.
fn may_choose(dir: &Path, cwd: &Path) -> bool {
    let owner = |path: &Path| fs::metadata(path).map(|meta| meta.uid()).ok();
    [Some(rustix::process::geteuid().as_raw()), Some(0), owner(cwd)].contains(&owner(dir))
}

fn choose(mut found: Vec<Candidate>) -> DevCommand {
    match (found.len(), found.pop()) {
        (1, Some(one)) => DevCommand::Found(one),
        (_, Some(last)) => {
            found.push(last);
            DevCommand::Several(found)
        }
        (_, None) => DevCommand::Nothing,
    }
}

fn package_json_in(dir: &Path) -> bool {
    dir.join(package_json::FILE).exists()
}

fn deno_in(dir: &Path) -> Option<PathBuf> {
    manifests::DENO_FILES.iter().map(|file| dir.join(file)).find(|path| path.exists())
}

/// The script of the package in the first of `dirs`.
fn script(dirs: &[PathBuf]) -> Option<Candidate> {
    let dir = dirs.first()?;
    let script = package_json::script(dir)?;
    let command = [package_json::manager(dirs), "run", script];
    Some(candidate(&command, dir, format!("script `{script}` of {}", package_json::FILE), Kind::PackageJson))
}

fn task(dir: &Path) -> Option<Candidate> {
    let path = deno_in(dir)?;
    let config = manifests::deno(&files::read_bounded(&path, MANIFEST_BYTES).ok()??)?;
    let tasks = config.get("tasks")?.as_object()?;
    let task = package_json::SCRIPTS.iter().find(|name| tasks.contains_key(**name))?;
    let from = format!("task `{task}` of {}", file_name(&path));
    Some(candidate(&["deno", "task", task], dir, from, Kind::Deno))
}

fn services(dir: &Path, listed: &[PathBuf]) -> Option<Candidate> {
    let from = if listed.iter().any(|path| path.exists()) {
        "services of COMPOSE_FILE".to_owned()
    } else {
        format!("services of {}", file_name(compose::defaults(dir)?.first()?))
    };
    Some(candidate(&["docker", "compose", "up"], dir, from, Kind::DockerCompose))
}

fn candidate(command: &[&str], dir: &Path, from: String, kind: Kind) -> Candidate {
    Candidate { command: command.iter().map(OsString::from).collect(), dir: dir.to_owned(), from, kind }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, env, words};
    use super::*;

    fn in_dir(tree: &Fixture, dir: &str) -> DevCommand {
        dev_command(&tree.path(dir), &env(&[]))
    }

    fn one(found: DevCommand) -> Candidate {
        match found {
            DevCommand::Found(candidate) => candidate,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_kind_of_project_proposes_its_own() {
        let tree = Fixture::new(&[
            ("js/.git/", ""),
            ("js/package.json", r#"{"scripts": {"develop": "x", "start": "x"}}"#),
            ("js/pnpm-lock.yaml", ""),
            ("js/src/", ""),
            ("boxes/docker-compose.yaml", "services: {}"),
            ("deno/deno.jsonc", "{tasks: {start: 'x', dev: {command: 'x'}}}"),
            ("rust/Cargo.toml", ""),
        ]);
        let script = one(in_dir(&tree, "js/src"));
        assert_eq!((script.command, script.dir), (words("pnpm run develop"), tree.path("js")));
        assert_eq!((script.from.as_str(), script.kind), ("script `develop` of package.json", Kind::PackageJson));
        let services = one(in_dir(&tree, "boxes"));
        assert_eq!((services.command, services.kind), (words("docker compose up"), Kind::DockerCompose));
        assert_eq!(services.from, "services of docker-compose.yaml");
        let task = one(in_dir(&tree, "deno"));
        assert_eq!((task.command, task.from.as_str()), (words("deno task dev"), "task `dev` of deno.jsonc"));
        assert_eq!(in_dir(&tree, "rust"), DevCommand::Nothing);
    }

    #[test]
    fn two_in_one_place_are_for_somebody_to_choose() {
        let tree = Fixture::new(&[
            ("package.json", r#"{"scripts": {"dev": "x"}}"#),
            ("compose.yml", "services: {}"),
            ("web/package.json", r#"{"scripts": {"dev": "x"}}"#),
            ("lib/package.json", r#"{"scripts": {"build": "x"}}"#),
        ]);
        let DevCommand::Several(found) = in_dir(&tree, "") else { panic!("not several") };
        assert_eq!(found.iter().map(|one| one.kind).collect::<Vec<_>>(), [Kind::PackageJson, Kind::DockerCompose]);
        assert_eq!(one(in_dir(&tree, "web")).dir, tree.path("web"));
        assert_eq!(in_dir(&tree, "lib"), DevCommand::Nothing);
    }

    #[test]
    fn compose_file_proposes_where_one_stands() {
        let tree = Fixture::new(&[("deploy/all.yml", "services: {}"), ("src/", "")]);
        let found = one(dev_command(&tree.path("src"), &env(&[("COMPOSE_FILE", "../deploy/all.yml")])));
        assert_eq!((found.dir, found.from.as_str()), (tree.path("src"), "services of COMPOSE_FILE"));
        assert_eq!(dev_command(&tree.path("src"), &env(&[("COMPOSE_FILE", "gone.yml")])), DevCommand::Nothing);
    }
}
