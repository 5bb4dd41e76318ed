//! A control center of the sandbox's own, and its API as any program may speak it.

use super::watched::Watched;
use super::{DEADLINE, Sandbox};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

/// One that runs in the background; it is stopped when this is dropped.
pub struct Center<'a> {
    sandbox: &'a Sandbox,
    pub port: u16,
    pub token: String,
    pub pid: u32,
}

impl<'a> Center<'a> {
    /// On a port that is free.
    #[track_caller]
    pub fn start(sandbox: &'a Sandbox) -> Self {
        sandbox.wrap(["center", "-d", "--port", "0"]).piped().expect_code(0);
        Self::running(sandbox)
    }

    /// The one that runs already.
    #[track_caller]
    pub fn running(sandbox: &'a Sandbox) -> Self {
        let read = |name: &str| fs::read_to_string(sandbox.wrap_dir().join(name)).expect("a center runs");
        let listening: Value = serde_json::from_str(&read("center.json")).expect("json");
        let port = listening["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        let pid = listening["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid");
        Self { sandbox, port, token: read("center.token"), pid }
    }

    /// Sends bytes as they are; the status and the body.
    #[track_caller]
    pub fn raw(&self, request: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        // Whoever refuses may do so before it has read all.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer but {answer:?}"));
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// A connection on which nothing was said.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
        stream
    }

    /// A request with this head beside the usual one; a `Host:` or `Authorization:` in it takes the place of ours.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, more: &str, body: &str) -> (u16, String) {
        let host = if more.contains("Host:") { String::new() } else { format!("Host: 127.0.0.1:{}\r\n", self.port) };
        let key = if more.contains("Authorization:") {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", self.token)
        };
        let kind =
            if body.is_empty() || more.contains("Content-Type:") { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{host}{key}{kind}{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        self.raw(&[head.as_bytes(), body.as_bytes()].concat())
    }

    /// What a GET brings, as JSON.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, "", "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    }

    /// What a POST brings.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.call("POST", path, "", &text);
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Listens to a stream.
    #[track_caller]
    pub fn events(&self, path: &str, last_id: Option<&str>) -> Events {
        let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
        let mut request = agent
            .get(format!("http://127.0.0.1:{}{path}", self.port))
            .header("Authorization", format!("Bearer {}", self.token));
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.call().expect("an answer");
        assert_eq!(response.status(), 200);
        let seen = Arc::<Watched<Seen>>::default();
        let told = Arc::clone(&seen);
        // It ends with the connection, which ends with the center.
        thread::spawn(move || {
            let mut event = Event::default();
            for line in BufReader::new(response.into_body().into_reader()).lines() {
                let Ok(line) = line else { break };
                if let Some(id) = line.strip_prefix("id: ") {
                    event.id = Some(id.to_owned());
                } else if let Some(name) = line.strip_prefix("event: ") {
                    name.clone_into(&mut event.name);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    event.data = serde_json::from_str(data).expect("json");
                } else if line.is_empty() && !event.name.is_empty() {
                    told.update(|seen| seen.events.push(std::mem::take(&mut event)));
                }
            }
            told.update(|seen| seen.ended = true);
        });
        Events { seen }
    }
}

impl Drop for Center<'_> {
    fn drop(&mut self) {
        // One that was killed, or stopped, or is another by now is nobody's to stop.
        let _ = self.sandbox.wrap(["center", "--stop"]).piped();
    }
}

/// One event of a stream.
#[derive(Debug, Clone, Default)]
pub struct Event {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<Event>,
    ended: bool,
}

/// What a stream has told.
pub struct Events {
    seen: Arc<Watched<Seen>>,
}

impl Events {
    /// Waits for an event that is as the closure wants it.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let found = self.seen.wait(DEADLINE, |seen| seen.events.iter().find(|event| wanted(event)).cloned());
        found.unwrap_or_else(|| panic!("{what}: no such event within {DEADLINE:?}, but {:#?}", self.all()))
    }

    /// Waits until so many events of this name have come.
    #[track_caller]
    pub fn wait_count(&self, name: &str, count: usize) {
        let of_name = |seen: &Seen| seen.events.iter().filter(|event| event.name == name).count();
        let come = self.seen.wait(DEADLINE, |seen| (of_name(seen) >= count).then_some(()));
        assert!(come.is_some(), "{count} of {name} did not come within {DEADLINE:?}");
    }

    /// All so far.
    pub fn all(&self) -> Vec<Event> {
        self.seen.look(|seen| seen.events.clone())
    }

    /// Waits for the end of the stream.
    #[track_caller]
    pub fn wait_end(&self) {
        let ended = self.seen.wait(DEADLINE, |seen| seen.ended.then_some(()));
        assert!(ended.is_some(), "the stream goes on after {DEADLINE:?}: {:#?}", self.all());
    }
}
