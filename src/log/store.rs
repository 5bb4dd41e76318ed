//! The directory of the logs: where each is, and how much all of them may take.

use super::rotated;
use crate::error::Error;
use crate::paths;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use uuid::Uuid;

/// What the logs of one user may take together: ten instances with full logs.
pub const TOTAL: u64 = 200 * 1024 * 1024;

/// `logs/` in the directory of our state; `None` where there is no place for state (no HOME).
pub fn directory() -> Option<PathBuf> {
    Some(paths::state_dir()?.join("logs"))
}

/// The log of an instance, whether it exists or not; the older half is beside it, with `.1` behind its name. `None` where
/// there is no place for logs, and for what is no instance id: it could name another path.
pub fn path_of(instance_id: &str) -> Option<PathBuf> {
    let uuid = Uuid::parse_str(instance_id).ok().filter(|uuid| uuid.hyphenated().to_string() == instance_id)?;
    Some(directory()?.join(format!("{uuid}.log")))
}

/// The ids of all instances that have a log.
pub fn ids() -> Vec<String> {
    directory().map(|dir| measure(&dir).into_keys().collect()).unwrap_or_default()
}

/// Removes the log of an instance, both halves of it. It is no error where there is none.
pub fn remove(instance_id: &str) -> Result<(), Error> {
    match path_of(instance_id) {
        Some(path) => remove_at(&path),
        None => Ok(()),
    }
}

fn remove_at(path: &Path) -> Result<(), Error> {
    for half in [path, &rotated(path)] {
        match fs::remove_file(half) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::file("remove", half, error)),
            _ => {}
        }
    }
    Ok(())
}

/// Where all logs in `dir` take more than `cap`, removes those of instances that are not to be kept, the ones that were
/// written to longest ago first, until they take no more. What cannot be removed is passed over.
pub fn enforce_total(dir: &Path, cap: u64, keep: &dyn Fn(&str) -> bool) {
    let logs = measure(dir);
    let mut total: u64 = logs.values().map(|log| log.size).sum();
    if total <= cap {
        return;
    }
    let mut oldest_first: Vec<(String, Log)> = logs.into_iter().collect();
    oldest_first.sort_by_key(|(_, log)| log.written);
    for (id, log) in oldest_first {
        if total <= cap {
            return;
        }
        if !keep(&id) && remove_at(&dir.join(format!("{id}.log"))).is_ok() {
            total = total.saturating_sub(log.size);
        }
    }
}

/// Both halves of a log.
struct Log {
    size: u64,
    written: SystemTime,
}

/// The logs in a directory; what has another name than ours is not counted, and never removed.
fn measure(dir: &Path) -> HashMap<String, Log> {
    let mut logs: HashMap<String, Log> = HashMap::new();
    for file in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = file.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".log").or_else(|| name.strip_suffix(".log.1")));
        let Some(id) = id.filter(|id| Uuid::parse_str(id).is_ok()) else { continue };
        // Of the name itself, as all of std's of a directory's entries: a link is not followed.
        let Ok(data) = file.metadata() else { continue };
        let written = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let log = logs.entry(id.to_owned()).or_insert(Log { size: 0, written });
        log.size += data.len();
        log.written = log.written.max(written);
    }
    logs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    #[test]
    fn the_oldest_that_ended_go_until_the_rest_fits() {
        let temp = tempfile::tempdir().expect("a directory");
        let ids: Vec<String> = (0..4).map(|_| Uuid::now_v7().to_string()).collect();
        let now = SystemTime::now();
        let write = |name: &str, age: u64| {
            fs::write(temp.path().join(name), [b'x'; 100]).expect("written");
            let file = File::options().append(true).open(temp.path().join(name)).expect("opened");
            file.set_modified(now - Duration::from_secs(age)).expect("its time");
        };
        for (id, age) in ids.iter().zip([40, 30, 20, 10]) {
            write(&format!("{id}.log"), age);
            write(&format!("{id}.log.1"), age + 100);
        }
        write("notes.log", 1000);
        let left = || {
            let all = measure(temp.path());
            ids.iter().map(|id| all.contains_key(id)).collect::<Vec<_>>()
        };
        enforce_total(temp.path(), 800, &|_| false);
        assert_eq!(left(), [true; 4]);
        enforce_total(temp.path(), 500, &|id| id == ids[0]);
        assert_eq!(left(), [true, false, false, true]);
        enforce_total(temp.path(), 0, &|id| id == ids[0]);
        assert_eq!(left(), [true, false, false, false]);
        enforce_total(temp.path(), 0, &|_| false);
        assert_eq!(left(), [false; 4]);
        assert!(temp.path().join("notes.log").exists());
        enforce_total(&temp.path().join("none"), 0, &|_| false);
    }

    #[test]
    fn what_is_no_id_has_no_path() {
        for id in ["", "..", "../../etc/passwd", "0199000000007000800000000000abcd"] {
            assert_eq!(path_of(id), None, "{id}");
        }
    }
}
