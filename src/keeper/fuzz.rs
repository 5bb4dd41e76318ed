//! The keeper's socket for the fuzzer: the bytes of a connection in, what was answered out. Everything but the loop is
//! as in a keeper; what the routes ask of the loop is refused.

use super::endpoint::Endpoint;
use super::mailbox::Mailbox;
use super::output::Output;
use super::routes::App;
use crate::registry::entry::Entry;
use crate::sys::tty::Size;
use rustix::event::{Timespec, poll};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// So long a connection may take.
const LONG: Duration = Duration::from_secs(8);

/// A socket whose instance is this entry's.
pub struct Served {
    endpoint: Endpoint,
    entry: Arc<Mutex<Entry>>,
    mailbox: Mailbox,
    output: Output,
}

impl Served {
    /// Listens at this path.
    pub fn new(path: &Path, entry: Entry) -> Self {
        let endpoint = Endpoint::open(Some(path.to_owned())).expect("a socket");
        let mailbox = Mailbox::new().expect("a mailbox");
        let output = Output::new(None, Some(Size { rows: 24, columns: 80, ..Size::default() }), mailbox.post());
        Self { endpoint, entry: Arc::new(Mutex::new(entry)), mailbox, output }
    }

    /// Everything that it says to who says this; it panics where that takes too long.
    pub fn answers(&mut self, path: &Path, bytes: &[u8]) -> Vec<u8> {
        let mut theirs = UnixStream::connect(path).expect("connected");
        theirs.set_read_timeout(Some(LONG)).expect("a limit");
        // One that is closed in the middle has said what it had to say.
        let _ = theirs.write_all(bytes);
        let _ = theirs.shutdown(Shutdown::Write);
        let reading = thread::spawn(move || {
            let mut said = Vec::new();
            match theirs.read_to_end(&mut said) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection hangs"),
                _ => said,
            }
        });
        while !reading.is_finished() {
            let mut set = Vec::new();
            self.endpoint.watch(&mut set);
            let _ = poll(&mut set, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000 }));
            drop(set);
            let app = || App::new(Arc::clone(&self.entry), self.mailbox.post(), Some(self.output.clone()));
            self.endpoint.serve(app).expect("served");
            // Who asked hears that the keeper ended.
            drop(self.mailbox.take());
        }
        reading.join().expect("it was answered in time")
    }
}
