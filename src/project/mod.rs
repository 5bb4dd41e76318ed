//! What project a command belongs to: its name, its kind, its root, its branch, and the ports that it publishes.
//!
//! Everything read here was written by others, and the command waits for it: each file is read with a bound, and
//! whatever cannot be read or understood only costs the name.

pub mod changes;
mod command;
mod compose;
mod dev;
mod git;
mod levels;
mod manifests;
mod package_json;
mod ports;
pub mod signature;
mod variables;

pub use dev::{Candidate, DevCommand, dev_command};

use crate::files;
use levels::Levels;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Looks up a variable of the environment that the command will get.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The manifest's name, else the folder's; one line, never empty.
    pub name: String,
    /// The directory of the manifest; where there is none, the repository's root, else the working directory.
    pub root: PathBuf,
    /// What kind of project it is.
    pub kind: Kind,
    /// The ports that the services of a compose command publish, in ascending order; empty for every other command.
    pub ports: Vec<u16>,
    /// The git branch, or the short hash of a detached HEAD.
    pub branch: Option<String>,
}

/// What kind of project it is, by its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JavaScript, for Node and its kin.
    PackageJson,
    /// The services of a compose file.
    DockerCompose,
    /// Rust.
    Cargo,
    /// Python.
    Pyproject,
    /// Go.
    Go,
    /// Ruby.
    Ruby,
    /// Elixir.
    Mix,
    /// Deno.
    Deno,
    /// The processes of a Procfile.
    Procfile,
    /// No manifest was found.
    Unknown,
}

impl Kind {
    /// The name in entries and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PackageJson => "package.json",
            Self::DockerCompose => "docker-compose",
            Self::Cargo => "Cargo.toml",
            Self::Pyproject => "pyproject.toml",
            Self::Go => "go.mod",
            Self::Ruby => "Gemfile",
            Self::Mix => "mix.exs",
            Self::Deno => "deno.json",
            Self::Procfile => "Procfile",
            Self::Unknown => "unknown",
        }
    }
}

/// A manifest that was found, and what it says.
#[derive(Debug)]
struct Found {
    kind: Kind,
    root: PathBuf,
    name: Option<String>,
    ports: Vec<u16>,
}

/// The project that `command`, started in `cwd`, is about: the nearest one of the kind that the program works on,
/// else the nearest of any kind. `cwd` is absolute; it need not exist any more.
pub fn detect(cwd: &Path, command: &[OsString], env: Env) -> Project {
    let levels = Levels::above(cwd, env);
    let own = match command::about(command) {
        Some(Kind::DockerCompose) => compose::found(&compose::files(cwd, &levels.dirs, command, env), env),
        Some(kind) => manifests::nearest(&levels.dirs, |manifest| manifest.kind == kind),
        None => None,
    };
    let branch = levels.repository.as_deref().and_then(git::branch);
    match own.or_else(|| manifests::nearest(&levels.dirs, |_| true)) {
        Some(found) => Project {
            name: found.name.unwrap_or_else(|| folder_name(&found.root)),
            root: found.root,
            kind: found.kind,
            ports: found.ports,
            branch,
        },
        None => Project {
            name: folder_name(cwd),
            root: levels.repository.unwrap_or_else(|| cwd.to_owned()),
            kind: Kind::Unknown,
            ports: Vec::new(),
            branch,
        },
    }
}

/// The last component of a path as a name; the root directory has none.
fn folder_name(dir: &Path) -> String {
    dir.file_name().and_then(|name| files::name(&name.to_string_lossy())).unwrap_or_else(|| "unknown".to_owned())
}

/// A directory of files for the tests of this floor.
#[cfg(test)]
mod fixture {
    use std::ffi::OsString;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Holds what was written; removed when dropped.
    pub struct Fixture(tempfile::TempDir);

    impl Fixture {
        /// Writes each (path, content); a path that ends in `/` is a directory.
        pub fn new(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            for (path, content) in files {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().expect("it has one")).expect("made");
                if path.to_string_lossy().ends_with('/') {
                    fs::create_dir_all(&path).expect("made");
                } else {
                    fs::write(&path, content).expect("written");
                }
            }
            Self(dir)
        }

