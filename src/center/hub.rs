//! The events of the stream: numbered, the last ones kept for whoever comes back, handed to all who listen.

use futures_util::stream::{self, Stream};
use hyper::body::Bytes;
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// So many events are kept for readers that come back.
pub const RING: usize = 500;

/// So far a reader may be behind before it is closed: it comes back and resumes from the ring.
const BEHIND: usize = RING;

/// A comment goes out when nothing else did for so long, so that either side notices a connection that is dead; proxies
/// close what is silent for half a minute.
pub const COMMENT: Duration = Duration::from_secs(15);

/// What a reader waits after a lost connection before it tries again, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// An event as it goes over the wire, shared by all readers.
#[derive(Clone)]
struct Frame {
    number: u64,
    bytes: Bytes,
}

/// Takes events and hands them out.
pub struct Hub {
    /// Tells ids of this center from those of one before it.
    epoch: String,
    ring: Mutex<Ring>,
    sender: Sender<Frame>,
    /// `true` once all streams are to end.
    over: watch::Sender<bool>,
    /// Somebody has begun to listen.
    came: Notify,
}

#[derive(Default)]
struct Ring {
    last: u64,
    frames: VecDeque<Frame>,
}

impl Hub {
    /// One that has told nothing yet.
    pub fn new() -> Self {
        let epoch = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self {
            epoch,
            ring: Mutex::default(),
            sender: Sender::new(BEHIND),
            over: watch::Sender::new(false),
            came: Notify::new(),
        }
    }

    /// Tells everybody, under the next id, and keeps it.
    pub fn publish(&self, name: &str, data: &impl Serialize) {
        let data = serde_json::to_string(data).unwrap_or_default();
        let mut ring = self.ring();
        ring.last += 1;
        let number = ring.last;
        let frame = Frame { number, bytes: format!("id: {}-{number}\n{}", self.epoch, event(name, &data)).into() };
        if ring.frames.len() == RING {
            ring.frames.pop_front();
        }
        ring.frames.push_back(frame.clone());
        // Under the lock, so that a reader that comes now has it from the one or from the other. Nobody listens: no error.
        let _ = self.sender.send(frame);
    }

    /// Tells those who listen now, and nobody who comes back.
    pub fn tell(&self, name: &str, data: &impl Serialize) {
        let data = serde_json::to_string(data).unwrap_or_default();
        let _ = self.sender.send(Frame { number: 0, bytes: event(name, &data).into() });
    }

    /// How many listen.
    pub fn readers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Waits until somebody begins to listen.
    pub async fn wait_for_reader(&self) {
        self.came.notified().await;
    }

    /// The id of the last event.
    pub fn last_id(&self) -> String {
        format!("{}-{}", self.epoch, self.ring().last)
    }

    /// `true` once all streams are to end.
    pub fn over(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    /// Ends all streams, now and from now on.
    pub fn close(&self) {
        self.over.send_replace(true);
    }

    /// What a reader gets: from behind the event with this id on; all that is kept where that id is unknown; only what
    /// comes where there is none. It ends when the reader is too far behind, and with the hub.
    pub fn subscribe(&self, after: Option<&str>) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let ring = self.ring();
        let mut first = vec![Bytes::from_static(RETRY.as_bytes())];
        if let Some(id) = after {
            let number = id.strip_prefix(&self.epoch).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
            let oldest = ring.frames.front().map_or(1, |frame| frame.number);
            // What was dropped after it can be had no more: from the beginning then.
            let known = number.filter(|number| *number <= ring.last && number + 1 >= oldest).unwrap_or(0);
            first.extend(ring.frames.iter().filter(|frame| frame.number > known).map(|frame| frame.bytes.clone()));
        }
        let reader =
            Reader { first: first.concat().into(), receiver: self.sender.subscribe(), over: self.over.subscribe() };
        drop(ring);
        self.came.notify_one();
        stream::unfold(reader, async |mut reader| {
            let bytes = reader.next().await?;
            Some((Ok(bytes), reader))
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A thread that panicked while it held the lock leaves whole frames.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who listens.
struct Reader {
    first: Bytes,
    receiver: Receiver<Frame>,
    over: watch::Receiver<bool>,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first));
        }
        let due = Instant::now() + COMMENT;
        tokio::select! {
            biased;
            () = is_over(&mut self.over) => None,
            received = timeout_at(due, self.receiver.recv()) => match received {
                Ok(Ok(frame)) => Some(frame.bytes),
                // Too far behind, or nobody is left who could tell anything.
                Ok(Err(_)) => None,
                Err(_) => Some(comment()),
            },
        }
    }
}

/// Waits until it is over.
pub async fn is_over(over: &mut watch::Receiver<bool>) {
    // An error says that who would tell is gone, which is over, too. What it lends must not be held across a wait.
    let _ = over.wait_for(|over| *over).await.is_ok();
}

/// A line that readers pass over.
pub fn comment() -> Bytes {
    Bytes::from_static(b": \n\n")
}

/// One event in the format of EventSource (HTML, 9.2.6); `data` has no newline.
pub fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;

    async fn read(hub: &Hub, after: Option<&str>) -> String {
        hub.close();
        let all: Vec<Bytes> = hub.subscribe(after).map(|Ok(bytes)| bytes).collect().await;
        hub.over.send_replace(false);
        String::from_utf8(all.concat()).expect("text")
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    }

    #[test]
    fn who_comes_back_resumes_and_an_unknown_id_gets_all() {
        runtime().block_on(async {
            let hub = Hub::new();
            for number in 1..=3 {
                hub.publish("instance-ping", &number);
            }
            hub.tell("instance-usage", &"gone");
            assert_eq!(read(&hub, None).await, RETRY);
            let id = |number: u64| format!("{}-{number}", hub.epoch);
            assert_eq!(hub.last_id(), id(3));
            let resumed = read(&hub, Some(&id(1))).await;
            assert!(resumed.ends_with(&format!(
                "id: {}\nevent: instance-ping\ndata: 2\n\nid: {}\nevent: instance-ping\ndata: 3\n\n",
                id(2),
                id(3)
            )));
            assert_eq!(read(&hub, Some(&id(3))).await, RETRY);
            for unknown in ["", "7", "00000000-2", &id(4)] {
                assert_eq!(read(&hub, Some(unknown)).await.matches("data:").count(), 3, "{unknown:?}");
            }
        });
    }

    #[test]
    fn the_ring_is_bounded_and_an_id_that_fell_out_of_it_is_unknown() {
        runtime().block_on(async {
            let hub = Hub::new();
            for number in 0..RING + 10 {
                hub.publish("x", &number);
            }
            let count =
                async |after: u64| read(&hub, Some(&format!("{}-{after}", hub.epoch))).await.matches("data").count();
            assert_eq!((count(9).await, count(10).await, count(11).await), (RING, RING, RING - 1));
        });
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_closed() {
        runtime().block_on(async {
            let hub = Hub::new();
            let mut slow = Box::pin(hub.subscribe(None));
            slow.next().await.expect("the first").expect("bytes");
            for number in 0..BEHIND + 20 {
                hub.publish("x", &number);
            }
            assert!(slow.next().await.is_none());
            assert_eq!(hub.readers(), 0);
        });
    }
}
