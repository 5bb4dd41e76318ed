//! The user's Lua hooks: when they run, what they know and change, and that they cannot do harm.

use crate::harness::{CTRL_C, Ending, Sandbox, signal};

/// Prints what a run tells a hook at each event.
const TELL: &str = "
wrap.on('start', function(instance)
    print('start ' .. instance.projectName .. ' ' .. instance.command)
    instance.env.GREETING = 'hello from a hook'
end)
wrap.on('ready', function(instance) print('ready ' .. instance.port) end)
wrap.on('exit', function(instance)
    print('exit ' .. tostring(instance.exitCode) .. ' ' .. tostring(instance.signal) .. ' ' .. type(instance.duration))
end)
";

#[test]
fn hooks_run_at_the_start_when_ready_and_at_the_exit() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    sandbox.hook("tell", TELL);
    let terminal = sandbox.wrap(["node", "server.js"]).terminal();
    terminal.wait_for("wrap: hook tell: start fixture-app node server.js");
    terminal.wait_for("http://localhost:");
    let port = terminal.wait_for("/");
    terminal.wait_for(&format!("wrap: hook tell: ready {port}"));
    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGINT));
    assert!(terminal.screen().contains("wrap: hook tell: exit nil SIGINT number"), "{}", terminal.screen());
}

#[test]
fn what_hooks_print_goes_to_the_error_stream_and_what_they_set_to_the_command() {
    let sandbox = Sandbox::new();
    sandbox.hook("tell", TELL);
    let finished = sandbox.wrap(["sh", "-c", "echo $GREETING; exit 3"]).piped().expect_code(3);
    assert_eq!(finished.out(), "hello from a hook\n");
    let err = finished.err();
    assert!(err.lines().all(|line| line.starts_with("wrap: hook tell: ")), "{err}");
    assert!(err.contains("start project sh -c"), "{err}");
    assert!(err.contains("exit 3 nil number"), "{err}");
}

#[test]
fn a_hook_may_refuse() {
    let sandbox = Sandbox::new();
    sandbox.hook("no", "wrap.on('start', function() wrap.refuse('not on a Friday') end)");
    let finished = sandbox.wrap(["touch", "ran"]).piped().expect_code(125);
    assert!(finished.err().starts_with("wrap: ") && finished.err().contains("not on a Friday"), "{}", finished.err());
    assert!(!sandbox.project().join("ran").exists());
    let terminal = sandbox.wrap(["touch", "ran"]).terminal();
    assert_eq!(terminal.wait_end(), Ending::Code(125));
    assert!(terminal.modes().is_cooked());
}

/// The command runs with its own code, its output is its own, and a line of the hook's is on stderr.
fn harmless(lua: &str) {
    let sandbox = Sandbox::new();
    sandbox.hook("bad", lua);
    sandbox.hook("good", "wrap.on('start', function(instance) instance.env.GOOD = 'still asked' end)");
    let finished = sandbox.wrap(["sh", "-c", "echo $GOOD; exit 5"]).piped().expect_code(5);
    assert_eq!(finished.out(), "still asked\n", "{lua}");
    assert!(finished.err().contains("wrap: hook bad: "), "{lua}: {}", finished.err());
}

#[test]
fn a_hook_that_fails_costs_a_line() {
    harmless("wrap.on('start', function() error('broken') end)");
    harmless("this is not Lua");
    harmless("wrap.on('strat', function() end)");
}

#[test]
fn a_hook_that_loops_for_ever_is_stopped() {
    harmless("wrap.on('start', function() while true do end end)");
    harmless("while true do pcall(function() while true do end end) end");
}

#[test]
fn a_hook_that_eats_memory_is_stopped() {
    harmless(
        "wrap.on('start', function() local t = {} while true do t[#t + 1] = string.rep('x', 1000000) .. #t end end)",
    );
}

#[test]
fn a_looping_exit_hook_delays_the_end_and_does_not_change_it() {
    let sandbox = Sandbox::new();
    sandbox.hook("bad", "wrap.on('exit', function() while true do end end)");
    let finished = sandbox.wrap(["sh", "-c", "exit 5"]).piped().expect_code(5);
    assert!(finished.err().contains("wrap: hook bad: "), "{}", finished.err());
}

