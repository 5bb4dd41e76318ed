//! `wrap center`, `wrap ui` and `wrap list --watch`.

use crate::harness::{CTRL_C, Center, DEADLINE, Ending, RECHECK, Sandbox, ended_within, signal, wait_gone};
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

fn center_files(sandbox: &Sandbox) -> Vec<&'static str> {
    ["center.json", "center.token"].into_iter().filter(|name| sandbox.wrap_dir().join(name).exists()).collect()
}

#[test]
fn there_is_one_a_user_and_nothing_is_left_of_it() {
    let sandbox = Sandbox::new();
    let none = sandbox.wrap(["center", "--stop"]).piped().expect_code(0);
    assert_eq!(none.out(), "no control center runs\n");
    let center = Center::start(&sandbox);
    for args in [&["center"][..], &["center", "-d"], &["center", "--port", "1"]] {
        let second = sandbox.wrap(args).piped().expect_code(0);
        assert!(
            second.out().contains("runs already") && second.out().contains(&center.pid.to_string()),
            "{}",
            second.out()
        );
    }
    let events = center.events("/stream", None);
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    let id = sandbox.wait_started().instance_id;
    let log = center.events(&format!("/api/instances/{id}/logs/stream"), None);
    let begun = Instant::now();
    let stopped = sandbox.wrap(["center", "--stop"]).piped().expect_code(0);
    assert!(stopped.out().contains("stopped"), "{}", stopped.out());
    events.wait_end();
    log.wait_end();
    assert!(begun.elapsed() < Duration::from_millis(1500), "no stream held it up: {:?}", begun.elapsed());
    wait_gone(center.pid);
    sandbox.stop_all();
    assert_eq!(center_files(&sandbox), Vec::<&str>::new());
}

/// Whoever cleans up in /tmp takes the directory away, and the next command makes another.
#[test]
fn one_whose_directory_was_removed_is_found_again_and_takes_nothing_of_another() {
    let sandbox = Sandbox::new();
    let first = Center::start(&sandbox);
    let dir = sandbox.wrap_dir().to_owned();
    fs::remove_dir_all(&dir).expect("removed");
    let deadline = Instant::now() + DEADLINE;
    while center_files(&sandbox).len() < 2 {
        assert!(Instant::now() < deadline, "it has not announced itself again");
        std::thread::sleep(RECHECK);
    }
    let again = Center::start(&sandbox);
    assert_eq!(again.pid, first.pid, "one a user");
    // Away, before it can look: another takes the place, and the first ends without touching what is that one's.
    fs::rename(&dir, dir.with_extension("old")).expect("renamed");
    let second = Center::start(&sandbox);
    assert_ne!(second.pid, first.pid);
    signal(first.pid, libc::SIGTERM);
    wait_gone(first.pid);
    assert_eq!(center_files(&sandbox).len(), 2);
    assert_eq!(second.call("GET", "/api/instances", "", "").0, 200);
}

#[test]
fn in_the_foreground_ctrl_c_ends_it_in_order() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["center", "--port", "0"]).terminal();
    terminal.wait_for("opens it signed in");
    let center = Center::running(&sandbox);
    let events = center.events("/stream", None);
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    events.wait_end();
    assert_eq!(center_files(&sandbox), Vec::<&str>::new());
}

#[test]
fn one_that_was_killed_is_no_obstacle_and_its_terminal_is_not_needed() {
    let sandbox = Sandbox::new();
    let shell = sandbox.sh("wrap center -d --port 0; echo done; exit 3").terminal();
    shell.wait_for("done");
    assert_eq!(shell.wait_end(), Ending::Code(3));
    drop(shell);
    let first = Center::running(&sandbox);
    assert_eq!(first.call("GET", "/health", "", "").0, 200);
    signal(first.pid, libc::SIGKILL);
    wait_gone(first.pid);
    assert_eq!(center_files(&sandbox).len(), 2);
    let none = sandbox.wrap(["center", "--stop"]).piped().expect_code(0);
    assert_eq!(none.out(), "no control center runs\n");
    let second = Center::start(&sandbox);
    assert_ne!(second.token, first.token);
    assert_eq!(second.call("GET", "/api/instances", "", "").0, 200);
}

#[test]
fn a_port_that_is_taken_is_said_to_be_and_by_whom() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port().to_string();
    for args in [&["center", "--port", &*port][..], &["center", "-d", "--port", &*port]] {
        let refused = sandbox.wrap(args).piped().expect_code(1);
        let said = refused.err();
        let us = std::process::id().to_string();
        assert!(said.contains(&port) && said.contains(&us) && said.contains("--port PORT"), "{said}");
    }
    assert_eq!(center_files(&sandbox), Vec::<&str>::new());
}

#[test]
fn a_center_harms_no_command_and_no_command_needs_it() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    let terminal = sandbox.wrap(["-n", "shop", "cat"]).terminal();
    let instance = sandbox.wait_one("healthy");
    signal(center.pid, libc::SIGKILL);
    wait_gone(center.pid);
    terminal.line("still here");
    terminal.wait_for("still here\r\nstill here");
    drop(center);
    drop(Center::start(&sandbox));
    assert!(!ended_within(instance.child(), Duration::ZERO));
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn a_watched_list_changes_by_itself_with_a_center_and_without() {
    let sandbox = Sandbox::new();
    for with_center in [false, true] {
        let center = with_center.then(|| Center::start(&sandbox));
        let terminal = sandbox.wrap(["list", "--watch"]).size(24, 100).terminal();
        terminal.wait_shown("that nothing runs", |screen| screen.contains("nothing is running"));
        sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
        terminal.wait_shown("the new one", |screen| screen.contains("shop") && !screen.contains("nothing is running"));
        sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
        terminal.wait_shown("that it is gone", |screen| !screen.contains("shop"));
        terminal.send(CTRL_C);
        assert_eq!(terminal.wait_end(), Ending::Code(130));
        drop(center);
    }
    let mut lines = sandbox.wrap(["list", "--watch", "--json"]).start();
    lines.wait_for("[]\n");
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    // The entry's fields in their order, as in the plain list.
    lines.wait_for("[{\"instanceId\": ");
    lines.wait_for("\"projectName\": \"shop\"");
    signal(lines.pid(), libc::SIGINT);
    lines.close_stdin();
    lines.finish();
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}
