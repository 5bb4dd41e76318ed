//! Whether the app goes on answering: looked at off the loop, and only where a hook wants to know. Everybody else asks when
//! they look at a list.

use super::life::Phase;
use super::link::Link;
use super::mailbox::{Message, Post};
use super::{Job, Keeper};
use crate::hooks::Event;
use crate::registry::entry::{Entry, State};
use crate::registry::health::{self, Status};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How often it is looked at: nothing tells that an app hangs, and a run that nothing happens in wakes up this often at
/// the most.
const LOOK: Duration = Duration::from_secs(10);

/// How soon again where it has not answered: one that is only busy for a moment is not called unhealthy, and one that
/// comes back is told soon.
const AGAIN: Duration = Duration::from_secs(2);

/// The looks of one run; they end when this is dropped.
pub struct Watching {
    _alive: Arc<()>,
    /// What the hooks were told last.
    answers: bool,
}

impl Watching {
    fn begin(entry: Arc<Mutex<Entry>>, post: Post) -> Self {
        let alive = Arc::new(());
        let still = Arc::downgrade(&alive);
        // Without a thread the hooks hear nothing of it.
        let _ = std::thread::Builder::new().name("healthy".to_owned()).spawn(move || watch(&entry, &still, &post));
        Self { _alive: alive, answers: true }
    }
}

fn watch(entry: &Mutex<Entry>, still: &Weak<()>, post: &Post) {
    let (mut answered, mut silent) = (true, 0);
    loop {
        std::thread::sleep(if silent > 0 { AGAIN } else { LOOK });
        if still.upgrade().is_none() {
            return;
        }
        let now = entry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match health::check(&[now]).first().map(|health| health.status) {
            Some(Status::Healthy) => silent = 0,
            Some(Status::Unresponsive) => silent += 1,
            // It is on its way somewhere else.
            _ => continue,
        }
        // The first silence may be a moment's.
        let answers = if answered { silent < 2 } else { silent == 0 };
        if answers != answered && still.upgrade().is_some() {
            answered = answers;
            post.send(Message::Answers(answers));
        }
    }
}

impl Keeper {
    /// The run is ready: from now on it is looked at whether the app answers, if a hook wants to know.
    pub(super) fn watch_health(&mut self) {
        let wants = |hooks: &crate::hooks::Runner| hooks.handles(Event::Healthy) || hooks.handles(Event::Unhealthy);
        if self.hooks.as_ref().is_some_and(wants) {
            self.watching = Some(Watching::begin(self.record.shared(), self.mailbox.post()));
        }
    }

    /// The app answers again, or does not any more.
    pub(super) fn app_answers(&mut self, answers: bool) {
        // One that is stopped at somebody's terminal (Ctrl-Z) does not hang.
        let is_suspended = matches!(self.job, Job::Stopped(_)) && self.clients.iter().any(Link::looks);
        let runs = matches!(self.phase, Phase::Running) && !is_suspended;
        let told = self.watching.as_mut().map(|watching| &mut watching.answers);
        let is_running = runs && self.record.entry().state == State::Running;
        if let (Some(hooks), Some(told)) = (&self.hooks, told.filter(|told| is_running && **told != answers)) {
            *told = answers;
            let event = if answers { Event::Healthy } else { Event::Unhealthy };
            hooks.fire(event, self.instance(), |_| {});
        }
    }
}
