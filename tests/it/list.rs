//! `wrap list`: its formats, its order, and the health that it tells.

use crate::harness::{CTRL_C, Instance, Sandbox, signal, wait_gone};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// Starts a server in the background and waits until it is healthy; its name, and the instance.
fn detached_server(sandbox: &Sandbox, name: &str) -> Instance {
    sandbox.fixture("node-app");
    sandbox.wrap(["-d", "-n", name, "node", "server.js"]).piped().expect_code(0);
    sandbox.wait_instances(&format!("`{name}`, healthy with its port"), |list| {
        list.iter().find(|one| one.project_name == name && one.status == "healthy" && one.port.is_some()).cloned()
    })
}

fn stop_all(sandbox: &Sandbox) {
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
    sandbox.wait_no_entry();
}

fn listed(sandbox: &Sandbox, format: &str) -> String {
    sandbox.wrap(["list", "-f", format]).piped().expect_code(0).out()
}

/// The entry's file says more than a listing may.
fn auth_key(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(&sandbox.entries()[0]).expect("the entry");
    let entry: Value = serde_json::from_str(&text).expect("JSON");
    entry["authKey"].as_str().expect("a key").to_owned()
}

#[test]
fn nothing_runs_and_that_is_what_is_said() {
    let sandbox = Sandbox::new();
    assert_eq!(listed(&sandbox, "json").trim(), "[]");
    assert_eq!(sandbox.wrap(["list", "--json"]).piped().expect_code(0).out().trim(), "[]");
    assert_eq!(listed(&sandbox, "logfmt"), "");
    assert!(!listed(&sandbox, "human").contains('@'));
    sandbox.wrap(["list", "-f", "yaml"]).piped().expect_code(2);
}

#[test]
fn json_has_the_entry_with_status_and_uptime_and_without_the_key() {
    let sandbox = Sandbox::new();
    let instance = detached_server(&sandbox, "shop");
    let text = listed(&sandbox, "json");
    assert!(!text.contains("authKey") && !text.contains(&auth_key(&sandbox)), "{text}");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let one = &list[0];
    assert_eq!(one["status"], "healthy");
    assert_eq!(one["projectName"], "shop");
    assert_eq!(one["detectedType"], "package.json");
    assert_eq!(one["command"], "node server.js");
    assert_eq!(one["cmdArgs"], serde_json::json!(["node", "server.js"]));
    assert_eq!(one["port"], instance.port.expect("a port"));
    let uptime = one["uptime"].as_u64().expect("a number");
    assert!((1..600_000).contains(&uptime), "{uptime}");
    let started = one["startTime"].as_str().expect("a time");
    assert!(started.len() >= "2026-01-01T00:00:00.000Z".len() && started.contains('T'), "{started}");
    for field in ["instanceId", "pid", "pidStartTime", "childPid", "childPidStartTime", "cwd", "mode"] {
        assert!(!one[field].is_null(), "`{field}` is missing: {text}");
    }
    assert_eq!(one["cwd"], sandbox.project().canonicalize().expect("it").to_string_lossy().as_ref());
    stop_all(&sandbox);
    assert_eq!(listed(&sandbox, "json").trim(), "[]");
}

#[test]
fn human_has_a_line_an_instance() {
    let sandbox = Sandbox::new();
    let instance = detached_server(&sandbox, "shop");
    let port = instance.port.expect("a port");
    let url = instance.url.clone().expect("a URL");
    let text = listed(&sandbox, "human");
    let line = text.lines().find(|line| line.contains("shop")).unwrap_or_else(|| panic!("{text}"));
    for part in [format!("shop@{port}"), "node server.js".to_owned(), url] {
        assert!(line.contains(&part), "`{part}` is missing in {line}");
    }
    assert!(!text.contains('\x1b'), "no colours in a pipe: {text}");
    let terminal = sandbox.wrap(["list"]).terminal();
    terminal.wait_end();
    assert!(terminal.output().contains(&0x1b), "colours on a terminal: {}", terminal.screen());
    let terminal = sandbox.wrap(["list"]).env("NO_COLOR", "1").terminal();
    terminal.wait_end();
    let shown = String::from_utf8_lossy(&terminal.output()).into_owned();
    assert!(!shown.contains("\x1b[3") && shown.contains("shop@"), "{shown:?}");
    stop_all(&sandbox);
}

