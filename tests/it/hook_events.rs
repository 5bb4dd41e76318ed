//! Each event of a hook: once, in order, however the streams are held and whoever is killed.

use crate::harness::{CTRL_C, Ending, Sandbox, signal, wait_gone};
use std::time::{Duration, Instant};

/// Writes each event down, with what tells one from another.
const RECORD: &str = "
for _, event in {'start', 'ready', 'unhealthy', 'healthy', 'restart', 'exit', 'stale'} do
    wrap.on(event, function(i) wrap.fs.append('events', `{event} {i.runId}\\n`) end)
end
wrap.on('line', {pattern = '^told \\\\d'}, function(i, line) wrap.fs.append('events', `line {line}\\n`) end)
";

fn events(sandbox: &Sandbox) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.project().join("events")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Until this event was written down.
#[track_caller]
fn wait_event(sandbox: &Sandbox, wanted: &str) {
    sandbox.wait_files(&format!("the event `{wanted}`"), || {
        events(sandbox).iter().any(|event| event == wanted).then_some(())
    });
}

/// A server that says three lines, on a port that the kernel chose.
const SERVER: &str = "const s = require('http').createServer((q, r) => r.end()); console.log('told 1\\nuntold\\ntold 2'); \
                      s.listen(0, '127.0.0.1', () => console.log(`http://localhost:${s.address().port}`));";

fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.hook("record", RECORD);
    sandbox.write("project/server.js", SERVER);
    sandbox
}

#[test]
fn each_event_comes_once_and_in_order_in_a_terminal_with_a_restart() {
    let sandbox = recorded();
    let terminal = sandbox.wrap(["-n", "shop", "node", "server.js"]).terminal();
    wait_event(&sandbox, "ready 1");
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    wait_event(&sandbox, "ready 2");
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
    let (mut first, mut rest) = (events(&sandbox), Vec::new());
    // Lines are told beside the other events, and in order among themselves.
    first.retain(|event| {
        if event.starts_with("line") {
            rest.push(event.clone());
            false
        } else {
            true
        }
    });
    assert_eq!(first, ["start 1", "ready 1", "restart 2", "ready 2", "exit 2"]);
    assert_eq!(rest, ["line told 1", "line told 2", "line told 1", "line told 2"]);
}

#[test]
fn each_event_comes_once_and_in_order_in_a_pipe_and_in_the_background() {
    let sandbox = recorded();
    let piped = sandbox.wrap(["node", "server.js"]).start();
    wait_event(&sandbox, "ready 1");
    signal(piped.pid(), libc::SIGTERM);
    piped.finish();
    let told = ["start 1", "line told 1", "line told 2", "ready 1", "exit 1"];
    let sorted = |events: Vec<String>| {
        let mut events = events;
        events.sort();
        events
    };
    assert_eq!(sorted(events(&sandbox)), sorted(told.map(String::from).to_vec()));
    std::fs::remove_file(sandbox.project().join("events")).expect("there");

    sandbox.wrap(["-d", "-n", "shop", "node", "server.js"]).piped().expect_code(0);
    wait_event(&sandbox, "ready 1");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    let all = events(&sandbox);
    assert_eq!((all.first().map(String::as_str), all.last().map(String::as_str)), (Some("start 1"), Some("exit 1")));
    assert_eq!(sorted(all), sorted(told.map(String::from).to_vec()));
}

