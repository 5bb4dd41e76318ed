//! Files that only we could have written: everything that a hook is made of is read here.

use crate::error::reason;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of one file: some thousand lines. The compiler's memory, some hundred times that, is not the Lua state's.
pub(super) const FILE_BYTES: u64 = 256 << 10;

/// Group and others may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Others than the group may.
const OTHERS: u32 = 0o002;

/// Bytes of /etc/group: some ten thousand groups. What is not in it, or in a larger one, is nobody's own.
const GROUPS_BYTES: u64 = 1 << 20;

/// Reads one file. What is checked is the file that was opened: behind a link it is the target, and nobody can
/// exchange it between the check and the read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_with(path, 0)
}

/// The same, of a file that is not behind a link.
pub(super) fn read_at_its_place(path: &Path) -> Result<Vec<u8>, String> {
    read_with(path, libc::O_NOFOLLOW)
}

fn read_with(path: &Path, flags: i32) -> Result<Vec<u8>, String> {
    // Not blocking: the open of a FIFO would wait for a writer.
    let opened = OpenOptions::new().read(true).custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.map_err(|error| reason(&error))?;
    let meta = file.metadata().map_err(|error| reason(&error))?;
    if !meta.is_file() {
        return Err("it is not a regular file".into());
    }
    only_ours(&meta, path)?;
    read_bounded(&file).map_err(|error| reason(&error))
}

fn read_bounded(file: &File) -> io::Result<Vec<u8>> {
    let mut source = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut source)?;
    if source.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {} KiB: make it smaller", FILE_BYTES >> 10)));
    }
    Ok(source)
}

/// Refuses what another user than us and root has written or could write.
pub(super) fn only_ours(meta: &Metadata, path: &Path) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != us && meta.uid() != 0 {
        return Err(format!("it belongs to user {}: `chown {us} {}` if you trust it", meta.uid(), path.display()));
    }
    // With a umask of 002, as where each user has a group of his own, every checkout is writable by that group.
    let others = if meta.uid() == us && is_private_group(meta.gid()) { OTHERS } else { WRITABLE_BY_OTHERS };
    if meta.mode() & others != 0 {
        return Err(format!("others can write to it: `chmod go-w {}`", path.display()));
    }
    Ok(())
}

/// Whether a group is our primary one and nobody else is in it (group(5)): what it may do, we may.
pub(super) fn is_private_group(gid: u32) -> bool {
    if gid != rustix::process::getegid().as_raw() {
        return false;
    }
    let groups = crate::files::read_bounded(Path::new("/etc/group"), GROUPS_BYTES).ok().flatten().unwrap_or_default();
    let users = crate::files::read_bounded(Path::new("/etc/passwd"), GROUPS_BYTES).ok().flatten().unwrap_or_default();
    let uid = rustix::process::geteuid().as_raw();
    private_in(&groups, &users, gid, uid)
}

fn private_in(groups: &str, users: &str, gid: u32, uid: u32) -> bool {
    let field = |line: &str, at: usize| line.split(':').nth(at).unwrap_or_default().to_owned();
    let is = |text: String, number: u32| text.parse() == Ok(number);
    let Some(us) = users.lines().find(|line| is(field(line, 2), uid)) else { return false };
    let name = field(us, 0);
    let Some(group) = groups.lines().find(|line| is(field(line, 2), gid)) else { return false };
    let members = field(group, 3);
    let only_us = members.split(',').all(|member| member.trim().is_empty() || member.trim() == name);
    // Others may have it as their primary one, which only their own line says.
    only_us && !users.lines().any(|line| is(field(line, 3), gid) && !is(field(line, 2), uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_where_nobody_else_is_in_it() {
        let users =
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n";
        let groups = "root:x:0:\nusers:x:100:\nann:x:1000:\nwheel:x:10:ann,bob\nmine:x:11:ann\n";
        let private = |gid, uid| private_in(groups, users, gid, uid);
        assert!(private(1000, 1000) && private(11, 1000));
        assert!(!private(10, 1000), "with another member");
        assert!(!private(100, 1000), "another's primary group");
        assert!(!private(12, 1000) && !private(1000, 4), "not to be found");
    }
}
