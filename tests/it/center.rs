//! The control center's API and its stream, over real HTTP, with real instances.

use crate::harness::{Center, Event, Sandbox, signal, wait_gone};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const SHOP: &str = "#!/bin/bash\necho ready\nwhile read -r x; do echo \"got $x\"; done\n";

fn shop(sandbox: &Sandbox) {
    sandbox.script("shop.sh", SHOP);
    sandbox.wrap(["-d", "-n", "shop", "./shop.sh"]).piped().expect_code(0);
}

fn is(name: &str, id: &str) -> impl Fn(&Event) -> bool {
    move |event| event.name == name && event.data["instanceId"] == id
}

fn path(id: &str, what: &str) -> String {
    format!("/api/instances/{id}/{what}")
}

#[test]
fn an_instance_is_told_of_from_its_start_to_its_end_and_can_be_asked_everything() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    let events = center.events("/stream", None);
    shop(&sandbox);
    let started =
        events.wait("its start", |event| event.name == "instance-ping" && event.data["projectName"] == "shop");
    let id = started.data["instanceId"].as_str().expect("an id").to_owned();
    events.wait("that it is well", |event| event.data["instanceId"] == id && event.data["status"] == "healthy");

    let all = center.get("/api/instances");
    assert_eq!((all.as_array().map(Vec::len), &all[0]["instanceId"]), (Some(1), &json!(id)));
    for entry in [&all[0], &center.get(&path(&id, "")[..path(&id, "").len() - 1]), &started.data] {
        assert_eq!((&entry["projectName"], entry.get("authKey")), (&json!("shop"), None), "{entry}");
    }
    assert_eq!(
        center.get(&format!("/api/instances/{}", &id[id.len() - 6..]))["instanceId"],
        json!(id),
        "by its short id"
    );

    assert_eq!(center.post(&path(&id, "input"), &json!({ "line": "x" })), (200, json!({ "arrived": true })));
    let log = center.events(&path(&id, "logs/stream"), None);
    let lines = |event: &Event| event.data.as_array().cloned().unwrap_or_default();
    log.wait("the line", |event| lines(event).iter().any(|line| line["line"] == "got x" && line["stream"] == "out"));
    let news = center.get(&path(&id, "logs?log_offset=1&log_run_id=1"));
    assert_eq!(news, json!({ "logs": ["x", "got x"], "log_total": 3, "log_run_id": 1 }));
    assert_eq!(center.get(&path(&id, "screen")), json!("ready\nx\ngot x\n"));
    assert_eq!(center.post(&path(&id, "logs/clear"), &Value::Null).0, 200);
    assert_eq!(center.get(&path(&id, "logs"))["logs"], json!([]));

    assert_eq!(center.post(&path(&id, "start"), &Value::Null).0, 409);
    let (status, body) = center.post(&path(&id, "restart"), &Value::Null);
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    events.wait("the other run", |event| is("instance-update", &id)(event) && event.data["runId"] == 2);
    // Its shell has read the script by then; before, it would end without it.
    sandbox.wrap(["wait", "shop", "--for", "log=ready"]).piped().expect_code(0);
    fs::remove_file(sandbox.project().join("shop.sh")).expect("removed");
    let (status, body) = center.post(&path(&id, "restart"), &Value::Null);
    assert_eq!((status, &body["status"]), (400, &json!("precondition_failed")), "{body}");
    sandbox.script("shop.sh", SHOP);

    let (status, body) = center.post(&path(&id, "terminate"), &Value::Null);
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    let gone = events.wait("its end", is("instance-gone", &id));
    assert_eq!((&gone.data["status"], &gone.data["signal"]), (&json!("stopped"), &json!("SIGTERM")));
    log.wait_end();
    assert_eq!(center.get("/api/instances"), json!([]));
    assert_eq!(center.get("/api/instances?all=1")[0]["status"], "stopped");
    for id in [&id, &id[id.len() - 6..]] {
        assert_eq!(center.get(&format!("/api/instances/{id}"))["status"], "stopped");
    }
    for what in ["terminate", "restart", "input"] {
        let body = if what == "input" { json!({ "line": "x" }) } else { Value::Null };
        assert_eq!(center.post(&path(&id, what), &body).0, 404, "{what}");
    }
    let past = center.events(&path(&id, "logs/stream"), None);
    past.wait("what it said", |event| !lines(event).is_empty());
    past.wait_end();

    let (status, body) = center.post(&path(&id, "start"), &Value::Null);
    assert_eq!(status, 200, "{body}");
    let other = body["instanceId"].as_str().or(body["id"].as_str()).expect("an id").to_owned();
    events.wait("its start", |event| event.name == "instance-ping" && event.data["instanceId"] != id);
    assert_eq!(center.post("/api/instances/unknown/start", &Value::Null).0, 404);
    assert_ne!(other, id);
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

