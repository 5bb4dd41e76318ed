//! Any bytes as an entry: what is read as one is the same after it was written and read again, and shows no key.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wrap::registry::entry::Entry;

fuzz_target!(|bytes: &[u8]| {
    let Ok(entry) = serde_json::from_slice::<Entry>(bytes) else { return };
    let written = serde_json::to_vec(&entry).expect("an entry can be written");
    let again: Entry = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, entry);
    assert!(entry.public().auth_key.is_empty());
    let _ = entry.short_id();
});
