//! What a project brings to be run is run only after its user has said so. The word holds for a content: any edit needs
//! another. What is run are the very bytes that were hashed.

use super::safe::{self, FILE_BYTES};
use super::script::{Library, Script};
use crate::config::{self, Loaded, PROJECT_FILE};
use crate::error::{Error, reason};
use crate::registry::{dir, now_ms, own};
use crate::sys::lock::lock_byte;
use crate::{files as bounded, paths};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory of a project in which everything is that wrap runs of it.
pub const DIRECTORY: &str = ".wrap";

/// Where its hooks are, as an [`Item`] is named.
const HOOKS: &str = ".wrap/hooks/";

/// Files in it; a handful is usual, and each is read at every start.
const FILES: usize = 256;

/// Bytes of all of them.
const BYTES: usize = 4 << 20;

/// Directories within each other.
const DEPTH: usize = 8;

/// Bytes of the store: some hundred for each project, and nobody trusts ten thousand.
const STORE_BYTES: u64 = 4 << 20;

/// All that a project brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    root: PathBuf,
    files: Vec<Item>,
}

/// One file of it, as it was read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the project's directory, with slashes.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What a user has said of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// Its directory, absolute and without links.
    pub path: PathBuf,
    /// SHA-256 of what it brought, its place included.
    pub digest: String,
    /// The same without the place.
    pub content: String,
    /// When, epoch milliseconds.
    pub since: u64,
}

/// How a project stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// What it brings is what its user has trusted, or lies below a directory that he trusts.
    Trusted,
    /// Nothing was said of it.
    Unknown,
    /// It brings something else than what was trusted.
    Changed,
}

impl Bundle {
    /// Reads it; `None` where the project brings nothing. The error says which file cannot be trusted, and why.
    pub fn read(root: &Path) -> Result<Option<Self>, String> {
        let root = match fs::canonicalize(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|error| Error::file("find", root, error).to_string())?,
        };
        let mut files = Vec::new();
        let top = root.join(DIRECTORY);
        match top.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("read", &top, error).to_string()),
            Ok(_) => collect(&top, DIRECTORY, 0, &mut files)?,
        }
        let settings = root.join(PROJECT_FILE);
        // One without anything that runs asks for no trust, whoever can write to it.
        let asks = |text: String| config::needs_trust(&text);
        if bounded::read_bounded(&settings, FILE_BYTES).is_ok_and(|text| text.is_some_and(asks)) {
            let bytes = safe::read_at_its_place(&settings).map_err(|why| format!("`{}`: {why}", shown(&settings)))?;
            files.push(Item { name: PROJECT_FILE.to_owned(), bytes });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((!files.is_empty()).then_some(Self { root, files }))
    }

    /// The project's directory, absolute and without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All files, in order of name.
    pub fn files(&self) -> &[Item] {
        &self.files
    }

    /// The hooks among them: `hooks/*.lua`, each with the files beside it.
    pub(super) fn scripts(&self) -> Vec<Script> {
        let inside = |item: &Item| Some((item.name.strip_prefix(HOOKS)?.to_owned(), item.bytes.clone()));
        let beside = Arc::new(self.files.iter().filter_map(inside).collect::<BTreeMap<_, _>>());
        let hooks = beside.iter().filter_map(|(file, source)| {
            let stem = file.strip_suffix(".lua")?;
            let is_one = !stem.is_empty() && !stem.contains('/') && !stem.starts_with('.');
            let name = format!("{DIRECTORY}/{stem}");
            let (library, options) = (Library::Hashed(beside.clone()), serde_json::Value::Null);
            is_one.then(|| Script { name, source: source.clone(), library, options })
        });
        hooks.collect()
    }

    /// What is to be said of it: its hashes, now.
    pub fn word(&self) -> Word {
        let mut content = Sha256::new();
        for item in &self.files {
            // With their lengths, so that nothing moves from one to the next.
            for part in [item.name.as_bytes(), &item.bytes] {
                content.update((part.len() as u64).to_le_bytes());
                content.update(part);
            }
        }
        let content = hex(&content.finalize());
        let mut placed = Sha256::new();
        placed.update(self.root.as_os_str().as_encoded_bytes());
        placed.update([0]);
        placed.update(&content);
        Word { path: self.root.clone(), digest: hex(&placed.finalize()), content, since: now_ms() }
    }
}

