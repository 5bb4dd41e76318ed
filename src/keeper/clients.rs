//! The clients of a run: which there are, whose word counts, and what each is shown.

use super::link::{Link, Role};
use super::queries::{Filter, Query};
use crate::sys::tty::Size;
use crate::wire::{Kind, Notification, Stream};
use std::time::{Duration, Instant};

/// How long the first client may take nothing while others wait for what it holds up: longer than a terminal that is
/// only slow needs, and soon enough for those who would wait.
pub const STUCK: Duration = Duration::from_secs(1);

/// Those that may come at once: people have a handful of terminals, and each costs a screen and its windows.
const MOST: usize = 64;

/// The clients, oldest first.
#[derive(Default)]
pub struct Clients {
    all: Vec<Link>,
    next_id: u64,
    /// The one whose closed terminal ends the run; none where it was left to itself.
    owner: Option<u64>,
    filter: Filter,
}

impl Clients {
    /// An id for the next one.
    pub fn draw_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds one; where there are too many it is told so and goes. Those that never say what they want go first.
    pub fn add(&mut self, mut link: Link) -> bool {
        if self.all.len() >= MOST {
            self.all.retain(|link| link.role != Role::Coming);
        }
        if self.all.len() >= MOST {
            link.notice(&format!("{MOST} terminals are attached already; `wrap detach` lets all of them go"));
            link.send(Kind::Detached, &[0]);
            return false;
        }
        if link.role == Role::First {
            self.owner = Some(link.id);
        }
        self.all.push(link);
        true
    }

    /// Takes one out.
    pub fn remove(&mut self, id: u64) -> Option<Link> {
        let at = self.all.iter().position(|link| link.id == id)?;
        Some(self.all.remove(at))
    }

    /// Drops those that were told to go and have been given everything.
    pub fn drop_those_gone(&mut self) {
        self.all.retain(|link| link.role != Role::Leaving || link.is_blocked());
    }

    /// One of them.
    pub fn get(&mut self, id: u64) -> Option<&mut Link> {
        self.all.iter_mut().find(|link| link.id == id)
    }

    /// The one that the shell waits for which started the run.
    pub fn first(&mut self) -> Option<&mut Link> {
        self.all.iter_mut().find(|link| link.role == Role::First)
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.all.iter()
    }

    /// All, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.all.iter_mut()
    }

    /// Takes all out.
    pub fn take(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.all)
    }

    /// Whether nobody is there for whom the command could be stopped or continued.
    pub fn nobody_types(&self) -> bool {
        !self.all.iter().any(Link::types)
    }

    /// Whether the run ends with this client's terminal.
    pub fn is_owner(&self, id: u64) -> bool {
        self.owner == Some(id)
    }

    /// The run is nobody's from here on.
    pub fn disown(&mut self) {
        self.owner = None;
    }

    /// The owner is gone: the oldest that types has the run now. `false` where there is none.
    pub fn pass_on(&mut self) -> bool {
        self.owner = self.all.iter().find(|link| link.types()).map(|link| link.id);
        self.owner.is_some()
    }

    /// The size of the smallest terminal in which somebody may type; `None` where there is none.
    pub fn smallest(&self) -> Option<Size> {
        let sizes = |in_foreground: bool| {
            let all = self.all.iter().filter(move |link| link.types() && (link.in_foreground || !in_foreground));
            all.filter_map(|link| link.size).reduce(|a, b| {
                // The pixels are those of one terminal, or they would tell a shape of characters that none has.
                let whole = if a.rows <= b.rows && a.columns <= b.columns { a } else { b };
                Size { rows: a.rows.min(b.rows), columns: a.columns.min(b.columns), ..whole }
            })
        };
        sizes(true).or_else(|| sizes(false))
    }

    /// The terminal that answers what the command asks.
    fn primary(&self) -> Option<u64> {
        // One that takes nothing sees no question.
        let types = || self.all.iter().filter(|link| link.types() && !link.is_behind());
        let one = types().find(|link| link.role == Role::First && link.in_foreground);
        one.or_else(|| types().find(|link| link.in_foreground)).or_else(|| types().next()).map(|link| link.id)
    }

    /// Whether more output of a stream may be read: only the first client is waited for.
    pub fn has_room(&self, stream: Stream) -> bool {
        self.all.iter().filter(|link| link.role == Role::First).all(|link| link.has_room(stream))
    }

    /// Shows output to all who look. Where nobody could answer, what the command asks in it is returned.
    pub fn send_output(&mut self, stream: Stream, bytes: &[u8], in_terminal: bool) -> Vec<Query> {
        let lookers = self.all.iter().filter(|link| link.looks()).count();
        if !in_terminal || (lookers == 1 && self.all.iter().any(|link| link.types() && !link.is_behind())) {
            self.filter = Filter::default();
            for link in self.all.iter_mut().filter(|link| link.looks()) {
                link.send_output(stream, bytes);
            }
            return Vec::new();
        }
        let primary = self.primary();
        let (filtered, asked) = self.filter.pass(bytes);
        for link in self.all.iter_mut().filter(|link| link.looks()) {
            link.send_output(stream, if Some(link.id) == primary { bytes } else { &filtered });
        }
        if primary.is_some() { Vec::new() } else { asked }
    }

    /// Sends a frame to all who look, but for those who are behind: they are told with the screen.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) {
        for link in self.all.iter_mut().filter(|link| link.looks() && !link.is_behind()) {
            link.send(kind, payload);
        }
    }

    /// A line of ours for everybody.
    pub fn notice(&mut self, text: &str) {
        for link in self.all.iter_mut().filter(|link| link.role != Role::Coming) {
            link.notice(text);
        }
    }

    /// A notification for everybody who has a terminal.
    pub fn notify(&mut self, notification: &Notification) {
        let Ok(json) = serde_json::to_vec(notification) else { return };
        for link in self.all.iter_mut().filter(|link| link.looks()) {
            link.tell(Kind::Notify, &json);
        }
    }

    /// When the first client has had its time, if it takes nothing while others look on.
    pub fn deadline(&self) -> Option<Instant> {
        let first = self.all.iter().find(|link| link.role == Role::First)?;
        first.stuck_since.map(|since| since + STUCK)
    }

    /// Lets the others go on where the first one takes nothing.
    pub fn leave_behind_who_is_stuck(&mut self) {
        let watched = self.all.iter().filter(|link| link.looks()).count() > 1;
        for link in self.all.iter_mut().filter(|link| link.role == Role::First) {
            if !watched || link.has_room(Stream::Out) {
                link.stuck_since = None;
            } else if link.stuck_since.get_or_insert_with(Instant::now).elapsed() >= STUCK {
                link.fall_behind();
            }
        }
    }
}
