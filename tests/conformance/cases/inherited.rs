//! What a command gets from its caller beside the streams.

use super::{Case, case, ended, finished, probe};

pub const CASES: &[Case] = &[
    case("only WRAP_* is added to the environment", |bed| {
        finished(&bed.piped(&format!("X=1 Y='two words' @({})", probe("environment"))))
    }),
    case("only WRAP_* is added in a terminal", |bed| ended(&bed.terminal(&probe("environment")))),
    case("an empty environment stays empty", |bed| {
        finished(&bed.piped(&format!("exec env -i PATH=\"$PATH\" WRAP_DIR=\"$WRAP_DIR\" @({})", probe("environment"))))
    }),
    case("umask, limits, nice and the working directory", |bed| {
        let script =
            format!("umask 027; ulimit -n 200; ulimit -s 4096; cd /usr; nice -n 5 @({})", probe("surroundings"));
        finished(&bed.piped(&script))
    }),
    case("umask and limits in a terminal", |bed| {
        let script = format!("umask 027; ulimit -n 200; cd /usr; nice -n 5 @({})", probe("surroundings"));
        ended(&bed.terminal_script(&script))
    }),
    case("a working directory that was deleted", |bed| {
        finished(&bed.piped(
            "mkdir gone; cd gone; rmdir ../gone; @(sh -c 'echo in \"$PWD\"; ls /proc/self/cwd >/dev/null; echo $?')",
        ))
    }),
    case("signal dispositions and mask", |bed| finished(&bed.piped(&probe_line("signals")))),
    case("signal dispositions and mask in a terminal", |bed| ended(&bed.terminal(&probe("signals")))),
    case("ignored signals stay ignored (nohup)", |bed| {
        finished(&bed.piped(&format!("trap '' HUP INT USR1; @({})", probe("signals"))))
    }),
    case("blocked signals stay blocked", |bed| {
        let line = format!("exec {}", bed.line(&probe("signals")));
        finished(&bed.sandbox.run("bash", ["-c", &line]).signals_blocked().piped())
    }),
    case("exactly the inherited descriptors", |bed| {
        finished(&bed.piped(&format!("exec 7</dev/null 9>file; @({})", probe("fds"))))
    }),
    case("exactly the inherited descriptors in a terminal", |bed| {
        ended(&bed.terminal_script(&format!("exec 7</dev/null 9>file; @({})", probe("fds"))))
    }),
    case("a pipe on descriptor 7", |bed| {
        finished(&bed.piped("echo through | { @(sh -c 'cat <&7') 7<&0 </dev/null; }"))
    }),
    case("process substitution", |bed| finished(&bed.piped(&bed.line("cat <(echo one) <(echo two)")))),
    Case {
        subject: "",
        name: "make's jobserver",
        needs: &["make"],
        observe: |bed| {
            bed.sandbox.write("project/inner.mk", "all: a b c\na b c:\n\t@echo $@\n");
            let rule = bed.line("$(MAKE) -s -f inner.mk");
            bed.sandbox.write("project/Makefile", format!("all:\n\t@+{rule}\n"));
            finished(&bed.piped("make -s -j3 2>&1 | sort"))
        },
    },
    case("LISTEN_FDS as systemd passes them", |bed| {
        let inside = "[ \"$LISTEN_PID\" = $$ ] && echo for us: $LISTEN_FDS; cat <&3";
        let script = format!(
            "echo socket >socket; LISTEN_FDS=1 exec sh -c 'LISTEN_PID=$$ exec {}' 3<socket",
            bed.line(&format!("sh -c '\\''{inside}'\\''"))
        );
        finished(&bed.sandbox.run("bash", ["-c", &script]).piped())
    }),
    case("arguments byte for byte", |bed| {
        let words =
            "'' ' ' 'two  words' $'line\\nfeed' -- -x --help --name=x -n '*' '$HOME' $'\\xff\\xfe' $'tab\\t' 'ü'";
        finished(&bed.piped(&bed.line(&format!("{} {words}", probe("arguments")))))
    }),
];

fn probe_line(name: &str) -> String {
    format!("@({})", probe(name))
}
