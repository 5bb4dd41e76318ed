//! `wrap init`: one line in the rc file of bash, zsh and fish.

use crate::harness::{Sandbox, Terminal};

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
fn what_cannot_be_an_alias_is_said_and_nothing_else_is_printed() {
    let sandbox = Sandbox::new();
    let clean = sandbox.wrap(["init", "bash"]).piped().expect_code(0);
    assert_eq!(clean.err(), "");
    let shadow = sandbox.wrap(["init", "bash", "--alias", "cd=true", "--alias", "ok=true"]).piped().expect_code(0);
    assert!(shadow.err().contains("alias `cd` is not made") && shadow.out().contains("alias ok='wrap true'\n"));
    assert!(!shadow.out().contains("alias cd"));
    for wrong in ["x", "a b=c", "-x=c", "x=", "x=a\nb"] {
        sandbox.wrap(["init", "bash", &format!("--alias={wrong}")]).piped().expect_code(2);
    }
    sandbox.wrap(["init", "tcsh"]).piped().expect_code(2);
}
