//! What a page, or anybody on the machine, can send to a live control center and a live keeper: requests of every kind, changed at
//! random. Without the token nothing is told and nothing is done, and both answer afterwards as before.

use crate::bout::{Bout, Subject};
use crate::harness::{Center, Sandbox, is_running};
use crate::inputs::changed;
use fastrand::Rng;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const SUBJECT: Subject = Subject {
    name: "pages",
    what: "requests without the token at a live control center and keeper: foreign hosts and origins, forms, WebSockets, chunks and \
           lengths that differ, changed at random",
    share: 2,
    run,
};

/// What the seeds show as the token, and what they call the instance.
const TOKEN: &str = "11112222333344445555666677778888";
const ID: &str = "01990000-0000-7000-8000-000000abc123";

/// The name of the project that nobody is to hear of.
const PRIVATE: &str = "a-very-private-name";

/// How long an answer, or the end of a connection, may take; a head that never ends is given up after ten seconds.
const ANSWER: Duration = Duration::from_secs(15);

/// Requests in one round.
const REQUESTS: usize = 60;

fn run(bout: &Bout) {
    let sandbox = Sandbox::new();
    sandbox.wrap(["-d", "-n", PRIVATE, "cat"]).piped().expect_code(0);
    let instance = sandbox.wait_started();
    let center = Center::start(&sandbox);
    let socket = sandbox.wrap_dir().join("sockets").join(format!("{}.sock", instance.short_id()));
    let mut seeds = read("center_http");
    seeds.extend(read("keeper_http"));
    bout.rounds(
        2,
        2,
        || (),
        |(), random| {
            for _ in 0..REQUESTS {
                let request = request(random.choice(&seeds).expect("some"), &instance.instance_id, &center, random);
                let said = if random.bool() { at_center(&center, &request) } else { at_keeper(&socket, &request) };
                let text = String::from_utf8_lossy(&said);
                for secret in [PRIVATE, &center.token, "authKey\":\""] {
                    assert!(
                        !text.contains(secret),
                        "{secret} was told to {:?}: {text}",
                        String::from_utf8_lossy(&request)
                    );
                }
                bout.count("requests", 1);
            }
            assert!(
                is_running(instance.pid) && is_running(instance.child()) && is_running(center.pid),
                "somebody was ended"
            );
        },
    );
    // What is done with the token, and with the key, is done as before.
    let listed = center.get("/api/instances");
    assert_eq!(listed[0]["projectName"], PRIVATE, "{listed}");
    assert!(listed[0]["status"] == "healthy" || listed[0]["status"] == "starting", "{listed}");
    sandbox.wrap(["screen", PRIVATE]).piped().expect_code(0);
    drop(center);
    sandbox.stop_all();
}

/// A seed with no token or a wrong one, about the instance that there is, at the port that there is, and changed.
fn request(seed: &[u8], id: &str, center: &Center<'_>, random: &mut Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(seed).into_owned();
    let mut text = text.replace(ID, id).replace(":8969", &format!(":{}", center.port));
    text = match random.u8(..4) {
        0 => text.replace(TOKEN, ""),
        1 => text.replace(&format!("Authorization: Bearer {TOKEN}\r\n"), ""),
        2 => text.replace(&format!("Bearer {TOKEN}"), "Basic Og=="),
        _ => text.replace(TOKEN, &"0".repeat(64)),
    };
    let more = [
        "",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Host: evil.example\r\n",
        "Content-Type: text/plain\r\n",
        "X-Wrap-Hops: 0\r\n",
    ];
    if let Some(at) = text.find("\r\n") {
        text.insert_str(at + 2, random.choice(more).expect("some"));
    }
    if random.bool() { changed(text.as_bytes(), random) } else { text.into_bytes() }
}

fn at_center(center: &Center<'_>, request: &[u8]) -> Vec<u8> {
    let mut stream = center.connect();
    stream.set_read_timeout(Some(ANSWER)).expect("a limit");
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    assert!(!read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "it hangs");
    said
}

fn at_keeper(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).expect("connected");
    stream.set_read_timeout(Some(ANSWER)).expect("a limit");
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    assert!(!read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "it hangs");
    said
}

fn read(name: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    fs::read_dir(dir).expect("the seeds").flatten().map(|file| fs::read(file.path()).expect("a seed")).collect()
}
