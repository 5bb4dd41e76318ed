//! Pids that are given again, and clocks that jump: nothing is signalled or shown that is another's, and nothing is declared
//! dead that lives.

use crate::bout::{Bout, Subject};
use crate::harness::{Finished, Launch, Sandbox, is_running};
use fastrand::Rng;
use std::process::Command;

pub const SUBJECT: Subject = Subject {
    name: "identity",
    what: "pids given to others again, the clock a day ahead or behind, other time namespaces",
    share: 2,
    run,
};

/// In a PID namespace of its own: an instance is killed with its keeper, and both its pids are given to sleepers that belong to
/// nobody (ns_last_pid, proc(5)). What `list`, `stop` and `clean --kill` then do must leave them alone.
const REUSED: &str = r#"
set -e
VERB="$1"
wrap -d -n gone sleep 1000 >/dev/null
entry=$(echo "$WRAP_DIR"/instances/*.json)
field() { sed "s/.*\"$1\":\([0-9]*\).*/\1/" "$entry"; }
keeper=$(field pid) child=$(field childPid)
kill -9 "$keeper" "$child"
while kill -0 "$keeper" 2>/dev/null || kill -0 "$child" 2>/dev/null; do read -r -t 0.01 x <>"$HOLD" || :; done
again() {
    # Somebody else may take it first.
    for try in 1 2 3 4 5 6 7 8 9; do
        echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
        sleep 500 &
        if [ $! = "$1" ]; then return; fi
        kill -9 $!
    done
    echo "pid $1 was not given again"; exit 77
}
again "$keeper"; again "$child"
shown=$(wrap $VERB 2>&1 || :)
case "$VERB" in "list -f json") case "$shown" in *'"healthy"'* | *'"unresponsive"'* | *'"orphaned"'*) echo "shown: $shown"; exit 1;; esac;; esac
for pid in $keeper $child; do
    kill -0 $pid || { echo "$VERB ended $pid, which is another's: $shown"; exit 1; }
done
kill -9 $keeper $child
echo held
"#;

/// What looks at an instance, and could do something about it.
const VERBS: [&str; 4] = ["list -f json", "stop gone", "clean --kill", "stop --all"];

fn run(bout: &Bout) {
    bout.rounds(1, 6, Sandbox::new, |sandbox, random| {
        reused(bout, sandbox, random);
        clocks(bout, sandbox, random);
    });
}

fn reused(bout: &Bout, sandbox: &Sandbox, random: &mut Rng) {
    let hold = sandbox.root().join("hold");
    let _ = rustix::fs::mknodat(rustix::fs::CWD, &hold, rustix::fs::FileType::Fifo, 0o600.into(), 0);
    let words = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "bash", "-c", REUSED, "bash"];
    let verb = *random.choice(&VERBS).expect("some");
    let finished = sandbox.run("unshare", words.iter().chain([&verb])).env("HOLD", &hold).piped();
    if finished.err().contains("unshare: ") {
        return bout.leave_out("pids that are given again: no PID namespace can be made here");
    }
    if finished.ending == crate::harness::Ending::Code(77) {
        return bout.leave_out("a pid that was not given again");
    }
    assert!(finished.out().contains("held"), "{verb}: {}{}", finished.out(), finished.err());
    bout.count("pids given again", 2);
    sandbox.wrap(["list"]).piped();
}

/// Ways to look from another time: the program that changes it, and its words.
const CLOCKS: [(&str, &[&str]); 4] = [
    ("faketime", &["-f", "+1d"]),
    ("faketime", &["-f", "-1d"]),
    ("unshare", &["--user", "--map-root-user", "--time", "--fork", "--boottime", "100000", "--monotonic", "100000"]),
    ("unshare", &["--user", "--map-root-user", "--time", "--fork", "--boottime", "86400"]),
];

fn clocks(bout: &Bout, sandbox: &Sandbox, random: &mut Rng) {
    let (program, words) = *random.choice(&CLOCKS).expect("some");
    let is_there = Command::new(program).args(words).arg("true").output().is_ok_and(|done| done.status.success());
    if !is_there {
        return bout.leave_out(&format!("clocks: `{program} {}` does not work here", words.join(" ")));
    }
    sandbox.wrap(["-d", "-n", "alive", "sleep", "1000"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    let look = |what: &[&str]| -> Finished {
        let launch: Launch = sandbox.run(program, words.iter().chain([&"wrap"]).chain(what));
        launch.piped()
    };
    let listed = look(&["list", "--all", "-f", "json"]);
    let said = format!("{program} {words:?}: {}{}", listed.out(), listed.err());
    let lives =
        ["starting", "healthy"].iter().any(|status| listed.out().contains(&format!("\"status\": \"{status}\"")));
    assert!(lives, "{said}");
    look(&["clean", "--kill"]);
    assert!(is_running(instance.pid) && is_running(instance.child()), "{said}");
    assert_eq!(sandbox.entries().len(), 1, "{said}");
    bout.count("looks from another time", 2);
    sandbox.stop_all();
}