/// Adds what is in a directory. Nothing that leads elsewhere, or that somebody else can change, is taken.
fn collect(dir: &Path, name: &str, depth: usize, found: &mut Vec<Item>) -> Result<(), String> {
    let failed = |path: &Path, error: &io::Error| format!("cannot read `{}`: {}", shown(path), reason(error));
    let meta = dir.symlink_metadata().map_err(|error| failed(dir, &error))?;
    if !meta.is_dir() {
        return Err(format!("`{}` is not a directory of its own: what it leads to could change unseen", shown(dir)));
    }
    safe::only_ours(&meta, dir)?;
    if depth > DEPTH {
        return Err(format!("`{}` lies too deep: {DEPTH} directories within each other are read", shown(dir)));
    }
    for entry in fs::read_dir(dir).map_err(|error| failed(dir, &error))? {
        let entry = entry.map_err(|error| failed(dir, &error))?;
        let path = entry.path();
        let Some(last) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(format!("`{}` has a name that is not UTF-8", shown(&path)));
        };
        let name = if name.is_empty() { last } else { format!("{name}/{last}") };
        let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
        if kind.is_dir() {
            collect(&path, &name, depth + 1, found)?;
        } else if kind.is_file() {
            let bytes = safe::read_at_its_place(&path).map_err(|why| format!("`{}`: {why}", shown(&path)))?;
            found.push(Item { name, bytes });
        } else {
            return Err(format!("`{}` is a link, or no file: put the file itself there", shown(&path)));
        }
        if found.len() > FILES || found.iter().map(|item| item.bytes.len()).sum::<usize>() > BYTES {
            return Err(format!("`{}` has more than {FILES} files, or more than {} MiB", shown(dir), BYTES >> 20));
        }
    }
    Ok(())
}

/// A path of a project, which may have any name.
fn shown(path: &Path) -> String {
    bounded::printable(&path.to_string_lossy(), usize::MAX)
}

/// Each byte as two digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Everything that the user has said.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    trusted: Vec<Word>,
}

impl Store {
    /// The user's; `None` where there is no HOME.
    pub fn ours() -> Option<Self> {
        paths::state_dir().map(|state| Self { path: state.join("trust.json") })
    }

    /// The one in this file.
    #[cfg(test)]
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// All words. What cannot be read is an error, and nothing is trusted then.
    pub fn all(&self) -> Result<Vec<Word>, String> {
        let open = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&self.path);
        let file = match open {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(|error| Error::file("read", &self.path, error).to_string())?,
        };
        let failed = |error: io::Error| Error::file("read", &self.path, error).to_string();
        let meta = file.metadata().map_err(failed)?;
        safe::only_ours(&meta, &self.path)?;
        let broken = |why: &str| {
            let path = self.path.display();
            format!("the store of trust `{path}` is broken ({why}): `wrap trust` begins a new one")
        };
        if !meta.is_file() || meta.len() > STORE_BYTES {
            return Err(broken("it is no file, or too large"));
        }
        let text = io::read_to_string(file).map_err(failed)?;
        let content: Content = serde_json::from_str(&text).map_err(|error| broken(&error.to_string()))?;
        Ok(content.trusted)
    }

    /// How a project stands.
    pub fn standing(&self, bundle: &Bundle) -> Result<Standing, String> {
        let all = self.all()?;
        let word = bundle.word();
        if all.iter().any(|known| known.digest == word.digest) {
            return Ok(Standing::Trusted);
        }
        // A linked worktree of a repository that was trusted, with the same in it: the word holds for it, too.
        let main = main_worktree(&bundle.root);
        if main.is_some_and(|main| all.iter().any(|known| known.path == main && known.content == word.content)) {
            return Ok(Standing::Trusted);
        }
        let is_known = all.iter().any(|known| known.path == word.path);
        Ok(if is_known { Standing::Changed } else { Standing::Unknown })
    }

    /// Takes a word down, in the place of an older one. A store that is broken is put aside first; the sentence says so.
    pub fn trust(&self, word: Word) -> Result<Option<String>, Error> {
        let _lock = self.lock()?;
        let (mut all, said) = match self.all() {
            Ok(all) => (all, None),
            Err(why) => {
                let aside = self.path.with_extension(format!("{}.corrupt", now_ms()));
                fs::rename(&self.path, &aside).map_err(|error| Error::file("move", &self.path, error))?;
                (Vec::new(), Some(format!("{why}; it is kept as `{}`", aside.display())))
            }
        };
        all.retain(|known| known.path != word.path);
        all.push(word);
        self.write(all).map(|()| said)
    }

    /// Forgets those that the closure does not want to keep; how many that were.
    pub fn retain(&self, keep: impl FnMut(&Word) -> bool) -> Result<usize, Error> {
        let _lock = self.lock()?;
        let mut all = self.all().map_err(Error::Message)?;
        let before = all.len();
        all.retain(keep);
        let gone = before - all.len();
        if gone > 0 {
            self.write(all)?;
        }
        Ok(gone)
    }

    /// Held by who changes it: of two that do so at once none loses its word.
    fn lock(&self) -> Result<File, Error> {
        let state = self.path.parent().unwrap_or(Path::new("/"));
        drop(dir::make_all(state)?);
        let path = self.path.with_extension("lock");
        let file = own::open_to_lock(&path)?;
        lock_byte(&file, 0).map_err(|error| Error::file("lock", &path, error))?;
        Ok(file)
    }

    fn write(&self, trusted: Vec<Word>) -> Result<(), Error> {
        let json =
            serde_json::to_vec_pretty(&Content { trusted }).map_err(|error| Error::Message(error.to_string()))?;
        own::replace(&self.path, &json)
    }
}

