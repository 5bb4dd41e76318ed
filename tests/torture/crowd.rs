//! A crowd: as many live instances as there is time for, and thousands of dead ones. Everything that looks at all of them does.
//! The figures are those of `cargo bench --bench scale`.

use crate::bout::{Bout, Subject};
use crate::harness::{Center, Sandbox};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

pub const SUBJECT: Subject = Subject {
    name: "crowd",
    what: "1,000 live instances (a keeper each) listed, shown by the control center and stopped; 10,000 entries of which 9,900 are dead",
    share: 4,
    run,
};

/// Where there is time for all of them.
const WHOLE: Duration = Duration::from_mins(1);

/// How long a listing that cleans up may take (9,900 dead), on a machine that does other things too.
const CLEANED: Duration = Duration::from_secs(6);

fn run(bout: &Bout) {
    let (live, dead) = if bout.left() > WHOLE { (1000, 9900) } else { (30, 300) };
    bout.guarded("the dead", || dead_ones(bout, dead));
    bout.guarded("the living", || living(bout, live));
}

fn dead_ones(bout: &Bout, count: usize) {
    let sandbox = Sandbox::new();
    sandbox.wrap(["-d", "-n", "alive", "sleep", "1000"]).piped().expect_code(0);
    sandbox.wait_started();
    let this_boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    for number in 0..count {
        let id = format!("01990000-0000-7000-8000-{number:012}");
        let entry = json!({ "instanceId": id, "pid": 5_000_000 + number, "pidToken": 1, "bootId": this_boot.trim(), "projectName": "dead",
            "owner": rustix::process::geteuid().as_raw() });
        let path = sandbox.wrap_dir().join(format!("instances/instance_{id}.json"));
        fs::write(&path, entry.to_string()).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    let from = Instant::now();
    let listed = sandbox.wrap(["list", "-q"]).piped().expect_code(0);
    let took = from.elapsed();
    assert_eq!((listed.out().lines().count(), sandbox.entries().len()), (1, 1), "{}", listed.err());
    assert!(took < CLEANED, "it took {took:?}");
    println!("crowd: {count} dead ones are cleaned up in {took:?}");
    bout.count("dead entries", count as u64);
    sandbox.stop_all();
}

fn living(bout: &Bout, count: usize) {
    let sandbox = Sandbox::new();
    let script = format!("seq {count} | xargs -P 32 -I% wrap -d -n crowd sleep 1000 >/dev/null");
    sandbox.run("bash", ["-c", &script]).start().finish_within(Duration::from_mins(5)).expect_code(0);
    let list = sandbox.instances();
    let healthy = list.iter().filter(|one| matches!(&*one.status, "starting" | "healthy")).count();
    assert_eq!((list.len(), healthy), (count, count), "all are listed");
    let center = Center::start(&sandbox);
    let seen = center.get("/api/instances");
    assert_eq!(seen.as_array().map(Vec::len), Some(count), "all are on the page");
    drop(center);
    let stopped = sandbox.wrap(["stop", "--all"]).start().finish_within(Duration::from_mins(2)).expect_code(0);
    assert_eq!(stopped.out().matches("stopped").count(), count, "{}", stopped.err());
    assert!(sandbox.entries().is_empty());
    bout.count("live instances", count as u64);
}
