//! Bytes on their way, both ways.

use super::{Bed, Case, case, ended, probe};
use crate::harness::{CTRL_D, Terminal};
use crate::probe::sum;

pub const CASES: &[Case] = &[
    case("every byte goes in", |bed| {
        let terminal = bed.terminal(&format!("{} 512", probe("raw")));
        terminal.wait_for("ready");
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        terminal.send(&all);
        terminal.wait_for(&format!("sum {:x}", sum(&all)));
        format!("{:?}", terminal.wait_end())
    }),
    case("every byte comes out", |bed| {
        let all: Vec<u8> = (0..=255).cycle().take(5120).collect();
        bed.sandbox.write("project/all", &all);
        ended(&bed.terminal("sh -c 'stty -opost; cat all'"))
    }),
    case("a megabyte pasted at once", |bed| {
        let terminal = bed.terminal(&format!("{} 1000000", probe("raw")));
        terminal.wait_for("ready");
        let all: Vec<u8> = (0..1_000_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        terminal.send(&all);
        terminal.wait_for(&format!("sum {:x}", sum(&all)));
        format!("{:?}", terminal.wait_end())
    }),
    case("400 KB in the last instant", |bed| {
        let terminal = bed.terminal("sh -c 'seq 60000; exit 5'");
        let ending = terminal.wait_end();
        let output = terminal.output();
        format!("{} bytes, sum {:x}, {ending:?}", output.len(), sum(&output))
    }),
    case("a terminal's answers reach who has asked", |bed| {
        // Cursor position, device attributes, colours, kitty's keyboard, XTVERSION: each asked and answered.
        let asked = "\\033[6n\\033[c\\033]11;?\\033\\\\\\033[?u\\033[>q";
        let answers = "\x1b[12;40R\x1b[?62;22c\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\\x1b[?1u\x1bP>|term 1\x1b\\";
        let command = format!(
            "sh -c 'stty raw -echo; printf \"{asked}ready\"; head -c {} | od -An -c; stty sane'",
            answers.len()
        );
        let terminal = bed.terminal(&command);
        terminal.wait_for("ready");
        terminal.send(answers);
        ended(&terminal)
    }),
    case("escape sequences pass untouched", |bed| {
        let all = "\x1b[?2004h\x1b[?1000;1006h\x1bPq#0;2;0;0;0~-\x1b\\\x1b_Gf=32,s=1,v=1;AAAA\x1b\\\x1b]52;c;aGk=\x07\
                   \x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\\x1b[?2026hframe\x1b[?2026l\x1b]0;title\x07\x1b[38;2;1;2;3mrgb\x1b[m\
                   \x1b[?1006;1000l\x1b[?2004l";
        bed.sandbox.write("project/all", all);
        ended(&bed.terminal("cat all"))
    }),
    case("pasted text in brackets, and mouse reports", |bed| {
        let keys = b"\x1b[200~pasted\rtext\x1b[201~\x1b[<0;10;5M\x1b[<0;10;5m\x1bOA\x1b[1;5C\x1b";
        let terminal = bed.terminal(&format!("{} {}", probe("raw"), keys.len()));
        terminal.wait_for("ready");
        terminal.send(keys);
        terminal.wait_for(&format!("sum {:x}", sum(keys)));
        format!("{:?}", terminal.wait_end())
    }),
    case("characters that are cut in the middle", |bed| {
        let text = "grüße 日本 🎉 ".repeat(2000);
        bed.sandbox.write("project/text", &text);
        ended(&bed.terminal("sh -c 'dd if=text bs=7 2>/dev/null'"))
    }),
    case("a line typed ahead", |bed| {
        let terminal = ahead(bed, b"early bird\r", "sh -c 'read -r line; echo \"<$line>\"'");
        terminal.wait_for("<early bird>");
        shown(&terminal, "early bird")
    }),
    case("a Ctrl-D typed ahead", |bed| {
        let terminal = ahead(bed, CTRL_D, "sh -c 'cat; echo over'");
        terminal.wait_for("over");
        format!("{:?}", terminal.wait_end())
    }),
    case("a Ctrl-C typed ahead", |bed| {
        // It means whoever is there: the shell, the launcher, or the command. Nothing may be left of them.
        let terminal = ahead(bed, b"\x03", "sleep 1000");
        format!("{:?}", terminal.wait_end())
    }),
    case("a half line typed ahead", |bed| {
        let terminal = ahead(bed, b"half", "sh -c 'echo up; read -r line; echo \"<$line>\"'");
        terminal.wait_for("up");
        terminal.line(" and half");
        terminal.wait_for("<half and half>");
        format!("{:?}", terminal.wait_end())
    }),
];

/// Types before the command is started.
fn ahead(bed: &Bed, keys: &[u8], command: &str) -> Terminal {
    let terminal =
        bed.terminal_script(&format!("echo ready; while [ ! -e go ]; do sleep 0.01; done; exec @({command})"));
    terminal.wait_for("ready");
    terminal.send(keys);
    bed.sandbox.write("project/go", "");
    terminal
}

/// How often a text is on the screen, and how it ended.
fn shown(terminal: &Terminal, text: &str) -> String {
    let ending = terminal.wait_end();
    format!("{} times, {ending:?}", terminal.screen().matches(text).count())
}
