//! Whatever is broken around it, the command runs, and its exit code is its own.

use crate::harness::{Ending, Finished, Sandbox};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command that proves itself by its output and code, with pipes and in a terminal.
#[track_caller]
fn runs(sandbox: &Sandbox) -> Finished {
    let finished = sandbox.wrap(["sh", "-c", "cat; exit 5"]).input("through\n").piped().expect_code(5);
    assert_eq!(finished.out(), "through\n");
    let terminal = sandbox.wrap(["sh", "-c", "echo shown; exit 6"]).terminal();
    terminal.wait_for("shown\r\n");
    assert_eq!(terminal.wait_end(), Ending::Code(6));
    assert!(terminal.modes().is_cooked());
    finished
}

/// One line of ours on stderr, with this in it.
#[track_caller]
fn said_once(finished: &Finished, part: &str) {
    let err = finished.err();
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("wrap: ") && err.contains(part), "{err}");
}

#[test]
fn a_registry_that_cannot_be_is_said_in_one_line() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.write("a-file", "");
    for dir in [file, PathBuf::from("/proc/no-such-place")] {
        sandbox.set_wrap_dir(dir.clone());
        said_once(&runs(&sandbox), &dir.to_string_lossy());
    }
}

#[test]
fn a_registry_that_others_could_write_to_is_not_used() {
    let mut sandbox = Sandbox::new();
    let open = sandbox.root().join("open");
    fs::create_dir(&open).expect("a directory");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("its permissions");
    let link = sandbox.root().join("link");
    symlink(sandbox.wrap_dir(), &link).expect("a link");
    for dir in [open, link] {
        sandbox.set_wrap_dir(dir.clone());
        said_once(&runs(&sandbox), &dir.to_string_lossy());
        assert!(!dir.join("instances").exists(), "nothing was written to {}", dir.display());
    }
}

/// A file system without room; unmounted when dropped.
struct FullDisk {
    path: PathBuf,
}

impl FullDisk {
    /// `None` where we may not mount.
    fn mounted(path: &Path) -> Option<Self> {
        fs::create_dir(path).expect("a directory");
        let options = ["-t", "tmpfs", "-o", "size=64k,mode=700", "wrap-it"];
        let mounted = Command::new("mount").args(options).arg(path).output().is_ok_and(|done| done.status.success());
        if !mounted {
            return None;
        }
        let disk = Self { path: path.to_owned() };
        // Up to the last byte; the error is the point.
        let _ = fs::write(disk.path.join("filler"), vec![0; 1 << 20]);
        Some(disk)
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_costs_a_line() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.root().join("full");
    let Some(_disk) = FullDisk::mounted(&path) else {
        // The next test has the same subject with what every user may do.
        return;
    };
    let registry = path.join("run");
    // A directory may still be made where no byte of a file has room, or may not; both are faults.
    let _ = fs::create_dir(&registry);
    sandbox.set_wrap_dir(registry);
    said_once(&runs(&sandbox), "full");
}

#[test]
fn a_limit_on_files_is_as_good_as_a_full_disk() {
    let sandbox = Sandbox::new();
    let script = "ulimit -f 0; exec wrap sh -c 'echo through; exit 5'";
    // The limit's signal (SIGXFSZ) must not end the keeper either.
    let finished = sandbox.run("bash", ["-c", script]).piped().expect_code(5);
    assert_eq!(finished.out(), "through\n");
    assert!(finished.err().lines().all(|line| line.starts_with("wrap: ")), "{}", finished.err());
    let terminal = sandbox.run("bash", ["-c", script]).terminal();
    assert_eq!(terminal.wait_end(), Ending::Code(5));
    // What was begun of an entry is no entry.
    assert!(sandbox.entries().is_empty());
}

#[test]
fn a_corrupt_entry_is_moved_aside_and_told_once() {
    let sandbox = Sandbox::new();
    let id = "01900000-0000-7000-8000-0000000000aa";
    let mut piped = sandbox.wrap(["cat"]).start();
    sandbox.wait_started();
    let instances = sandbox.wrap_dir().join("instances");
    for text in ["{\"instanceId\": \"cut of", "", "[]", "\u{0}\u{0}"] {
        let file = sandbox.write(&format!("run/instances/instance_{id}.json"), text);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its permissions");
        let first = sandbox.wrap(["list", "--all", "-f", "json"]).piped().expect_code(0);
        assert!(first.out().contains("\"cat\""), "the others are listed: {}", first.out());
        said_once(&first, id);
        assert!(!file.exists(), "{text:?} is still an entry");
        let mut kept = fs::read_dir(&instances).expect("it").flatten().map(|entry| entry.path());
        let aside = kept.find(|path| path.extension() == Some(OsStr::new("corrupt")));
        fs::remove_file(aside.expect("it is kept to be looked at")).expect("it is ours");
        let second = sandbox.wrap(["list", "--all", "-f", "json"]).piped().expect_code(0);
        assert_eq!(second.err(), "");
    }
    piped.close_stdin();
    piped.finish().expect_code(0);
}

#[test]
fn a_broken_configuration_is_one_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "grace = 1\nname = \n");
    said_once(&runs(&sandbox), "config.toml:2");
    sandbox.write("config/wrap/config.toml", "grase = 1\n");
    let finished = runs(&sandbox);
    said_once(&finished, "config.toml:1");
    assert!(finished.err().contains("did you mean `grace`?"), "{}", finished.err());
}

#[test]
fn without_a_home_it_runs_all_the_same() {
    let sandbox = Sandbox::new();
    let launch = sandbox.wrap(["sh", "-c", "exit 5"]).without_env("HOME").without_env("XDG_CONFIG_HOME");
    let finished = launch.without_env("XDG_STATE_HOME").piped().expect_code(5);
    assert_eq!(finished.err(), "");
}

#[test]
fn a_directory_that_was_removed_is_still_worked_in() {
    let sandbox = Sandbox::new();
    let script = "mkdir gone; cd gone; rmdir ../gone; wrap sh -c 'echo through; exit 5'";
    let finished = sandbox.sh(script).piped().expect_code(5);
    assert_eq!(finished.out(), "through\n");
}
