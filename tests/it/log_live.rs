//! The log of a command that runs: as it is written, followed, rotated, cleared, and where it cannot be written.

use crate::harness::{CTRL_C, Ending, Sandbox, Terminal};
use std::fs;
use std::path::{Path, PathBuf};

fn logs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dir = fs::read_dir(sandbox.root().join("state/wrap/logs")).map(|dir| dir.flatten().collect::<Vec<_>>());
    dir.unwrap_or_default().into_iter().map(|file| file.path()).collect()
}

/// Runs a script in a terminal under the name of `shop`.
fn shop(sandbox: &Sandbox, script: &str) -> Terminal {
    sandbox.script("shop.sh", &format!("#!/bin/bash\n{script}"));
    sandbox.wrap(["-n", "shop", "./shop.sh"]).terminal()
}

#[test]
fn it_is_in_the_cri_format_for_the_user_alone_and_readable_after_the_end() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let terminal =
        shop(&sandbox, "printf '\\033[32mgreen\\033[0m\\n 10%%\\r 99%%\\rdone\\033[K\\n'; echo last; exit 3");
    assert_eq!(terminal.wait_end(), Ending::Code(3));
    let [file] = &logs(&sandbox)[..] else { panic!("{:?}", logs(&sandbox)) };
    assert_eq!(fs::metadata(file).expect("there").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(file).expect("read");
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        assert!(words[0].ends_with('Z') && words[0].parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert_eq!((words[1], words[2]), ("stdout", "F"), "{line}");
    }
    assert!(text.contains(" F \x1b[32mgreen\x1b[0m\n"), "{text:?}");
    assert_eq!(sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out(), "green\ndone\nlast\n");
    let coloured = sandbox.wrap(["logs", "shop", "-n", "3"]).terminal();
    coloured.wait_for("\x1b[32mgreen");
    coloured.wait_for("last");
    coloured.wait_end();
}

#[test]
fn in_pipe_mode_the_two_streams_are_told_apart() {
    let sandbox = Sandbox::new();
    sandbox.wrap(["-n", "shop", "sh", "-c", "echo out; echo err >&2"]).piped().expect_code(0);
    assert_eq!(sandbox.wrap(["logs", "shop", "--stream", "err"]).piped().expect_code(0).out(), "err\n");
    assert_eq!(sandbox.wrap(["logs", "shop", "--stream", "out"]).piped().expect_code(0).out(), "out\n");
}

#[test]
fn what_does_not_pass_wrap_is_not_logged_and_that_is_said() {
    let sandbox = Sandbox::new();
    sandbox.sh("wrap -n shop sh -c 'echo out; echo err >&2' >out.txt 2>err.txt").piped().expect_code(0);
    let unseen = sandbox.wrap(["logs", "shop"]).piped().expect_code(1);
    assert!(unseen.err().contains("straight to a file"), "{}", unseen.err());
}

