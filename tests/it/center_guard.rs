//! Who gets nothing from the control center: foreign pages, foreign users, and those who never finish.

use crate::harness::{Center, DEADLINE, RECHECK, Sandbox, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn who_has_no_token_or_comes_from_elsewhere_is_refused() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    let status = |method: &str, path: &str, more: &str, body: &str| center.call(method, path, more, body).0;
    let own = format!("Origin: http://localhost:{}\r\n", center.port);
    assert_eq!(status("GET", "/api/instances", &own, ""), 200);
    for open in ["/health", "/", "/main.js", "/style.css"] {
        assert_eq!(status("GET", open, "Authorization: none\r\n", ""), 200, "{open}");
    }
    for private in
        ["/api/instances", "/api/instances?all=1", "/stream", "/api/openapi.json", "/api/instances/x/logs/stream"]
    {
        assert_eq!(status("GET", private, "Authorization: none\r\n", ""), 401, "{private}");
        let old = format!("Authorization: Bearer {}\r\n", "0".repeat(64));
        assert_eq!(status("GET", private, &old, ""), 401, "{private}");
    }
    assert_eq!(status("POST", "/api/session/link", "Authorization: none\r\n", ""), 401);
    // Rebinding: the name of the attacker's page, which now means this machine.
    for host in ["evil.example", "evil.example:8969", "localhost", "127.0.0.1:1", "[::1"] {
        assert_eq!(status("GET", "/", &format!("Host: {host}\r\n"), ""), 403, "{host}");
    }
    for origin in ["http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1"] {
        let more = format!("Origin: {origin}\r\n");
        for path in ["/health", "/stream", "/api/instances"] {
            assert_eq!(status("GET", path, &more, ""), 403, "{origin} {path}");
        }
        assert_eq!(status("POST", "/api/instances/ping", &more, "{}"), 403, "{origin}");
        assert_eq!(status("OPTIONS", "/api/instances", &more, ""), 403, "{origin}");
    }
    for form in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
        let more = format!("Content-Type: {form}\r\n");
        assert_eq!(status("POST", "/api/instances/ping", &more, "{\"instanceId\":\"x\"}"), 415, "{form}");
    }
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n";
    let evil = format!("Origin: http://evil.example\r\n{upgrade}");
    assert_eq!(status("GET", "/stream", &evil, ""), 403);
    assert_eq!(status("POST", "/api/instances/ping", "", &" ".repeat(10 * 1024 * 1024)), 413);
    let hops = |count: &str| status("GET", "/api/instances/x/logs", &format!("x-wrap-hops: {count}\r\n"), "");
    assert_eq!((hops("1"), status("TRACE", "/health", "", "")), (404, 405));
}

#[test]
fn every_answer_forbids_what_a_page_could_be_made_to_do() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    for path in ["/", "/main.js", "/health", "/nowhere", "/api/instances"] {
        let mut stream = center.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", center.port);
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let head = answer.split("\r\n\r\n").next().expect("a head").to_lowercase();
        for line in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "frame-ancestors 'none'",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(line), "{path}: {line}\n{head}");
        }
        assert!(!head.contains("unsafe") && !head.contains("set-cookie") && !head.contains("allow-origin"), "{head}");
        let is_page = matches!(path, "/" | "/main.js");
        assert!(
            head.contains(if is_page { "cache-control: no-cache" } else { "cache-control: no-store" }),
            "{path}: {head}"
        );
    }
}

#[test]
fn an_allowed_origin_may_ask_with_the_token_and_is_told_so() {
    let sandbox = Sandbox::new();
    let origins = ["--allowed-origin", "https://app.example", "--allowed-origin", "myapp.local"];
    sandbox.wrap(["center", "-d", "--port", "0"].into_iter().chain(origins)).piped().expect_code(0);
    let center = Center::running(&sandbox);
    let status =
        |origin: &str, more: &str| center.call("GET", "/api/instances", &format!("Origin: {origin}\r\n{more}"), "").0;
    for origin in ["https://app.example", "http://myapp.local:3000", "https://myapp.local"] {
        assert_eq!((status(origin, ""), status(origin, "Authorization: none\r\n")), (200, 401), "{origin}");
        assert_eq!(center.call("OPTIONS", "/api/instances", &format!("Origin: {origin}\r\n"), "").0, 204, "{origin}");
    }
    for origin in
        ["http://app.example", "https://app.example:8443", "http://myapp.local.evil.com", "http://evilmyapp.local"]
    {
        assert_eq!(status(origin, ""), 403, "{origin}");
    }
    let wrong = sandbox.wrap(["center", "--allowed-origin", "http://a/b"]).piped().expect_code(2);
    assert!(wrong.err().contains("neither an origin"), "{}", wrong.err());
}

#[test]
fn a_link_signs_in_once_and_the_token_of_an_old_center_is_worth_nothing() {
    let sandbox = Sandbox::new();
    // A port of its own, whoever else is on the usual one.
    let url = format!("http://localhost:{}", Server::unused_port());
    let printed = sandbox.wrap(["ui", "--print"]).env("WRAP_CENTER", url).piped().expect_code(0);
    let center = Center::running(&sandbox);
    let link = printed.out();
    let code = link.trim().split_once("#code=").expect("a code").1.to_owned();
    assert!(link.starts_with(&format!("http://127.0.0.1:{}/#", center.port)), "{link}");
    let redeem =
        || center.call("POST", "/api/session", "Authorization: none\r\n", &json!({ "code": code }).to_string());
    let (status, body) = redeem();
    assert_eq!((status, body.contains(&center.token)), (200, true), "{body}");
    assert_eq!(redeem().0, 401);
    let old = format!("Authorization: Bearer {}\r\n", center.token);
    drop(center);
    let center = Center::start(&sandbox);
    assert_eq!(center.call("GET", "/api/instances", &old, "").0, 401);
}