#[test]
fn logfmt_quotes_what_has_spaces() {
    let sandbox = Sandbox::new();
    detached_server(&sandbox, "two words");
    let text = listed(&sandbox, "logfmt");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("=\"two words\"") && text.contains("=\"node server.js\""), "{text}");
    assert!(text.contains("status=healthy") && !text.contains("authKey"), "{text}");
    stop_all(&sandbox);
}

#[test]
fn markdown_has_seven_columns() {
    let sandbox = Sandbox::new();
    let instance = detached_server(&sandbox, "a|b");
    let text = listed(&sandbox, "md");
    let mut lines = text.lines();
    let cells = |line: &str| -> Vec<String> {
        line.trim()
            .trim_matches('|')
            .replace("\\|", "\u{1}")
            .split('|')
            .map(|cell| cell.trim().replace('\u{1}', "|"))
            .collect()
    };
    let head = cells(lines.next().expect("a head"));
    assert_eq!(head, ["Project", "Port", "Command", "Started", "PID", "URL", "Status"]);
    assert!(lines.next().expect("a rule").contains("---"));
    let row = cells(lines.next().expect("a row"));
    assert_eq!(row.len(), 7, "{text}");
    assert_eq!(row[0], "a|b");
    assert_eq!(row[1], instance.port.expect("a port").to_string());
    assert_eq!(row[6], "healthy");
    stop_all(&sandbox);
}

#[test]
fn the_newest_comes_first() {
    let sandbox = Sandbox::new();
    for name in ["first", "second", "third"] {
        detached_server(&sandbox, name);
    }
    let names: Vec<String> = sandbox.instances().into_iter().map(|one| one.project_name).collect();
    assert_eq!(names, ["third", "second", "first"]);
    stop_all(&sandbox);
}

#[test]
fn a_keeper_that_hangs_is_unresponsive_and_shown_with_all() {
    let sandbox = Sandbox::new();
    let instance = detached_server(&sandbox, "shop");
    signal(instance.pid, libc::SIGSTOP);
    assert_eq!(sandbox.wait_one("unresponsive").instance_id, instance.instance_id);
    assert_eq!(listed(&sandbox, "json").trim(), "[]");
    let terminal = sandbox.wrap(["list"]).terminal();
    terminal.wait_for("--all");
    terminal.wait_end();
    signal(instance.pid, libc::SIGCONT);
    sandbox.wait_one("healthy");
    stop_all(&sandbox);
}

#[test]
fn a_server_that_hangs_is_unresponsive_although_the_kernel_accepts() {
    let sandbox = Sandbox::new();
    let instance = detached_server(&sandbox, "shop");
    signal(instance.child(), libc::SIGSTOP);
    assert_eq!(sandbox.wait_one("unresponsive").instance_id, instance.instance_id);
    signal(instance.child(), libc::SIGCONT);
    sandbox.wait_one("healthy");
    stop_all(&sandbox);
}

#[test]
fn a_command_without_a_port_is_healthy_after_a_moment() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["sh", "-c", "echo up; exec sleep 1000"]).terminal();
    terminal.wait_for("up");
    let instance = sandbox.wait_one("healthy");
    assert_eq!((instance.port, instance.url), (None, None));
    terminal.send(CTRL_C);
    terminal.wait_end();
}

