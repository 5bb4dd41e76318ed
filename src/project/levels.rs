//! Which directories are looked at: the working directory and those above it, up to the repository's root.

use super::Env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Sticky and writable by everybody, as `/tmp` is.
const SHARED: u32 = 0o1002;

/// The directories to look at, the nearest first.
pub(super) struct Levels {
    pub dirs: Vec<PathBuf>,
    /// The last of them where it holds `.git`.
    pub repository: Option<PathBuf>,
}

impl Levels {
    /// From `cwd` up to the directory with `.git`. Without one: up to, but not including, HOME and `/`, where
    /// a manifest says nothing about what lies below; the working directory itself always counts.
    pub fn above(cwd: &Path, env: Env) -> Self {
        let above = cwd.ancestors().skip(1);
        // In a shared directory anybody can have put a manifest or a `.git`.
        let own = above.take_while(|dir| !is_shared(dir)).map(Path::to_owned);
        let mut dirs: Vec<PathBuf> = std::iter::once(cwd.to_owned()).chain(own).collect();
        let repository = dirs.iter().position(|dir| dir.join(".git").exists());
        let end = if let Some(at) = repository {
            at + 1
        } else {
            let home = env("HOME").map(PathBuf::from);
            // The working directory is a physical path, HOME may lead over a symbolic link.
            let physical = home.as_deref().and_then(|home| fs::canonicalize(home).ok());
            let is_end =
                |dir: &PathBuf| dir.parent().is_none() || Some(dir) == home.as_ref() || Some(dir) == physical.as_ref();
            dirs.iter().skip(1).position(is_end).map_or(dirs.len(), |at| at + 1)
        };
        dirs.truncate(end);
        let repository = repository.map(|at| dirs[at].clone());
        Self { dirs, repository }
    }
}

fn is_shared(dir: &Path) -> bool {
    fs::metadata(dir).is_ok_and(|meta| meta.mode() & SHARED == SHARED)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, env};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_anybody_can_write_to_is_not_looked_at_from_below() {
        let tree = Fixture::new(&[("shared/.git", ""), ("shared/mine/src/", "")]);
        fs::set_permissions(tree.path("shared"), fs::Permissions::from_mode(0o1777)).expect("set");
        let levels = Levels::above(&tree.path("shared/mine/src"), &env(&[]));
        assert_eq!((levels.dirs.last(), levels.repository), (Some(&tree.path("shared/mine")), None));
    }

    #[test]
    fn a_repository_ends_the_way_up_whether_git_is_a_folder_or_a_file() {
        let tree = Fixture::new(&[("a/.git", "gitdir: /x"), ("a/b/c/", ""), ("d/.git/", ""), ("d/e/", "")]);
        let levels = Levels::above(&tree.path("a/b/c"), &env(&[]));
        assert_eq!(levels.dirs, [tree.path("a/b/c"), tree.path("a/b"), tree.path("a")]);
        assert_eq!(levels.repository, Some(tree.path("a")));
        assert_eq!(Levels::above(&tree.path("d/e"), &env(&[])).repository, Some(tree.path("d")));
    }
}
