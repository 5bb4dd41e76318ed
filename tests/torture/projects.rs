//! Projects of people who mean harm: the command runs, at once, and nothing of theirs reaches the terminal or is executed.

use crate::bout::{Bout, Subject};
use crate::harness::Sandbox;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub const SUBJECT: Subject = Subject {
    name: "projects",
    what: "names with `../`, newlines, escapes, 10 kB and marks that turn the writing, a package.json of 200 MB, YAML bombs, FIFOs and \
           devices as manifests, untrusted hooks",
    share: 2,
    run,
};

/// A detection takes a millisecond or two; this much on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// One line for settings that are not used, one for hooks.
const LINES: usize = 2;

/// What a project consists of.
type Project = (&'static str, fn(&Path));

const PROJECTS: &[Project] = &[
    ("up", |dir| package(dir, r#"{"name": "../../../../etc/passwd"}"#)),
    ("newlines", |dir| package(dir, r#"{"name": "a\nwrap: b\r\u0000c\u001b[2J\u009b31m"}"#)),
    ("10 kB", |dir| package(dir, &format!("{{\"name\": \"{}\"}}", "long".repeat(2500)))),
    ("turned", |dir| package(dir, "{\"name\": \"\u{202e}dorp\u{2066}\u{200b}\u{e0041}\"}")),
    ("nested", |dir| package(dir, &"{\"scripts\":".repeat(80_000))),
    ("200 MB", |dir| {
        let file = File::create(dir.join("package.json")).expect("a file");
        file.set_len(200 << 20).expect("a hole");
    }),
    ("FIFOs", |dir| {
        for name in ["package.json", "compose.yaml", ".env", "wrap.toml", "Cargo.toml", "Procfile"] {
            rustix::fs::mknodat(rustix::fs::CWD, dir.join(name), rustix::fs::FileType::Fifo, 0o644.into(), 0)
                .expect("a FIFO");
        }
    }),
    ("devices", |dir| {
        for name in ["package.json", "compose.yaml", ".env", "wrap.toml", "deno.json", "pyproject.toml"] {
            symlink("/dev/zero", dir.join(name)).expect("a link");
        }
    }),
    ("directories", |dir| {
        for name in ["package.json", "compose.yaml", ".env", "wrap.toml", "go.mod"] {
            fs::create_dir(dir.join(name)).expect("a directory");
        }
    }),
    ("aliases", |dir| compose(dir, &bomb(12))),
    ("merges", |dir| {
        let mut text = "x0: &x0 {a: 1}\n".to_owned();
        for level in 1..3000 {
            let _ = writeln!(text, "x{level}: &x{level} {{<<: [*x{0}, *x{0}]}}", level - 1);
        }
        compose(dir, &text);
    }),
    ("ranges", |dir| compose(dir, &format!("services: {{w: {{ports: [{}]}}}}\n", "\"1-65535:1-65535\",".repeat(3000)))),
    ("variables", |dir| {
        let mut text = "A0=xxxxxxxxxx\n".to_owned();
        for level in 1..60 {
            let _ = writeln!(text, "A{level}=${{A{0}}}${{A{0}}}", level - 1);
        }
        fs::write(dir.join(".env"), text).expect("written");
        compose(dir, "name: ${A59}\nservices: {w: {ports: [\"${A59}:80\"]}}\n");
    }),
    ("git", |dir| {
        fs::create_dir(dir.join(".git")).expect("a directory");
        fs::write(dir.join(".git/HEAD"), "ref: refs/heads/\x1b]0;x\x07\u{202e}\n").expect("written");
    }),
    ("settings", |dir| {
        let text =
            "leftovers = \"keep\"\nhealth_path = \"/x\"\nhooks = [\"log-errors\"]\nname = \"\\u001b[31mred\\n\"\n";
        fs::write(dir.join("wrap.toml"), text).expect("written");
    }),
    ("hooks", |dir| {
        fs::create_dir_all(dir.join(".wrap/hooks")).expect("a directory");
        let hook = "wrap.on('start', function() wrap.fs.write('/tmp/never', 'x') wrap.run({'touch', 'RAN'}) end)";
        fs::write(dir.join(".wrap/hooks/evil.lua"), hook).expect("written");
    }),
];

/// Commands whose kind of project is looked for in another way each.
const COMMANDS: [&[&str]; 2] = [&[], &["compose"]];

fn run(bout: &Bout) {
    bout.rounds(1, 1, Sandbox::new, |sandbox, _| {
        for (at, (name, make)) in PROJECTS.iter().enumerate() {
            let dir = sandbox.root().join(format!("p{at}"));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir(&dir).expect("a directory");
            make(&dir);
            bout.guarded(name, || runs(sandbox, &dir));
            bout.count("projects", 1);
        }
        for name in ["a\nb", "\x1b]0;pwn\x07", "\u{202e}x", &"n".repeat(255), "..."] {
            let dir = sandbox.root().join("named").join(name);
            fs::create_dir_all(&dir).expect("a directory");
            bout.guarded(name, || runs(sandbox, &dir));
            bout.count("projects", 1);
        }
    });
}

fn runs(sandbox: &Sandbox, dir: &Path) {
    // Named as docker is, so that compose files are what it is about.
    let docker = sandbox.root().join("bin/docker");
    if !docker.exists() {
        sandbox.write("bin/docker", "#!/bin/sh\necho ran; exit 7\n");
        fs::set_permissions(&docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    }
    for words in COMMANDS {
        let command: Vec<&str> =
            if words.is_empty() { vec!["sh", "-c", "echo ran; exit 7"] } else { vec!["docker", "compose", "up"] };
        let from = Instant::now();
        let finished = sandbox.wrap(command).cwd(dir).piped().expect_code(7);
        let took = from.elapsed();
        assert_eq!(finished.out(), "ran\n");
        assert!(took < AT_ONCE, "it took {took:?}");
        harmless(&finished.err());
        assert!(finished.err().lines().count() <= LINES, "{}", finished.err());
    }
    // What is known of it afterwards, and while it runs.
    sandbox.wrap(["-d", "sleep", "1000"]).cwd(dir).piped().expect_code(0);
    for words in [
        &["list", "--all"][..],
        &["list", "-f", "md"],
        &["list", "-o", "name,branch,cwd,root,url,command"],
        &["show", "-f", "json"],
    ] {
        let mut words = words.to_vec();
        let id = sandbox.entries()[0].to_string_lossy().trim_end_matches(".json").to_owned();
        if words[0] == "show" {
            words.insert(1, &id[id.len() - 6..]);
        }
        let shown = sandbox.wrap(&words).piped().expect_code(0);
        harmless(&shown.out().replace('\t', " "));
    }
    sandbox.stop_all();
    assert!(!dir.join("RAN").exists() && !PathBuf::from("/tmp/never").exists(), "a hook that nobody trusts has run");
}

fn harmless(text: &str) {
    assert_eq!(text.chars().find(|c| wrap::files::is_hidden(*c) && *c != '\n'), None, "{text:?}");
}

fn package(dir: &Path, text: &str) {
    fs::write(dir.join("package.json"), text).expect("written");
}

fn compose(dir: &Path, text: &str) {
    fs::write(dir.join("compose.yaml"), text).expect("written");
}

/// A list of lists of lists, ten times as long at each level.
fn bomb(levels: usize) -> String {
    let mut text = "x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..levels {
        let inner = vec![format!("*x{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "x{level}: &x{level} [{inner}]");
    }
    let _ = writeln!(text, "services: {{w: {{ports: *x{}}}}}", levels - 1);
    text
}
