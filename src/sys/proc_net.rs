//! The table of TCP sockets as text (/proc/net/tcp, proc(5)): of any network namespace, but on a machine with much
//! memory a reading takes milliseconds, because the kernel looks through its whole hash of connections.

use super::ports::Listener;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kernel hands out a page of rows with each read; a larger buffer would not be filled.
const CHUNK: usize = 4096;
/// The state column of a row that listens (`TCP_LISTEN` in the kernel's `include/net/tcp_states.h`).
const LISTEN: &[u8] = b"0A";
/// What listens in the network namespace of the process whose directory in /proc this is.
pub(super) fn listeners(process: &str) -> Vec<Listener> {
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        // Without IPv6 there is no tcp6.
        if let Ok(file) = File::open(format!("/proc/{process}/net/{table}")) {
            read_table(file, &mut found);
        }
    }
    found
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

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::ports;
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_table_says_what_the_kernel_says_over_netlink() {
        // More than fit one read, and connections behind them.
        let bound: Vec<_> = (0..200).map(|_| TcpListener::bind("127.0.0.1:0").expect("bound")).collect();
        let address = |one: &TcpListener| one.local_addr().expect("bound");
        let _connected: Vec<_> = bound.iter().map(|one| TcpStream::connect(address(one)).expect("connected")).collect();
        let (table, netlink) = (listeners("self"), ports::listeners(None));
        for one in &bound {
            let of = |all: &[Listener]| all.iter().find(|found| found.port == address(one).port()).cloned();
            assert_eq!(of(&table).expect("found").queued, 1);
            assert_eq!(of(&table), of(&netlink));
        }
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
