//! The branch of a repository, read without running git: the command must not wait for it.

use crate::files;
use std::path::{Path, PathBuf};

/// `.git/HEAD` and the `.git` file of a worktree are one line; a path in it can have 4096 bytes.
const LINE_BYTES: u64 = 8 * 1024;
/// Characters of the hash of a detached HEAD, as git itself shows it.
const SHORT_HASH: usize = 7;

/// The branch that the repository at `root` is on, or the short hash of its detached HEAD.
pub(super) fn branch(root: &Path) -> Option<String> {
    let head = line(&directory(root).join("HEAD"))?;
    let Some(reference) = head.strip_prefix("ref:") else {
        let is_hash = head.len() > SHORT_HASH && head.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hash.then(|| head[..SHORT_HASH].to_owned());
    };
    let reference = reference.trim();
    let name = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    // A repository in the reftable format keeps its branch elsewhere and writes this here.
    if name == ".invalid" { None } else { files::name(name) }
}

/// Where HEAD is: in a worktree or a submodule `.git` is a file that names the directory.
fn directory(root: &Path) -> PathBuf {
    let git = root.join(".git");
    match line(&git).as_deref().and_then(|line| line.strip_prefix("gitdir:")) {
        Some(dir) => root.join(dir.trim()),
        None => git,
    }
}

fn line(path: &Path) -> Option<String> {
    Some(files::read_bounded(path, LINE_BYTES).ok()??.lines().next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn a_branch_a_detached_head_a_worktree_and_none() {
        let tree = Fixture::new(&[
            ("a/.git/HEAD", "ref: refs/heads/main\n"),
            ("b/.git/HEAD", "0123456789abcdef0123456789abcdef01234567\n"),
            ("c/.git", "gitdir: ../a/.git/worktrees/c\n"),
            ("a/.git/worktrees/c/HEAD", "ref: refs/heads/fix/c\n"),
            ("d/.git/HEAD", "ref: refs/heads/.invalid\n"),
            ("e/.git/HEAD", "something else"),
            ("f/.git/", ""),
        ]);
        let branches = ["a", "b", "c", "d", "e", "f"].map(|folder| branch(&tree.path(folder)));
        let expected = [Some("main"), Some("0123456"), Some("fix/c"), None, None, None];
        assert_eq!(branches, expected.map(|name| name.map(str::to_owned)));
    }
}