#[test]
fn a_reader_that_comes_back_resumes_and_one_with_a_strange_id_gets_all() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    let events = center.events("/stream", None);
    shop(&sandbox);
    let healthy = |event: &Event| event.data["status"] == "healthy";
    let last = events.wait("that it is well", healthy).id.expect("an id");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let gone = events.wait("its end", |event| event.name == "instance-gone");
    let again = center.events("/stream", Some(&last));
    again.wait("its end", |event| event.id == gone.id);
    let resumed: Vec<_> = again.all().into_iter().filter(|event| event.id.is_some()).map(|event| event.id).collect();
    assert!(!resumed.contains(&Some(last.clone())) && resumed.len() < events.all().len(), "{resumed:?}");
    for strange in ["7", "", "00000000-1"] {
        let all = center.events("/stream", Some(strange));
        all.wait("all that is kept", |event| event.id == gone.id);
        let ids = |all: Vec<Event>| -> Vec<_> { all.into_iter().filter_map(|event| event.id).collect() };
        assert_eq!(ids(all.all()), ids(events.all()), "{strange:?}");
    }
}

#[test]
fn a_ping_is_a_hint_and_nothing_of_it_is_believed() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    shop(&sandbox);
    let events = center.events("/stream", None);
    let id = sandbox.wait_started().instance_id;
    let lie = json!({ "instanceId": id, "projectName": "lie", "pid": 1 });
    // Without a token: a keeper has none.
    let (status, body) = center.call("POST", "/api/instances/ping", "Authorization: none\r\n", &lie.to_string());
    assert_eq!((status, &*body), (204, ""));
    let told = events.wait("the ping", is("instance-ping", &id));
    assert_eq!(told.data["projectName"], "shop");
    let made_up = json!({ "instanceId": "01990000-0000-7000-8000-000000abc123", "projectName": "lie" });
    assert_eq!(center.post("/api/instances/ping", &made_up).0, 204);
    for bad in ["{", "[]", "{}", "{\"instanceId\":7}", "{\"instanceId\":\"../../x\"}"] {
        assert_eq!(center.call("POST", "/api/instances/ping", "", bad).0, 400, "{bad}");
    }
    assert_eq!(center.get("/api/instances").as_array().map(Vec::len), Some(1));
    // A run pings by itself, wherever the center listens.
    let quick = sandbox.wrap(["-n", "quick", "cat"]).without_env("WRAP_CENTER").start();
    events.wait("the ping of a run", |event| event.name == "instance-ping" && event.data["projectName"] == "quick");
    quick.finish().expect_code(0);
    events.wait("its end", |event| event.name == "instance-gone" && event.data["exitCode"] == 0);
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

#[test]
fn what_was_left_behind_is_shown_and_can_be_stopped() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    // The PTY goes with its keeper; what ignores that lives on.
    sandbox.script("stays.sh", "#!/bin/bash\ntrap '' HUP\nwhile :; do sleep 1000; done\n");
    sandbox.wrap(["-d", "-n", "stays", "./stays.sh"]).piped().expect_code(0);
    let events = center.events("/stream", None);
    let instance = sandbox.wait_one("healthy");
    signal(instance.pid, libc::SIGSTOP);
    let id = instance.instance_id.clone();
    events.wait("that it hangs", |event| is("instance-update", &id)(event) && event.data["status"] == "unresponsive");
    signal(instance.pid, libc::SIGKILL);
    events.wait("that it is orphaned", |event| event.data["instanceId"] == id && event.data["status"] == "orphaned");
    assert_eq!(center.post(&path(&id, "input"), &json!({ "line": "x" })).0, 409);
    let (status, body) = center.post(&path(&id, "terminate"), &Value::Null);
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    wait_gone(instance.child());
    events.wait("its end", is("instance-gone", &id));
    sandbox.wait_no_entry();
}

