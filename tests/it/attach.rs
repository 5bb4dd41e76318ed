//! Attaching to what runs, and leaving it: the screen, the keys, the sizes, several at once, and each of them killed.

use crate::harness::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, Ending, PROMPT, Sandbox, Terminal, signal, wait_gone};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A program that says what was typed.
const ECHO: &str = "#!/bin/bash\necho ready\n\
                    while true; do if IFS= read -r line; then echo \"got <$line>\"; fi; done\n";

/// Starts `echo.sh` in a terminal of its own, the ordinary way.
fn echo(sandbox: &Sandbox) -> Terminal {
    sandbox.script("echo.sh", ECHO);
    let terminal = sandbox.wrap(["-n", "shop", "./echo.sh"]).terminal();
    terminal.wait_for("ready\r\n");
    sandbox.wait_started();
    terminal
}

fn attach(sandbox: &Sandbox) -> Terminal {
    sandbox.wrap(["attach", "shop"]).terminal()
}

/// Presses the detach keys, each by itself.
fn press_detach(terminal: &Terminal) {
    terminal.send(CTRL_BACKSLASH);
    terminal.send("d");
}

#[test]
fn what_was_started_the_ordinary_way_is_attached_to_typed_into_and_left() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    visitor.line("from the visitor");
    visitor.wait_for("got <from the visitor>");
    first.wait_for("got <from the visitor>");
    first.line("from the first");
    visitor.wait_for("got <from the first>");
    press_detach(&visitor);
    assert_eq!(visitor.wait_end(), Ending::Code(0));
    assert!(visitor.screen().contains("detached from `shop`, which runs on"), "{}", visitor.screen());
    first.line("still here");
    first.wait_for("got <still here>");
    first.send(CTRL_C);
    assert_eq!(first.wait_end(), Ending::Signal(libc::SIGINT));
}

#[test]
fn the_first_client_detaches_and_the_command_goes_on_without_anybody() {
    let sandbox = Sandbox::new();
    sandbox.script("echo.sh", ECHO);
    let shell = sandbox.bash();
    let before = shell.modes();
    shell.line("wrap -n shop ./echo.sh");
    shell.wait_for("ready\r\n");
    let command = sandbox.wait_started().child();
    press_detach(&shell);
    shell.wait_for("detached from `shop`");
    shell.wait_for(PROMPT);
    assert_eq!(shell.modes(), before);
    shell.line("echo $?");
    shell.wait_for("\r\n0\r\n");
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    visitor.line("x");
    visitor.wait_for("got <x>");
    visitor.send(CTRL_C);
    assert_eq!(visitor.wait_end(), Ending::Signal(libc::SIGINT));
    wait_gone(command);
    shell.line("exit");
    assert_eq!(shell.wait_end(), Ending::Code(0));
}

#[test]
fn a_lone_first_key_reaches_the_command() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "quits",
        "#!/bin/bash\ntrap 'echo QUIT' QUIT\necho ready\nwhile true; do read -r line && echo \"<$line>\"; done\n",
    );
    let first = sandbox.wrap(["-n", "shop", "./quits"]).terminal();
    first.wait_for("ready\r\n");
    first.send(CTRL_BACKSLASH);
    first.wait_for("QUIT");
    first.send(CTRL_BACKSLASH);
    first.send("x\r");
    first.wait_for("QUIT");
    // The key also goes to the shell above, which has the client's group: wrap passes it over.
    first.line("y");
    first.wait_for("y>");
    first.send(CTRL_C);
    first.wait_end();
}

#[test]
fn other_keys_detach_where_they_are_configured_and_none_where_they_are_off() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "detach_keys = 'ctrl-t q'\n");
    let first = echo(&sandbox);
    first.send(b"\x14");
    first.send("q");
    assert_eq!(first.wait_end(), Ending::Code(0));
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);

    sandbox.write("config/wrap/config.toml", "detach_keys = 'off'\n");
    let first = sandbox.wrap(["cat"]).terminal();
    sandbox.wait_started();
    press_detach(&first);
    assert_eq!(first.wait_end(), Ending::Signal(libc::SIGQUIT), "the key is the command's");
}

