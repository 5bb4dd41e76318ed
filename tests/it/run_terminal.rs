//! Commands in a terminal: what they see, what arrives, what stays of it.

use crate::harness::{CTRL_BACKSLASH, CTRL_C, CTRL_D, Ending, Launch, Sandbox, Terminal};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The first command of the README, on a real package with a real server.
#[test]
fn npm_run_dev_is_listed_healthy_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.fixture("node-app");
    let bare = interrupted_server(&sandbox.run("npm", ["run", "dev"]).terminal());

    let terminal = sandbox.wrap(["npm", "run", "dev"]).terminal();
    terminal.wait_for("Local");
    terminal.wait_for("http://localhost:");
    let port: u16 = terminal.wait_for("/").parse().expect("a port");
    let instance = sandbox.wait_one("healthy");
    assert_eq!(instance.port, Some(port));
    assert_eq!(instance.url.as_deref(), Some(format!("http://localhost:{port}/").as_str()));
    assert_eq!(instance.project_name, "fixture-app");
    assert_eq!(instance.detected_type, "package.json");
    assert_eq!(instance.command, "npm run dev");
    assert_eq!(instance.cmd_args, ["npm", "run", "dev"]);
    assert_eq!(instance.cwd, sandbox.project().canonicalize().expect("the project").to_string_lossy());
    assert_eq!(instance.mode, "terminal");
    assert!(get(port, "/page").contains("hello from /page"));

    terminal.send(CTRL_C);
    assert_eq!(terminal.wait_end(), bare, "as without wrap");
    assert!(sandbox.entries().is_empty(), "{:?}", sandbox.entries());
    assert!(terminal.modes().is_cooked() && terminal.modes().echoes());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the server is gone");
}

fn interrupted_server(terminal: &Terminal) -> Ending {
    terminal.wait_for("http://localhost:");
    terminal.send(CTRL_C);
    terminal.wait_end()
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn the_exit_code_is_the_commands() {
    let sandbox = Sandbox::new();
    for code in [0, 1, 2, 7, 125, 126, 127, 128, 130, 255] {
        let terminal = sandbox.wrap(["sh", "-c", &format!("exit {code}")]).terminal();
        assert_eq!(terminal.wait_end(), Ending::Code(code));
    }
}

#[test]
fn the_death_is_the_commands() {
    let sandbox = Sandbox::new();
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGABRT,
        libc::SIGKILL,
        libc::SIGUSR1,
        libc::SIGPIPE,
        libc::SIGTERM,
    ] {
        let terminal = sandbox.wrap(["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$")]).terminal();
        assert_eq!(terminal.wait_end(), Ending::Signal(signal));
    }
}

