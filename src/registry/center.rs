//! Where the control center listens, and what one must show to it: two files beside the entries, for this user alone.

use super::{Registry, dir, file, now_ms};
use crate::error::Error;
use crate::sys::process;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FlockOperation, flock, unlinkat};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;

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
    _locked: File,
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
            url: format!("http://127.0.0.1:{port}"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: now_ms(),
        }
    }

    fn is_alive(&self) -> bool {
        self.boot_id == process::boot_id() && process::is_alive(self.pid, self.pid_token)
    }
}

/// The center that runs for this user, with its token; `None` where there is none.
pub fn running() -> Option<(Listening, String)> {
    Registry::existing().0.iter().find_map(|registry| {
        let dir = dir::open(registry.root()).ok()??;
        let listening: Listening = serde_json::from_slice(&file::bytes(dir.as_fd(), LISTENING).ok()?).ok()?;
        let token = String::from_utf8(file::bytes(dir.as_fd(), TOKEN).ok()?).ok()?;
        listening.is_alive().then_some((listening, token))
    })
}

impl Seat {
    /// Takes it; `None` where another process has it. In the first registry that can be had.
    pub fn take() -> Result<Option<Self>, Error> {
        let registry = Registry::open_or_create()?;
        let path = registry.root().join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let locked = options.open(&path).map_err(|error| Error::file("open", &path, error))?;
        match flock(&locked, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { registry, _locked: locked })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(Error::file("lock", &path, error.into())),
        }
    }

    /// Says where the center listens, and what opens it: the token first, so that who finds the one has the other.
    pub fn announce(&self, listening: &Listening, token: &str) -> Result<(), Error> {
        let json = serde_json::to_vec(listening).map_err(|error| Error::Message(error.to_string()))?;
        self.write(TOKEN, token.as_bytes())?;
        self.write(LISTENING, &json)
    }

    /// Takes both away.
    pub fn withdraw(&self) {
        let Ok(Some(dir)) = dir::open(self.registry.root()) else { return };
        for name in [LISTENING, TOKEN] {
            // What is left names a process that has ended, and is passed over.
            let _ = unlinkat(&dir, name, AtFlags::empty());
        }
    }

    /// 0600 from the moment of opening, and whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let root = self.registry.root();
        let path = root.join(name);
        let failed = |error: io::Error| Error::file("write", &path, error);
        drop(dir::make(root)?);
        let mut file = tempfile::Builder::new().prefix(file::TEMPORARY).tempfile_in(root).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
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
