//! The keeper's socket: HTTP for the other verbs and the control center. Whether we are there is answered by the loop
//! itself, as every listing asks that of every keeper; a thread for the rest is started by the first who asks for more.

use super::routes::{App, router};
use crate::error::Error;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an answer under way may take to reach its caller when the keeper ends.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// Callers that have not said yet what they want; more than any listing brings. What is beyond is the thread's to wait
/// for.
const MOST: usize = 64;

/// How long no caller is taken where there are no descriptors left: a moment later there may be some.
const PAUSE: Duration = Duration::from_millis(50);

/// How the one request begins that the loop answers, and where every request's head ends.
const HEALTH: &[u8] = b"GET /health ";
const END: &[u8] = b"\r\n\r\n";

/// Lines of a head: what our own callers say, and what only a web page says.
const HOST: &[u8] = b"\r\nhost: localhost\r\n";
const ORIGIN: &[u8] = b"\r\norigin:";

/// A head that is longer is not one of ours; the thread has bounds of its own.
const HEAD: usize = 1024;

/// Connections that are served at once: a center, some terminals and what asks meanwhile. Where the socket is a TCP port
/// other users reach it, too, and must not use up our descriptors.
const MOST_SERVED: usize = 128;

/// How long a head may take, and what is kept of one: our own are sent whole, and have some hundred bytes.
const HEAD_TIME: Duration = Duration::from_secs(5);
const HEAD_BYTES: usize = 16 * 1024;

/// The answer to it.
const HEALTHY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"status\":\"ok\"}";

/// Where callers come in.
pub struct Endpoint {
    listener: Listener,
    callers: Vec<Caller>,
    thread: Option<Thread>,
    /// Nobody is taken before.
    paused_until: Option<Instant>,
    path: Option<PathBuf>,
    /// What the entry says: `unix:…` or `http://127.0.0.1:…`.
    pub url: String,
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Somebody who has connected.
enum Caller {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Answers callers; dropping the end tells it to finish.
struct Thread {
    hand: UnboundedSender<Caller>,
    handle: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl Endpoint {
    /// Listens at this path, or on loopback TCP where there is none to be had.
    pub fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        let of =
            |listener, path, url| Self { listener, callers: Vec::new(), thread: None, paused_until: None, path, url };
        if let Some(path) = path {
            match bind(&path) {
                Ok(listener) => {
                    let url = format!("unix:{}", path.display());
                    return Ok(of(Listener::Unix(listener), Some(path), url));
                }
                // Something of somebody else's stands there: it stays, and we go elsewhere.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(Error::file("listen at", &path, error)),
            }
        }
        let failed = |error| Error::system("listen on 127.0.0.1", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(of(Listener::Tcp(listener), None, format!("http://127.0.0.1:{port}")))
    }

    /// Whether nobody can find it any more, because its path was removed.
    pub fn is_gone(&self) -> bool {
        self.path.as_ref().is_some_and(|path| !path.exists())
    }

    /// Adds what is to be waited for.
    pub fn watch<'a>(&'a self, set: &mut Vec<PollFd<'a>>) {
        if self.paused_until.is_none_or(|until| until <= Instant::now()) {
            set.push(PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN));
        }
        set.extend(self.callers.iter().map(|caller| PollFd::from_borrowed_fd(caller.as_fd(), PollFlags::IN)));
    }

    /// When callers are taken again, if they are not now.
    pub fn deadline(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Takes who has come, and answers or hands on who has said what he wants; `app` is made for the first who wants more
    /// than to know that we are there.
    pub fn serve(&mut self, app: impl Fn() -> App) -> Result<(), Error> {
        self.paused_until = None;
        loop {
            match self.listener.accept() {
                Ok(Some(caller)) => self.callers.push(caller),
                // Another user, whom the directory's mode should have kept out.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.paused_until = Some(Instant::now() + PAUSE);
                    break;
                }
            }
        }
        let mut failed = Ok(());
        for caller in std::mem::take(&mut self.callers) {
            match caller.look() {
                Wish::Nothing if self.callers.len() < MOST => self.callers.push(caller),
                Wish::Gone => {}
                Wish::Health => caller.say_healthy(),
                Wish::Nothing | Wish::More => failed = failed.and(self.hand_on(caller, &app)),
            }
        }
        failed
    }

    fn hand_on(&mut self, caller: Caller, app: &impl Fn() -> App) -> Result<(), Error> {
        let mut caller = caller;
        if let Some(thread) = &self.thread {
            match thread.hand.send(caller) {
                Ok(()) => return Ok(()),
                // It has ended, for want of a runtime (no descriptors, no memory): there may be one now.
                Err(SendError(back)) => caller = back,
            }
        }
        let thread = Thread::start(app())?;
        // One that ends at once drops the caller, who tries again.
        let _ = thread.hand.send(caller);
        self.thread = Some(thread);
        Ok(())
    }