/// A hundred keepers that take a connection and never answer: copies of a real entry whose sockets are ours.
#[test]
fn a_hundred_hung_instances_are_listed_within_the_limit() {
    const LIMIT: Duration = Duration::from_millis(1200);
    let sandbox = Sandbox::new();
    let instance = detached_server(&sandbox, "shop");
    let model: Value =
        serde_json::from_str(&fs::read_to_string(&sandbox.entries()[0]).expect("the entry")).expect("JSON");
    let hung_app = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let mut sockets = Vec::new();
    let mut copies = Vec::new();
    for number in 0..100 {
        let path = sandbox.root().join(format!("hung-{number}"));
        sockets.push(UnixListener::bind(&path).expect("a socket"));
        let id = format!("{}{number:06x}", &instance.instance_id[..30]);
        let mut entry = model.clone();
        entry["instanceId"] = id.clone().into();
        entry["localUrl"] = format!("unix:{}", path.display()).into();
        entry["port"] = hung_app.local_addr().expect("its address").port().into();
        let file = sandbox.write(&format!("run/instances/instance_{id}.json"), entry.to_string());
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its permissions");
        copies.push(file);
    }
    let mut least = Duration::MAX;
    // The least of several: the machine may have something else to do, wrap may not.
    for _ in 0..5 {
        let start = Instant::now();
        let list = sandbox.instances();
        least = least.min(start.elapsed());
        assert_eq!(list.len(), 101);
        assert_eq!(list.iter().filter(|one| one.status == "unresponsive").count(), 100);
    }
    assert!(least < LIMIT, "{least:?}");
    for copy in copies {
        fs::remove_file(copy).expect("it is ours");
    }
    stop_all(&sandbox);
    wait_gone(instance.child());
}

#[test]
fn a_list_is_filtered_sorted_and_has_the_columns_that_are_asked_for() {
    let sandbox = Sandbox::new();
    for name in ["beta", "alpha", "gamma"] {
        sandbox.wrap(["-d", "-n", name, "sleep", "1000"]).piped().expect_code(0);
    }
    let list = |words: &[&str]| {
        let finished = sandbox.wrap(["list"].iter().chain(words)).piped().expect_code(0);
        assert_eq!(finished.err(), "");
        finished.out()
    };
    assert_eq!(list(&["-o", "name"]), "gamma\nalpha\nbeta\n");
    assert_eq!(
        list(&["-o", "name,command", "--sort", "name"]),
        "alpha\tsleep 1000\nbeta\tsleep 1000\ngamma\tsleep 1000\n"
    );
    assert_eq!(list(&["-o", "name", "--sort", "name", "--reverse", "--filter", "name~a"]), "gamma\nbeta\nalpha\n");
    assert_eq!(
        list(&["-o", "name", "--filter", "name~A", "--filter", "command=sleep 1000", "--filter", "name=beta"]),
        "beta\n"
    );
    let ids = list(&["-q"]);
    assert!(ids.lines().count() == 3 && ids.lines().all(|id| id.len() == 6), "{ids}");
    // What is quiet is for other verbs.
    let one = list(&["-q", "--filter", "name=alpha"]);
    sandbox.wrap(["stop", one.trim()]).piped().expect_code(0);
    assert_eq!(list(&["-o", "name", "--filter", "status=stopped"]), "alpha\n", "a filter by status looks at all");
    assert_eq!(list(&["-q", "--filter", "name=alpha"]), "");
    let json: Value = serde_json::from_str(&list(&["--json", "--filter", "name=beta"])).expect("JSON");
    assert_eq!((json.as_array().map(Vec::len), &json[0]["projectName"]), (Some(1), &"beta".into()));
    let terminal = sandbox.wrap(["list", "-o", "name,uptime"]).terminal();
    terminal.wait_for("NAME   UPTIME");
    terminal.wait_end();
    let slip = sandbox.wrap(["list", "-o", "naem"]).piped().expect_code(2);
    assert!(slip.err().contains("did you mean `name`"), "{}", slip.err());
    sandbox.wrap(["list", "--filter", "name"]).piped().expect_code(2);
    sandbox.wrap(["list", "-q", "--json"]).piped().expect_code(2);
    stop_all(&sandbox);
}
