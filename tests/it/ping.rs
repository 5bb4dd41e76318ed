//! The ping: told to a control center that listens, and never waited for.

use crate::harness::{Sandbox, Server};
use std::time::{Duration, Instant};

#[test]
fn a_center_that_listens_gets_the_entry_without_its_key() {
    let sandbox = Sandbox::new();
    let server = Server::answering();
    let mut piped = sandbox.wrap(["cat"]).env("WRAP_CENTER", server.url()).start();
    let instance = sandbox.wait_started();
    let request = server.wait_request("a ping", |request| request.line.starts_with("POST "));
    assert_eq!(request.line, "POST /api/instances/ping HTTP/1.1");
    let type_line = request.headers.iter().find(|line| line.starts_with("content-type:")).expect("its type");
    assert!(type_line.contains("application/json"), "{type_line}");
    let body = request.json();
    assert_eq!(body["instanceId"], instance.instance_id);
    assert_eq!(body["projectName"], "project");
    assert_eq!(body["command"], "cat");
    assert_eq!(body["pid"], instance.pid);
    assert_eq!(body["childPid"], instance.child());
    assert!(body.get("authKey").is_none(), "{body}");
    piped.close_stdin();
    piped.finish().expect_code(0);
}

#[test]
fn proxies_are_for_the_web() {
    let sandbox = Sandbox::new();
    let server = Server::answering();
    let nowhere = format!("http://127.0.0.1:{}", Server::unused_port());
    let mut launch = sandbox.wrap(["cat"]).env("WRAP_CENTER", server.url());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        launch = launch.env(name, &nowhere);
    }
    let piped = launch.start();
    server.wait_request("a ping in spite of the proxies", |request| request.line.starts_with("POST "));
    piped.finish().expect_code(0);
}

#[test]
fn the_configuration_names_a_center_and_the_environment_overrules_it() {
    let sandbox = Sandbox::new();
    let server = Server::answering();
    sandbox.write("config/wrap/config.toml", format!("center = '{}'\n", server.url()));
    sandbox.wrap(["-n", "silent", "true"]).env("WRAP_CENTER", "off").piped().expect_code(0);
    let piped = sandbox.wrap(["-n", "told", "cat"]).without_env("WRAP_CENTER").start();
    // What was sent comes in order: had the first run pinged, its ping would be the first.
    let first = server.wait_request("any ping", |_| true);
    assert_eq!(first.json()["projectName"], "told");
    piped.finish().expect_code(0);
}

#[test]
fn a_project_cannot_name_a_center() {
    let sandbox = Sandbox::new();
    let (mine, theirs) = (Server::answering(), Server::answering());
    sandbox.write("project/wrap.toml", format!("center = '{}'\n", theirs.url()));
    let piped = sandbox.wrap(["cat"]).env("WRAP_CENTER", mine.url()).start();
    mine.wait_request("a ping", |request| request.line.starts_with("POST "));
    piped.finish().expect_code(0);
    assert_eq!(theirs.count(), 0);
}

#[test]
fn a_center_that_never_answers_delays_nothing() {
    // Half of what the ping itself may take: whoever waited for it would take longer.
    const LIMIT: Duration = Duration::from_millis(250);
    let sandbox = Sandbox::new();
    let server = Server::silent();
    let mut least = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        let finished = sandbox.wrap(["sh", "-c", "exit 6"]).env("WRAP_CENTER", server.url()).piped().expect_code(6);
        least = least.min(start.elapsed());
        assert_eq!(finished.err(), "");
    }
    assert!(least < LIMIT, "the quickest of ten runs took {least:?}");
    // It was asked at all.
    let piped = sandbox.wrap(["cat"]).env("WRAP_CENTER", server.url()).start();
    server.wait_connection();
    piped.finish().expect_code(0);
}

#[test]
fn without_a_center_nothing_is_said() {
    let sandbox = Sandbox::new();
    let url = format!("http://localhost:{}", Server::unused_port());
    let finished = sandbox.wrap(["sh", "-c", "echo out; exit 6"]).env("WRAP_CENTER", url).piped().expect_code(6);
    assert_eq!((finished.out().as_str(), finished.err().as_str()), ("out\n", ""));
}
