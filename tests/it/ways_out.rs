//! Every way out of a run, row by row of the plan's table: what becomes of the command, of the entry, of the terminal
//! and of the client.

use crate::harness::{
    CTRL_BACKSLASH, CTRL_C, Ending, Instance, PROMPT, Sandbox, Terminal, ended_within, is_running, signal, wait_gone,
};
use std::fs;
use std::time::Duration;

/// A sandbox whose grace is short: what ignores SIGTERM is killed soon.
fn impatient() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "grace = 0.3\n");
    sandbox
}

/// Runs this script under wrap in a terminal; it says `up` when it may be acted on.
fn started(sandbox: &Sandbox, script: &str) -> (Terminal, Instance) {
    let terminal = sandbox.wrap(["sh", "-c", script]).terminal();
    terminal.wait_for("up");
    (terminal, sandbox.wait_started())
}

/// Nothing is left of this run.
fn assert_gone(sandbox: &Sandbox, instance: &Instance) {
    wait_gone(instance.child());
    wait_gone(instance.pid);
    sandbox.wait_no_entry();
}

#[test]
fn ctrl_c_and_ctrl_backslash_end_the_client_as_they_end_the_command() {
    let sandbox = Sandbox::new();
    for (key, number) in [(CTRL_C, libc::SIGINT), (CTRL_BACKSLASH, libc::SIGQUIT)] {
        let (terminal, instance) = started(&sandbox, "ulimit -c 0; echo up; exec sleep 1000");
        terminal.send(key);
        assert_eq!(terminal.wait_end(), Ending::Signal(number));
        assert!(terminal.modes().is_cooked());
        assert_gone(&sandbox, &instance);
    }
}

#[test]
fn a_command_may_survive_ctrl_c_and_exit_as_it_likes() {
    let sandbox = Sandbox::new();
    let (terminal, instance) = started(&sandbox, "trap 'echo bye; exit 9' INT; echo up; while :; do sleep 0.05; done");
    terminal.send(CTRL_C);
    terminal.wait_for("bye");
    assert_eq!(terminal.wait_end(), Ending::Code(9));
    assert_gone(&sandbox, &instance);
}

#[test]
fn signals_to_the_client_are_forwarded_as_they_are() {
    let sandbox = Sandbox::new();
    sandbox.fixture("bin");
    let terminal = sandbox.wrap(["node", "signals.js"]).terminal();
    terminal.wait_for("listening");
    for (number, name) in [
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGUSR2, "SIGUSR2"),
    ] {
        signal(terminal.pid(), number);
        terminal.wait_for(&format!("got {name} 1"));
    }
    terminal.line("end");
    assert_eq!(terminal.wait_end(), Ending::Code(7));
    assert!(!terminal.screen().contains(" 2\n"), "{}", terminal.screen());
}

#[test]
fn a_forwarded_signal_that_kills_the_command_kills_the_client() {
    let sandbox = Sandbox::new();
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1] {
        let (terminal, instance) = started(&sandbox, "echo up; exec sleep 1000");
        signal(terminal.pid(), number);
        assert_eq!(terminal.wait_end(), Ending::Signal(number));
        assert!(terminal.modes().is_cooked());
        assert_gone(&sandbox, &instance);
    }
}

#[test]
fn a_closed_terminal_hangs_the_command_up() {
    let sandbox = Sandbox::new();
    let (mut terminal, instance) =
        started(&sandbox, "trap 'echo hup >hup; exit' HUP; echo up; while :; do sleep 0.05; done");
    terminal.hang_up();
    terminal.wait_end();
    assert_gone(&sandbox, &instance);
    assert_eq!(fs::read_to_string(sandbox.project().join("hup")).expect("it was hung up"), "hup\n");
}

