#![no_main]

#[path = "../checks/logs.rs"]
mod logs;
#[path = "../checks/place.rs"]
mod place;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logs::check(bytes));
