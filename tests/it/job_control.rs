//! Ctrl-Z, `fg`, `bg` and `&` under interactive shells, and what a key means to those above wrap.

use crate::harness::{CTRL_C, CTRL_D, CTRL_Z, Change, Ending, PROMPT, Sandbox, Terminal, signal};
use std::fs;
use std::thread;
use std::time::Duration;

/// Says that it listens, repeats what it reads, and ends with code 7.
/// Without a child: dash starts one by vfork(2), and a Ctrl-Z that stops the child before its exec leaves dash waiting
/// for it unstopped, bare as under wrap.
const TALK: &str = "#!/bin/sh\necho listening\nwhile read -r line; do echo \"$line\"; done\nexit 7\n";

fn stop_and_continue(sandbox: &Sandbox, terminal: &Terminal, stopped: &str, code: &str, told: &str) {
    sandbox.script("talk", TALK);
    terminal.line("wrap ./talk");
    terminal.wait_for("listening");
    for word in ["hello", "again"] {
        terminal.line(word);
        terminal.wait_for(&format!("{word}\r\n{word}"));
        terminal.send(CTRL_Z);
        terminal.wait_for(stopped);
        terminal.wait_for(PROMPT);
        assert_eq!(terminal.foreground(), terminal.pid());
        terminal.bring_back_wrapped();
    }
    terminal.line("last");
    terminal.wait_for("last\r\nlast");
    terminal.send(CTRL_D);
    terminal.wait_for(PROMPT);
    terminal.line(&format!("echo code={code}"));
    terminal.wait_for(told);
    terminal.line("exit 3");
    assert_eq!(terminal.wait_end(), Ending::Code(3));
}

#[test]
fn bash_stops_and_continues_it() {
    let sandbox = Sandbox::new();
    stop_and_continue(&sandbox, &sandbox.bash(), "Stopped", "$?", "code=7");
}

#[test]
fn zsh_stops_and_continues_it() {
    let sandbox = Sandbox::new();
    stop_and_continue(&sandbox, &sandbox.zsh(), "suspended", "$?", "code=7");
}

#[test]
fn fish_stops_and_continues_it() {
    let sandbox = Sandbox::new();
    // fish 3 forgets the code of a job that it brought back.
    stop_and_continue(&sandbox, &sandbox.fish(), "stopped", "$status", "code=0");
}

#[test]
fn the_terminal_is_as_before_while_it_is_stopped() {
    let sandbox = Sandbox::new();
    sandbox.script("talk", TALK);
    let terminal = sandbox.sh("echo up; read x; exec wrap ./talk").terminal();
    terminal.wait_for("up");
    let before = terminal.modes();
    terminal.send("\r");
    terminal.wait_for("listening");
    terminal.send(CTRL_Z);
    assert_eq!(terminal.wait_change(), Change::Stopped(libc::SIGTSTP));
    assert_eq!(terminal.modes(), before);
    let instance = sandbox.wait_started();
    signal(terminal.pid(), libc::SIGTERM);
    signal(terminal.pid(), libc::SIGCONT);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGTERM));
    assert_eq!(terminal.modes(), before);
    crate::harness::wait_gone(instance.child());
}

