//! The command line: what is ours, what is the command's, and what is said of mistakes.

use crate::harness::{Ending, Sandbox, signal, wait_gone};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Shows each of its arguments between brackets.
const SHOW: &str = "#!/bin/sh\nprintf '<%s>' \"$@\"\n";

#[test]
fn everything_after_the_command_belongs_to_it() {
    let sandbox = Sandbox::new();
    sandbox.script("show", SHOW);
    let odd: Vec<OsString> = [
        &b"./show"[..],
        b"-d",
        b"--name",
        b"x",
        b"--",
        b"--help",
        b"",
        b" two  words ",
        b"a\nb",
        b"list",
        b"\xff\xfe not UTF-8",
        b"'\"$HOME`\\",
    ]
    .iter()
    .map(|bytes| OsStr::from_bytes(bytes).to_owned())
    .collect();
    let bare = sandbox.run("./show", &odd[1..]).piped().expect_code(0).stdout;
    assert_eq!(sandbox.wrap(&odd).piped().expect_code(0).stdout, bare);
    for before in [&["--"][..], &["run"], &["run", "--"], &["-n", "name", "--"]] {
        let args = before.iter().map(OsString::from).chain(odd.iter().cloned());
        assert_eq!(sandbox.wrap(args).piped().expect_code(0).stdout, bare, "{before:?}");
    }
    let terminal = sandbox.wrap(&odd).terminal();
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    let newlines: Vec<u8> =
        bare.iter().flat_map(|&byte| if byte == b'\n' { vec![b'\r', byte] } else { vec![byte] }).collect();
    assert_eq!(terminal.output(), newlines);
}

#[test]
fn a_command_that_is_called_like_a_verb_can_be_run() {
    let sandbox = Sandbox::new();
    let program = sandbox.write("bin/list", "#!/bin/sh\necho the program list \"$@\"\n");
    std::fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its permissions");
    for args in [&["run", "list", "x"][..], &["--", "list", "x"]] {
        assert_eq!(sandbox.wrap(args).piped().expect_code(0).out(), "the program list x\n");
    }
    assert_eq!(sandbox.wrap(["list", "-f", "json"]).piped().expect_code(0).out().trim(), "[]");
}

#[test]
fn a_directory_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.write("project/below/file", "");
    let finished = sandbox.wrap(["-C", "below", "ls"]).piped().expect_code(0);
    assert_eq!(finished.out(), "file\n");
    let finished = sandbox.wrap(["-C", "no-such-place", "true"]).piped();
    assert_ne!(finished.ending, Ending::Code(0));
    assert!(finished.err().starts_with("wrap: ") && finished.err().contains("`no-such-place`"), "{}", finished.err());
}

#[test]
fn detached_it_returns_and_the_command_runs_on() {
    let sandbox = Sandbox::new();
    // Command substitution waits until everybody has let go of its pipe.
    let finished = sandbox.sh("x=$(wrap -d -n left sh -c 'sleep 1000'); echo \"[$x]\"").piped().expect_code(0);
    let instance = sandbox.wait_started();
    assert_eq!((instance.project_name.as_str(), instance.mode.as_str()), ("left", "terminal"));
    assert!(finished.out().contains(instance.short_id()), "{}", finished.out());
    let missing = sandbox.wrap(["-d", "no-such-command-here"]).piped().expect_code(127);
    assert!(missing.err().starts_with("wrap: "), "{}", missing.err());
    signal(instance.child(), libc::SIGKILL);
    wait_gone(instance.pid);
    sandbox.wait_no_entry();
}

#[test]
fn with_wrap_0_the_command_takes_our_place() {
    let sandbox = Sandbox::new();
    let finished =
        sandbox.sh("echo $$; WRAP=0 exec wrap sh -c 'echo $$; wrap list -f json; exit 8'").piped().expect_code(8);
    let lines: Vec<String> = finished.out().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], lines[1], "the same process");
    assert_eq!(lines[2], "[]", "and no instance");
    let finished = sandbox.wrap(["env"]).env("WRAP", "0").piped().expect_code(0);
    assert!(!finished.out().contains("WRAP_INSTANCE_ID"), "{}", finished.out());
}

#[test]
fn what_cannot_be_run_has_the_shells_codes() {
    let sandbox = Sandbox::new();
    sandbox.write("project/plain", "not executable\n");
    sandbox.script("lost", "#!/no/such/interpreter\n");
    for (command, code) in
        [("no-such-command-here", 127), ("./no-such-file", 127), ("./plain", 126), ("/", 126), ("./lost", 127)]
    {
        let finished = sandbox.wrap([command]).piped().expect_code(code);
        assert!(finished.err().starts_with("wrap: ") && finished.err().contains(command), "{}", finished.err());
        assert_eq!(finished.err().lines().count(), 1, "{}", finished.err());
        let terminal = sandbox.wrap([command]).terminal();
        assert_eq!(terminal.wait_end(), Ending::Code(code));
        assert!(terminal.modes().is_cooked());
    }
    assert!(sandbox.entries().is_empty());
}

