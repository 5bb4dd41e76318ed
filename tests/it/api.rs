//! The keeper's HTTP, as any program may speak it that can read the entry.

use crate::harness::{CTRL_BACKSLASH, Ending, Sandbox, signal, wait_gone};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// One instance's entry, with its key.
struct Caller {
    entry: Value,
}

impl Caller {
    fn of(sandbox: &Sandbox) -> Self {
        sandbox.wait_started();
        let [path] = &sandbox.entries()[..] else { panic!("{:?}", sandbox.entries()) };
        Self { entry: serde_json::from_slice(&fs::read(path).expect("read")).expect("json") }
    }

    fn id(&self) -> &str {
        self.entry["instanceId"].as_str().expect("an id")
    }

    /// Sends a request and returns the status and the body.
    fn raw(&self, request: &str) -> (u16, String) {
        let url = self.entry["localUrl"].as_str().expect("a socket");
        let mut answer = String::new();
        if let Some(path) = url.strip_prefix("unix:") {
            let mut stream = UnixStream::connect(path).expect("connected");
            stream.write_all(request.as_bytes()).expect("sent");
            stream.read_to_string(&mut answer).expect("answered");
        } else {
            let mut stream = TcpStream::connect(url.strip_prefix("http://").expect("a URL")).expect("connected");
            stream.write_all(request.as_bytes()).expect("sent");
            stream.read_to_string(&mut answer).expect("answered");
        }
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    fn call(&self, method: &str, what: &str, body: Option<&Value>, more: &str) -> (u16, String) {
        let key = self.entry["authKey"].as_str().expect("a key");
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let host = if more.contains("Host:") { "" } else { "Host: localhost\r\n" };
        self.raw(&format!(
            "{method} {} HTTP/1.1\r\n{host}{more}Authorization: Bearer {key}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            what.replace(":id", self.id()),
            body.len()
        ))
    }

    fn get(&self, what: &str) -> Value {
        let (status, body) = self.call("GET", what, None, "");
        assert_eq!(status, 200, "{what}: {body}");
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    }
}

fn shop(sandbox: &Sandbox) -> Caller {
    sandbox.script("shop.sh", "#!/bin/bash\necho ready\nwhile read -r x; do echo \"got $x\"; done\n");
    sandbox.wrap(["-d", "-n", "shop", "./shop.sh"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=ready"]).piped().expect_code(0);
    Caller::of(sandbox)
}

#[test]
fn every_route_answers_and_none_shows_the_key() {
    let sandbox = Sandbox::new();
    let caller = shop(&sandbox);
    assert_eq!(caller.get("/health"), json!({ "status": "ok" }));
    for what in ["/api/instances/current", "/api/instances/:id"] {
        let entry = caller.get(what);
        assert_eq!((&entry["projectName"], &entry["authKey"]), (&json!("shop"), &Value::Null), "{what}");
    }
    assert_eq!(caller.get("/api/instances").as_array().map(Vec::len), Some(1));
    assert_eq!(caller.get("/api/instances/:id/screen"), "ready\n");
    let html = caller.get("/api/instances/:id/screen?format=html");
    assert!(html.as_str().is_some_and(|html| html.starts_with("<pre class=\"screen\">ready\n")), "{html}");
    let (status, body) = caller.call("POST", "/api/instances/:id/start", None, "");
    assert_eq!(status, 409, "{body}");
    let (status, body) = caller.call("POST", "/api/instances/:id/terminate", None, "");
    assert_eq!((status, json!(true)), (200, serde_json::from_str::<Value>(&body).expect("json")["success"].clone()));
    sandbox.wait_no_entry();
}

#[test]
fn lines_are_had_from_an_offset_and_a_foreign_run_begins_at_the_beginning() {
    let sandbox = Sandbox::new();
    let caller = shop(&sandbox);
    let logs =
        |offset: u64, run: u64| caller.get(&format!("/api/instances/:id/logs?log_offset={offset}&log_run_id={run}"));
    let first = logs(0, 0);
    assert_eq!(first, json!({ "logs": ["ready"], "log_total": 1, "log_run_id": 1 }));
    let (status, body) = caller.call("POST", "/api/instances/:id/input", Some(&json!({ "line": "x" })), "");
    assert_eq!((status, &*body), (200, "{\"arrived\":true}"));
    sandbox.wrap(["wait", "shop", "--for", "log=got x"]).piped().expect_code(0);
    assert_eq!(logs(1, 1)["logs"], json!(["x", "got x"]));
    assert_eq!(logs(3, 1)["logs"], json!([]));
    assert_eq!(logs(3, 9)["logs"], json!(["ready", "x", "got x"]));
    let (status, body) = caller.call("POST", "/api/instances/:id/logs/clear", None, "");
    assert_eq!(status, 200, "{body}");
    assert_eq!(logs(3, 1), json!({ "logs": [], "log_total": 0, "log_run_id": 2 }));
    let (status, body) = caller.call("POST", "/api/instances/:id/restart", None, "");
    assert_eq!(status, 200, "{body}");
    assert_eq!(logs(0, 0)["log_run_id"], 3);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn who_has_no_key_means_another_or_comes_from_a_page_is_refused() {
    let sandbox = Sandbox::new();
    let caller = shop(&sandbox);
    let (status, _) = caller.raw("GET /api/instances/current HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(status, 401);
    let (status, _) = caller.call("GET", "/api/instances/another", None, "");
    assert_eq!(status, 404);
    for page in ["Host: evil.example\r\n", "Host: localhost\r\nOrigin: http://localhost:3000\r\n"] {
        for what in ["/health", "/api/instances/current"] {
            let (status, _) = caller.call("GET", what, None, page);
            assert_eq!(status, 403, "{what} {page}");
        }
    }
    for (body, expected) in [
        (json!({}), 400),
        (json!({ "line": "a", "data": "b" }), 400),
        (json!({ "key": "hyper" }), 400),
        (json!({ "line": 7 }), 400),
    ] {
        let (status, answer) = caller.call("POST", "/api/instances/:id/input", Some(&body), "");
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let odd = json!({ "env": { "A": "a\0b" } });
    let (status, body) = caller.call("POST", "/api/instances/:id/restart", Some(&odd), "");
    assert!(status == 400 && body.contains("precondition_failed"), "{status} {body}");
    let (status, _) = caller.call("GET", "/api/instances/:id/attach", None, "");
    assert_eq!(status, 426);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

/// Where the path of a socket would be too long, everything goes over loopback TCP.
#[test]
fn over_tcp_it_is_the_same() {
    let mut sandbox = Sandbox::new();
    let deep: PathBuf = sandbox.root().join("deep/".repeat(20));
    fs::create_dir_all(&deep).expect("made");
    sandbox.set_wrap_dir(deep.join("run"));
    let caller = shop(&sandbox);
    assert!(caller.entry["localUrl"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")));
    assert_eq!(caller.get("/health"), json!({ "status": "ok" }));
    sandbox.wait_one("healthy");
    let visitor = sandbox.wrap(["attach", "shop"]).terminal();
    visitor.wait_for("ready");
    visitor.line("over tcp");
    visitor.wait_for("got over tcp");
    visitor.send(CTRL_BACKSLASH);
    visitor.send("d");
    assert_eq!(visitor.wait_end(), Ending::Code(0));
    sandbox.wrap(["send", "shop", "sent"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=got sent"]).piped().expect_code(0);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn a_killed_keeper_ends_who_follows_and_a_killed_launcher_nothing() {
    let sandbox = Sandbox::new();
    let launcher = sandbox.wrap(["-d", "--wait", "--port", "1", "-n", "shop", "sleep", "1000"]).start();
    let instance = sandbox.wait_started();
    signal(launcher.pid(), libc::SIGKILL);
    launcher.finish();
    assert!(crate::harness::is_running(instance.child()));
    let follower = sandbox.wrap(["logs", "shop", "-f"]).start();
    sandbox.wait_instances("it is listed", |list| list.first().map(|_| ()));
    signal(instance.pid, libc::SIGKILL);
    follower.finish().expect_code(0);
    // The kernel hangs up its terminal.
    wait_gone(instance.child());
    sandbox.wrap(["list"]).piped().expect_code(0);
    sandbox.wait_no_entry();
}
