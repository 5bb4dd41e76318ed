//! `wrap logs`: what it shows of a log, and how.

use crate::harness::{CTRL_C, Finished, Sandbox, wait_gone};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// One that ended and has left nothing but its log.
const ID: &str = "01990000-0000-7000-8000-000000abc123";

const RECORDS: &str = "\
2026-11-21T15:33:10.000000001Z stdout F \x1b[32mone\x1b[0m\x1b[2J
2026-11-21T15:33:11.500000000Z stderr F two
2026-11-21T15:33:12.000000000Z stdout P 1%\r50%
2026-11-21T15:33:13.000000000Z stdout F \r100%
2026-11-21T15:33:14.000000000Z stdout P no end
";

fn log_of(sandbox: &Sandbox, id: &str, records: &str) -> PathBuf {
    let path = sandbox.write(&format!("state/wrap/logs/{id}.log"), records);
    for dir in ["state/wrap", "state/wrap/logs"] {
        fs::set_permissions(sandbox.root().join(dir), PermissionsExt::from_mode(0o700)).expect("its mode");
    }
    path
}

fn logs(sandbox: &Sandbox, args: &[&str]) -> Finished {
    sandbox.wrap(["logs"].iter().chain(args)).env("TZ", "UTC").piped()
}

#[test]
fn a_log_is_shown_as_text_as_bytes_and_as_objects() {
    let sandbox = Sandbox::new();
    log_of(&sandbox, ID, RECORDS);
    let shown = |args: &[&str]| {
        let mut all = vec![ID];
        all.extend(args);
        logs(&sandbox, &all).expect_code(0).out()
    };
    assert_eq!(shown(&[]), "one\ntwo\n100%\nno end\n");
    assert_eq!(logs(&sandbox, &["ABC123"]).expect_code(0).out(), shown(&["--plain"]));
    assert_eq!(shown(&["--raw"]), "\x1b[32mone\x1b[0m\x1b[2J\ntwo\n1%\r50%\r100%\nno end");
    assert_eq!(shown(&["-n", "2"]), "100%\nno end\n");
    assert_eq!(shown(&["-n", "0"]), "");
    assert_eq!(shown(&["--grep", "^(one|two)$", "-n", "1", "-t"]), "2026-11-21 15:33:11.500 two\n");
    assert_eq!(shown(&["--grep", "50"]), "");
    assert_eq!(shown(&["--stream", "err"]), "two\n");
    assert_eq!(shown(&["--since", "2026-11-21 15:33:11", "--until", "2026-11-21T15:33:12Z"]), "two\n100%\n");
    let objects: Vec<Value> =
        shown(&["--json"]).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(
        objects[0],
        serde_json::json!({ "time": "2026-11-21T15:33:10.000000001Z", "stream": "out", "line": "one" })
    );
    assert_eq!((objects.len(), &objects[1]["stream"]), (4, &Value::from("err")));
}

#[test]
fn a_terminal_gets_colours_and_nothing_else_unless_it_wants_none() {
    let sandbox = Sandbox::new();
    log_of(&sandbox, ID, "2026-11-21T15:33:10.000000001Z stdout F \x1b]0;title\x07\x1b[32mone\x1b[2J\n");
    let terminal = sandbox.wrap(["logs", ID]).terminal();
    terminal.wait_for("\x1b[32mone\x1b[0m\r\n");
    terminal.wait_end();
    let terminal = sandbox.wrap(["logs", ID]).env("NO_COLOR", "1").terminal();
    terminal.wait_for("one\r\n");
    assert!(!terminal.raw_contains("\x1b"), "{:?}", terminal.output());
    terminal.wait_end();
}

#[test]
fn what_cannot_be_understood_is_2_and_who_is_not_there_is_3() {
    let sandbox = Sandbox::new();
    log_of(&sandbox, ID, RECORDS);
    for args in
        [&[ID, "--since", "soon"][..], &[ID, "--grep", "("], &[ID, "--raw", "--json"], &[ID, "--clear", "-f"], &[]]
    {
        let finished = logs(&sandbox, args).expect_code(2);
        assert_eq!(finished.out(), "", "{args:?}");
    }
    let error = logs(&sandbox, &[ID, "--grep", "("]).err();
    assert!(error.starts_with("wrap: `(` is no regular expression"), "{error}");
    for nobody in ["nobody", "abc124", "../../etc/passwd"] {
        assert!(logs(&sandbox, &[nobody]).expect_code(3).err().contains("there is no instance"));
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let sandbox = Sandbox::new();
    let line = "2026-11-21T15:33:10.000000001Z stdout F a line of some length to fill the pipe\n";
    log_of(&sandbox, ID, &line.repeat(20_000));
    let script = format!("{{ wrap logs {ID}; echo \"status $?\" >&2; }} | head -n 1");
    let finished = sandbox.sh(&script).piped().expect_code(0);
    assert_eq!(finished.err(), "status 0\n");
    assert_eq!(finished.out().lines().count(), 1);
}

#[test]
fn the_log_of_one_that_ended_is_cleared_by_removing_it() {
    let sandbox = Sandbox::new();
    let path = log_of(&sandbox, ID, RECORDS);
    fs::write(path.with_extension("log.1"), RECORDS).expect("written");
    let finished = logs(&sandbox, &["abc123", "--clear"]).expect_code(0);
    assert_eq!(finished.out(), "cleared the log of `abc123`\n");
    assert!(!path.exists() && !path.with_extension("log.1").exists());
    logs(&sandbox, &["abc123"]).expect_code(3);
}

#[test]
fn one_that_lives_is_followed_until_it_ends() {
    let sandbox = Sandbox::new();
    // Not logged by its keeper: the log is what is written here.
    sandbox.wrap(["-d", "-n", "followed", "sleep", "1000"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    let silent = logs(&sandbox, &["followed"]).expect_code(0);
    assert_eq!(silent.out(), "");
    assert!(silent.err().starts_with("wrap: nothing is logged of `followed`"), "{}", silent.err());

    let all = sandbox.wrap(["logs", "followed", "-f"]).start();
    let path = log_of(&sandbox, &instance.instance_id, RECORDS);
    all.wait_for("100%\n");
    let terminal = sandbox.wrap(["logs", "followed", "-f", "-n", "2"]).terminal();
    // The last one has no end yet, and is shown when it has.
    terminal.wait_for("100%");
    let mut file = fs::File::options().append(true).open(&path).expect("opened");
    file.write_all(b"\n2026-11-21T15:33:15.000000000Z stdout F  and its end\n").expect("written");
    all.wait_for("no end and its end\n");
    terminal.wait_for("no end and its end\r\n");
    terminal.send(CTRL_C);
    terminal.wait_end();
    sandbox.wrap(["stop", "followed"]).piped().expect_code(0);
    assert_eq!(all.finish().expect_code(0).out(), "one\ntwo\n100%\nno end and its end\n");
    wait_gone(instance.pid);
}
