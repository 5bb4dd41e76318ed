//! What comes from outside, changed at random: the fuzzer's checks (fuzz/checks), on its seeds, without its compiler.

use crate::bout::{Bout, Subject};
use fastrand::Rng;
use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks/config.rs"]
mod config;
#[path = "../../fuzz/checks/entries.rs"]
mod entries;
#[path = "../../fuzz/checks/frames.rs"]
mod frames;
#[path = "../../fuzz/checks/logs.rs"]
mod logs;
#[path = "../../fuzz/checks/manifests.rs"]
mod manifests;
#[path = "../../fuzz/checks/place.rs"]
mod place;

pub const SUBJECT: Subject = Subject {
    name: "inputs",
    what: "entries, frames, compose and package files, settings and logs, changed at random",
    share: 3,
    run,
};

/// A check, and the directory of its seeds.
type Check = (&'static str, fn(&[u8]));

const CHECKS: [Check; 6] = [
    ("entries", entries::check),
    ("frames", frames::check),
    ("compose", manifests::compose),
    ("package", manifests::package),
    ("config", config::check),
    ("logs", logs::check),
];

/// Inputs made of each seed in one round.
const CHANGED: usize = 8;

fn run(bout: &Bout) {
    let seeds: Vec<Vec<Vec<u8>>> = CHECKS.iter().map(|(name, _)| read(name)).collect();
    // One thread: each check has files of its own in one place.
    bout.rounds(
        1,
        1,
        || (),
        |(), random| {
            for ((name, check), seeds) in CHECKS.iter().zip(&seeds) {
                for seed in seeds {
                    try_one(name, *check, seed);
                    for _ in 0..CHANGED {
                        try_one(name, *check, &changed(seed, random));
                    }
                    bout.count("inputs", 1 + CHANGED as u64);
                }
            }
        },
    );
    fs::remove_dir_all(place::dir()).expect("it is ours");
}

fn read(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let files = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut seeds: Vec<_> = files.flatten().map(|file| file.path()).collect();
    seeds.sort();
    seeds.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// So that what fails can be tried again.
fn try_one(name: &str, check: fn(&[u8]), bytes: &[u8]) {
    let done = std::panic::catch_unwind(|| check(bytes));
    if let Err(why) = done {
        let text = why.downcast_ref::<String>().cloned();
        let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        panic!("{name}: {text}\nof {:?}", String::from_utf8_lossy(bytes));
    }
}

/// Some bytes other, more, fewer, twice.
pub fn changed(seed: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        let to = random.usize(at..=bytes.len().min(at + 40));
        match random.u8(..6) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            2 => drop(bytes.drain(at..to)),
            3 => bytes.insert(at, random.u8(..)),
            4 => {
                let piece = bytes[at..to].to_vec();
                let place = random.usize(..=bytes.len());
                bytes.splice(place..place, piece);
            }
            _ => {
                let token: &[u8] = random
                    .choice([
                        &b"\x1b[2J"[..],
                        b"\xff\xfe",
                        b"\0\0",
                        b"{{",
                        b"\"",
                        b"&a [*a, *a]",
                        b"99999999999",
                        b"\r\n",
                        b"\xe2\x80\xae",
                    ])
                    .expect("some");
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
    bytes
}
