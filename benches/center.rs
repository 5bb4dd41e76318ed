//! What the control center takes: how fast a ping is on the stream, what a thousand readers cost, the list of 300, the
//! processor while nothing happens, and the bytes of the page.
//!
//!     cargo bench --bench center                 # everything; two minutes
//!     cargo bench --bench center -- ping page    # some of: ping readers list idle page
//!
//! Options, by environment: `CENTER_PINGS` (200), `CENTER_COUNT` (live instances of the list and of the idle center, 300),
//! `CENTER_IDLE` (seconds of idling, 30). What is asked stands in brackets behind each figure. The readers share the
//! machine with the center: what they take to read counts as well.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Readers of the first measure: more pages than anybody has open, and scripts beside them.
const READERS: usize = 200;

/// … and of the second, the most that the center promises to serve.
const MANY_READERS: usize = 1000;

/// What each of these is told. Far less than what a reader may be behind: nobody is to be closed for it.
const EVENTS: usize = 100;

/// Instances that pings are about, in turn.
const PINGED: usize = 5;

/// Between two pings, so that each finds a center that has gone to sleep.
const PAUSE: Duration = Duration::from_millis(10);

/// A wait that lasts longer than this has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// A directory of our own with everything that wrap keeps, and the control center that serves it.
struct Kit {
    dir: TempDir,
    port: u16,
    token: String,
    pid: u32,
}

fn option(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

impl Kit {
    /// With so many instances, all of them known to the center and healthy.
    fn new(count: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("wrap-center-").tempdir().expect("a directory");
        for name in ["home", "run"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        fs::set_permissions(dir.path().join("run"), fs::Permissions::from_mode(0o700)).expect("its mode");
        let mut kit = Self { dir, port: 0, token: String::new(), pid: 0 };
        kit.run(["center", "-d", "--port", "0"]);
        let said = |name: &str| fs::read_to_string(kit.dir.path().join("run").join(name)).expect("said by the center");
        let listening: Value = serde_json::from_str(&said("center.json")).expect("json");
        let token = said("center.token").trim().to_owned();
        let url = listening["url"].as_str().expect("a url");
        kit.port = url.trim_end_matches('/').rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        kit.pid = listening["pid"].as_u64().expect("a pid") as u32;
        kit.token = token;
        kit.grow(count);
        kit
    }

    fn wrap<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wrap"));
        let path = |name: &str| self.dir.path().join(name);
        command.args(words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", path("home")).env("WRAP_DIR", path("run")).env("WRAP_CENTER", "off");
        command.env("TERM", "xterm-256color").current_dir(path("home")).stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    fn run<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) {
        let output = self.wrap(words).output().expect("wrap runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts more of them until there are so many, and returns when the center has found each healthy.
    fn grow(&self, count: usize) {
        let mut missing = count.saturating_sub(self.healthy().len());
        while missing > 0 {
            let batch = missing.min(20);
            let mut started: Vec<_> = (0..batch)
                .map(|_| self.wrap(["-d", "sleep", "100000"]).stdout(Stdio::null()).spawn().expect("started"))
                .collect();
            for one in &mut started {
                assert!(one.wait().expect("it ends").success());
            }
            missing -= batch;
        }
        let begun = Instant::now();
        while self.healthy().len() < count {
            assert!(begun.elapsed() < LIMIT, "{count} instances and only {} healthy", self.healthy().len());
            sleep(Duration::from_millis(50));
        }
    }

    /// The ids of those that the center calls healthy.
    fn healthy(&self) -> Vec<String> {
        let listed: Vec<Value> = serde_json::from_slice(&Asker::new(self).get("/api/instances")).expect("json");
        let healthy = listed.iter().filter(|one| one["status"] == "healthy");
        healthy.map(|one| one["instanceId"].as_str().expect("an id").to_owned()).collect()
    }

    /// The head of a request.
    fn head(&self, method: &str, path: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n", self.port, self.token)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LIMIT))).expect("its options");
        stream
    }

    /// A line of a file in the center's directory of /proc: its number, in MiB where the file has kB.
    fn mebibytes(&self, file: &str, name: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid)).expect("the center runs");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("its line");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }

    /// The processor's time that the center has used.
    fn used(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("the center runs");
        // Behind the name, which may have anything in it, comes field 3 (proc(5)); utime is 14, stime 15.
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let _ = self.wrap(["center", "--stop"]).output();
        let _ = self.wrap(["stop", "--all"]).output();
    }
}

/// A connection that is asked one thing after the other.
struct Asker<'a> {
    kit: &'a Kit,
    stream: BufReader<TcpStream>,
}

impl<'a> Asker<'a> {
    fn new(kit: &'a Kit) -> Self {
        Self { kit, stream: BufReader::new(kit.connect()) }
    }

    fn get(&mut self, path: &str) -> Vec<u8> {
        let head = self.kit.head("GET", path);
        self.stream.get_mut().write_all(format!("{head}\r\n").as_bytes()).expect("asked");
        self.answer("200")
    }

    /// Says that there is news of this instance; what is answered is read later ([`Self::answer`]).
    fn ping(&mut self, id: &str) {
        let body = json!({ "instanceId": id }).to_string();
        let head = self.kit.head("POST", "/api/instances/ping");
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all(request.as_bytes()).expect("asked");
    }

    /// The body of the answer.
    fn answer(&mut self, status: &str) -> Vec<u8> {
        let (mut length, mut first) = (0, String::new());
        self.stream.read_line(&mut first).expect("answered");
        assert_eq!(first.split(' ').nth(1), Some(status), "{first}");
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("answered");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            assert!(!line.starts_with("transfer-encoding"), "an answer in pieces: {line}");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("answered");
        body
    }
}

/// What one reader of the stream has got. The center sends each event as one piece, so the lengths between the pieces
/// are lines of their own and are passed over.
#[derive(Default)]
struct Reader {
    /// A line that has not come whole.
    rest: Vec<u8>,
    id: Option<String>,
    event: Option<String>,
    /// The ids of all pings.
    pings: Vec<String>,
    /// When the last of them came.
    came: Option<Instant>,
}

impl Reader {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut lines = rest.split(|byte| *byte == b'\n');
        let unfinished = lines.next_back().unwrap_or_default();
        for line in lines {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(id) = line.strip_prefix(b"id: ") {
                self.id = Some(String::from_utf8_lossy(id).into_owned());
            } else if let Some(event) = line.strip_prefix(b"event: ") {
                self.event = Some(String::from_utf8_lossy(event).into_owned());
            } else if line.is_empty() {
                let (id, event) = (self.id.take(), self.event.take());
                if event.as_deref() == Some("instance-ping") {
                    self.pings.push(id.expect("an id"));
                    self.came = Some(Instant::now());
                }
            }
        }
        self.rest = unfinished.to_vec();
    }
}

