//! How an instance fares: by identity first, then by what it answers. At most a second for a whole list.

use super::entry::{Entry, State};
use super::now_ms;
use super::probe::{self, Answers};
use crate::sys::process;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// What cannot be checked from here is kept so long after its last sign of life; its keeper writes every 20 s.
const UNCHECKED_FOR: Duration = Duration::from_hours(4);

/// How an instance fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not ready yet.
    Starting,
    /// Its keeper answers, and its port, where known, accepts.
    Healthy,
    /// It lives, but its keeper or its port does not answer.
    Unresponsive,
    /// The command lives without its keeper.
    Orphaned,
    /// Its keeper is ending it, or cleaning up behind it.
    Stopping,
    /// Between two runs.
    Restarting,
    /// Proved dead.
    Dead,
    /// On another machine or in another container, and silent.
    Unknown,
    /// It has ended, and only the history has it.
    Stopped,
}

impl Status {
    /// Every one that there is.
    pub const ALL: [Self; 9] = [
        Self::Starting,
        Self::Healthy,
        Self::Unresponsive,
        Self::Orphaned,
        Self::Stopping,
        Self::Restarting,
        Self::Dead,
        Self::Unknown,
        Self::Stopped,
    ];
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad`, so that a width given by a table counts.
        formatter.pad(match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unresponsive => "unresponsive",
            Self::Orphaned => "orphaned",
            Self::Stopping => "stopping",
            Self::Restarting => "restarting",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
            Self::Stopped => "stopped",
        })
    }
}

/// An instance's status, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The verdict.
    pub status: Status,
    /// Whether the keeper answered; `None` where it was not asked.
    pub keeper_answers: Option<bool>,
    /// Whether the app's port accepts; `None` where there is none, or none of the command's own.
    pub port_accepts: Option<bool>,
}

/// What identity alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The verdict needs no question.
    Known(Status),
    /// Both live: they are asked.
    Alive,
    /// Only an answer of the keeper tells anything; without one, this is the verdict.
    Elsewhere(Status),
}

/// Checks all entries at once. Blocks for a second at most; not to be called on a thread that runs a runtime.
pub fn check(entries: &[Entry]) -> Vec<Health> {
    let mut healths = vec![Health { status: Status::Unknown, keeper_answers: None, port_accepts: None }; entries.len()];
    check_each(entries, &mut |index, health| healths[index] = health);
    healths
}

/// As [`check`], and says of each how it fares as soon as that is known: one that hangs holds no other up.
pub fn check_each(entries: &[Entry], tell: &mut dyn FnMut(usize, Health)) {
    let here = Here::look();
    let now = now_ms();
    let standings: Vec<Standing> = entries.iter().map(|entry| here.standing(entry, now)).collect();
    let mut asked = Vec::new();
    let mut questions = Vec::new();
    for (index, (entry, standing)) in entries.iter().zip(&standings).enumerate() {
        if let Standing::Known(status) = *standing {
            tell(index, Health { status, keeper_answers: None, port_accepts: None });
        } else {
            asked.push(index);
            questions.push((entry.clone(), matches!(standing, Standing::Alive)));
        }
    }
    probe::ask(questions, &mut |question, answers| {
        let index = asked[question];
        let status = verdict(&entries[index], standings[index], answers);
        tell(index, Health { status, keeper_answers: answers.keeper, port_accepts: answers.port });
    });
}

fn verdict(entry: &Entry, standing: Standing, answers: Answers) -> Status {
    let keeper = answers.keeper == Some(true);
    match standing {
        Standing::Known(status) => status,
        Standing::Elsewhere(silent) if !keeper => silent,
        Standing::Elsewhere(_) | Standing::Alive => match entry.state {
            State::Stopping => Status::Stopping,
            State::Restarting => Status::Restarting,
            // The entry is written before the keeper's socket is open.
            State::Starting if keeper || answers.keeper.is_none() => Status::Starting,
            State::Running if keeper && answers.port != Some(false) => Status::Healthy,
            State::Starting | State::Running => Status::Unresponsive,
        },
    }
}

/// Where we stand: what a pid in an entry has to be measured against.
struct Here {
    boot: String,
    namespace: String,
    host: String,
}

impl Here {
    fn look() -> Self {
        Self { boot: process::boot_id(), namespace: process::pid_namespace(), host: process::host() }
    }

    fn standing(&self, entry: &Entry, now: u64) -> Standing {
        // A field that is empty on either side says nothing.
        let differs = |theirs: &str, ours: &str| !theirs.is_empty() && !ours.is_empty() && theirs != ours;
        let silent = if now.saturating_sub(entry.updated_at) > UNCHECKED_FOR.as_millis() as u64 {
            Standing::Elsewhere(Status::Dead)
        } else {
            Standing::Elsewhere(Status::Unknown)
        };
        // The host first: another machine has another boot too, and that proves nothing.
        if differs(&entry.host, &self.host) {
            return silent;
        }
        if differs(&entry.boot_id, &self.boot) {
            return Standing::Known(Status::Dead);
        }
        if differs(&entry.pid_namespace, &self.namespace) {
            return silent;
        }
        if entry.pid_token == 0 {
            // Without a token, only a pid that nobody has is proof.
            let gone = matches!(process::look(entry.pid), Ok(None));
            return if gone { Standing::Known(Status::Dead) } else { silent };
        }
        let keeper = process::is_alive(entry.pid, entry.pid_token);
        let command = entry.child_pid.zip(entry.child_token).is_some_and(|(pid, token)| process::is_alive(pid, token));
        match (keeper, command) {
            (false, false) => Standing::Known(Status::Dead),
            (false, true) => Standing::Known(Status::Orphaned),
            (true, true) => Standing::Alive,
            // Only its own keeper removes it; where the command just ended, it is about to.
            (true, false) => Standing::Known(match entry.state {
                State::Starting => Status::Starting,
                State::Restarting => Status::Restarting,
                State::Stopping | State::Running => Status::Stopping,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn here() -> Here {
        Here::look()
    }

    /// An entry whose keeper and command are this very process.
    fn living() -> Entry {
        let pid = std::process::id();
        let token = process::token(pid);
        Entry {
            child_pid: Some(pid),
            child_token: token,
            pid_token: token.expect("we live"),
            boot_id: process::boot_id(),
            pid_namespace: process::pid_namespace(),
            host: process::host(),
            updated_at: now_ms(),
            state: State::Running,
            ..entry(pid)
        }
    }

    #[test]
    fn identity_decides_who_lives() {
        let standing = |entry: &Entry| here().standing(entry, now_ms());
        let living = living();
        assert_eq!(standing(&living), Standing::Alive);
        let other = living.pid_token + 1;
        let keeper_dead = Entry { pid_token: other, ..living.clone() };
        assert_eq!(standing(&keeper_dead), Standing::Known(Status::Orphaned));
        let both_dead = Entry { child_token: Some(other), ..keeper_dead.clone() };
        assert_eq!(standing(&both_dead), Standing::Known(Status::Dead));
        assert_eq!(standing(&Entry { child_pid: None, ..keeper_dead }), Standing::Known(Status::Dead));
        for (state, status) in [
            (State::Starting, Status::Starting),
            (State::Running, Status::Stopping),
            (State::Stopping, Status::Stopping),
            (State::Restarting, Status::Restarting),
        ] {
            let command_dead = Entry { child_token: Some(other), state, ..living.clone() };
            assert_eq!(standing(&command_dead), Standing::Known(status));
        }
        assert_eq!(standing(&Entry { boot_id: "x".into(), ..living.clone() }), Standing::Known(Status::Dead));
    }

    #[test]
    fn what_cannot_be_checked_goes_after_four_hours_and_not_before() {
        let now = now_ms();
        let elsewhere = [
            Entry { host: "x".into(), boot_id: "x".into(), pid: 1, ..living() },
            Entry { pid_namespace: "x".into(), pid_token: 1, ..living() },
            Entry { pid_token: 0, ..living() },
        ];
        for mut entry in elsewhere {
            entry.updated_at = now - 3 * HOUR;
            assert_eq!(here().standing(&entry, now), Standing::Elsewhere(Status::Unknown));
            entry.updated_at = now - 5 * HOUR;
            assert_eq!(here().standing(&entry, now), Standing::Elsewhere(Status::Dead));
            let answered = Answers { keeper: Some(true), port: None };
            assert_eq!(verdict(&entry, Standing::Elsewhere(Status::Dead), answered), Status::Healthy);
            // A clock that jumped back makes nothing old.
            entry.updated_at = now + 24 * HOUR;
            assert_eq!(here().standing(&entry, now), Standing::Elsewhere(Status::Unknown));
        }
    }

    #[test]
    fn both_answers_make_it_healthy() {
        let status =
            |state, keeper, port| verdict(&Entry { state, ..living() }, Standing::Alive, Answers { keeper, port });
        assert_eq!(status(State::Running, Some(true), None), Status::Healthy);
        assert_eq!(status(State::Running, Some(true), Some(true)), Status::Healthy);
        assert_eq!(status(State::Running, Some(true), Some(false)), Status::Unresponsive);
        assert_eq!(status(State::Running, Some(false), Some(true)), Status::Unresponsive);
        assert_eq!(status(State::Running, None, None), Status::Unresponsive);
        assert_eq!(status(State::Starting, None, None), Status::Starting);
        assert_eq!(status(State::Starting, Some(true), Some(false)), Status::Starting);
        assert_eq!(status(State::Starting, Some(false), None), Status::Unresponsive);
        assert_eq!(status(State::Restarting, Some(false), None), Status::Restarting);
    }
}
