//! Where the command's output goes: standard output and, in pipe mode, standard error, each at its own pace.

use crate::sys::reopen::Sink;
use crate::wire::Stream;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::RawFd;
use std::io;

/// Both outputs. One that nobody reads holds up only itself.
#[derive(Default)]
pub struct Outputs {
    out: Output,
    err: Output,
    /// Which of our own standard streams the sinks were made from.
    relayed: Vec<RawFd>,
}

#[derive(Default)]
struct Output {
    sink: Option<Sink>,
    /// What the sink did not take yet; bounded by the keeper's [`crate::wire::OUTPUT_WINDOW`].
    pending: Vec<u8>,
    start: usize,
    /// Bytes written, or thrown away, and not yet reported.
    written: usize,
    /// Nothing will come any more: the sink is closed once all is written.
    ending: bool,
    /// Set when the sink went away, until it was told.
    newly_closed: bool,
}

impl Outputs {
    /// Writes to these sinks; what has none is thrown away.
    pub fn new(out: Option<Sink>, err: Option<Sink>, relayed: Vec<RawFd>) -> Self {
        let output = |sink| Output { sink, ..Output::default() };
        Self { out: output(out), err: output(err), relayed }
    }

    /// Standard streams of ours that only the sinks need.
    pub fn relayed(&self) -> Vec<RawFd> {
        self.relayed.clone()
    }

    /// Writes a line of ours where standard error goes, behind what waits there; `false` where it is not relayed.
    pub fn say(&mut self, line: &str) -> bool {
        if !self.relayed.contains(&2) {
            return false;
        }
        let output = if self.err.sink.is_some() { &mut self.err } else { &mut self.out };
        output.write(line.as_bytes());
        // It is none of the command's: it must not count as taken.
        output.written = output.written.saturating_sub(line.len());
        true
    }

    /// The command has closed its standard output: so do we, after what waits. Where that is standard error, too, it
    /// stays open: our own lines go there.
    pub fn end_out(&mut self) {
        if self.relayed.contains(&2) && self.err.sink.is_none() {
            return;
        }
        self.out.ending = true;
        self.out.end_if_done();
    }

    fn of(&mut self, stream: Stream) -> &mut Output {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// Writes as much as goes at once and keeps the rest.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        self.of(stream).write(bytes);
    }

    /// Writes on what was kept, and notices a sink that went away.
    pub fn flush(&mut self) {
        for output in [&mut self.out, &mut self.err] {
            output.flush();
            output.notice_end();
        }
    }

    /// Throws away what was kept.
    pub fn clear(&mut self) {
        for output in [&mut self.out, &mut self.err] {
            output.take_all();
        }
    }

    /// Throws away what was kept and what will come: nobody can read it any more.
    pub fn close(&mut self) {
        for output in [&mut self.out, &mut self.err] {
            output.close();
        }
    }

    /// Whether all was written.
    pub fn is_empty(&self) -> bool {
        self.out.left() == 0 && self.err.left() == 0
    }

    /// How much was written since the last report, if at least `step` bytes.
    pub fn written(&mut self, stream: Stream, step: usize) -> Option<usize> {
        let output = self.of(stream);
        (output.written >= step).then(|| std::mem::take(&mut output.written))
    }

    /// Whether the sink went away since the last call.
    pub fn newly_closed(&mut self, stream: Stream) -> bool {
        std::mem::take(&mut self.of(stream).newly_closed)
    }

    /// Adds what is to be waited for: room where something is kept, and else only the reader's going away, which
    /// poll reports unasked. A command that waits for that (`tail -f | head -1`) learns it as it would bare.
    pub fn watch<'a>(&'a self, set: &mut Vec<PollFd<'a>>) {
        for output in [&self.out, &self.err] {
            if let Some(sink) = &output.sink {
                let flags = if output.left() > 0 { PollFlags::OUT } else { PollFlags::empty() };
                if matches!(sink, Sink::File(_)) && flags.is_empty() {
                    continue;
                }
                set.push(PollFd::new(sink, flags));
            }
        }
    }
}

impl Output {
    fn left(&self) -> usize {
        self.pending.len() - self.start
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.left() == 0 {
            let done = self.put(rest);
            rest = &rest[done..];
        }
        if self.sink.is_none() {
            self.written += rest.len();
        } else if !rest.is_empty() {
            // What was written stays in front until then: without this the buffer would grow with the whole output.
            self.pending.drain(..std::mem::take(&mut self.start));
            self.pending.extend_from_slice(rest);
        }
    }

    fn flush(&mut self) {
        // Both are out of the way, as a sink that turns out to be gone clears them.
        let pending = std::mem::take(&mut self.pending);
        let start = std::mem::take(&mut self.start);
        let done = self.put(&pending[start..]);
        self.pending = pending;
        self.start = start + done;
        if self.sink.is_none() || self.left() == 0 {
            self.take_all();
        }
        self.end_if_done();
    }

    fn end_if_done(&mut self) {
        if self.ending && self.left() == 0 {
            self.sink = None;
        }
    }

    /// Writes until the sink takes no more; how much it took.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let Some(sink) = &self.sink else { break };
            match sink.write(&bytes[done..]) {
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A reader that went away, a closed terminal, a full disk.
                Err(_) => self.close(),
            }
        }
        self.written += done;
        done
    }

    /// poll(2) marks a pipe without readers, and a closed terminal, by POLLERR or POLLHUP.
    fn notice_end(&mut self) {
        use rustix::event::{Timespec, poll};
        let gone = self.sink.as_ref().is_some_and(|sink| {
            let mut set = [PollFd::new(sink, PollFlags::empty())];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut set, Some(&now)).is_ok() && set[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
        });
        if gone {
            self.close();
        }
    }

    fn take_all(&mut self) {
        self.written += self.left();
        self.pending.clear();
        self.start = 0;
    }

    fn close(&mut self) {
        if self.sink.take().is_some() {
            self.newly_closed = true;
        }
        self.take_all();
    }
}
