//! Client, keeper and command, one of them or two, end at a random moment in every way in which processes end. The
//! command ignores what it can, and has a grandchild in a session of its own.

use crate::bout::{Bout, Subject};
use crate::harness::{Marked, Piped, Sandbox, Terminal, ended_within};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub const SUBJECT: Subject = Subject {
    name: "kills",
    what: "client, keeper, command or two of them killed, ended, stopped and killed, or their terminal closed, at a random moment",
    share: 20,
    run,
};

/// Rounds at a time: each mostly waits for the grace.
const AT_ONCE: usize = 8;

/// So many at least: every pair of a victim and a way.
const LEAST: u64 = 48;

/// From the client's fork to some time after a command that ends by itself has ended.
const MOMENTS: Duration = Duration::from_millis(90);

/// How long anything of a run may live after what should end it: the grace is 0.1 s.
const GONE: Duration = Duration::from_secs(10);

/// What a command does that wants to stay.
const STUBBORN: &str = "#!/bin/sh\ntrap '' HUP INT TERM\n(setsid sleep 1000 &)\necho >>\"$2\"\nexec sleep \"$1\"\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Client,
    Keeper,
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Kill,
    Term,
    StopAndKill,
    CloseTerminal,
}

/// Where one round after the other is run, with an instance of somebody else's that must live through all of them.
struct Bed {
    sandbox: Sandbox,
    bystander: PathBuf,
    /// The keeper and the command of the bystander.
    others: [u32; 2],
}

/// One run, in a terminal or with pipes.
enum Run {
    Terminal(Terminal),
    Piped(Piped),
}

fn run(bout: &Bout) {
    bout.rounds(AT_ONCE, LEAST, Bed::new, |bed, random| bed.round(bout, random));
}