#[test]
fn a_projects_own_hooks_are_not_run_unasked() {
    let sandbox = Sandbox::new();
    for place in ["hooks", ".wrap/hooks", "wrap/hooks"] {
        sandbox.write(&format!("project/{place}/own.lua"), "wrap.on('start', function() print('ran') end)");
    }
    let finished = sandbox.wrap(["true"]).piped().expect_code(0);
    assert!(!finished.err().contains("ran"), "{}", finished.err());
}

#[test]
fn hooks_run_for_a_detached_run_too() {
    let sandbox = Sandbox::new();
    sandbox.hook("env", "wrap.on('start', function(instance) instance.env.GREETING = 'hello' end)");
    sandbox.wrap(["-d", "sh", "-c", "echo $GREETING >greeting; exec sleep 1000"]).piped().expect_code(0);
    let instance = sandbox.wait_one("healthy");
    let greeting = std::fs::read_to_string(sandbox.project().join("greeting")).expect("the command ran");
    assert_eq!(greeting, "hello\n");
    signal(instance.child(), libc::SIGTERM);
    sandbox.wait_no_entry();
}

const GREET: &str = "wrap.on('start', function(i) i.env.GREETING = 'hello from the project' end)";

/// Whoever clones a stranger's repository runs nothing of it before having said so.
#[test]
fn a_projects_hooks_run_once_they_are_trusted_and_not_after_an_edit() {
    let sandbox = Sandbox::new();
    sandbox.write("project/.wrap/hooks/greet.lua", GREET);
    let greeting = || sandbox.sh("wrap sh -c 'echo \"<$GREETING>\"'").piped().expect_code(0);
    let ran = greeting();
    assert_eq!(ran.out(), "<>\n");
    assert_eq!(ran.err().lines().count(), 1, "{}", ran.err());
    assert!(ran.err().contains("`.wrap/` are not run") && ran.err().contains("wrap trust --show"), "{}", ran.err());
    let shown = sandbox.wrap(["trust", "--show"]).piped().expect_code(0);
    assert!(shown.out().contains("not trusted") && shown.out().contains(GREET), "{}", shown.out());
    let trusted = sandbox.wrap(["trust"]).piped().expect_code(0);
    assert!(trusted.out().contains(".wrap/hooks/greet.lua"), "{}", trusted.out());
    let ran = greeting();
    assert_eq!((ran.out(), ran.err()), ("<hello from the project>\n".into(), String::new()));
    // In a terminal, and in the background, likewise.
    let terminal = sandbox.wrap(["sh", "-c", "echo \"<$GREETING>\""]).terminal();
    terminal.wait_for("<hello from the project>");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    sandbox.wrap(["-d", "-n", "bg", "sh", "-c", "echo \"<$GREETING>\"; sleep 1000"]).piped().expect_code(0);
    sandbox.wrap(["wait", "bg", "--for", "log=hello from the project"]).piped().expect_code(0);
    sandbox.stop_all();
    let listed = sandbox.wrap(["trust", "--list", "--json"]).piped().expect_code(0);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("json");
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["standing"]), (Some(1), &"trusted".into()));

    sandbox.write("project/.wrap/hooks/greet.lua", format!("{GREET} -- edited"));
    let ran = greeting();
    assert!(
        ran.out() == "<>\n" && ran.err().contains("it has changed since you trusted it"),
        "{} {}",
        ran.out(),
        ran.err()
    );
    sandbox.write("project/.wrap/hooks/greet.lua", GREET);
    assert_eq!(greeting().out(), "<hello from the project>\n");
    sandbox.wrap(["trust", "--revoke"]).piped().expect_code(0);
    assert_eq!(greeting().out(), "<>\n");
    let again = sandbox.wrap(["trust", "--revoke"]).piped().expect_code(1);
    assert!(again.err().contains("was not trusted"), "{}", again.err());
}

