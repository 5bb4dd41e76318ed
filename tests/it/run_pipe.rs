//! Commands with pipes and files: bytes, order, ends.

use crate::harness::{CTRL_C, Ending, PROMPT, Sandbox, signal};
use std::fs::{self, File};

#[test]
fn every_byte_passes_both_ways_and_the_streams_stay_apart() {
    let sandbox = Sandbox::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let finished =
        sandbox.wrap(["sh", "-c", "cat; printf 'e\\nr\\r\\n' >&2"]).input(bytes.clone()).piped().expect_code(0);
    assert!(finished.stdout == bytes, "{} bytes of {}", finished.stdout.len(), bytes.len());
    assert_eq!(finished.stderr, b"e\nr\r\n");
}

#[test]
fn codes_and_deaths_are_the_commands() {
    let sandbox = Sandbox::new();
    for code in [0, 1, 7, 127, 255] {
        sandbox.wrap(["sh", "-c", &format!("exit {code}")]).piped().expect_code(code);
    }
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGKILL, libc::SIGPIPE, libc::SIGTERM] {
        let finished = sandbox.wrap(["sh", "-c", &format!("kill -{number} $$")]).piped();
        assert_eq!(finished.ending, Ending::Signal(number), "{finished:?}");
    }
}

#[test]
fn there_is_no_terminal_where_there_was_none() {
    let sandbox = Sandbox::new();
    let script = "test -t 0 || test -t 1 || test -t 2 || echo none";
    assert_eq!(sandbox.wrap(["sh", "-c", script]).piped().expect_code(0).out(), "none\n");
}

#[test]
fn the_order_of_both_outputs_is_kept_where_they_are_one_file() {
    let sandbox = Sandbox::new();
    sandbox
        .script("both", "#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done\n");
    sandbox.sh("./both >bare 2>&1; wrap ./both >wrapped 2>&1; wrap ./both 2>&1 | cat >piped").piped().expect_code(0);
    let read = |name: &str| fs::read_to_string(sandbox.project().join(name)).expect("the file");
    assert_eq!(read("bare").lines().count(), 6000);
    assert!(read("bare") == read("wrapped"), "one file");
    assert!(read("bare") == read("piped"), "one pipe");
}

#[test]
fn standard_input_is_what_it_was() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("lines", "one\ntwo\n");
    // The command leaves the offset of a shared file where it would be without wrap.
    let script = "(PREFIX sh -c 'read x; echo \"first $x\"'; cat) <../lines; PREFIX cat </dev/null; echo null $?; \
                  PREFIX sh -c 'read x; echo \"closed $?\"' <&- 2>/dev/null";
    let [bare, wrapped] =
        ["", "wrap"].map(|prefix| sandbox.sh(&script.replace("PREFIX", prefix)).piped().expect_code(0).out());
    assert_eq!(bare, wrapped);
    let finished = sandbox.wrap(["cat"]).stdin_from(File::open(file).expect("it")).piped().expect_code(0);
    assert_eq!(finished.out(), "one\ntwo\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_it_would_bare() {
    let sandbox = Sandbox::new();
    let [bare, wrapped] = ["", "wrap "].map(|prefix| {
        let line = format!("{prefix}yes | head -n 1; echo ${{PIPESTATUS[0]}}");
        sandbox.run("bash", ["-c", &line]).piped().expect_code(0).out()
    });
    assert_eq!(bare, "y\n141\n");
    assert_eq!(bare, wrapped);
}

#[test]
fn a_slow_reader_gets_everything() {
    let sandbox = Sandbox::new();
    let finished = sandbox.sh("wrap head -c 30000000 /dev/zero | (sleep 0.3; wc -c)").piped().expect_code(0);
    assert_eq!(finished.out().trim(), "30000000");
}

