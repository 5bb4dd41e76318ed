//! Whose hooks run: what was trusted, and nothing else.

use super::super::trust::{Bundle, Standing, Store};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A project with one hook, and a store.
struct Yard {
    temp: tempfile::TempDir,
    store: Store,
}

impl Yard {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a directory");
        let store = Store::at(&temp.path().join("state/trust.json"));
        let yard = Self { temp, store };
        yard.write("app/.wrap/hooks/open.lua", "-- opens");
        yard
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    fn bundle(&self, project: &str) -> Bundle {
        Bundle::read(&self.path(project)).expect("readable").expect("something")
    }

    fn standing(&self, project: &str) -> Standing {
        self.store.standing(&self.bundle(project)).expect("a store")
    }

    fn trust(&self, project: &str) {
        assert_eq!(self.store.trust(self.bundle(project).word()).expect("written"), None);
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o777
}

#[test]
fn a_word_holds_for_a_content_at_a_place() {
    let yard = Yard::new();
    assert_eq!(Bundle::read(&yard.path("state")), Ok(None));
    assert_eq!(yard.standing("app"), Standing::Unknown);
    yard.trust("app");
    assert_eq!((yard.standing("app"), mode(&yard.path("state/trust.json"))), (Standing::Trusted, 0o600));
    // Over a link it is the same place.
    symlink(yard.path("app"), yard.path("link")).expect("linked");
    assert_eq!(yard.standing("link"), Standing::Trusted);
    for (name, text) in [("hooks/open.lua", "-- opens it"), ("hooks/more.lua", ""), ("lib.lua", "return 1")] {
        let before = fs::read(yard.path("app/.wrap").join(name)).ok();
        yard.write(&format!("app/.wrap/{name}"), text);
        assert_eq!(yard.standing("app"), Standing::Changed, "{name}");
        match before {
            Some(bytes) => fs::write(yard.path("app/.wrap").join(name), bytes).expect("as before"),
            None => fs::remove_file(yard.path("app/.wrap").join(name)).expect("as before"),
        }
        assert_eq!(yard.standing("app"), Standing::Trusted, "{name}");
    }
    fs::rename(yard.path("app/.wrap/hooks/open.lua"), yard.path("app/.wrap/hooks/shut.lua")).expect("renamed");
    assert_eq!(yard.standing("app"), Standing::Changed);
    // The same in another place is another's.
    yard.write("copy/.wrap/hooks/shut.lua", "-- opens");
    yard.trust("app");
    assert_eq!((yard.standing("app"), yard.standing("copy")), (Standing::Trusted, Standing::Unknown));
    assert_eq!(yard.store.retain(|word| word.path != *yard.bundle("app").root()).expect("written"), 1);
    assert_eq!(yard.standing("app"), Standing::Unknown);
}

#[test]
fn what_stands_in_two_files_is_not_what_stands_in_one() {
    let yard = Yard::new();
    yard.write("a/.wrap/ab", "c");
    yard.write("b/.wrap/a", "bc");
    let content = |project: &str| yard.bundle(project).word().content;
    assert_ne!(content("a"), content("b"));
}

#[test]
fn a_linked_worktree_needs_its_own_word_unless_it_brings_the_same() {
    let yard = Yard::new();
    fs::create_dir_all(yard.path("app/.git/worktrees/fix")).expect("made");
    yard.write("fix/.git", &format!("gitdir: {}\n", yard.path("app/.git/worktrees/fix").display()));
    yard.write("app/.git/worktrees/fix/gitdir", &format!("{}\n", yard.path("fix/.git").display()));
    yard.write("fix/.wrap/hooks/open.lua", "-- opens");
    assert_eq!(yard.standing("fix"), Standing::Unknown);
    yard.trust("app");
    assert_eq!(yard.standing("fix"), Standing::Trusted);
    yard.write("fix/.wrap/hooks/open.lua", "-- opens more");
    assert_eq!(yard.standing("fix"), Standing::Unknown);
    // One that only says so, from elsewhere, with other content.
    yard.write("liar/.git", &format!("gitdir: {}\n", yard.path("app/.git/worktrees/fix").display()));
    yard.write("liar/.wrap/hooks/open.lua", "-- steals");
    assert_eq!(yard.standing("liar"), Standing::Unknown);
    // The repository does not say so of it, though the content is the same.
    yard.write("liar/.wrap/hooks/open.lua", "-- opens");
    assert_eq!(yard.standing("liar"), Standing::Unknown);
}

#[test]
fn what_leads_elsewhere_or_can_be_changed_by_others_is_refused() {
    let yard = Yard::new();
    let refused = || Bundle::read(&yard.path("app")).expect_err("refused");
    let hook = yard.path("app/.wrap/hooks/open.lua");
    let outside = yard.write("outside.lua", "-- theirs");
    symlink(&outside, yard.path("app/.wrap/hooks/link.lua")).expect("linked");
    assert!(refused().contains("link.lua` is a link"), "{}", refused());
    fs::remove_file(yard.path("app/.wrap/hooks/link.lua")).expect("removed");
    for path in [hook.clone(), yard.path("app/.wrap/hooks"), yard.path("app/.wrap")] {
        let before = mode(&path);
        fs::set_permissions(&path, Permissions::from_mode(before | 0o022)).expect("set");
        assert!(refused().contains("others can write"), "{}", refused());
        fs::set_permissions(&path, Permissions::from_mode(before)).expect("set");
    }
    yard.bundle("app");
    fs::write(&hook, "x".repeat(300 << 10)).expect("written");
    assert!(refused().contains("larger than 256 KiB"), "{}", refused());
    fs::write(&hook, "").expect("written");
    for number in 0..300 {
        yard.write(&format!("app/.wrap/{number}"), "");
    }
    assert!(refused().contains("more than 256 files"), "{}", refused());
    fs::rename(yard.path("app/.wrap"), yard.path("app/elsewhere")).expect("renamed");
    symlink(yard.path("app/elsewhere"), yard.path("app/.wrap")).expect("linked");
    assert!(refused().contains("not a directory of its own"), "{}", refused());
}

#[test]
fn a_broken_store_trusts_nothing_and_is_kept_aside_by_the_next_word() {
    let yard = Yard::new();
    yard.trust("app");
    let path = yard.path("state/trust.json");
    for broken in ["", "{", "[]", "{\"trusted\":7}"] {
        fs::write(&path, broken).expect("written");
        let why = yard.store.standing(&yard.bundle("app")).expect_err("broken");
        assert!(why.contains("is broken"), "{why}");
        assert!(yard.store.retain(|_| true).is_err());
        let said = yard.store.trust(yard.bundle("app").word()).expect("written").expect("said");
        assert!(said.contains("is kept as"), "{said}");
        assert_eq!(yard.standing("app"), Standing::Trusted);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("set");
    assert!(yard.store.all().expect_err("refused").contains("others can write"));
}
