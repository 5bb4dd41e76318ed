//! What it costs to ask a running command for something: attach, logs, send, and the list of a thousand.
//!
//!     cargo bench --bench sessions                 # everything; about two minutes
//!     cargo bench --bench sessions -- attach send  # some of: attach logs send live dead init tab
//!
//! Options, by environment: `SESSIONS_RUNS` (40), `SESSIONS_COUNT` (instances in a list, 1000). Each figure is the
//! minimum and the median of its runs, from the start of the verb's process to the event that is named.

// The other bench uses the rest of it.
#[allow(dead_code)]
#[path = "compare/session.rs"]
mod session;

use serde_json::json;
use session::Session;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A directory of our own with everything that wrap keeps.
struct Kit {
    dir: TempDir,
}

fn option(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

impl Kit {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("wrap-sessions-").tempdir().expect("a directory");
        for name in ["home", "run", "state"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        fs::set_permissions(dir.path().join("run"), fs::Permissions::from_mode(0o700)).expect("its mode");
        Self { dir }
    }

    fn wrap<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wrap"));
        let path = |name: &str| self.dir.path().join(name);
        command.args(words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", path("home")).env("WRAP_DIR", path("run")).env("XDG_STATE_HOME", path("state"));
        command.env("WRAP_CENTER", "off").env("TERM", "xterm-256color").current_dir(path("home"));
        command
    }

    /// Runs a verb to its end; what it wrote.
    fn run<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Vec<u8> {
        let output = self.wrap(words).stdin(Stdio::null()).output().expect("wrap runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn entry(&self) -> serde_json::Value {
        let file = fs::read_dir(self.dir.path().join("run/instances")).expect("entries").flatten().next().expect("one");
        serde_json::from_slice(&fs::read(file.path()).expect("read")).expect("json")
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let _ = self.wrap(["stop", "--all"]).output();
    }
}

fn lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}

fn report(what: &str, limit_ms: f64, mut times: Vec<Duration>) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (least, median) = (ms(times[0]), ms(times[times.len() / 2]));
    let verdict = if median <= limit_ms { "" } else { "   NOT reached" };
    println!("{what:<52} {least:>8.1} {median:>8.1} {limit_ms:>8.0}{verdict}");
}

/// From `wrap attach` to the first byte of the screen.
fn attach(runs: usize) {
    let kit = Kit::new();
    kit.run(["-d", "-n", "shop", "sh", "-c", "seq 1000; echo screen-end; read x"]);
    let time = |_| {
        let start = Instant::now();
        let mut session = Session::start(&mut kit.wrap(["attach", "shop"]));
        assert!(session.read_until(b"screen-end"), "the screen");
        let took = start.elapsed();
        session.close();
        took
    };
    report("attach to first screen", 30.0, (0..runs).map(time).collect());
}

/// `wrap logs -n 100` where both files of the log are full.
fn logs(runs: usize) {
    let kit = Kit::new();
    let flood = "i=0; while [ $i -lt 6 ]; do seq -f 'line %.0f of a log that is long enough to be like others' 60000; \
                 i=$((i+1)); done; echo ready; read x";
    kit.run(["-d", "-n", "shop", "sh", "-c", flood]);
    kit.run(["wait", "shop", "--for", "log=^ready"]);
    let logs = fs::read_dir(kit.dir.path().join("state/wrap/logs")).expect("logs");
    let size: u64 = logs.flatten().map(|file| file.metadata().map_or(0, |meta| meta.len())).sum();
    let time = |_| {
        let start = Instant::now();
        let out = kit.run(["logs", "shop", "-n", "100"]);
        assert_eq!(lines(&out), 100);
        start.elapsed()
    };
    report(&format!("logs -n 100 of a log of {} MiB", size >> 20), 20.0, (0..runs).map(time).collect());
}

