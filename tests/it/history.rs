//! What is remembered of the runs that have ended, and what a listing says of it.

use crate::harness::{DEADLINE, Ending, Instance, Sandbox, signal, wait_gone};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn history(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("state/wrap/history")
}

/// The files in it.
fn files(sandbox: &Sandbox) -> Vec<PathBuf> {
    fs::read_dir(history(sandbox)).map(|dir| dir.flatten().map(|file| file.path()).collect()).unwrap_or_default()
}

/// The one run that is remembered.
#[track_caller]
fn only(sandbox: &Sandbox) -> Value {
    let mut stopped = sandbox.stopped();
    assert_eq!(stopped.len(), 1, "{stopped:#?}");
    stopped.remove(0)
}

fn started(sandbox: &Sandbox, name: &str) -> Instance {
    sandbox.wrap(["-d", "-n", name, "sleep", "1000"]).piped().expect_code(0);
    sandbox.wait_instances("it runs", |list| {
        list.iter().find(|one| one.project_name == name && one.child_pid.is_some()).cloned()
    })
}

#[test]
fn a_run_is_remembered_with_its_end_for_its_owner_alone() {
    let sandbox = Sandbox::new();
    sandbox.wrap(["-n", "shop", "sh", "-c", "exit 3"]).piped().expect_code(3);
    let one = only(&sandbox);
    assert_eq!((&one["projectName"], &one["command"]), (&json!("shop"), &json!("sh -c exit 3")));
    assert_eq!((&one["exitCode"], &one["signal"], &one["lost"]), (&json!(3), &Value::Null, &json!(false)));
    let end = one["endTime"].as_str().expect("a time");
    assert!(end.len() == "2026-01-01T00:00:00.000Z".len() && end > one["startTime"].as_str().expect("one"), "{end}");
    assert!(one["duration"].as_u64().is_some_and(|duration| duration < 60_000), "{one:#}");

    let file = files(&sandbox).remove(0);
    let mode = |path: &PathBuf| fs::metadata(path).expect("it").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&history(&sandbox))), (0o600, 0o700));
    assert!(!fs::read_to_string(&file).expect("text").contains("authKey"));
    assert_eq!(sandbox.wrap(["list", "--json"]).piped().expect_code(0).out().trim(), "[]", "only with --all");
}

#[test]
fn a_signal_and_a_stop_are_told_by_name_and_what_never_ran_is_not_remembered() {
    let sandbox = Sandbox::new();
    sandbox.wrap(["no-such-command-here"]).piped().expect_code(127);
    assert_eq!(sandbox.stopped(), Vec::<Value>::new());
    let instance = started(&sandbox, "shop");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    // Before `stop` returns.
    let one = only(&sandbox);
    assert_eq!((&one["signal"], &one["exitCode"]), (&json!("SIGTERM"), &Value::Null));
    wait_gone(instance.pid);
}

#[test]
fn a_listing_shows_the_ended_behind_the_live_and_the_newest_first() {
    let sandbox = Sandbox::new();
    for (name, code) in [("first", 0), ("second", 1)] {
        sandbox.wrap(["-n", name, "sh", "-c", &format!("exit {code}")]).piped().expect_code(code);
    }
    let instance = started(&sandbox, "alive");
    sandbox.wait_one("healthy");
    let text = |format: &str| sandbox.wrap(["list", "--all", "-f", format]).piped().expect_code(0).out();
    let human = text("human");
    let lines: Vec<&str> = human.lines().collect();
    assert!(lines[0].contains("alive") && !lines[0].contains("stopped"), "{human}");
    assert!(lines[1].contains("second") && lines[1].contains("stopped, exit 1 after "), "{human}");
    assert!(lines[2].contains("first") && lines[2].contains("stopped, exit 0 after "), "{human}");
    let logfmt = text("logfmt");
    assert!(logfmt.lines().nth(1).is_some_and(|line| line.contains("status=stopped") && line.contains(" exitCode=1 ")));
    assert!(text("md").contains("| stopped, exit 1 after "), "{}", text("md"));
    // The hint counts what lives and is not well, and nothing else.
    let terminal = sandbox.wrap(["list"]).terminal();
    terminal.wait_end();
    assert!(!terminal.screen().contains("--all"), "{}", terminal.screen());
    sandbox.wrap(["stop", "alive"]).piped().expect_code(0);
    wait_gone(instance.pid);
}