#[test]
fn all_streams_are_the_terminal_and_it_has_its_size_at_once() {
    let sandbox = Sandbox::new();
    let script = "stty size; test -t 0 && test -t 1 && test -t 2 && stty size </dev/tty && ps -o stat= -p $$ | grep + && echo yes";
    let terminal = sandbox.wrap(["sh", "-c", script]).size(31, 77).terminal();
    terminal.wait_for("31 77");
    terminal.wait_for("31 77");
    terminal.wait_for("yes");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn a_resize_reaches_the_command() {
    let sandbox = Sandbox::new();
    let script = "trap 'stty size; kill $!' WINCH; sleep 1000 & echo up; wait; exit 0";
    let terminal = sandbox.wrap(["sh", "-c", script]).terminal();
    terminal.wait_for("up");
    terminal.resize(40, 90);
    terminal.wait_for("40 90");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

/// Both runs in a terminal, without wrap and with it: the outputs and endings.
fn bare_and_wrapped(start: impl Fn(&str) -> Launch, act: impl Fn(&Terminal)) -> [(String, Ending); 2] {
    ["", "wrap "].map(|prefix| {
        let terminal = start(prefix).terminal();
        act(&terminal);
        let ending = terminal.wait_end();
        (terminal.output().escape_ascii().to_string(), ending)
    })
}

#[test]
fn the_terminals_modes_are_the_commands_modes() {
    let sandbox = Sandbox::new();
    let [bare, wrapped] = bare_and_wrapped(
        |wrap| sandbox.sh(&format!("stty intr ^X erase ^H -ixon -echoctl; exec {wrap}stty -a")),
        |_| {},
    );
    assert_eq!(bare, wrapped);
}

#[test]
fn output_is_neither_changed_nor_cut() {
    let sandbox = Sandbox::new();
    let script = "printf 'a\\nb\\r\\n\\tc\\033[31mred\\033[0m\\n'; head -c 400000 /dev/zero | tr '\\0' x; printf END";
    let line = format!("sh -c '{}'", script.replace('\'', "'\\''"));
    let [bare, wrapped] = bare_and_wrapped(|wrap| sandbox.sh(&format!("exec {wrap}{line}")), |_| {});
    assert!(bare.0.ends_with("xEND"));
    assert!(bare == wrapped, "{} and {} bytes", bare.0.len(), wrapped.0.len());
}

#[test]
fn what_is_typed_arrives_once_and_is_shown_once() {
    let sandbox = Sandbox::new();
    let [bare, wrapped] = bare_and_wrapped(
        |wrap| sandbox.sh(&format!("exec {wrap}sh -c 'echo up; cat; echo over'")),
        |terminal| {
            terminal.wait_for("up");
            terminal.line("hello");
            terminal.wait_for("hello\r\nhello\r\n");
            terminal.send("half\x7f\x7f\r");
            terminal.wait_for("\r\nha\r\n");
            terminal.send(CTRL_D);
            terminal.wait_for("over");
        },
    );
    assert_eq!(bare, wrapped);
}

#[test]
fn what_is_typed_before_the_command_runs_is_not_lost() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.wrap(["sh", "-c", "read line; echo \"<$line>\"; cat; echo over"]).terminal();
    terminal.line("early");
    terminal.send(CTRL_D);
    terminal.wait_for("<early>");
    terminal.wait_for("over");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn ctrl_c_is_one_signal_and_the_command_decides() {
    let sandbox = Sandbox::new();
    sandbox.fixture("bin");
    let terminal = sandbox.wrap(["node", "signals.js"]).terminal();
    terminal.wait_for("listening");
    terminal.send(CTRL_C);
    terminal.wait_for("got SIGINT 1");
    terminal.send(CTRL_BACKSLASH);
    terminal.wait_for("got SIGQUIT 1");
    terminal.send(CTRL_C);
    terminal.wait_for("got SIGINT 2");
    terminal.line("end");
    terminal.wait_for(r#"all {"SIGINT":2,"SIGQUIT":1}"#);
    assert_eq!(terminal.wait_end(), Ending::Code(7));
}

#[test]
fn a_command_that_leaves_the_terminal_raw_does_not_leave_ours_so() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("echo up; read line; exec wrap sh -c 'stty raw -echo; exit 4'").terminal();
    terminal.wait_for("up");
    let before = terminal.modes();
    terminal.send("\r");
    assert_eq!(terminal.wait_end(), Ending::Code(4));
    assert_eq!(terminal.modes(), before);
}

#[test]
fn a_redirected_error_stream_stays_redirected() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.sh("exec wrap sh -c 'test -t 1 && echo out; test -t 2 || echo err >&2' 2>errors").terminal();
    terminal.wait_for("out");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    assert!(!terminal.screen().contains("err"), "{}", terminal.screen());
    assert_eq!(std::fs::read_to_string(sandbox.project().join("errors")).expect("the file"), "err\n");
}

#[test]
fn only_two_variables_are_added() {
    let sandbox = Sandbox::new();
    let [bare, wrapped] = ["", "wrap "].map(|wrap| {
        let terminal = sandbox.sh(&format!("exec {wrap}env")).terminal();
        assert_eq!(terminal.wait_end(), Ending::Code(0));
        let mut lines: Vec<String> = terminal.screen().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    });
    let (added, kept): (Vec<String>, Vec<String>) =
        wrapped.into_iter().partition(|line| line.starts_with("WRAP_INSTANCE_ID=") || line.starts_with("WRAP_SOCKET="));
    assert_eq!(kept, bare);
    assert_eq!(added.len(), 2, "{added:?}");
}

#[test]
fn inherited_descriptors_arrive() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.run("bash", ["-c", "exec wrap cat <(echo substituted) 7</dev/null"]).terminal();
    terminal.wait_for("substituted");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}

#[test]
fn the_command_may_end_before_anybody_looks() {
    let sandbox = Sandbox::new();
    for _ in 0..20 {
        assert_eq!(sandbox.wrap(["true"]).terminal().wait_end(), Ending::Code(0));
    }
    assert!(sandbox.entries().is_empty());
}

/// Text goes straight to the command's terminal and other keys through the keeper: none may overtake another.
#[test]
fn keys_arrive_in_the_order_in_which_they_were_pressed() {
    let sandbox = Sandbox::new();
    let keys: Vec<u8> =
        (0..3000_u32).map(|at| if at * 7919 % 3 == 0 { (at % 26 + 1) as u8 } else { b'a' + (at % 26) as u8 }).collect();
    let script =
        format!("stty raw -echo; echo READY; head -c {} | od -An -v -tx1 | tr -d ' \\n'; echo END", keys.len());
    let terminal = sandbox.wrap(["sh", "-c", &script]).terminal();
    terminal.wait_for("READY");
    for key in keys.chunks(1) {
        terminal.send(key);
    }
    let expected: Vec<String> = keys.iter().map(|key| format!("{key:02x}")).collect();
    assert_eq!(terminal.wait_for("END").trim(), expected.concat());
    assert_eq!(terminal.wait_end(), Ending::Code(0));
}
