//! The sockets that listen, and which processes hold them (/proc/net/tcp, proc(5)).

use rustix::fd::OwnedFd;
use rustix::fs::{self, Dir, FileType, Mode, OFlags};
use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The kernel hands out a page of rows with each read; a larger buffer would not be filled.
const CHUNK: usize = 4096;
/// The state column of a row that listens (`TCP_LISTEN` in the kernel's `include/net/tcp_states.h`).
const LISTEN: &[u8] = b"0A";
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
    let base = pid.map_or_else(|| "/proc/self/net".to_owned(), |pid| format!("/proc/{pid}/net"));
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        // Without IPv6 there is no tcp6.
        if let Ok(file) = File::open(format!("{base}/{table}")) {
            read_table(file, &mut found);
        }
    }
    found
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

/// Reads rows up to the first that does not listen: the kernel writes the listening ones first, and behind them
/// may stand thousands of connections (`tcp_seq_start` in `net/ipv4/tcp_ipv4.c`).
fn read_table(mut file: File, found: &mut Vec<Listener>) {
    let mut buffer = Vec::with_capacity(2 * CHUNK);
    let mut header = true;
    loop {
        let old = buffer.len();
        buffer.resize(old + CHUNK, 0);
        let read = file.read(&mut buffer[old..]).unwrap_or(0);
        buffer.truncate(old + read);
        if read == 0 {
            return;
        }
        let mut done = 0;
        while let Some(length) = buffer[done..].iter().position(|&byte| byte == b'\n') {
            let row = &buffer[done..done + length];
            done += length + 1;
            if std::mem::take(&mut header) {
                continue;
            }
            match parse_row(row) {
                Some(listener) => found.push(listener),
                None => return,
            }
        }
        buffer.drain(..done);
    }
}

/// `  0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000  0 12345 …`
/// `None` for a row that does not listen.
fn parse_row(row: &[u8]) -> Option<Listener> {
    let mut fields = row.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let local = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let waiting = fields.next()?;
    let uid = decimal(fields.nth(2)?)? as u32;
    let inode = decimal(fields.nth(1)?)?;
    let (address, port) = split_colon(local)?;
    // tx_queue:rx_queue; of a listener, rx_queue is the length of its accept queue.
    let queued = hex(split_colon(waiting)?.1)?;
    Some(Listener { port: hex(port)? as u16, address: parse_address(address)?, inode, queued, uid })
}

/// Words of 32 bits, each in the byte order of the machine.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let word = |index: usize| text.get(index * 8..index * 8 + 8).and_then(hex).map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(IpAddr::from(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0; 16];
            for index in 0..4 {
                octets[index * 4..index * 4 + 4].copy_from_slice(&word(index)?);
            }
            Some(IpAddr::from(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

fn split_colon(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|&byte| byte == b':')?;
    Some((&text[..colon], &text[colon + 1..]))
}

fn hex(text: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
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

    #[test]
    fn an_ipv6_row_is_read() {
        let row = b"   1: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A \
                    00000000:00000011 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0";
        let listener = parse_row(row).expect("it listens");
        assert_eq!(listener.address, IpAddr::from(Ipv6Addr::LOCALHOST));
        assert_eq!((listener.port, listener.queued, listener.uid, listener.inode), (3000, 17, 1000, 4711));
        assert!(parse_row(&row[..].iter().map(|&b| if b == b'A' { b'1' } else { b }).collect::<Vec<_>>()).is_none());
    }
}
