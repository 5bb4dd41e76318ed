//! Streams that are no terminals.

use super::{Case, case, ended, finished};

pub const CASES: &[Case] = &[
    case("bytes through pipes", |bed| {
        let all: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        let script = bed.script("@(cat)");
        let finished = bed.sandbox.run("bash", ["-c", &script]).input(all.clone()).piped();
        format!("{} {:?}", finished.stdout == all, finished.ending)
    }),
    case("standard error apart", |bed| {
        let done = bed.piped("@(sh -c 'echo out; echo err >&2')");
        format!("{:?} {:?}", done.out(), done.err())
    }),
    case("the order where both are one pipe", |bed| {
        bed.sandbox.script(
            "both",
            "#!/bin/sh\ni=0\nwhile [ $i -lt 1000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done\n",
        );
        finished(&bed.piped("@(./both) 2>&1 | cat"))
    }),
    case("the order where both are one file", |bed| {
        bed.sandbox.script(
            "both",
            "#!/bin/sh\ni=0\nwhile [ $i -lt 1000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done\n",
        );
        finished(&bed.piped("@(./both) >file 2>&1; cat file"))
    }),
    case("a reader that goes away", |bed| finished(&bed.piped("@(yes) | head -n 1; echo ${PIPESTATUS[0]}"))),
    case("input from a file", |bed| {
        bed.sandbox.write("project/lines", "one\ntwo\n");
        finished(&bed.piped("{ @(sh -c 'read x; echo \"<$x>\"'); cat; } <lines"))
    }),
    case("input from /dev/null", |bed| finished(&bed.piped("@(cat) </dev/null; echo $?"))),
    case("closed input", |bed| finished(&bed.piped("@(sh -c 'read x 2>/dev/null; echo $?') <&-"))),
    case("closed outputs", |bed| {
        finished(
            &bed.piped("@(sh -c 'echo x 2>/dev/null; echo $? >code') >&-; cat code; @(sh -c 'exit 3') 2>&-; echo $?"),
        )
    }),
    case("a full disk", |bed| finished(&bed.piped("@(sh -c 'echo x 2>/dev/null; echo $? >&2') 2>&1 >/dev/full"))),
    case("only the input redirected, in a terminal", |bed| {
        ended(&bed.terminal_script(&format!("@({STREAMS}) </dev/null")))
    }),
    case("only the output redirected, in a terminal", |bed| {
        ended(&bed.terminal_script(&format!("@({STREAMS}) >file; cat file")))
    }),
    case("only the errors redirected, in a terminal", |bed| {
        ended(&bed.terminal_script(&format!("@({STREAMS}) 2>file; cat file")))
    }),
    case("a pipe into a program that has the terminal", |bed| {
        let terminal = bed.terminal_script("@(seq 3) | sh -c 'cat; echo asks; read -r x </dev/tty; echo \"<$x>\"'");
        terminal.wait_for("asks");
        terminal.line("answer");
        ended(&terminal)
    }),
    case("through tee", |bed| {
        ended(&bed.terminal_script("@(sh -c 'echo one; exit 3') | tee copy; echo ${PIPESTATUS[0]}; cat copy"))
    }),
    case("command substitution", |bed| finished(&bed.piped("x=$(@(sh -c 'echo inside; exit 4')); echo \"$x $?\""))),
];

const STREAMS: &str =
    "sh -c 'for fd in 0 1 2; do test -t $fd && echo $fd yes || echo $fd no; done; echo to errors >&2'";
