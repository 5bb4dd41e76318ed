//! Which files are hooks, and which are refused.

use super::*;
use std::os::unix::fs::symlink;

const SPEAK: &str = "wrap.on('start', function() print('ran') end)";

#[test]
fn without_a_directory_or_a_lua_file_there_are_no_hooks() {
    assert!(Hooks::in_dir(Path::new("/nowhere/hooks")).is_empty());
    let house = House::new(&[("readme.md", ""), (".#h.lua", SPEAK), ("h.lua~", SPEAK)]);
    assert!(Hooks::in_dir(house.dir.path()).is_empty());
    assert!(!Hooks::in_dir(House::one("").dir.path()).is_empty());
}

#[test]
fn files_that_others_can_write_are_refused_with_the_fix() {
    // A group that is ours alone may write what we may.
    let ours = super::super::safe::is_private_group(rustix::process::getegid().as_raw());
    for (mode, runs) in [(0o600, true), (0o644, true), (0o620, ours), (0o602, false), (0o666, false)] {
        let mut house = House::one(SPEAK);
        let path = house.dir.path().join("h.lua");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("mode set");
        house.start();
        let refused = format!("hook h: not run: others can write to it: `chmod go-w {}`", path.display());
        assert_eq!(house.said(), [if runs { "hook h: ran".into() } else { refused }], "{mode:o}");
    }
}

#[test]
fn in_a_directory_that_others_can_write_nothing_runs() {
    let mut house = House::one(SPEAK);
    let dir = house.dir.path().to_owned();
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).expect("mode set");
    house.start();
    let place = dir.display();
    assert_eq!(house.said(), [format!("hooks in `{place}` are not run: others can write to it: `chmod go-w {place}`")]);
}

#[test]
fn a_link_is_followed_to_a_safe_target_only() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (safe, unsafe_one) = (elsewhere.path().join("safe"), elsewhere.path().join("unsafe"));
    write(&safe, SPEAK.as_bytes());
    write(&unsafe_one, SPEAK.as_bytes());
    fs::set_permissions(&unsafe_one, Permissions::from_mode(0o666)).expect("mode set");
    let mut house = House::new(&[]);
    symlink(&safe, house.dir.path().join("a.lua")).expect("linked");
    symlink(&unsafe_one, house.dir.path().join("b.lua")).expect("linked");
    symlink("/nowhere", house.dir.path().join("c.lua")).expect("linked");
    house.start();
    let fix = house.dir.path().join("b.lua");
    let said = house.said();
    assert!(said.contains(&"hook a: ran".into()), "{said:?}");
    assert!(said.contains(&format!("hook b: not run: others can write to it: `chmod go-w {}`", fix.display())));
    assert!(said.contains(&"hook c: not run: no such file or directory".into()), "{said:?}");
}

#[test]
fn what_is_no_regular_file_or_too_large_is_refused() {
    let mut house = House::new(&[]);
    fs::create_dir(house.dir.path().join("d.lua")).expect("made");
    let fifo = house.dir.path().join("f.lua");
    let (cwd, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(cwd, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("made");
    write(&house.dir.path().join("l.lua"), &vec![b' '; 300 << 10]);
    house.start();
    assert_eq!(
        house.said(),
        [
            "hook d: not run: it is not a regular file",
            "hook f: not run: it is not a regular file",
            "hook l: not run: it is larger than 256 KiB: make it smaller",
        ]
    );
}

#[test]
fn a_file_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut house = House::one(SPEAK);
    let path = house.dir.path().join("h.lua");
    std::os::unix::fs::chown(&path, Some(12345), None).expect("given away");
    house.start();
    let fix = format!("`chown 0 {}` if you trust it", path.display());
    assert_eq!(house.said(), [format!("hook h: not run: it belongs to user 12345: {fix}")]);
}

#[test]
fn a_crowd_of_files_is_cut_with_a_word() {
    let names: Vec<String> = (0..70).map(|n| format!("{n:02}.lua")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), SPEAK)).collect();
    let mut house = House::new(&files);
    house.start();
    let said = house.said();
    assert_eq!(said.len(), 65);
    assert!(said[0].starts_with("only the first 64 of 70 hooks are run"), "{said:?}");
    assert_eq!((said[1].as_str(), said[64].as_str()), ("hook 00: ran", "hook 63: ran"));
}
