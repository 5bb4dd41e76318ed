//! The harness itself, against commands without wrap: what it says about a terminal must be true before it can say
//! anything about wrap.

use crate::harness::{
    CTRL_C, CTRL_D, CTRL_Z, Change, Ending, Finished, PROMPT, Sandbox, Terminal, is_running, signal, wait_gone,
};
use std::fs::File;
use std::time::Duration;

#[test]
fn a_terminal_reports_codes_and_signals() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.sh("exit 7").terminal().wait_end(), Ending::Code(7));
    assert_eq!(sandbox.sh("kill -TERM $$").terminal().wait_end(), Ending::Signal(libc::SIGTERM));
}

#[test]
fn all_streams_are_the_terminal_and_it_has_its_size() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("test -t 0 -a -t 1 -a -t 2 && stty size </dev/tty").size(31, 77).terminal();
    terminal.wait_for("31 77");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn keys_raise_signals_in_the_foreground() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("echo up; exec sleep 1000").terminal();
    terminal.wait_for("up");
    assert_eq!(terminal.foreground(), terminal.pid());
    terminal.send(CTRL_Z);
    assert_eq!(terminal.wait_change(), Change::Stopped(libc::SIGTSTP));
    signal(terminal.pid(), libc::SIGCONT);
    assert_eq!(terminal.wait_change(), Change::Continued);
    signal(terminal.pid(), libc::SIGINT);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
}

#[test]
fn ctrl_c_and_the_end_of_input_reach_the_command() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("echo up; exec cat").terminal();
    terminal.wait_for("up");
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
    let terminal = sandbox.sh("cat; echo done").terminal();
    terminal.send(CTRL_D);
    terminal.wait_for("done");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn modes_outlive_the_command_that_changed_them() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("echo up; read line; stty raw -echo").terminal();
    terminal.wait_for("up");
    let before = terminal.modes();
    assert!(before.is_cooked() && before.echoes());
    terminal.send("\r");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    let after = terminal.modes();
    assert_ne!(before, after);
    assert!(!after.is_cooked() && !after.echoes());
}

#[test]
fn the_last_bytes_are_read_before_the_end_is_told() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("head -c 400000 /dev/zero | tr '\\0' x; printf END").terminal();
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    let output = terminal.output();
    assert_eq!(output.len(), 400_003);
    assert!(output.ends_with(b"xEND"));
}

#[test]
fn a_closed_terminal_sends_hangup() {
    let sandbox = Sandbox::new();
    let mut terminal = sandbox.sh("echo up; exec sleep 1000").terminal();
    terminal.wait_for("up");
    terminal.hang_up();
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGHUP));
}

#[test]
fn a_resize_raises_winch() {
    let sandbox = Sandbox::new();
    // The trap ends the sleeper, so that it makes no difference whether the signal finds the shell waiting yet.
    let terminal = sandbox.sh("trap 'stty size; kill $!' WINCH; sleep 1000 & echo up; wait; exit 0").terminal();
    terminal.wait_for("up");
    terminal.resize(40, 90);
    terminal.wait_for("40 90");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

fn stop_and_continue(sandbox: &Sandbox, terminal: &Terminal, stopped: &str) {
    sandbox.script("talk", "#!/bin/sh\necho listening\nexec cat\n");
    terminal.line("./talk");
    terminal.wait_for("listening");
    terminal.line("hello");
    terminal.wait_for("hello\r\nhello");
    terminal.send(CTRL_Z);
    terminal.wait_for(stopped);
    terminal.wait_for(PROMPT);
    terminal.bring_back();
    terminal.line("again");
    terminal.wait_for("again\r\nagain");
    terminal.send(CTRL_D);
    terminal.wait_for(PROMPT);
    terminal.line("exit 3");
    assert_eq!(terminal.wait_end(), Ending::Code(3));
}

#[test]
fn bash_has_job_control() {
    let sandbox = Sandbox::new();
    stop_and_continue(&sandbox, &sandbox.bash(), "Stopped");
}

#[test]
fn zsh_has_job_control() {
    let sandbox = Sandbox::new();
    stop_and_continue(&sandbox, &sandbox.zsh(), "suspended");
}

#[test]
fn fish_has_job_control() {
    let sandbox = Sandbox::new();
    stop_and_continue(&sandbox, &sandbox.fish(), "stopped");
}

#[test]
fn pipes_keep_bytes_streams_and_codes_apart() {
    let sandbox = Sandbox::new();
    let Finished { ending, stdout, stderr } = sandbox.sh("cat; echo err >&2; exit 5").input(b"\x00\xff\n").piped();
    assert_eq!(ending, Ending::Code(5));
    assert_eq!(stdout, b"\x00\xff\n");
    assert_eq!(stderr, b"err\n");
    let file = sandbox.write("out", "");
    let written = File::create(&file).expect("a file");
    sandbox.sh("echo in a file").stdout_to(written).piped().expect_code(0);
    assert_eq!(std::fs::read_to_string(file).expect("the file"), "in a file\n");
}

#[test]
fn nothing_of_our_environment_reaches_the_command() {
    let sandbox = Sandbox::new();
    let finished = sandbox.run("env", [""; 0]).piped().expect_code(0);
    assert!(!finished.out().contains("CARGO"), "{}", finished.out());
    assert!(finished.out().contains("WRAP_CENTER=off"));
}

#[test]
fn what_a_test_leaves_running_is_found_ended_and_told() {
    let sandbox = Sandbox::new();
    let finished = sandbox.sh("env -i sleep 1000 >/dev/null 2>&1 & echo $!").piped().expect_code(0);
    let pid: u32 = finished.out().trim().parse().expect("a pid");
    assert!(is_running(pid));
    let left = sandbox.leftovers(Duration::ZERO);
    assert_eq!(left.len(), 1, "{left:?}");
    // Not by its name: it may not have become `sleep` yet.
    assert!(left[0].contains(&pid.to_string()), "{left:?}");
    wait_gone(pid);
}