/// Every user of the machine can read the arguments of a program.
#[test]
fn a_browser_gets_the_code_in_a_file_that_goes_with_it() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    sandbox.script("browser", "#!/bin/sh\necho \"$1\" > opened\n");
    let browser = sandbox.project().join("browser");
    let opened = sandbox.wrap(["ui"]).env("BROWSER", &browser).piped().expect_code(0);
    assert!(opened.out().starts_with("opened http://127.0.0.1:") && !opened.out().contains("code"), "{}", opened.out());
    let address = std::fs::read_to_string(sandbox.project().join("opened")).expect("it was called");
    let file = Path::new(address.trim().strip_prefix("file://").expect("a file"));
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let page = std::fs::read_to_string(file).expect("a page");
    let code = page.split_once("#code=").expect("a code").1.split('"').next().expect("its end").to_owned();
    let redeemed = center.call("POST", "/api/session", "Authorization: none\r\n", &json!({ "code": code }).to_string());
    assert_eq!((redeemed.0, file.exists()), (200, false));
    // One that was never used goes with the center.
    sandbox.wrap(["ui"]).env("BROWSER", &browser).piped().expect_code(0);
    let address = std::fs::read_to_string(sandbox.project().join("opened")).expect("it was called");
    drop(center);
    assert!(!Path::new(address.trim().strip_prefix("file://").expect("a file")).exists());
    // Where there is nothing to open it with, the link is printed.
    let printed = sandbox
        .wrap(["ui"])
        .env("BROWSER", "/nowhere/browser")
        .env("WRAP_CENTER", format!("http://localhost:{}", Server::unused_port()))
        .piped()
        .expect_code(0);
    assert!(printed.out().contains("/#code="), "{}", printed.out());
    drop(Center::running(&sandbox));
}

/// Who never finishes a request, and who never reads, is closed; the others notice nothing.
#[test]
fn who_is_too_slow_is_closed() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    // A command line that makes each event large.
    let long = "x".repeat(90_000);
    sandbox.wrap(["-d", "-n", "long", "sh", "-c", "sleep 1000", &long]).piped().expect_code(0);
    let id = sandbox.wait_started().instance_id;
    // Whoever asked before has gone, as its connection was closed.
    let before = open_files(center.pid);
    let mut silent = center.connect();
    let mut half = center.connect();
    half.write_all(b"GET /health HTTP/1.1\r\nHost: ").expect("sent");
    let mut body = center.connect();
    let host = center.port;
    let head = format!(
        "POST /api/instances/ping HTTP/1.1\r\nHost: localhost:{host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    body.write_all(head.as_bytes()).expect("sent");
    let mut deaf = center.connect();
    let head =
        format!("GET /stream HTTP/1.1\r\nHost: localhost:{host}\r\nAuthorization: Bearer {}\r\n\r\n", center.token);
    deaf.write_all(head.as_bytes()).expect("sent");
    let events = center.events("/stream", None);
    for round in 1..=120 {
        assert_eq!(center.post("/api/instances/ping", &json!({ "instanceId": id })).0, 204);
        events.wait_count("instance-ping", round);
    }
    let begun = Instant::now();
    let mut seen = Vec::new();
    // What is left in the buffers comes; then it ends, by a close or a reset.
    for stream in [&mut silent, &mut half, &mut body] {
        stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a limit");
        let _ = stream.read_to_end(&mut seen);
    }
    assert!(String::from_utf8_lossy(&seen).contains("408"), "the body that did not come was told so");
    // Not read, or it would be no longer deaf: the center's own descriptors tell, of which there is no event. One is that
    // of `events`.
    while open_files(center.pid) > before + 1 {
        assert!(begun.elapsed() < DEADLINE, "a reader that took nothing is still served after {:?}", begun.elapsed());
        std::thread::sleep(RECHECK);
    }
    drop(deaf);
    assert_eq!(center.call("GET", "/health", "", "").0, 200);
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

#[test]
fn a_thousand_readers_get_every_event() {
    const READERS: usize = 1000;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(8192).min(8192);
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).expect("more descriptors");
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    sandbox.wrap(["-d", "-n", "one", "sleep", "1000"]).piped().expect_code(0);
    let id = sandbox.wait_one("healthy").instance_id;
    let head = format!(
        "GET /stream HTTP/1.1\r\nHost: localhost:{}\r\nAuthorization: Bearer {}\r\n\r\n",
        center.port, center.token
    );
    let mut readers: Vec<TcpStream> = (0..READERS).map(|_| center.connect()).collect();
    for reader in &mut readers {
        reader.write_all(head.as_bytes()).expect("sent");
    }
    // Each is there once it has had the first words of the stream.
    let mut texts: Vec<String> =
        readers.iter_mut().map(|reader| read_until(reader, String::new(), "retry: ")).collect();
    for _ in 0..3 {
        assert_eq!(center.post("/api/instances/ping", &json!({ "instanceId": id })).0, 204);
        for (reader, text) in readers.iter_mut().zip(&mut texts) {
            let all = read_until(reader, std::mem::take(text), "event: instance-ping");
            *text = all.split_once("event: instance-ping").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        }
    }
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

fn read_until(reader: &mut TcpStream, mut text: String, wanted: &str) -> String {
    let mut piece = [0; 8192];
    while !text.contains(wanted) {
        let count = reader.read(&mut piece).expect("it is served");
        assert!(count > 0, "it was closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    text
}
