//! The keeper's socket: HTTP for the other verbs and the control center. Nothing runs for it until somebody calls.

use super::routes::{App, router};
use crate::error::Error;
use rustix::fd::{AsFd, BorrowedFd};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    pub fn answer(&mut self, app: App) -> Result<(), Error> {
        let Standing::Waiting(listener) = std::mem::replace(&mut self.state, Standing::Closed) else { return Ok(()) };
        let (end, ended) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("endpoint".to_owned())
            .spawn(move || serve(listener, app, ended))
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