#[test]
fn a_stop_from_elsewhere_stops_both() {
    let sandbox = Sandbox::new();
    sandbox.script("talk", TALK);
    let terminal = sandbox.bash();
    terminal.line("wrap ./talk");
    terminal.wait_for("listening");
    signal(terminal.foreground(), libc::SIGTSTP);
    terminal.wait_for("Stopped");
    terminal.wait_for(PROMPT);
    terminal.bring_back_wrapped();
    terminal.line("hello");
    terminal.wait_for("hello\r\nhello");
    terminal.send(CTRL_D);
    terminal.wait_for(PROMPT);
    terminal.line("exit 0");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn a_job_that_was_started_in_the_background_can_be_brought_back() {
    let sandbox = Sandbox::new();
    sandbox.script("talk", TALK);
    for terminal in [sandbox.bash(), sandbox.zsh()] {
        terminal.line("wrap ./talk &");
        terminal.wait_for("listening");
        // It reads and is stopped for that. A shell that says `fg` in the moment before it hears so takes it for
        // running, sends no SIGCONT, and reports it as stopped: bare as under wrap.
        terminal.line("until jobs | grep -qi -e stopped -e suspended; do :; done; echo sti''ll a shell");
        terminal.wait_for("still a shell");
        terminal.bring_back_wrapped();
        terminal.line("hello");
        terminal.wait_for("hello\r\nhello");
        terminal.send(CTRL_D);
        terminal.wait_for(PROMPT);
        terminal.line("echo code=$?");
        terminal.wait_for("code=7");
        terminal.line("exit 0");
        assert_eq!(terminal.wait_end(), Ending::Code(0));
    }
}

/// Says that it listens, in a child that its shell waits for, as npm's server is: only the group's Ctrl-C reaches it.
const SERVES: &str = "#!/bin/sh\ntrap '' INT\n./child\necho code=$?\n";
const CHILD: &str = "#!/usr/bin/env node\nprocess.on('SIGINT', () => { console.log('interrupted'); process.exit(4); });\n\
                     setInterval(() => {}, 1000); console.log('listening');\n";

/// `fg` sends nothing to a job that runs: no SIGCONT says that the terminal is ours now.
#[test]
fn a_running_job_that_is_brought_forward_has_its_keys() {
    let sandbox = Sandbox::new();
    sandbox.script("serves", SERVES);
    sandbox.script("child", CHILD);
    for terminal in [sandbox.bash(), sandbox.zsh(), sandbox.fish()] {
        terminal.line("wrap ./serves &");
        terminal.wait_for("listening");
        terminal.bring_back();
        terminal.send(CTRL_C);
        terminal.wait_for("interrupted");
        terminal.wait_for("code=4");
        terminal.wait_prompt();
        terminal.line("wrap ./serves");
        terminal.wait_for("listening");
        terminal.send(CTRL_Z);
        terminal.wait_prompt();
        terminal.line("bg");
        terminal.line("echo sti''ll a shell");
        terminal.wait_for("still a shell");
        terminal.bring_back();
        terminal.send(CTRL_C);
        terminal.wait_for("interrupted");
        terminal.wait_for("code=4");
        terminal.wait_prompt();
        terminal.line("exit 0");
        assert_eq!(terminal.wait_end(), Ending::Code(0));
    }
}

/// What is typed into a job that was brought forward is shown once and reaches it, whenever it reads.
#[test]
fn a_line_for_a_job_that_was_brought_forward_reaches_it() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "reads",
        "#!/bin/sh\nmkfifo go\necho listening\nread x <go\nread -r line\necho \"got <$line>\"\nrm go\n",
    );
    for terminal in [sandbox.bash(), sandbox.zsh()] {
        terminal.line("wrap ./reads &");
        terminal.wait_for("listening");
        terminal.bring_back();
        terminal.line("hallo");
        sandbox.write("project/go", "\n");
        let before = terminal.wait_for("got <hallo>");
        assert!(before.matches("hallo").count() <= 1, "shown twice: {before:?}");
        terminal.wait_for(PROMPT);
        terminal.line("exit 0");
        assert_eq!(terminal.wait_end(), Ending::Code(0));
    }
}

#[test]
fn a_stopped_job_runs_on_in_the_background() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "beat",
        // Without a child: dash starts one by vfork, and one that is stopped before its exec keeps the shell from
        // stopping, with wrap and without.
        "#!/bin/sh\nmkfifo go\necho up\nread x\necho got it\nread y <go\necho went on\n",
    );
    let terminal = sandbox.bash();
    terminal.line("wrap ./beat");
    terminal.wait_for("up");
    terminal.line("x");
    terminal.wait_for("got it");
    terminal.send(CTRL_Z);
    terminal.wait_for("Stopped");
    terminal.line("bg");
    terminal.wait_for(PROMPT);
    sandbox.write("project/go", "");
    terminal.wait_for("went on");
    terminal.line("wait; exit 0");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

