//! The hook files: found by one look into the directory, and read only where nobody else could have written them.

use super::{shipped, trust};
use crate::config::{Config, Named};
use crate::error::{Error, reason};
use crate::paths;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that are loaded. Each costs a thread and a Lua state; more than this is a directory that was not meant.
const FILES: usize = 64;

/// Bytes of one file: some thousand lines. The compiler's memory, some hundred times that, is not the Lua state's.
pub(super) const FILE_BYTES: u64 = 256 << 10;

/// Bytes of a module's name.
const NAME_BYTES: usize = 256;

/// Group and others may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Others than the group may.
const OTHERS: u32 = 0o002;

/// Bytes of /etc/group: some ten thousand groups. What is not in it, or in a larger one, is nobody's own.
const GROUPS_BYTES: u64 = 1 << 20;

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

/// One file's text, as it was read once.
pub(super) struct Script {
    /// The file's stem, fit to be shown.
    pub name: String,
    /// What Lua compiles; the file is not opened a second time.
    pub source: Vec<u8>,
    /// Where `require` looks.
    pub library: Library,
    /// What a configuration says to it.
    pub options: Json,
}

impl Script {
    /// Whether it ships with wrap.
    pub fn is_shipped(&self) -> bool {
        matches!(self.library, Library::Empty)
    }

    /// Its file's name without the ending.
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('/').map_or(&self.name, |(_, stem)| stem)
    }
}

/// The files beside a hook.
#[derive(Clone)]
pub(super) enum Library {
    /// There are none: the hook ships with wrap.
    Empty,
    /// Those in a directory of the user's.
    Directory(PathBuf),
    /// Those of a project that were hashed, by their path below the hooks' directory.
    Hashed(Arc<BTreeMap<String, Vec<u8>>>),
}

impl Library {
    /// The file of a module, `NAME.luau` or `NAME.lua`, and what is in it. A name has slashes where it lies deeper, and
    /// leads nowhere else.
    pub fn find(&self, name: &str) -> Result<Option<(String, Vec<u8>)>, String> {
        let name = name.strip_prefix("./").unwrap_or(name);
        let part = |part: &str| {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            !part.is_empty() && !part.starts_with('.') && part.chars().all(plain)
        };
        if name.len() > NAME_BYTES || !name.split('/').all(part) {
            return Err("a module is a file beside the hook, or in a directory below: `lib/names`".into());
        }
        let stem = name.strip_suffix(".luau").or_else(|| name.strip_suffix(".lua")).unwrap_or(name);
        for extension in ["luau", "lua"] {
            let file = format!("{stem}.{extension}");
            let source = match self {
                Self::Empty => None,
                Self::Hashed(files) => files.get(&file).cloned(),
                Self::Directory(dir) => module(dir, &file)?,
            };
            if let Some(source) = source {
                return Ok(Some((file, source)));
            }
        }
        Ok(None)
    }
}

/// One of the user's own modules. Nobody else may be able to write to it, nor to a directory on the way to it.
fn module(dir: &Path, file: &str) -> Result<Option<Vec<u8>>, String> {
    let path = dir.join(file);
    let below = path.ancestors().skip(1).take_while(|above| *above != dir);
    for above in below.chain([dir]) {
        match fs::metadata(above) {
            Ok(meta) => only_ours(&meta, above)?,
            Err(_) => return Ok(None),
        }
    }
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    read(&path).map(Some)
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

/// Reads one file. What is checked is the file that was opened: behind a link it is the target, and nobody can
/// exchange it between the check and the read.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_with(path, 0)
}

/// The same, of a file that is not behind a link.
pub(super) fn read_at_its_place(path: &Path) -> Result<Vec<u8>, String> {
    read_with(path, libc::O_NOFOLLOW)
}

fn read_with(path: &Path, flags: i32) -> Result<Vec<u8>, String> {
    // Not blocking: the open of a FIFO would wait for a writer.
    let opened = OpenOptions::new().read(true).custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.map_err(|error| reason(&error))?;
    let meta = file.metadata().map_err(|error| reason(&error))?;
    if !meta.is_file() {
        return Err("it is not a regular file".into());
    }
    only_ours(&meta, path)?;
    read_bounded(&file).map_err(|error| reason(&error))
}

fn read_bounded(file: &File) -> io::Result<Vec<u8>> {
    let mut source = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut source)?;
    if source.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {} KiB: make it smaller", FILE_BYTES >> 10)));
    }
    Ok(source)
}

/// Refuses what another user than us and root has written or could write.
pub(super) fn only_ours(meta: &Metadata, path: &Path) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != us && meta.uid() != 0 {
        return Err(format!("it belongs to user {}: `chown {us} {}` if you trust it", meta.uid(), path.display()));
    }
    // With a umask of 002, as where each user has a group of his own, every checkout is writable by that group.
    let others = if meta.uid() == us && is_private_group(meta.gid()) { OTHERS } else { WRITABLE_BY_OTHERS };
    if meta.mode() & others != 0 {
        return Err(format!("others can write to it: `chmod go-w {}`", path.display()));
    }
    Ok(())
}

/// Whether a group is our primary one and nobody else is in it (group(5)): what it may do, we may.
pub(super) fn is_private_group(gid: u32) -> bool {
    if gid != rustix::process::getegid().as_raw() {
        return false;
    }
    let groups = crate::files::read_bounded(Path::new("/etc/group"), GROUPS_BYTES).ok().flatten().unwrap_or_default();
    let users = crate::files::read_bounded(Path::new("/etc/passwd"), GROUPS_BYTES).ok().flatten().unwrap_or_default();
    let uid = rustix::process::geteuid().as_raw();
    private_in(&groups, &users, gid, uid)
}

fn private_in(groups: &str, users: &str, gid: u32, uid: u32) -> bool {
    let field = |line: &str, at: usize| line.split(':').nth(at).unwrap_or_default().to_owned();
    let is = |text: String, number: u32| text.parse() == Ok(number);
    let Some(us) = users.lines().find(|line| is(field(line, 2), uid)) else { return false };
    let name = field(us, 0);
    let Some(group) = groups.lines().find(|line| is(field(line, 2), gid)) else { return false };
    let members = field(group, 3);
    let only_us = members.split(',').all(|member| member.trim().is_empty() || member.trim() == name);
    // Others may have it as their primary one, which only their own line says.
    only_us && !users.lines().any(|line| is(field(line, 3), gid) && !is(field(line, 2), uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_where_nobody_else_is_in_it() {
        let users =
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n";
        let groups = "root:x:0:\nusers:x:100:\nann:x:1000:\nwheel:x:10:ann,bob\nmine:x:11:ann\n";
        let private = |gid, uid| private_in(groups, users, gid, uid);
        assert!(private(1000, 1000) && private(11, 1000));
        assert!(!private(10, 1000), "with another member");
        assert!(!private(100, 1000), "another's primary group");
        assert!(!private(12, 1000) && !private(1000, 4), "not to be found");
    }
}
