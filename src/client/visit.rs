//! A visit: a client that comes over the keeper's socket to a run that is under way.

use super::{CAUGHT, Client, Errand, Outcome, Outputs, Terminal};
use crate::error::Error;
use crate::registry::entry::Mode;
use crate::sys::reopen::Sink;
use crate::sys::signal::Signals;
use crate::wire::{Attach, Decoder, Kind, Outbox, VERSION};
use rustix::fd::OwnedFd;

/// Whom to visit, and how.
pub struct Visit {
    /// What the instance is called.
    pub name: String,
    /// Its short id.
    pub short_id: String,
    /// Its keeper.
    pub keeper: u32,
    /// Only to look.
    pub read_only: bool,
    /// Whether to show the screen as it is now first.
    pub replay: bool,
}

/// Visits over this socket, of which `read` was read already. Standard input and output must be terminals.
pub fn attach(visit: Visit, socket: OwnedFd, read: Vec<u8>) -> Result<Outcome, Error> {
    let signals = Signals::catch(&CAUGHT).map_err(|error| Error::system("catch signals", error))?;
    let mut terminal =
        Terminal::open(rustix::stdio::stdin()).map_err(|error| Error::system("open the terminal", error))?;
    let sink = Sink::open(rustix::stdio::stdout()).map_err(|error| Error::system("open the terminal", error))?;
    rustix::io::ioctl_fionbio(&socket, true).map_err(|error| Error::system("prepare the socket", error))?;
    let modes = terminal.modes().ok();
    let size = terminal.size();
    // In the background it waits there until somebody brings it forward.
    terminal.take().map_err(|error| Error::system("take the terminal", error))?;
    let mut outbox = Outbox::default();
    let attach = Attach { version: VERSION, size, modes, read_only: visit.read_only, replay: visit.replay };
    outbox.push_json(Kind::Attach, &attach);
    let keeper = visit.keeper;
    let client = Client::new(Errand::Visit(visit), Mode::Terminal, keeper, (socket, outbox), signals);
    let outputs = Outputs::new(Some(sink), None, Vec::new());
    let mut client = Client { terminal: Some(terminal), outputs, ..client };
    Ok(client.serve(Decoder::after(read)))
}