        pub fn path(&self, below: &str) -> PathBuf {
            // `join("")` would leave a slash at the end.
            if below.is_empty() { self.0.path().to_owned() } else { self.0.path().join(below) }
        }
    }

    /// A command line from words.
    pub fn words(line: &str) -> Vec<OsString> {
        line.split_ascii_whitespace().map(OsString::from).collect()
    }

    /// An environment from pairs.
    pub fn env(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<> {
        let pairs: Vec<(String, OsString)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
        move |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// The project that `line` is about in `dir`, with an empty environment.
    pub fn detect(dir: &Path, line: &str) -> super::Project {
        super::detect(dir, &words(line), &env(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{Fixture, detect, env, words};
    use super::*;

    #[test]
    fn the_nearest_manifest_wins_and_nothing_above_the_repository_is_read() {
        let tree = Fixture::new(&[
            ("package.json", r#"{"name": "outside"}"#),
            ("repo/.git/HEAD", "ref: refs/heads/feature/x\n"),
            ("repo/package.json", r#"{"name": "whole"}"#),
            ("repo/web/package.json", r#"{"name": "@shop/web"}"#),
            ("repo/web/src/", ""),
            ("bare/.git/HEAD", "ref: refs/heads/main"),
            ("bare/src/", ""),
        ]);
        let project = detect(&tree.path("repo/web/src"), "npm run dev");
        assert_eq!((project.name.as_str(), project.kind), ("@shop/web", Kind::PackageJson));
        assert_eq!((project.root, project.branch.as_deref()), (tree.path("repo/web"), Some("feature/x")));
        let project = detect(&tree.path("bare/src"), "npm run dev");
        assert_eq!((project.name.as_str(), project.kind, project.root), ("src", Kind::Unknown, tree.path("bare")));
    }

    #[test]
    fn the_kind_is_what_the_command_is_about() {
        let tree = Fixture::new(&[
            ("package.json", r#"{"name": "js"}"#),
            ("compose.yaml", "name: boxes\nservices: {web: {ports: ['8080:80']}}"),
            ("Cargo.toml", "[package]\nname = 'rust'"),
            ("pyproject.toml", "[tool.poetry]\nname = 'py'"),
            ("go.mod", "module example.com/gopher\n"),
            ("Gemfile", ""),
            ("mix.exs", "[app: :elixir]"),
            ("deno.jsonc", "{name: 'deno', /* why */}"),
            ("Procfile", "web: x"),
        ]);
        for (line, kind, name) in [
            ("npm run dev", "package.json", "js"),
            ("./node_modules/.bin/vite", "package.json", "js"),
            ("docker compose up", "docker-compose", "boxes"),
            ("docker --context far compose up", "docker-compose", "boxes"),
            ("docker-compose up", "docker-compose", "boxes"),
            ("podman-compose up", "docker-compose", "boxes"),
            ("env RUST_LOG=debug A=b cargo run", "Cargo.toml", "rust"),
            ("/usr/bin/python3.12 manage.py runserver", "pyproject.toml", "py"),
            ("go run .", "go.mod", "gopher"),
            ("mix phx.server", "mix.exs", "elixir"),
            ("deno task dev", "deno.json", "deno"),
            ("docker build .", "package.json", "js"),
            ("./unheard-of", "package.json", "js"),
            ("", "package.json", "js"),
        ] {
            let project = detect(&tree.path(""), line);
            assert_eq!((project.kind.as_str(), project.name.as_str()), (kind, name), "{line}");
        }
        let folder = folder_name(&tree.path(""));
        for (line, kind) in [("bundle exec rails s", "Gemfile"), ("foreman start", "Procfile")] {
            let project = detect(&tree.path(""), line);
            assert_eq!((project.kind.as_str(), project.name.as_str()), (kind, folder.as_str()), "{line}");
        }
    }

    #[test]
    fn without_the_commands_own_manifest_the_nearest_of_any_kind_counts() {
        let tree = Fixture::new(&[("compose.yml", "services: {db: {ports: ['5432:5432']}}"), ("src/", "")]);
        let project = detect(&tree.path("src"), "cargo run");
        assert_eq!((project.kind, project.root), (Kind::DockerCompose, tree.path("")));
        // They are the ports of containers that this command does not start.
        assert_eq!(project.ports, Vec::<u16>::new());
    }

    #[test]
    fn a_manifest_that_cannot_be_read_counts_without_a_name() {
        let large = format!("{{\"name\": \"x\"{}}}", " ".repeat(2 * 1024 * 1024));
        let tree = Fixture::new(&[
            ("large/package.json", large.as_str()),
            ("broken/package.json", "{"),
            ("folder/package.json/", ""),
            ("number/package.json", r#"{"name": 7}"#),
            ("empty/package.json", r#"{"name": " \n"}"#),
            ("deep/deno.json", &"[".repeat(500_000)),
            ("dotted/Cargo.toml", &format!("a{} = 1", ".a".repeat(200_000))),
        ]);
        for folder in ["large", "broken", "folder", "number", "empty", "deep", "dotted"] {
            let project = detect(&tree.path(folder), "x");
            assert_ne!(project.kind, Kind::Unknown, "{folder}");
            assert_eq!(project.name, folder);
        }
    }

    #[test]
    fn a_name_is_one_short_line() {
        let json = format!("{{\"name\": \"a\\n\\u001b[2Jb{}\"}}", "x".repeat(1000));
        let tree = Fixture::new(&[("package.json", json.as_str())]);
        let name = detect(&tree.path(""), "").name;
        assert!(name.starts_with("a[2Jbx") && name.len() == 100, "{name}");
    }

    #[test]
    fn a_home_is_not_read_from_below_and_a_lost_folder_keeps_its_name() {
        let tree = Fixture::new(&[("package.json", "{}"), ("work/here/", "")]);
        let home = tree.path("").into_os_string().into_string().expect("UTF-8");
        let project = super::detect(&tree.path("work/here"), &words("npm start"), &env(&[("HOME", &home)]));
        assert_eq!((project.kind, project.name.as_str()), (Kind::Unknown, "here"));
        assert_eq!(project.root, tree.path("work/here"));
        // Whoever stands in it means it.
        let project = super::detect(&tree.path(""), &words("npm start"), &env(&[("HOME", &home)]));
        assert_eq!(project.kind, Kind::PackageJson);

        let gone = detect(Path::new("/nowhere/gone"), "npm start");
        assert_eq!((gone.name.as_str(), gone.kind), ("gone", Kind::Unknown));
        assert_eq!(detect(Path::new("/"), "true").name, "unknown");
    }
}
