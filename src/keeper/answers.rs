//! Readiness by the app's health path, where one is configured: asked until it answers, off the loop.

use super::mailbox::{Message, Post};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two questions: an app that starts answers within a second or two, and nothing tells when.
const PAUSE: Duration = Duration::from_millis(250);

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
        let (still, url) = (Arc::downgrade(&alive), format!("http://localhost:{number}{path}"));
        // Without a thread the run counts as running after its time, like one that never answers.
        let _ = std::thread::Builder::new().name("answers".to_owned()).spawn(move || ask(&url, &still, &post));
        Self { _alive: alive }
    }
}

fn ask(url: &str, still: &Weak<()>, post: &Post) {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        // A proxy of the environment is for the web, not for this machine.
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    while still.upgrade().is_some() {
        let answer = agent.get(url).call();
        if answer.is_ok_and(|answer| answer.status().is_success() || answer.status().is_redirection()) {
            if still.upgrade().is_some() {
                post.send(Message::Answered);
            }
            return;
        }
        std::thread::sleep(PAUSE);
    }
}
