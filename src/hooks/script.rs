//! The text of one hook, and the files beside it.

use super::safe::{only_ours, read};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a module's name.
const NAME_BYTES: usize = 256;

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
