//! The terminal as the command finds it, and as it leaves it.

use super::{Bed, Case, case, ended, probe};
use crate::harness::{CTRL_C, CTRL_D, Terminal};

pub const CASES: &[Case] = &[
    case("all three streams are the controlling terminal", |bed| ended(&bed.terminal(&probe("streams")))),
    case("size and modes at the first instruction", |bed| {
        let line = bed.script(&format!("stty intr ^G erase ^H -ixon -iexten; stty; exec @({})", probe("modes")));
        ended(&bed.sandbox.sh(&line).size(37, 91).terminal())
    }),
    case("the size in pixels", |bed| {
        ended(&bed.sandbox.sh(&format!("exec {}", bed.line(&probe("size")))).size(1, 500).terminal())
    }),
    case("a resize", |bed| {
        let terminal = bed.terminal(&probe("signalled"));
        terminal.wait_for("ready");
        terminal.resize(50, 132);
        asked(&terminal, "50x132")
    }),
    case("a burst of resizes", |bed| {
        let terminal = bed.terminal(&probe("signalled"));
        terminal.wait_for("ready");
        for rows in 10..60 {
            terminal.resize(rows, 100 + rows);
        }
        asked(&terminal, "59x159")
    }),
    case("modes after a normal end", |bed| modes_after(bed, "true", |_| {})),
    case("modes while it runs and after Ctrl-C", |bed| {
        modes_after(bed, "sh -c 'echo up; exec sleep 1000'", |terminal| {
            terminal.wait_for("up");
            terminal.send(CTRL_C);
        })
    }),
    case("a password prompt is hidden", |bed| {
        let terminal = bed.terminal("bash -c 'read -rsp \"word: \" word; echo; echo \"got <$word>\"'");
        terminal.wait_for("word: ");
        terminal.line("secret");
        ended(&terminal)
    }),
    case("what is typed is shown once", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; cat'");
        terminal.wait_for("up");
        for word in ["one", "two", "three"] {
            terminal.line(word);
            terminal.wait_for(&format!("{word}\r\n{word}\r\n"));
        }
        terminal.send(CTRL_D);
        ended(&terminal)
    }),
    case("line editing: erase, word erase, kill", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; read -r line; echo \"<$line>\"'");
        terminal.wait_for("up");
        terminal.send(b"abcd\x7f\x7fxy none\x17zz\x15kept\r");
        ended(&terminal)
    }),
    case("Ctrl-S holds the output and Ctrl-Q lets it go", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; while read -r x; do echo \"<$x>\"; done'");
        terminal.wait_for("up");
        terminal.send(b"\x13");
        terminal.line("held");
        let early = terminal.comes_within("<held>", std::time::Duration::from_millis(200));
        terminal.send(b"\x11");
        terminal.wait_for("<held>");
        terminal.send(CTRL_D);
        format!("early={early} {:?}", terminal.wait_end())
    }),
];

/// Asks the probe, until it says this size, what it has caught.
fn asked(terminal: &Terminal, size: &str) -> String {
    let mut said = String::new();
    while !said.ends_with(&format!("{size}\r\n")) {
        terminal.line("");
        terminal.wait_for("caught ");
        said = terminal.wait_for("\r\n") + "\r\n";
    }
    terminal.line("q");
    format!("{said} {:?}", terminal.wait_end())
}

fn modes_after(bed: &Bed, command: &str, act: impl Fn(&Terminal)) -> String {
    let terminal = bed.terminal_script(&format!("echo start; read x; @({command}); echo done; read x"));
    terminal.wait_for("start");
    let before = terminal.modes();
    terminal.line("");
    act(&terminal);
    terminal.wait_state("the modes of before", |terminal| terminal.modes() == before);
    terminal.send(CTRL_C);
    format!("{:?}", terminal.wait_end())
}