#[test]
fn what_ignores_a_closed_terminal_is_asked_and_then_killed() {
    let sandbox = impatient();
    let script = "trap '' HUP; trap 'echo term >term' TERM; echo up; while :; do sleep 0.05; done";
    let (mut terminal, instance) = started(&sandbox, script);
    terminal.hang_up();
    terminal.wait_end();
    assert_gone(&sandbox, &instance);
    assert_eq!(fs::read_to_string(sandbox.project().join("term")).expect("it was asked"), "term\n");
}

#[test]
fn with_on_hangup_keep_a_closed_terminal_ends_only_the_client() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "on_hangup = 'keep'\n");
    let (mut terminal, instance) = started(&sandbox, "echo up; exec sleep 1000");
    terminal.hang_up();
    terminal.wait_end();
    assert!(is_running(instance.child()));
    let after = sandbox.wait_one("healthy");
    assert_eq!(after.instance_id, instance.instance_id);
    sandbox.wrap(["stop", instance.short_id()]).piped().expect_code(0);
    assert_gone(&sandbox, &instance);
}

#[test]
fn where_hangup_is_ignored_a_closed_terminal_ends_nothing() {
    let sandbox = Sandbox::new();
    let mut terminal = sandbox.sh("trap '' HUP; exec wrap sh -c 'echo up; exec sleep 1000'").terminal();
    terminal.wait_for("up");
    let instance = sandbox.wait_started();
    terminal.hang_up();
    // What the client does now is its own affair; the command runs on, and a stop still finds it.
    assert!(!ended_within(instance.child(), Duration::from_secs(1)));
    sandbox.wrap(["stop", instance.short_id()]).piped().expect_code(0);
    terminal.wait_end();
    assert_gone(&sandbox, &instance);
}

#[test]
fn a_client_in_the_background_may_lose_its_terminal() {
    let sandbox = Sandbox::new();
    let mut terminal = sandbox.bash();
    terminal.line("wrap sh -c 'echo up; exec sleep 1000' & disown");
    terminal.wait_for("up");
    let instance = sandbox.wait_started();
    terminal.hang_up();
    terminal.wait_end();
    assert!(!ended_within(instance.child(), Duration::from_secs(1)));
    sandbox.wrap(["stop", instance.short_id()]).piped().expect_code(0);
    assert_gone(&sandbox, &instance);
}

#[test]
fn a_killed_client_is_a_closed_terminal_and_its_modes_are_mended() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("echo ready; read x; exec wrap sh -c 'echo up; exec sleep 1000'").terminal();
    terminal.wait_for("ready");
    let before = terminal.modes();
    terminal.send("\r");
    terminal.wait_for("up");
    let instance = sandbox.wait_started();
    assert_ne!(terminal.modes(), before, "the client holds the terminal raw");
    signal(terminal.pid(), libc::SIGKILL);
    assert_eq!(terminal.wait_end(), Ending::Signal(libc::SIGKILL));
    assert_gone(&sandbox, &instance);
    terminal.wait_state("the modes of before", |terminal| terminal.modes() == before);
}

