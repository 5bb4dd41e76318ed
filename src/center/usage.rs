//! What each instance uses of processor and memory: measured only while somebody looks on.

use super::board::{Board, Usage};
use crate::registry::entry::Entry;
use crate::sys::process;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is measured: a picture of the last two minutes has forty points, and one look at 300 instances costs a few
/// milliseconds.
const INTERVAL: Duration = Duration::from_secs(3);

/// Measures as long as it is polled.
pub async fn measure(board: Arc<Board>) {
    // Where there is no such thing, nothing is measured.
    let Ok(system) = System::new() else { return };
    let mut meter = Meter { system };
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if board.hub.readers() == 0 {
            board.unmeasured();
            board.hub.wait_for_reader().await;
            ticks.reset_immediately();
        }
        ticks.tick().await;
        let entries = board.entries();
        if entries.is_empty() {
            continue;
        }
        // Files of /proc for every process: off the thread that serves the readers.
        let Ok((back, usages)) = tokio::task::spawn_blocking(move || {
            let usages = meter.measure(&entries);
            (meter, usages)
        })
        .await
        else {
            return;
        };
        meter = back;
        board.measured(usages);
    }
}

struct Meter {
    system: System,
}

impl Meter {
    /// Of each whose command runs here: the whole tree below it.
    fn measure(&mut self, entries: &[Entry]) -> Vec<(String, Usage)> {
        let namespace = process::pid_namespace();
        let mut trees: HashMap<&str, Vec<Pid>> = HashMap::new();
        for entry in entries.iter().filter(|entry| entry.pid_namespace == namespace) {
            let alive = entry.child_pid.zip(entry.child_token).filter(|(pid, token)| process::is_alive(*pid, *token));
            if let Some((root, _)) = alive {
                let below = process::descendants(root).into_iter().map(|process| process.pid);
                trees.insert(&entry.instance_id, below.chain([root]).map(Pid::from_u32).collect());
            }
        }
        let all: Vec<Pid> = trees.values().flatten().copied().collect();
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&all), true, what);
        let usage = |pids: &Vec<Pid>| {
            let found = pids.iter().filter_map(|pid| self.system.process(*pid));
            found.fold(Usage { cpu: 0.0, memory: 0 }, |sum, process| Usage {
                cpu: sum.cpu + process.cpu_usage(),
                memory: sum.memory + process.memory(),
            })
        };
        trees.iter().map(|(id, pids)| ((*id).to_owned(), usage(pids))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::entry::tests::entry;

    #[test]
    fn a_tree_has_the_memory_of_all_its_processes() {
        let pid = std::process::id();
        let ours = Entry {
            child_pid: Some(pid),
            child_token: process::token(pid),
            pid_namespace: process::pid_namespace(),
            ..entry(pid)
        };
        let another = Entry { child_token: Some(1), ..ours.clone() };
        let mut meter = Meter { system: System::new().expect("a system") };
        let usages = meter.measure(&[ours.clone(), another]);
        assert_eq!(usages.len(), 1);
        assert!(usages[0].0 == ours.instance_id && usages[0].1.memory > 1_000_000, "{usages:?}");
    }
}
