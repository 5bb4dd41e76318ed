//! The client's half of the keeper's HTTP, over its unix socket or over loopback TCP; and how both sides refuse.

mod refusal;

pub use refusal::Refusal;

use crate::error::{Error, reason};
use crate::registry::entry::Entry;
use crate::sys::ports;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper_util::rt::TokioIo;
use rustix::fd::OwnedFd;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub use hyper::Method;

/// The largest answer that is read. The keeper's ring of lines holds 2 MiB, and JSON may write a byte as six.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What an attach calls the protocol that it goes over to.
pub const FRAMES: &str = "wrap-frames";

/// The header in which a request counts the control centers that it came over.
pub const HOPS: &str = "x-wrap-hops";

/// What a keeper answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body, nearly always JSON.
    pub body: Vec<u8>,
}

/// Sends one request to the keeper of an instance; `body` is JSON. Whoever listens has to be of our own user: the
/// key of the instance goes with the request.
pub async fn request(entry: &Entry, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Response, Error> {
    forward(entry, method, path, body, 0).await
}

/// As [`request`], for a request that came over so many control centers.
pub async fn forward(
    entry: &Entry,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
    hops: u32,
) -> Result<Response, Error> {
    let url = url_of(entry)?;
    let request = Request { method, path, body, upgrade: None, hops };
    let answered = match connect(url).await? {
        Channel::Unix(stream) => answer(exchange(stream, "localhost", entry, request).await).await,
        Channel::Tcp(stream, address) => answer(exchange(stream, &address.to_string(), entry, request).await).await,
    };
    answered.map_err(|error| silent(url, &error))
}

/// Goes over to another protocol with the keeper of an instance: the socket, and what was read from it already. Where
/// the keeper refuses, its answer.
pub fn upgrade(
    entry: &Entry,
    path: &str,
    protocol: &str,
    timeout: Duration,
) -> Result<Result<(OwnedFd, Vec<u8>), Response>, Error> {
    let url = url_of(entry)?;
    within(entry, timeout, async {
        let request = Request { method: Method::GET, path, body: None, upgrade: Some(protocol), hops: 0 };
        let upgraded = match connect(url).await? {
            Channel::Unix(stream) => {
                let response = exchange(stream, "localhost", entry, request).await.map_err(|it| silent(url, &it))?;
                over::<UnixStream>(response, |stream| Ok(stream.into_std()?.into())).await
            }
            Channel::Tcp(stream, address) => {
                let host = address.to_string();
                let response = exchange(stream, &host, entry, request).await.map_err(|it| silent(url, &it))?;
                over::<TcpStream>(response, |stream| Ok(stream.into_std()?.into())).await
            }
        };
        upgraded.map_err(|error| silent(url, &error))
    })
}

/// The socket behind an answer that agrees to an upgrade.
async fn over<S>(
    response: hyper::Response<Incoming>,
    into_fd: fn(S) -> io::Result<OwnedFd>,
) -> io::Result<Result<(OwnedFd, Vec<u8>), Response>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return answer(Ok(response)).await.map(Err);
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(io::Error::other)?;
    let parts = upgraded.downcast::<TokioIo<S>>().map_err(|_| io::Error::other("it went over to something else"))?;
    Ok(Ok((into_fd(parts.io.into_inner())?, parts.read_buf.to_vec())))
}

/// A way to a keeper, at whose other end somebody of our own user is.
enum Channel {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr),
}

async fn connect(url: &str) -> Result<Channel, Error> {
    let ours = rustix::process::geteuid().as_raw();
    if let Some(path_of_socket) = url.strip_prefix("unix:") {
        let stream = UnixStream::connect(path_of_socket).await.map_err(|error| silent(url, &error))?;
        if stream.peer_cred().map_err(|error| silent(url, &error))?.uid() != ours {
            return Err(another_user(url));
        }
        return Ok(Channel::Unix(stream));
    }
    let address = url.strip_prefix("http://").and_then(|rest| rest.parse::<SocketAddr>().ok());
    let address = address
        .filter(|address| address.ip().is_loopback())
        .ok_or_else(|| Error::Message(format!("`{}` is not the address of a keeper", url.escape_debug())))?;
    let stream = TcpStream::connect(address).await.map_err(|error| silent(url, &error))?;
    if ports::owner(address, &ports::listeners(None)) != Some(ours) {
        return Err(another_user(url));
    }
    Ok(Channel::Tcp(stream, address))
}

fn url_of(entry: &Entry) -> Result<&str, Error> {
    let none = || Error::Message(format!("instance `{}` has no socket to ask", entry.short_id()));
    entry.local_url.as_deref().ok_or_else(none)
}

