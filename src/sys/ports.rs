//! The sockets that listen, and which processes hold them.

use super::proc_net::{self, decimal};
use super::process::{self, Process};
use super::sock_diag;
use rustix::fd::OwnedFd;
use rustix::fs::{self, Dir, FileType, Mode, OFlags};
use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

/// `socket:[` and an inode of at most twenty digits and `]`.
const LINK: usize = 32;

/// One listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// The address it is bound to; unspecified (`0.0.0.0`, `::`) where it takes all.
    pub address: IpAddr,
    /// The socket's inode: the number in a descriptor's `socket:[…]`.
    pub inode: u64,
    /// Connections that the kernel accepted and the program has not yet taken.
    pub queued: u32,
    /// The user that made it.
    pub uid: u32,
}

/// Everything that listens in our network namespace, or in that of a process. Empty where it cannot be read.
pub fn listeners(pid: Option<u32>) -> Vec<Listener> {
    let namespace = |process: &str| fs::readlink(format!("/proc/{process}/ns/net"), Vec::new()).ok();
    let process = pid.map(|pid| pid.to_string());
    let elsewhere = process.as_deref().filter(|process| namespace(process) != namespace("self"));
    if elsewhere.is_none()
        && let Ok(found) = sock_diag::listeners()
    {
        return found;
    }
    // Another namespace, or a sandbox that has no such netlink.
    proc_net::listeners(elsewhere.unwrap_or("self"))
}

/// Those of `listeners` that one of these processes holds. Only their own descriptors are looked at.
pub fn of_tree(pids: &[u32], listeners: &[Listener]) -> Vec<Listener> {
    if listeners.is_empty() {
        return Vec::new();
    }
    let mut held = HashSet::new();
    for &pid in pids {
        // One that ended, or that belongs to another user, has nothing to tell.
        let _ = sockets_of(pid, &mut held);
    }
    listeners.iter().filter(|listener| held.contains(&listener.inode)).cloned().collect()
}

/// Of the processes that hold one of these sockets, the one that the others come from; `None` where they are another
/// user's, whose descriptors we may not see.
pub fn holder(listening: &[Listener]) -> Option<Process> {
    if listening.is_empty() {
        return None;
    }
    let holds = |one: &Process| !of_tree(&[one.pid], listening).is_empty();
    let holders: Vec<Process> = process::all().into_iter().filter(|one| !one.is_dead() && holds(one)).collect();
    let is_first = |one: &&Process| !holders.iter().any(|other| other.pid == one.parent);
    holders.iter().find(is_first).cloned()
}

/// The user whose listener a connection to `address` reaches; `None` where nobody listens there.
pub fn owner(address: SocketAddr, listeners: &[Listener]) -> Option<u32> {
    let on_port = || listeners.iter().filter(|listener| listener.port == address.port());
    // As the kernel chooses: the socket of this very address before one that takes all; `::` takes IPv4 too.
    let exact = on_port().find(|listener| listener.address == address.ip());
    let any =
        |listener: &&Listener| listener.address.is_unspecified() && (listener.address.is_ipv6() || address.is_ipv4());
    exact
        .or_else(|| on_port().filter(any).min_by_key(|found| found.address.is_ipv4() != address.is_ipv4()))
        .map(|listener| listener.uid)
}

/// Adds the inodes of all sockets that a process has open.
fn sockets_of(pid: u32, held: &mut HashSet<u64>) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir: OwnedFd = fs::open(format!("/proc/{pid}/fd"), flags, Mode::empty())?;
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        if entry.file_type() != FileType::Symlink {
            continue;
        }
        let mut space = [MaybeUninit::uninit(); LINK];
        // A descriptor that was closed meanwhile is none of the tree's.
        if let Ok((link, _)) = fs::readlinkat_raw(&dir, entry.file_name(), &mut space) {
            let inode = link.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]")).and_then(decimal);
            held.extend(inode);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn ours(port: u16) -> Vec<Listener> {
        let mut found = of_tree(&[std::process::id()], &listeners(None));
        found.retain(|listener| listener.port == port);
        found
    }

    #[test]
    fn our_listener_is_found_with_its_queue_and_another_process_does_not_hold_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let found = ours(port);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].address, found[0].queued), (IpAddr::from([127, 0, 0, 1]), 0));
        assert_eq!(found[0].uid, rustix::process::geteuid().as_raw());

        let waiting: Vec<_> = (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("connected")).collect();
        assert_eq!(ours(port)[0].queued, 3);
        listener.accept().expect("accepted");
        assert_eq!(ours(port)[0].queued, 2);
        let us = Some(rustix::process::geteuid().as_raw());
        assert_eq!(owner(SocketAddr::from(([127, 0, 0, 1], port)), &found), us);
        assert_eq!(owner(SocketAddr::from(([127, 0, 0, 2], port)), &found), None);
        drop(waiting);
        assert!(of_tree(&[1], &found).is_empty());
        drop(listener);
        assert!(ours(port).is_empty());
    }

    #[test]
    fn more_listeners_than_fit_one_read_are_all_found_before_the_connections() {
        let bound: Vec<_> = (0..200).map(|_| TcpListener::bind("127.0.0.1:0").expect("bound")).collect();
        let _connected: Vec<_> = bound.iter().map(|one| TcpStream::connect(one.local_addr().expect("bound"))).collect();
        let ports: HashSet<u16> = listeners(Some(std::process::id())).iter().map(|one| one.port).collect();
        assert!(bound.iter().all(|one| ports.contains(&one.local_addr().expect("bound").port())));
    }
}