#[test]
fn detach_from_outside_lets_every_terminal_go() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    let said = sandbox.wrap(["detach", "shop"]).piped().expect_code(0).out();
    assert!(said.contains("detached `shop`") && said.contains("runs on"), "{said}");
    assert_eq!(first.wait_end(), Ending::Code(0));
    assert_eq!(visitor.wait_end(), Ending::Code(0));
    let said = sandbox.wrap(["detach", "shop"]).piped().expect_code(0).out();
    assert!(said.contains("no terminal attached"), "{said}");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn a_looker_on_changes_nothing() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    let looker = sandbox.wrap(["attach", "shop", "--read-only"]).size(10, 30).terminal();
    looker.wait_for("ready");
    looker.line("not for the command");
    first.line("one");
    looker.wait_for("got <one>");
    assert!(!first.screen().contains("not for") && !first.screen().contains("size"), "{}", first.screen());
    looker.send(CTRL_C);
    assert_eq!(looker.wait_end(), Ending::Code(0));
    first.send(CTRL_C);
    first.wait_end();
}

#[test]
fn the_size_is_that_of_the_smallest_terminal_in_which_somebody_may_type() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "project/size.js",
        "process.stdout.on('resize', () => console.log(`size ${process.stdout.rows} ${process.stdout.columns}`));\n\
         process.stdin.resume(); console.log('ready');\n",
    );
    let first = sandbox.wrap(["-n", "shop", "node", "size.js"]).terminal();
    first.wait_for("ready\r\n");
    sandbox.wait_started();
    let small = sandbox.wrap(["attach", "shop"]).size(20, 60).terminal();
    first.wait_for("size 20 60");
    let narrow = sandbox.wrap(["attach", "shop"]).size(50, 40).terminal();
    first.wait_for("size 20 40");
    press_detach(&small);
    small.wait_end();
    first.wait_for("size 24 40");
    narrow.resize(30, 200);
    first.wait_for("size 24 100");
    press_detach(&narrow);
    narrow.wait_end();
    first.send(CTRL_C);
    first.wait_end();
}

#[test]
fn an_editor_is_there_with_its_screen_and_its_modes() {
    let sandbox = Sandbox::new();
    let text: String = (1..=15).fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "line {line}");
        text
    });
    sandbox.write("project/text", text);
    let editor = ["-n", "shop", "vim", "-u", "NONE", "-i", "NONE", "-N", "text"];
    let first = sandbox.wrap(editor).size(20, 60).terminal();
    first.wait_shown("the text", |shown| shown.contains("line 15"));
    let visitor = sandbox.wrap(["attach", "shop"]).size(20, 60).terminal();
    visitor.wait_shown("the text", |shown| shown.starts_with("line 1\nline 2\n") && shown.contains("line 15"));
    assert!(visitor.raw_contains("\x1b[?1049h"), "the alternate screen");
    visitor.send("5GAmore\x1b");
    let changed = |shown: &str| shown.contains("line 5more\n");
    visitor.wait_shown("what was typed", changed);
    first.wait_shown("what was typed elsewhere", changed);
    press_detach(&visitor);
    assert_eq!(visitor.wait_end(), Ending::Code(0));
    assert!(visitor.raw_contains("\x1b[?1049l"), "the alternate screen is left");
    first.send(":wq\r");
    assert_eq!(first.wait_end(), Ending::Code(0));
}

#[test]
fn a_plain_log_is_shown_as_it_stands_and_colours_go_on() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "log",
        "#!/bin/sh\nfor i in $(seq 100); do printf 'line %s\\n' $i; done\nprintf '\\033[32mgreen \\033[1m'\nread x\necho done\n",
    );
    let first = sandbox.wrap(["-n", "shop", "./log"]).size(10, 40).terminal();
    first.wait_for("green ");
    let visitor = sandbox.wrap(["attach", "shop"]).size(10, 40).terminal();
    visitor.wait_shown("its end", |shown| shown.starts_with("line 92\n") && shown.trim_end().ends_with("green"));
    let bare = sandbox.wrap(["attach", "shop", "--no-replay"]).size(10, 40).terminal();
    // It is there once its size counts no longer for nothing: it is asked for nothing else.
    sandbox.wait_instances("it still runs", |list| list.first().map(|_| ()));
    visitor.send("\r");
    visitor.wait_for("done");
    assert_eq!(visitor.wait_end(), Ending::Code(0));
    assert_eq!(first.wait_end(), Ending::Code(0));
    bare.wait_end();
    assert!(!bare.screen().contains("line 9"), "{}", bare.screen());
    assert!(visitor.screen().contains("`shop` exited with 0"), "{}", visitor.screen());
}

