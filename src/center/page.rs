//! The page's files, as they are in the binary.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// One file: its path, its kind and its bytes.
struct File(&'static str, &'static str, &'static [u8]);

/// What only a view of one instance needs: the list is there without.
#[cfg(test)]
const LATER: [&str; 3] = ["/instance.js", "/log.js", "/ansi.js"];

macro_rules! file {
    ($path:literal, $kind:expr) => {
        File(concat!("/", $path), $kind, include_bytes!(concat!("page/", $path)))
    };
}

/// All of them.
static FILES: &[File] = &[
    File("/", HTML, include_bytes!("page/index.html")),
    file!("style.css", CSS),
    file!("icon.svg", PICTURE),
    file!("main.js", SCRIPT),
    file!("session.js", SCRIPT),
    file!("stream.js", SCRIPT),
    file!("store.js", SCRIPT),
    file!("cards.js", SCRIPT),
    file!("instance.js", SCRIPT),
    file!("log.js", SCRIPT),
    file!("ansi.js", SCRIPT),
    file!("actions.js", SCRIPT),
    file!("keyboard.js", SCRIPT),
    file!("notices.js", SCRIPT),
    file!("dom.js", SCRIPT),
];

/// Whether a path is one of the page's files.
pub fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.0 == path)
}

/// A file; another center of another version may stand behind the same address tomorrow, so it is asked for each time,
/// and answered in a line while it is the same.
pub fn answer(path: &str, asked: &HeaderMap) -> Option<Response> {
    let File(_, kind, bytes) = FILES.iter().find(|file| file.0 == path)?;
    let tag = concat!("\"", env!("CARGO_PKG_VERSION"), "-");
    let tag = format!("{tag}{:08x}\"", fingerprint(bytes));
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Some(StatusCode::NOT_MODIFIED.into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, HeaderValue::from_str(&tag).ok()?),
    ];
    Some((headers, *bytes).into_response())
}

/// A number that changes with the bytes (FNV-1a).
fn fingerprint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has to be there before anything is seen; a modem of 1 Mbit/s takes half a second for it.
    const MOST: usize = 60_000;

    #[test]
    fn the_page_is_small_and_brings_nothing_of_others() {
        let first = FILES.iter().filter(|file| !LATER.contains(&file.0));
        let size: usize = first.map(|file| file.2.len()).sum();
        assert!(size <= MOST, "{size} bytes");
        for File(path, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).expect("text");
            for line in text.lines().filter(|line| line.contains("://")) {
                assert!(line.contains("www.w3.org/2000/svg"), "{path} names another place: {line}");
            }
            assert!(!text.contains("innerHTML") && !text.contains(" style=\"") && !text.contains(" onclick"), "{path}");
        }
    }
}
