//! Keys that raise signals, and jobs of interactive shells.

use super::{Bed, Case, case, ended, probe};
use crate::harness::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, PROMPT, Terminal, signal};

pub const CASES: &[Case] = &[
    case("Ctrl-C is one signal", |bed| {
        let terminal = bed.terminal(&probe("signalled"));
        terminal.wait_for("ready");
        terminal.send(CTRL_C);
        until_caught(&terminal, "2:1");
        terminal.send(CTRL_C);
        until_caught(&terminal, "2:2");
        terminal.line("q");
        ended_briefly(&terminal)
    }),
    case("Ctrl-C twice at once", |bed| {
        let terminal = bed.terminal(&probe("signalled"));
        terminal.wait_for("ready");
        terminal.send(b"\x03\x03");
        until_caught(&terminal, "\"2:");
        terminal.line("q");
        // Two that are pending at once are one (signal(7)): both counts are the kernel's.
        ended_briefly(&terminal).replace("2:2", "2:1")
    }),
    case("bg lets a stopped command go on", |bed| {
        bed.sandbox.script("beats", "#!/bin/sh\nmkfifo go\necho up\nread x <go\necho went on\nexit 5\n");
        let terminal = bed.sandbox.bash();
        terminal.line(&bed.line("./beats"));
        terminal.wait_for("up\r\n");
        terminal.send(CTRL_Z);
        terminal.wait_prompt();
        terminal.line("bg");
        terminal.wait_for(PROMPT);
        terminal.line("echo >go; wait; echo ov''er");
        terminal.wait_for("went on");
        terminal.wait_for("over");
        terminal.wait_for(PROMPT);
        leave(&terminal)
    }),
    case("Ctrl-C ends a command that does nothing about it", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; exec sleep 1000'");
        terminal.wait_for("up");
        terminal.send(CTRL_C);
        format!("{:?}", terminal.wait_end())
    }),
    case("Ctrl-\\ ends it with SIGQUIT", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; exec sleep 1000'");
        terminal.wait_for("up");
        terminal.send(CTRL_BACKSLASH);
        format!("{:?}", terminal.wait_end())
    }),
    case("Ctrl-D is the end of the input", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; cat; echo over'");
        terminal.wait_for("up");
        terminal.send(CTRL_D);
        ended(&terminal)
    }),
    case("Ctrl-C with a script above it", |bed| {
        let terminal =
            bed.terminal_script("trap 'echo trapped' INT; @(sh -c 'echo up; exec sleep 1000'); echo after $?");
        terminal.wait_for("up");
        terminal.send(CTRL_C);
        // The kernel echoes the key after its signal: where it stands is not the launcher's doing.
        ended(&terminal).replace("^C", "")
    }),
    Case {
        subject: "",
        name: "Ctrl-Z, fg and bg in bash",
        needs: &["bash"],
        observe: |bed| stops(bed, &bed.sandbox.bash(), "$?"),
    },
    Case {
        subject: "",
        name: "Ctrl-Z, fg and bg in zsh",
        needs: &["zsh"],
        observe: |bed| stops(bed, &bed.sandbox.zsh(), "$?"),
    },
    Case {
        subject: "",
        name: "Ctrl-Z, fg and bg in fish",
        needs: &["fish"],
        observe: |bed| stops(bed, &bed.sandbox.fish(), "$status"),
    },
    Case {
        subject: "",
        name: "& and fg, then Ctrl-C, in bash",
        needs: &["bash"],
        observe: |bed| forward(bed, &bed.sandbox.bash()),
    },
    Case {
        subject: "",
        name: "& and fg, then Ctrl-C, in zsh",
        needs: &["zsh"],
        observe: |bed| forward(bed, &bed.sandbox.zsh()),
    },
    case("the terminal is cooked while it is stopped", |bed| {
        bed.sandbox.script("talk", TALK);
        let terminal = bed.sandbox.bash();
        let before = terminal.modes();
        terminal.line(&bed.line("./talk"));
        terminal.wait_for("listening");
        terminal.send(CTRL_Z);
        terminal.wait_prompt();
        terminal.wait_state("the shell's modes", |terminal| terminal.modes() == before);
        terminal.bring_back();
        leave(&terminal)
    }),
    case("a resize while it is stopped", |bed| {
        let terminal = bed.sandbox.bash();
        terminal.line(&bed.line(&probe("signalled")));
        terminal.wait_for("ready");
        terminal.send(CTRL_Z);
        terminal.wait_prompt();
        terminal.resize(44, 111);
        terminal.bring_back();
        until_caught(&terminal, "44x111");
        terminal.line("q");
        terminal.wait_for(PROMPT);
        leave(&terminal)
    }),
    case("kill -TSTP and kill -CONT", |bed| {
        let terminal = bed.terminal("sh -c 'echo up; exec sleep 1000'");
        terminal.wait_for("up");
        signal(terminal.pid(), libc::SIGTSTP);
        let stopped = terminal.wait_change();
        signal(terminal.pid(), libc::SIGCONT);
        let continued = terminal.wait_change();
        signal(terminal.pid(), libc::SIGTERM);
        format!("{stopped:?} {continued:?} {:?}", terminal.wait_end())
    }),
    case("signals to its pid reach the command", |bed| {
        let terminal = bed.terminal(&probe("signalled"));
        terminal.wait_for("ready");
        for (number, caught) in
            [(libc::SIGTERM, "15:1"), (libc::SIGUSR1, "10:1"), (libc::SIGINT, "2:1"), (libc::SIGQUIT, "3:1")]
        {
            signal(terminal.pid(), number);
            until_caught(&terminal, caught);
        }
        terminal.line("q");
        ended_briefly(&terminal)
    }),
    case("a read from the background stops it", |bed| {
        let terminal = bed.sandbox.bash();
        terminal.line(&format!("{} &", bed.line("sh -c 'read -r x; echo \"<$x>\"'")));
        // bash tells it with the next prompt.
        while !terminal.screen().contains("Stopped") {
            terminal.line("");
            terminal.wait_for(PROMPT);
        }
        terminal.bring_back();
        terminal.line("late");
        terminal.wait_for("<late>");
        terminal.wait_prompt();
        leave(&terminal)
    }),
    case("stty tostop stops a writer in the background", |bed| {
        let terminal = bed.sandbox.bash();
        terminal.line("stty tostop");
        terminal.wait_for(PROMPT);
        terminal.line(&format!("{} &", bed.line("sh -c 'echo written; exit 3'")));
        let mut rounds = 0;
        while !terminal.screen().contains("Stopped") && !terminal.screen().contains("Exit 3") && rounds < 100 {
            rounds += 1;
            terminal.line("sleep 0.02");
            terminal.wait_for(PROMPT);
        }
        let stopped = terminal.screen().contains("Stopped");
        if stopped {
            terminal.line("fg");
            terminal.wait_for("written\r\n");
            terminal.wait_prompt();
        }
        terminal.line("stty -tostop");
        leave(&terminal);
        format!("stopped={stopped}")
    }),
    case("an interactive shell inside has job control", |bed| {
        let terminal = bed.terminal("bash --norc --noprofile -i");
        terminal.wait_for(PROMPT);
        bed.sandbox.script("talk", TALK);
        terminal.line("./talk");
        terminal.wait_for("listening");
        terminal.send(CTRL_Z);
        terminal.wait_for("Stopped");
        terminal.wait_for(PROMPT);
        terminal.line("fg");
        // The answer says that it has the terminal: a key before that would be the shell's.
        terminal.wait_for("./talk\r\n");
        terminal.line("back");
        terminal.wait_for("<back>");
        terminal.send(CTRL_C);
        terminal.wait_for(PROMPT);
        leave(&terminal)
    }),
];

