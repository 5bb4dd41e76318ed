//! The cases, by subject. Each says what it saw as a text; the runner compares.

mod bytes;
mod exits;
mod inherited;
mod job_control;
mod nested;
mod pipes;
mod terminals;

use crate::harness::{Finished, Launch, Sandbox, Terminal};
use crate::launcher::{Launcher, quoted};

/// One behaviour.
pub struct Case {
    /// What it is about; set by [`all`].
    pub subject: &'static str,
    /// What must be the same, in a few words.
    pub name: &'static str,
    /// Programs without which it is left out.
    pub needs: &'static [&'static str],
    /// Runs it and says what was seen.
    pub observe: fn(&Bed) -> String,
}

/// A case that needs nothing but a shell.
const fn case(name: &'static str, observe: fn(&Bed) -> String) -> Case {
    needing(name, &[], observe)
}

/// A case that is left out where one of these programs is not installed.
const fn needing(name: &'static str, needs: &'static [&'static str], observe: fn(&Bed) -> String) -> Case {
    Case { subject: "", name, needs, observe }
}

/// All of them.
pub fn all() -> Vec<Case> {
    let subjects = [
        ("how it ended", exits::CASES),
        ("the terminal", terminals::CASES),
        ("keys, signals and jobs", job_control::CASES),
        ("what is inherited", inherited::CASES),
        ("bytes of a terminal", bytes::CASES),
        ("pipes and files", pipes::CASES),
        ("under and around programs", nested::CASES),
    ];
    let cases = subjects.into_iter().flat_map(|(subject, cases)| cases.iter().map(move |case| (subject, case)));
    cases.map(|(subject, case)| Case { subject, name: case.name, needs: case.needs, observe: case.observe }).collect()
}

/// Where a case is run: a sandbox and a launcher.
pub struct Bed {
    pub sandbox: Sandbox,
    launcher: Launcher,
}

impl Bed {
    pub fn new(launcher: Launcher) -> Self {
        Self { sandbox: Sandbox::new(), launcher }
    }

    /// This simple command under the launcher, as a piece of a shell script.
    pub fn line(&self, command: &str) -> String {
        self.launcher.line(command)
    }

    /// A script, in which each `@(command)` stands for that command under the launcher.
    pub fn script(&self, text: &str) -> String {
        let mut rest = text;
        let mut script = String::new();
        while let Some(at) = rest.find("@(") {
            script.push_str(&rest[..at]);
            let inside = &rest[at + 2..];
            let mut depth = 1;
            let end = inside.find(|letter| {
                depth += match letter {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            let end = end.expect("every @( is closed");
            script.push_str(&self.line(&inside[..end]));
            rest = &inside[end + 1..];
        }
        script.push_str(rest);
        script
    }

    /// A launcher that runs its command by the user's shell has bash for it, as the cases are written for bash.
    #[allow(clippy::unused_self)] // reads as what a bed does
    fn fair(&self, launch: Launch) -> Launch {
        launch.env("SHELL", "/bin/bash")
    }

    /// The command in a terminal of its own, with nothing in front of the launcher.
    pub fn terminal(&self, command: &str) -> Terminal {
        self.fair(self.sandbox.sh(&format!("exec {}", self.line(command)))).terminal()
    }

    /// A bash script in a terminal, with [`Self::script`]'s `@(…)`.
    pub fn terminal_script(&self, text: &str) -> Terminal {
        self.fair(self.sandbox.run("bash", ["-c", &self.script(text)])).terminal()
    }

    /// A bash script with pipes, to its end.
    pub fn piped(&self, text: &str) -> Finished {
        self.fair(self.sandbox.run("bash", ["-c", &self.script(text)])).piped()
    }
}

/// This binary as a command that says what it sees.
pub fn probe(name: &str) -> String {
    let me = std::env::current_exe().expect("our own path");
    format!("{} --probe {name}", quoted(&me.to_string_lossy()))
}

/// All that a terminal's command wrote, and how it ended.
pub fn ended(terminal: &Terminal) -> String {
    let ending = terminal.wait_end();
    format!("{} {ending:?}", terminal.output().escape_ascii())
}

/// What a piped script wrote, and how it ended. Standard error is a case's own business: shells name themselves in it.
pub fn finished(finished: &Finished) -> String {
    format!("{} {:?}", finished.stdout.escape_ascii(), finished.ending)
}
