//! Any bytes as a connection to a keeper's socket: it answers or hangs up, and tells nothing without the key.

#![no_main]

#[path = "../checks/place.rs"]
mod place;

use libfuzzer_sys::fuzz_target;
use memchr::memmem::find;
use std::cell::RefCell;
use wrap::keeper::fuzz::Served;
use wrap::registry::entry::Entry;

/// What opens it.
const KEY: &[u8] = b"11112222333344445555666677778888";

/// The name of the instance's project.
const PRIVATE: &[u8] = b"a-private-name";

thread_local! {
    static SERVED: RefCell<Option<Served>> = const { RefCell::new(None) };
}

fn served() -> Served {
    let text = |bytes| str::from_utf8(bytes).expect("ASCII");
    let json = serde_json::json!({ "instanceId": "01990000-0000-7000-8000-000000abc123", "pid": 1,
        "projectName": text(PRIVATE), "authKey": text(KEY), "mode": "terminal" });
    Served::new(&place::dir().join("s.sock"), serde_json::from_value::<Entry>(json).expect("an entry"))
}

fuzz_target!(|bytes: &[u8]| {
    SERVED.with_borrow_mut(|cell| {
        let said = cell.get_or_insert_with(served).answers(&place::dir().join("s.sock"), bytes);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&said));
        assert_eq!(find(&said, KEY), None);
        if find(bytes, KEY).is_none() {
            assert_eq!(find(&said, PRIVATE), None);
        }
    });
});
