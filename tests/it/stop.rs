//! `wrap stop` and `wrap clean`: who is meant, what is ended, and what is told.

use crate::harness::{Ending, Instance, Sandbox, ended_within, is_running, signal, wait_gone};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// A command with a child in its group, left running under this name.
fn detached(sandbox: &Sandbox, name: &str) -> Instance {
    sandbox.wrap(["-d", "-n", name, "sh", "-c", "sleep 1000 & wait"]).piped().expect_code(0);
    sandbox.wait_instances("it runs", |list| {
        list.iter().find(|one| one.project_name == name && one.child_pid.is_some()).cloned()
    })
}

#[test]
fn a_target_is_a_name_an_id_a_port_or_a_pid_and_the_tree_is_gone_when_it_returns() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    let targets: [fn(&Instance) -> String; 6] = [
        |one| one.project_name.clone(),
        |one| one.instance_id.clone(),
        |one| one.short_id().to_owned(),
        |one| format!(":{}", one.port.expect("a port")),
        |one| one.pid.to_string(),
        |one| one.child().to_string(),
    ];
    for target in targets {
        sandbox.wrap(["-d", "npm", "run", "dev"]).piped().expect_code(0);
        let instance = sandbox.wait_instances("a port", |list| list.iter().find(|one| one.port.is_some()).cloned());
        sandbox.wrap(["stop", &target(&instance)]).piped().expect_code(0);
        // At once: `stop` has waited.
        assert!(!is_running(instance.child()));
        let port = instance.port.expect("a port");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the server below npm is gone too");
        wait_gone(instance.pid);
        assert!(sandbox.entries().is_empty());
    }
}

#[test]
fn a_run_in_a_terminal_ends_there_as_its_command_ended() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["-n", "shown", "sh", "-c", "echo up; exec sleep 1000"]).terminal();
    terminal.wait_for("up");
    sandbox.wait_started();
    sandbox.wrap(["stop", "shown"]).piped().expect_code(0);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGTERM));
    assert!(terminal.modes().is_cooked());
}

#[test]
fn a_run_of_a_pipe_is_stopped_without_its_caller() {
    let sandbox = Sandbox::new();
    // The caller's shell and the rest of its pipeline are in the same process group.
    let piped = sandbox.sh("wrap -n piped sh -c 'echo up; exec sleep 1000' | cat; echo the rest").start();
    piped.wait_for("up");
    let instance = sandbox.wait_started();
    sandbox.wrap(["stop", "piped"]).piped().expect_code(0);
    wait_gone(instance.child());
    let finished = piped.finish().expect_code(0);
    assert!(finished.out().contains("the rest"), "{}", finished.out());
}

#[test]
fn what_ignores_the_request_is_killed_after_the_grace_and_named() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "grace = 0.3\n");
    sandbox
        .wrap(["-d", "-n", "deaf", "sh", "-c", "trap '' TERM HUP; while :; do sleep 0.05; done"])
        .piped()
        .expect_code(0);
    let instance = sandbox.wait_one("healthy");
    let finished = sandbox.wrap(["stop", "deaf"]).piped().expect_code(0);
    assert!(!is_running(instance.child()));
    let said = finished.out() + &finished.err();
    assert!(said.contains("killed") && said.contains("`sh`"), "{said}");
    wait_gone(instance.pid);
}

#[test]
fn nobody_is_3_and_several_are_2_with_their_names() {
    let sandbox = Sandbox::new();
    let finished = sandbox.wrap(["stop", "nobody"]).piped().expect_code(3);
    assert!(finished.err().starts_with("wrap: ") && finished.err().contains("`nobody`"), "{}", finished.err());
    let (one, two) = (detached(&sandbox, "twin"), {
        sandbox.wrap(["-d", "-n", "twin", "sleep", "1000"]).piped().expect_code(0);
        sandbox.wait_instances("both", |list| {
            (list.len() == 2).then(|| list.iter().find(|one| one.command == "sleep 1000").cloned()).flatten()
        })
    });
    let finished = sandbox.wrap(["stop", "twin"]).piped().expect_code(2);
    for instance in [&one, &two] {
        assert!(finished.err().contains(instance.short_id()), "{}", finished.err());
        assert!(is_running(instance.child()));
    }
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
    for instance in [one, two] {
        assert!(!is_running(instance.child()));
        wait_gone(instance.pid);
    }
    assert!(sandbox.entries().is_empty());
}

/// An entry of a run whose pids were given to somebody else since.
#[test]
fn nobody_is_signalled_whose_identity_does_not_match() {
    let sandbox = Sandbox::new();
    let innocent = sandbox.sh("echo up; exec sleep 1000").start();
    innocent.wait_for("up");
    let instance = detached(&sandbox, "real");
    let file = sandbox.entries().remove(0);
    let mut entry: Value = serde_json::from_str(&fs::read_to_string(&file).expect("the entry")).expect("JSON");
    sandbox.wrap(["stop", "real"]).piped().expect_code(0);
    wait_gone(instance.pid);
    for (pid, token) in [("pid", "pidToken"), ("childPid", "childToken")] {
        entry[pid] = innocent.pid().into();
        // Started in another tick of the clock than whoever has the pid now.
        entry[token] = 1.into();
    }
    entry["projectName"] = "forged".into();
    fs::write(&file, entry.to_string()).expect("it is ours");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its permissions");
    let finished = sandbox.wrap(["stop", "forged"]).piped();
    assert_ne!(finished.ending, Ending::Code(0), "{finished:?}");
    sandbox.wrap(["clean", "--kill"]).piped().expect_code(0);
    assert!(!ended_within(innocent.pid(), Duration::from_millis(200)), "the innocent lives");
    assert!(sandbox.entries().is_empty(), "and the entry is gone");
    signal(innocent.pid(), libc::SIGTERM);
    innocent.finish();
}

#[test]
fn with_nothing_to_clean_nothing_is_cleaned() {
    let sandbox = Sandbox::new();
    sandbox.wrap(["clean"]).piped().expect_code(0);
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
    let instance = detached(&sandbox, "alive");
    sandbox.wrap(["clean", "--kill"]).piped().expect_code(0);
    assert!(is_running(instance.child()), "what is well is left alone");
    sandbox.wrap(["stop", "alive"]).piped().expect_code(0);
    wait_gone(instance.pid);
}
