//! A control center that is none: takes pings, or never answers.

use super::DEADLINE;
use super::watched::Watched;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST /api/instances/ping HTTP/1.1`
    pub line: String,
    /// Header lines, lower case.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A server on a port of its own, on 127.0.0.1.
pub struct Server {
    port: u16,
    requests: Arc<Watched<Vec<Request>>>,
    /// Connections that were taken and never answered; they stay open as long as the server.
    held: Arc<Watched<Vec<TcpStream>>>,
}

impl Server {
    /// Answers each request with 204.
    pub fn answering() -> Self {
        Self::new(true)
    }

    /// Takes each connection and never says a word.
    pub fn silent() -> Self {
        Self::new(false)
    }

    /// A port that nobody listens on: one that was just given and given back.
    pub fn unused_port() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.local_addr().expect("its address").port()
    }

    fn new(answers: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let requests = Arc::<Watched<Vec<Request>>>::default();
        let held = Arc::<Watched<Vec<TcpStream>>>::default();
        // It ends with the test process: a blocked accept has no other end, and costs nothing.
        thread::spawn({
            let (requests, held) = (Arc::clone(&requests), Arc::clone(&held));
            move || {
                for stream in listener.incoming().flatten() {
                    if answers {
                        if let Some(request) = answer(stream) {
                            requests.update(|requests| requests.push(request));
                        }
                    } else {
                        held.update(|held| held.push(stream));
                    }
                }
            }
        });
        Self { port, requests, held }
    }

    /// For `WRAP_CENTER`.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// How many requests have come so far.
    pub fn count(&self) -> usize {
        self.requests.look(Vec::len)
    }

    /// Waits until a connection was taken (by a silent server).
    #[track_caller]
    pub fn wait_connection(&self) {
        let taken = self.held.wait(DEADLINE, |held| (!held.is_empty()).then_some(()));
        assert!(taken.is_some(), "nobody connected within {DEADLINE:?}");
    }

    /// Waits for a request that the closure wants.
    #[track_caller]
    pub fn wait_request(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        let found = self.requests.wait(DEADLINE, |requests| requests.iter().find(|request| wanted(request)).cloned());
        found.unwrap_or_else(|| {
            panic!("{what}: no such request within {DEADLINE:?}, but {:#?}", self.requests.look(Vec::clone))
        })
    }
}

/// Reads one request and answers 204.
fn answer(stream: TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        headers.push(header);
    }
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let _ = reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    Some(Request { line: line.trim().to_owned(), headers, body })
}