#[test]
fn what_cannot_be_read_for_a_moment_is_not_gone() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    shop(&sandbox);
    let id = sandbox.wait_one("healthy").instance_id;
    let events = center.events("/stream", None);
    let mode = |mode| fs::set_permissions(sandbox.wrap_dir(), fs::Permissions::from_mode(mode)).expect("set");
    // Not safe to read any more, as others could have written there.
    mode(0o755);
    for _ in 0..3 {
        assert_eq!(center.post("/api/instances/ping", &json!({ "instanceId": id })).0, 204);
    }
    assert_eq!(center.get("/api/instances").as_array().map(Vec::len), Some(1));
    mode(0o700);
    assert_eq!(center.post("/api/instances/ping", &json!({ "instanceId": id })).0, 204);
    events.wait("the ping", is("instance-ping", &id));
    assert!(events.all().iter().all(|event| event.name != "instance-gone"), "{:#?}", events.all());
    sandbox.stop_all();
}

#[test]
fn a_dead_one_that_a_hook_keeps_is_shown_as_dead() {
    let sandbox = Sandbox::new();
    sandbox.hook("keep", "wrap.on('stale', function() return 'keep' end)");
    let center = Center::start(&sandbox);
    shop(&sandbox);
    let instance = sandbox.wait_one("healthy");
    let events = center.events("/stream", None);
    signal(instance.pid, libc::SIGKILL);
    wait_gone(instance.child());
    let id = instance.instance_id.clone();
    events.wait("that it is dead", |event| event.data["instanceId"] == id && event.data["status"] == "dead");
    assert_eq!(center.get("/api/instances")[0]["status"], "dead");
    fs::remove_file(sandbox.root().join("config/wrap/hooks/keep.lua")).expect("removed");
    sandbox.wrap(["clean"]).piped().expect_code(0);
    events.wait("its end", is("instance-gone", &id));
}

#[test]
fn what_is_started_has_the_limits_of_the_centers_caller_and_its_whole_log_can_be_had() {
    let sandbox = Sandbox::new();
    sandbox.sh("ulimit -Sn 500; wrap center -d --port 0").piped().expect_code(0);
    let center = Center::running(&sandbox);
    sandbox.script(
        "counts.sh",
        "#!/bin/bash\nulimit -Sn\nfor ((n = 0; n < 3000; n++)); do echo \"line $n\"; done\nread x\n",
    );
    sandbox.wrap(["-d", "-n", "counts", "./counts.sh"]).piped().expect_code(0);
    let id = sandbox.wait_started().instance_id;
    sandbox.stop_all();
    let (status, body) = center.post(&path(&id, "start"), &Value::Null);
    assert_eq!(status, 200, "{body}");
    sandbox.wrap(["wait", "counts", "--for", "log=line 2999"]).piped().expect_code(0);
    let (status, text) = center.call("GET", &path(&sandbox.wait_started().instance_id, "logs/text"), "", "");
    // Between the sizes of its chunks.
    assert_eq!((status, text.contains("\n500\nline 0\n"), text.matches("line ").count()), (200, true, 3000));
    sandbox.stop_all();
}

#[test]
fn the_document_has_every_route_and_every_route_is_there() {
    let sandbox = Sandbox::new();
    let center = Center::start(&sandbox);
    let document = center.get("/api/openapi.json");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{document}");
    let paths = document["paths"].as_object().expect("paths");
    let mut count = 0;
    for (path, methods) in paths {
        for (method, described) in methods.as_object().expect("methods") {
            count += 1;
            assert!(described["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
            if path.ends_with("stream") {
                continue;
            }
            let (status, body) = center.call(&method.to_uppercase(), &path.replace("{id}", "x"), "", "");
            assert!(
                !body.contains("no such path") && status != 405 && status != 401,
                "{method} {path}: {status} {body}"
            );
        }
    }
    assert_eq!(count, 17);
    // The only ones that are not registered together with their description.
    let source = include_str!("../../src/center/routes.rs");
    assert_eq!((source.matches(".route(").count(), source.matches(".routes(").count()), (1, count));
    for (schema, _) in document["components"]["schemas"].as_object().expect("schemas") {
        let text = document["components"]["schemas"][schema].to_string();
        assert!(!text.contains("authKey"), "{schema}");
    }
}
