//! `wrap init`: one line in the rc file of bash, zsh and fish, and what it puts where shells and man(1) look.

use crate::harness::{Sandbox, Terminal};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

fn with_aliases() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("tell", "#!/bin/sh\necho \"[$WRAP_INSTANCE_ID] $1\"\n");
    sandbox.write("config/wrap/config.toml", "[alias]\ndev = './tell'\ncat = 'true'\n");
    sandbox
}

/// `dev` runs under wrap, with the words that follow.
#[track_caller]
fn dev_works(terminal: &Terminal) {
    terminal.line("dev 'one two'");
    let before = terminal.wait_for("] one two");
    assert!(before.contains('-'), "an id of wrap's: {before}");
    terminal.wait_prompt();
}

#[test]
fn bash_has_the_aliases_those_behind_wrap_and_the_completions() {
    let sandbox = with_aliases();
    let terminal = sandbox.bash();
    terminal.line("eval \"$(wrap init bash)\"; alias greet='echo greetings'");
    terminal.wait_for("alias `cat` is not made: it would hide `");
    terminal.wait_prompt();
    dev_works(&terminal);
    terminal.line("wrap greet you");
    terminal.wait_for("greetings you");
    terminal.wait_prompt();
    terminal.send("wrap doct\t");
    terminal.wait_for("wrap doctor ");
    terminal.send("\x15exit\r");
    terminal.wait_end();
}

#[test]
fn zsh_has_them_with_and_without_compinit() {
    let sandbox = with_aliases();
    for prepare in ["", "autoload -U compinit; compinit -D; "] {
        let terminal = sandbox.zsh();
        terminal.line(&format!("{prepare}eval \"$(wrap init zsh 2>/dev/null)\"; echo rc=$?"));
        let before = terminal.wait_for("rc=0");
        assert!(!before.contains("not found"), "{before}");
        terminal.wait_prompt();
        dev_works(&terminal);
        if !prepare.is_empty() {
            terminal.send("wrap doct\t");
            terminal.wait_for("doctor");
            terminal.send("\x15");
        }
        terminal.send("exit\r");
        terminal.wait_end();
    }
}

#[test]
fn fish_has_them() {
    let sandbox = with_aliases();
    let terminal = sandbox.fish();
    terminal.line("wrap init fish 2>/dev/null | source; echo rc=$status");
    terminal.wait_for("rc=0");
    terminal.wait_prompt();
    dev_works(&terminal);
    terminal.send("wrap doct\t");
    terminal.wait_for("doctor");
    terminal.send("\x15exit\r");
    terminal.wait_end();
}

#[test]
fn one_wrong_alias_costs_no_other() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "config/wrap/config.toml",
        "[alias]\n'my thing' = 'x'\nnumber = 5\nopen = 'say \"hi'\ndev = 'echo one'\nboth = 'echo a && echo b'\n",
    );
    let made = sandbox.wrap(["init", "bash"]).piped().expect_code(0);
    for (name, why) in [("my thing", "it takes a name"), ("number", "it takes a name"), ("open", "has no end")] {
        let told = made.err().lines().any(|line| line.contains(&format!("alias `{name}`")) && line.contains(why));
        assert!(told, "{name}: {}", made.err());
    }
    assert!(made.out().contains("alias dev='wrap echo one'\n"), "{}", made.out());
    let script = "shopt -s expand_aliases; eval \"$(wrap init bash 2>/dev/null)\"; eval 'both c'";
    assert_eq!(sandbox.run("bash", ["-c", script]).piped().expect_code(0).out(), "a\nb c\n");
}

#[test]
fn what_cannot_be_an_alias_is_said_and_nothing_else_is_printed() {
    let sandbox = Sandbox::new();
    let clean = sandbox.wrap(["init", "bash"]).piped().expect_code(0);
    assert_eq!(clean.err(), "");
    let shadow = sandbox.wrap(["init", "bash", "--alias", "cd=true", "--alias", "ok=true"]).piped().expect_code(0);
    assert!(shadow.err().contains("alias `cd` is not made") && shadow.out().contains("alias ok='wrap true'\n"));
    assert!(!shadow.out().contains("alias cd"));
    // A word of the language would break whatever is read behind it.
    let reserved = "for word in fi then mapfile end; do wrap init bash --alias $word=true; done >all; bash -n all";
    let shadow = sandbox.sh(reserved).piped().expect_code(0);
    assert_eq!(shadow.err().lines().count(), 4, "{}", shadow.err());
    for wrong in ["x", "a b=c", "-x=c", "x=", "x=a\nb"] {
        sandbox.wrap(["init", "bash", &format!("--alias={wrong}")]).piped().expect_code(2);
    }
    sandbox.wrap(["init", "tcsh"]).piped().expect_code(2);
    sandbox.wrap(["init"]).piped().expect_code(2);
}

/// Every file below a directory, with what is in it.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    found
}