/// What a command does after it has said `up`, and how it is ended.
type Way = (&'static str, fn(&Terminal, &Instance));

/// The alternate screen, a hidden cursor and mouse reports are undone, whichever way it ends.
#[test]
fn what_a_command_has_switched_on_in_the_terminal_is_switched_off() {
    let on = "printf '\\033[?1049h\\033[?25l\\033[?1003;1006h'; echo up";
    let off = ["\x1b[?1003l", "\x1b[?1006l", "\x1b[?25h", "\x1b[?1049l"];
    let ways: [Way; 5] = [
        ("read x; exit 3", |terminal, _| terminal.line("")),
        ("exec sleep 1000", |terminal, _| terminal.send(CTRL_C)),
        ("exec sleep 1000", |_, instance| signal(instance.child(), libc::SIGKILL)),
        ("exec sleep 1000", |_, instance| signal(instance.pid, libc::SIGKILL)),
        ("exec sleep 1000", |terminal, _| signal(terminal.pid(), libc::SIGKILL)),
    ];
    for (rest, end) in ways {
        let sandbox = Sandbox::new();
        let (terminal, instance) = started(&sandbox, &format!("{on}; {rest}"));
        assert!(!off.iter().any(|undo| terminal.raw_contains(undo)), "too early");
        end(&terminal, &instance);
        terminal.wait_end();
        wait_gone(instance.pid);
        terminal.wait_state("the modes switched off", |terminal| off.iter().all(|undo| terminal.raw_contains(undo)));
    }
}

#[test]
fn a_killed_client_of_a_pipe_ends_the_command() {
    let sandbox = Sandbox::new();
    let piped = sandbox.wrap(["sh", "-c", "echo up; exec sleep 1000"]).start();
    piped.wait_for("up");
    let instance = sandbox.wait_started();
    signal(piped.pid(), libc::SIGKILL);
    assert_eq!(piped.finish().ending, Ending::Signal(libc::SIGKILL));
    assert_gone(&sandbox, &instance);
}

#[test]
fn after_a_killed_keeper_the_client_finishes() {
    let sandbox = impatient();
    // Hung up by the kernel when the keeper dies, and deaf to it.
    let script = "trap '' HUP; echo up; while :; do sleep 0.05; done";
    let (terminal, instance) = started(&sandbox, script);
    signal(instance.pid, libc::SIGKILL);
    assert_ne!(terminal.wait_end(), Ending::Code(0));
    assert!(terminal.modes().is_cooked() && terminal.modes().echoes());
    assert_gone(&sandbox, &instance);
}

#[test]
fn after_a_killed_keeper_the_client_of_a_pipe_finishes() {
    let sandbox = impatient();
    let piped = sandbox.wrap(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]).start();
    piped.wait_for("up");
    let instance = sandbox.wait_started();
    signal(instance.pid, libc::SIGKILL);
    assert_ne!(piped.finish().ending, Ending::Code(0));
    assert_gone(&sandbox, &instance);
}

/// Kills client and keeper so that neither sees the other die.
fn kill_both(client: u32, instance: &Instance) {
    signal(client, libc::SIGSTOP);
    signal(instance.pid, libc::SIGKILL);
    wait_gone(instance.pid);
    signal(client, libc::SIGKILL);
}

#[test]
fn with_both_killed_the_command_is_listed_as_orphaned_and_clean_ends_it() {
    let sandbox = Sandbox::new();
    sandbox.hook("left", "wrap.on('stale', function(instance) print('stale ' .. instance.projectName) end)");
    let (terminal, instance) = started(&sandbox, "trap '' HUP; echo up; while :; do sleep 0.05; done");
    kill_both(terminal.pid(), &instance);
    terminal.wait_end();
    let orphan = sandbox.wait_one("orphaned");
    assert_eq!(orphan.instance_id, instance.instance_id);
    assert!(is_running(instance.child()));
    let shown = sandbox.wrap(["list", "-f", "json"]).piped().expect_code(0).out();
    assert_eq!(shown.trim(), "[]", "only --all shows what is not well");

    let listed = sandbox.wrap(["clean"]).piped().expect_code(0);
    assert!((listed.out() + &listed.err()).contains(instance.short_id()), "{listed:?}");
    assert!(is_running(instance.child()), "without --kill it is only named");
    sandbox.wrap(["clean", "--kill"]).piped().expect_code(0);
    assert!(!is_running(instance.child()), "it is gone when `clean` returns");
    assert_gone(&sandbox, &instance);
}

#[test]
fn with_all_three_killed_the_entry_is_removed_by_the_next_listing_and_the_stale_hook_runs() {
    let sandbox = Sandbox::new();
    sandbox.hook("left", "wrap.on('stale', function(instance) print('stale ' .. instance.projectName) end)");
    let (terminal, instance) = started(&sandbox, "trap '' HUP; echo up; exec sleep 1000");
    kill_both(terminal.pid(), &instance);
    signal(instance.child(), libc::SIGKILL);
    terminal.wait_end();
    wait_gone(instance.child());
    assert_eq!(sandbox.entries().len(), 1);
    let listed = sandbox.wrap(["list", "-f", "json"]).piped().expect_code(0);
    assert_eq!(listed.out().trim(), "[]");
    assert!(listed.err().contains("wrap: hook left: stale project"), "{}", listed.err());
    assert!(sandbox.entries().is_empty());
}

