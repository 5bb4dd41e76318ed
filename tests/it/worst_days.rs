//! Faults that were found once by looking for them: each of these failed before it was mended.

use crate::harness::{CTRL_C, CTRL_D, CTRL_Z, Ending, PROMPT, Sandbox, signal, wait_gone};
use std::time::{Duration, Instant};

/// A bash script's exit code and output, with `PREFIX` as nothing and as wrap.
fn both(sandbox: &Sandbox, script: &str) -> [(Ending, String); 2] {
    ["", "wrap"].map(|prefix| {
        let finished = sandbox.run("bash", ["-c", &script.replace("PREFIX", prefix)]).piped();
        (finished.ending, finished.out())
    })
}

/// Processor time that a process has used, in ticks (fields 14 and 15 of /proc/PID/stat).
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let rest = stat.rsplit_once(')').expect("a name").1;
    rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// The command has ended, its last output waits for a reader: the client sleeps, and a signal ends it as it would
/// have ended the command.
#[test]
fn a_reader_that_sleeps_costs_nothing_and_holds_nobody() {
    let sandbox = Sandbox::new();
    let running = sandbox.wrap(["sh", "-c", "seq 30000; echo done >&2"]).start();
    running.wait_for("1\n");
    sandbox.wait_no_entry();
    let (from, used) = (Instant::now(), ticks(running.pid()));
    while from.elapsed() < Duration::from_millis(300) {
        std::thread::yield_now();
    }
    assert!(ticks(running.pid()) - used <= 3, "it spins");
    signal(running.pid(), libc::SIGTERM);
    running.finish();
}

#[test]
fn a_standard_error_that_takes_nothing_costs_our_line_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "nonsense = 1\n");
    let [bare, wrapped] = both(&sandbox, "PREFIX sh -c 'echo one; exit 7' 2>/dev/full");
    assert_eq!(bare, wrapped);
    let detached = sandbox.run("bash", ["-c", "wrap -d sleep 1000 | true; echo ${PIPESTATUS[0]}"]).piped();
    assert_eq!(detached.out(), "0\n", "{}", detached.err());
    sandbox.wait_started();
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

#[test]
fn a_full_disk_is_the_commands_to_hear_of() {
    let sandbox = Sandbox::new();
    for script in ["PREFIX seq 10 >/dev/full", "PREFIX sh -c 'echo x; echo $?' >/dev/full"] {
        let [bare, wrapped] = both(&sandbox, script);
        assert_eq!(bare, wrapped, "{script}");
    }
}

/// Whoever waits for the end of a stream learns it when the command closes it, not when the command ends.
#[test]
fn the_end_of_a_stream_is_passed_on() {
    let sandbox = Sandbox::new();
    // The command ends only when it is allowed to: a reader that waited for that would wait for ever.
    for script in [
        "mkfifo go; (exec PREFIX sh -c 'echo x; exec >&-; read y <go') | { cat; echo >go; }; rm go",
        "mkfifo go; { yes; echo >go; } | (exec PREFIX sh -c 'exec <&-; read y <go; echo end'); rm go",
    ] {
        let [bare, wrapped] = both(&sandbox, script);
        assert_eq!(bare, wrapped, "{script}");
    }
}

#[test]
fn a_detached_command_holds_nothing_of_its_caller() {
    let sandbox = Sandbox::new();
    let script =
        "x=$(wrap -d sleep 1000 3>&1); echo \"got $x\"; wrap -d tty <&- >/dev/null; wrap stop --all >/dev/null";
    let finished = sandbox.run("bash", ["-c", script]).piped().expect_code(0);
    assert!(finished.out().starts_with("got project "), "{}", finished.out());
    let started = sandbox.run("bash", ["-c", "wrap -d sh -c 'tty >seen; sleep 1000' <&- >&-"]).piped().expect_code(0);
    assert_eq!(started.err(), "");
    sandbox.wait_started();
    let seen = sandbox.project().join("seen");
    let from = Instant::now();
    while !std::fs::read_to_string(&seen).is_ok_and(|text| text.ends_with('\n')) {
        assert!(from.elapsed() < Duration::from_secs(20), "tty never answered");
        std::thread::yield_now();
    }
    assert!(std::fs::read_to_string(&seen).expect("seen").starts_with("/dev/pts/"));
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
}

