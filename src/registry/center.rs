//! Where the control center listens, and what one must show to it: two files beside the entries, for this user alone.

use super::{Registry, dir, file, now_ms, own};
use crate::error::Error;
use crate::sys::process;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FlockOperation, flock, unlinkat};
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

const LISTENING: &str = "center.json";
const TOKEN: &str = "center.token";
const LOCK: &str = "center.lock";

/// A control center that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listening {
    /// Its process.
    pub pid: u32,
    /// Its start token ([`process::token`]).
    pub pid_token: u64,
    /// The boot that the token counts from.
    pub boot_id: String,
    /// The port, on 127.0.0.1 and, where there is one, on `[::1]`.
    pub port: u16,
    /// Where its page is.
    pub url: String,
    /// Its version of wrap.
    pub version: String,
    /// Since when, epoch milliseconds.
    pub since: u64,
}

/// The right to be the user's only control center; given back by the system when the process dies.
#[derive(Debug)]
pub struct Seat {
    registry: Registry,
    locked: Mutex<File>,
}

/// What became of a seat meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is ours.
    Ours,
    /// The directory was made anew, and another center has the place in it.
    Lost,
}

impl Listening {
    /// This process, on this port.
    pub fn here(port: u16) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            pid_token: process::token(pid).unwrap_or_default(),
            boot_id: process::boot_id(),
            port,
            url: at(port),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: now_ms(),
        }
    }

    fn is_alive(&self) -> bool {
        self.boot_id == process::boot_id() && process::is_alive(self.pid, self.pid_token)
    }
}

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The center that runs for this user, with its token; `None` where there is none.
pub fn running() -> Option<(Listening, String)> {
    Registry::existing().0.iter().find_map(|registry| {
        let dir = dir::open(registry.root()).ok()??;
        let listening: Listening = serde_json::from_slice(&file::bytes(dir.as_fd(), LISTENING).ok()?).ok()?;
        // On this machine, whatever else the file says: the token goes there.
        let listening = Listening { url: at(listening.port), ..listening };
        let token = String::from_utf8(file::bytes(dir.as_fd(), TOKEN).ok()?).ok()?;
        listening.is_alive().then_some((listening, token))
    })
}

impl Seat {
    /// Takes it; `None` where another process has it. In the first registry that can be had.
    pub fn take() -> Result<Option<Self>, Error> {
        let registry = Registry::open_or_create()?;
        let locked = lock(&registry)?;
        Ok(locked.map(|locked| Self { registry, locked: Mutex::new(locked) }))
    }

    /// Sees to it that it can be found: the directory may have been removed, or made anew by somebody who cleans up.
    pub fn renew(&self, listening: &Listening, token: &str) -> Result<Renewal, Error> {
        let mut locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = |meta: io::Result<Metadata>| meta.ok().map(|meta| (meta.dev(), meta.ino()));
        let there = identity(self.registry.root().join(LOCK).symlink_metadata());
        if there.is_none() || there != identity(locked.metadata()) {
            drop(dir::make(self.registry.root())?);
            match lock(&self.registry)? {
                Some(file) => *locked = file,
                None => return Ok(Renewal::Lost),
            }
        }
        if !self.is_announced(listening) {
            self.announce(listening, token)?;
        }
        Ok(Renewal::Ours)
    }

    fn is_announced(&self, listening: &Listening) -> bool {
        let Ok(Some(dir)) = dir::open(self.registry.root()) else { return false };
        let found = file::bytes(dir.as_fd(), LISTENING).ok();
        found.and_then(|json| serde_json::from_slice::<Listening>(&json).ok()).as_ref() == Some(listening)
    }

    /// Writes a file beside the others; where the directory vanished, it is made again.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        drop(dir::make(self.registry.root())?);
        let path = self.registry.root().join(name);
        own::replace(&path, bytes).map(|()| path)
    }

    /// Says where the center listens, and what opens it: the token first, so that who finds the one has the other.
    pub fn announce(&self, listening: &Listening, token: &str) -> Result<(), Error> {
        let json = serde_json::to_vec(listening).map_err(|error| Error::Message(error.to_string()))?;
        self.write(TOKEN, token.as_bytes())?;
        self.write(LISTENING, &json).map(drop)
    }

    /// Takes both away, unless they are another's by now.
    pub fn withdraw(&self, listening: &Listening) {
        let Ok(Some(dir)) = dir::open(self.registry.root()) else { return };
        if !self.is_announced(listening) {
            return;
        }
        for name in [LISTENING, TOKEN] {
            // What is left names a process that has ended, and is passed over.
            let _ = unlinkat(&dir, name, AtFlags::empty());
        }
    }
}

/// The lock of the place; `None` where another process holds it.
fn lock(registry: &Registry) -> Result<Option<File>, Error> {
    let path = registry.root().join(LOCK);
    let file = own::open_to_lock(&path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(Error::file("lock", &path, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_center_of_another_boot_or_a_dead_process_is_none() {
        let here = Listening::here(8969);
        assert!(here.is_alive());
        assert!(!Listening { boot_id: "x".into(), ..here.clone() }.is_alive());
        assert!(!Listening { pid_token: here.pid_token + 1, ..here }.is_alive());
    }
}
