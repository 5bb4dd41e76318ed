//! Directories and an environment of a test's own, and the proof that the test left nothing running.

use super::process::{Marked, of_sandbox};
use super::{LEAVING, Launch, Terminal};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The prompt of every shell that a test types to. It stands in no output of a program.
pub const PROMPT: &str = "@@> ";

/// A home, a registry, a configuration and a project that only one test sees.
pub struct Sandbox {
    root: TempDir,
    wrap_dir: PathBuf,
}

impl Sandbox {
    /// Fresh directories; `wrap` is on the PATH; no control center is told.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("wrap-it-").tempdir().expect("a temporary directory");
        let wrap_dir = root.path().join("run");
        let sandbox = Self { root, wrap_dir };
        for dir in ["home", "run", "config/wrap", "state", "bin", "project/.git"] {
            fs::create_dir_all(sandbox.root().join(dir)).expect("a directory");
        }
        fs::set_permissions(&sandbox.wrap_dir, fs::Permissions::from_mode(0o700)).expect("its permissions");
        // The end of the way up: the project is a repository of its own.
        sandbox.write("project/.git/HEAD", "ref: refs/heads/main\n");
        // Bash: without its escape sequences around pasted text, which are nobody's subject here.
        sandbox.write("home/inputrc", "set enable-bracketed-paste off\n");
        symlink(env!("CARGO_BIN_EXE_wrap"), sandbox.root().join("bin/wrap")).expect("a link to wrap");
        sandbox
    }

    /// The directory that everything else is in.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where commands are started.
    pub fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    /// The registry's directory.
    pub fn wrap_dir(&self) -> &Path {
        &self.wrap_dir
    }

    /// From now on wrap is told of another registry directory, which may not exist or not be usable.
    pub fn set_wrap_dir(&mut self, dir: PathBuf) {
        self.wrap_dir = dir;
    }

    /// The files of entries that are in the registry.
    pub fn entries(&self) -> Vec<PathBuf> {
        let Ok(dir) = fs::read_dir(self.wrap_dir.join("instances")) else {
            return Vec::new();
        };
        let is_entry = |path: &PathBuf| {
            path.extension() == Some(OsStr::new("json")) && path.to_string_lossy().contains("instance_")
        };
        dir.flatten().map(|entry| entry.path()).filter(is_entry).collect()
    }

    /// Writes a file below the sandbox's root and makes its directories.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("its directory");
        // A child that another test forks in this moment would hold the file open for writing until its exec, and a
        // script that is open for writing cannot be run (ETXTBSY, execve(2)).
        let _no_fork = super::process::FORK.write();
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Writes an executable script into the project.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(&format!("project/{name}"), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its permissions");
        path
    }

    /// Writes a Lua hook of the user's.
    pub fn hook(&self, name: &str, lua: &str) -> PathBuf {
        self.write(&format!("config/wrap/hooks/{name}.lua"), lua)
    }

    /// Copies `tests/fixtures/NAME` into the project.
    pub fn fixture(&self, name: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let _no_fork = super::process::FORK.write();
        copy(&from, &self.project());
    }

    /// The whole environment of what runs here.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut path = self.root().join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
        let root = |name: &str| self.root().join(name).into_os_string();
        let pairs: Vec<(&str, OsString)> = vec![
            ("PATH", path),
            ("HOME", root("home")),
            ("INPUTRC", root("home/inputrc")),
            ("XDG_CONFIG_HOME", root("config")),
            ("XDG_STATE_HOME", root("state")),
            ("WRAP_DIR", self.wrap_dir.clone().into_os_string()),
            ("WRAP_CENTER", "off".into()),
            ("TERM", "xterm-256color".into()),
            ("LANG", "C.UTF-8".into()),
            ("SHELL", "/bin/sh".into()),
            ("PS1", PROMPT.into()),
            // Without these npm would look for a newer npm, and say so.
            ("npm_config_update_notifier", "false".into()),
            ("npm_config_fund", "false".into()),
        ];
        pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    /// `wrap` with these arguments.
    pub fn wrap<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Launch {
        Launch::new(self, OsStr::new(env!("CARGO_BIN_EXE_wrap")), args)
    }

    /// Ends every instance.
    #[track_caller]
    pub fn stop_all(&self) {
        self.wrap(["stop", "--all"]).piped().expect_code(0);
    }

    /// Removes the entries that a test has made up (their ids begin with `01990000-`), and ends the others.
    #[track_caller]
    pub fn forget_all(&self) {
        for entry in self.entries() {
            if entry.to_string_lossy().contains("instance_01990000-") {
                fs::remove_file(entry).expect("removed");
            }
        }
        self.stop_all();
    }

    /// A program without wrap in front.
    pub fn run<A: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = A>) -> Launch {
        Launch::new(self, OsStr::new(program), args)
    }

    /// `sh -c SCRIPT` without wrap in front; `wrap` is on its PATH.
    pub fn sh(&self, script: &str) -> Launch {
        self.run("sh", ["-c", script])
    }

    /// An interactive bash in a terminal, at its prompt.
    pub fn bash(&self) -> Terminal {
        prompted(self.run("bash", ["--norc", "--noprofile", "-i"]))
    }

    /// An interactive zsh in a terminal, at its prompt.
    pub fn zsh(&self) -> Terminal {
        prompted(self.run("zsh", ["-f", "-i", "-o", "no_prompt_sp", "-o", "no_prompt_cr"]))
    }

    /// An interactive fish in a terminal, at its prompt.
    pub fn fish(&self) -> Terminal {
        let prompt = format!("function fish_prompt; echo -n '{PROMPT}'; end; set fish_greeting");
        prompted(self.run("fish", ["--no-config", "--private", "--interactive", "-C", &prompt]))
    }

    /// The processes that belong here.
    pub fn processes(&self) -> Vec<Marked> {
        of_sandbox(self.root())
    }

    /// Waits so long for whatever is on its way out, ends the rest, and says what that was.
    pub fn leftovers(&self, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        let mut left = of_sandbox(self.root());
        while let Some(first) = left.first() {
            let limit = deadline.saturating_duration_since(Instant::now());
            if limit.is_zero() {
                break;
            }
            first.ends_within(limit);
            left = of_sandbox(self.root());
        }
        left.iter().for_each(Marked::kill);
        left.iter().map(|process| format!("process {} `{}`", process.pid, process.line)).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let mut left = self.leftovers(LEAVING);
        left.extend(self.entries().iter().map(|path| format!("entry {}", path.display())));
        if left.is_empty() {
            return;
        }
        let message = format!("the test left behind: {}", left.join(", "));
        if thread::panicking() {
            eprintln!("{message}");
        } else {
            panic!("{message}");
        }
    }
}

/// Waits for a shell's first prompt.
fn prompted(launch: Launch) -> Terminal {
    let terminal = launch.terminal();
    terminal.wait_for(PROMPT);
    terminal
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