/// Under `--pty` the input is the caller's pipe: a byte in it is no key of a terminal, and its end ends the input
/// even behind half a line.
#[test]
fn piped_input_under_a_pty_is_input_and_ends() {
    let sandbox = Sandbox::new();
    let finished = sandbox.wrap(["--pty", "cat"]).input("abc").piped().expect_code(0);
    assert!(finished.out().contains("abc"), "{}", finished.out());
    let script = "trap 'echo CALLER GOT IT' INT; printf '\\003' | wrap --pty sleep 1000; echo code=$?";
    let finished = sandbox.run("bash", ["-c", script]).piped().expect_code(0);
    assert!(!finished.out().contains("CALLER"), "{}", finished.out());
    assert!(finished.out().contains("code=130"), "{}", finished.out());
}

/// A key that stops or interrupts a job of a shell inside is nothing to the script above wrap.
#[test]
fn keys_for_a_job_inside_stay_inside() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "outer",
        "#!/bin/bash\ntrap 'echo SCRIPT GOT IT' INT\nPS1='@@> ' wrap bash --norc --noprofile -i\necho end\n",
    );
    let terminal = sandbox.run("./outer", [""; 0]).terminal();
    terminal.wait_for(PROMPT);
    // It says when it was continued: by then the shell has given it the terminal. Without a process for each round, which a
    // key could stop between its fork and its exec.
    terminal.line("bash -c 'trap \"echo ba''ck\" CONT; echo u''p; while :; do read -t 0.1 x; done'");
    terminal.wait_for("up\r\n");
    terminal.send(CTRL_Z);
    terminal.wait_for("Stopped");
    terminal.wait_for(PROMPT);
    terminal.line("fg");
    terminal.wait_for("back\r\n");
    terminal.send(CTRL_C);
    terminal.wait_for(PROMPT);
    terminal.line("exit 0");
    terminal.wait_for("end\r\n");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    assert!(!terminal.screen().contains("SCRIPT GOT IT"), "{}", terminal.screen());
}

/// Whose shell is gone gets the terminal from nobody: it must not be stopped and continued for ever.
#[test]
fn a_disowned_job_that_reads_its_terminal_sleeps() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.bash();
    terminal.line("bash --norc --noprofile");
    terminal.wait_for(PROMPT);
    terminal.line("wrap cat & disown; exit");
    terminal.wait_for(PROMPT);
    let instance = sandbox.wait_started();
    let (from, used) = (Instant::now(), ticks(instance.pid));
    while from.elapsed() < Duration::from_millis(300) {
        std::thread::yield_now();
    }
    assert!(ticks(instance.pid) - used <= 5, "it spins");
    sandbox.wrap(["stop", "--all"]).piped().expect_code(0);
    terminal.line("exit 0");
    terminal.wait_end();
}

/// Stopped and continued from elsewhere, without the client: both stop and both go on.
#[test]
fn a_command_that_is_continued_directly_goes_on_with_its_client() {
    let sandbox = Sandbox::new();
    let terminal = sandbox.bash();
    terminal.line("wrap cat");
    let instance = sandbox.wait_started();
    terminal.line("one");
    terminal.wait_for("one\r\none");
    signal(instance.child(), libc::SIGSTOP);
    terminal.wait_for("Stopped");
    terminal.wait_for(PROMPT);
    signal(instance.child(), libc::SIGCONT);
    terminal.bring_back_wrapped();
    terminal.line("two");
    terminal.wait_for("two\r\ntwo");
    terminal.send(CTRL_D);
    terminal.wait_for(PROMPT);
    terminal.line("exit 0");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    wait_gone(instance.pid);
}

/// Too few descriptors for a keeper are still enough for the command.
#[test]
fn few_descriptors_are_enough_for_the_command() {
    let sandbox = Sandbox::new();
    for limit in 6..20 {
        let script = format!("ulimit -n {limit}; wrap sh -c 'echo ran; exit 3' 2>err");
        let finished = sandbox.run("bash", ["-c", &script]).piped();
        let said = std::fs::read_to_string(sandbox.project().join("err")).unwrap_or_default();
        assert_eq!((finished.ending, finished.out().as_str()), (Ending::Code(3), "ran\n"), "{limit}: {said}");
    }
}

