//! `wrap show`: one instance with everything, and what it was configured by.

use crate::harness::{Instance, Sandbox, wait_gone};
use serde_json::{Value, json};
use std::fs;

fn details(sandbox: &Sandbox, target: &str) -> Value {
    let shown = sandbox.wrap(["show", target, "--json"]).piped().expect_code(0).out();
    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

fn text(sandbox: &Sandbox, target: &str) -> String {
    sandbox.wrap(["show", target]).piped().expect_code(0).out()
}

/// The value behind a key.
#[track_caller]
fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix("  "));
    line.unwrap_or_else(|| panic!("no `{key}` in\n{text}")).trim().to_owned()
}

fn dev_server(sandbox: &Sandbox) -> Instance {
    sandbox.wrap(["-d", "-n", "shop", "npm", "run", "dev"]).piped().expect_code(0);
    sandbox.wait_instances("a healthy server", |list| {
        list.iter().find(|one| one.status == "healthy" && one.port.is_some()).cloned()
    })
}

fn stop(sandbox: &Sandbox, instance: &Instance) {
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    wait_gone(instance.pid);
}

#[test]
fn everything_of_a_running_one_is_shown_and_its_key_is_not() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    sandbox.write("config/wrap/config.toml", "health_path = '/up'\n");
    let instance = dev_server(&sandbox);
    let port = instance.port.expect("a port");
    let text = text(&sandbox, &format!(":{port}"));
    let project = sandbox.project().canonicalize().expect("it").display().to_string();
    for (key, expected) in [
        ("name", "shop".to_owned()),
        ("id", format!("{} ({})", instance.short_id(), instance.instance_id)),
        ("status", "healthy".to_owned()),
        ("command", "npm run dev".to_owned()),
        ("directory", project.clone()),
        ("project", project.clone()),
        ("branch", "main".to_owned()),
        ("URL", instance.url.clone().expect("a URL")),
        ("ports", port.to_string()),
        ("pids", format!("keeper {}, command {}", instance.pid, instance.child())),
        ("health path", "/up".to_owned()),
        ("mode", "terminal".to_owned()),
        ("run", "1".to_owned()),
    ] {
        assert_eq!(value(&text, key), expected, "{text}");
    }
    assert!(!text.contains("changed") && !value(&text, "uptime").is_empty(), "{text}");
    let entry = fs::read_to_string(&sandbox.entries()[0]).expect("the entry");
    let entry: Value = serde_json::from_str(&entry).expect("JSON");
    assert!(!text.contains(entry["authKey"].as_str().expect("a key")));
    let json = details(&sandbox, "shop");
    assert_eq!((&json["projectRoot"], &json["ready"]), (&json!(project), &json!(true)));
    assert_eq!((&json["restartNeeded"], &json["changed"]), (&json!(false), &json!([])));
    assert_eq!((json.get("authKey"), json.get("exitCode")), (None, None));
    stop(&sandbox, &instance);
}

#[test]
fn what_has_changed_since_the_start_needs_a_restart() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    sandbox.write("config/wrap/config.toml", "env_files = ['.env.local']\n");
    let instance = dev_server(&sandbox);
    let package = sandbox.project().join("package.json");
    let before = fs::read_to_string(&package).expect("the manifest");
    let status = || {
        let list = sandbox.wrap(["list"]).piped().expect_code(0).out();
        (list.contains("healthy, restart needed"), details(&sandbox, "shop")["changed"].clone())
    };
    // What another script runs is nothing to this one.
    sandbox.write("project/package.json", before.replace("tested", "checked"));
    assert_eq!(status(), (false, json!([])));
    sandbox.write("project/package.json", before.replace("\"dev\": \"node", "\"dev\": \"exec node"));
    let root = sandbox.project().canonicalize().expect("it").display().to_string();
    assert_eq!(status(), (true, json!([format!("{root}/package.json#dev")])));
    assert_eq!(value(&text(&sandbox, "shop"), "changed"), "package.json#dev");
    sandbox.write("project/package.json", &before);
    assert_eq!(status(), (false, json!([])));
    sandbox.write("project/.env.local", "A=1\n");
    sandbox.write("project/wrap.toml", "port = 4000\n");
    let both = json!([format!("{root}/wrap.toml"), format!("{root}/.env.local")]);
    assert_eq!(status(), (true, both));
    let listed = sandbox.wrap(["list", "--json"]).piped().expect_code(0).out();
    assert!(listed.contains("\"restartNeeded\": true"), "{listed}");
    stop(&sandbox, &instance);
}

#[test]
fn an_ended_one_is_shown_by_its_name_and_id_and_a_live_one_comes_first() {
    let sandbox = Sandbox::new();
    for code in [3, 4] {
        sandbox.wrap(["-n", "shop", "sh", "-c", &format!("exit {code}")]).piped().expect_code(code);
    }
    let stopped = sandbox.stopped();
    assert_eq!(details(&sandbox, "shop")["exitCode"], 4, "the newest");
    let older = stopped[1]["instanceId"].as_str().expect("an id");
    for target in [older, &older[older.len() - 6..]] {
        let text = text(&sandbox, target);
        assert_eq!(value(&text, "status").split(" after").next(), Some("stopped, exit 3"), "{text}");
        assert!(value(&text, "exit").starts_with("exited with 3 after "), "{text}");
        assert!(!text.contains("pids") && !value(&text, "ended").is_empty(), "{text}");
    }
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    assert_eq!(details(&sandbox, "shop")["instanceId"], instance.instance_id.as_str());
    stop(&sandbox, &instance);
}

#[test]
fn nobody_is_3_and_no_target_is_2() {
    let sandbox = Sandbox::new();
    let finished = sandbox.wrap(["show", "nobody"]).piped().expect_code(3);
    assert!(finished.err().starts_with("wrap: ") && finished.err().contains("`nobody`"), "{}", finished.err());
    sandbox.wrap(["show"]).piped().expect_code(2);
}
