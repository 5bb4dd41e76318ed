//! How the command ended, as its caller sees it.

use super::{Case, case, ended, finished};

pub const CASES: &[Case] = &[
    case("exit codes 0 to 255, with pipes", |bed| {
        finished(&bed.piped("for code in $(seq 0 255); do export code; @(sh -c \"exit $code\"); echo $?; done"))
    }),
    case("exit codes in a terminal", |bed| {
        let script = "for code in 0 1 2 3 77 125 126 127 128 129 130 137 143 255; do export code; @(sh -c \"exit $code\"); echo $?; done";
        ended(&bed.terminal_script(script))
    }),
    case("death by each signal, in a terminal", |bed| {
        let deaths = (1..=64).filter(|signal| kills(*signal)).map(|signal| {
            let terminal = bed.terminal(&format!("sh -c 'kill -{signal} $$'"));
            format!("{signal}: {:?}", terminal.wait_end())
        });
        deaths.collect::<Vec<_>>().join(", ")
    }),
    case("death by each signal, with pipes", |bed| {
        let deaths = (1..=64).filter(|signal| kills(*signal)).map(|signal| {
            let script = format!("exec {}", bed.line(&format!("sh -c 'kill -{signal} $$'")));
            format!("{signal}: {:?}", bed.sandbox.sh(&script).piped().ending)
        });
        deaths.collect::<Vec<_>>().join(", ")
    }),
    case("a core is dumped once", |bed| {
        // The kernel says in the status whether it has dumped one; the second dump would be the launcher's.
        finished(
            &bed.piped(
                "ulimit -c unlimited; @(sh -c 'ulimit -c 0; kill -QUIT $$'); echo $?; ls core* 2>/dev/null | wc -l",
            ),
        )
    }),
    case("command not found is 127", |bed| finished(&bed.piped("@(no-such-command-here x) 2>/dev/null; echo $?"))),
    case("what cannot be run is 126", |bed| {
        bed.sandbox.write("project/plain", "echo it ran\n");
        finished(&bed.piped("@(./plain) 2>/dev/null; echo $?; @(/) 2>/dev/null; echo $?"))
    }),
    case("a script whose interpreter is missing", |bed| {
        bed.sandbox.script("broken", "#!/no/such/interpreter\n");
        finished(&bed.piped("@(./broken) 2>/dev/null; echo $?"))
    }),
    case("a command that has ended before anybody looks", |bed| {
        ended(&bed.terminal_script("for i in 1 2 3 4 5 6 7 8; do @(true); @(false); echo $?; done"))
    }),
];

/// Whether this signal ends a process that does nothing about it.
fn kills(signal: i32) -> bool {
    let stays =
        [libc::SIGCHLD, libc::SIGCONT, libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGURG];
    // 32 and 33 are the C library's own; the real-time ones are alike.
    !stays.contains(&signal) && signal != libc::SIGWINCH && !(32..=33).contains(&signal) && !(36..=63).contains(&signal)
}
