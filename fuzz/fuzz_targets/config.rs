#![no_main]

#[path = "../checks/config.rs"]
mod config;
#[path = "../checks/place.rs"]
mod place;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| config::check(bytes));
