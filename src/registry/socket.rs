//! Socket files that nobody listens on any more.

use super::{Registry, dir};
use rustix::fs::{self, AtFlags, FileType};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::path::Path;
use std::time::Duration;

/// A socket is bound a moment before somebody listens on it, and seems to be nobody's in between; a keeper that is stopped
/// just there for longer than this finds it gone, and makes another.
const UNREGISTERED_FOR: Duration = Duration::from_secs(2);

impl Registry {
    /// Removes the socket of a dead instance, unless somebody listens on it: then it is another's by now.
    pub fn remove_socket(&self, short_id: &str) -> bool {
        self.socket_path(short_id).is_some_and(|path| remove_if_silent(&path))
    }

    /// Removes the sockets that belong to no instance, where nobody listens on them.
    pub fn prune_sockets(&self, is_known: impl Fn(&str) -> bool) {
        let Ok(Some(dir)) = dir::open(&self.sockets()) else { return };
        let Ok(names) = super::file::names(&dir) else { return };
        for name in names {
            let Some(short_id) = name.strip_suffix(".sock").filter(|short_id| !is_known(short_id)) else { continue };
            let old = fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| super::now_ms() / 1000 > stat.st_ctime as u64 + UNREGISTERED_FOR.as_secs());
            if old {
                self.remove_socket(short_id);
            }
        }
    }
}

/// Only a refused connection proves that nobody listens. Never blocks.
fn remove_if_silent(path: &Path) -> bool {
    let is_socket = fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (true, Ok(address), Ok(socket)) =
        (is_socket, SocketAddrUnix::new(path), socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None))
    else {
        return false;
    };
    connect(&socket, &address) == Err(Errno::CONNREFUSED) && fs::unlink(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_removed() {
        let temp = tempfile::tempdir().expect("a directory");
        let registry = Registry::at(&temp.path().join("wrap")).expect("a registry");
        let path = |short| registry.socket_path(short).expect("short enough");
        let _live = UnixListener::bind(path("live00")).expect("bound");
        drop(UnixListener::bind(path("dead00")).expect("bound"));
        std::fs::write(path("file00"), "").expect("written");
        for (short, removed) in [("live00", false), ("dead00", true), ("file00", false), ("none00", false)] {
            assert_eq!(registry.remove_socket(short), removed, "{short}");
        }
        // A young one may be of a keeper that has not yet written its entry.
        drop(UnixListener::bind(path("dead01")).expect("bound"));
        registry.prune_sockets(|_| false);
        assert!(path("dead01").exists());
    }
}