#[test]
fn a_key_that_stops_the_command_stops_both_terminals_jobs() {
    let sandbox = Sandbox::new();
    sandbox.script("echo.sh", ECHO);
    let first = sandbox.bash();
    first.line("wrap -n shop ./echo.sh");
    first.wait_for("ready\r\n");
    sandbox.wait_started();
    let second = sandbox.zsh();
    second.line("wrap attach shop");
    second.wait_for("ready");
    second.send(CTRL_Z);
    second.wait_for("suspended");
    first.wait_for("Stopped");
    second.wait_for(PROMPT);
    second.bring_back();
    second.line("again");
    second.wait_for("got <again>");
    press_detach(&second);
    second.wait_for(PROMPT);
    first.line("kill %1; wait %1; echo over");
    first.wait_for("over\r\n");
    for shell in [first, second] {
        shell.line("exit");
        shell.wait_end();
    }
}

#[test]
fn attaching_to_what_was_stopped_elsewhere_continues_it() {
    let sandbox = Sandbox::new();
    sandbox.script("echo.sh", ECHO);
    let first = sandbox.bash();
    first.line("wrap -n shop ./echo.sh");
    first.wait_for("ready\r\n");
    sandbox.wait_started();
    first.send(CTRL_Z);
    first.wait_for("Stopped");
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    visitor.line("x");
    visitor.wait_for("got <x>");
    press_detach(&visitor);
    visitor.wait_end();
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    first.line("exit");
    first.line("exit");
    first.wait_end();
}

#[test]
fn only_one_terminal_answers_what_the_command_asks_and_where_there_is_none_the_keeper_does() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "asks",
        "#!/bin/bash\nstty -echo -icanon\nprintf 'row\\r\\nxy\\033[6n'\nIFS= read -r -d R answer\n\
         printf 'answer %q\\n' \"$answer\"\nprintf '\\033[c'\nIFS= read -r -d c answer\nprintf 'attributes %q\\n' \"$answer\"\n\
         while :; do sleep 1000; done\n",
    );
    sandbox.wrap(["-d", "-n", "shop", "./asks"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=attributes"]).piped().expect_code(0);
    let screen = sandbox.wrap(["screen", "shop"]).piped().expect_code(0).out();
    assert!(screen.contains("answer $'\\E[2;3'"), "{screen}");
    assert!(screen.contains("attributes $'\\E[?62;22'"), "{screen}");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);

    let first = echo(&sandbox);
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    sandbox.script("question", "printf '\\033[6nasked\\n'\n");
    // The echo of the line brings the question along.
    first.line("\u{16}\x1b[6n");
    first.wait_for("got <");
    visitor.wait_for("got <");
    assert!(first.raw_contains("<\x1b[6n>"), "the first one is asked");
    assert!(!visitor.raw_contains("<\x1b[6n>"), "the other one is not");
    first.send(CTRL_C);
    first.wait_end();
    visitor.wait_end();
}

#[test]
fn in_pipe_mode_it_is_refused_with_the_reason_and_without_a_terminal_too() {
    let sandbox = Sandbox::new();
    let mut piped = sandbox.wrap(["-n", "shop", "sh", "-c", "echo ready; read x"]).start();
    piped.wait_for("ready");
    sandbox.wait_started();
    let refused = attach(&sandbox);
    assert_eq!(refused.wait_end(), Ending::Code(1));
    assert!(refused.screen().contains("it has no terminal of wrap's"), "{}", refused.screen());
    for verb in ["detach", "screen"] {
        let refused = sandbox.wrap([verb, "shop"]).piped().expect_code(1);
        assert!(refused.err().contains("no terminal of wrap's"), "{}", refused.err());
    }
    let nowhere = sandbox.wrap(["attach", "shop"]).piped().expect_code(1);
    assert!(nowhere.err().contains("wrap logs shop -f"), "{}", nowhere.err());
    piped.send("\n");
    piped.finish().expect_code(0);
}

#[test]
fn it_does_not_attach_to_the_terminal_that_it_is_in() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["-n", "shop", "bash", "--norc", "--noprofile", "-i"]).terminal();
    terminal.wait_for(PROMPT);
    terminal.line("wrap attach shop; echo code $?");
    terminal.wait_for("inside `shop`");
    terminal.wait_for("code 1");
    terminal.line("exit");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