/// Readers of the stream, all of them read by this thread.
struct Crowd {
    streams: Vec<TcpStream>,
    readers: Vec<Reader>,
}

impl Crowd {
    /// Connects so many; each has been answered, and listens.
    fn new(kit: &Kit, count: usize) -> Self {
        let head = kit.head("GET", "/stream");
        let connect = |_| {
            let mut stream = kit.connect();
            stream.write_all(format!("{head}\r\n").as_bytes()).expect("asked");
            stream
        };
        let mut streams: Vec<TcpStream> = (0..count).map(connect).collect();
        for stream in &mut streams {
            let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
            while !said.windows(7).any(|bytes| bytes == b"retry: ") {
                let length = stream.read(&mut buffer).expect("answered");
                assert!(length > 0 && said.len() < 4096, "{}", String::from_utf8_lossy(&said));
                said.extend_from_slice(&buffer[..length]);
            }
            assert!(said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
            stream.set_nonblocking(true).expect("nonblocking");
        }
        Self { streams, readers: (0..count).map(|_| Reader::default()).collect() }
    }

    /// Reads along until they have what is waited for, or the time is over; whether they have it.
    fn read(&mut self, until: Instant, mut is_done: impl FnMut(&[Reader]) -> bool) -> bool {
        let mut polled: Vec<PollFd<'_>> =
            self.streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
        let mut buffer = vec![0; 64 * 1024];
        while !is_done(&self.readers) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            poll(&mut polled, Some(&Timespec::try_from(left).expect("a time"))).expect("polled");
            for (index, fd) in polled.iter_mut().enumerate() {
                if fd.revents().is_empty() {
                    continue;
                }
                match (&self.streams[index]).read(&mut buffer) {
                    Ok(0) => panic!("the center has closed the stream of reader {index}"),
                    Ok(length) => self.readers[index].take(&buffer[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("reader {index}: {error}"),
                }
            }
        }
        true
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The value that so many of a hundred do not exceed.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    ms(times[(times.len() * percent).div_ceil(100).saturating_sub(1)])
}

fn report(what: &str, figure: f64, unit: &str, limit: f64) {
    let verdict = if figure <= limit { "" } else { "   NOT reached" };
    println!("{what:<66} {figure:>9.2} {unit:<4} [{limit}]{verdict}");
}

/// What nobody has asked for, and explains the others.
fn mention(what: &str, figure: f64, unit: &str) {
    println!("{what:<66} {figure:>9.2} {unit}");
}

/// From a ping to its event at the readers.
fn ping() {
    let kit = Kit::new(PINGED);
    let ids = kit.healthy();
    let mut crowd = Crowd::new(&kit, READERS);
    let mut asker = Asker::new(&kit);
    let pings = option("CENTER_PINGS", 200).max(1);
    let (mut all, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=pings {
        // Events of other kinds are read meanwhile.
        crowd.read(Instant::now() + PAUSE, |_| false);
        let begun = Instant::now();
        asker.ping(&ids[number % ids.len()]);
        let done = crowd.read(begun + LIMIT, |readers| readers.iter().all(|reader| reader.pings.len() == number));
        assert!(done, "ping {number} has not come");
        asker.answer("204");
        let mut times: Vec<Duration> =
            crowd.readers.iter().map(|reader| reader.came.expect("it came").duration_since(begun)).collect();
        first.push(times[0]);
        all.append(&mut times);
        last.push(*all[all.len() - READERS..].iter().max().expect("readers"));
    }
    let of = format!("of {pings} pings, {READERS} readers");
    report(&format!("ping to event {of}: all readers, p99"), percentile(&mut all, 99), "ms", 20.0);
    report(&format!("ping to event {of}: one reader, p99"), percentile(&mut first, 99), "ms", 20.0);
    mention("    all readers, median", percentile(&mut all, 50), "ms");
    mention("    one reader, median", percentile(&mut first, 50), "ms");
    mention("    the last reader of each ping, p99", percentile(&mut last, 99), "ms");
}

/// A thousand readers get everything, and what that leaves of memory.
fn readers() {
    let kit = Kit::new(PINGED);
    let ids = kit.healthy();
    mention("memory of a center that has no reader (VmRSS)", kit.mebibytes("status", "VmRSS"), "MiB");
    let mut crowd = Crowd::new(&kit, MANY_READERS);
    mention(&format!("    with {MANY_READERS} readers, before any event"), kit.mebibytes("status", "VmRSS"), "MiB");
    let mut asker = Asker::new(&kit);
    let begun = Instant::now();
    for number in 1..=EVENTS {
        asker.ping(&ids[number % ids.len()]);
        // Two pings of one instance that the center hears at once are one event: each waits for the last at one reader.
        // The others are read as they come.
        assert!(crowd.read(begun + LIMIT, |readers| readers[0].pings.len() >= number), "ping {number} has not come");
        asker.answer("204");
    }
    crowd.read(Instant::now() + LIMIT, |readers| readers.iter().all(|reader| reader.pings.len() >= EVENTS));
    let took = begun.elapsed();
    let told: BTreeSet<&String> = crowd.readers.iter().flat_map(|reader| &reader.pings).collect();
    assert_eq!(told.len(), EVENTS, "events that somebody has got");
    let (mut lost, mut twice) = (0_u32, 0_u32);
    for reader in &crowd.readers {
        let has: BTreeSet<&String> = reader.pings.iter().collect();
        lost += told.difference(&has).count() as u32;
        twice += (reader.pings.len() - has.len()) as u32;
    }
    let of = format!("of {MANY_READERS} readers x {EVENTS} events");
    report(&format!("lost {of}"), f64::from(lost), "", 0.0);
    report(&format!("twice {of}"), f64::from(twice), "", 0.0);
    report(&format!("memory after {of} (VmRSS)"), kit.mebibytes("status", "VmRSS"), "MiB", 60.0);
    report("    its own share of it (PSS)", kit.mebibytes("smaps_rollup", "Pss"), "MiB", 60.0);
    report("    at most (VmHWM)", kit.mebibytes("status", "VmHWM"), "MiB", 60.0);
    mention("    all events, from the first ping to the last reader", ms(took), "ms");
    drop(crowd);
    sleep(Duration::from_secs(1));
    mention("    when they have gone (VmRSS)", kit.mebibytes("status", "VmRSS"), "MiB");
}

/// The list of many live ones.
fn list() {
    let count = option("CENTER_COUNT", 300);
    let kit = Kit::new(count);
    let mut asker = Asker::new(&kit);
    let mut take = || {
        let begun = Instant::now();
        let answer = asker.get("/api/instances");
        (begun.elapsed(), answer)
    };
    let (_, answer) = take();
    let mut times: Vec<Duration> = (0..30).map(|_| take().0).collect();
    let listed: Vec<Value> = serde_json::from_slice(&answer).expect("json");
    assert_eq!(listed.len(), count);
    let of = format!("GET /api/instances of {count} live ones ({} kB)", answer.len() / 1000);
    report(&format!("{of}, median"), percentile(&mut times, 50), "ms", 50.0);
    report(&format!("{of}, max"), percentile(&mut times, 100), "ms", 50.0);
    // What was found out about health counts for ten seconds; the center answers after a new look then.
    drop(asker);
    sleep(Duration::from_secs(11));
    let mut asker = Asker::new(&kit);
    let begun = Instant::now();
    asker.get("/api/instances");
    mention("    when all have to be checked first", ms(begun.elapsed()), "ms");
}

/// The processor while a page is open and nothing happens.
fn idle() {
    let kit = Kit::new(3);
    let time = Duration::from_secs(option("CENTER_IDLE", 30) as u64);
    for (count, is_asked) in [(3, true), (option("CENTER_COUNT", 300), false)] {
        kit.grow(count);
        let mut crowd = Crowd::new(&kit, 1);
        // What the start of many has left to do is not idling.
        crowd.read(Instant::now() + Duration::from_secs(3), |_| false);
        let (begun, before) = (Instant::now(), kit.used());
        crowd.read(begun + time, |_| false);
        let percent = kit.used().saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
        let what = format!("idle for {} s, one reader, {count} instances: of one core", time.as_secs());
        if is_asked { report(&what, percent, "%", 0.5) } else { mention(&what, percent, "%") }
    }
}

/// What the page loads before anything is seen: what `index.html` names, and what its scripts import at once.
fn page() {
    let kit = Kit::new(0);
    let mut asker = Asker::new(&kit);
    let (mut seen, mut waiting) = (BTreeSet::new(), vec!["/".to_owned()]);
    let mut bytes = 0_u32;
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let file = String::from_utf8(asker.get(&path)).expect("text");
        bytes += file.len() as u32;
        // `import(…)` has no ` from`: that is loaded when it is needed.
        let openings: &[&str] = match path.rsplit_once('.') {
            None => &["href=\"/", "src=\"/"],
            Some((_, "js")) => &[" from \"./", "import \"./"],
            Some(_) => &["url(\"/", "url(/"],
        };
        for opening in openings {
            let named = file.split(opening).skip(1).filter_map(|rest| rest.split(['"', ')']).next());
            waiting.extend(named.map(|name| format!("/{name}")));
        }
    }
    let what = format!("first paint: {} files", seen.len());
    report(&what, f64::from(bytes) / 1000.0, "kB", 60.0);
    println!("    {}", seen.into_iter().collect::<Vec<_>>().join(" "));
}

/// A thousand readers are as many descriptors; we may have been given fewer.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = MANY_READERS as u64 + 256;
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).expect("descriptors");
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let all: [(&str, fn()); 5] = [("ping", ping), ("readers", readers), ("list", list), ("idle", idle), ("page", page)];
    if let Some(unknown) = wanted.iter().find(|word| all.iter().all(|(name, _)| name != word)) {
        eprintln!("center: no measure is called `{unknown}`; there are: ping readers list idle page");
        std::process::exit(2);
    }
    raise_descriptors();
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure();
        }
    }
}
