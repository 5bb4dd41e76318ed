//! Readiness by the app's health path, where one is configured: asked until it answers, off the loop.

use super::mailbox::{Message, Post};
use crate::ping;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Between two questions: an app that starts answers within a second or two, and nothing tells when.
const PAUSE: Duration = Duration::from_millis(250);

/// So long it is asked that often; one that has not answered by then is broken, and its log is somebody's to read.
const OFTEN: Duration = Duration::from_secs(15);

/// From then on the pauses grow, up to this one.
const SELDOM: Duration = Duration::from_secs(20);

/// How long an answer may take; one that is slower than that is not ready.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The questions of one run; they end when this is dropped.
pub struct Asking {
    _alive: Arc<()>,
}

impl Asking {
    /// Asks `http://localhost:number/path` until it answers with success, and tells the loop.
    pub fn until_answered(number: u16, path: &str, post: Post) -> Self {
        let alive = Arc::new(());
        let still = Arc::downgrade(&alive);
        // By address: to look a name up would cost ureq a thread for each question.
        let urls = ["127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{number}{path}"));
        // Without a thread the run counts as running after its time, like one that never answers.
        let _ = std::thread::Builder::new().name("answers".to_owned()).spawn(move || ask(&urls, &still, &post));
        Self { _alive: alive }
    }
}

fn ask(urls: &[String], still: &Weak<()>, post: &Post) {
    let agent = ping::agent(TIMEOUT);
    let answers = |url: &String| {
        let answer = agent.get(url).call();
        answer.is_ok_and(|answer| answer.status().is_success() || answer.status().is_redirection())
    };
    let (begun, mut pause) = (Instant::now(), PAUSE);
    while still.upgrade().is_some() {
        if urls.iter().any(answers) {
            if still.upgrade().is_some() {
                post.send(Message::Answered);
            }
            return;
        }
        if begun.elapsed() > OFTEN {
            pause = (pause * 2).min(SELDOM);
        }
        std::thread::sleep(pause);
    }
}