/// The terminal of a visitor that is killed is mended, and the command does not notice.
#[test]
fn a_visitor_that_is_killed_leaves_a_terminal_as_it_was() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    let shell = sandbox.bash();
    let before = shell.modes();
    shell.line("wrap attach shop");
    shell.wait_for("ready");
    let visitor = shell.foreground();
    shell.wait_state("a raw terminal", |terminal| !terminal.modes().is_cooked());
    signal(visitor, Signal::KILL.as_raw());
    shell.wait_for(PROMPT);
    shell.wait_state("its modes", |terminal| terminal.modes() == before);
    first.line("unmoved");
    first.wait_for("got <unmoved>");
    first.send(CTRL_C);
    first.wait_end();
    shell.line("exit");
    shell.wait_end();
}

#[test]
fn when_the_keeper_is_killed_a_visitor_says_so_and_the_first_client_ends_the_command() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    let instance = sandbox.wait_started();
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    signal(instance.pid, Signal::KILL.as_raw());
    assert_eq!(visitor.wait_end(), Ending::Code(1));
    assert!(visitor.screen().contains("the keeper of `shop`"), "{}", visitor.screen());
    first.wait_end();
    wait_gone(instance.child());
    sandbox.wait_no_entry();
}

#[test]
fn when_the_first_client_is_killed_the_visitor_has_the_command_and_its_terminal_ends_it() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    let instance = sandbox.wait_started();
    let mut visitor = attach(&sandbox);
    visitor.wait_for("ready");
    signal(first.pid(), Signal::KILL.as_raw());
    first.wait_end();
    visitor.line("mine now");
    visitor.wait_for("got <mine now>");
    visitor.hang_up();
    wait_gone(instance.child());
    sandbox.wait_no_entry();
}

#[test]
fn when_the_first_terminal_is_closed_the_visitor_has_the_command() {
    for settings in ["", "on_hangup = 'keep'\n"] {
        let sandbox = Sandbox::new();
        sandbox.write("config/wrap/config.toml", settings);
        let mut first = echo(&sandbox);
        let visitor = attach(&sandbox);
        visitor.wait_for("ready");
        first.hang_up();
        first.wait_end();
        visitor.line("mine now");
        visitor.wait_for("got <mine now>");
        visitor.send(CTRL_C);
        assert_eq!(visitor.wait_end(), Ending::Signal(libc::SIGINT));
    }
}

/// A screen that is larger than what may be under way is drawn once, not again and again.
#[test]
fn a_screen_of_many_colours_is_drawn_once() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "project/paint.js",
        "let s = ''; for (let r = 0; r < 48; r++) { for (let c = 0; c < 198; c++) \
         s += `\\x1b[38;2;${r};${c};9;48;2;${c};${r};7mx`; s += '\\x1b[m\\r\\n'; }\n\
         process.stdout.write(s + 'painted'); process.stdin.resume();\n",
    );
    let first = sandbox.wrap(["-n", "shop", "node", "paint.js"]).size(50, 200).terminal();
    first.wait_for("painted");
    sandbox.wait_started();
    let visitor = sandbox.wrap(["attach", "shop"]).size(50, 200).terminal();
    visitor.wait_for("painted");
    assert!(!visitor.comes_within("painted", Duration::from_millis(500)), "it is drawn again");
    press_detach(&visitor);
    assert_eq!(visitor.wait_end(), Ending::Code(0));
    first.send(CTRL_C);
    first.wait_end();
}

#[test]
fn a_terminal_that_is_stopped_does_not_outlive_who_stopped_it() {
    let sandbox = Sandbox::new();
    let first = echo(&sandbox);
    first.send(b"\x13");
    press_detach(&first);
    assert_eq!(first.wait_end(), Ending::Code(0));
    let visitor = attach(&sandbox);
    visitor.wait_for("ready");
    visitor.line("flows");
    visitor.wait_for("got <flows>");
    visitor.send(CTRL_C);
    visitor.wait_end();
}

#[test]
fn a_key_of_a_visitor_stops_also_what_runs_in_the_background_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.script("echo.sh", ECHO);
    let first = sandbox.bash();
    first.line("wrap -n shop ./echo.sh");
    first.wait_for("ready\r\n");
    sandbox.wait_started();
    let second = sandbox.bash();
    second.line("wrap attach shop");
    second.wait_for("ready");
    first.send(CTRL_Z);
    first.wait_for("Stopped");
    first.line("bg");
    first.wait_for("&\r\n");
    second.line("x");
    second.wait_for("got <x>");
    second.send(CTRL_Z);
    second.wait_for("Stopped");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
    for shell in [first, second] {
        shell.line("exit");
        shell.line("exit");
        shell.wait_end();
    }
}

