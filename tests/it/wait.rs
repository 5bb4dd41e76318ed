//! `wrap wait`: what it waits for, and its exit codes.

use crate::harness::{CTRL_C, Ending, Instance, Sandbox, signal, wait_gone};

fn started(sandbox: &Sandbox, script: &str) -> Instance {
    sandbox.wrap(["-d", "-n", "shop", "sh", "-c", script]).piped().expect_code(0);
    sandbox.wait_started()
}

fn stop(sandbox: &Sandbox, instance: &Instance) {
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    wait_gone(instance.pid);
}

#[test]
fn ready_is_when_the_port_answers_and_at_once_if_it_does_already() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    sandbox.wrap(["-d", "-n", "shop", "node", "server.js"]).piped().expect_code(0);
    let finished = sandbox.wrap(["wait", "shop"]).piped().expect_code(0);
    assert_eq!((finished.out(), finished.err()), (String::new(), String::new()));
    let instance = sandbox.wait_instances("it", |list| list.first().cloned());
    assert!(instance.port.is_some(), "{instance:?}");
    sandbox.wrap(["wait", "shop", "--for", "ready", "--timeout", "0"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "healthy", "--timeout", "10"]).piped().expect_code(0);
    stop(&sandbox, &instance);
}

#[test]
fn ready_waits_for_the_configured_text_and_not_for_the_time_after_which_it_counts_as_running() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "ready_pattern = 'compiled'\nready_timeout = 0.1\n");
    let instance = started(&sandbox, "while [ ! -e go ]; do sleep 0.05; done; echo compiled; exec sleep 1000");
    sandbox.wait_one("healthy");
    let late = sandbox.wrap(["wait", "shop", "--timeout", "0.1"]).piped().expect_code(4);
    assert!(late.err().contains("`shop`") && late.err().contains("is not ready after "), "{}", late.err());
    let list = sandbox.wrap(["list"]).piped().expect_code(0).out();
    assert!(list.trim_end().ends_with("not ready"), "{list}");
    let waiting = sandbox.wrap(["wait", "shop"]).start();
    sandbox.write("project/go", "");
    waiting.finish().expect_code(0);
    stop(&sandbox, &instance);
}

#[test]
fn exit_tells_how_it_ended_also_afterwards() {
    let sandbox = Sandbox::new();
    let instance = started(&sandbox, "while [ ! -e go ]; do sleep 0.05; done; exit 3");
    let waiting = [(); 2].map(|()| sandbox.wrap(["wait", "shop", "--for", "exit"]).start());
    sandbox.wrap(["wait", "shop", "--for", "exit", "--timeout", "0.1"]).piped().expect_code(4);
    sandbox.write("project/go", "");
    for waiting in waiting {
        let said = waiting.finish().expect_code(0).out();
        assert!(said.starts_with("exited with 3 after ") && said.ends_with("s\n"), "{said}");
    }
    wait_gone(instance.pid);
    for target in ["shop", &instance.instance_id] {
        let said = sandbox.wrap(["wait", target, "--for", "exit"]).piped().expect_code(0).out();
        assert!(said.starts_with("exited with 3 after "), "{said}");
    }
    // It will never be ready again.
    let finished = sandbox.wrap(["wait", "shop"]).piped().expect_code(1);
    assert!(finished.err().contains("ended before it was ready: exited with 3"), "{}", finished.err());
}

#[test]
fn what_ends_before_it_is_ready_or_prints_is_1() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "ready_pattern = 'never'\nready_timeout = 100\n");
    let instance = started(&sandbox, "exec sleep 1000");
    let waiting = ["ready", "log=never"]
        .map(|what| (what, sandbox.wrap(["wait", "shop", "--for", what, "--timeout", "100"]).start()));
    sandbox.wait_one("starting");
    signal(instance.child(), libc::SIGTERM);
    for (what, waiting) in waiting {
        let finished = waiting.finish().expect_code(1);
        assert!(finished.err().contains("killed by SIGTERM after "), "{what}: {}", finished.err());
    }
    wait_gone(instance.pid);
}

