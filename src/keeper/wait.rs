//! What the keeper sleeps on: everything that may happen to it, in one poll.

use super::life::Phase;
use super::{Endpoint, Keeper, link, output};
use crate::registry::entry::State;
use rustix::event::{PollFd, PollFlags, poll};
use std::time::Instant;

/// What poll found.
#[allow(clippy::struct_excessive_bools)] // one per descriptor, all independent
pub(super) struct Awake {
    pub(super) signals: bool,
    pub(super) mailbox: bool,
    pub(super) timer: bool,
    /// Clients that have said something, or take more.
    pub(super) clients: Vec<u64>,
    pub(super) endpoint: bool,
    /// An outer terminal takes more.
    pub(super) outer: bool,
    pub(super) streams: bool,
}

impl Keeper {
    /// Sleeps until something has happened.
    pub(super) fn wait(&mut self) -> Awake {
        let deadline = self.deadline();
        self.timer.set(deadline);
        let mut set = Vec::with_capacity(8);
        set.push(PollFd::new(&self.signals, PollFlags::IN));
        set.push(PollFd::new(&self.mailbox, PollFlags::IN));
        set.push(PollFd::new(&self.timer, PollFlags::IN));
        let clients_at = set.len();
        for link in self.clients.iter() {
            let flags = if link.is_blocked() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            set.push(PollFd::new(link, flags));
        }
        let endpoint_at = set.len();
        if let Some(endpoint) = &self.endpoint {
            endpoint.watch(&mut set);
        }
        let outer_at = set.len();
        for terminal in self.clients.iter().filter_map(link::Link::blocked_terminal) {
            set.push(PollFd::new(terminal, PollFlags::OUT));
        }
        let streams_at = set.len();
        let log_has_room = self.log_stuck_since.is_none();
        // What a process that is kept still writes is nobody's any more.
        if !matches!(self.phase, Phase::Leaving(_)) {
            self.relay.watch(&mut set, |stream| log_has_room && self.clients.has_room(stream));
        }
        // EINTR is a signal that the descriptor above reports in the next round.
        let _ = poll(&mut set, None);
        let woken = |at: usize| !set[at].revents().is_empty();
        let said = self.clients.iter().zip(clients_at..).filter(|(_, at)| woken(*at)).map(|(link, _)| link.id);
        let awake = Awake {
            signals: woken(0),
            mailbox: woken(1),
            timer: woken(2),
            clients: said.collect(),
            endpoint: (endpoint_at..outer_at).any(woken),
            outer: (outer_at..streams_at).any(woken),
            streams: (streams_at..set.len()).any(woken),
        };
        drop(set);
        if awake.timer {
            self.timer.clear();
        }
        for id in &awake.clients {
            if let Some(link) = self.clients.get(*id) {
                link.flush();
            }
        }
        awake
    }

    /// The next thing that happens by the clock.
    fn deadline(&self) -> Option<Instant> {
        let log = self.log_stuck_since.map(|since| since + output::PATIENCE);
        let endpoint = self.endpoint.as_ref().and_then(Endpoint::deadline);
        let next = [self.phase.deadline(), self.group_signals.deadline(), self.clients.deadline(), log, endpoint];
        let next = next.into_iter().flatten().min();
        if self.child.is_none() || matches!(self.phase, Phase::Leaving(_)) {
            return next;
        }
        let settled = (self.record.entry().state == State::Starting).then(|| self.ready.settled_at());
        [next, self.ready.deadline(), Some(self.next_refresh), settled].into_iter().flatten().min()
    }
}
