//! What has ended: one file for each of the last runs, beside their logs in the directory of state.

use super::entry::Entry;
use super::file::{self, CORRUPT, Content, MAX_ENTRY};
pub use super::past::{End, Past, find, since_start};
use super::store::shortened;
use super::{dir, own};
use crate::error::Error;
use crate::paths;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags};
use std::io;
use std::path::{Path, PathBuf};

/// So many runs are remembered, those that ended last: a few days of work, read in a few milliseconds.
pub const KEPT: usize = 50;

/// The runs that have ended, and where they are kept.
#[derive(Debug, Clone)]
pub struct History {
    state: PathBuf,
}

impl History {
    /// The user's; `None` where nothing is kept, because there is no HOME.
    pub fn ours() -> Option<Self> {
        paths::state_dir().map(|state| Self { state })
    }

    /// The one in this directory of state.
    pub fn at(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// Where the log of an instance is.
    pub fn log_path(&self, instance_id: &str) -> PathBuf {
        self.logs().join(format!("{instance_id}.log"))
    }

    /// Remembers a run, and forgets what is one too many.
    pub fn record(&self, entry: &Entry, end: End) -> Result<(), Error> {
        self.write(entry, end)?;
        self.prune();
        Ok(())
    }

    /// Remembers a run. To be called before its entry goes, so that whoever reads the registry first and this after
    /// it misses nothing. An end that nobody saw does not take the place of one that somebody saw.
    pub fn write(&self, entry: &Entry, end: End) -> Result<(), Error> {
        let name = file_name(&entry.instance_id)?;
        let path = self.runs().join(&name);
        let failed = |error: io::Error| Error::file("write", &path, error);
        self.make()?;
        let mut past = Past { end, entry: entry.public() };
        let mut json = serde_json::to_vec(&past).map_err(|error| failed(error.into()))?;
        if json.len() > MAX_ENTRY {
            past.entry = shortened(&past.entry);
            json = serde_json::to_vec(&past).map_err(|error| failed(error.into()))?;
        }
        // Without an fsync: a power failure may take the last line of a history.
        if !past.end.lost {
            return own::replace(&path, &json);
        }
        match own::staged(&path, &json).map_err(failed)?.persist_noclobber(&path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error.error)),
            _ => Ok(()),
        }
    }

    /// All of them, the one that was started last first, and a sentence for each file that could not be read.
    pub fn all(&self) -> (Vec<Past>, Vec<String>) {
        let path = self.runs();
        let (dir, names) = match dir::open(&path).map(|dir| dir.map(|dir| (file::names(&dir), dir))) {
            Ok(Some((Ok(names), dir))) => (dir, names),
            Ok(Some((Err(error), _))) => return (Vec::new(), vec![Error::file("read", &path, error).to_string()]),
            Ok(None) => return (Vec::new(), Vec::new()),
            Err(error) => return (Vec::new(), vec![error.to_string()]),
        };
        let mut warnings = Vec::new();
        let mut all: Vec<Past> = names
            .iter()
            .filter(|name| id_of(name).is_some())
            .filter_map(|name| match read(&dir, name) {
                Ok(past) => Some(past),
                Err(Content::Corrupt(why)) => {
                    warnings.push(set_aside(&dir, &path.join(name), name, &why));
                    None
                }
                Err(Content::Failed(error)) => {
                    warnings.push(Error::file("read", &path.join(name), error).to_string());
                    None
                }
                Err(_) => None,
            })
            .collect();
        all.sort_by(|a, b| b.entry.instance_id.cmp(&a.entry.instance_id));
        (all, warnings)
    }

    /// The run with this id, if it is remembered.
    pub fn one(&self, instance_id: &str) -> Option<Past> {
        let dir = dir::open(&self.runs()).ok()??;
        read(&dir, &file_name(instance_id).ok()?).ok()
    }

    /// Forgets a run, with its log. `false` where it was not remembered.
    pub fn remove(&self, instance_id: &str) -> Result<bool, Error> {
        let name = file_name(instance_id)?;
        let Some(dir) = dir::open(&self.runs())? else { return Ok(false) };
        self.remove_log(instance_id);
        match fs::unlinkat(&dir, &name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(Error::file("remove", &self.runs().join(name), error.into())),
        }
    }

    /// Forgets those that ended before the last [`KEPT`], and removes what crashed writers left. By the time of the
    /// files: an id tells the start, and a server that ran for weeks is to be remembered like any other.
    pub fn prune(&self) {
        let Ok(Some(dir)) = dir::open(&self.runs()) else { return };
        let Ok(names) = file::names(&dir) else { return };
        let (runs, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| id_of(name).is_some());
        for name in others {
            file::prune(dir.as_fd(), name);
        }
        if runs.len() <= KEPT {
            return;
        }
        let ended = |name: &str| {
            let stat = fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            Some((stat.st_mtime, stat.st_mtime_nsec))
        };
        let mut runs: Vec<_> = runs.into_iter().map(|name| (ended(name), name)).collect();
        runs.sort_by(|a, b| b.cmp(a));
        for (_, name) in runs.split_off(KEPT) {
            // What cannot be removed now is tried again at the next end.
            if let Some(id) = id_of(name) {
                let _ = self.remove(id);
            }
        }
    }

    fn remove_log(&self, instance_id: &str) {
        let path = self.log_path(instance_id);
        // Most runs of the past have one or none.
        let _ = std::fs::remove_file(path.with_extension("log.1"));
        let _ = std::fs::remove_file(path);
    }

    /// The directory of the runs, made where it is missing.
    fn make(&self) -> Result<(), Error> {
        let path = self.runs();
        if dir::open(&path)?.is_some() {
            return Ok(());
        }
        dir::make_all(&path).map(drop)
    }

    fn runs(&self) -> PathBuf {
        self.state.join("history")
    }

    fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }
}