#[test]
fn the_end_of_a_killed_keeper_is_seen_where_nobody_else_removes_the_entry() {
    let sandbox = Sandbox::new();
    let instance = started(&sandbox, "trap '' HUP; while :; do sleep 0.05; done");
    let waiting = sandbox.wrap(["wait", "shop", "--for", "exit"]).start();
    signal(instance.pid, libc::SIGKILL);
    wait_gone(instance.pid);
    // The command lives on: that is no end yet.
    sandbox.wait_one("orphaned");
    signal(instance.child(), libc::SIGKILL);
    let said = waiting.finish().expect_code(0).out();
    assert!(said.starts_with("ended after ") && said.contains("nobody saw how"), "{said}");
    sandbox.wait_instances("nobody is left", |list| list.is_empty().then_some(()));
}

#[test]
fn a_line_of_the_log_is_waited_for_and_printed_with_or_without_its_end() {
    let sandbox = Sandbox::new();
    let script =
        "echo compiling; read x; printf '\\033[32mcompiled\\033[0m in 25 ms\\n'; printf 'more? '; read x; sleep 1000";
    let instance = started(&sandbox, script);
    let first = sandbox.wrap(["wait", "shop", "--for", "log=compiled in \\d+"]).start();
    sandbox.wrap(["wait", "shop", "--for", "log=^compiling$"]).piped().expect_code(0);
    let second = sandbox.wrap(["wait", "shop", "--for", "log=compiled in \\d+"]).start();
    sandbox.wrap(["send", "shop", "go"]).piped().expect_code(0);
    for waiting in [first, second] {
        assert_eq!(waiting.finish().expect_code(0).out(), "compiled in 25 ms\n");
    }
    sandbox.wrap(["wait", "shop", "--for", "log=more\\?"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=^ms", "--timeout", "0"]).piped().expect_code(4);
    stop(&sandbox, &instance);
    // What it printed is still true of one that has ended.
    sandbox.wrap(["wait", "shop", "--for", "log=compiled"]).piped().expect_code(0);
}

#[test]
fn what_an_earlier_run_has_printed_does_not_count() {
    let sandbox = Sandbox::new();
    let instance = started(&sandbox, "echo ready; read x; echo later; read x");
    sandbox.wrap(["send", "shop", "go"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=^later"]).piped().expect_code(0);
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=^ready"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=^later", "--timeout", "0.1"]).piped().expect_code(4);
    stop(&sandbox, &instance);
}

#[test]
fn an_instance_that_hangs_is_not_healthy_until_it_goes_on() {
    let sandbox = Sandbox::new();
    let instance = started(&sandbox, "exec sleep 1000");
    sandbox.wait_one("healthy");
    signal(instance.pid, libc::SIGSTOP);
    let waiting = sandbox.wrap(["wait", "shop", "--for", "healthy"]).start();
    sandbox.wrap(["wait", "shop", "--for", "healthy", "--timeout", "0.1"]).piped().expect_code(4);
    signal(instance.pid, libc::SIGCONT);
    waiting.finish().expect_code(0);
    stop(&sandbox, &instance);
}

#[test]
fn mistakes_are_2_nobody_is_3_and_ctrl_c_is_that_of_a_shell() {
    let sandbox = Sandbox::new();
    for args in [
        &["wait"][..],
        &["wait", "x", "--for", "tea"],
        &["wait", "x", "--for", "log=("],
        &["wait", "x", "--timeout", "x"],
    ] {
        sandbox.wrap(args).piped().expect_code(2);
    }
    sandbox.wrap(["wait", "nobody", "--for", "exit"]).piped().expect_code(3);
    let instance = started(&sandbox, "exec sleep 1000");
    let terminal = sandbox.sh("wrap wait shop --for exit; echo code=$?; exit 5").terminal();
    sandbox.wait_instances("it runs", |list| list.first().cloned());
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT), "{}", terminal.screen());
    stop(&sandbox, &instance);
}
