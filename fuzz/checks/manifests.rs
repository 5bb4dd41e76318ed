//! Any bytes as the manifest of a project: what it is called is one line of harmless text, its ports are ports, and
//! neither takes long, whatever an alias or a variable of it expands to.

use super::place;
use std::ffi::OsString;
use std::time::{Duration, Instant};
use wrap::files::is_hidden;
use wrap::project::{DevCommand, detect, dev_command};

/// So long a detection may take at most, with sanitizers and beside other work. The command waits for it.
const LONG: Duration = Duration::from_secs(2);

/// The bytes as a compose file.
#[allow(dead_code)] // Each target has one of the two.
pub fn compose(bytes: &[u8]) {
    look("compose.yaml", bytes, &["docker", "compose", "up"]);
}

/// The first byte says what file the rest is.
#[allow(dead_code)]
pub fn package(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (name, command): (_, &[&str]) = match kind % 6 {
        0 => ("deno.json", &["deno", "task", "dev"]),
        1 => ("pyproject.toml", &["uv", "run", "x"]),
        2 => ("Cargo.toml", &["cargo", "run"]),
        3 => (".env", &["docker", "compose", "up"]),
        _ => ("package.json", &["npm", "run", "dev"]),
    };
    look(name, rest, command);
}

fn look(name: &str, bytes: &[u8], command: &[&str]) {
    let project = place::dir().join("project");
    let command: Vec<OsString> = command.iter().map(Into::into).collect();
    let env = |name: &str| (name == "HOME").then(|| OsString::from("/nowhere"));
    let from = Instant::now();
    let (found, dev) = place::with_file(&format!("project/{name}"), bytes, |_| {
        (detect(&project, &command, &env), dev_command(&project, &env))
    });
    assert!(from.elapsed() < LONG, "it took {:?}", from.elapsed());
    assert!(!found.name.is_empty() && found.name.chars().count() <= 100, "{:?}", found.name);
    assert!(!found.name.chars().any(is_hidden), "{:?}", found.name);
    assert!(found.ports.is_sorted() && !found.ports.contains(&0), "{:?}", found.ports);
    if let DevCommand::Found(candidate) = dev {
        assert!(!candidate.command.is_empty());
    }
}