impl Bed {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("config/wrap/config.toml", "grace = 0.1\nleftovers = \"stop-all\"\n");
        sandbox.script("stubborn", STUBBORN);
        sandbox.wrap(["-d", "-n", "bystander", "sleep", "1000"]).piped().expect_code(0);
        let one = sandbox.wait_started();
        let bystander = sandbox.entries().pop().expect("its entry");
        Self { sandbox, bystander, others: [one.pid, one.child()] }
    }

    fn round(&mut self, bout: &Bout, random: &mut Rng) {
        let in_terminal = random.u8(..3) > 0;
        let ways: &[Way] = if in_terminal {
            &[Way::Kill, Way::Term, Way::StopAndKill, Way::CloseTerminal]
        } else {
            &[Way::Kill, Way::Term, Way::StopAndKill]
        };
        let mut all = vec![Who::Client, Who::Keeper, Who::Command];
        random.shuffle(&mut all);
        all.truncate(random.usize(1..=2));
        let plan: Vec<(Who, Way)> = all.iter().map(|&who| (who, *random.choice(ways).expect("some"))).collect();
        let moment = MOMENTS.mul_f64(random.f64());
        let life = if random.bool() { "0.03" } else { "1000" };
        self.one(bout, random, in_terminal, &plan, moment, life);
        bout.count("runs", 1);
    }

    fn one(&self, bout: &Bout, random: &mut Rng, in_terminal: bool, plan: &[(Who, Way)], moment: Duration, life: &str) {
        let said = format!("{plan:?} after {moment:?}, a life of {life}, in a terminal: {in_terminal}");
        let runs = self.sandbox.root().join("runs");
        let _ = fs::remove_file(&runs);
        let launch = self.sandbox.wrap(["./stubborn".as_ref(), life.as_ref(), runs.as_os_str()]);
        let mut run = if in_terminal { Run::Terminal(launch.terminal()) } else { Run::Piped(launch.start()) };
        thread::sleep(moment);
        let client = run.pid();
        let mut killed = Vec::new();
        for &(who, way) in plan {
            killed.extend(strike(bout, &mut run, who, way, random));
        }
        // What the command may ignore ends nothing; then the terminal closes, or the client is killed.
        if !ended_within(client, Duration::from_millis(random.u64(..30))) {
            match &mut run {
                Run::Terminal(terminal) => terminal.hang_up(),
                Run::Piped(_) => killed.extend(end(client, libc::SIGKILL).then_some(Who::Client)),
            }
        }
        // A terminal that was closed before there was a client is none: as bare, nothing hangs up what ignores SIGHUP.
        if is_in_callers_session(client) && !ended_within(client, Duration::from_secs(1)) {
            killed.extend(end(client, libc::SIGKILL).then_some(Who::Client));
        }
        // Where the keeper was killed before it could start anything, or the terminal was closed before there was one, the
        // command runs without wrap, in the client's place, and what it leaves is nobody's.
        if self.runs_bare(&run, client) {
            bout.count("of them without a keeper from the start", 1);
            self.sandbox.processes().iter().filter(|one| self.is_left(one)).for_each(Marked::kill);
        }
        assert!(ended_within(client, GONE), "{said}: the client lives\n{}\n{}", run.said(), self.states());
        // With both gone there is nobody who could: the next wrap finds what is left.
        let orphaned = killed.contains(&Who::Client) && killed.contains(&Who::Keeper);
        let deadline = Instant::now() + GONE;
        loop {
            let left = self.left();
            if left.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{said}: these live: {left:?}\n{}", run.said());
            if orphaned {
                self.sandbox.wrap(["clean", "--kill"]).piped().expect_code(0);
            }
            thread::sleep(Duration::from_millis(5));
        }
        if let Run::Terminal(terminal) = &run
            && !orphaned
            && let Some(modes) = terminal.modes_if_open()
        {
            assert!(modes.is_cooked(), "{said}: the terminal stays as it was set: {modes:?}");
        }
        drop(run);
        let begun = fs::read(&runs).map_or(0, |lines| lines.len());
        assert!(begun <= 1, "{said}: the command ran {begun} times");
        let listed = self.sandbox.wrap(["list", "-f", "json"]).piped().expect_code(0).out();
        assert!(listed.matches("\"instanceId\"").count() == 1 && listed.contains("bystander"), "{said}: {listed}");
        let others: Vec<_> = self.sandbox.entries().into_iter().filter(|path| *path != self.bystander).collect();
        let told: Vec<String> = others.iter().map(|path| fs::read_to_string(path).unwrap_or_default()).collect();
        assert!(self.bystander.exists(), "{said}: the other's entry is gone");
        assert!(told.is_empty(), "{said}: entries are left: {told:?}\n{}", self.states());
        if orphaned {
            bout.count("of them with client and keeper killed", 1);
        }
    }

    /// Waits until the client has ended, or is no client any more.
    fn runs_bare(&self, run: &Run, client: u32) -> bool {
        let deadline = Instant::now() + GONE;
        while Instant::now() < deadline {
            let ended = ended_within(client, Duration::from_millis(20));
            let line = fs::read_to_string(format!("/proc/{client}/cmdline")).unwrap_or_default();
            let is_other = !line.is_empty() && !line.contains("/wrap\0");
            if is_other || run.said().contains("running it without wrap") {
                return true;
            }
            if ended {
                break;
            }
        }
        let left = self.sandbox.processes();
        // A keeper that stays is none that was never there.
        if left.iter().any(|one| self.is_left(one) && one.line.starts_with("wrap __keeper")) {
            return false;
        }
        let mut left = left.iter().filter(|one| self.is_left(one)).peekable();
        // Nobody reads what it says to a terminal that is closed.
        matches!(run, Run::Terminal(terminal) if terminal.modes_if_open().is_none())
            && left.peek().is_some()
            && left.all(|one| !is_marked(one.pid))
    }

    /// What lives of the sandbox beside the bystander.
    fn left(&self) -> Vec<String> {
        let all = self.sandbox.processes();
        let left = all.iter().filter(|one| self.is_left(one));
        left.map(|one| format!("{} `{}` (marked: {})", one.pid, one.line, is_marked(one.pid))).collect()
    }

    /// What the processes of the sandbox wait for.
    fn states(&self) -> String {
        let pids: Vec<String> = self.sandbox.processes().iter().map(|one| one.pid.to_string()).collect();
        let shown =
            Command::new("ps").args(["-o", "pid,ppid,pgid,sid,stat,wchan:20,args", "-p", &pids.join(",")]).output();
        shown.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default()
    }

    /// The leader of a terminal's session is the harness's.
    fn is_left(&self, one: &Marked) -> bool {
        let ours: Vec<String> = std::env::args().collect();
        !self.others.contains(&one.pid) && one.line != ours.join(" ")
    }

    /// A socket that was bound and never registered is known to be nobody's after some seconds.
    fn wait_sockets(&self) {
        let deadline = Instant::now() + GONE;
        loop {
            self.sandbox.wrap(["list"]).piped().expect_code(0);
            let sockets: Vec<_> =
                fs::read_dir(self.sandbox.wrap_dir().join("sockets")).expect("it").flatten().collect();
            if sockets.len() == 1 {
                return;
            }
            assert!(Instant::now() < deadline, "sockets are left: {sockets:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.wait_sockets();
        }
        let stopped = self.sandbox.wrap(["stop", "--all"]).piped();
        if !thread::panicking() {
            stopped.expect_code(0);
        }
    }
}

