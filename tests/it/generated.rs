//! What is generated from the command line and committed: completions and manual pages. `WRAP_BLESS=1 cargo test
//! generated` writes them anew.

use clap::CommandFactory;
use std::fs;
use std::path::{Path, PathBuf};
use wrap::cli::{Cli, Shell};

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

#[test]
fn completions_are_those_of_the_command_line() {
    let files = [("wrap.bash", Shell::Bash), ("_wrap", Shell::Zsh), ("wrap.fish", Shell::Fish)]
        .map(|(name, shell)| (name.to_owned(), wrap::cmd::completions::generate(shell)));
    hold("completions", &files);
}

#[test]
fn manual_pages_are_those_of_the_command_line() {
    let mut command = Cli::command();
    command.build();
    let mut files = vec![("wrap.1".to_owned(), page(&command, "wrap"))];
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("wrap-{}", verb.get_name());
        files.push((format!("{name}.1"), page(verb, &name)));
    }
    hold("man", &files);
}

fn page(command: &clap::Command, name: &str) -> Vec<u8> {
    // Without a date: the pages must be the same whenever they are generated.
    let man = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).date("");
    let mut text = Vec::new();
    man.render(&mut text).expect("it renders");
    text
}
