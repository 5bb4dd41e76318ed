//! How a browser gets the token: a code that works once, from whoever has the token already.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// So long a code works: the time that a browser may take to start.
pub const LIFE: Duration = Duration::from_mins(2);

/// So many may wait at once; a further one takes the place of the oldest.
const MOST: usize = 16;

/// The codes that were given out and not used.
#[derive(Default)]
pub struct Codes {
    waiting: Mutex<Vec<Code>>,
}

struct Code {
    text: String,
    drawn: Instant,
    /// The file that has it in it; it goes with the code.
    file: Option<PathBuf>,
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Gone already where the directory was made anew.
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Codes {
    /// A new one.
    pub fn draw(&self) -> String {
        let text = Uuid::new_v4().simple().to_string();
        let mut waiting = self.waiting();
        if waiting.len() == MOST {
            waiting.remove(0);
        }
        waiting.push(Code { text: text.clone(), drawn: Instant::now(), file: None });
        text
    }

    /// This file has the code in it, and is removed with it.
    pub fn is_in(&self, code: &str, file: PathBuf) {
        let mut waiting = self.waiting();
        let found = waiting.iter_mut().find(|one| one.text == code);
        // Of one that has gone meanwhile the file goes at once.
        match found {
            Some(code) => code.file = Some(file),
            None => drop(Code { text: String::new(), drawn: Instant::now(), file: Some(file) }),
        }
    }

    /// Uses one up. `false` where it was used, is too old or never was.
    pub fn redeem(&self, code: &str) -> bool {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|one| one.text == code);
        at.map(|at| waiting.remove(at)).is_some()
    }

    /// Forgets those that are too old.
    pub fn forget_old(&self) {
        drop(self.waiting());
    }

    /// Forgets all.
    pub fn forget_all(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Code>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|code| code.drawn.elapsed() < LIFE);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_and_the_newest_are_kept() {
        let codes = Codes::default();
        let all: Vec<String> = (0..=MOST).map(|_| codes.draw()).collect();
        assert!(!codes.redeem(&all[0]) && !codes.redeem("") && !codes.redeem("x"));
        assert!(codes.redeem(&all[1]) && !codes.redeem(&all[1]) && codes.redeem(&all[MOST]));
    }

    #[test]
    fn a_file_goes_with_its_code() {
        let temp = tempfile::tempdir().expect("a directory");
        let file = |name: &str| {
            let path = temp.path().join(name);
            std::fs::write(&path, "x").expect("written");
            path
        };
        let codes = Codes::default();
        let (used, left) = (codes.draw(), codes.draw());
        codes.is_in(&used, file("used"));
        codes.is_in(&left, file("left"));
        codes.is_in("unknown", file("unknown"));
        let there = || ["used", "left", "unknown"].map(|name| temp.path().join(name).exists());
        assert_eq!(there(), [true, true, false]);
        assert!(codes.redeem(&used));
        assert_eq!(there(), [false, true, false]);
        codes.forget_all();
        assert_eq!(there(), [false, false, false]);
    }
}
