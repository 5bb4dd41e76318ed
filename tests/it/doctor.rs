//! `wrap doctor`: what it finds, what it says to do, and that it changes nothing.

use crate::harness::{Sandbox, signal, wait_gone};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// The state of a matter, and what is said of it with the fix.
fn look(sandbox: &Sandbox, code: i32, name: &str) -> (String, String) {
    let looked = sandbox.wrap(["doctor", "--json"]).piped().expect_code(code);
    let all: Vec<Value> = serde_json::from_slice(&looked.stdout).expect("JSON");
    let one = all.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {all:?}"));
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    (text("state"), format!("{} | {}", text("said"), text("fix")))
}

#[test]
fn all_is_well_where_all_is_well() {
    let sandbox = Sandbox::new();
    let looked = sandbox.wrap(["doctor"]).piped().expect_code(0);
    assert!(looked.out().lines().all(|line| !line.starts_with("PROBLEM")), "{}", looked.out());
    assert!(looked.out().contains("ok       instances  nothing is running"), "{}", looked.out());
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    sandbox.wait_one("healthy");
    assert_eq!(look(&sandbox, 0, "instances"), ("well".into(), "1, all well | ".into()));
    assert_eq!(look(&sandbox, 0, "sockets").0, "well");
    sandbox.stop_all();
    let shell = |name: &str| {
        let looked = sandbox.wrap(["doctor"]).env("SHELL", format!("/bin/{name}")).piped().expect_code(0);
        looked.out().lines().find(|line| line.contains("  shell  ")).unwrap_or_default().to_owned()
    };
    assert!(shell("bash").starts_with("note") && shell("zsh").starts_with("note") && shell("fish").starts_with("note"));
    sandbox.write("home/.bashrc", "eval \"$(wrap init bash)\"\n");
    assert!(shell("bash").starts_with("ok"), "{}", shell("bash"));
    let terminal = sandbox.wrap(["doctor"]).terminal();
    terminal.wait_for("xterm-256color");
    terminal.wait_end();
}

#[test]
fn what_is_odd_is_said_with_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "grace = -1\n");
    let (state, said) = look(&sandbox, 0, "settings");
    assert!(state == "note" && said.contains("config.toml:1") && said.contains("wrap config"), "{said}");
    sandbox.hook("broken", "x = = 1");
    let (state, said) = look(&sandbox, 1, "hooks");
    assert!(state == "problem" && said.contains("broken.lua:1") && said.contains("wrap hooks check"), "{said}");
    std::fs::remove_file(sandbox.root().join("config/wrap/hooks/broken.lua")).expect("removed");
    sandbox.write("project/.wrap/hooks/a.lua", "wrap.on('start', print)");
    let (state, said) = look(&sandbox, 0, "hooks");
    assert!(state == "note" && said.contains("1 of this project are not run") && said.contains("wrap trust"), "{said}");
    sandbox.wrap(["trust"]).piped().expect_code(0);
    assert_eq!(look(&sandbox, 0, "trust").1, "1 trusted; `wrap trust --list` shows them | ");
    std::fs::write(sandbox.root().join("state/wrap/trust.json"), "{").expect("written");
    assert_eq!(look(&sandbox, 1, "trust").0, "problem");
    std::fs::remove_file(sandbox.root().join("state/wrap/trust.json")).expect("removed");
    std::fs::set_permissions(sandbox.wrap_dir(), std::fs::Permissions::from_mode(0o777)).expect("set");
    let (state, said) = look(&sandbox, 1, "registry");
    assert!(state == "problem" && said.contains("is not safe to use"), "{said}");
    std::fs::set_permissions(sandbox.wrap_dir(), std::fs::Permissions::from_mode(0o700)).expect("set");
}

#[test]
fn what_was_left_behind_is_found_and_left_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.wrap(["-d", "-n", "lost", "sh", "-c", "trap '' HUP; while :; do sleep 1; done"]).piped().expect_code(0);
    let instance = sandbox.wait_one("healthy");
    signal(instance.pid, libc::SIGKILL);
    wait_gone(instance.pid);
    for _ in 0..2 {
        let (state, said) = look(&sandbox, 1, "instances");
        assert!(state == "problem" && said.contains("wrap clean --kill"), "{said}");
    }
    sandbox.wrap(["clean", "--kill"]).piped().expect_code(0);
    wait_gone(instance.child());
    // A clock that was set back is no problem, and said.
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    sandbox.wait_one("healthy");
    let path = &sandbox.entries()[0];
    let text = std::fs::read_to_string(path).expect("an entry");
    let mut entry: Value = serde_json::from_str(&text).expect("JSON");
    entry["updatedAt"] = (entry["updatedAt"].as_u64().expect("a time") + 3_600_000).into();
    std::fs::write(path, entry.to_string()).expect("written");
    let (state, said) = look(&sandbox, 0, "clock");
    assert!(state == "note" && said.contains("set back by some 3"), "{said}");
    sandbox.stop_all();
}

#[test]
fn another_wrap_in_front_is_a_problem() {
    let sandbox = Sandbox::new();
    let other = sandbox.write("other/wrap", "#!/bin/sh\n");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).expect("set");
    let path = format!("{}:/usr/bin:/bin", other.parent().expect("a directory").display());
    let looked = sandbox.wrap(["doctor"]).env("PATH", path).piped().expect_code(1);
    assert!(looked.out().contains("PROBLEM  version") && looked.out().contains("other/wrap"), "{}", looked.out());
}
