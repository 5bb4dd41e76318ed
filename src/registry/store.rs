//! Entries on disk: written whole, read without trust, removed only when proved to be the one that was meant.

use super::entry::Entry;
use super::file::{ASIDE, CORRUPT, Content, MAX_ENTRY, file_name, is_entry, names, open, prune, read, take};
use super::{Found, Listing, Registry, Standing, now_ms};
use super::{dir, own};
use crate::error::{Error, reason};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FlockOperation};
use rustix::io::Errno;
use std::io;
use uuid::Uuid;

/// Of a command line that would make the entry larger than that, so many characters are kept of each part …
const KEPT_CHARS: usize = 2048;
/// … and so many parts: three quarters of [`MAX_ENTRY`] even where each character is written as `\u001b`.
const KEPT_ARGS: usize = 60;

/// The right to decide about a dead entry: held by one process at a time, given back by the system when it dies.
#[derive(Debug)]
pub struct Claim {
    _locked: OwnedFd,
}

impl Registry {
    /// Writes the entry: whole or not at all, 0600 from the moment of opening, `updatedAt` set to now. A
    /// directory that vanished is made again.
    pub fn write(&self, entry: &mut Entry) -> Result<(), Error> {
        let name = file_name(&entry.instance_id)?;
        let path = self.instances().join(&name);
        let failed = |error: io::Error| Error::file("write", &path, error);
        entry.updated_at = now_ms();
        let mut json = serde_json::to_vec(entry).map_err(|error| failed(error.into()))?;
        if json.len() > MAX_ENTRY {
            json = serde_json::to_vec(&shortened(entry)).map_err(|error| failed(error.into()))?;
        }
        if json.len() > MAX_ENTRY {
            return Err(failed(io::Error::other("the entry would be larger than 1 MiB")));
        }
        self.make()?;
        // Without an fsync: an entry means nothing after a crash of the system, whose boot id it carries.
        own::replace(&path, &json)
    }

    /// Removes the entry if the file there still has its instance id and pid. `false` where it has not.
    pub fn remove(&self, entry: &Entry) -> Result<bool, Error> {
        let name = file_name(&entry.instance_id)?;
        let path = self.instances().join(&name);
        let Some(dir) = dir::open(&self.instances())? else {
            return Ok(false);
        };
        let is_it = |content: &Content| matches!(content, Content::Entry(found) if same(found, entry));
        match read(dir.as_fd(), &name, &name) {
            Content::Failed(error) => return Err(Error::file("read", &path, error)),
            content if !is_it(&content) => return Ok(false),
            _ => {}
        }
        let aside = format!("{ASIDE}{}", Uuid::new_v4());
        take(dir.as_fd(), &name, &aside, is_it)
            .and_then(
                |taken| if taken { fs::unlinkat(&dir, &aside, AtFlags::empty()).map(|()| true) } else { Ok(false) },
            )
            .map_err(|error| Error::file("remove", &path, error.into()))
    }

    /// Every readable entry. What is corrupt is moved aside and reported; what crashed writers left is removed.
    pub fn read_all(&self) -> Listing {
        let mut listing = Listing::default();
        let path = self.instances();
        let names = match dir::open(&path) {
            Ok(None) => return listing,
            Ok(Some(dir)) => names(&dir).map(|names| (dir, names)).map_err(|error| Error::file("read", &path, error)),
            Err(error) => Err(error),
        };
        let (dir, names) = match names {
            Ok(found) => found,
            Err(error) => {
                listing.warnings.push(error.to_string());
                return listing;
            }
        };
        for name in names {
            if !is_entry(&name) {
                prune(dir.as_fd(), &name);
                continue;
            }
            match read(dir.as_fd(), &name, &name) {
                Content::Gone => {}
                Content::Entry(entry) => listing.entries.push(Found { entry: *entry, path: path.join(name) }),
                Content::Corrupt(why) => listing.warnings.extend(self.set_aside(dir.as_fd(), &name, &why)),
                Content::Failed(error) => {
                    listing.warnings.push(Error::file("read", &path.join(name), error).to_string());
                }
            }
        }
        // Ids of version 7 begin with the time.
        listing.entries.sort_by(|a, b| b.entry.instance_id.cmp(&a.entry.instance_id));
        listing
    }

    /// The entry of one instance; `None` where there is none that can be read.
    pub fn one(&self, instance_id: &str) -> Option<Entry> {
        let name = file_name(instance_id).ok()?;
        let dir = dir::open(&self.instances()).ok()??;
        match read(dir.as_fd(), &name, &name) {
            Content::Entry(entry) => Some(*entry),
            _ => None,
        }
    }