#[test]
fn a_killed_client_is_an_exit_and_a_killed_keeper_is_stale() {
    let sandbox = recorded();
    let terminal = sandbox.wrap(["-n", "shop", "node", "server.js"]).terminal();
    wait_event(&sandbox, "ready 1");
    signal(terminal.pid(), libc::SIGKILL);
    wait_event(&sandbox, "exit 1");
    sandbox.wait_no_entry();
    std::fs::remove_file(sandbox.project().join("events")).expect("there");

    // With its client, which finishes it …
    for terminal in [true, false] {
        let (pid, _terminal, _piped);
        if terminal {
            let started = sandbox.wrap(["-n", "shop", "node", "server.js"]).terminal();
            (pid, _terminal, _piped) = (started.pid(), Some(started), None);
        } else {
            let started = sandbox.wrap(["-n", "shop", "node", "server.js"]).start();
            (pid, _terminal, _piped) = (started.pid(), None, Some(started));
        }
        wait_event(&sandbox, "ready 1");
        signal(sandbox.wait_one("healthy").pid, libc::SIGKILL);
        wait_gone(pid);
        let all = events(&sandbox);
        assert_eq!(all.last().map(String::as_str), Some("stale 1"), "{all:?}");
        assert!(!all.iter().any(|event| event.starts_with("exit")), "{all:?}");
        sandbox.wait_no_entry();
        std::fs::remove_file(sandbox.project().join("events")).expect("there");
    }
    // … and without one.
    sandbox.wrap(["-d", "-n", "shop", "node", "server.js"]).piped().expect_code(0);
    wait_event(&sandbox, "ready 1");
    let instance = sandbox.wait_one("healthy");
    signal(instance.pid, libc::SIGKILL);
    // The kernel hangs its terminal up.
    wait_gone(instance.child());
    // Any number that look at once: one asks.
    let looks: Vec<_> = (0..6).map(|_| sandbox.wrap(["list", "--all"]).start()).collect();
    for look in looks {
        look.finish();
    }
    let all = events(&sandbox);
    assert_eq!(all.iter().filter(|event| event.starts_with("stale")).count(), 1, "{all:?}");
    assert!(!all.iter().any(|event| event.starts_with("exit")), "{all:?}");
}

#[test]
fn what_hangs_is_unhealthy_and_healthy_when_it_goes_on() {
    let sandbox = recorded();
    sandbox.wrap(["-d", "-n", "shop", "node", "server.js"]).piped().expect_code(0);
    wait_event(&sandbox, "ready 1");
    let server = sandbox.wait_one("healthy").child();
    signal(server, libc::SIGSTOP);
    wait_event(&sandbox, "unhealthy 1");
    signal(server, libc::SIGCONT);
    wait_event(&sandbox, "healthy 1");
    sandbox.stop_all();
    let healths: Vec<_> = events(&sandbox).into_iter().filter(|event| event.contains("healthy")).collect();
    assert_eq!(healths, ["unhealthy 1", "healthy 1"]);
}

#[test]
fn a_start_hook_puts_words_in_front_and_gives_the_run_another_name() {
    let sandbox = Sandbox::new();
    sandbox.hook(
        "env",
        "wrap.on('start', function(i)\n\
         for at, word in {'env', 'SET=by the hook'} do table.insert(i.cmdArgs, at, word) end\n\
         wrap.rename('shop 2')\nend)",
    );
    let finished = sandbox.wrap(["sh", "-c", "echo \"<$SET>\"; exit 4"]).piped().expect_code(4);
    assert_eq!((finished.out(), finished.err()), ("<by the hook>\n".into(), String::new()));
    let arguments = ["-d", "--ensure", "sh", "-c", "echo \"<$SET>\"; exec sleep 1000"];
    sandbox.wrap(arguments).piped().expect_code(0);
    let first = sandbox.wait_one("healthy");
    assert_eq!(first.project_name, "shop 2");
    // The words that were typed are what the run is known by.
    sandbox.wrap(arguments).piped().expect_code(0);
    assert_eq!(sandbox.instances().len(), 1);
    sandbox.wrap(["restart", "shop 2"]).piped().expect_code(0);
    let logs = sandbox.wrap(["logs", "shop 2"]).piped().expect_code(0);
    assert_eq!(logs.out().matches("<by the hook>").count(), 2, "{}", logs.out());
    sandbox.stop_all();
    sandbox.hook("env", "wrap.on('start', function(i) i.cmdArgs[1] = 'no-such-program' end)");
    let finished = sandbox.wrap(["true"]).piped().expect_code(127);
    assert!(finished.err().contains("command not found: `no-such-program`"), "{}", finished.err());
}