/// `exec wrap` takes the shell's place, and its background jobs are none of ours.
#[test]
fn children_of_whoever_became_wrap_are_left_alone() {
    let sandbox = Sandbox::new();
    let script = "sleep 1000 >/dev/null 2>&1 & echo $!; exec wrap sh -c 'kill -9 $PPID; sleep 1000'";
    let finished = sandbox.run("bash", ["-c", script]).piped();
    assert!(finished.err().contains("wrap: the keeper "), "{finished:?}");
    let pid = finished.out().trim().parse().expect("a pid");
    assert!(crate::harness::is_running(pid), "it was ended");
    signal(pid, libc::SIGKILL);
    wait_gone(pid);
}

/// The name of a process is its own to choose; what we say of it is not its way to the terminal.
#[test]
fn a_name_with_escapes_is_shown_without_them() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "named",
        "#!/bin/sh\nprintf 'x\\033[31mEVIL' >/proc/self/comm; (printf 'x\\033[31mEVIL' >/proc/$$/comm)\n",
    );
    let script = "bash -c 'printf \"x\\\\033[31mEVIL\" >/proc/$$/comm; while :; do read -t 1000 <>/dev/ptmx; done' & sleep 0.2; exit 5";
    let finished = sandbox.wrap(["sh", "-c", script]).piped().expect_code(5);
    assert!(finished.err().contains("EVIL"), "{}", finished.err());
    assert!(!finished.err().contains('\u{1b}'), "{:?}", finished.err());
}

/// `killall wrap` sends to each wrap by its pid, which is no signal to their group: the command ends all the same.
#[test]
fn each_wrap_signalled_by_its_pid_ends_the_command() {
    let sandbox = Sandbox::new();
    let running = sandbox.wrap(["sleep", "1000"]).start();
    let instance = sandbox.wait_started();
    signal(instance.pid, libc::SIGTERM);
    signal(running.pid(), libc::SIGTERM);
    assert_eq!(running.finish().ending, Ending::Signal(libc::SIGTERM));
    wait_gone(instance.child());
}

/// In a PID namespace whose caller's session is outside (a sandbox's, a CI runner's), getsid(2) says 0. Where the
/// machine lets nobody make such a namespace, only the runner's own can be tried.
#[test]
fn a_session_from_outside_the_pid_namespace_is_a_session() {
    let sandbox = Sandbox::new();
    let namespace = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "sh", "-c"];
    let run = |script: &str| sandbox.run("unshare", namespace.iter().chain([&script])).piped();
    let bare = run("echo it runs; exit 3");
    if bare.ending != Ending::Code(3) {
        eprintln!("no namespace can be made here: {}", bare.err());
        return;
    }
    let wrapped = run("wrap sh -c 'sleep 1000 & echo it runs; exit 3'");
    assert_eq!((wrapped.ending, wrapped.out()), (bare.ending, bare.out()), "{}", wrapped.err());
    assert!(wrapped.err().contains("stopping what `sh` left running"), "{}", wrapped.err());
}

/// A reader that goes away while output waits for it: the end is the command's (SIGPIPE), and no fault of ours.
#[test]
fn a_reader_that_leaves_in_the_middle_is_no_fault() {
    let sandbox = Sandbox::new();
    // The pipe fills before the reader leaves, so that something waits.
    let script = "for i in 1 2 3 4 5 6 7 8; do wrap yes | (sleep 0.05; head -n 1); echo ${PIPESTATUS[0]}; done";
    let finished = sandbox.run("bash", ["-c", script]).piped();
    assert_eq!(finished.out(), "y\n141\n".repeat(8), "{}", finished.err());
}

