//! One subject's time: rounds until it is over, what was counted in them, and what was lost.

use fastrand::Rng;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Losses that are told one by one; a subject that loses more is broken in one way.
const TOLD: usize = 20;

/// A way to do wrap harm.
pub struct Subject {
    /// A word for `--only`.
    pub name: &'static str,
    /// What is done, for the table.
    pub what: &'static str,
    /// Its part of the time, beside the others'.
    pub share: u32,
    /// Does it.
    pub run: fn(&Bout),
}

/// What came of it.
pub struct Report {
    pub done: String,
    pub lost: Vec<String>,
    pub left_out: Vec<String>,
    pub took: Duration,
}

impl Report {
    /// For the table.
    pub fn losses(&self) -> String {
        if self.lost.is_empty() { "nothing".to_owned() } else { format!("{} times", self.lost.len()) }
    }
}

/// The time of one subject.
pub struct Bout {
    until: Instant,
    seed: u64,
    /// Rounds that were begun.
    rounds: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    lost: Mutex<Vec<String>>,
    left_out: Mutex<Vec<String>>,
}

impl Bout {
    /// Runs a subject for so long, or for as long as its first rounds take.
    pub fn run(subject: &Subject, time: Duration, seed: u64) -> Report {
        let from = Instant::now();
        let bout = Self {
            until: from + time,
            seed,
            rounds: AtomicU64::new(0),
            counts: Mutex::default(),
            lost: Mutex::default(),
            left_out: Mutex::default(),
        };
        bout.guarded("the subject itself", || (subject.run)(&bout));
        let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *lock(list));
        let mut lost = take(&bout.lost);
        if lost.len() > TOLD {
            let more = lost.len() - TOLD;
            lost.truncate(TOLD);
            lost.push(format!("and {more} more"));
        }
        let counts = lock(&bout.counts);
        let done: Vec<String> = counts.iter().map(|(what, count)| format!("{} {what}", grouped(*count))).collect();
        Report { done: done.join(", "), lost, left_out: take(&bout.left_out), took: from.elapsed() }
    }

    /// Whether there is time for another round.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// What is left of the time.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Rounds on so many threads, each with a bed of its own and a random source that only depends on the seed and the
    /// round's number: at least `least` of them in all, and more until the time is over. A round that panics has lost
    /// what it says, and its bed is made anew.
    pub fn rounds<B>(
        &self,
        threads: usize,
        least: u64,
        bed: impl Fn() -> B + Sync,
        round: impl Fn(&mut B, &mut Rng) + Sync,
    ) {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut own = None;
                    loop {
                        let number = self.rounds.fetch_add(1, Ordering::Relaxed);
                        if number >= least && !self.goes_on() {
                            break;
                        }
                        let mut random = Rng::with_seed(self.seed.wrapping_add(number));
                        let done = self
                            .guarded(&format!("round {number}"), || round(own.get_or_insert_with(&bed), &mut random));
                        if !done {
                            // What it has left behind is said by the bed's own end.
                            let old = own.take();
                            self.guarded("the bed of that", || drop(old));
                        }
                    }
                    self.guarded("the end", || drop(own.take()));
                });
            }
        });
    }

    /// Does one thing; a panic is a loss, and `false`.
    pub fn guarded(&self, what: &str, work: impl FnOnce()) -> bool {
        let Err(why) = catch_unwind(AssertUnwindSafe(work)) else { return true };
        let text = why.downcast_ref::<String>().cloned();
        let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        self.lose(format!("{what}: {}", text.unwrap_or_default()));
        false
    }

    /// Something was done so often.
    pub fn count(&self, what: &'static str, more: u64) {
        *lock(&self.counts).entry(what).or_default() += more;
    }

    /// Something was lost.
    pub fn lose(&self, what: String) {
        lock(&self.lost).push(what);
    }

    /// Something cannot be tried here.
    pub fn leave_out(&self, what: &str) {
        let mut all = lock(&self.left_out);
        if !all.iter().any(|one| one == what) {
            all.push(what.to_owned());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
