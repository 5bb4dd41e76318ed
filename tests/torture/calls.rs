//! System calls that fail: strace(1) has each of the first calls of client and keeper fail in turn. The command runs as it
//! does bare, or a line says what is lost and it runs all the same; nothing hangs, and nothing corrupt stays.

use crate::bout::{Bout, Subject};
use crate::harness::{Ending, Sandbox};
use fastrand::Rng;
use std::process::Command;

pub const SUBJECT: Subject = Subject {
    name: "calls",
    what: "the n-th call of each process failing: ENOSPC, EMFILE, ENOMEM, EINTR, EAGAIN, EIO and others on open, write, rename, fork, \
           pipe, openpty, connect, bind and more",
    share: 10,
    run,
};

/// Runs at a time.
const AT_ONCE: usize = 4;

/// So many at least: each call once or twice.
const LEAST: u64 = 24;

/// Calls of a process that are made to fail, counted from its start: a run makes fewer of each kind.
const FIRST: u32 = 60;

/// Kinds of calls, and what each may fail with: what the kernel may say there. Not among them: what can only fail where a
/// descriptor is none of ours (fstat, fcntl), a send that never waits (EINTR), and a wait that fails for ever.
const CALLS: &[(&str, &[&str])] = &[
    ("openat", &["ENOSPC", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EIO", "EACCES"]),
    ("write", &["EINTR", "EAGAIN", "EIO", "ENOSPC"]),
    ("read", &["EINTR"]),
    ("pread64", &["EIO"]),
    ("rename", &["ENOSPC", "EIO", "EROFS"]),
    ("renameat", &["ENOSPC", "EIO"]),
    ("clone,clone3,fork,vfork", &["EAGAIN", "ENOMEM"]),
    ("pipe2", &["EMFILE", "ENFILE"]),
    ("socketpair", &["EMFILE", "ENOMEM"]),
    ("socket", &["EMFILE", "ENOMEM", "EACCES"]),
    ("bind", &["EADDRINUSE", "EACCES", "ENOSPC"]),
    ("listen", &["EADDRINUSE"]),
    ("connect", &["ECONNREFUSED", "EINTR", "EAGAIN"]),
    ("recvfrom,recvmsg", &["EINTR"]),
    ("ioctl", &["EIO", "EINTR", "ENOTTY"]),
    ("mkdir,mkdirat", &["ENOSPC", "EACCES", "EROFS"]),
    ("unlink,unlinkat", &["EIO", "EROFS"]),
    ("flock", &["EINTR", "ENOLCK"]),
    ("eventfd2", &["EMFILE"]),
    ("timerfd_create", &["EMFILE"]),
    ("epoll_create1", &["EMFILE"]),
    ("pidfd_open", &["EMFILE", "ENOSYS"]),
    ("getdents64", &["EIO"]),
    ("newfstatat,statx", &["EIO", "ENOMEM"]),
    ("setsid", &["EPERM"]),
    ("poll,ppoll", &["EINTR"]),
    ("prctl", &["EINVAL"]),
];

fn run(bout: &Bout) {
    let works = Command::new("strace").args(["-qqq", "-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|done| done.status.success()) {
        return bout.leave_out("failing calls: strace is not installed, or may not trace");
    }
    bout.rounds(AT_ONCE, LEAST, Sandbox::new, |sandbox, random| one(bout, sandbox, random));
}

fn one(bout: &Bout, sandbox: &Sandbox, random: &mut Rng) {
    let (call, errors) = *random.choice(CALLS).expect("some");
    let error = *random.choice(errors).expect("some");
    // Most processes make few of most kinds.
    let number = 1 + (random.f64().powi(2) * f64::from(FIRST)) as u32;
    // Once, or from then on until somebody has freed something: a third of a second later, say.
    let often =
        if random.u8(..4) == 0 { format!("{number}..{}", number + random.u32(1..30)) } else { number.to_string() };
    let inject = format!("inject={call}:error={error}:when={often}");
    let in_terminal = random.bool();
    let said = format!("{inject}, in a terminal: {in_terminal}");
    // The command itself is left alone: it is let go at its exec.
    let words = ["-f", "-qqq", "-b", "execve", "-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null"];
    let words = words.into_iter().chain(["wrap", "sh", "-c", "echo thr''ough; exit 5"]);
    let launch = sandbox.run("strace", words);
    let (ending, seen) = if in_terminal {
        let terminal = launch.terminal();
        let ending = terminal.wait_end();
        let seen = terminal.screen();
        (ending, seen)
    } else {
        let finished = launch.piped();
        (finished.ending, finished.out() + &finished.err())
    };
    // The loader's own calls, before there is anything of ours.
    if seen.contains("error while loading shared libraries") {
        return bout.count("runs that the loader has ended", 1);
    }
    bout.count("runs", 1);
    // A byte that the caller itself could not be given is the caller's to lose: bare, the command would have been told.
    let is_stream = ["write", "read", "ioctl", "poll", "sendto", "recvfrom"].iter().any(|one| call.starts_with(one));
    // strace lets go of a client that becomes the command, and does not say how that ended.
    let bare = seen.contains("without wrap");
    let ran = seen.contains("through") && (ending == Ending::Code(5) || bare);
    let explained = seen.lines().any(|line| line.starts_with("wrap: "));
    if !ran {
        assert!(is_stream && (explained || call == "write"), "{said}: {ending:?}\n{seen}");
        bout.count("of them with a line of ours instead of the command's", 1);
    } else if explained {
        bout.count("of them with a service lost and told", 1);
    }
    assert!(!seen.contains("panicked"), "{said}: {seen}");
    let left = sandbox.leftovers(std::time::Duration::from_secs(10));
    assert!(left.is_empty(), "{said}: {left:?}\n{seen}");
    // Whatever is half written is passed over, or moved aside and said so once.
    let listed = sandbox.wrap(["list", "--all", "-f", "json"]).piped().expect_code(0);
    assert!(!listed.err().contains("corrupt") && !listed.err().contains("moved aside"), "{said}: {}", listed.err());
    sandbox.wrap(["clean"]).piped().expect_code(0);
    assert!(sandbox.entries().is_empty(), "{said}: {:?}\n{seen}", sandbox.entries());
}