#[test]
fn a_restart_has_a_line_of_its_own() {
    let sandbox = Sandbox::new();
    let terminal = shop(&sandbox, "printf 'begun '; read x");
    terminal.wait_for("begun");
    sandbox.wrap(["wait", "shop", "--for", "log=begun"]).piped().expect_code(0);
    sandbox.wrap(["restart", "shop"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=begun"]).piped().expect_code(0);
    assert_eq!(sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out(), "begun \n[wrap: run 2]\nbegun \n");
    assert!(!terminal.screen().contains("run 2"), "{}", terminal.screen());
    terminal.send(CTRL_C);
    terminal.wait_end();
}

#[test]
fn a_log_that_rotates_while_it_is_followed_is_followed_whole() {
    let sandbox = Sandbox::new();
    // Some 25 MiB in steps, each of which waits until it was read: nothing is rotated away unseen.
    let terminal = shop(
        &sandbox,
        "stty -echo; echo ready; for part in 1 2 3 4 5 6 7 8; do read x; seq -f \"part $part line %.0f with some more text behind it\" 60000; echo \"end of part $part\"; done; read x",
    );
    terminal.wait_for("ready\r\n");
    let follower = sandbox.wrap(["logs", "shop", "-f"]).start();
    follower.wait_for("ready\n");
    for part in 1..=8 {
        terminal.send("\r");
        follower.wait_for(&format!("end of part {part}\n"));
    }
    terminal.send("\r");
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    let seen = follower.finish().expect_code(0).out();
    let mut lines = seen.lines().skip(1);
    for part in 1..=8 {
        for number in 1..=60000 {
            let expected = format!("part {part} line {number} with some more text behind it");
            assert_eq!(lines.next(), Some(&*expected));
        }
        assert_eq!(lines.next(), Some(&*format!("end of part {part}")));
    }
    let kept: u64 = logs(&sandbox).iter().map(|file| fs::metadata(file).expect("there").len()).sum();
    assert_eq!(logs(&sandbox).len(), 2);
    assert!(kept < 22 << 20, "{kept} bytes are kept");
}

#[test]
fn cleared_it_begins_anew_and_the_offset_of_before_means_nothing() {
    let sandbox = Sandbox::new();
    let terminal = shop(&sandbox, "echo one; echo two; while read x; do echo \"got $x\"; done");
    terminal.wait_for("two\r\n");
    sandbox.wrap(["wait", "shop", "--for", "log=two"]).piped().expect_code(0);
    let said = sandbox.wrap(["logs", "shop", "--clear"]).piped().expect_code(0).out();
    assert!(said.starts_with("cleared the log of `shop`"), "{said}");
    assert_eq!(sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out(), "");
    sandbox.wrap(["send", "shop", "three"]).piped().expect_code(0);
    sandbox.wrap(["wait", "shop", "--for", "log=got three"]).piped().expect_code(0);
    assert_eq!(sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out(), "three\ngot three\n");
    terminal.send(CTRL_C);
    terminal.wait_end();
    sandbox.wrap(["logs", "shop", "--clear"]).piped().expect_code(0);
    assert_eq!(sandbox.wrap(["logs", "shop"]).piped().expect_code(0).out(), "");
}

/// A limit on the size of files is as good as a full disk: the log is lost, with one line, and nothing else.
#[test]
fn where_it_cannot_be_written_the_command_does_not_notice() {
    let sandbox = Sandbox::new();
    sandbox.script("shop.sh", "#!/bin/bash\necho ready\nread x\nseq 200000\necho 'the end'\nread x\nexit 4\n");
    // 64 blocks of 1 KiB: an entry fits, a log does not.
    let terminal = sandbox.run("bash", ["-c", "ulimit -S -f 64; exec wrap -n shop ./shop.sh"]).terminal();
    terminal.wait_for("ready\r\n");
    terminal.send("\r");
    terminal.wait_for("the end\r\n");
    terminal.wait_until("the line about the log", |text| text.contains("the log of this run has gaps: cannot write"));
    let numbers = terminal.screen();
    terminal.send("\r");
    assert_eq!(terminal.wait_end(), Ending::Code(4));
    assert_eq!(numbers.matches("wrap: ").count(), 1, "one line of ours");
    // Our line stands where it happened, which may be in the middle of another.
    let found: Vec<u32> = numbers.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(found.len() >= 199_998, "{} of 200000 lines", found.len());
    assert!(logs(&sandbox).iter().all(|file| is_whole(file)), "no record is torn");
}

fn is_whole(file: &Path) -> bool {
    let text = fs::read_to_string(file).expect("read");
    text.is_empty() || (text.ends_with('\n') && text.lines().all(|line| line.split(' ').count() >= 4))
}

#[test]
fn a_state_directory_that_cannot_be_had_costs_the_log_and_one_line() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("no-directory", "");
    let terminal = sandbox.wrap(["-n", "shop", "echo", "hello"]).env("XDG_STATE_HOME", &file).terminal();
    assert_eq!(terminal.wait_end(), Ending::Code(0));
    assert!(terminal.screen().starts_with("hello\n"), "{}", terminal.screen());
    assert!(terminal.screen().matches("wrap: ").count() <= 2, "{}", terminal.screen());
}

/// What a program prints all at once is in the log when it has ended, to the last byte.
#[test]
fn the_last_words_are_in_the_log() {
    let sandbox = Sandbox::new();
    for round in 0..5 {
        let terminal = shop(&sandbox, "seq 20000; printf 'no newline'");
        terminal.wait_end();
        let log = sandbox.wrap(["logs", "shop", "-n", "2"]).piped().expect_code(0).out();
        assert_eq!(log, "20000\nno newline\n", "round {round}");
    }
}
