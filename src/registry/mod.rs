//! The registry: which instances there are. One directory of the user's, one file per instance.

pub mod center;
pub(crate) mod dir;
pub mod entry;
mod file;
pub mod health;
pub mod history;
pub(crate) mod own;
mod past;
mod probe;
mod socket;
mod store;
pub mod target;

pub use store::Claim;

use crate::error::Error;
use crate::paths;
use crate::sys::lock;
use entry::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Every process of an instance has it in its environment, with the instance's id.
pub const INSTANCE_VARIABLE: &str = "WRAP_INSTANCE_ID";

/// The longest path of a socket. `sun_path` holds 108 bytes on Linux and 104 on macOS; 100 leaves room for the
/// terminating zero and for a temporary name beside it.
const MAX_SOCKET_PATH: usize = 100;

/// One directory with instances in it, checked to be ours alone.
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
}

/// An entry, and the file that it was read from.
#[derive(Debug, Clone)]
pub struct Found {
    /// What the file said.
    pub entry: Entry,
    /// The file.
    pub path: PathBuf,
}

/// What a look for one entry has found.
#[derive(Debug, PartialEq)]
pub enum Standing {
    /// The entry.
    Registered(Box<Entry>),
    /// There is none.
    Gone,
    /// There may be one: something could not be read.
    Unreadable,
}

/// What a registry held when it was read.
#[derive(Debug, Default)]
pub struct Listing {
    /// The readable entries, newest first.
    pub entries: Vec<Found>,
    /// What could not be read, as whole sentences.
    pub warnings: Vec<String>,
}

impl Registry {
    /// The first directory of [`paths::registry_dirs`] that can be had, made where it is missing.
    pub fn open_or_create() -> Result<Self, Error> {
        let mut first = None;
        for dir in candidates() {
            match Self::at(&dir) {
                Ok(registry) => return Ok(registry),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| {
            Error::Message("there is no directory for the registry; set WRAP_DIR to one of your own".to_owned())
        }))
    }

    /// The registry in this directory, made where it is missing, refused unless it is ours alone.
    pub fn at(root: &Path) -> Result<Self, Error> {
        // Without a trailing slash: with one, the system follows a symbolic link.
        let registry = Self { root: root.components().collect() };
        registry.make()?;
        Ok(registry)
    }

    /// All registries that exist, and a sentence for each directory that is not safe to read.
    pub fn existing() -> (Vec<Self>, Vec<String>) {
        let mut registries = Vec::new();
        let mut warnings = Vec::new();
        for root in candidates() {
            match dir::open(&root) {
                Ok(Some(_)) => registries.push(Self { root }),
                Ok(None) => {}
                Err(error) => warnings.push(error.to_string()),
            }
        }
        (registries, warnings)
    }

    /// What there is of an instance, in any registry: that it is gone is only said where all could be read.
    pub fn standing(instance_id: &str) -> Standing {
        let mut all_read = true;
        for root in candidates() {
            match dir::open(&root) {
                Ok(None) => {}
                Ok(Some(_)) => match (Self { root }).look(instance_id) {
                    Standing::Gone => {}
                    Standing::Unreadable => all_read = false,
                    found @ Standing::Registered(_) => return found,
                },
                Err(_) => all_read = false,
            }
        }
        if all_read { Standing::Gone } else { Standing::Unreadable }
    }

    /// The entry of an instance, and the registry that it is in.
    pub fn find(instance_id: &str) -> Option<(Self, Entry)> {
        Self::existing().0.into_iter().find_map(|registry| registry.one(instance_id).map(|entry| (registry, entry)))
    }

    /// Removes an entry with its socket. `false` where another was faster.
    pub fn forget(&self, entry: &Entry) -> Result<bool, Error> {
        let removed = self.remove(entry)?;
        if removed {
            self.remove_socket(entry.short_id());
        }
        Ok(removed)
    }

    /// Waits until no other process holds the lock of this name and number, and holds it as long as the file is open.
    pub fn lock(&self, name: &str, number: u64) -> Result<File, Error> {
        let path = self.root.join(format!("{name}.lock"));
        let file = own::open_to_lock(&path)?;
        lock::lock_byte(&file, number).map_err(|error| Error::file("lock", &path, error))?;
        Ok(file)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the socket of the instance with this short id belongs; `None` where its path would be too long for
    /// a socket address: then the keeper listens on loopback TCP.
    pub fn socket_path(&self, short_id: &str) -> Option<PathBuf> {
        let path = self.sockets().join(format!("{short_id}.sock"));
        (path.as_os_str().len() <= MAX_SOCKET_PATH).then_some(path)
    }

    /// The directory of the entries, in which each write, and each end of an instance, is a change.
    pub fn entries_dir(&self) -> PathBuf {
        self.instances()
    }

    /// The file of the instance with this id.
    pub fn entry_path(&self, instance_id: &str) -> PathBuf {
        self.instances().join(format!("instance_{instance_id}.json"))
    }

    /// Makes the directory and the two below it, or checks them.
    fn make(&self) -> Result<(), Error> {
        for path in [&self.root, &self.instances(), &self.sockets()] {
            dir::make(path)?;
        }
        Ok(())
    }

    fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    fn sockets(&self) -> PathBuf {
        self.root.join("sockets")
    }
}

/// The directories to try. One in a directory of another user (`XDG_RUNTIME_DIR` after `su`) is not ours to use or
/// to warn of, unless it is the only one: then it was asked for by name.
fn candidates() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = paths::registry_dirs().into_iter().map(|dir| dir.components().collect()).collect();
    if dirs.len() > 1 {
        dirs.retain(|dir| dir::check_parent(dir).is_ok());
    }
    dirs
}

/// Milliseconds since 1970; 0 on a clock before that.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
