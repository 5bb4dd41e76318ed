//! The questions of a health check, all at once on one thread: does the keeper answer, does the port accept?

use super::entry::Entry;
use crate::api::{self, Method};
use crate::sys::ports::{self, Listener};
use crate::sys::{limit, process};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, timeout_at};

/// All questions together may take this long. A listing promises a second; the rest is for reading and showing it.
const DEADLINE: Duration = Duration::from_millis(900);
/// The first look at an accept queue after a connect; a server that is idle has accepted by then.
const FIRST_LOOK: Duration = Duration::from_millis(2);
/// Looks come at doubling distances up to this one: 20 at most, where a server hangs.
const LAST_LOOK: Duration = Duration::from_millis(50);
/// Descriptors that are left alone: standard streams, the runtime's own, the registry's.
const OTHER_DESCRIPTORS: u64 = 64;
/// Published by containers: nothing that listens is of the command's own tree, and a connect alone decides.
const COMPOSE: &str = "docker-compose";

/// What was answered; `None` where nothing was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Answers {
    /// The keeper answered on its socket.
    pub keeper: Option<bool>,
    /// The app's port took a connection.
    pub port: Option<bool>,
}

/// Asks all of them; of each, whether its port can be judged from here. Tells what each has answered as soon as it
/// has, by its place among the questions.
pub(super) fn ask(questions: Vec<(Entry, bool)>, tell: &mut dyn FnMut(usize, Answers)) {
    let count = questions.len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (Ok(runtime), 1..) = (runtime, count) else {
        (0..count).for_each(|index| tell(index, Answers::default()));
        return;
    };
    // Two sockets at most are open for each; with more than the limit allows, some wait for others.
    let descriptors = limit::Descriptors::at_least(2 * count as u64 + OTHER_DESCRIPTORS);
    let room = descriptors.allowed().saturating_sub(OTHER_DESCRIPTORS) / 2;
    let places = Rc::new(Semaphore::new((room as usize).clamp(1, Semaphore::MAX_PERMITS)));
    let deadline = std::time::Instant::now() + DEADLINE;
    LocalSet::new().block_on(&runtime, async move {
        let table = Rc::new(Table::new());
        let mut tasks = JoinSet::new();
        for (index, (entry, here)) in questions.into_iter().enumerate() {
            let (table, places) = (Rc::clone(&table), Rc::clone(&places));
            tasks.spawn_local(async move {
                let _place = timeout_at(deadline.into(), places.acquire()).await;
                let (keeper, port) = tokio::join!(
                    bounded(deadline.into(), keeper_answers(&entry)),
                    bounded(deadline.into(), port_accepts(&entry, here, &table)),
                );
                // What timed out was asked, and did not answer.
                (index, Answers { keeper: keeper.unwrap_or(Some(false)), port: port.unwrap_or(Some(false)) })
            });
        }
        while let Some(done) = tasks.join_next().await {
            if let Ok((index, answers)) = done {
                tell(index, answers);
            }
        }
    });
}

async fn bounded<T>(deadline: Instant, question: impl Future<Output = T>) -> Option<T> {
    timeout_at(deadline, question).await.ok()
}

async fn keeper_answers(entry: &Entry) -> Option<bool> {
    entry.local_url.as_ref()?;
    let answer = api::request(entry, Method::GET, "/health", None).await;
    Some(answer.is_ok_and(|response| response.status == 200))
}

/// The kernel accepts a connection for a program that hangs, as long as its queue has room. So a connect is only
/// the half of it: the queue has to get shorter afterwards.
async fn port_accepts(entry: &Entry, here: bool, table: &Table) -> Option<bool> {
    let accepts = port_takes(entry, here, table).await?;
    match (&entry.health_path, entry.port) {
        (Some(path), Some(port)) if accepts => Some(answers_at(path, port).await),
        _ => Some(accepts),
    }
}

/// Whether the app answers at the path that was configured for that: others are none of ours to ask for.
async fn answers_at(path: &str, port: u16) -> bool {
    let asked = async {
        let stream = match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            Ok(stream) => stream,
            Err(_) => TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.ok()?,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::task::spawn_local(connection);
        let request = hyper::Request::get(path).header(HOST, format!("localhost:{port}"));
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).ok()?).await.ok()?;
        Some(response.status().is_success() || response.status().is_redirection())
    };
    asked.await == Some(true)
}

async fn port_takes(entry: &Entry, here: bool, table: &Table) -> Option<bool> {
    let port = entry.port.filter(|_| here)?;
    if entry.detected_type == COMPOSE {
        return Some(
            connects(Ipv4Addr::LOCALHOST.into(), port).await || connects(Ipv6Addr::LOCALHOST.into(), port).await,
        );
    }
    let listening = table.on(port);
    if listening.is_empty() {
        return Some(false);
    }
    if !belongs(entry, port, &listening) {
        return None;
    }
    // A queue that is not empty shows by itself whether anybody takes from it; hung servers are not given more.
    if listening.iter().any(|listener| listener.queued > 0) {
        return Some(drains(table, port).await);
    }
    for listener in &listening {
        let address = match listener.address {
            IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            address => address,
        };
        if connects(address, port).await {
            return Some(drains(table, port).await);
        }
    }
    Some(false)
}

async fn connects(address: IpAddr, port: u16) -> bool {
    TcpStream::connect(SocketAddr::new(address, port)).await.is_ok()
}