/// What a hook started never counts as the command's, and its end is the hook's to see.
#[test]
fn what_a_hook_runs_is_neither_left_over_nor_listed_nor_ended() {
    let sandbox = Sandbox::new();
    sandbox.write("project/server.js", SERVER);
    let listening = "require('net').createServer().listen(0, '127.0.0.1')";
    sandbox.hook(
        "helpers",
        &format!(
            "local job\n\
             wrap.on('start', function(i) job = wrap.spawn{{'node', '-e', \"{listening}\"}}\n\
             wrap.fs.write('pid', tostring(job.pid)) end)\n\
             wrap.on('ready', function() local r = wrap.run{{'sh', '-c', 'exit 7'}} wrap.fs.write('ran', tostring(r.code)) end)\n\
             wrap.on('exit', function() wrap.fs.write('left', tostring(job.running())) job.stop() end)"
        ),
    );
    let terminal = sandbox.wrap(["-n", "shop", "node", "server.js"]).terminal();
    let instance = sandbox.wait_instances("a port", |list| list.iter().find(|one| one.port.is_some()).cloned());
    let read = |name: &str| std::fs::read_to_string(sandbox.project().join(name)).unwrap_or_default();
    sandbox.wait_files("that the hook has seen the end of what it ran", || (read("ran") == "7").then_some(()));
    let entry: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&sandbox.entries()[0]).expect("read")).expect("json");
    assert_eq!(entry["ports"].as_array().map(Vec::len), Some(1), "{entry}");
    assert!(instance.port.is_some());
    terminal.send(CTRL_C);
    terminal.wait_end();
    assert!(
        !terminal.screen().contains("left running") && !terminal.screen().contains("runs on"),
        "{}",
        terminal.screen()
    );
    assert_eq!(read("left"), "true", "the hook's own is the hook's to end");
    let pid: u32 = read("pid").parse().expect("a pid");
    wait_gone(pid);
}

#[test]
fn a_hook_tells_types_and_ends() {
    let sandbox = Sandbox::new();
    sandbox.hook(
        "helper",
        "wrap.on('line', {pattern = 'ready'}, function() wrap.notify('it is up') wrap.send('typed by a hook') end)\n\
         wrap.on('line', {pattern = '^got '}, function() wrap.stop() end)",
    );
    sandbox.script("shop", "#!/bin/bash\necho ready\nread -r x\necho \"got $x\"\nexec sleep 1000\n");
    let terminal = sandbox.wrap(["-n", "shop", "./shop"]).terminal();
    terminal.wait_for("got typed by a hook");
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGTERM));
    assert!(terminal.raw_contains("\x1b]9;shop: it is up\x1b\\"), "{}", terminal.shown());
    assert!(terminal.modes().is_cooked());
    // In a pipe nobody gets escape sequences, and nothing can be typed.
    let piped = sandbox.wrap(["sh", "-c", "echo ready; sleep 0.3; echo got it; exec sleep 1000"]).piped();
    assert_eq!(piped.out(), "ready\ngot it\n");
    assert!(piped.err().contains("no terminal of its own"), "{}", piped.err());
}

/// A hook that takes long at the end is waited for, unless somebody says otherwise; the exit code stays the command's.
#[test]
fn a_key_or_a_signal_ends_the_wait_for_exit_hooks() {
    let sandbox = Sandbox::new();
    sandbox.hook("slow", "wrap.on('exit', {timeout = 50}, function() print('tidying') wrap.fs.write('tidying', '') wrap.run{'sleep', '40'} end)");
    let begun = Instant::now();
    let terminal = sandbox.wrap(["sh", "-c", "exit 4"]).terminal();
    terminal.wait_for("tidying");
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Code(4));
    assert!(terminal.modes().is_cooked());
    let tidying = sandbox.project().join("tidying");
    std::fs::remove_file(&tidying).expect("there");
    let piped = sandbox.wrap(["sh", "-c", "exit 5"]).start();
    sandbox.wait_files("that the hook runs", || tidying.exists().then_some(()));
    signal(piped.pid(), libc::SIGTERM);
    piped.finish().expect_code(5);
    let mut closed = sandbox.wrap(["sh", "-c", "exit 6"]).terminal();
    closed.wait_for("tidying");
    closed.hang_up();
    closed.wait_end();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// Whoever asked for the end goes on when the hooks have tidied up, not before.