impl Run {
    /// What it has said so far.
    fn said(&self) -> String {
        match self {
            Self::Terminal(terminal) => terminal.screen(),
            Self::Piped(piped) => piped.err_so_far(),
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Terminal(terminal) => terminal.pid(),
            Self::Piped(piped) => piped.pid(),
        }
    }
}

/// Does this to that one, if there is one in this moment; who was killed by it.
fn strike(bout: &Bout, run: &mut Run, who: Who, way: Way, random: &mut Rng) -> Option<Who> {
    let client = run.pid();
    let pid = match who {
        Who::Client => Some(client),
        Who::Keeper => keeper(client),
        Who::Command => keeper(client).and_then(|keeper| children(keeper).first().copied()),
    };
    if way == Way::CloseTerminal {
        if let Run::Terminal(terminal) = run {
            terminal.hang_up();
        }
        return None;
    }
    let Some(pid) = pid else {
        bout.count("of them before or after there was one", 1);
        return None;
    };
    match way {
        // A keeper that is asked before it can hear dies of it.
        Way::Term => end(pid, libc::SIGTERM).then_some(who).filter(|who| *who == Who::Keeper),
        Way::Kill => end(pid, libc::SIGKILL).then_some(who),
        _ => {
            end(pid, libc::SIGSTOP);
            thread::sleep(Duration::from_millis(random.u64(..20)));
            end(pid, libc::SIGKILL).then_some(who)
        }
    }
}

/// Sends a signal to a process that may be gone; whether it was there.
fn end(pid: u32, number: i32) -> bool {
    // Looked at first: a zombie takes signals, and is none that we have ended.
    let target = Pid::from_raw(pid as i32).zip(Signal::from_named_raw(number));
    !ended_within(pid, Duration::ZERO) && target.is_some_and(|(pid, signal)| kill_process(pid, signal).is_ok())
}

/// The keeper of a client, once it is one: the fork that is about to become it is one, too.
fn keeper(client: u32) -> Option<u32> {
    children(client).first().copied()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether wrap has started it, or what started it.
fn is_marked(pid: u32) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&environ).contains("WRAP_INSTANCE_ID=")
}

/// Whether the keeper of this client has no session of its own: in pipe mode.
fn is_in_callers_session(client: u32) -> bool {
    let session = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Field 6 (proc(5)), behind the name.
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(3).map(str::to_owned))
    };
    keeper(client).is_some_and(|keeper| session(keeper).is_some_and(|its| Some(its) == session(client)))
}
