//! The hook files: found by one look into the directory, and read only where nobody else could have written them.

use super::safe::{only_ours, read};
use super::script::{Library, Script};
use super::{shipped, trust};
use crate::config::{Config, Named};
use crate::error::{Error, reason};
use crate::paths;
use serde_json::Value as Json;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files that are loaded. Each costs a thread and a Lua state; more than this is a directory that was not meant.
const FILES: usize = 64;

/// The hooks that there are: found, not read, not loaded.
#[derive(Debug, Default)]
pub struct Hooks {
    dir: PathBuf,
    files: Vec<PathBuf>,
    /// Those that ship with wrap and are switched on.
    shipped: Vec<Named>,
    /// The only one that is run, where one is named.
    wanted: Option<String>,
    /// The one file was named by the user.
    is_named: bool,
    /// Why the directory could not be read.
    problem: Option<String>,
    /// The project that brings hooks of its own, and the directories whose projects are trusted.
    project: Option<(PathBuf, Vec<PathBuf>)>,
}

impl Hooks {
    /// Those that the configuration names of the shipped ones; the user's own, every `*.lua` in `hooks/` of the
    /// configuration directory; and those of the project at `root`, as far as they are trusted.
    pub fn find(root: &Path, config: &Config) -> Self {
        let mut hooks = Self::dir().map(|dir| Self::in_dir(&dir)).unwrap_or_default();
        hooks.shipped.clone_from(&config.hooks);
        hooks.shipped.sort_by(|a, b| a.name.cmp(&b.name));
        // One look; what is in it is read where the hooks are, off the way of the start.
        if root.join(trust::DIRECTORY).symlink_metadata().is_ok() {
            hooks.project = Some((root.to_owned(), config.trusted.clone()));
        }
        hooks
    }

    /// The user's own directory of hooks.
    pub fn dir() -> Option<PathBuf> {
        paths::config_dir().map(|dir| dir.join("hooks"))
    }

    /// Every `*.lua` in a directory, in order of name. Hidden files, such as editors leave behind, are none.
    pub fn in_dir(dir: &Path) -> Self {
        let mut hooks = Self { dir: dir.to_owned(), ..Self::default() };
        match fs::read_dir(dir) {
            Ok(entries) => {
                hooks.files = entries.flatten().map(|entry| entry.path()).filter(|path| is_hook(path)).collect();
                hooks.files.sort();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => hooks.problem = Some(Error::file("read", dir, error).to_string()),
        }
        hooks
    }

    /// Whether there is nothing to run and nothing to say: then no [`super::Runner`] is needed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.shipped.is_empty() && self.problem.is_none() && self.project.is_none()
    }

    /// Those that the project brings are left out.
    pub(super) fn without_project(mut self) -> Self {
        self.project = None;
        self
    }

    /// The one file that there is.
    pub(super) fn script(&self) -> Result<Script, String> {
        let path = self.files.first().ok_or("there is no file")?;
        let name = super::text::one_line(&path.file_stem().unwrap_or_default().to_string_lossy());
        let source = read(path)?;
        Ok(Script { name, source, library: Library::Directory(self.dir.clone()), options: Json::Null })
    }

    /// The user's own directory, as it was looked at.
    pub(super) fn place(&self) -> &Path {
        &self.dir
    }

    /// One file alone, whatever it is called.
    pub fn only(file: &Path) -> Self {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { dir: dir.to_owned(), files: vec![file.to_owned()], is_named: true, ..Self::default() }
    }

    /// Those of the names in `wanted`.
    #[must_use]
    pub fn named(mut self, wanted: &str) -> Self {
        self.wanted = Some(wanted.to_owned());
        self
    }

    /// Reads the files. What is not safe to run is told to `notice` instead, with what to do about it.
    pub(super) fn read(self, notice: impl Fn(String)) -> Vec<Script> {
        let project = self.project.clone();
        let mut scripts: Vec<Script> = self.shipped.iter().filter_map(shipped::script).collect();
        scripts.extend(self.read_own(&notice));
        if let Some((root, trusted)) = project {
            match trust::allowed(&root, &trusted) {
                Ok(of_project) => scripts.extend(of_project),
                Err(why) => notice(why),
            }
        }
        scripts.retain(|script| self.wanted.as_ref().is_none_or(|wanted| script.name == *wanted));
        scripts
    }

    fn read_own(&self, notice: &impl Fn(String)) -> Vec<Script> {
        if self.files.is_empty() && self.problem.is_none() {
            return Vec::new();
        }
        if let Some(problem) = &self.problem {
            notice(format!("hooks are not run: {problem}"));
            return Vec::new();
        }
        // Whoever can write to the directory can put a link to any file of ours into it. A file that the user has named
        // himself is that file.
        let checked =
            || fs::metadata(&self.dir).map_err(|error| reason(&error)).and_then(|dir| only_ours(&dir, &self.dir));
        if let (false, Err(why)) = (self.is_named, checked()) {
            notice(format!("hooks in `{}` are not run: {why}", self.dir.display()));
            return Vec::new();
        }
        if self.files.len() > FILES {
            let all = self.files.len();
            notice(format!("only the first {FILES} of {all} hooks are run: remove some from `{}`", self.dir.display()));
        }
        let mut scripts = Vec::new();
        for path in self.files.iter().take(FILES) {
            let name = super::text::one_line(&path.file_stem().unwrap_or_default().to_string_lossy());
            let (library, options) = (Library::Directory(self.dir.clone()), Json::Null);
            match read(path) {
                Ok(source) => scripts.push(Script { name, source, library, options }),
                Err(why) => notice(format!("hook {name}: not run: {why}")),
            }
        }
        scripts
    }
}

fn is_hook(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    path.extension() == Some(OsStr::new("lua")) && !hidden
}
