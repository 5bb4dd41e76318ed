//! Connections: taken, served with every wait bounded, and ended in order.

use super::hub::is_over;
use crate::sys::limit::Descriptors;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

/// So many connections at once: a thousand readers, and as many short questions beside them.
const MOST: usize = 2048;

/// Descriptors beside those of connections: files, checks of health, threads that read logs.
const OTHERS: u64 = 1024;

/// How long the head of a request may take, from the connection or from the last answer on.
const HEAD: Duration = Duration::from_secs(10);

/// How long a reader may take nothing of what is sent to it. A page in a background tab still reads.
const STUCK: Duration = Duration::from_secs(10);

/// What is kept of a request's head: more than any browser sends to one without cookies.
const HEAD_BYTES: usize = 16 * 1024;

/// How long nobody is taken where there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// How long streams and answers under way may take at the end.
const LAST: Duration = Duration::from_secs(2);

/// Room for all of them, as long as it is kept.
pub fn room() -> Descriptors {
    Descriptors::at_least(MOST as u64 + OTHERS)
}

/// Serves until `over` says so, and returns when the connections have ended, or their time is over.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, mut over: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let (router, places, mut over) = (router.clone(), Arc::clone(&places), over.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                // Whoever comes beyond that waits in the kernel's queue.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = is_over(&mut over) => break,
                };
                match accepted {
                    Ok((stream, _)) => {
                        // A keystroke's echo or an event is one small packet, and not to wait for another.
                        let _ = stream.set_nodelay(true);
                        let (router, over) = (router.clone(), over.clone());
                        connections.spawn(async move {
                            let _place = place;
                            connection(stream, router, over).await;
                        });
                    }
                    Err(_) => sleep(PAUSE).await,
                }
                while connections.try_join_next().is_some() {}
            }
            drop(listener);
            let _ = timeout(LAST, async { while connections.join_next().await.is_some() {} }).await;
        });
    }
    is_over(&mut over).await;
    while tasks.join_next().await.is_some() {}
}

/// Serves one connection, until either side ends it.
pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: Router,
    mut over: watch::Receiver<bool>,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STUCK));
    let service = TowerToHyperService::new(router);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut serving = std::pin::pin!(serving);
    let served: Result<(), hyper::Error> = tokio::select! {
        served = serving.as_mut() => served,
        () = is_over(&mut over) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    // Whoever broke off has nobody to be told.
    drop(served);
}

/// Listens on 127.0.0.1 and, where the machine has it, on `[::1]`: browsers try either for `localhost`.
pub fn listen(port: u16) -> io::Result<Vec<std::net::TcpListener>> {
    let first = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    match std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, port)) {
        Ok(second) => listeners.push(second),
        // Somebody else's: a page that was asked for as localhost could come from there.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        Err(_) => {}
    }
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    Ok(listeners)
}