#[test]
fn what_the_command_leaves_behind_is_named_and_stopped() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["sh", "-c", "sleep 1000 & echo left $!; exit 5"]).terminal();
    terminal.wait_for("left ");
    let pid = terminal.wait_for("\r\n").parse().unwrap_or_else(|_| panic!("{}", terminal.screen()));
    assert_eq!(terminal.wait_end(), Ending::Code(5));
    assert!(!is_running(pid), "it is gone when the shell has its prompt");
    let screen = terminal.screen();
    assert!(
        screen.contains("wrap: stopping what `sh` left running: ") && screen.contains(&format!("({pid})")),
        "{screen}"
    );
}

#[test]
fn leftovers_that_do_not_listen_are_killed() {
    let sandbox = impatient();
    let script =
        "sh -c \"trap '' HUP TERM; echo deaf; while :; do sleep 0.05; done\" & echo left $!; sleep 0.2; exit 5";
    let terminal = sandbox.wrap(["sh", "-c", script]).terminal();
    terminal.wait_for("left ");
    let pid = terminal.wait_for("\r\n").parse().expect("a pid");
    assert_eq!(terminal.wait_end(), Ending::Code(5));
    assert!(!is_running(pid));
    assert!(terminal.screen().contains("wrap: killed "), "{}", terminal.screen());
}

#[test]
fn what_leads_a_session_of_its_own_is_named_and_kept() {
    let sandbox = Sandbox::new();
    let script = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & sleep 0.2; exit 5";
    let finished = sandbox.wrap(["sh", "-c", script]).piped().expect_code(5);
    let (_, rest) =
        finished.err().split_once("`sleep` (").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("it is named");
    let pid = rest.split(')').next().and_then(|pid| pid.parse().ok()).expect("a pid");
    assert!(is_running(pid));
    signal(pid, libc::SIGKILL);
    wait_gone(pid);
}

#[test]
fn with_leftovers_stop_all_no_session_saves_anything() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "leftovers = 'stop-all'\n");
    let script = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & sleep 0.2; exit 5";
    sandbox.wrap(["sh", "-c", script]).piped().expect_code(5);
    assert_eq!(sandbox.leftovers(Duration::from_millis(500)), Vec::<String>::new());
}

#[test]
fn with_leftovers_keep_the_shell_goes_on_and_the_entry_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "leftovers = 'keep'\n");
    let finished = sandbox.wrap(["sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 5"]).piped().expect_code(5);
    let instance = sandbox.wait_started();
    assert!(finished.err().contains(&format!("({})", instance.child())), "{}", finished.err());
    assert!(is_running(instance.child()));
    sandbox.wrap(["stop", instance.short_id()]).piped().expect_code(0);
    assert_gone(&sandbox, &instance);
}

#[test]
fn a_shell_has_its_terminal_back_after_each_way_out() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.bash();
    for (line, key, code) in [
        ("wrap true", None, 0),
        ("wrap sh -c 'stty raw -echo; exit 3'", None, 3),
        ("wrap sh -c 'echo u''p; exec sleep 1000'", Some(CTRL_C), 130),
        ("wrap sh -c 'kill -TERM $$'", None, 143),
        ("wrap no-such-command-here", None, 127),
    ] {
        terminal.line(line);
        if let Some(key) = key {
            terminal.wait_for("up");
            terminal.send(key);
        }
        terminal.wait_for(PROMPT);
        terminal.line("echo code=$?; stty -a | tr ' ;' '\\n\\n' | grep -c -x -e icanon -e isig -e echo");
        terminal.wait_for(&format!("code={code}\r\n3\r\n"));
        terminal.wait_for(PROMPT);
    }
    terminal.line("exit 0");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}
