//! The registry under fire: writers, removers and listers at once, and everything that can stand where an entry should.

use crate::bout::{Bout, Subject};
use crate::harness::Sandbox;
use fastrand::Rng;
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wrap::registry::Registry;
use wrap::registry::entry::Entry;

pub const SUBJECT: Subject = Subject {
    name: "registry",
    what: "64 writers, 64 removers and 16 listers at once; torn, empty, huge, binary, nested, wrong and future entries, directories, \
           FIFOs, links and sockets in their place",
    share: 4,
    run,
};

const WRITERS: usize = 64;
const REMOVERS: usize = 64;
const LISTERS: usize = 16;

/// How long an entry that somebody had taken by mistake may be on its way back.
const BACK: Duration = Duration::from_secs(5);

/// How long a listing may take, whatever stands there.
const LISTED: Duration = Duration::from_secs(4);

fn run(bout: &Bout) {
    bout.guarded("what is no entry", || wrong_contents(bout));
    bout.guarded("the fire", || fire(bout));
}

/// The entry of one writer: `pid` says which of its lives it is, `sum` whether it is whole.
fn entry(writer: usize, pid: u32, count: u64) -> Entry {
    let text = "x".repeat((count % 4000) as usize);
    let id = format!("01990000-0000-7000-8000-{writer:012}");
    let entry = json!({ "instanceId": id, "pid": pid, "command": text, "cmdArgs": [text], "sum": text.len(), "count": count,
        "owner": rustix::process::geteuid().as_raw() });
    serde_json::from_value(entry).expect("an entry")
}

fn is_whole(entry: &Entry) -> bool {
    let length = entry.cmd_args.first().map_or(0, String::len);
    entry.other.get("sum").and_then(serde_json::Value::as_u64) == Some(length as u64)
}

/// Pids of a writer's two lives, which nobody has: removers only ever mean the first one.
const FORMER: u32 = 5_000_000;
const PRESENT: u32 = 5_000_001;

fn fire(bout: &Bout) {
    let sandbox = Sandbox::new();
    let root = sandbox.root().join("fire");
    let registry = Registry::at(&root).expect("a registry");
    let over = AtomicBool::new(false);
    let [written, removed, read] = [const { AtomicU64::new(0) }; 3];
    let begin = Barrier::new(WRITERS + REMOVERS + LISTERS);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (registry, over, written, begin) = (&registry, &over, &written, &begin);
            scope.spawn(move || {
                begin.wait();
                let mut count = 0;
                let done = bout.guarded("a writer", || {
                    // Once in any case: beside so many others some come to their turn when it is over already.
                    loop {
                        registry.write(&mut entry(writer, FORMER, count)).expect("written");
                        registry.write(&mut entry(writer, PRESENT, count)).expect("written");
                        // Nobody means this life: it stays, but for the moment of a mistake that is taken back.
                        for _ in 0..3 {
                            stands(registry, writer, count);
                        }
                        written.fetch_add(2, Ordering::Relaxed);
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        count += 1;
                    }
                });
                if done {
                    bout.guarded("a writer's last", || stands(registry, writer, count));
                }
            });
        }
        for remover in 0..REMOVERS {
            let (registry, over, removed, begin) = (&registry, &over, &removed, &begin);
            scope.spawn(move || {
                begin.wait();
                let mut random = Rng::with_seed(remover as u64);
                bout.guarded("a remover", || {
                    while !over.load(Ordering::Relaxed) {
                        let meant = entry(random.usize(..WRITERS), FORMER, 0);
                        removed
                            .fetch_add(u64::from(registry.remove(&meant).expect("removed or not")), Ordering::Relaxed);
                    }
                });
            });
        }
        for _ in 0..LISTERS {
            let (registry, over, read, begin) = (&registry, &over, &read, &begin);
            scope.spawn(move || {
                begin.wait();
                bout.guarded("a lister", || {
                    while !over.load(Ordering::Relaxed) {
                        let listing = registry.read_all();
                        assert_eq!(listing.warnings, [""; 0]);
                        assert!(listing.entries.iter().all(|found| is_whole(&found.entry)), "a torn entry");
                        read.fetch_add(listing.entries.len() as u64, Ordering::Relaxed);
                    }
                });
            });
        }
        thread::sleep(bout.left().max(Duration::from_secs(1)));
        over.store(true, Ordering::Relaxed);
    });
    let left = fs::read_dir(root.join("instances")).expect("it").flatten().map(|one| one.file_name());
    let names: Vec<_> = left.collect();
    assert_eq!(names.len(), WRITERS, "an entry each, and nothing else: {names:?}");
    bout.count("writes", written.load(Ordering::Relaxed));
    bout.count("removals", removed.load(Ordering::Relaxed));
    bout.count("reads", read.load(Ordering::Relaxed));
}

