//! The control center without a network, for the fuzzer: the bytes of a connection in, what it answered out.

use super::board::Board;
use super::guard::Guard;
use super::logs;
use super::routes::{self, App};
use super::serve::connection;
use super::session::Codes;
use super::watch::Watch;
use crate::registry::center::Seat;
use crate::registry::entry::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// The token that opens it.
pub const TOKEN: &str = "11112222333344445555666677778888";

/// The port that it believes to have.
pub const PORT: u16 = 8969;

/// So long one connection may take; its streams are ended by the end of what is sent.
const LONG: Duration = Duration::from_secs(8);

/// A control center that knows of one instance.
pub struct Served {
    runtime: Runtime,
    router: axum::Router,
    over: watch::Sender<bool>,
}

impl Served {
    /// `WRAP_DIR` says where its registry is; `entry` is the instance.
    pub fn new(entry: Entry) -> Self {
        let board = Arc::new(Board::new());
        board.take(entry);
        let (watch, _) = Watch::start(Arc::clone(&board), || {}).expect("a thread");
        let app = App {
            board,
            watch,
            codes: Arc::new(Codes::default()),
            seat: Arc::new(Seat::take().expect("a registry").expect("it is free")),
            token: TOKEN.into(),
            port: PORT,
            log_places: Arc::new(Semaphore::new(logs::MOST)),
            // Nothing is started by a fuzzer.
            executable: Arc::new("/nowhere/wrap".into()),
            limit: None,
        };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let router = routes::router(app, Guard::new(PORT, TOKEN, Vec::new()));
        Self { runtime, router, over: watch::Sender::new(false) }
    }

    /// Everything that it says to who says this; it panics where that takes too long.
    pub fn answers(&self, bytes: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (ours, mut theirs) = duplex(1 << 20);
            let serving = tokio::spawn(connection(ours, self.router.clone(), self.over.subscribe()));
            let talk = async {
                // One that is closed in the middle has said what it had to say.
                let _ = theirs.write_all(bytes).await;
                let _ = theirs.shutdown().await;
                let mut said = Vec::new();
                let _ = theirs.read_to_end(&mut said).await;
                said
            };
            let said = timeout(LONG, talk).await.expect("the connection hangs");
            serving.await.expect("it panicked");
            said
        })
    }
}