/// From a line that is sent to its echo in a terminal: by the verb, and by the socket alone.
fn send(runs: usize) {
    let kit = Kit::new();
    // The terminal itself echoes nothing: what comes back has been through the command.
    let mut session = Session::start(&mut kit.wrap(["-n", "shop", "sh", "-c", "stty -echo; echo ready; exec cat"]));
    assert!(session.read_until(b"ready"), "it starts");
    while fs::read_dir(kit.dir.path().join("run/instances")).map_or(0, Iterator::count) == 0 {
        std::thread::yield_now();
    }
    let mut echoes = |how: &dyn Fn(&str)| {
        let times = (0..runs).map(|run| {
            let text = format!("line-{run}-{}", std::process::id());
            let start = Instant::now();
            how(&text);
            assert!(session.read_until(text.as_bytes()), "its echo");
            start.elapsed()
        });
        times.collect::<Vec<_>>()
    };
    let entry = kit.entry();
    let over_socket = echoes(&|text| {
        let path = entry["localUrl"].as_str().and_then(|url| url.strip_prefix("unix:")).expect("a socket");
        let body = json!({ "line": text }).to_string();
        let (id, key) = (entry["instanceId"].as_str().expect("an id"), entry["authKey"].as_str().expect("a key"));
        let mut stream = UnixStream::connect(path).expect("connected");
        let head = format!(
            "POST /api/instances/{id}/input HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
    report("send to echo, over the socket", 5.0, over_socket);
    report("send to echo, by the verb", 5.0, echoes(&|text| drop(kit.run(["send", "shop", text]))));
    session.close();
}

/// `wrap list` of so many live ones.
fn live(runs: usize) {
    let kit = Kit::new();
    let count = option("SESSIONS_COUNT", 1000);
    for _ in 0..count / 20 {
        let mut started: Vec<_> = (0..20)
            .map(|_| kit.wrap(["-d", "sleep", "100000"]).stdout(Stdio::null()).spawn().expect("started"))
            .collect();
        for one in &mut started {
            assert!(one.wait().expect("it ends").success());
        }
    }
    let time = |_| {
        let start = Instant::now();
        let out = kit.run(["list"]);
        let took = start.elapsed();
        assert_eq!(lines(&out), count / 20 * 20);
        took
    };
    report(&format!("list of {count} live instances"), 150.0, (0..runs.min(20)).map(time).collect());
}

/// What each new shell waits for.
fn init(runs: usize) {
    let kit = Kit::new();
    for shell in ["bash", "zsh", "fish"] {
        let time = |_| {
            let start = Instant::now();
            assert!(!kit.run(["init", shell, "--alias", "dev=npm run dev"]).is_empty());
            start.elapsed()
        };
        report(&format!("init {shell}"), 10.0, (0..runs).map(time).collect());
    }
}

/// What Tab waits for, where a target goes: with a hundred instances, and with one that hangs.
fn tab(runs: usize) {
    const MANY: usize = 100;
    let kit = Kit::new();
    let mut started: Vec<_> = (0..MANY)
        .map(|number| {
            let name = format!("n{number}");
            kit.wrap(["-d", "-n", &name, "sleep", "100000"]).stdout(Stdio::null()).spawn().expect("started")
        })
        .collect();
    for one in &mut started {
        assert!(one.wait().expect("it ends").success());
    }
    let time = |_| {
        let start = Instant::now();
        let out = kit.run(["__complete", "2", "wrap", "stop", ""]);
        let took = start.elapsed();
        assert_eq!(lines(&out), MANY + 1);
        took
    };
    report(&format!("Tab with {MANY} instances"), 30.0, (0..runs).map(time).collect());
    let keeper = kit.entry()["pid"].as_i64().expect("a pid").to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &keeper]).status().expect("kill").success());
    signal("-STOP");
    report("Tab, where a keeper hangs", 30.0, (0..runs).map(time).collect());
    signal("-CONT");
}

/// `wrap list` where so many have died without a trace: it removes them.
fn dead(runs: usize) {
    let kit = Kit::new();
    let count = option("SESSIONS_COUNT", 1000);
    kit.run(["list"]);
    let instances = kit.dir.path().join("run/instances");
    for dir in [&instances, &kit.dir.path().join("run/sockets")] {
        fs::create_dir_all(dir).expect("made");
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).expect("its mode");
    }
    let time = |_| {
        (0..count).for_each(|number| plant(&instances, number));
        let start = Instant::now();
        assert!(kit.run(["list"]).is_empty());
        let took = start.elapsed();
        assert_eq!(fs::read_dir(&instances).expect("read").count(), 0);
        took
    };
    report(&format!("list of {count} dead ones, cleaned"), 300.0, (0..runs.min(10)).map(time).collect());
}

fn plant(instances: &Path, number: usize) {
    let id = uuid::Uuid::now_v7().to_string();
    // The kernel's largest pid is 4,194,304.
    let entry = json!({
        "instanceId": id, "pid": 5_000_000 + number, "pidToken": 1, "childPid": 6_000_000 + number, "childToken": 1,
        "command": "npm run dev", "cmdArgs": ["npm", "run", "dev"], "projectName": "shop", "state": "running",
    });
    let path = instances.join(format!("instance_{id}.json"));
    fs::write(&path, entry.to_string()).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// Takes its figures in so many runs.
type Measure = fn(usize);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let all: [(&str, Measure); 7] = [
        ("attach", attach),
        ("logs", logs),
        ("send", send),
        ("live", live),
        ("dead", dead),
        ("init", init),
        ("tab", tab),
    ];
    if let Some(unknown) = wanted.iter().find(|word| all.iter().all(|(name, _)| name != word)) {
        eprintln!("sessions: no measure is called `{unknown}`; there are: attach logs send live dead init tab");
        std::process::exit(2);
    }
    println!("{:<52} {:>8} {:>8} {:>8}", "milliseconds", "least", "median", "asked");
    let runs = option("SESSIONS_RUNS", 40);
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure(runs);
        }
    }
}
