//! How a browser gets the token: a code that works once, from whoever has the token already.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// So long a code works: the time that a browser may take to start.
const LIFE: Duration = Duration::from_mins(2);

/// So many may wait at once; a further one takes the place of the oldest.
const MOST: usize = 16;

/// The codes that were given out and not used.
#[derive(Default)]
pub struct Codes {
    waiting: Mutex<Vec<(String, Instant)>>,
}

impl Codes {
    /// A new one.
    pub fn draw(&self) -> String {
        let code = Uuid::new_v4().simple().to_string();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, drawn)| drawn.elapsed() < LIFE);
        if waiting.len() == MOST {
            waiting.remove(0);
        }
        waiting.push((code.clone(), Instant::now()));
        code
    }

    /// Uses one up. `false` where it was used, is too old or never was.
    pub fn redeem(&self, code: &str) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, drawn)| drawn.elapsed() < LIFE);
        let at = waiting.iter().position(|(one, _)| one == code);
        at.map(|at| waiting.remove(at)).is_some()
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
}