#[test]
fn a_script_without_a_first_line_runs_as_in_a_shell() {
    let sandbox = Sandbox::new();
    sandbox.script("plain", "echo ran; exit 4\n");
    let bare = sandbox.sh("./plain").piped().expect_code(4);
    let wrapped = sandbox.wrap(["./plain"]).piped();
    // execvp's rule: what has no format that the kernel knows is a shell script.
    assert_eq!((wrapped.out(), wrapped.ending), (bare.out(), bare.ending), "{}", wrapped.err());
}

#[test]
fn a_mistyped_verb_is_asked_about() {
    let sandbox = Sandbox::new();
    let finished = sandbox.wrap(["lsit"]).piped().expect_code(127);
    assert!(finished.err().contains("command not found"), "{}", finished.err());
    assert!(finished.err().contains("did you mean") && finished.err().contains("list"), "{}", finished.err());
    let finished = sandbox.wrap(["quite-another-thing"]).piped().expect_code(127);
    assert!(!finished.err().contains("did you mean"), "{}", finished.err());
}

#[test]
fn mistakes_on_our_side_of_the_command_exit_with_2() {
    let sandbox = Sandbox::new();
    for args in [
        &["--no-such-option"][..],
        &["--port", "x", "true"],
        &["list", "--no-such-option"],
        &["stop"],
        &["help", "nosuch"],
    ] {
        let finished = sandbox.wrap(args).piped().expect_code(2);
        assert_ne!(finished.err(), "", "{args:?}");
        assert_eq!(finished.out(), "", "{args:?}");
    }
}

#[test]
fn help_and_version_are_told() {
    let sandbox = Sandbox::new();
    for args in [&["--help"][..], &["-h"], &["help"], &["list", "--help"], &["help", "list"]] {
        let finished = sandbox.wrap(args).piped().expect_code(0);
        assert!(finished.out().contains("wrap"), "{args:?}: {}", finished.out());
        assert_eq!(finished.err(), "", "{args:?}");
    }
    let finished = sandbox.wrap(["--version"]).piped().expect_code(0);
    assert!(finished.out().contains(env!("CARGO_PKG_VERSION")), "{}", finished.out());
}

#[test]
fn verbose_says_a_line_at_the_start_and_one_at_the_end_and_nothing_else() {
    let sandbox = Sandbox::new();
    let quiet = sandbox.wrap(["-n", "shop", "sh", "-c", "echo out; exit 3"]).piped().expect_code(3);
    assert_eq!((quiet.out(), quiet.err()), ("out\n".into(), String::new()));
    let said = sandbox.wrap(["-v", "-n", "shop", "sh", "-c", "echo out; exit 3"]).piped().expect_code(3);
    assert_eq!(said.out(), "out\n");
    let lines: Vec<String> = said.err().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("wrap: started `shop` (") && lines[0].ends_with(')'), "{lines:?}");
    assert!(lines[1].contains(") exited with 3 after ") && lines[1].ends_with('s'), "{lines:?}");
    // A restart is not another start.
    let restarted = sandbox.wrap(["-v", "-n", "shop", "sleep", "1000"]).terminal();
    restarted.wait_for("wrap: started `shop`");
    sandbox.wrap(["restart", "--no-wait", "shop"]).piped().expect_code(0);
    restarted.wait_for("wrap: restarting `sleep 1000`");
    sandbox.stop_all();
    restarted.wait_end();
    assert_eq!(restarted.screen().matches("wrap: started").count(), 1, "{}", restarted.screen());
    let terminal = sandbox.wrap(["-v", "-n", "shop", "sh", "-c", "echo out; kill -TERM $$"]).terminal();
    terminal.wait_end();
    let shown = terminal.shown();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((lines.len(), lines[1]), (3, "out"), "{shown}");
    assert!(lines[2].contains("was ended by SIGTERM after "), "{shown}");
}

#[test]
fn title_prompt_marks_and_directory_are_the_commands_alone() {
    let sandbox = Sandbox::new();
    // Window title, semantic prompt (133), current directory (7), and a bell as their end.
    let own = "\x1b]0;theirs\x07\x1b]2;theirs\x1b\\\x1b]133;A\x07\x1b]7;file://here/\x07.";
    sandbox.write("project/own", own);
    let terminal = sandbox.wrap(["-n", "shop", "cat", "own"]).terminal();
    terminal.wait_end();
    assert_eq!(String::from_utf8_lossy(&terminal.output()), own);
}

/// A full disk below standard error, or a reader that left, costs our line and not the exit code.
#[test]
fn a_standard_error_that_takes_nothing_changes_no_exit_code() {
    let sandbox = Sandbox::new();
    for (line, code) in
        [("wrap stop nosuch", "3"), ("wrap send nosuch x", "3"), ("wrap help nosuch", "2"), ("wrap", "2")]
    {
        let told = sandbox.sh(&format!("{line} 2>/dev/full; echo $?")).piped().expect_code(0);
        assert_eq!(told.out(), format!("{code}\n"), "{line}");
    }
}
