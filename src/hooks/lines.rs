//! `line` events: the command's output is looked through where it is put down, never on its way to the terminal, and for
//! no longer than a share of the time. What a flood has more than that is counted and told.

use super::queue::{Line, LineJob, Pattern, Queue};
use crate::log::lines::{overwritten, plain};
use crate::wire::Stream;
use memchr::{memchr, memchr_iter};
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long output is looked through in a [`WINDOW`]: a tenth of one processor, however much is printed and whatever is
/// looked for. Usual patterns pass a few megabytes in it.
const LOOKING: Duration = Duration::from_millis(100);

/// Handlers that are called in a [`WINDOW`]: each costs some ten microseconds, and nobody reads more news a second.
const MATCHES: u32 = 1000;

/// What both are counted in.
const WINDOW: Duration = Duration::from_secs(1);

/// Bytes of a line that are looked at: what is behind them is no line that people read.
const LONGEST: usize = 4 << 10;

/// What a pattern may become: the time for a line grows with it, and with [`LONGEST`] it stays below a tenth of a second.
pub(super) const PATTERN_BYTES: usize = 64 << 10;

/// Looks through what a command prints.
pub struct LineWatch {
    queue: Arc<Queue>,
    instance: Box<dyn Fn() -> Json + Send + Sync>,
    state: Mutex<State>,
}

struct State {
    /// What came behind the last newline, by stream.
    begun: [Vec<u8>; 2],
    window: Instant,
    looked: Duration,
    matches: u32,
    missed: u64,
}

impl LineWatch {
    pub(super) fn new(queue: Arc<Queue>, instance: Box<dyn Fn() -> Json + Send + Sync>) -> Self {
        let state = State {
            begun: [Vec::new(), Vec::new()],
            window: Instant::now(),
            looked: Duration::ZERO,
            matches: 0,
            missed: 0,
        };
        Self { queue, instance, state: Mutex::new(state) }
    }

    /// Takes a piece of output. Does nothing where no hook asks for lines.
    pub fn feed(&self, stream: Stream, bytes: &[u8]) {
        let Some(patterns) = self.queue.patterns().filter(|patterns| !patterns.is_empty()) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.window.elapsed() >= WINDOW {
            (state.window, state.looked, state.matches) = (Instant::now(), Duration::ZERO, 0);
        }
        let mut rest = bytes;
        let mut instance = None;
        while let Some(at) = memchr(b'\n', rest) {
            if state.looked >= LOOKING || state.matches >= MATCHES {
                state.missed += memchr_iter(b'\n', rest).count() as u64;
                state.begun[index(stream)].clear();
                return;
            }
            let begun = std::mem::take(&mut state.begun[index(stream)]);
            if begun.is_empty() {
                self.look(&mut state, patterns, stream, &rest[..at.min(LONGEST)], &mut instance);
            } else {
                let line = [&begun[..], &rest[..at.min(LONGEST)]].concat();
                self.look(&mut state, patterns, stream, &line, &mut instance);
            }
            rest = &rest[at + 1..];
        }
        let begun = &mut state.begun[index(stream)];
        let room = LONGEST - begun.len().min(LONGEST);
        begun.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    /// What was begun is all that comes of it: the run is over, or another begins.
    pub fn end(&self) {
        let Some(patterns) = self.queue.patterns() else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in [Stream::Out, Stream::Err] {
            let begun = std::mem::take(&mut state.begun[index(stream)]);
            if !begun.is_empty() {
                self.look(&mut state, patterns, stream, &begun, &mut None);
            }
        }
    }

    /// `instance` is asked for once in a piece: for each of a thousand lines it would cost more than all else.
    fn look(
        &self,
        state: &mut State,
        patterns: &[Pattern],
        stream: Stream,
        line: &[u8],
        instance: &mut Option<Arc<Json>>,
    ) {
        let begun = Instant::now();
        let text = plain(&overwritten(line));
        for pattern in patterns.iter().filter(|pattern| pattern.regex.is_match(&text)) {
            state.matches += 1;
            let stream = if stream == Stream::Out { "stdout" } else { "stderr" };
            let line = Line { text: text.clone(), stream, missed: state.missed };
            let instance = instance.get_or_insert_with(|| Arc::new((self.instance)())).clone();
            let job = || LineJob { hook: pattern.hook, handler: pattern.handler, instance, line };
            if state.matches <= MATCHES && self.queue.line(job) {
                state.missed = 0;
            } else {
                state.missed += 1;
            }
        }
        state.looked += begun.elapsed();
    }
}

fn index(stream: Stream) -> usize {
    usize::from(stream == Stream::Err)
}
