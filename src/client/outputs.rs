//! Where the command's output goes: standard output and, in pipe mode, standard error, each at its own pace.
//! In terminal mode the keeper writes to the terminal itself while we are in the foreground.

use crate::sys::reopen::{Queue, Sink};
use crate::wire::Stream;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::RawFd;

/// Both outputs. One that nobody reads holds up only itself.
pub struct Outputs {
    out: Output,
    err: Output,
    /// Which of our own standard streams the sinks were made from.
    relayed: Vec<RawFd>,
}

#[derive(Default)]
struct Output {
    /// What waits in it is bounded by the keeper's [`crate::wire::OUTPUT_WINDOW`].
    queue: Queue,
    /// Bytes written, or thrown away, and not yet reported.
    written: usize,
    /// Nothing will come any more: the sink is closed once all is written.
    ending: bool,
    /// That there is no sink was told, or there never was one.
    told: bool,
}

impl Outputs {
    /// Writes to these sinks; what has none is thrown away.
    pub fn new(out: Option<Sink>, err: Option<Sink>, relayed: Vec<RawFd>) -> Self {
        let output = |sink: Option<Sink>| Output { told: sink.is_none(), queue: Queue::new(sink), ..Output::default() };
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
        let output = if self.err.queue.sink().is_some() { &mut self.err } else { &mut self.out };
        // It is none of the command's: it does not count as taken.
        output.queue.write(line.as_bytes());
        true
    }

    /// Writes something of ours to standard output, behind what waits there. It does not count as taken.
    pub fn tell(&mut self, bytes: &[u8]) {
        self.out.queue.write(bytes);
    }

    /// The command has closed its standard output: so do we, after what waits. Where that is standard error, too, it
    /// stays open: our own lines go there.
    pub fn end_out(&mut self) {
        if self.relayed.contains(&2) && self.err.queue.sink().is_none() {
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
        let output = self.of(stream);
        output.written += output.queue.write(bytes);
    }

    /// Writes on what was kept, and notices a sink that went away.
    pub fn flush(&mut self) {
        for output in [&mut self.out, &mut self.err] {
            output.written += output.queue.flush();
            output.end_if_done();
            if output.is_gone() {
                output.close();
            }
        }
    }

    /// Throws away what was kept.
    pub fn clear(&mut self) {
        for output in [&mut self.out, &mut self.err] {
            output.written += output.queue.clear();
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
        self.out.queue.is_empty() && self.err.queue.is_empty()
    }

    /// How much was written since the last report, if at least `step` bytes.
    pub fn written(&mut self, stream: Stream, step: usize) -> Option<usize> {
        let output = self.of(stream);
        (output.written >= step).then(|| std::mem::take(&mut output.written))
    }

    /// Whether the sink went away since the last call.
    pub fn newly_closed(&mut self, stream: Stream) -> bool {
        let output = self.of(stream);
        output.queue.sink().is_none() && !std::mem::replace(&mut output.told, true)
    }

    /// Adds what is to be waited for: room where something is kept, and else only the reader's going away, which
    /// poll reports unasked. A command that waits for that (`tail -f | head -1`) learns it as it would bare.
    pub fn watch<'a>(&'a self, set: &mut Vec<PollFd<'a>>) {
        for output in [&self.out, &self.err] {
            if let Some(sink) = output.queue.sink() {
                let flags = if output.queue.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
                // A terminal's end is reported where it is read.
                if matches!(sink, Sink::File(_) | Sink::Terminal(_)) && flags.is_empty() {
                    continue;
                }
                set.push(PollFd::new(sink, flags));
            }
        }
    }
}

impl Output {
    fn end_if_done(&mut self) {
        if self.ending && self.queue.is_empty() {
            self.queue.close();
            self.told = true;
        }
    }

    /// poll(2) marks a pipe without readers, and a closed terminal, by POLLERR or POLLHUP.
    fn is_gone(&self) -> bool {
        use rustix::event::{Timespec, poll};
        self.queue.sink().is_some_and(|sink| {
            let mut set = [PollFd::new(sink, PollFlags::empty())];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut set, Some(&now)).is_ok() && set[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
        })
    }

    fn close(&mut self) {
        self.queue.close();
        self.written += self.queue.clear();
    }
}