/// Every directory below one.
fn directories(dir: &Path) -> Vec<PathBuf> {
    let below =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut found: Vec<PathBuf> = below.flat_map(|path| [vec![path.clone()], directories(&path)].concat()).collect();
    found.sort();
    found
}

#[test]
fn what_is_installed_is_found_by_man_and_taken_away_without_a_trace() {
    let sandbox = Sandbox::new();
    let home = sandbox.root().join("home");
    let bin = home.join(".cargo/bin");
    fs::create_dir_all(&bin).expect("made");
    fs::copy(env!("CARGO_BIN_EXE_wrap"), bin.join("wrap")).expect("copied");
    sandbox.write("home/.local/share/fish/mine.txt", "mine");
    fs::create_dir_all(home.join(".local/share/man/man7")).expect("one that was there");
    let before = files(&home);
    let dirs = directories(&home);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"));
    let wrap = |line: &str| sandbox.sh(&format!("wrap {line}")).env("PATH", &path);
    let installed = wrap("init --install").piped().expect_code(0);
    assert!(installed.out().contains("fish/vendor_completions.d"), "{}", installed.out());
    let there = files(&home);
    for name in ["man1/wrap.1", "man5/wrap.toml.5", "man7/wrap-hooks.7", "bash-completion/completions/wrap"] {
        assert!(there.iter().any(|(path, _)| path.ends_with(name)), "{name}");
    }
    // A second time it is the same.
    wrap("init --install").piped().expect_code(0);
    assert_eq!(files(&home), there);
    if which("man") {
        let shown = sandbox.sh("man wrap | cat").env("PATH", &path).env("MANWIDTH", "80").piped().expect_code(0);
        assert!(shown.out().contains("Everything  after  the first word") || shown.out().contains("COMMAND"));
        assert!(!installed.out().contains("MANPATH"), "{}", installed.out());
    }
    // Another wrap, which lies elsewhere, knows what is where as well. One of them is the record itself.
    let removed = sandbox.wrap(["init", "--uninstall"]).piped().expect_code(0).out();
    assert_eq!(removed, format!("{} files were removed\n", there.len() - before.len() - 1));
    assert_eq!(files(&home), before);
    assert_eq!(directories(&home), dirs);
    assert_eq!(wrap("init --uninstall").piped().expect_code(0).out(), "nothing is installed\n");
}

fn which(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(program).exists())
}

#[test]
fn what_is_somebody_elses_stays() {
    let sandbox = Sandbox::new();
    let share = sandbox.root().join("home/.local/share");
    let theirs = sandbox.write("home/.local/share/bash-completion/completions/wrap", "# another wrap");
    let secret = sandbox.write("home/secret", "mine");
    fs::create_dir_all(share.join("man/man1")).expect("made");
    symlink(&secret, share.join("man/man1/wrap.1")).expect("linked");
    let installed = sandbox.wrap(["init", "--install"]).piped().expect_code(1);
    assert!(installed.err().contains("completions/wrap`: there is one that is not wrap's"), "{}", installed.err());
    assert!(installed.err().contains("man1/wrap.1`: there is one that is not wrap's"), "{}", installed.err());
    assert!(share.join("man/man1/wrap-list.1").exists());
    sandbox.wrap(["init", "--uninstall"]).piped().expect_code(0);
    assert_eq!(fs::read_to_string(&theirs).expect("there"), "# another wrap");
    assert_eq!(fs::read_to_string(&secret).expect("there"), "mine");
    assert_eq!(files(&share).len(), 2, "{:?}", files(&share));
    // A home that is somebody else's, as under sudo.
    if rustix::process::geteuid().is_root() {
        let other = sandbox.root().join("home");
        std::os::unix::fs::chown(&other, Some(65534), None).expect("given away");
        let refused = sandbox.wrap(["init", "--install"]).piped().expect_code(1);
        assert!(refused.err().contains("is not your home; run it without sudo"), "{}", refused.err());
    }
}

#[test]
fn a_package_is_built_below_destdir() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().join("package");
    sandbox.sh("umask 077; wrap init --install --system").env("DESTDIR", &root).piped().expect_code(0);
    let share = root.join("usr/local/share");
    for name in ["man/man1/wrap.1", "zsh/site-functions/_wrap", "fish/vendor_completions.d/wrap.fish"] {
        let mode = fs::metadata(share.join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
    for dir in directories(&root) {
        assert_eq!(fs::metadata(&dir).expect("there").permissions().mode() & 0o777, 0o755, "{}", dir.display());
    }
    sandbox.wrap(["init", "--uninstall", "--system"]).env("DESTDIR", &root).piped().expect_code(0);
    assert!(!root.exists());
    sandbox.wrap(["init", "--install", "--user", "--system"]).piped().expect_code(2);
    let nowhere = sandbox.wrap(["init", "--install"]).without_env("HOME").piped().expect_code(1);
    assert!(nowhere.err().contains("there is no HOME"), "{}", nowhere.err());
}
