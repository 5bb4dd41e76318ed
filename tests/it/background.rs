//! Runs that are left to themselves: `-d`, `--wait`, `--ensure`, `start`, and what was adopted.

use crate::harness::{Sandbox, Server, is_running, signal, wait_gone};
use serde_json::Value;
use std::process::{Child, Command};
use std::thread;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn it_waits_until_it_is_ready_and_says_where() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    let said = sandbox.wrap(["-d", "--wait", "-n", "shop", "npm", "run", "dev"]).piped().expect_code(0).out();
    let instance = sandbox.wait_started();
    let port = instance.port.expect("a port");
    assert_eq!(said, format!("shop {} :{port} http://localhost:{port}/\n", instance.short_id()));
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let said = json(&sandbox.wrap(["-d", "--wait=20", "--json", "npm", "run", "dev"]).piped().expect_code(0).out());
    let instance = sandbox.wait_started();
    assert_eq!((said["instanceId"].as_str(), said["ready"].as_bool()), (Some(&*instance.instance_id), Some(true)));
    assert_eq!(
        (said["port"].as_u64(), said["childPid"].as_u64()),
        (instance.port.map(u64::from), Some(instance.child().into()))
    );
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

#[test]
fn a_text_or_a_health_path_that_is_configured_tells_readiness() {
    let sandbox = Sandbox::new();
    sandbox.write("project/wrap.toml", "ready_pattern = 'all set'\n");
    sandbox.script("slow", "#!/bin/bash\necho starting\nread x\necho all set\nread x\n");
    let waiting = sandbox.wrap(["-d", "--wait", "-n", "shop", "./slow"]).start();
    sandbox.wait_started();
    sandbox.wrap(["send", "shop", "go"]).piped().expect_code(0);
    waiting.finish().expect_code(0);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);

    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "health_path = '/up'\n");
    sandbox.write(
        "project/app.js",
        "let up = false; process.stdin.on('data', () => { up = true; });\n\
         require('http').createServer((q, r) => { r.statusCode = q.url === '/up' && up ? 200 : 503; r.end(); }).listen(0, '127.0.0.1');\n",
    );
    let waiting = sandbox.wrap(["-d", "--wait", "-n", "shop", "node", "app.js"]).start();
    sandbox.wait_instances("a port", |list| list.first().and_then(|one| one.port));
    sandbox.wrap(["send", "shop", "go"]).piped().expect_code(0);
    waiting.finish().expect_code(0);
    sandbox.wait_one("healthy");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn what_is_not_ready_in_time_runs_on_and_what_dies_at_once_says_its_last_words() {
    let sandbox = Sandbox::new();
    let sleep = ["-n", "shop", "sleep", "1000"];
    let late = sandbox.wrap(["-d", "--wait=0.3", "--port", "1"].iter().chain(&sleep)).piped().expect_code(4);
    assert!(late.err().contains("not ready yet, and runs on"), "{}", late.err());
    assert!(is_running(sandbox.wait_started().child()));
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let late = sandbox.wrap(["-d", "--wait=0.3"].iter().chain(&sleep)).piped().expect_code(0);
    assert!(late.err().contains("opened no port so far, and runs"), "{}", late.err());
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let slip = sandbox.wrap(["-d", "--wait", "3", "sleep", "1000"]).piped().expect_code(127);
    assert!(slip.err().contains("did you mean `--wait=3`?"), "{}", slip.err());
    let json = json(&sandbox.wrap(["-d", "--json", "sh", "-c", "echo bye; exit 3"]).piped().expect_code(3).out());
    assert_eq!((&json["exitCode"], &json["lastLines"][0]), (&3.into(), &"bye".into()));

    let dies = sandbox.wrap(["-d", "sh", "-c", "echo one; echo two >&2; exit 7"]).piped().expect_code(7);
    assert_eq!(dies.err(), "wrap: `sh` exited with 7; it said:\n  one\n  two\n");
    assert_eq!(dies.out(), "");
    let dies = sandbox.wrap(["-d", "--wait", "sh", "-c", "echo $$; sleep 0.4; kill -9 $$"]).piped();
    assert!(dies.err().contains("`sh` was ended by SIGKILL; it said:"), "{}", dies.err());
    let missing = sandbox.wrap(["-d", "no-such-command"]).piped().expect_code(127);
    assert!(missing.err().contains("command not found"), "{}", missing.err());
}

