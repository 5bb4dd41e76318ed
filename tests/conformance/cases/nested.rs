//! Under and around other programs.

use super::{Case, case, ended, finished, needing};
use crate::harness::{CTRL_C, CTRL_D, Terminal};
use crate::launcher::quoted;

pub const CASES: &[Case] = &[
    case("inside itself", |bed| {
        let inner = bed.line("sh -c 'echo in; exit 6'");
        ended(&bed.terminal(&inner))
    }),
    case("Ctrl-C through two of them", |bed| {
        let inner = bed.line("sh -c 'echo up; exec sleep 1000'");
        let terminal = bed.terminal(&inner);
        terminal.wait_for("up");
        terminal.send(CTRL_C);
        format!("{:?}", terminal.wait_end())
    }),
    needing("in npm run", &["npm"], |bed| {
        let line = bed.line("sh -c 'echo ran; exit 3'").replace('\\', "\\\\").replace('"', "\\\"");
        bed.sandbox.write("project/package.json", format!("{{\"scripts\": {{\"dev\": \"{line}\"}}}}"));
        finished(&bed.piped("npm run --silent dev; echo $?"))
    }),
    needing("in make -j", &["make"], |bed| {
        let line = bed.line("sh -c 'echo made; exit 2'");
        bed.sandbox.write("project/Makefile", format!("all: a b\na b:\n\t@{line}\n"));
        finished(&bed.piped("make -s -j2 -k 2>/dev/null; echo $?"))
    }),
    case("under timeout", |bed| finished(&bed.piped("timeout 0.3 @(sleep 1000); echo $?"))),
    case("under nohup", |bed| {
        finished(&bed.piped("nohup @(sh -c 'kill -HUP $$; echo survived') 2>/dev/null; echo $?"))
    }),
    case("under setsid", |bed| finished(&bed.piped("setsid -w @(sh -c 'echo ran; exit 9'); echo $?"))),
    needing("under ssh -t", &["ssh", "sshd", "ssh-keygen"], |bed| {
        // A server of our own on its standard input, with keys of this sandbox: nothing listens anywhere.
        let server = "HostKey $PWD/host\nAuthorizedKeysFile $PWD/user.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n";
        let options = "-F none -i user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let here = bed.sandbox.environment().into_iter();
        let exports: Vec<String> = here
            .map(|(name, value)| format!("export {}={}\n", name.display(), quoted(&value.to_string_lossy())))
            .collect();
        let inner = bed.line("sh -c 'test -t 0 && echo in it; stty size; exit 5'");
        bed.sandbox.script("far", &format!("#!/bin/bash\n{}cd \"${{0%/*}}\"\n{inner}\n", exports.concat()));
        ended(&bed.terminal_script(&format!(
            "mkdir -p /run/sshd 2>/dev/null
            for key in host user; do ssh-keygen -q -t ed25519 -N '' -f $key; done
            printf \"{server}\" >conf
            ssh {options} -o ProxyCommand=\"$(command -v sshd) -i -f $PWD/conf\" -t localhost \"$PWD/far\"; echo $?"
        )))
    }),
    case("under env -i", |bed| {
        finished(&bed.piped("env -i PATH=\"$PATH\" @(sh -c 'echo ran; exit 9') 2>/dev/null; echo $?"))
    }),
    needing("as PID 1 of a namespace", &["unshare"], |bed| {
        let line = bed.line("sh -c 'echo ran; exit 9'");
        finished(
            &bed.piped(&format!(
                "unshare --user --map-root-user --pid --fork --mount-proc {line} 2>/dev/null; echo $?"
            )),
        )
    }),
    case("without HOME and XDG_RUNTIME_DIR", |bed| {
        finished(
            &bed.piped("unset HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME; @(sh -c 'echo ran; exit 9') 2>/dev/null; echo $?"),
        )
    }),
    case("with a registry on a full or read-only disk", |bed| {
        let places = ["/dev/full", "/proc/none", "/sys/none"];
        let runs =
            places.map(|place| format!("export WRAP_DIR={place}; @(sh -c 'echo ran; exit 9') 2>/dev/null; echo $?"));
        finished(&bed.piped(&runs.join("; ")))
    }),
    needing("inside tmux", &["tmux"], |bed| {
        let line = bed.line("sh -c 'echo \"in it $(stty size)\"; read x; echo \"<$x>\" >said'");
        bed.sandbox.script("inner", &format!("#!/bin/bash\n{line}\necho $? >>said\n"));
        let terminal =
            bed.sandbox.run("tmux", ["-L", "around", "-f", "/dev/null", "new-session", "./inner"]).terminal();
        terminal.wait_until("its screen", |screen| screen.contains("in it"));
        terminal.line("typed");
        let ending = terminal.wait_end();
        bed.piped("tmux -L around kill-server 2>/dev/null");
        format!("{ending:?} {:?}", std::fs::read_to_string(bed.sandbox.project().join("said")))
    }),
    needing("top", &["top"], |bed| full_screen(&bed.terminal("top -d 100"), "PID")),
    needing("htop", &["htop"], |bed| full_screen(&bed.terminal("htop -d 100"), "PID")),
    needing("fzf", &["fzf"], |bed| {
        let terminal = bed.terminal_script("seq 100 >items; chosen=$(@(fzf) <items); echo \"$? <$chosen>\"");
        terminal.wait_until("its list", |screen| screen.contains("100/100"));
        terminal.send("42");
        terminal.wait_until("what was searched", |screen| screen.contains("1/100"));
        terminal.send("\r");
        terminal.wait_for("0 <42>");
        format!("{:?}", terminal.wait_end())
    }),
    needing("python's prompt", &["python3"], |bed| prompts(&bed.terminal("python3 -q"), ">>> ", "print(6*7)", "42")),
    needing("node's prompt", &["node"], |bed| prompts(&bed.terminal("node -i"), "> ", "6*7", "42")),
    needing("vim", &["vim"], |bed| {
        let terminal = bed.terminal("vim -u NONE -N file");
        terminal.wait_until("vim's screen", |screen| screen.contains('~'));
        terminal.send("ihello\x1b:wq\r");
        let ending = terminal.wait_end();
        format!("{ending:?} {:?}", std::fs::read_to_string(bed.sandbox.project().join("file")))
    }),
    needing("less", &["less"], |bed| {
        let terminal = bed.terminal("sh -c 'seq 500 >file; exec less file'");
        terminal.wait_until("its first page", |screen| screen.contains("22"));
        terminal.send("G");
        terminal.wait_until("its last page", |screen| screen.contains("500"));
        terminal.send("q");
        format!("{:?}", terminal.wait_end())
    }),
    needing("git with a pager", &["git", "less"], |bed| {
        let setup = "git init -q r && cd r && git -c user.name=n -c user.email=e commit -q --allow-empty -m first";
        let terminal = bed.terminal_script(&format!("{setup}; LESS=-R GIT_PAGER=less @(git log --format=%s); echo $?"));
        terminal.wait_until("the log", |screen| screen.contains("first"));
        terminal.send("q");
        format!("{:?}", terminal.wait_end())
    }),
    needing("tmux inside", &["tmux"], |bed| {
        let terminal = bed.terminal("tmux -L conformance -f /dev/null new-session 'echo in tmux; read x; exit'");
        terminal.wait_until("its screen", |screen| screen.contains("in tmux"));
        terminal.line("");
        let ending = terminal.wait_end();
        bed.piped("tmux -L conformance kill-server 2>/dev/null");
        format!("{ending:?}")
    }),
];

/// A program that fills the screen until `q`.
fn full_screen(terminal: &Terminal, shows: &str) -> String {
    terminal.wait_until("its screen", |screen| screen.contains(shows));
    terminal.send("q");
    let ending = terminal.wait_end();
    format!("{ending:?} {}", terminal.modes().is_cooked())
}

fn prompts(terminal: &Terminal, prompt: &str, question: &str, answer: &str) -> String {
    terminal.wait_until("its prompt", |screen| screen.contains(prompt));
    terminal.line(question);
    // A key that comes before the next prompt meets other modes.
    terminal.wait_until("its answer and its next prompt", |screen| {
        screen.contains(answer)
            && screen.trim_end_matches(' ').ends_with(prompt.trim_end())
            && screen.matches(prompt).count() > 1
    });
    terminal.send(CTRL_D);
    format!("{:?}", terminal.wait_end())
}
