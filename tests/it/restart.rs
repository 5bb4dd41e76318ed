//! The command of an instance once more, in the same terminal.

use crate::harness::{CTRL_C, Ending, PROMPT, Sandbox, is_running, signal, wait_gone};
use std::fs::OpenOptions;

/// Says which run it is, by a counter in a file, and what is in a variable.
const COUNTS: &str = "#!/bin/bash\nn=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n >n\necho \"run $n of ${FLAVOUR:-plain} at $(stty size)\"\n\
                      while read -r line; do echo \"got $line\"; done\n";

#[test]
fn the_terminals_stay_the_run_id_rises_and_the_environment_is_the_recorded_one() {
    let sandbox = Sandbox::new();
    sandbox.script("counts", COUNTS);
    let shell = sandbox.bash();
    shell.line("FLAVOUR=sweet wrap -n shop ./counts");
    shell.wait_for("run 1 of sweet at 24 100");
    let before = sandbox.wait_started();
    let visitor = sandbox.wrap(["attach", "shop"]).size(20, 80).terminal();
    visitor.wait_for("run 1");
    let said = sandbox.wrap(["restart", "shop"]).piped().expect_code(0).out();
    assert!(said.starts_with("restarted `shop`"), "{said}");
    shell.wait_for("run 2 of sweet at 20 80");
    visitor.wait_for("run 2 of sweet at 20 80");
    visitor.line("x");
    shell.wait_for("got x");
    let after = sandbox.wait_started();
    assert_eq!(after.instance_id, before.instance_id);
    assert_eq!(after.pid, before.pid, "the same keeper");
    assert_ne!(after.child(), before.child());
    wait_gone(before.child());
    let shown: serde_json::Value =
        serde_json::from_slice(&sandbox.wrap(["show", "shop", "--json"]).piped().expect_code(0).stdout).expect("json");
    assert_eq!(shown["runId"], 2);
    // Job control is as before: the shell gets its terminal back, and only now.
    shell.send(CTRL_C);
    shell.wait_for(PROMPT);
    assert_eq!(visitor.wait_end(), Ending::Signal(libc::SIGINT));
    shell.line("exit");
    shell.wait_end();
}

#[test]
fn the_environment_from_here_is_taken_and_the_difference_named() {
    let sandbox = Sandbox::new();
    sandbox.script("counts", COUNTS);
    sandbox.wrap(["-d", "-n", "shop", "./counts"]).env("GONE", "1").piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=run 1 of plain"]).piped().expect_code(0);
    let restart = sandbox.wrap(["restart", "shop", "--env-from-here"]).env("FLAVOUR", "sour").env("TERM", "vt100");
    let said = restart.piped().expect_code(0).out();
    assert!(said.contains("environment added: FLAVOUR\n"), "{said}");
    assert!(said.contains("environment changed: TERM\n") && said.contains("environment removed: GONE\n"), "{said}");
    assert!(!said.contains("sour"), "values are nobody's business: {said}");
    sandbox.wrap(["wait", "shop", "--for", "log=run 2 of sour"]).piped().expect_code(0);
    // From now on it is the recorded one.
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=run 3 of sour"]).piped().expect_code(0);
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn what_would_not_start_again_runs_on_and_the_reason_is_said() {
    let sandbox = Sandbox::new();
    let script = sandbox.script("counts", COUNTS);
    sandbox.wrap(["-d", "-n", "shop", "--port", "1", "./counts"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    std::fs::rename(&script, script.with_extension("away")).expect("moved");
    let refused = sandbox.wrap(["restart", "shop"]).piped().expect_code(1);
    assert!(refused.err().contains("runs on: its command `./counts` is not found"), "{}", refused.err());
    std::fs::rename(script.with_extension("away"), &script).expect("moved back");

    let project = sandbox.project();
    let away = project.with_extension("away");
    std::fs::rename(&project, &away).expect("moved");
    let refused = sandbox.wrap(["restart", "shop"]).cwd("/").piped().expect_code(1);
    assert!(refused.err().contains("directory `"), "{}", refused.err());
    std::fs::rename(&away, &project).expect("moved back");
    assert!(is_running(instance.child()));
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    sandbox.wrap(["-d", "-n", "shop", "--port", &port, "./counts"]).piped().expect_code(0);
    let refused = sandbox.wrap(["restart", "shop"]).piped().expect_code(1);
    assert!(refused.err().contains(&format!("its port {port} is held by another process")), "{}", refused.err());
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn an_old_run_that_ignores_sigterm_is_killed_and_its_port_is_free_for_the_new_one() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    sandbox.write("config/wrap/config.toml", "grace = 0.3\n");
    sandbox.script("stubborn", "#!/bin/bash\ntrap '' TERM HUP INT\nnode server.js &\nwait\nsleep 1000\n");
    sandbox.wrap(["-d", "--wait", "-n", "shop", "./stubborn"]).piped().expect_code(0);
    let before = sandbox.wait_started();
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    let after = sandbox.wait_started();
    assert_ne!(before.child(), after.child());
    wait_gone(before.child());
    assert!(after.port.is_some(), "{after:?}");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn a_run_that_is_not_ready_in_time_is_shown_as_such() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "ready_timeout = 0.5\nready_pattern = 'serving'\n");
    sandbox.script("once", "#!/bin/bash\n[ -e n ] || { touch n; echo serving; }\nread x\n");
    sandbox.wrap(["-d", "--wait", "-n", "shop", "./once"]).piped().expect_code(0);
    let late = sandbox.wrap(["restart", "shop"]).piped().expect_code(4);
    assert!(late.err().contains("is not ready within 0.5 s (`ready_timeout`)"), "{}", late.err());
    let listed = sandbox.wrap(["list"]).piped().expect_code(0).out();
    assert!(listed.contains("not ready"), "{listed}");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn modes_that_the_old_run_had_switched_on_do_not_meet_the_new_one() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "screen",
        "#!/bin/bash\nif [ -e n ]; then echo plain; else touch n; stty -echo; printf '\\033[?1049h\\033[?25lfull'; fi\nread x\necho \"got $x\"\n",
    );
    let first = sandbox.wrap(["-n", "shop", "./screen"]).terminal();
    first.wait_for("full");
    sandbox.wait_started();
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    first.wait_for("plain");
    assert!(first.raw_contains("\x1b[?25h") && first.raw_contains("\x1b[?1049l"));
    first.line("echoed");
    first.wait_for("echoed\r\n");
    first.wait_for("got echoed");
    assert_eq!(first.wait_end(), Ending::Code(0));
}

#[test]
fn in_pipe_mode_its_outputs_are_the_same_and_its_input_is_empty() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "counts",
        "#!/bin/bash\nn=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n >n\necho \"run $n\"; echo \"to err $n\" >&2\n\
                              [ $n = 1 ] || { cat; echo 'no input'; exit 0; }\nread x\n",
    );
    let errors = sandbox.write("errors", "");
    let err = OpenOptions::new().append(true).open(&errors).expect("opened");
    let script = format!("exec wrap -n shop ./counts 2>>{}", errors.display());
    drop(err);
    let piped = sandbox.sh(&script).start();
    piped.wait_for("run 1");
    sandbox.wait_started();
    sandbox.wrap(["restart", "shop", "--no-wait"]).piped().expect_code(0);
    piped.wait_for("run 2");
    piped.wait_for("no input");
    piped.finish().expect_code(0);
    assert_eq!(std::fs::read_to_string(errors).expect("read"), "to err 1\nwrap: restarting `./counts`\nto err 2\n");
}