#[test]
fn its_terminal_has_the_size_that_was_asked_for() {
    let sandbox = Sandbox::new();
    for (size, expected) in [(None, "24 80"), (Some("40x132"), "40 132")] {
        let mut words = vec!["-d", "-n", "shop"];
        words.extend(size.map(|_| "--size"));
        words.extend(size);
        words.extend(["sh", "-c", "stty size; read x"]);
        sandbox.wrap(words).piped().expect_code(0);
        sandbox.wrap(["wait", "shop", "--for", &format!("log=^{expected}$")]).piped().expect_code(0);
        sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    }
    sandbox.wrap(["-d", "--size", "0x80", "true"]).piped().expect_code(2);
    sandbox.wrap(["--wait", "true"]).piped().expect_code(2);
}

#[test]
fn ensured_twice_it_runs_once_also_when_many_ensure_it_at_a_time() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    let ensure = || sandbox.wrap(["--ensure", "npm", "run", "dev"]).piped().expect_code(0).out();
    let said: Vec<String> = thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(ensure)).collect();
        all.into_iter().map(|one| one.join().expect("ensured")).collect()
    });
    assert!(said.iter().all(|line| *line == said[0]), "{said:?}");
    let instance = sandbox.wait_started();
    assert!(said[0].contains(instance.short_id()), "{said:?}");
    // Another command of the same project is another one, and nothing tells when that is ready.
    sandbox.wrap(["--ensure", "--wait=0.3", "sleep", "1000"]).piped().expect_code(0);
    assert_eq!(sandbox.instances().len(), 2);
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

#[test]
fn one_that_lost_its_keeper_is_replaced_and_one_that_hangs_is_named() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    // Without a terminal the command outlives its keeper.
    let mut piped = sandbox.wrap(["node", "server.js"]).start();
    piped.wait_for("Local");
    let first = sandbox.wait_one("healthy");
    signal(piped.pid(), libc::SIGKILL);
    signal(first.pid, libc::SIGKILL);
    piped.close_stdin();
    sandbox.wait_one("orphaned");
    sandbox.wrap(["--ensure", "node", "server.js"]).piped().expect_code(0);
    wait_gone(first.child());
    let second = sandbox.wait_one("healthy");
    assert_ne!(first.instance_id, second.instance_id);
    signal(second.child(), libc::SIGSTOP);
    let hangs = sandbox.wrap(["--ensure", "node", "server.js"]).piped().expect_code(1);
    assert!(hangs.err().contains("does not answer; `wrap restart"), "{}", hangs.err());
    signal(second.child(), libc::SIGCONT);
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
    drop(piped.finish());
}

#[test]
fn an_ended_one_is_started_again_as_it_was_and_a_running_one_is_not() {
    let sandbox = Sandbox::new();
    sandbox.script("where", "#!/bin/bash\necho \"in $(basename $PWD) with $*\"\nread x\n");
    let port = Server::unused_port().to_string();
    sandbox.wrap(["-d", "-n", "shop", "--port", &port, "./where", "two words"]).piped().expect_code(0);
    let running = sandbox.wrap(["start", "shop"]).piped().expect_code(1);
    assert!(running.err().contains("still runs"), "{}", running.err());
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    sandbox.wrap(["start", "shop"]).cwd("/").piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=in project with two words"]).piped().expect_code(0);
    let shown = json(&sandbox.wrap(["show", "shop", "--json"]).piped().expect_code(0).out());
    assert_eq!(shown["askedPort"].to_string(), port);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let id = sandbox.stopped()[0]["instanceId"].as_str().expect("an id").to_owned();
    sandbox.wrap(["start", &id]).piped().expect_code(0);
    let twice = sandbox.wrap(["start", &id]).piped().expect_code(1);
    assert!(twice.err().contains("has been started again already"), "{}", twice.err());
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let ended = sandbox.wrap(["attach", "shop"]).piped().expect_code(3);
    assert!(ended.err().contains("is not running") && ended.err().contains("`wrap start"), "{}", ended.err());
    sandbox.wrap(["start", "nobody"]).piped().expect_code(3);
}

/// What a dying command says is for reading: it neither switches the user's terminal nor names its window.
#[test]
fn last_words_are_shown_and_not_executed() {
    let sandbox = Sandbox::new();
    let script = "printf '\\033[?1049h\\033]0;title\\007\\033[31mred\\033[0m 50%%\\r100%%\\n'; exit 3";
    let terminal = sandbox.wrap(["-d", "sh", "-c", script]).terminal();
    terminal.wait_end();
    assert!(terminal.raw_contains("100%") && !terminal.raw_contains("1049h") && !terminal.raw_contains("title"));
    let piped = sandbox.wrap(["-d", "sh", "-c", script]).piped().expect_code(3);
    assert!(!piped.err().contains('\u{1b}'), "{:?}", piped.err());
}

