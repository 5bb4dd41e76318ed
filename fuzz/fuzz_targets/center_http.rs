//! Any bytes as a connection to the control center: it answers or hangs up, without the token it tells nothing of any
//! instance, and every answer of its own forbids what a page must not do.

#![no_main]

#[path = "../checks/place.rs"]
mod place;

use libfuzzer_sys::fuzz_target;
use memchr::memmem::find;
use std::cell::OnceCell;
use wrap::center::fuzz::{Served, TOKEN};
use wrap::registry::entry::Entry;

/// The name of the instance's project.
const PRIVATE: &[u8] = b"a-private-name";

thread_local! {
    static SERVED: OnceCell<Served> = const { OnceCell::new() };
}

fn served() -> Served {
    // SAFETY: at the first input, before there is another thread.
    unsafe { std::env::set_var("WRAP_DIR", place::dir().join("run")) };
    let id = "01990000-0000-7000-8000-000000abc123";
    let json = serde_json::json!({ "instanceId": id, "pid": 1, "projectName": str::from_utf8(PRIVATE).expect("ASCII"),
        "authKey": "the-key", "localUrl": "unix:/nowhere/x.sock" });
    Served::new(serde_json::from_value::<Entry>(json).expect("an entry"))
}

fuzz_target!(|bytes: &[u8]| {
    SERVED.with(|cell| {
        let said = cell.get_or_init(served).answers(bytes);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&said));
        assert_eq!(find(&said, b"the-key"), None);
        if find(bytes, TOKEN.as_bytes()).is_none() {
            assert_eq!(find(&said, PRIVATE), None);
            assert_eq!(find(&said, TOKEN.as_bytes()), None);
        }
        // What is wrong as HTTP is answered by hyper, without a body.
        let own = find(&said, b"\r\n\r\n{").is_some();
        assert!(!own || find(&said, b"content-security-policy: default-src 'none'").is_some());
    });
});
