//! The control center: every instance of this user on one page, and over one API. A process of its own, on loopback.

mod board;
mod forward;
#[cfg(fuzzing)]
pub mod fuzz;
mod guard;
mod hub;
mod logs;
mod page;
mod routes;
mod serve;
mod session;
mod shapes;
mod usage;
mod watch;

pub use guard::Allowed;

use crate::error::Error;
use crate::registry::center::{Listening, Renewal, Seat, running};
use crate::sys::ports;
use crate::sys::process::Process;
use board::Board;
use guard::Guard;
use routes::App;
use session::Codes;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::sync::Semaphore;
use uuid::Uuid;
use watch::Watch;

/// The port unless somebody says otherwise.
pub const PORT: u16 = 8969;

/// A control center that has its place and its port, and serves nobody yet.
pub struct Center {
    seat: Seat,
    listeners: Vec<TcpListener>,
    port: u16,
    allowed: Vec<Allowed>,
}

/// Why there is none.
pub enum Unable {
    /// One of this user runs already.
    Runs(Listening),
    /// Somebody else has the port; who, where that can be known.
    Busy(Option<Process>),
    /// Something else.
    Failed(Error),
}

impl Center {
    /// Takes the place and the port (0: any that is free).
    pub fn open(port: u16, allowed: Vec<Allowed>) -> Result<Self, Unable> {
        if let Some((listening, _)) = running() {
            return Err(Unable::Runs(listening));
        }
        let Some(seat) = Seat::take().map_err(Unable::Failed)? else {
            // It has begun and has not said yet where it listens, or is about to end.
            let why = "another control center of yours is just starting or ending; try again";
            return Err(
                running().map_or_else(|| Unable::Failed(Error::Message(why.to_owned())), |(it, _)| Unable::Runs(it))
            );
        };
        let listeners = serve::listen(port).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Unable::Busy(holder(port)),
            _ => Unable::Failed(Error::system("listen on 127.0.0.1", error)),
        })?;
        let port = listeners[0].local_addr().map_or(port, |address| address.port());
        Ok(Self { seat, listeners, port, allowed })
    }

    /// Serves until it is asked to end (SIGINT, SIGTERM, SIGHUP); `ready` is called when it listens. There must be no
    /// other thread yet.
    pub fn run(self, ready: impl FnOnce(&Listening)) -> Result<(), Error> {
        let over = Arc::new(tokio::sync::watch::Sender::new(false));
        let ended = over.subscribe();
        let asked = Arc::clone(&over);
        // A second one finds it ending already.
        ctrlc::set_handler(move || {
            asked.send_replace(true);
        })
        .map_err(|error| Error::Message(format!("cannot catch signals: {error}")))?;
        // Before there is any other thread that might count on the limit as it was.
        let room = serve::room();
        let token: Arc<str> = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()).into();
        let board = Arc::new(Board::new());
        let listening = Listening::here(self.port);
        let seat = Arc::new(self.seat);
        let (kept, known, shown, ending) = (Arc::clone(&seat), listening.clone(), Arc::clone(&token), over.clone());
        let renew = move || {
            // One that cannot be found is of no use, and two would be one too many.
            if let Ok(Renewal::Lost) = kept.renew(&known, &shown) {
                let _ = writeln!(io::stderr(), "wrap: another control center of yours has taken the place of this one");
                ending.send_replace(true);
            }
        };
        let (watch, looking) =
            Watch::start(Arc::clone(&board), renew).map_err(|error| Error::system("start a thread", error))?;
        let app = App {
            board: Arc::clone(&board),
            watch: watch.clone(),
            codes: Arc::new(Codes::default()),
            seat: Arc::clone(&seat),
            token: Arc::clone(&token),
            port: self.port,
            log_places: Arc::new(Semaphore::new(logs::MOST)),
            executable: Arc::new(std::env::current_exe().unwrap_or_else(|_| "wrap".into())),
            limit: room.before(),
        };
        let guard = Guard::new(self.port, &token, self.allowed);
        let codes = Arc::clone(&app.codes);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::system("start a runtime", error))?;
        let served = runtime.block_on(async {
            let listeners = self.listeners.into_iter().map(tokio::net::TcpListener::from_std);
            let listeners = listeners.collect::<io::Result<_>>().map_err(|error| Error::system("listen", error))?;
            seat.announce(&listening, &token)?;
            ready(&listening);
            let measuring = tokio::spawn(usage::measure(Arc::clone(&board)));
            let mut closing = ended.clone();
            let told = Arc::clone(&board);
            tokio::spawn(async move {
                hub::is_over(&mut closing).await;
                told.hub.close();
            });
            serve::serve(listeners, routes::router(app, guard), ended).await;
            measuring.abort();
            Ok(())
        });
        // First nobody finds it any more, then it is gone.
        seat.withdraw(&listening);
        codes.forget_all();
        watch.end();
        let _ = looking.join();
        // What still reads a log or asks a keeper is not waited for.
        runtime.shutdown_background();
        served
    }
}

/// The process that listens on a port of this machine; `None` where it is another user's.
fn holder(port: u16) -> Option<Process> {
    let listening: Vec<_> = ports::listeners(None).into_iter().filter(|listener| listener.port == port).collect();
    ports::holder(&listening)
}