    /// Takes no more calls, and waits a moment for answers under way.
    pub fn close(&mut self) {
        if let Some(path) = self.path.take() {
            // Already gone where the registry's directory was removed.
            let _ = fs::remove_file(path);
        }
        self.callers.clear();
        if let Some(Thread { hand, handle, end }) = self.thread.take() {
            drop((hand, end));
            let _ = handle.join();
        }
    }
}

impl Listener {
    /// Who comes next; `None` for somebody of another user (`SO_PEERCRED`, unix(7)).
    fn accept(&self) -> io::Result<Option<Caller>> {
        match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                let us = rustix::process::getuid();
                let peer = sockopt::socket_peercred(&stream)?.uid;
                Ok((peer == us || peer.is_root()).then_some(Caller::Unix(stream)))
            }
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Some(Caller::Tcp(stream)))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// What a caller wants, as far as it has said.
enum Wish {
    Nothing,
    Gone,
    Health,
    More,
}

impl Caller {
    /// Looks at what it says, which stays to be read.
    fn look(&self) -> Wish {
        let mut head = [0; HEAD];
        match recv(self, &mut head, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => Wish::Gone,
            Ok((count, _)) => {
                let said = &head[..count];
                let is_whole = said.windows(END.len()).any(|window| window == END);
                // One that comes in pieces is the thread's to wait for: it would be readable here without pause.
                // What a browser might have sent is for the guard.
                let is_ours = is_whole && said.windows(HOST.len()).any(|window| window.eq_ignore_ascii_case(HOST));
                let is_page = said.windows(ORIGIN.len()).any(|window| window.eq_ignore_ascii_case(ORIGIN));
                if said.starts_with(HEALTH) && is_ours && !is_page { Wish::Health } else { Wish::More }
            }
            Err(Errno::AGAIN | Errno::INTR) => Wish::Nothing,
            Err(_) => Wish::Gone,
        }
    }

    fn say_healthy(&self) {
        let mut head = [0; HEAD];
        // Read, or the close would reset the connection before the answer was taken (tcp(7)).
        let _ = recv(self, &mut head, RecvFlags::DONTWAIT);
        // A caller that is gone needs no answer; a fresh socket has room for it.
        let _ = send(self, HEALTHY, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

impl AsFd for Caller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Binds a socket for our user alone. A socket that nobody listens on any more is replaced; anything else at its
/// place stays, as `AddrInUse`.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }?;
    // The directory is 0700 already; the socket itself says it too.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn is_stale(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl Thread {
    fn start(app: App) -> Result<Self, Error> {
        let (hand, callers) = unbounded_channel();
        let (end, ended) = oneshot::channel();
        let handle = std::thread::Builder::new()
            .name("endpoint".to_owned())
            .spawn(move || run(callers, router(app), ended))
            .map_err(|error| Error::system("start a thread for the socket", error))?;
        Ok(Self { hand, handle, end })
    }
}

fn run(mut callers: UnboundedReceiver<Caller>, router: Router, mut ended: oneshot::Receiver<()>) {
    // Without a runtime there is nobody to answer; the command does not need it.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return };
    runtime.block_on(async move {
        let over = watch::Sender::new(false);
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut ended => break,
                Some(_) = served.join_next() => {}
                // Whoever is one too many tries again.
                Some(caller) = callers.recv() => if served.len() < MOST_SERVED {
                    serve(caller, router.clone(), over.subscribe(), &mut served);
                },
            }
        }
        over.send_replace(true);
        let _ = timeout(LAST_ANSWER, async { while served.join_next().await.is_some() {} }).await;
    });
}

fn serve(caller: Caller, router: Router, over: watch::Receiver<bool>, served: &mut JoinSet<()>) {
    match caller {
        Caller::Unix(stream) => {
            if let Ok(stream) = tokio::net::UnixStream::from_std(stream) {
                served.spawn(connection(stream, router, over));
            }
        }
        Caller::Tcp(stream) => {
            if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                served.spawn(connection(stream, router, over));
            }
        }
    }
}

/// Answers one caller, until either side ends it, or it goes over to frames.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut over: watch::Receiver<bool>,
) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let ended: Result<(), hyper::Error> = tokio::select! {
        ended = serving.as_mut() => ended,
        () = async { drop(over.wait_for(|over| *over).await) } => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    // Whoever broke off has nobody to be told.
    drop(ended);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_at_the_sockets_path_is_replaced_only_where_nobody_listens() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = |name: &str| temp.path().join(name);
        drop(UnixListener::bind(path("stale")).expect("bound"));
        let _live = UnixListener::bind(path("live")).expect("bound");
        fs::write(path("file"), "kept").expect("written");
        fs::create_dir(path("directory")).expect("made");
        for name in ["free", "stale"] {
            let mut endpoint = Endpoint::open(Some(path(name))).expect("opened");
            assert_eq!(endpoint.url, format!("unix:{}", path(name).display()));
            let mode = fs::metadata(path(name)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(!endpoint.is_gone());
            endpoint.close();
            assert!(!path(name).exists());
        }
        for name in ["live", "file", "directory"] {
            let mut endpoint = Endpoint::open(Some(path(name))).expect("opened elsewhere");
            assert!(endpoint.url.starts_with("http://127.0.0.1:"), "{name}: {}", endpoint.url);
            endpoint.close();
            assert!(path(name).exists(), "{name} stays");
        }
        assert_eq!(fs::read_to_string(path("file")).expect("read"), "kept");
        assert!(Endpoint::open(Some(path("nowhere/x"))).is_err());
    }
}