/// A process that wrap did not start, ended with the test.
struct Foreign(Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn foreign(sandbox: &Sandbox) -> Foreign {
    sandbox.fixture("node-app");
    let mut command = Command::new("node");
    command.arg("server.js").env_clear().envs(sandbox.environment()).current_dir(sandbox.project());
    Foreign(command.stdout(std::process::Stdio::null()).spawn().expect("started"))
}

#[test]
fn an_adopted_process_is_listed_with_its_health_and_stopped_and_has_no_terminal_of_ours() {
    let sandbox = Sandbox::new();
    let foreign = foreign(&sandbox);
    let pid = foreign.0.id();
    let said = sandbox.wrap(["adopt", &pid.to_string(), "--name", "theirs"]).piped().expect_code(0).out();
    assert!(said.starts_with("theirs "), "{said}");
    let port = sandbox.wait_instances("its port", |list| list.first().and_then(|one| one.port));
    let instance = sandbox.wait_one("healthy");
    assert_eq!((instance.child(), &*instance.mode), (pid, "adopted"));
    for target in [pid.to_string(), format!(":{port}")] {
        let known = sandbox.wrap(["adopt", &target]).piped().expect_code(1);
        assert!(known.err().contains("is known already, as `theirs`"), "{}", known.err());
    }
    for words in [&["send", "theirs", "x"][..], &["logs", "theirs"], &["screen", "theirs"], &["restart", "theirs"]] {
        let refused = sandbox.wrap(words).piped().expect_code(1);
        assert!(refused.err().contains("did not start it"), "{words:?}: {}", refused.err());
    }
    signal(pid, libc::SIGSTOP);
    sandbox.wait_one("unresponsive");
    signal(pid, libc::SIGCONT);
    sandbox.wrap(["stop", "theirs"]).piped().expect_code(0);
    sandbox.wait_no_entry();
    assert_eq!(sandbox.stopped()[0]["projectName"], "theirs");
}

#[test]
fn an_adopted_process_that_ends_or_whose_keeper_ends_is_let_go() {
    let sandbox = Sandbox::new();
    let mut foreign = foreign(&sandbox);
    let pid = foreign.0.id().to_string();
    sandbox.wrap(["adopt", &pid]).piped().expect_code(0);
    let keeper = sandbox.wait_started().pid;
    signal(keeper, libc::SIGTERM);
    wait_gone(keeper);
    sandbox.wait_no_entry();
    assert!(is_running(foreign.0.id()), "it is not its keeper's to end");
    sandbox.wrap(["adopt", &pid]).piped().expect_code(0);
    foreign.0.kill().and_then(|()| foreign.0.wait()).expect("ended");
    sandbox.wait_no_entry();
    sandbox.wrap(["adopt", &pid]).piped().expect_code(3);
    let own = sandbox.wrap(["adopt", "1"]).piped().expect_code(1);
    assert!(own.err().contains("process `1`"), "{}", own.err());
    let none = sandbox.wrap(["adopt", &format!(":{}", Server::unused_port())]).piped().expect_code(3);
    assert!(none.err().contains("nothing listens"), "{}", none.err());
}

#[test]
fn with_nobody_attached_the_exit_is_in_the_history_and_the_hook_ran() {
    let sandbox = Sandbox::new();
    sandbox.hook("exit", "wrap.on('exit', function(i) wrap.log('exit ' .. tostring(i.exitCode)) end)");
    sandbox.write("config/wrap/config.toml", "on_hangup = 'keep'\n");
    sandbox.script("reads", "#!/bin/bash\necho ready\nread x\nexit 5\n");
    let mut terminal = sandbox.wrap(["-n", "shop", "./reads"]).terminal();
    terminal.wait_for("ready\r\n");
    let instance = sandbox.wait_started();
    terminal.hang_up();
    terminal.wait_end();
    assert!(is_running(instance.child()), "a closed terminal ends nothing here");
    sandbox.wrap(["send", "shop", "go"]).piped().expect_code(0);
    let how = sandbox.wrap(["wait", &instance.instance_id, "--for", "exit"]).piped().expect_code(0).out();
    assert!(how.contains("exited with 5"), "{how}");
    assert_eq!(sandbox.stopped()[0]["exitCode"], 5);
    wait_gone(instance.pid);
}
