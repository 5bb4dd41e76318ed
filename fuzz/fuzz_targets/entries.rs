#![no_main]

#[path = "../checks/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::check(bytes));
