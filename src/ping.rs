//! The ping: tells the control center that there is something new. A hint, sent once and never waited for.

use crate::config::Center;
use crate::registry::center;
use crate::registry::entry::Entry;
use crate::sys::ports;
use std::time::Duration;

/// Where a center listens unless somebody says otherwise, or one of ours is known to listen elsewhere.
const DEFAULT: &str = "http://localhost:8969";

/// How long a center may take; the thread is ours alone and nobody waits for it.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Sends the entry, which must be without its key, from a thread of its own. Does nothing where nobody of our user
/// listens: what another user put at that port is none of our center.
pub fn send(center: &Center, entry: Entry) {
    let base = match center {
        Center::Off => return,
        Center::Default => None,
        Center::Url(url) => Some(url.trim_end_matches('/').to_owned()),
    };
    // A thread that cannot be started costs the hint; the center looks at the registry itself.
    let _ = std::thread::Builder::new().name("ping".to_owned()).spawn(move || {
        let known = || center::running().map_or_else(|| DEFAULT.to_owned(), |(listening, _)| listening.url);
        let base = base.unwrap_or_else(known);
        if is_ours(&base) {
            post(&base, &entry);
        }
    });
}

/// Speaks to this machine: a proxy of the environment is for the web, and a redirection would lead elsewhere.
pub fn agent(timeout: Duration) -> ureq::Agent {
    speaks(Some(timeout))
}

/// The same, for a stream that has no end: once it has begun, nobody gives up.
pub fn patient() -> ureq::Agent {
    speaks(None)
}

fn speaks(timeout: Option<Duration>) -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(timeout).proxy(None);
    let config = config.timeout_connect(Some(TIMEOUT)).max_redirects(0).http_status_as_error(false);
    ureq::Agent::new_with_config(config.build())
}

fn post(base: &str, entry: &Entry) {
    let Ok(body) = serde_json::to_vec(entry) else { return };
    let agent = agent(TIMEOUT);
    let url = format!("{base}/api/instances/ping");
    let _ = agent.post(url).header("Content-Type", "application/json").send(&body[..]);
}

/// Whether somebody of our own user listens at the address's port, and nobody else: what is secret may go there.
pub fn is_ours(base: &str) -> bool {
    let Some(port) = port(base) else { return false };
    let us = rustix::process::getuid().as_raw();
    let mut listeners = ports::listeners(None).into_iter().filter(|listener| listener.port == port).peekable();
    // On `localhost` several may listen, one an address family: all of them must be ours.
    listeners.peek().is_some() && listeners.all(|listener| listener.uid == us)
}

fn port(base: &str) -> Option<u16> {
    let authority = base.strip_prefix("http://")?.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
        _ => Some(80),
    }
}
