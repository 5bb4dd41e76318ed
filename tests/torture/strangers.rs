//! Another user of the machine: reads nothing, reaches nothing, plants nothing that is used, and gets nothing of others ended,
//! written to or removed by wrap.

use crate::bout::{Bout, Subject};
use crate::harness::{Center, Ending, Finished, Sandbox, is_running};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

pub const SUBJECT: Subject = Subject {
    name: "strangers",
    what: "another user (nobody) reads entries and logs, connects to sockets, asks the control center, plants /tmp/wrap-UID, links, FIFOs \
           and entries",
    share: 1,
    run,
};

/// Puts something at a place; the second is a directory of ours that is not to be touched.
type Plant = fn(&Path, &Path);

/// nobody, on every Linux.
const NOBODY: u32 = 65534;

fn run(bout: &Bout) {
    if !rustix::process::geteuid().is_root() {
        return bout.leave_out("another user: only root may become one");
    }
    bout.rounds(1, 1, Sandbox::new, |sandbox, _| {
        open_the_way(sandbox);
        // What must fail below has to be able to.
        let can = as_nobody(sandbox, "python3 -c 'print(1)' && test -r project && wrap --version");
        if can.ending != Ending::Code(0) {
            return bout.leave_out(&format!("another user: nobody can do nothing here: {}", can.err()));
        }
        bout.guarded("reading and reaching", || reaches_nothing(bout, sandbox));
        bout.guarded("planting", || plants_nothing(bout, sandbox));
        bout.guarded("another's WRAP_DIR", || is_not_obeyed(bout, sandbox));
        bout.guarded("another's processes", || ends_nothing(bout, sandbox));
    });
}

/// The sandbox itself is for its owner alone; here only what is wrap's own is to keep others out.
fn open_the_way(sandbox: &Sandbox) {
    for dir in ["", "state", "config", "home", "project", "bin"] {
        fs::set_permissions(sandbox.root().join(dir), fs::Permissions::from_mode(0o755)).expect("its mode");
    }
}

/// A script of the other user's.
fn as_nobody(sandbox: &Sandbox, script: &str) -> Finished {
    let id = NOBODY.to_string();
    sandbox.run("setpriv", ["--reuid", &id, "--regid", &id, "--clear-groups", "sh", "-c", script]).piped()
}