/// Waits until the accept queue is empty, or shorter than it was: then somebody takes from it.
async fn drains(table: &Table, port: u16) -> bool {
    let mut longest = 0;
    let mut pause = FIRST_LOOK;
    loop {
        let since = Instant::now();
        sleep(pause).await;
        let queued = table.queued(port, since);
        if queued == 0 || queued < longest {
            return true;
        }
        longest = queued;
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// Whether one of these listeners is held by the command's tree. The keeper looked when it found the port; only a
/// port that was configured, and never found, is looked for here.
fn belongs(entry: &Entry, port: u16, listening: &[Listener]) -> bool {
    if entry.ports.contains(&port) {
        return true;
    }
    let Some(command) = entry.child_pid else {
        return false;
    };
    let mut pids = vec![command];
    pids.extend(process::descendants(command).iter().map(|process| process.pid));
    !ports::of_tree(&pids, listening).is_empty()
}

/// The kernel's table of listeners. Questions that are asked at the same time share a reading.
struct Table {
    read: RefCell<(Instant, Vec<Listener>)>,
}

impl Table {
    fn new() -> Self {
        Self { read: RefCell::new((Instant::now(), ports::listeners(None))) }
    }

    fn on(&self, port: u16) -> Vec<Listener> {
        self.read.borrow().1.iter().filter(|listener| listener.port == port).cloned().collect()
    }

    /// How many wait on a port, by a reading that was begun after `since`.
    fn queued(&self, port: u16, since: Instant) -> u32 {
        let mut read = self.read.borrow_mut();
        if read.0 < since {
            *read = (Instant::now(), ports::listeners(None));
        }
        read.1.iter().filter(|listener| listener.port == port).map(|listener| listener.queued).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{State, tests::entry};
    use super::super::health::{Status, check};
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::thread;

    /// A keeper that answers every request.
    fn keeper(path: &Path) {
        let listener = UnixListener::bind(path).expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("accepted");
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
            }
        });
    }

    /// Keeper and command are this very process.
    fn living(socket: &Path, port: Option<u16>) -> Entry {
        let pid = std::process::id();
        let token = process::token(pid);
        let local_url = Some(format!("unix:{}", socket.display()));
        let pid_token = token.expect("we live");
        Entry {
            child_pid: Some(pid),
            child_token: token,
            pid_token,
            state: State::Running,
            local_url,
            port,
            ..entry(pid)
        }
    }

    fn statuses(entries: &[Entry]) -> Vec<Status> {
        check(entries).iter().map(|health| health.status).collect()
    }

    #[test]
    fn a_port_counts_when_it_is_the_commands_own_and_somebody_takes_from_its_queue() {
        let temp = tempfile::tempdir().expect("a directory");
        let socket = temp.path().join("a.sock");
        keeper(&socket);
        let serving = TcpListener::bind("[::]:0").expect("bound");
        let hung = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = |listener: &TcpListener| Some(listener.local_addr().expect("bound").port());
        let (serving_port, hung_port) = (port(&serving), port(&hung));
        thread::spawn(move || serving.incoming().for_each(drop));
        let nobody = port(&TcpListener::bind("127.0.0.1:0").expect("bound and closed"));

        let mut other = std::process::Command::new("sleep").arg("60").spawn().expect("spawned");
        let (child_pid, child_token) = (Some(other.id()), process::token(other.id()));
        let foreign = Entry { child_pid, child_token, ..living(&socket, hung_port) };
        let compose = Entry { detected_type: COMPOSE.into(), ..living(&socket, hung_port) };
        let entries = [
            living(&socket, None),
            living(&socket, serving_port),
            living(&socket, hung_port),
            living(&socket, nobody),
            foreign,
            compose,
        ];
        let expected = [
            Status::Healthy,
            Status::Healthy,
            Status::Unresponsive,
            Status::Unresponsive,
            Status::Healthy,
            Status::Healthy,
        ];
        let found = statuses(&entries);
        other.kill().and_then(|()| other.wait()).expect("ended");
        assert_eq!(found, expected);

        // It was asked before, and its queue shows it: nothing is added until somebody takes from it.
        let queued =
            || ports::listeners(None).iter().find(|found| Some(found.port) == hung_port).map(|found| found.queued);
        let before = queued();
        assert_eq!(statuses(&entries[2..3]), [Status::Unresponsive]);
        assert_eq!(queued(), before);
        thread::spawn(move || hung.incoming().for_each(drop));
        assert_eq!(statuses(&entries[2..3]), [Status::Healthy]);
    }

    #[test]
    fn a_hundred_keepers_that_accept_and_never_answer_cost_a_second_together() {
        let temp = tempfile::tempdir().expect("a directory");
        let sockets: Vec<_> = (0..100).map(|index| temp.path().join(format!("{index}.sock"))).collect();
        let _hung: Vec<_> = sockets.iter().map(|path| UnixListener::bind(path).expect("bound")).collect();
        let answering = temp.path().join("answers.sock");
        keeper(&answering);
        let mut entries: Vec<_> = sockets.iter().map(|path| living(path, None)).collect();
        entries.push(living(&answering, None));
        let start = Instant::now();
        let found = statuses(&entries);
        assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
        assert!(found[..100].iter().all(|status| *status == Status::Unresponsive));
        assert_eq!(found[100], Status::Healthy);
    }
}
