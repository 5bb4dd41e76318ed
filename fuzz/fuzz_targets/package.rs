#![no_main]

#[path = "../checks/manifests.rs"]
mod manifests;
#[path = "../checks/place.rs"]
mod place;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| manifests::package(bytes));