#[test]
fn closed_outputs_stay_closed() {
    let sandbox = Sandbox::new();
    let [bare, wrapped] = ["", "wrap "].map(|prefix| {
        let line = format!("{prefix}sh -c 'echo x || echo \"no output\" >&2' >&-; echo $?");
        let finished = sandbox.sh(&line).piped();
        (finished.out(), finished.err().contains("no output"))
    });
    assert_eq!(bare, wrapped);
}

#[test]
fn a_signal_to_the_client_alone_reaches_the_command_once() {
    let sandbox = Sandbox::new();
    sandbox.fixture("bin");
    let mut piped = sandbox.wrap(["node", "signals.js"]).start();
    piped.wait_for("listening");
    for (number, name) in [
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGUSR2, "SIGUSR2"),
    ] {
        signal(piped.pid(), number);
        piped.wait_for(&format!("got {name} 1"));
    }
    piped.send("end\n");
    let finished = piped.finish().expect_code(7);
    assert!(!finished.out().contains(" 2\n"), "{}", finished.out());
}

#[test]
fn a_key_in_the_callers_terminal_is_one_signal() {
    let sandbox = Sandbox::new();
    sandbox.fixture("bin");
    let terminal = sandbox.bash();
    terminal.line("wrap node signals.js | (trap '' INT; exec cat)");
    terminal.wait_for("listening");
    terminal.send(CTRL_C);
    terminal.wait_for("got SIGINT 1");
    terminal.line("end");
    terminal.wait_for(r#"all {"SIGINT":1}"#);
    terminal.wait_for(PROMPT);
    terminal.line("exit 0");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn a_pipeline_keeps_the_terminal() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.bash();
    terminal.line("wrap echo in the pipe | sh -c 'echo rea''dy; read x </dev/tty; cat; echo \"typed $x\"'");
    terminal.wait_for("ready");
    terminal.line("me");
    terminal.wait_for("in the pipe");
    terminal.wait_for("typed me");
    terminal.wait_for(PROMPT);
    terminal.line("exit 0");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn a_process_that_keeps_the_output_open_does_not_keep_wrap() {
    let sandbox = Sandbox::new();
    let finished = sandbox.wrap(["sh", "-c", "sleep 1000 & echo done; exit 5"]).piped().expect_code(5);
    assert_eq!(finished.out(), "done\n");
    assert!(finished.err().starts_with("wrap: stopping what `sh` left running: "), "{}", finished.err());
}

#[test]
fn a_piped_run_is_listed_as_such() {
    let sandbox = Sandbox::new();
    let mut piped = sandbox.wrap(["cat"]).start();
    let instance = sandbox.wait_started();
    assert_eq!((instance.mode.as_str(), instance.command.as_str()), ("pipe", "cat"));
    piped.close_stdin();
    piped.finish().expect_code(0);
    assert!(sandbox.entries().is_empty());
}

#[test]
fn with_pty_a_pipe_gets_a_terminals_output() {
    let sandbox = Sandbox::new();
    let finished = sandbox.wrap(["--pty", "sh", "-c", "test -t 1 && echo terminal"]).piped().expect_code(0);
    assert_eq!(finished.stdout, b"terminal\r\n");
}

/// A pipe that the command has enlarged is read to its end, however late and slow its reader is.
#[test]
fn a_large_pipe_of_a_command_that_has_ended_is_read_whole() {
    let sandbox = Sandbox::new();
    sandbox.write("project/fill.py", "import fcntl, os\nfcntl.fcntl(1, 1031, 1 << 20)\nos.write(1, b'x' * 800000)\n");
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let piped = sandbox.wrap(["-n", "shop", "python3", "fill.py"]).stdout_to(write.into()).start();
    // Nobody reads until the run is over.
    sandbox.wait_instances("it has ended", |list| (!sandbox.stopped().is_empty() && list.is_empty()).then_some(()));
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut std::fs::File::from(read), &mut all).expect("read");
    assert_eq!(all.len(), 800_000);
    piped.finish().expect_code(0);
}
