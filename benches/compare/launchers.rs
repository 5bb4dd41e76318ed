//! The launchers, how each is told to run a command, and which of them are here.

use crate::session::Session;
use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The variable by which all processes of one session are found again, also those that left for a session of their own.
pub const MARK: &str = "COMPARE_MARK";

/// What the measures share: directories of their own, and a control center that takes connections and says nothing,
/// so that wrap's ping is under way as in real use.
pub struct Kit {
    dir: TempDir,
    center: TcpListener,
    count: Cell<u32>,
}

/// One way to run a command.
pub struct Launcher {
    pub name: &'static str,
    /// The program in front of the command; `None` for the bare command.
    pub program: Option<PathBuf>,
    /// The arguments between the program and the command line.
    arguments: fn(&Path, &str) -> Vec<OsString>,
}

/// An option by environment.
pub fn option(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn script_arguments(_: &Path, line: &str) -> Vec<OsString> {
    ["-qec", &format!("exec {line}"), "/dev/null"].map(OsString::from).to_vec()
}

fn dtach_arguments(socket: &Path, line: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-A".into(), socket.into(), "-E".into(), "-z".into()];
    arguments.extend(words(line));
    arguments
}

fn sudo_arguments(_: &Path, line: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-n", "-u", "root", "--"].map(OsString::from).to_vec();
    arguments.extend(words(line));
    arguments
}

fn plain_arguments(_: &Path, line: &str) -> Vec<OsString> {
    words(line)
}

/// The words of a line as a shell would split it, where quotes are only ever single ones around one whole word.
fn words(line: &str) -> Vec<OsString> {
    let mut found = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            found.push(part.into());
        } else {
            found.extend(part.split_whitespace().map(OsString::from));
        }
    }
    found
}

impl Kit {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("compare-").tempdir().expect("a temporary directory");
        for name in ["home", "run", "config", "state", "work", "sockets"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(dir.path().join("run"), private).expect("its permissions");
        let center = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        Self { dir, center, count: Cell::new(0) }
    }

    /// A file of this kit.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The launchers that run a command here; of the others it says that they are left out.
    pub fn launchers(&self) -> Vec<Launcher> {
        let ours = std::env::var_os("COMPARE_WRAP").map_or_else(|| env!("CARGO_BIN_EXE_wrap").into(), PathBuf::from);
        let all = [
            Launcher { name: "bare", program: None, arguments: plain_arguments },
            Launcher { name: "wrap", program: Some(ours), arguments: plain_arguments },
            Launcher { name: "script", program: Some("script".into()), arguments: script_arguments },
            Launcher { name: "dtach", program: Some("dtach".into()), arguments: dtach_arguments },
            Launcher { name: "sudo", program: Some("sudo".into()), arguments: sudo_arguments },
        ];
        let only = std::env::var("COMPARE_ONLY").unwrap_or_default();
        let mut kept = Vec::new();
        for mut launcher in all {
            if !only.is_empty() && !only.split(',').any(|name| name == launcher.name) {
                continue;
            }
            if let Some(program) = launcher.program.take() {
                let Some(found) = find(&program) else {
                    println!("{} is left out: not installed", launcher.name);
                    continue;
                };
                launcher.program = Some(found);
            }
            let mut session = Session::start(&mut self.command(&launcher, "sh -c 'echo works; sleep 0.1'").0);
            let works = session.read_until(b"works");
            session.drain();
            session.wait();
            if works {
                kept.push(launcher);
            } else {
                println!("{} is left out: `echo works` in a terminal showed nothing", launcher.name);
            }
        }
        kept
    }

    /// The command line run by this launcher, in an environment of our own, and the mark in it.
    pub fn command(&self, launcher: &Launcher, line: &str) -> (Command, String) {
        self.count.set(self.count.get() + 1);
        let number = self.count.get();
        let socket = self.path("sockets").join(number.to_string());
        let mut command = if let Some(program) = &launcher.program {
            let mut command = Command::new(program);
            command.args((launcher.arguments)(&socket, line));
            command
        } else {
            let words = words(line);
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        };
        let mark = format!("{}-{number}", self.dir.path().display());
        let port = self.center.local_addr().expect("its address").port();
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        command
            .env_clear()
            .env("PATH", path)
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .env("SHELL", "/bin/sh")
            .env("HOME", self.path("home"))
            .env("WRAP_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("WRAP_CENTER", format!("http://localhost:{port}"))
            .env(MARK, &mark)
            .current_dir(self.path("work"));
        (command, mark)
    }
}

/// The program's whole path, links followed, as /proc/PID/exe will name it.
fn find(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).map(|dir| dir.join(program)).collect();
    if program.is_absolute() {
        places = vec![program.to_owned()];
    }
    places.into_iter().find(|place| place.is_file())?.canonicalize().ok()
}