/// Whoever started us may have signals blocked: the command gets them so, and we hear of its end all the same.
#[test]
fn blocked_signals_stay_the_commands() {
    let sandbox = Sandbox::new();
    let [bare, wrapped] = ["cat /proc/self/status", "exec wrap cat /proc/self/status"].map(|line| {
        let finished = sandbox.run("bash", ["-c", line]).signals_blocked().piped().expect_code(0);
        finished.out().lines().filter(|line| line.starts_with("Sig")).skip(1).map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(bare.iter().any(|line| line.starts_with("SigBlk:") && line.contains("ff")), "{bare:?}");
    assert_eq!(bare, wrapped);
}

/// What an error message quotes can be anybody's: the name of a directory, an address in a file, an answer.
#[test]
fn what_an_error_quotes_reaches_no_terminal_as_it_is() {
    let sandbox = Sandbox::new();
    let evil = "gone\u{1b}[31m\u{202e}\u{9b}";
    let dir = sandbox.root().join(evil);
    std::fs::create_dir(&dir).expect("a directory");
    sandbox.wrap(["-d", "-n", "g1", "sleep", "1000"]).cwd(&dir).piped().expect_code(0);
    sandbox.wrap(["-n", "g2", "sh", "-c", "exit 3"]).cwd(&dir).piped().expect_code(3);
    std::fs::remove_dir(&dir).expect("removed");
    for words in [&["restart", "g1"][..], &["start", "g2"], &["-C", &dir.to_string_lossy(), "true"]] {
        let said = sandbox.wrap(words).piped().err();
        assert!(said.contains("gone"), "{words:?}: {said}");
        assert!(!said.chars().any(|c| c != '\n' && wrap::files::is_hidden(c)), "{words:?}: {said:?}");
    }
    sandbox.stop_all();
}

/// A file of the control center's names another machine: nothing is sent there.
#[test]
fn the_control_center_is_on_this_machine_whatever_its_file_says() {
    let sandbox = Sandbox::new();
    let center = crate::harness::Center::start(&sandbox);
    let file = sandbox.wrap_dir().join("center.json");
    let text = std::fs::read_to_string(&file).expect("it runs");
    let own = format!("http://127.0.0.1:{}", center.port);
    std::fs::write(&file, text.replace(&own, &format!("http://192.0.2.7:{}", center.port))).expect("written");
    let link = sandbox.wrap(["ui", "--print"]).piped().expect_code(0);
    assert!(link.out().starts_with(&own), "{}", link.out());
    std::fs::write(&file, text).expect("written");
}

/// What `list` and `show` tell of a run is what `start` would run.
#[test]
fn the_command_that_is_shown_is_the_one_that_would_be_run() {
    let sandbox = Sandbox::new();
    let id = "01990000-0000-7000-8000-00000000000a";
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    let entry = serde_json::json!({ "instanceId": id, "pid": 5_000_000, "pidToken": 1, "bootId": boot.trim(),
        "childPid": 5_000_001, "childToken": 1, "state": "running",
        "projectName": "web", "command": "npm run dev", "cmdArgs": ["sh", "-c", "echo something else"] });
    let file = sandbox.write(&format!("run/instances/instance_{id}.json"), entry.to_string());
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    std::fs::set_permissions(sandbox.wrap_dir().join("instances"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("its mode");
    sandbox.wrap(["list"]).piped().expect_code(0);
    let listed = sandbox.wrap(["list", "--all"]).piped().expect_code(0).out();
    assert!(listed.contains("echo something else") && !listed.contains("npm run dev"), "{listed}");
}

/// The keeper's socket speaks HTTP/1 alone; over anything else nothing was looked at.
#[test]
fn a_keeper_speaks_no_other_http() {
    use std::io::{Read as _, Write as _};
    let sandbox = Sandbox::new();
    sandbox.wrap(["-d", "cat"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    let path = sandbox.wrap_dir().join(format!("sockets/{}.sock", instance.short_id()));
    let mut stream = std::os::unix::net::UnixStream::connect(path).expect("connected");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
    let mut said = Vec::new();
    // Closed with what was not read: reset, or at its end.
    let _ = stream.read_to_end(&mut said);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{said:?}");
    sandbox.stop_all();
}

/// A command that ignores what it can and has a child in a session of its own, and its keeper killed: `leftovers` counts.
#[test]
fn with_the_keeper_killed_stop_all_still_means_all() {
    let sandbox = Sandbox::new();
    sandbox.write("config/wrap/config.toml", "grace = 0.1\nleftovers = \"stop-all\"\n");
    let script = "trap '' HUP INT TERM; setsid sleep 1000 & echo u''p; exec sleep 1000";
    let terminal = sandbox.wrap(["sh", "-c", script]).terminal();
    terminal.wait_for("up");
    let instance = sandbox.wait_started();
    signal(instance.pid, libc::SIGKILL);
    terminal.wait_end();
    wait_gone(instance.child());
    sandbox.wait_no_entry();
    drop(terminal);
    assert_eq!(sandbox.leftovers(Duration::from_secs(5)), [""; 0]);
}