#[test]
fn a_first_client_that_is_killed_while_it_restarts_ends_it() {
    killed_while_it_restarts(|client, _| client);
}

#[test]
fn a_keeper_that_is_killed_while_it_restarts_leaves_nothing() {
    killed_while_it_restarts(|_, keeper| keeper);
}

fn killed_while_it_restarts(victim: fn(u32, u32) -> u32) {
    let sandbox = Sandbox::new();
    sandbox.script("stubborn", "#!/bin/bash\ntrap '' TERM HUP\necho ready\nwhile :; do read -t 1000 x; done\n");
    sandbox.write("config/wrap/config.toml", "grace = 1\n");
    let first = sandbox.wrap(["-n", "shop", "./stubborn"]).terminal();
    first.wait_for("ready\r\n");
    let instance = sandbox.wait_started();
    let restart = sandbox.wrap(["restart", "shop"]).start();
    first.wait_for("restarting");
    signal(victim(first.pid(), instance.pid), libc::SIGKILL);
    restart.finish().expect_code(1);
    first.wait_end();
    wait_gone(instance.child());
    sandbox.wait_no_entry();
}

/// What was pasted and never read is not for the next run, and the keyboard works as before.
#[test]
fn a_paste_that_was_never_read_does_not_outlive_its_run() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "deaf",
        "#!/bin/bash\nif [ -e n ]; then echo ready; cat; else touch n; stty -icanon -echo; echo deaf; sleep 1000; fi\n",
    );
    let first = sandbox.wrap(["-n", "shop", "./deaf"]).terminal();
    first.wait_for("deaf\r\n");
    sandbox.wait_started();
    // More than all buffers on the way hold; the rest stays in the terminal.
    let paste = "pasted ".repeat(20_000);
    std::thread::scope(|scope| {
        scope.spawn(|| first.send(&paste[..70_000]));
    });
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    first.wait_for("ready\r\n");
    first.send("\r");
    first.line("typed");
    first.wait_for("typed\r\n");
    first.send(CTRL_C);
    assert_eq!(first.wait_end(), Ending::Signal(libc::SIGINT));
}

#[test]
fn an_end_that_is_asked_for_waits_for_no_reader() {
    let sandbox = Sandbox::new();
    // Nobody reads this pipe.
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let piped = sandbox.wrap(["-n", "shop", "yes"]).stdout_to(write.into()).start();
    sandbox.wait_started();
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    sandbox.wait_no_entry();
    assert_eq!(sandbox.stopped()[0]["signal"], "SIGTERM");
    drop(read);
    piped.finish();
}

#[test]
fn what_former_runs_took_is_not_told_again() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "grace = 0.2\n");
    sandbox.script("stubborn", "#!/bin/bash\ntrap '' TERM HUP\necho ready\nwhile :; do read -t 1000 x; done\n");
    sandbox.wrap(["-d", "-n", "shop", "./stubborn"]).piped().expect_code(0);
    for _ in 0..2 {
        sandbox.wrap(["restart", "shop", "--no-wait"]).piped().expect_code(0);
    }
    let said = sandbox.wrap(["stop", "shop"]).piped().expect_code(0).out();
    assert_eq!(said.matches("killed").count(), 1, "{said}");
}
