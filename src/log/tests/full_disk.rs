//! A file that cannot grow: a limit on its size (RLIMIT_FSIZE) stops a write in its middle, as a full disk does.

use super::super::LIMIT;
use super::*;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::process::Command;

/// In the environment of the process in which it happens: the limit is a whole process's.
const CHILD: &str = "WRAP_TEST_FULL_DISK";

#[test]
fn a_full_disk_is_told_once_leaves_no_torn_record_and_is_marked_afterwards() {
    let (_temp, path) = place();
    // Of 512 bytes each; a write beyond it is an error and no signal, as in the keeper.
    let script = r#"trap "" XFSZ; ulimit -S -f 8; exec "$0" --exact log::tests::full_disk::in_the_child --ignored"#;
    let executable = std::env::current_exe().expect("this test");
    let child = Command::new("sh").args(["-c", script]).arg(executable).env(CHILD, &path).output().expect("started");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let found = texts(&lines(&path));
    let written = found.iter().take_while(|line| line.starts_with("line ")).count();
    assert!((20..80).contains(&written), "{found:?}");
    let lost = 100 - written;
    assert_eq!(found[written..], [format!("[wrap: {lost} lines were lost here]"), "after".into(), "the end".into()]);
    let raw = std::fs::read(&path).expect("read");
    assert!(raw.split(|&byte| byte == b'\n').all(|line| line.is_empty() || line.len() > 40));
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn in_the_child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut writer = Writer::new(path.into(), LIMIT);
    let mut errors = Vec::new();
    for number in 0..100 {
        out(&mut writer, format!("line {number}, which is some bytes long\n"));
        errors.extend(writer.flush().err());
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().contains("file too large"), "{errors:?}");
    setrlimit(Resource::Fsize, Rlimit { current: None, maximum: None }).expect("the hard limit is open");
    out(&mut writer, "after\nthe ");
    writer.flush().expect("written");
    out(&mut writer, "end\n");
    writer.flush().expect("written");
}
