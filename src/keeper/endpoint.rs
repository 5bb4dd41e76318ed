//! The keeper's socket: HTTP for the other verbs and the control center. Nothing runs for it until somebody calls.

use super::mailbox::{Message, Post};
use crate::error::Error;
use crate::registry::entry::Entry;
use axum::extract::{Path as Segment, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rustix::fd::{AsFd, BorrowedFd};
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io};
use tokio::sync::Notify;

/// How long an answer under way may take to reach its caller when the keeper ends.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// Where callers come in.
pub struct Endpoint {
    state: Standing,
    path: Option<PathBuf>,
    /// What the entry says: `unix:…` or `http://127.0.0.1:…`.
    pub url: String,
}

enum Standing {
    /// Nobody has called yet.
    Waiting(Listener),
    /// A thread answers; dropping the sender tells it to finish.
    Answering(JoinHandle<()>, tokio::sync::oneshot::Sender<()>),
    /// It is over.
    Closed,
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Endpoint {
    /// Listens at this path, or on loopback TCP where there is none to be had.
    pub fn open(path: Option<PathBuf>) -> Result<Self, Error> {
        if let Some(path) = path {
            match bind(&path) {
                Ok(listener) => {
                    let url = format!("unix:{}", path.display());
                    return Ok(Self { state: Standing::Waiting(Listener::Unix(listener)), path: Some(path), url });
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
        let url = format!("http://127.0.0.1:{port}");
        Ok(Self { state: Standing::Waiting(Listener::Tcp(listener)), path: None, url })
    }

    /// Whether nobody can find it any more, because its path was removed.
    pub fn is_gone(&self) -> bool {
        self.path.as_ref().is_some_and(|path| !path.exists())
    }

    /// What is to be waited for, until the first caller.
    pub fn waiting(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            Standing::Waiting(Listener::Unix(listener)) => Some(listener.as_fd()),
            Standing::Waiting(Listener::Tcp(listener)) => Some(listener.as_fd()),
            _ => None,
        }
    }

    /// The first caller is there: from here on a thread of its own answers.
    pub fn answer(&mut self, entry: Arc<Mutex<Entry>>, post: Post) -> Result<(), Error> {
        let Standing::Waiting(listener) = std::mem::replace(&mut self.state, Standing::Closed) else { return Ok(()) };
        let (end, ended) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("endpoint".to_owned())
            .spawn(move || serve(listener, App { entry, post }, ended))
            .map_err(|error| Error::system("start a thread for the socket", error))?;
        self.state = Standing::Answering(thread, end);
        Ok(())
    }

    /// Takes no more calls, and waits a moment for answers under way.
    pub fn close(&mut self) {
        if let Some(path) = self.path.take() {
            // Already gone where the registry's directory was removed.
            let _ = fs::remove_file(path);
        }
        if let Standing::Answering(thread, end) = std::mem::replace(&mut self.state, Standing::Closed) {
            drop(end);
            let _ = thread.join();
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

#[derive(Clone)]
struct App {
    entry: Arc<Mutex<Entry>>,
    post: Post,
}

impl App {
    fn entry(&self) -> Entry {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(listener: Listener, app: App, ended: tokio::sync::oneshot::Receiver<()>) {
    // Without a runtime there is nobody to answer; the command does not need it.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return };
    let router = router(app);
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let graceful = async move { stopped.notified().await };
    runtime.block_on(async move {
        let serving = async {
            match listener {
                Listener::Unix(listener) => {
                    let listener = OwnUser(tokio::net::UnixListener::from_std(listener)?);
                    axum::serve(listener, router).with_graceful_shutdown(graceful).await
                }
                Listener::Tcp(listener) => {
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    axum::serve(listener, router).with_graceful_shutdown(graceful).await
                }
            }
        };
        let ending = async {
            let _ = ended.await;
            stop.notify_one();
            tokio::time::sleep(LAST_ANSWER).await;
        };
        tokio::select! {
            _ = serving => {}
            () = ending => {}
        }
    });
}

/// A listener that takes connections of our own user only (`SO_PEERCRED`, unix(7)): the directory's mode keeps others
/// out, and this holds where it was changed.
struct OwnUser(tokio::net::UnixListener);

impl axum::serve::Listener for OwnUser {
    type Io = tokio::net::UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let us = rustix::process::getuid().as_raw();
        loop {
            match self.0.accept().await {
                Ok((stream, from)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == us || peer.uid() == 0) => {
                    return (stream, from);
                }
                Ok(_) => {}
                // Too many open files: a moment later there may be room.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/api/instances/current", get(current))
        .route("/api/instances/{id}", get(one))
        .route("/api/instances/{id}/terminate", post(terminate))
        .with_state(app)
}

async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

async fn current(State(app): State<App>, headers: HeaderMap) -> Response {
    match authorized(&app, &headers) {
        Ok(entry) => Json(entry.public()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn one(State(app): State<App>, Segment(id): Segment<String>, headers: HeaderMap) -> Response {
    match addressed(&app, &headers, &id) {
        Ok(entry) => Json(entry.public()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn terminate(State(app): State<App>, Segment(id): Segment<String>, headers: HeaderMap) -> Response {
    if let Err(refusal) = addressed(&app, &headers, &id) {
        return refusal.into_response();
    }
    let (reply, answer) = tokio::sync::oneshot::channel();
    app.post.send(Message::Terminate(reply));
    match answer.await {
        Ok(ended) => Json(json!({ "success": true, "killed": ended.killed, "left": ended.left })).into_response(),
        Err(_) => Refusal(StatusCode::SERVICE_UNAVAILABLE, "the keeper ended before it could answer").into_response(),
    }
}

/// The entry, for a caller that shows its key.
fn authorized(app: &App, headers: &HeaderMap) -> Result<Entry, Refusal> {
    let entry = app.entry();
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if shown.and_then(|value| value.strip_prefix("Bearer ")) == Some(entry.auth_key.as_str()) {
        Ok(entry)
    } else {
        Err(Refusal(StatusCode::UNAUTHORIZED, "show the instance's authKey as a bearer token"))
    }
}

/// The same, where the path names this instance.
fn addressed(app: &App, headers: &HeaderMap, id: &str) -> Result<Entry, Refusal> {
    let entry = authorized(app, headers)?;
    if entry.instance_id == id {
        Ok(entry)
    } else {
        Err(Refusal(StatusCode::NOT_FOUND, "this keeper has another instance"))
    }
}

/// Why a caller does not get what it asked for.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}
