//! Users, as this user namespace names them.

use std::fs;

/// What stands for every user that has no name in a user namespace, unless the system says otherwise
/// (user_namespaces(7), `/proc/sys/kernel/overflowuid`).
const NAMELESS: u32 = 65534;

/// Whether what has this owner is root's. In a sandbox that maps our own user alone, root is nameless: what is root's, and
/// what is any third user's, cannot be told apart there, and /tmp is root's.
pub fn is_root(uid: u32) -> bool {
    uid == 0 || (uid == nameless() && !is_mapped(0))
}

fn nameless() -> u32 {
    let text = fs::read_to_string("/proc/sys/kernel/overflowuid").unwrap_or_default();
    text.trim().parse().unwrap_or(NAMELESS)
}

/// Whether a user of this number is somebody here: `/proc/self/uid_map` has a first number, one outside, and how many.
fn is_mapped(uid: u32) -> bool {
    let Ok(text) = fs::read_to_string("/proc/self/uid_map") else { return true };
    text.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (first, count) = (numbers.next(), numbers.nth(1));
        matches!((first, count), (Some(Ok(first)), Some(Ok(count))) if (first..first.saturating_add(count)).contains(&uid.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_root_and_nobody_else_where_it_has_a_name() {
        assert!(is_root(0));
        assert!(!is_root(1000));
        assert_eq!(is_root(nameless()), !is_mapped(0) || nameless() == 0);
    }
}
