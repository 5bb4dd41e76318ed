//! Whether `man wrap` answers.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// man(1) answers within milliseconds; one that waits for a network directory is not waited for longer than a person would.
const ANSWERS: Duration = Duration::from_secs(2);

/// What man(1) has of us.
#[derive(Debug, PartialEq, Eq)]
pub enum Manual {
    /// There is no man(1).
    NoMan,
    /// It does not say anything.
    NoAnswer,
    /// `man wrap` answers, from there.
    Found(String),
    /// It does not.
    NotFound,
}

/// Asks man(1).
pub fn manual() -> Manual {
    let asked = Command::new("man")
        .args(["-w", "1", "wrap"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut man) = asked else { return Manual::NoMan };
    let Some(mut stdout) = man.stdout.take() else { return Manual::NoAnswer };
    let (sender, told) = channel();
    // Not joined: what the killed man(1) has started may hold the pipe open.
    let reader = thread::Builder::new().spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    let text = reader.ok().and_then(|_| told.recv_timeout(ANSWERS).ok());
    if text.is_none() {
        let _ = man.kill();
    }
    let succeeded = man.wait().is_ok_and(|status| status.success());
    match text {
        None => Manual::NoAnswer,
        Some(text) if succeeded => Manual::Found(text.trim().to_owned()),
        Some(_) => Manual::NotFound,
    }
}