#[test]
fn a_project_below_a_trusted_directory_needs_no_word_and_a_link_out_of_it_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("project/.wrap/hooks/greet.lua", GREET);
    sandbox.write("config/wrap/config.toml", format!("trusted = ['{}']\n", sandbox.root().display()));
    let greeting = || sandbox.sh("wrap sh -c 'echo \"<$GREETING>\"'").piped().expect_code(0);
    assert_eq!(greeting().out(), "<hello from the project>\n");
    let elsewhere = sandbox.write("elsewhere.lua", GREET);
    std::os::unix::fs::symlink(elsewhere, sandbox.project().join(".wrap/hooks/link.lua")).expect("linked");
    let ran = greeting();
    assert!(ran.out() == "<>\n" && ran.err().contains("is a link"), "{} {}", ran.out(), ran.err());
    let refused = sandbox.wrap(["trust"]).piped().expect_code(1);
    assert!(refused.err().contains("nothing is trusted") && refused.err().contains("is a link"), "{}", refused.err());
}

#[test]
fn a_trusted_project_decides_about_what_was_left_behind_and_its_hooks_come_last() {
    let sandbox = Sandbox::new();
    sandbox.hook("first", "wrap.on('stale', function() print('the user') return 'remove' end)");
    let stale = "wrap.on('stale', function(i) print('the project: ' .. i.status) return 'keep' end)";
    sandbox.write("project/.wrap/hooks/stale.lua", stale);
    sandbox.wrap(["trust"]).piped().expect_code(0);
    let instance = {
        sandbox.wrap(["-d", "-n", "lost", "sleep", "1000"]).piped().expect_code(0);
        sandbox.wait_started()
    };
    signal(instance.pid, libc::SIGKILL);
    crate::harness::wait_gone(instance.child());
    let listed = sandbox.wrap(["list", "--all"]).piped().expect_code(0);
    let said = listed.err();
    let (user, project) = (said.find("the user"), said.find("the project: dead"));
    assert!(user.is_some() && user < project, "{said}");
    assert!(listed.out().contains("dead"), "the project has the last word: {}", listed.out());
    sandbox.wrap(["trust", "--revoke"]).piped().expect_code(0);
    let cleaned = sandbox.wrap(["clean"]).piped().expect_code(0);
    assert!(cleaned.out().contains("removed `lost`"), "{}", cleaned.out());
}

/// The README's own example: a start that waits for a port.
#[test]
fn a_start_waits_for_a_port_as_long_as_it_said_and_no_longer() {
    let port = crate::harness::Server::unused_port();
    let sandbox = Sandbox::new();
    // It says so itself once it has taken longer than any other hook may.
    let hook = format!(
        "wrap.on('start', {{timeout = 15}}, function()\nwrap.sleep(2.2)\nprint('not yet')\n\
         while wrap.port_free({port}) do wrap.sleep(0.05) end\nprint('it is there')\nend)"
    );
    sandbox.hook("database", &hook);
    let begun = std::time::Instant::now();
    let terminal = sandbox.wrap(["echo", "served"]).terminal();
    terminal.wait_for("not yet");
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("bound");
    let before = terminal.wait_for("it is there");
    assert!(!before.contains("served"), "{before}");
    terminal.wait_for("served");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    drop(listener);
    sandbox.hook("database", "wrap.on('start', {timeout = 0.2}, function() wrap.sleep(60) end)");
    let finished = sandbox.wrap(["echo", "served"]).piped().expect_code(0);
    assert!(finished.out() == "served\n" && finished.err().contains("stopped after 200 ms"), "{}", finished.err());
    assert!(begun.elapsed() < std::time::Duration::from_secs(15));
}

#[test]
fn a_restart_is_told_and_the_exit_has_the_last_lines() {
    let sandbox = Sandbox::new();
    sandbox.hook(
        "tell",
        "wrap.on('restart', function(i) print('restart ' .. i.runId) end)\n\
         wrap.on('exit', function(i) print('last <' .. i.lastLines[#i.lastLines] .. '>') end)",
    );
    sandbox.script("shop", "#!/bin/bash\nprintf '\\e[31mready\\e[0m\\n'\nread x\necho bye\n");
    let terminal = sandbox.wrap(["-n", "shop", "./shop"]).terminal();
    terminal.wait_for("ready");
    sandbox.wait_one("healthy");
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    terminal.wait_for("wrap: hook tell: restart 2");
    terminal.line("x");
    terminal.wait_for("wrap: hook tell: last <bye>");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}