#[test]
fn a_stop_is_answered_behind_the_exit_hooks() {
    let sandbox = Sandbox::new();
    sandbox.hook("slow", "wrap.on('exit', function() wrap.sleep(0.7) wrap.fs.write('tidied', 'x') end)");
    sandbox.wrap(["-d", "-n", "shop", "sleep", "1000"]).piped().expect_code(0);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    assert!(sandbox.project().join("tidied").exists());
}

/// What `wrap.run` runs does not outlive a start that was given up.
#[test]
fn what_a_start_hook_runs_ends_with_a_start_that_was_given_up() {
    let sandbox = Sandbox::new();
    sandbox.hook(
        "migrate",
        "wrap.on('start', {timeout = 50}, function() wrap.run{'sh', '-c', 'echo $$ >pid.new; mv pid.new pid; exec sleep 40'} end)",
    );
    let terminal = sandbox.wrap(["true"]).terminal();
    let pid = sandbox.wait_files("the program's pid", || std::fs::read_to_string(sandbox.project().join("pid")).ok());
    let pid = pid.trim().parse().expect("a pid");
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
    wait_gone(pid);
}

/// Neither a lock that nobody gives back nor a job that its user has stopped is anybody's concern.
#[test]
fn a_lock_that_is_held_delays_no_end() {
    let sandbox = Sandbox::new();
    sandbox.hook("empty", "wrap.on('exit', function() end)");
    sandbox.wrap(["true"]).piped().expect_code(0);
    let lock = sandbox.root().join("state/wrap/hooks.lock").display().to_string();
    let script = format!(
        "import fcntl,sys;f=open('{lock}','w');fcntl.lockf(f,fcntl.LOCK_EX);print('held',flush=True);sys.stdin.read()"
    );
    let mut holder = sandbox.run("python3", ["-c", &script]).start();
    holder.wait_for("held");
    let begun = Instant::now();
    sandbox.wrap(["true"]).piped().expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    holder.close_stdin();
    holder.finish();
}

/// A server whose certificate the system knows is believed, and no other.
#[test]
fn https_holds_with_the_systems_certificates() {
    let sandbox = Sandbox::new();
    let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem \
                -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    sandbox.run("sh", ["-c", make]).piped().expect_code(0);
    let port = crate::harness::Server::unused_port();
    let serve = format!(
        "import http.server,ssl\n\
         s=http.server.HTTPServer(('127.0.0.1',{port}),http.server.SimpleHTTPRequestHandler)\n\
         c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER);c.load_cert_chain('cert.pem','key.pem')\n\
         s.socket=c.wrap_socket(s.socket,server_side=True)\nprint('up',flush=True)\ns.serve_forever()\n"
    );
    let server = sandbox.run("python3", ["-c", &serve]).start();
    server.wait_for("up");
    sandbox.hook(
        "ask",
        &format!("wrap.on('start', function() local r = wrap.http{{url = 'https://localhost:{port}/'}} print(r.ok, r.status, r.error) end)"),
    );
    let cert = sandbox.project().join("cert.pem");
    let known = sandbox.wrap(["true"]).env("SSL_CERT_FILE", &cert).piped().expect_code(0);
    assert!(known.err().contains("hook ask: true 200"), "{}", known.err());
    let unknown = sandbox.wrap(["true"]).piped().expect_code(0);
    assert!(unknown.err().contains("hook ask: false"), "{}", unknown.err());
    signal(server.pid(), libc::SIGTERM);
    server.finish();
}
