//! Typing into an instance without being attached.

use crate::harness::{Ending, Sandbox, signal};
use std::collections::BTreeMap;
use std::thread;

/// Starts a program in the background that says what it reads.
fn reader(sandbox: &Sandbox, script: &str) {
    sandbox.script("reads", script);
    sandbox.wrap(["-d", "-n", "shop", "./reads"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=^ready"]).piped().expect_code(0);
}

const LINES: &str = "#!/bin/bash\necho ready\nwhile IFS= read -r line; do printf 'got <%q>\\n' \"$line\"; done\n";

#[track_caller]
fn waits_for(sandbox: &Sandbox, pattern: &str) {
    sandbox.wrap(["wait", "shop", "--for", &format!("log={pattern}"), "--timeout", "20"]).piped().expect_code(0);
}

#[test]
fn a_line_a_text_keys_and_standard_input_arrive() {
    let sandbox = Sandbox::new();
    reader(&sandbox, LINES);
    let sent = sandbox.wrap(["send", "shop", "two words"]).piped().expect_code(0).out();
    assert!(sent.starts_with("sent to `shop`"), "{sent}");
    waits_for(&sandbox, r"got <two\\ words>");
    sandbox.wrap(["send", "shop", "-n", "begun "]).piped().expect_code(0);
    let json = sandbox.wrap(["send", "--json", "shop", "and", "ended"]).piped().expect_code(0).out();
    assert_eq!(json, "{\"arrived\":true}\n");
    waits_for(&sandbox, r"got <begun\\ and\\ ended>");
    sandbox.wrap(["send", "shop", "-"]).input("a\nb\n").piped().expect_code(0);
    waits_for(&sandbox, "got <b>");
    // Three letters, two of them taken back.
    let keys = ["send", "shop", "--key", "x", "--key", "y", "--key", "backspace", "--key", "enter"];
    sandbox.wrap(keys).piped().expect_code(0);
    waits_for(&sandbox, "got <x>");
    sandbox.wrap(["send", "shop", "--key", "ctrl-c"]).piped().expect_code(0);
    sandbox.wait_no_entry();
    assert_eq!(sandbox.stopped()[0]["signal"], "SIGINT");
}

#[test]
fn control_sequences_are_taken_out_unless_they_are_meant() {
    let sandbox = Sandbox::new();
    // As it comes, with escapes made visible: a shell's own reading would change the modes.
    reader(&sandbox, "#!/bin/bash\nstty -echo -icanon -isig -icrnl\necho ready\nexec tr '\\r\\033' '\\nE'\n");
    sandbox.wrap(["send", "shop", "a\u{1b}[31mb\u{3}c"]).piped().expect_code(0);
    waits_for(&sandbox, "^abc$");
    sandbox.wrap(["send", "--raw", "shop", "a\u{1b}[31mb"]).piped().expect_code(0);
    waits_for(&sandbox, r"^aE\[31mb$");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn arrows_are_sent_as_the_program_has_asked_for() {
    let sandbox = Sandbox::new();
    reader(
        &sandbox,
        "#!/bin/bash\nstty -echo -icanon\necho ready\nIFS= read -r -n 3 a; printf 'first %q\\n' \"$a\"\n\
         printf '\\033[?1h'; echo switched; IFS= read -r -n 3 a; printf 'second %q\\n' \"$a\"\nsleep 1000\n",
    );
    sandbox.wrap(["send", "shop", "--key", "up"]).piped().expect_code(0);
    waits_for(&sandbox, r"first \$'\\E\[A'");
    waits_for(&sandbox, "switched");
    sandbox.wrap(["send", "shop", "--key", "up"]).piped().expect_code(0);
    waits_for(&sandbox, r"second \$'\\EOA'");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

/// Twenty at once, a hundred lines each: every line is whole, there once, and in its sender's order.
#[test]
fn many_senders_at_once_never_mix_inside_a_line() {
    const SENDERS: usize = 20;
    const LINES_EACH: usize = 100;
    let sandbox = Sandbox::new();
    reader(&sandbox, "#!/bin/bash\nstty -echo\necho ready\nexec cat\n");
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for line in 0..LINES_EACH {
                    let text = format!("sender {sender} line {line} {}", "x".repeat(60));
                    sandbox.wrap(["send", "shop", &text]).piped().expect_code(0);
                }
            });
        }
    });
    sandbox.wrap(["send", "shop", "the end"]).piped().expect_code(0);
    waits_for(&sandbox, "^the end");
    let log = sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out();
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.lines().filter(|line| line.starts_with("sender")) {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(matches!(words[..], ["sender", _, "line", _, x] if x == "x".repeat(60)), "{line}");
        let due = next.entry(words[1].to_owned()).or_default();
        assert_eq!(words[3], due.to_string(), "of sender {}", words[1]);
        *due += 1;
    }
    assert_eq!(next.len(), SENDERS);
    assert!(next.values().all(|count| *count == LINES_EACH), "{next:?}");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn who_does_not_read_is_named_and_what_cannot_be_sent_to_is_refused() {
    let sandbox = Sandbox::new();
    let missing = sandbox.wrap(["send", "nobody", "x"]).piped().expect_code(3);
    assert!(missing.err().contains("no instance `nobody`"), "{}", missing.err());
    sandbox.wrap(["send", "shop"]).piped().expect_code(2);
    sandbox.wrap(["send", "shop", "--key", "hyper"]).piped().expect_code(2);
    let mut piped = sandbox.wrap(["-n", "shop", "sh", "-c", "echo ready; read x"]).start();
    piped.wait_for("ready");
    sandbox.wait_started();
    let refused = sandbox.wrap(["send", "shop", "x"]).piped().expect_code(1);
    assert!(refused.err().contains("no terminal of wrap's"), "{}", refused.err());
    piped.send("\n");
    piped.finish().expect_code(0);
}

/// A keeper that is stopped answers nobody; the sender gives up after its three attempts.
#[test]
fn a_keeper_that_does_not_answer_is_given_up() {
    let sandbox = Sandbox::new();
    reader(&sandbox, LINES);
    let keeper = sandbox.wait_started().pid;
    signal(keeper, libc::SIGSTOP);
    let failed = sandbox.wrap(["send", "shop", "late"]).piped().expect_code(1);
    assert!(failed.err().contains("did not answer within 350 ms"), "{}", failed.err());
    signal(keeper, libc::SIGCONT);
    // What it was sent three times arrives once.
    sandbox.wrap(["send", "shop", "after"]).piped().expect_code(0);
    waits_for(&sandbox, "got <after>");
    let log = sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out();
    assert!(log.matches("got <late>").count() <= 1, "{log}");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn what_is_sent_reaches_the_first_terminal_as_if_it_were_typed() {
    let sandbox = Sandbox::new();
    sandbox.script("reads", LINES);
    let first = sandbox.wrap(["-n", "shop", "./reads"]).terminal();
    first.wait_for("ready\r\n");
    sandbox.wait_started();
    sandbox.wrap(["send", "shop", "hello"]).piped().expect_code(0);
    first.wait_for("hello\r\n");
    first.wait_for("got <hello>");
    sandbox.wrap(["send", "shop", "--key", "ctrl-d"]).piped().expect_code(0);
    assert_eq!(first.wait_end(), Ending::Code(0));
}