/// A key raises its signal in everything that runs in the terminal's foreground: also in a script, a loop or make
/// above wrap. The endings and outputs are those without wrap.
#[test]
fn those_above_wrap_get_the_key_too() {
    let sandbox = Sandbox::new();
    sandbox.fixture("bin");
    sandbox.script("dies", "#!/bin/sh\necho listening\nexec sleep 1000\n");
    // make waits for its child within the handler of the signal; a child that is gone before that makes it complain,
    // with wrap and without. So here it takes a moment, as servers do.
    let takes_a_moment =
        "trap 'sleep 0.2; trap - INT; kill -INT $$' INT\necho listening\nwhile :; do sleep 0.05; done\n";
    sandbox.script("lingers", &format!("#!/bin/sh\n{takes_a_moment}"));
    sandbox.write(
        "project/exits.js",
        "process.on('SIGINT', () => process.exit(0)); setInterval(() => {}, 1000); console.log('listening');",
    );
    sandbox.write("project/Makefile", "bare:\n\t@./lingers\n\t@echo next\nwrapped:\n\t@wrap ./lingers\n\t@echo next\n");
    let cases = [
        ("bash", "while :; do PREFIX ./dies; done; echo next"),
        ("bash", "PREFIX node exits.js; echo next"),
        ("sh", "PREFIX ./dies; echo next"),
        ("sh", "PREFIX node exits.js; echo next"),
        ("sh", "make -s TARGET; echo code=$?"),
    ];
    for (shell, line) in cases {
        let [bare, wrapped] = [("", "bare"), ("wrap", "wrapped")].map(|(prefix, target)| {
            let line = line.replace("PREFIX", prefix).replace("TARGET", target);
            let terminal = sandbox.run(shell, ["-c", &line]).terminal();
            terminal.wait_for("listening");
            terminal.send(CTRL_C);
            let ending = terminal.wait_end();
            // The kernel echoes a key after it has sent the key's signal: the end may come before.
            (terminal.screen().replace("wrapped", "bare").replace("^C", ""), ending)
        });
        // make names the line of its file in which the command stands.
        let without_lines = |text: &str| text.replace("Makefile:2", "Makefile").replace("Makefile:5", "Makefile");
        assert_eq!(without_lines(&bare.0), without_lines(&wrapped.0), "{shell}: {line}");
        assert_eq!(bare.1, wrapped.1, "{shell}: {line}");
    }
}

#[test]
fn a_client_that_was_stopped_from_outside_shows_nothing_until_it_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "talk",
        "#!/bin/sh\nmkfifo ask answer || exit\necho first\nread x <ask\necho second\necho done >answer\nread x <ask\necho third\n",
    );
    let terminal = sandbox.wrap(["./talk"]).terminal();
    terminal.wait_for("first");
    signal(terminal.pid(), libc::SIGSTOP);
    assert_eq!(terminal.wait_change(), Change::Stopped(libc::SIGSTOP));
    // The keeper looks where its client is every 20 ms; nobody tells it.
    thread::sleep(Duration::from_millis(25));
    let project = sandbox.project();
    fs::write(project.join("ask"), "go\n").expect("it reads");
    fs::read(project.join("answer")).expect("it writes");
    assert!(!terminal.comes_within("second", Duration::from_millis(100)), "a stopped job writes nothing");
    signal(terminal.pid(), libc::SIGCONT);
    terminal.wait_for("second");
    fs::write(project.join("ask"), "go\n").expect("it reads");
    terminal.wait_for("third");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn a_job_that_waits_for_the_terminal_can_be_ended() {
    let sandbox = Sandbox::new();
    for (kill, told) in [("kill %1", "Terminated"), ("kill -HUP %1", "Hangup")] {
        let terminal = sandbox.bash();
        terminal.line("wrap cat &");
        terminal.wait_prompt();
        terminal.line("until jobs | grep -q Stopped; do :; done; echo sto''pped");
        terminal.wait_for("stopped");
        terminal.line(&format!("{kill}; while jobs | grep -q wrap; do :; done"));
        terminal.wait_for(told);
        terminal.line("exit 0");
        assert_eq!(terminal.wait_end(), Ending::Code(0));
    }
}

/// timeout(1) puts itself into the background, sends SIGTERM and SIGCONT, and waits.
#[test]
fn timeout_ends_a_command_that_reads_in_its_background() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("timeout 0.3 wrap cat; echo code=$?").terminal();
    terminal.wait_for("code=124");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}
