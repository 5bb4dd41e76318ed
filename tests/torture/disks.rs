//! Where things are kept fills up, becomes read-only, or is deleted, while something runs.

use crate::bout::{Bout, Subject};
use crate::harness::{Ending, Sandbox, is_running};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub const SUBJECT: Subject = Subject {
    name: "disks",
    what: "the registry's and the logs' file system full, read-only, or deleted, while instances run",
    share: 2,
    run,
};

/// An entry is written anew every 20 s; some more on a loaded machine.
const REFRESHED: Duration = Duration::from_secs(30);

/// A line for each service that is lost: the socket, the entry, the log.
const LINES: usize = 3;

fn run(bout: &Bout) {
    bout.guarded("deleted", || deleted(bout));
    loop {
        bout.guarded("full", || full(bout));
        bout.guarded("read-only", || read_only(bout));
        if !bout.goes_on() {
            break;
        }
    }
}

/// A small file system in memory; unmounted when dropped.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mounted(bout: &Bout, path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).expect("a directory");
        let options = ["-t", "tmpfs", "-o", "size=256k,mode=700", "wrap-torture"];
        let done = Command::new("mount").args(options).arg(&path).output().is_ok_and(|done| done.status.success());
        if !done {
            bout.leave_out("full and read-only file systems: nothing can be mounted here");
        }
        done.then_some(Self { path })
    }

    fn fill(&self) {
        // Up to the last byte; the error is the point.
        let _ = fs::write(self.path.join("filler"), vec![0; 1 << 20]);
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.path).status();
        assert!(done.is_ok_and(|done| done.success()), "remounted");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// A sandbox whose registry and state are on a disk of their own, and an instance in it.
fn on_disk(bout: &Bout) -> Option<(Sandbox, Disk)> {
    let mut sandbox = Sandbox::new();
    let disk = Disk::mounted(bout, sandbox.root().join("disk"))?;
    sandbox.set_wrap_dir(disk.path.join("run"));
    let script = "while read -r line; do echo \"got $line\"; done";
    sandbox
        .wrap(["-d", "-n", "alive", "sh", "-c", script])
        .env("XDG_STATE_HOME", disk.path.join("state"))
        .piped()
        .expect_code(0);
    sandbox.wait_started();
    Some((sandbox, disk))
}

/// Whatever the disk does, the command runs, and what was there is as before.
fn still_works(sandbox: &Sandbox, disk: &Path) {
    let launch = sandbox.wrap(["sh", "-c", "cat; exit 5"]).env("XDG_STATE_HOME", disk.join("state"));
    let finished = launch.input("through\n").piped().expect_code(5);
    assert_eq!(finished.out(), "through\n");
    assert!(
        finished.err().lines().count() <= LINES && finished.err().lines().all(|line| line.starts_with("wrap: ")),
        "{}",
        finished.err()
    );
    let terminal = sandbox.wrap(["sh", "-c", "exit 6"]).env("XDG_STATE_HOME", disk.join("state")).terminal();
    assert_eq!(terminal.wait_end(), Ending::Code(6));
    let list = sandbox.instances();
    assert!(list.iter().any(|one| one.project_name == "alive" && is_well(&one.status)), "{list:?}");
    // What runs is typed to, and what it says is read.
    sandbox.wrap(["send", "alive", "hello"]).piped().expect_code(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sandbox.wrap(["screen", "alive"]).piped().expect_code(0).out().contains("got hello") {
        assert!(Instant::now() < deadline, "it does not answer");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What cannot be written anew says of it what was true when it could be.
fn is_well(status: &str) -> bool {
    matches!(status, "healthy" | "starting")
}

fn full(bout: &Bout) {
    let Some((sandbox, disk)) = on_disk(bout) else { return };
    disk.fill();
    still_works(&sandbox, &disk.path);
    fs::remove_file(disk.path.join("filler")).expect("removed");
    sandbox.stop_all();
    assert!(sandbox.entries().is_empty());
    bout.count("full disks", 1);
}

fn read_only(bout: &Bout) {
    let Some((sandbox, disk)) = on_disk(bout) else { return };
    let instance = sandbox.wait_started();
    disk.remount("ro");
    still_works(&sandbox, &disk.path);
    // It can be ended; its entry stays until the disk takes a removal again.
    sandbox.wrap(["stop", "--all"]).env("XDG_STATE_HOME", disk.path.join("state")).piped();
    crate::harness::wait_gone(instance.child());
    crate::harness::wait_gone(instance.pid);
    disk.remount("rw");
    sandbox.wrap(["list"]).piped().expect_code(0);
    assert!(sandbox.entries().is_empty(), "{:?}", sandbox.entries());
    bout.count("read-only disks", 1);
}

/// It comes back, with its socket, and is the same.
fn deleted(bout: &Bout) {
    if bout.left() < REFRESHED {
        return bout.leave_out("a deleted registry: it takes 20 s; `--only disks --seconds 60` has the time");
    }
    let sandbox = Sandbox::new();
    sandbox.wrap(["-d", "-n", "alive", "cat"]).piped().expect_code(0);
    let before = sandbox.wait_started();
    fs::remove_dir_all(sandbox.wrap_dir()).expect("removed");
    let deadline = Instant::now() + REFRESHED;
    while sandbox.entries().is_empty() {
        assert!(Instant::now() < deadline, "the entry did not come back");
        thread::sleep(Duration::from_millis(100));
    }
    let after = sandbox.wait_one("healthy");
    assert_eq!((after.instance_id, after.pid, after.child_pid), (before.instance_id, before.pid, before.child_pid));
    sandbox.stop_all();
    assert!(!is_running(before.pid));
    bout.count("deleted registries", 1);
}