    /// What there is of one instance in this registry.
    pub(super) fn look(&self, instance_id: &str) -> Standing {
        let Ok(name) = file_name(instance_id) else { return Standing::Gone };
        match dir::open(&self.instances()) {
            Ok(None) => Standing::Gone,
            Ok(Some(dir)) => match read(dir.as_fd(), &name, &name) {
                Content::Entry(entry) => Standing::Registered(entry),
                Content::Gone => Standing::Gone,
                Content::Corrupt(_) | Content::Failed(_) => Standing::Unreadable,
            },
            Err(_) => Standing::Unreadable,
        }
    }

    /// Whether an instance, or what is left of one, has this short id.
    pub fn short_id_taken(&self, short: &str) -> bool {
        if self.sockets().join(format!("{short}.sock")).symlink_metadata().is_ok() {
            return true;
        }
        let end = format!("{short}.json");
        let names = dir::open(&self.instances()).ok().flatten().and_then(|dir| names(&dir).ok());
        names.is_some_and(|names| names.iter().any(|name| name.ends_with(&end)))
    }

    /// Claims an entry in order to decide about it. `None` where another process holds it, or where it is gone or
    /// was written anew: then it is no longer ours to judge.
    pub fn claim(&self, entry: &Entry) -> Result<Option<Claim>, Error> {
        let name = file_name(&entry.instance_id)?;
        let path = self.instances().join(&name);
        let failed = |error: Errno| Error::file("claim", &path, error.into());
        let Some(dir) = dir::open(&self.instances())? else {
            return Ok(None);
        };
        let fd = match open(dir.as_fd(), &name) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        // The lock is on the file that was opened: who held it before may have removed or replaced that file.
        let here = fs::fstat(&fd).map_err(failed)?;
        let there = match fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let unchanged = (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
            && matches!(read(dir.as_fd(), &name, &name), Content::Entry(found) if *found == *entry);
        Ok(unchanged.then_some(Claim { _locked: fd }))
    }

    /// Moves a corrupt entry aside; the sentence to report, unless another process was faster.
    fn set_aside(&self, dir: BorrowedFd<'_>, name: &str, why: &str) -> Option<String> {
        let kept: String = name.chars().take(64).collect();
        let aside = format!("{kept}.{}{CORRUPT}", now_ms());
        let path = self.instances().join(name);
        let shown = path.display().to_string().escape_debug().to_string();
        match take(dir, name, &aside, |content| matches!(content, Content::Corrupt(_))) {
            Ok(true) => Some(format!("the entry `{shown}` was moved aside: {why}")),
            Ok(false) => None,
            Err(error) => Some(format!(
                "the entry `{shown}` is left out: {why}; it cannot be moved aside: {}",
                reason(&error.into())
            )),
        }
    }
}

fn same(found: &Entry, meant: &Entry) -> bool {
    found.instance_id == meant.instance_id && found.pid == meant.pid
}

/// The entry with its command line cut: a script given as an argument may be as long as an entry may not.
pub(super) fn shortened(entry: &Entry) -> Entry {
    let cut = |text: &str| match text.char_indices().nth(KEPT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    Entry {
        command: cut(&entry.command),
        cmd_args: entry.cmd_args.iter().take(KEPT_ARGS).map(|arg| cut(arg)).collect(),
        ..entry.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;
    use rustix::fs::{FileType, Mode};
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::thread;

    fn registry() -> (tempfile::TempDir, Registry) {
        let temp = tempfile::tempdir().expect("a directory");
        let registry = Registry::at(&temp.path().join("wrap")).expect("a registry");
        (temp, registry)
    }

    fn files(registry: &Registry) -> Vec<String> {
        names(&dir::open(&registry.instances()).expect("ours").expect("there"))
            .expect("read")
            .into_iter()
            .filter(|name| !name.starts_with("..") && name != ".")
            .collect()
    }

    #[test]
    fn an_entry_comes_back_as_it_was_written_and_goes_only_by_id_and_pid() {
        let (_temp, registry) = registry();
        let mut entry = entry(7);
        entry.other.insert("fromTheFuture".into(), true.into());
        registry.write(&mut entry).expect("written");
        assert!(entry.updated_at > 0);
        let found = registry.read_all();
        assert_eq!((found.entries[0].entry.clone(), found.warnings), (entry.clone(), vec![]));
        let mode = found.entries[0].path.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(registry.short_id_taken(entry.short_id()) && !registry.short_id_taken("zzzzzz"));

        assert!(!registry.remove(&Entry { pid: 8, ..entry.clone() }).expect("compared"));
        assert!(registry.remove(&entry).expect("removed"));
        assert!(!registry.remove(&entry).expect("gone"));
        assert_eq!(files(&registry), Vec::<String>::new());
    }

    #[test]
    fn a_vanished_directory_is_made_again() {
        let (_temp, registry) = registry();
        std::fs::remove_dir_all(registry.root()).expect("removed");
        assert!(registry.read_all().warnings.is_empty());
        registry.write(&mut entry(7)).expect("written");
        assert_eq!(registry.read_all().entries.len(), 1);
    }

    #[test]
    fn a_directory_that_became_a_link_is_neither_read_nor_written() {
        let (temp, registry) = registry();
        let elsewhere = temp.path().join("elsewhere");
        std::fs::rename(registry.instances(), &elsewhere).expect("moved");
        symlink(&elsewhere, registry.instances()).expect("linked");
        assert!(registry.write(&mut entry(7)).is_err());
        assert_eq!(registry.read_all().warnings.len(), 1);
        assert_eq!(std::fs::read_dir(elsewhere).expect("there").count(), 0);
    }

    #[test]
    fn what_is_corrupt_is_moved_aside_reported_once_and_stops_nothing() {
        let (temp, registry) = registry();
        registry.write(&mut entry(7)).expect("written");
        let new = || registry.instances().join(format!("instance_{}.json", Uuid::now_v7()));
        let secret = temp.path().join("secret");
        std::fs::write(&secret, "{}").expect("written");

        std::fs::write(new(), "").expect("empty");
        std::fs::write(new(), b"\xff\x00").expect("binary");
        std::fs::write(new(), "[".repeat(100_000)).expect("deep");
        std::fs::write(new(), serde_json::to_vec(&entry(7)).expect("json")).expect("of another name");
        std::fs::write(registry.instances().join("instance_x.json"), "{}").expect("no uuid");
        File::create(new()).expect("huge").set_len(100_000_000).expect("sparse");
        std::fs::create_dir(new()).expect("a directory");
        symlink(&secret, new()).expect("a link");
        fs::mknodat(fs::CWD, new(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        let _socket = std::os::unix::net::UnixListener::bind(new()).expect("a socket");
        let mut zero = entry(0);
        registry.write(&mut zero).expect("an impossible pid");

        let first = registry.read_all();
        assert_eq!(first.warnings.len(), 11, "{:#?}", first.warnings);
        assert_eq!(first.entries.len(), 1);
        let second = registry.read_all();
        assert_eq!((second.entries.len(), second.warnings.len()), (1, 0));
        assert_eq!(files(&registry).iter().filter(|name| name.ends_with(CORRUPT)).count(), 11);
    }

    #[test]
    fn a_command_line_longer_than_an_entry_is_cut() {
        let (_temp, registry) = registry();
        let mut long = entry(7);
        long.command = "é".repeat(MAX_ENTRY);
        long.cmd_args = vec!["x".repeat(MAX_ENTRY); 3];
        registry.write(&mut long).expect("written");
        let found = registry.read_all();
        assert_eq!(found.warnings, Vec::<String>::new());
        assert_eq!(found.entries[0].entry.cmd_args[2].chars().count(), KEPT_CHARS + 1);
    }

    #[test]
    fn only_one_claims_an_entry_and_nobody_one_that_was_written_anew() {
        let (_temp, registry) = registry();
        let mut entry = entry(7);
        registry.write(&mut entry).expect("written");
        let old = entry.clone();
        let claim = registry.claim(&entry).expect("looked").expect("claimed");
        assert!(registry.claim(&entry).expect("looked").is_none());
        drop(claim);
        assert!(registry.claim(&entry).expect("looked").is_some());
        entry.port = Some(1);
        registry.write(&mut entry).expect("written");
        assert!(registry.claim(&old).expect("looked").is_none());
    }

    #[test]
    fn writers_removers_and_listers_never_lose_tear_or_remove_what_is_not_theirs() {
        const ROUNDS: usize = 300;
        let (_temp, registry) = registry();
        let mut kept: Vec<Entry> = (0..4).map(|pid| entry(100 + pid)).collect();
        for entry in &mut kept {
            registry.write(entry).expect("written");
        }
        let contested = entry(1);
        thread::scope(|scope| {
            for mut own in kept.clone() {
                let (registry, contested) = (&registry, &contested);
                // A writer of an entry of its own and of one that all write and remove.
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        registry.write(&mut own).expect("written");
                        registry.write(&mut contested.clone()).expect("written");
                        assert!(!registry.remove(&Entry { pid: 99, ..own.clone() }).expect("compared"));
                    }
                });
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        registry.remove(contested).expect("removed or gone");
                        let listing = registry.read_all();
                        assert_eq!(listing.warnings, Vec::<String>::new());
                        assert_eq!(listing.entries.iter().filter(|found| found.entry.pid >= 100).count(), 4);
                    }
                });
            }
        });
        registry.remove(&contested).expect("removed or gone");
        assert_eq!(files(&registry).len(), 4, "no temporary file is left");
        assert!(Path::new(&registry.root()).exists());
    }
}