/// The repository that a linked worktree belongs to (gitrepository-layout(5)): `.git` is a file there that names
/// `REPOSITORY/.git/worktrees/NAME`.
fn main_worktree(root: &Path) -> Option<PathBuf> {
    let line = bounded::read_bounded(&root.join(".git"), 8 * 1024).ok()??;
    let git = root.join(line.lines().next()?.strip_prefix("gitdir:")?.trim());
    // The repository says the same of it: a file that a stranger brings can claim to belong to any.
    let back = bounded::read_bounded(&git.join("gitdir"), 8 * 1024).ok()??;
    let named = fs::canonicalize(git.join(back.trim())).ok()?;
    if named != fs::canonicalize(root.join(".git")).ok()? {
        return None;
    }
    let worktrees = git.parent().filter(|dir| dir.ends_with(".git/worktrees"))?;
    fs::canonicalize(worktrees.parent()?.parent()?).ok()
}

/// Whether the user's word holds for what a project brings; else what is to be said of it, completing a sentence.
fn holds(bundle: &Bundle, prefixes: &[PathBuf]) -> Result<(), String> {
    // As the project's own path, without links.
    let mut prefixes = prefixes.iter().filter_map(|prefix| fs::canonicalize(prefix).ok());
    if prefixes.any(|prefix| bundle.root.starts_with(prefix)) {
        return Ok(());
    }
    let none = || "there is no HOME to keep your word in".to_owned();
    let how = "`wrap trust --show` shows what would run, `wrap trust` allows it";
    match Store::ours().ok_or_else(none).and_then(|store| store.standing(bundle))? {
        Standing::Trusted => Ok(()),
        Standing::Unknown => Err(how.to_owned()),
        Standing::Changed => Err(format!("it has changed since you trusted it: {how}")),
    }
}

/// Whether this file may be run for its own sake. One below a `.wrap` is its project's, whoever names it.
pub fn may_run(file: &Path, prefixes: &[PathBuf]) -> Result<(), String> {
    let full = fs::canonicalize(file).map_err(|error| Error::file("read", file, error).to_string())?;
    // As it was named, too: a link out of a project's directory is the project's word.
    let named = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for path in [full, named] {
        let Some(inside) = path.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == DIRECTORY)) else {
            continue;
        };
        let root = inside.parent().unwrap_or(Path::new("/"));
        if let Some(bundle) = Bundle::read(root)? {
            holds(&bundle, prefixes).map_err(|why| format!("the project is not trusted: {why}"))?;
        }
    }
    Ok(())
}

/// A project's hooks, and why they may not run, where that is so. The error says which file cannot be trusted at all.
pub(super) fn scripts(root: &Path, prefixes: &[PathBuf]) -> Result<(Vec<Script>, Option<String>), String> {
    let Some(bundle) = Bundle::read(root)? else { return Ok((Vec::new(), None)) };
    let scripts = bundle.scripts();
    // Where nothing runs there is nothing to ask.
    let why = if scripts.is_empty() { None } else { holds(&bundle, prefixes).err() };
    Ok((scripts, why))
}

/// What a project may run: its hooks, where its user has said so; else what is to be said.
pub(super) fn allowed(root: &Path, prefixes: &[PathBuf]) -> Result<Vec<Script>, String> {
    match scripts(root, prefixes) {
        Ok((scripts, None)) => Ok(scripts),
        // One line for all that a project brings.
        Ok((_, Some(_))) if settings_say_it(root) => Ok(Vec::new()),
        Ok((_, Some(why))) => Err(format!("the project's hooks in `{DIRECTORY}/` are not run: {why}")),
        Err(why) => Err(format!("the project's hooks are not run: {why}")),
    }
}

/// Whether the settings that are read here are those of the project, and ask for trust as well.
fn settings_say_it(root: &Path) -> bool {
    let here = std::env::current_dir().unwrap_or_default();
    let file = config::project_file(&here, root).filter(|file| file.parent() == Some(root));
    let text = file.and_then(|file| bounded::read_bounded(&file, FILE_BYTES).ok().flatten());
    text.is_some_and(|text| config::needs_trust(&text))
}

/// Whether a project's settings with this text may set what a trusted one may.
fn allows(root: &Path, file: &Path, text: &str, prefixes: &[PathBuf]) -> Result<(), String> {
    if file.parent() != Some(root) {
        return Err(format!("these are only used from the `{PROJECT_FILE}` in the project's own directory"));
    }
    let bundle = Bundle::read(root).map_err(|why| format!("not used: {why}"))?;
    let is_it = |item: &Item| item.name == PROJECT_FILE && item.bytes.ends_with(text.as_bytes());
    let Some(bundle) = bundle.filter(|bundle| bundle.files.iter().any(is_it)) else {
        return Err("not used: it has changed in this moment".to_owned());
    };
    let and_hooks =
        if bundle.scripts().is_empty() { String::new() } else { format!(", nor are the hooks in `{DIRECTORY}/`") };
    holds(&bundle, prefixes).map_err(|why| format!("not used{and_hooks}: {why}"))
}

/// The settings for a command in `cwd`, in the project at `root`: the project's own as far as they are trusted.
pub fn settings(cwd: &Path, root: &Path) -> Loaded {
    let file = config::project_file(cwd, root);
    config::load(file.as_deref(), &|file, text, prefixes| allows(root, file, text, prefixes))
}