/// Nobody reads the answers: they do not pile up.
#[test]
fn questions_without_end_cost_no_memory() {
    let sandbox = Sandbox::new();
    let script = "stty raw -echo; exec yes \"$(printf '\\033[6n')\"";
    sandbox.wrap(["-d", "-n", "shop", "sh", "-c", script]).piped().expect_code(0);
    let keeper = sandbox.wait_started().pid;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        assert!(resident(keeper) < 30 << 20, "{} bytes", resident(keeper));
    }
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

#[test]
fn a_visitor_of_a_run_that_is_nobodys_may_close_its_terminal() {
    let sandbox = Sandbox::new();
    sandbox.script("echo.sh", ECHO);
    sandbox.wrap(["-d", "-n", "shop", "./echo.sh"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    let mut visitor = attach(&sandbox);
    visitor.wait_for("ready");
    visitor.hang_up();
    visitor.wait_end();
    let again = attach(&sandbox);
    again.wait_for("ready");
    again.line("alive");
    again.wait_for("got <alive>");
    signal(again.pid(), Signal::TERM.as_raw());
    assert_eq!(again.wait_end(), Ending::Signal(libc::SIGTERM));
    assert!(crate::harness::is_running(instance.child()), "a visitor's SIGTERM is not the command's");
    sandbox.wrap(["stop", "shop"]).piped().expect_code(0);
}

/// 50 MB pass while one terminal is not read: nobody waits for it, nothing piles up, and it is shown the end.
#[test]
fn a_visitor_that_does_not_read_slows_nobody_and_sees_the_end() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "flood",
        "#!/bin/bash\necho ready\nread x\nhead -c 50000000 /dev/zero | tr '\\0' x | fold -w 99\necho\necho 'the end'\nread x\n",
    );
    let first = sandbox.wrap(["-n", "shop", "./flood"]).terminal();
    first.wait_for("ready\r\n");
    let instance = sandbox.wait_started();
    let idle = sandbox.wrap(["attach", "shop"]).terminal();
    idle.wait_for("ready");
    // Stopped, it reads neither its socket nor its terminal.
    signal(idle.pid(), Signal::STOP.as_raw());
    let start = Instant::now();
    first.line("go");
    first.wait_for_within("the end", Duration::from_mins(1));
    let took = start.elapsed();
    let memory = resident(instance.pid);
    assert!(memory < 40 << 20, "the keeper has {memory} bytes after {took:?}");
    signal(idle.pid(), Signal::CONT.as_raw());
    idle.wait_shown("the end", |shown| shown.contains("the end"));
    first.line("bye");
    assert_eq!(first.wait_end(), Ending::Code(0));
    assert_eq!(idle.wait_end(), Ending::Code(0));
}

/// Bytes of memory that a process holds (VmRSS, proc(5)).
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// A hundred times left and come back to while it prints: its log has every line once.
#[test]
fn a_hundred_visits_while_output_runs_lose_and_double_nothing_in_the_log() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "counts",
        "#!/bin/bash\ni=0\nwhile ! read -r -t 0.002 line; do i=$((i+1)); echo \"count $i\"; done\necho \"last $i\"\n",
    );
    sandbox.wrap(["-d", "-n", "shop", "./counts"]).piped().expect_code(0);
    for _ in 0..100 {
        let visitor = sandbox.wrap(["attach", "shop"]).size(24, 80).terminal();
        visitor.wait_for("count ");
        press_detach(&visitor);
        assert_eq!(visitor.wait_end(), Ending::Code(0));
    }
    let id = sandbox.wait_started().instance_id;
    sandbox.wrap(["send", "shop", "stop"]).piped().expect_code(0);
    sandbox.wrap(["wait", &id, "--for", "exit"]).piped().expect_code(0);
    let log = sandbox.wrap(["logs", &id]).piped().expect_code(0).out();
    let counted: Vec<u64> = log.lines().filter_map(|line| line.strip_prefix("count ")?.parse().ok()).collect();
    let last: u64 = log.lines().find_map(|line| line.strip_prefix("last ")?.parse().ok()).expect("its last line");
    assert_eq!(counted, (1..=last).collect::<Vec<_>>());
}