fn silent(url: &str, error: &io::Error) -> Error {
    Error::Message(format!("the keeper on `{url}` does not answer: {}", reason(error)))
}

impl Response {
    /// Why the keeper refused, in its own words.
    pub fn refusal(&self) -> String {
        let said: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let why = said["error"].as_str().or_else(|| said["message"].as_str());
        why.map_or_else(|| format!("its keeper answered {}", self.status), str::to_owned)
    }
}

/// As [`request`], for callers without a runtime; gives up after `timeout`.
pub fn call(
    entry: &Entry,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
    timeout: Duration,
) -> Result<Response, Error> {
    within(entry, timeout, request(entry, method, path, body))
}

/// Runs one exchange without a runtime around it.
fn within<T>(entry: &Entry, timeout: Duration, exchange: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::system("start a runtime", error))?;
    runtime.block_on(async {
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
            let short = entry.short_id();
            Err(Error::Message(format!("the keeper of `{short}` did not answer within {} ms", timeout.as_millis())))
        })
    })
}

/// What is asked.
struct Request<'a> {
    method: Method,
    path: &'a str,
    body: Option<Vec<u8>>,
    /// The protocol to go over to.
    upgrade: Option<&'a str>,
    /// How many control centers it came over.
    hops: u32,
}

async fn exchange<S>(stream: S, host: &str, entry: &Entry, asked: Request<'_>) -> io::Result<hyper::Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = hyper::Request::builder().method(asked.method).uri(asked.path).header(HOST, host);
    if !entry.auth_key.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {}", entry.auth_key));
    }
    if asked.body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if asked.hops > 0 {
        request = request.header(HOPS, asked.hops);
    }
    if let Some(protocol) = asked.upgrade {
        request = request.header(CONNECTION, "upgrade").header(UPGRADE, protocol);
    }
    let request = request.body(Full::new(Bytes::from(asked.body.unwrap_or_default()))).map_err(io::Error::other)?;

    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the exchange: the sender is dropped below.
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(io::Error::other)
}

/// The whole of an answer.
async fn answer(response: io::Result<hyper::Response<Incoming>>) -> io::Result<Response> {
    let response = response?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(io::Error::other)?;
    Ok(Response { status, body: body.to_bytes().to_vec() })
}

fn another_user(url: &str) -> Error {
    Error::Message(format!("another user listens on `{url}`: nothing was sent to it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn serve(mut stream: impl io::Read + io::Write, answer: &str) -> String {
        let mut seen = vec![0; 4096];
        let read = stream.read(&mut seen).expect("read");
        stream.write_all(answer.as_bytes()).expect("written");
        String::from_utf8_lossy(&seen[..read]).into_owned()
    }

    #[test]
    fn a_request_carries_the_key_and_brings_the_answer_over_both_kinds_of_socket() {
        let answer = "HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\n{}";
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("a.sock");
        let unix = UnixListener::bind(&path).expect("bound");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut entry = Entry { auth_key: "secret".into(), ..entry(7) };
        for local_url in [format!("unix:{}", path.display()), format!("http://{}", tcp.local_addr().expect("bound"))] {
            entry.local_url = Some(local_url.clone());
            let seen = thread::scope(|scope| {
                let server = scope.spawn(|| {
                    if local_url.starts_with("unix") {
                        serve(unix.accept().expect("accepted").0, answer)
                    } else {
                        serve(tcp.accept().expect("accepted").0, answer)
                    }
                });
                let response = call(&entry, Method::POST, "/api/x", Some(b"{}".to_vec()), PATIENCE).expect("answered");
                assert_eq!(response, Response { status: 409, body: b"{}".to_vec() });
                server.join().expect("served")
            });
            assert!(seen.starts_with("POST /api/x HTTP/1.1\r\n") && seen.contains("Bearer secret"), "{seen}");
        }
    }

    #[test]
    fn what_is_no_keeper_is_refused_and_one_that_is_silent_is_given_up() {
        let mut entry = entry(7);
        let mut error = |url: Option<&str>| {
            entry.local_url = url.map(str::to_owned);
            call(&entry, Method::GET, "/health", None, Duration::from_millis(50)).expect_err("no answer").to_string()
        };
        assert!(error(None).contains("no socket"));
        assert!(error(Some("http://192.0.2.1:80")).contains("not the address of a keeper"));
        assert!(error(Some("unix:/nonexistent/x.sock")).contains("does not answer"));
        let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}", silent.local_addr().expect("bound"));
        assert!(error(Some(&url)).contains("50 ms"));
    }
}