#[test]
fn what_a_killed_keeper_ran_is_remembered_by_whoever_finds_it() {
    let sandbox = Sandbox::new();
    // The client sees how the command ends, because it is its parent by then.
    let piped = sandbox.wrap(["-n", "client", "sh", "-c", "echo up; exec sleep 1000"]).start();
    piped.wait_for("up");
    let instance = sandbox.wait_started();
    signal(instance.pid, libc::SIGKILL);
    assert_ne!(piped.finish().ending, Ending::Code(0));
    assert_eq!(only(&sandbox)["signal"], "SIGTERM");
    sandbox.wait_no_entry();

    // Nobody sees it: keeper and command are killed where there is no client.
    let instance = started(&sandbox, "nobody");
    signal(instance.pid, libc::SIGSTOP);
    signal(instance.child(), libc::SIGKILL);
    signal(instance.pid, libc::SIGKILL);
    wait_gone(instance.child());
    wait_gone(instance.pid);
    let stopped = sandbox.stopped();
    assert_eq!(stopped.len(), 2, "{stopped:#?}");
    assert_eq!((&stopped[0]["projectName"], &stopped[0]["lost"]), (&json!("nobody"), &json!(true)));
    assert_eq!((&stopped[0]["exitCode"], &stopped[0]["signal"]), (&Value::Null, &Value::Null));
    let human = sandbox.wrap(["list", "--all"]).piped().expect_code(0).out();
    assert!(human.contains("stopped, lost after "), "{human}");
}

#[test]
fn the_last_fifty_are_kept_and_the_logs_of_the_others_go() {
    let sandbox = Sandbox::new();
    let finished = sandbox.sh("for n in $(seq 52); do wrap -n run$n true || exit; done").piped();
    assert_eq!((finished.ending, finished.err()), (Ending::Code(0), String::new()));
    // A keeper removes what is one too many when its client is gone.
    sandbox.leftovers(DEADLINE);
    let names: Vec<String> =
        sandbox.stopped().iter().filter_map(|one| Some(one["projectName"].as_str()?.to_owned())).collect();
    let expected: Vec<String> = (3..=52).rev().map(|number| format!("run{number}")).collect();
    assert_eq!(names, expected);
    let oldest = sandbox.stopped().pop().expect("fifty")["instanceId"].as_str().expect("an id").to_owned();
    let logs = [format!("state/wrap/logs/{oldest}.log"), format!("state/wrap/logs/{oldest}.log.1")]
        .map(|name| sandbox.write(&name, "text"));
    sandbox.wrap(["true"]).piped().expect_code(0);
    sandbox.leftovers(DEADLINE);
    assert!(logs.iter().all(|log| !log.exists()));
}

#[test]
fn a_state_that_cannot_be_written_costs_one_line_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("state/wrap/history", "in the way");
    let finished = sandbox.wrap(["sh", "-c", "echo out; exit 3"]).piped().expect_code(3);
    assert_eq!(finished.out(), "out\n");
    let lines: Vec<String> = finished.err().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("wrap: ") && lines[0].contains("state/wrap/history"), "{lines:?}");
    assert!(sandbox.entries().is_empty(), "the entry goes all the same");
}

#[test]
fn without_a_home_nothing_is_remembered_and_nothing_said() {
    let sandbox = Sandbox::new();
    let launch = sandbox.wrap(["sh", "-c", "exit 3"]).without_env("HOME").without_env("XDG_STATE_HOME");
    let runtime = sandbox.root().join("runtime");
    fs::create_dir(&runtime).expect("a directory");
    fs::set_permissions(&runtime, PermissionsExt::from_mode(0o700)).expect("its permissions");
    let finished = launch.without_env("WRAP_DIR").env("XDG_RUNTIME_DIR", &runtime).piped().expect_code(3);
    assert_eq!(finished.err(), "");
    assert_eq!(files(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_corrupt_file_is_said_once_and_stops_no_listing() {
    let sandbox = Sandbox::new();
    sandbox.wrap(["true"]).piped().expect_code(0);
    sandbox.write("state/wrap/history/01900000-0000-7000-8000-0000000000aa.json", "{\"instanceId\": \"cut of");
    let list = || sandbox.wrap(["list", "--all", "--json"]).piped().expect_code(0);
    let first = list();
    assert!(first.out().contains("\"stopped\"") && first.err().lines().count() == 1, "{}", first.err());
    assert_eq!(list().err(), "");
}