/// `<uuid>.json`; refused unless the id is a uuid in its usual form.
fn file_name(instance_id: &str) -> Result<String, Error> {
    file::file_name(instance_id).map(|name| name.trim_start_matches("instance_").to_owned())
}

/// The id in the name of a run's file; `None` for any other file.
fn id_of(name: &str) -> Option<&str> {
    let id = name.strip_suffix(".json")?;
    file_name(id).is_ok().then_some(id)
}

fn read(dir: &OwnedFd, name: &str) -> Result<Past, Content> {
    let json = file::bytes(dir.as_fd(), name)?;
    let past: Past = serde_json::from_slice(&json).map_err(|error| Content::Corrupt(error.to_string()))?;
    if file_name(&past.entry.instance_id).ok().as_deref() != Some(name) {
        return Err(Content::Corrupt("its instanceId is not that of its name".to_owned()));
    }
    Ok(Past { entry: past.entry.honest(), ..past })
}

/// Moves a corrupt file aside, where it is pruned after a week; the sentence to report.
fn set_aside(dir: &OwnedFd, path: &Path, name: &str, why: &str) -> String {
    let shown = path.display().to_string().escape_debug().to_string();
    match fs::renameat(dir, name, dir, format!("{name}{CORRUPT}")) {
        Ok(()) => format!("the file of an ended run `{shown}` was moved aside: {why}"),
        Err(_) => format!("the file of an ended run `{shown}` is left out: {why}; remove it"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;
    use crate::wire::Ended;
    use rustix::fs::{FileType, Mode};
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    fn history() -> (tempfile::TempDir, History) {
        let temp = tempfile::tempdir().expect("a directory");
        let history = History::at(&temp.path().join("a/state"));
        (temp, history)
    }

    fn ended(code: i32) -> End {
        End::now(Ended::Code(code), Duration::from_millis(1500))
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_run_comes_back_as_it_ended_for_its_owner_alone_and_without_its_key() {
        let (_temp, history) = history();
        assert_eq!(history.all(), (vec![], vec![]));
        let mut entry = Entry { auth_key: "secret".into(), port: Some(3000), ..entry(7) };
        entry.other.insert("new".into(), "kept".into());
        history.record(&entry, ended(3)).expect("written");
        let path = history.runs().join(format!("{}.json", entry.instance_id));
        assert_eq!((mode(&path), mode(&history.runs()), mode(&history.state)), (0o600, 0o700, 0o700));
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(
            !text.contains("secret") && text.contains("\"exitCode\":3") && text.contains("\"signal\":null"),
            "{text}"
        );
        let (past, warnings) = history.all();
        assert_eq!((&past[0].entry, warnings), (&entry.public(), vec![]));
        assert_eq!((past[0].end.exit_code, past[0].end.duration, past[0].end.lost), (Some(3), 1500, false));
        assert_eq!(history.one(&entry.instance_id), past.first().cloned());
        assert!(
            history.remove(&entry.instance_id).expect("removed") && !history.remove(&entry.instance_id).expect("gone")
        );
        assert_eq!((history.one(&entry.instance_id), history.one("../../x")), (None, None));
    }

    #[test]
    fn a_signal_has_its_name_and_what_nobody_saw_replaces_nothing() {
        let (_temp, history) = history();
        let entry = Entry { start_time: "2026-01-02T03:04:05.678Z".into(), ..entry(7) };
        let lost = End::lost(&entry, 1_767_323_045_678 + 2500);
        assert_eq!((lost.end_time.as_str(), lost.duration, lost.lost), ("2026-01-02T03:04:08.178Z", 2500, true));
        history.record(&entry, lost.clone()).expect("written");
        assert!(history.all().0[0].end.lost);
        history.record(&entry, End::now(Ended::Signal(15), Duration::ZERO)).expect("known now");
        history.record(&entry, lost).expect("passed over");
        let end = &history.all().0[0].end;
        assert_eq!((end.signal.as_deref(), end.exit_code, end.lost), (Some("SIGTERM"), None, false));
        assert_eq!(std::fs::read_dir(history.runs()).expect("read").count(), 1, "no temporary file is left");
    }

    #[test]
    fn the_last_to_end_are_kept_and_the_logs_of_the_others_go() {
        let (_temp, history) = history();
        std::fs::create_dir_all(history.logs()).expect("made");
        let long_lived = entry(1);
        let first = entry(2);
        for suffix in ["log", "log.1"] {
            std::fs::write(history.log_path(&first.instance_id).with_extension(suffix), "x").expect("a log");
            std::fs::write(history.log_path(&long_lived.instance_id).with_extension(suffix), "x").expect("a log");
        }
        history.record(&first, ended(0)).expect("written");
        // Its end is long ago, whatever the clock of the file system can tell apart.
        let path = history.runs().join(format!("{}.json", first.instance_id));
        File::options().write(true).open(path).and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).expect("set");
        for _ in 1..KEPT {
            history.record(&entry(3), ended(0)).expect("written");
        }
        assert!(history.all().0.contains(&history.one(&first.instance_id).expect("the fiftieth")));
        history.record(&long_lived, ended(0)).expect("written");
        let (past, _) = history.all();
        assert_eq!(past.len(), KEPT);
        assert_eq!(past.last().map(|past| past.entry.pid), Some(1), "the oldest id, and the last that ended");
        assert_eq!(history.one(&first.instance_id), None);
        let logs = std::fs::read_dir(history.logs()).expect("read").flatten();
        assert!(logs.map(|log| log.file_name()).all(|name| name.to_string_lossy().contains(&long_lived.instance_id)));
    }

    #[test]
    fn what_is_corrupt_is_moved_aside_and_said_once() {
        let (_temp, history) = history();
        history.record(&entry(7), ended(0)).expect("written");
        let new = || history.runs().join(format!("{}.json", uuid::Uuid::now_v7()));
        std::fs::write(new(), "{").expect("half");
        std::fs::write(new(), "[".repeat(100_000)).expect("deep");
        std::fs::write(new(), serde_json::to_vec(&entry(7)).expect("json")).expect("of another name");
        File::create(new()).expect("huge").set_len(100_000_000).expect("sparse");
        fs::mknodat(fs::CWD, new(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        std::fs::create_dir(new()).expect("a directory");
        std::fs::write(history.runs().join("notes.txt"), "mine").expect("a stranger");
        let (past, warnings) = history.all();
        assert_eq!((past.len(), warnings.len()), (1, 6), "{warnings:#?}");
        let (past, warnings) = history.all();
        assert_eq!((past.len(), warnings), (1, vec![]));
        history.record(&entry(7), ended(0)).expect("written beside them");
        assert!(history.runs().join("notes.txt").exists());
    }

    #[test]
    fn a_state_that_cannot_be_written_or_trusted_is_an_error() {
        let (temp, history) = history();
        std::fs::write(temp.path().join("a"), "a file").expect("written");
        let error = history.record(&entry(7), ended(0)).expect_err("no directory").to_string();
        assert!(error.contains("a/state"), "{error}");
        std::fs::remove_file(temp.path().join("a")).expect("removed");
        std::fs::create_dir_all(history.runs()).expect("made");
        std::fs::set_permissions(history.runs(), PermissionsExt::from_mode(0o755)).expect("open to all");
        assert!(history.record(&entry(7), ended(0)).is_err());
        assert_eq!(history.all().1.len(), 1);
    }
}
