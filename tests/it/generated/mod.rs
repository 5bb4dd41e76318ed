//! What is made from other things and committed: the manual pages, and the README's table of verbs. `WRAP_BLESS=1 cargo test generated` writes them anew.

mod man;

use crate::harness::Sandbox;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wrap::cli::definition;
use wrap::cli::pages::GROUPS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares each file with what is committed, and the folder with what should be in it.
fn hold(folder: &str, files: &[(String, Vec<u8>)]) {
    let dir = root().join(folder);
    if std::env::var_os("WRAP_BLESS").is_some() {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a folder");
        for (name, text) in files {
            fs::write(dir.join(name), text).expect("written");
        }
    }
    let mut committed: Vec<PathBuf> =
        fs::read_dir(&dir).expect("the folder is committed").map(|entry| entry.expect("an entry").path()).collect();
    committed.sort();
    let mut expected: Vec<PathBuf> = files.iter().map(|(name, _)| dir.join(name)).collect();
    expected.sort();
    assert_eq!(committed, expected, "the files in {folder}/");
    for (name, text) in files {
        let found = fs::read(dir.join(name)).expect("it can be read");
        assert!(
            found == *text,
            "{folder}/{name} is not what the command line says; run WRAP_BLESS=1 cargo test generated"
        );
    }
}

/// They are written by hand, and there is one for each shell.
#[test]
fn completions_are_those_that_are_printed() {
    let sandbox = Sandbox::new();
    let names = ["wrap.bash", "_wrap", "wrap.fish", "wrap.nu", "wrap.ps1"];
    for (name, shell) in names.into_iter().zip(["bash", "zsh", "fish", "nu", "pwsh"]) {
        let printed = sandbox.wrap(["completions", shell]).piped().expect_code(0).out();
        assert_eq!(printed, fs::read_to_string(root().join("completions").join(name)).expect("committed"), "{name}");
    }
    assert_eq!(fs::read_dir(root().join("completions")).expect("completions/").count(), names.len());
}

#[test]
fn manual_pages_are_those_of_the_command_line_and_of_the_docs() {
    hold("man", &man::pages());
}

/// README.md lists the verbs as the help does.
#[test]
fn the_readme_has_every_verb() {
    const MARKS: [&str; 2] = ["<!-- verbs: made by the test -->\n", "<!-- end of verbs -->"];
    let mut command = definition();
    command.build();
    let mut table = "| | |\n|---|---|\n".to_owned();
    for (heading, verbs) in GROUPS {
        let _ = writeln!(table, "| **{heading}** | |");
        for verb in *verbs {
            let verb = command.find_subcommand_mut(verb).expect("a verb");
            let usage = verb.render_usage().to_string().replace("Usage: ", "").replace('|', "\\|");
            let usages: Vec<String> = usage.lines().map(|line| format!("`{}`", line.trim())).collect();
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(table, "| {} | {about} |", usages.join("<br>"));
        }
    }
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(MARKS[0]).expect("where it begins");
    let (found, after) = rest.split_once(MARKS[1]).expect("where it ends");
    if std::env::var_os("WRAP_BLESS").is_some() {
        fs::write(&path, [before, MARKS[0], &table, MARKS[1], after].concat()).expect("written");
    } else {
        assert_eq!(found, table, "run WRAP_BLESS=1 cargo test generated");
    }
}

/// Both judges of manual pages find nothing in them.
#[test]
fn manual_pages_are_clean() {
    let mut found = String::new();
    for entry in fs::read_dir(root().join("man")).expect("man/").flatten() {
        found += &judged(Command::new("mandoc").args(["-T", "lint", "-W", "style"]).arg(entry.path()));
        found += &judged(Command::new("man").args(["--warnings", "-EUTF-8", "-Tutf8", "-Z", "-l"]).arg(entry.path()));
    }
    assert_eq!(found, "");
}

/// What it complains of. A judge that is missing is left out, but not where all of them have to be there.
fn judged(command: &mut Command) -> String {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if command.get_program() == "mandoc" => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{}: {error}", command.get_program().display());
            String::new()
        }
    }
}