/// Answers each line, and ends with code 7 at the end of its input. No child: dash would start it by vfork, and stay
/// unstopped behind one that is stopped before its exec.
const TALK: &str = "#!/bin/sh\necho listening\nwhile read -r line; do echo \"<$line>\"; done\nexit 7\n";

/// Stops and continues it; `status` is how this shell calls the last exit status.
fn stops(bed: &Bed, terminal: &Terminal, status: &str) -> String {
    bed.sandbox.script("talk", TALK);
    terminal.line(&bed.line("./talk"));
    terminal.wait_for("listening");
    terminal.line("one");
    terminal.wait_for("<one>");
    let mut seen = Vec::new();
    for word in ["two", "three"] {
        terminal.send(CTRL_Z);
        terminal.wait_prompt();
        terminal.line("echo sti''ll a shell");
        terminal.wait_for("still a shell");
        terminal.bring_back();
        terminal.line(word);
        terminal.wait_for(&format!("<{word}>"));
        seen.push(word);
    }
    terminal.send(CTRL_Z);
    terminal.wait_prompt();
    // In the background it reads, and stops again. A shell that says `fg` in the moment before it hears so takes it for
    // running, sends no SIGCONT, and reports it as stopped.
    terminal.line("bg");
    terminal.line("echo co''ntinued");
    terminal.wait_for("continued");
    loop {
        terminal.line("jobs; echo lo''oked");
        let jobs = terminal.wait_for("looked").to_lowercase();
        if jobs.contains("stopped") || jobs.contains("suspended") {
            break;
        }
    }
    terminal.bring_back();
    terminal.line("four");
    terminal.wait_for("<four>");
    terminal.send(CTRL_D);
    terminal.wait_prompt();
    format!("{seen:?} {}", leave_with(terminal, status))
}

fn forward(bed: &Bed, terminal: &Terminal) -> String {
    bed.sandbox.script(
        "waits",
        "#!/bin/bash\ntrap 'echo trapped; exit 4' INT\necho listening\nwhile :; do sleep 0.02; done\n",
    );
    terminal.line(&format!("{} &", bed.line("./waits")));
    terminal.wait_for("listening");
    terminal.bring_back();
    terminal.send(CTRL_C);
    terminal.wait_for("trapped");
    terminal.wait_prompt();
    leave(terminal)
}

/// The exit status of the last job, and the shell's end.
fn leave(terminal: &Terminal) -> String {
    leave_with(terminal, "$?")
}

fn leave_with(terminal: &Terminal, status: &str) -> String {
    if terminal.foreground() != terminal.pid() {
        terminal.send(CTRL_D);
        terminal.wait_prompt();
    }
    terminal.line(&format!("echo \"co\"de={status}"));
    terminal.wait_for("code=");
    let code = terminal.wait_for("\r\n");
    terminal.line("exit 0");
    format!("code={code} {:?}", terminal.wait_end())
}

fn until_caught(terminal: &Terminal, what: &str) {
    let mut said = String::new();
    while !said.contains(what) {
        terminal.line("");
        terminal.wait_for("caught ");
        said = terminal.wait_for("\r\n");
    }
}

/// The last line of the probe, and its end.
fn ended_briefly(terminal: &Terminal) -> String {
    terminal.wait_for("end caught ");
    let said = terminal.wait_for("\r\n");
    format!("{said} {:?}", terminal.wait_end())
}
