//! What the keeper's other threads (hooks, endpoint) tell its loop, and the descriptor that wakes it.

use super::restart::Asked;
use super::sends::Send;
use crate::error::Error;
use crate::hooks::Outcome;
use crate::wire::Notification;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A message to the loop.
pub enum Message {
    /// A line of ours for the user.
    Notice(String),
    /// A hook's news for whoever looks on.
    Notify(Notification),
    /// The app answers again, or does not any more.
    Answers(bool),
    /// The start hooks are through.
    Prepared(Outcome),
    /// The exit hooks are through.
    Left,
    /// Somebody asks over the socket for the end; the answer goes back when nothing is left.
    Terminate(tokio::sync::oneshot::Sender<Terminated>),
    /// Somebody asks for another run of the same command.
    Restart(Asked),
    /// Somebody types without being attached.
    Send(Send),
    /// Somebody asks that all clients leave; the answer is how many that were.
    Detach(tokio::sync::oneshot::Sender<usize>),
    /// Somebody attaches: the socket, what was read from it already, and the process at its other end.
    Visit(OwnedFd, Vec<u8>, Option<(u32, u64)>),
    /// There is room for more output again.
    Room,
    /// The app's health path has answered.
    Answered,
}

/// What an ending took.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Terminated {
    /// Processes that did not end when asked and had to be killed, as `name (pid)`.
    pub killed: Vec<String>,
    /// Processes that are still there: unkillable ones, and those that the leftovers rule keeps.
    pub left: Vec<String>,
}

/// The loop's end.
pub struct Mailbox {
    receiver: Receiver<Message>,
    sender: Post,
}

/// Everybody else's end.
#[derive(Clone)]
pub struct Post {
    sender: Sender<Message>,
    wake: Arc<OwnedFd>,
}

impl Mailbox {
    /// An empty one.
    pub fn new() -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::system("make an event descriptor", error))?;
        let (sender, receiver) = channel();
        Ok(Self { receiver, sender: Post { sender, wake: Arc::new(wake) } })
    }

    /// An end to give away.
    pub fn post(&self) -> Post {
        self.sender.clone()
    }

    /// What has come.
    pub fn take(&self) -> Vec<Message> {
        let mut count = [0; 8];
        // Empty when the wake-up was taken by an earlier call; the channel tells.
        let _ = rustix::io::read(&*self.sender.wake, &mut count);
        self.receiver.try_iter().collect()
    }
}

/// A message that is sent when this is dropped: also where the thread that has it ends without a word.
pub struct LastWord {
    post: Post,
    message: Option<Message>,
}

impl LastWord {
    /// Says this, unless it is given another.
    pub fn new(post: Post, message: Message) -> Self {
        Self { post, message: Some(message) }
    }

    /// Says that instead, now.
    pub fn say(mut self, message: Message) {
        self.message = Some(message);
    }
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.post.send(message);
        }
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sender.wake.as_fd()
    }
}

impl Post {
    /// Sends and wakes the loop. After the loop's end it goes nowhere.
    pub fn send(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            // An event counter is full after 2^64 - 2 unread wake-ups.
            let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        }
    }
}
