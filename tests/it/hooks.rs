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

/// The hook that ships as an example does what its comment says.
#[test]
fn the_example_works() {
    let sandbox = Sandbox::new();
    sandbox.hook("announce", include_str!("../../hooks/announce.lua"));
    let finished = sandbox.wrap(["sh", "-c", "echo $WRAPPED_AS; exit 3"]).piped().expect_code(3);
    assert_eq!(finished.out(), "project\n");
    let err = finished.err();
    assert!(err.contains("wrap: hook announce: starting sh -c"), "{err}");
    assert!(err.contains("wrap: hook announce: ended with 3 after 0."), "{err}");
}