fn reaches_nothing(bout: &Bout, sandbox: &Sandbox) {
    sandbox.wrap(["-d", "-n", "mine", "sh", "-c", "echo private-output; cat"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    let center = Center::start(sandbox);
    let entry = sandbox.entries().pop().expect("its entry");
    let socket = sandbox.wrap_dir().join(format!("sockets/{}.sock", instance.short_id()));
    let log = sandbox.root().join(format!("state/wrap/logs/{}.log", instance.instance_id));
    let (pid, dir) = (instance.pid, sandbox.wrap_dir());
    let tries = [
        format!("cat {}", entry.display()),
        format!("cat {}/center.token", dir.display()),
        format!("cat {}", log.display()),
        format!("ls {}/instances", dir.display()),
        format!("cat /proc/{pid}/environ"),
        format!("kill -TERM {pid} {} {}", instance.child(), center.pid),
        format!("rm -rf {}/*", dir.display()),
        format!("echo x >>{}", entry.display()),
        format!("python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"{}\")'", socket.display()),
        format!(
            "python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:{}/api/instances\")'",
            center.port
        ),
        format!("python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:{}/stream\")'", center.port),
        "wrap stop mine".to_owned(),
    ];
    for script in tries {
        let done = as_nobody(sandbox, &script);
        assert!(!done.out().contains("mine") && !done.out().contains("private"), "{script}: {}", done.out());
        assert_ne!(done.ending, Ending::Code(0), "{script}: {}{}", done.out(), done.err());
        bout.count("tries", 1);
    }
    assert!(is_running(instance.pid) && is_running(instance.child()) && is_running(center.pid));
    assert_eq!(sandbox.entries(), [entry]);
    // A socket whose directory were open: its mode keeps others out, and who connects all the same is looked at (SO_PEERCRED).
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("its mode");
    fs::set_permissions(dir.join("sockets"), fs::Permissions::from_mode(0o755)).expect("its mode");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("its mode");
    let ask = "s.sendall(b\"GET /health HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n\"); import sys; sys.exit(0 if s.recv(9) else 1)";
    let script = format!(
        "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"{}\"); {ask}'",
        socket.display()
    );
    let done = as_nobody(sandbox, &script);
    assert_ne!(done.ending, Ending::Code(0), "a peer of another user was answered");
    fs::set_permissions(dir.join("sockets"), fs::Permissions::from_mode(0o700)).expect("its mode");
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).expect("its mode");
    bout.count("tries", 1);
    drop(center);
    sandbox.stop_all();
}

/// Whatever stands where the registry is to be: it is refused in one line, the command runs, and nothing is written there.
fn plants_nothing(bout: &Bout, sandbox: &Sandbox) {
    let shared = sandbox.root().join("shared");
    let _ = fs::remove_dir_all(&shared);
    fs::create_dir(&shared).expect("a directory");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).expect("its mode");
    let victim = sandbox.root().join("victim");
    let _ = fs::remove_dir_all(&victim);
    fs::create_dir(&victim).expect("a directory");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o700)).expect("its mode");
    let plants: [(&str, Plant); 6] = [
        ("an open directory", |place, _| {
            fs::create_dir(place).expect("made");
            fs::set_permissions(place, fs::Permissions::from_mode(0o777)).expect("its mode");
        }),
        ("a directory of theirs", |place, _| {
            fs::create_dir(place).expect("made");
            fs::set_permissions(place, fs::Permissions::from_mode(0o700)).expect("its mode");
            chown(place, Some(NOBODY), Some(NOBODY)).expect("given");
        }),
        ("a link to what is ours", |place, victim| symlink(victim, place).expect("linked")),
        ("a link to nowhere", |place, _| symlink("/nowhere/at/all", place).expect("linked")),
        ("a FIFO", |place, _| {
            rustix::fs::mknodat(rustix::fs::CWD, place, rustix::fs::FileType::Fifo, 0o666.into(), 0).expect("made");
        }),
        ("a file", |place, _| fs::write(place, "x").expect("written")),
    ];
    for (at, (what, plant)) in plants.iter().enumerate() {
        let place: PathBuf = shared.join(format!("wrap-{at}"));
        plant(&place, &victim);
        let launch =
            sandbox.wrap(["sh", "-c", "echo ran; exit 7"]).env("WRAP_DIR", &place).without_env("XDG_STATE_HOME");
        let finished = launch.piped().expect_code(7);
        assert_eq!(finished.out(), "ran\n", "{what}");
        assert_eq!(finished.err().lines().count(), 1, "{what}: {}", finished.err());
        assert_eq!(fs::read_dir(&victim).expect("it").count(), 0, "{what}: something was written through it");
        let written = fs::read_dir(&place).map_or(0, Iterator::count);
        assert_eq!(written, 0, "{what}: something was written into it");
        let list = sandbox.wrap(["list"]).env("WRAP_DIR", &place).without_env("XDG_STATE_HOME").piped();
        assert!(list.err().lines().count() <= 1, "{what}: {}", list.err());
        bout.count("tries", 1);
    }
    // An entry of theirs in a registry of ours, as if the directory had been open for a moment.
    let forged = sandbox.wrap_dir().join("instances/instance_01990000-0000-7000-8000-000000000bad.json");
    fs::create_dir_all(forged.parent().expect("a directory")).expect("made");
    fs::set_permissions(forged.parent().expect("it"), fs::Permissions::from_mode(0o700)).expect("its mode");
    fs::write(
        &forged,
        "{\"instanceId\":\"01990000-0000-7000-8000-000000000bad\",\"pid\":1,\"projectName\":\"planted\"}",
    )
    .expect("written");
    chown(&forged, Some(NOBODY), Some(NOBODY)).expect("given");
    let listed = sandbox.wrap(["list", "--all"]).piped().expect_code(0);
    assert!(
        !listed.out().contains("planted") && listed.err().contains("another user"),
        "{}{}",
        listed.out(),
        listed.err()
    );
    bout.count("tries", 1);
}

/// Settings of another user, and a project of theirs above the directory.
fn is_not_obeyed(bout: &Bout, sandbox: &Sandbox) {
    let config = sandbox.root().join("theirs/wrap/config.toml");
    fs::create_dir_all(config.parent().expect("a directory")).expect("made");
    let target = sandbox.root().join("written");
    let text = format!("hooks = [{{ name = \"log-errors\", file = \"{}\", pattern = \".\" }}]\n", target.display());
    fs::write(&config, text).expect("written");
    chown(&config, Some(NOBODY), Some(NOBODY)).expect("given");
    let launch = sandbox.wrap(["sh", "-c", "echo hello; exit 7"]).env("XDG_CONFIG_HOME", sandbox.root().join("theirs"));
    let finished = launch.piped().expect_code(7);
    assert!(finished.err().contains("belongs to user"), "{}", finished.err());
    assert!(!target.exists(), "their hook has run");
    let above = sandbox.root().join("above");
    let below = above.join("mine");
    fs::create_dir_all(&below).expect("made");
    fs::write(above.join("package.json"), "{\"scripts\": {\"dev\": \"touch RAN\"}}").expect("written");
    chown(&above, Some(NOBODY), Some(NOBODY)).expect("given");
    let finished = sandbox.wrap([""; 0]).cwd(&below).piped();
    assert_ne!(finished.ending, Ending::Code(0), "{}", finished.out());
    assert!(!above.join("RAN").exists(), "their script has run");
    bout.count("tries", 2);
}

/// A process of theirs is not adopted, and no entry makes wrap end one.
fn ends_nothing(bout: &Bout, sandbox: &Sandbox) {
    let id = NOBODY.to_string();
    let theirs = sandbox.run("setpriv", ["--reuid", &id, "--regid", &id, "--clear-groups", "sleep", "1000"]).start();
    let done = sandbox.wrap(["adopt", &theirs.pid().to_string()]).piped();
    assert_ne!(done.ending, Ending::Code(0), "it was adopted: {}", done.out());
    sandbox.wrap(["clean", "--kill"]).piped().expect_code(0);
    sandbox.wrap(["stop", "--all"]).piped();
    assert!(is_running(theirs.pid()), "it was ended");
    bout.count("tries", 1);
    drop(theirs);
}