fn stands(registry: &Registry, writer: usize, count: u64) {
    let id = entry(writer, PRESENT, 0).instance_id;
    let deadline = Instant::now() + BACK;
    loop {
        match registry.one(&id) {
            Some(found) => {
                let of = found.other.get("count").and_then(serde_json::Value::as_u64);
                assert_eq!((found.pid, of), (PRESENT, Some(count)), "an older one came back");
                return;
            }
            None => assert!(Instant::now() < deadline, "the entry of writer {writer} is lost"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Everything that is no entry and has the name of one, beside a live one.
fn wrong_contents(bout: &Bout) {
    let sandbox = Sandbox::new();
    sandbox.wrap(["-d", "-n", "alive", "sleep", "1000"]).piped().expect_code(0);
    sandbox.wait_started();
    let live = fs::read_to_string(&sandbox.entries()[0]).expect("its entry");
    let dir = sandbox.wrap_dir().join("instances");
    let place = |number: usize| dir.join(format!("instance_01990000-0000-7000-8000-{number:012}.json"));
    let mut wrong: Vec<Vec<u8>> = vec![
        live.as_bytes()[..live.len() / 2].to_vec(),
        Vec::new(),
        vec![0; 4096],
        (0..=255).collect(),
        b"\xef\xbb\xbf{}".to_vec(),
        "[".repeat(900_000).into_bytes(),
        "{\"a\":".repeat(150_000).into_bytes(),
        b"{\"instanceId\": 5, \"pid\": \"one\"}".to_vec(),
        b"{\"instanceId\": \"01990000-0000-7000-8000-000000000008\", \"pid\": -1}".to_vec(),
        b"{\"instanceId\": \"01990000-0000-7000-8000-000000000009\", \"pid\": 1e300}".to_vec(),
        b"{\"instanceId\": \"../../../etc/passwd\", \"pid\": 1}".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
    ];
    let texts = wrong.len();
    for (number, text) in wrong.drain(..).enumerate() {
        write(&place(number), &text);
    }
    let huge = File::create(place(100)).expect("a file");
    huge.set_len(100 << 20).expect("a hole");
    fs::set_permissions(place(100), fs::Permissions::from_mode(0o600)).expect("its mode");
    fs::create_dir(place(101)).expect("a directory");
    fs::create_dir(place(101).join("below")).expect("a directory in it");
    rustix::fs::mknodat(rustix::fs::CWD, place(102), rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    symlink("/dev/zero", place(103)).expect("a link");
    symlink(place(103), place(104)).expect("a link to itself, nearly");
    drop(std::os::unix::net::UnixListener::bind(place(105)).expect("a socket"));
    // Not corrupt: a newer wrap's, of another machine.
    let newer = json!({ "instanceId": "01990000-0000-7000-8000-000000000200", "pid": 1, "host": "elsewhere", "state": "dreaming",
        "mode": "holographic", "schema": 99, "updatedAt": wrap::registry::now_ms(), "projectName": "future" });
    write(&place(200), newer.to_string().as_bytes());

    let kinds = texts + 6;
    let mut told = 0;
    for _ in 0..2 {
        let from = Instant::now();
        let listed = sandbox.wrap(["list", "--all", "-f", "json"]).piped().expect_code(0);
        assert!(from.elapsed() < LISTED, "it took {:?}", from.elapsed());
        assert!(listed.out().contains("\"alive\"") && listed.out().contains("\"future\""), "{}", listed.out());
        told += listed.err().lines().count();
    }
    assert_eq!(told, kinds, "each is told once");
    let run = sandbox.wrap(["sh", "-c", "exit 5"]).piped().expect_code(5);
    assert_eq!(run.err(), "");
    bout.count("kinds of what is no entry", kinds as u64);
    fs::remove_file(place(200)).expect("removed");
    sandbox.stop_all();
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}
