//! `wrap.store`: what the hooks of one project remember from run to run, a small file of JSON.

use super::json::{self, TEXT_BYTES};
use super::trust::hex;
use crate::error::Error;
use crate::registry::{dir, own};
use crate::sys::lock::lock_byte;
use crate::{files, paths};
use mlua::Value;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Bytes of one project's file: it is read and written whole each time, while others wait for the lock.
const BYTES: usize = 256 << 10;

/// Bytes of a name.
const NAME: usize = 256;

/// The store of one project.
pub(super) struct Store {
    path: PathBuf,
    root: String,
}

impl Store {
    /// That of the project at `root`.
    pub fn of(root: &str) -> Result<Self, String> {
        let state = paths::state_dir().ok_or("`wrap.store`: there is no HOME to keep it in")?;
        let name = hex(&Sha256::digest(root)[..16]);
        Ok(Self { path: state.join("store").join(format!("{name}.json")), root: root.to_owned() })
    }

    /// What is kept under a name.
    pub fn get(&self, name: &str) -> Option<Json> {
        self.read().remove(name)
    }

    /// Keeps a value under a name, in the place of another; nil forgets it.
    pub fn set(&self, name: &str, value: &Value) -> Result<(), String> {
        if name.is_empty() || name.len() > NAME {
            return Err(format!("`wrap.store`: a name has 1 to {NAME} bytes"));
        }
        let failed = |error: Error| format!("`wrap.store`: {error}");
        drop(dir::make_all(self.path.parent().unwrap_or(Path::new("/"))).map_err(failed)?);
        let lock_path = self.path.with_extension("lock");
        let lock = own::open_to_lock(&lock_path).map_err(failed)?;
        lock_byte(&lock, 0).map_err(|error| failed(Error::file("lock", &lock_path, error)))?;
        let mut values = self.read();
        if value.is_nil() {
            values.remove(name);
        } else {
            let text = json::encode(value).map_err(|why| format!("`wrap.store`: {why}"))?;
            values.insert(name.to_owned(), serde_json::from_str(&text).unwrap_or_default());
        }
        let content = serde_json::json!({ "root": self.root, "values": values }).to_string();
        if content.len() > BYTES {
            return Err(format!("`wrap.store`: all together is more than {} KiB: forget something", BYTES >> 10));
        }
        own::replace(&self.path, content.as_bytes()).map_err(failed)
    }

    /// A file that is broken is as good as none: what is in it is only remembered, and the next write mends it.
    fn read(&self) -> Map<String, Json> {
        let text = files::read_bounded(&self.path, TEXT_BYTES as u64).ok().flatten();
        let content: Json = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        content.get("values").and_then(Json::as_object).cloned().unwrap_or_default()
    }
}
