//! What the writer leaves on disk.

use super::super::{CUT, LIMIT, MAX_LINE, MAX_RECORD, rotated};
use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn lines_come_as_records_however_they_were_cut() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), LIMIT);
    assert!(!path.exists());
    for piece in ["on", "e\r", "\ntwo\r\n\nth", "\x1b[31mr\ree"] {
        out(&mut writer, piece);
    }
    writer.append(Stream::Err, now(), b"error\r\r\n").expect("taken");
    writer.flush().expect("written");
    let time = "2026-11-21T15:33:10.123456789Z";
    let first = format!(
        "{time} stdout F one\n{time} stdout F two\n{time} stdout F \n{time} stderr F error\r\n{time} stdout P th\x1b[31mr\ree\n"
    );
    assert_eq!(fs::read_to_string(&path).expect("read"), first);
    out(&mut writer, " more\r");
    writer.flush().expect("written");
    writer.flush().expect("nothing to write");
    out(&mut writer, "\nlast\n");
    writer.flush().expect("written");
    let second = format!("{time} stdout P  more\n{time} stdout F \n{time} stdout F last\n");
    assert_eq!(fs::read_to_string(&path).expect("read"), first + &second);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("a directory"))), (0o600, 0o700));
    assert_eq!(texts(&lines(&path)), ["one", "two", "", "error\r", "th\x1b[31mr\ree more", "last"]);
}

#[test]
fn a_long_line_is_split_and_one_that_is_too_long_is_cut_and_says_so() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), LIMIT);
    let long = "x".repeat(MAX_RECORD * 3 + 7);
    out(&mut writer, format!("{long}\n"));
    let most = "y".repeat(MAX_LINE);
    out(&mut writer, format!("{most}\n"));
    for size in [1000, 4096, MAX_LINE * 2] {
        for chunk in vec![b'z'; MAX_LINE + 10].chunks(size) {
            out(&mut writer, chunk);
        }
        out(&mut writer, "zz\nnext\n");
    }
    writer.flush().expect("written");
    let cut = "z".repeat(MAX_LINE) + CUT;
    let expected = [&long, &most, &cut, "next", &cut, "next", &cut, "next"];
    let found = texts(&lines(&path));
    assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), expected.map(str::len));
    assert!(found == expected);
    let longest = fs::read(&path).expect("read").split(|&byte| byte == b'\n').map(<[u8]>::len).max();
    assert!(longest.expect("records") <= MAX_RECORD + CUT.len() + 40);
}

#[test]
fn two_halves_are_kept_within_the_limit_and_no_record_is_torn() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), 10_000);
    let mut asked = 0;
    for number in 0..2000 {
        out(&mut writer, format!("line {number}\nbegun"));
        writer.flush().expect("written");
        asked += u32::from(writer.has_rotated());
        out(&mut writer, " ended\n");
        for half in [path.clone(), rotated(&path)] {
            assert!(fs::metadata(half).map_or(0, |data| data.len()) <= 10_000);
        }
    }
    writer.flush().expect("written");
    assert!(asked > 10 && !writer.has_rotated());
    let found = texts(&lines(&path));
    let last: Vec<String> = (0..2000).flat_map(|number| [format!("line {number}"), "begun ended".into()]).collect();
    // The first one may have lost its beginning with the file before.
    assert!(found.len() > 150 && last.ends_with(&found[1..]), "{found:?}");
    assert!(!fs::read_to_string(rotated(&path)).expect("read").is_empty());
}

#[test]
fn what_was_removed_is_made_again_and_what_was_torn_is_ended() {
    let (temp, path) = place();
    let mut writer = Writer::new(path.clone(), LIMIT);
    for removed in [&path, path.parent().expect("logs"), &temp.path().join("state")] {
        out(&mut writer, "before\n");
        writer.flush().expect("written");
        if *removed == path { fs::remove_file(removed) } else { fs::remove_dir_all(removed) }.expect("removed");
        out(&mut writer, "after\n");
        writer.flush().expect("written");
        assert_eq!(texts(&lines(&path)), ["after"]);
    }
    fs::write(&path, "2026-11-21T15:33:1").expect("torn by a crash");
    out(&mut Writer::new(path.clone(), LIMIT), "nothing is written before a flush");
    let mut writer = Writer::new(path.clone(), LIMIT);
    out(&mut writer, "whole\n");
    writer.flush().expect("written");
    assert_eq!(texts(&lines(&path)), ["whole"]);
}

#[test]
fn a_clear_empties_both_halves_and_the_log_goes_on() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), 1000);
    writer.clear().expect("nothing there");
    assert!(!path.exists());
    for number in 0..30 {
        out(&mut writer, format!("{number}\n"));
        writer.flush().expect("written");
    }
    assert!(rotated(&path).exists());
    out(&mut writer, "not written yet\nnor this");
    writer.clear().expect("cleared");
    assert_eq!((fs::metadata(&path).expect("kept").len(), rotated(&path).exists()), (0, false));
    out(&mut writer, "after\n");
    writer.flush().expect("written");
    assert_eq!(texts(&lines(&path)), ["after"]);
}

#[test]
fn an_unsafe_place_is_refused_once_and_the_gap_is_marked() {
    let (temp, path) = place();
    let logs = path.parent().expect("logs");
    fs::create_dir(temp.path().join("state")).expect("made");
    fs::set_permissions(temp.path().join("state"), PermissionsExt::from_mode(0o700)).expect("its mode");
    symlink("/tmp", logs).expect("planted");
    let mut writer = Writer::new(path.clone(), LIMIT);
    out(&mut writer, "one\ntwo\nbegun");
    let error = writer.flush().expect_err("refused").to_string();
    assert!(error.contains("is not safe to use") && error.contains("symbolic link"), "{error}");
    out(&mut writer, " three\n");
    writer.flush().expect("said once");
    fs::remove_file(logs).expect("removed");
    out(&mut writer, "four\n");
    writer.flush().expect("written");
    assert_eq!(texts(&lines(&path)), ["[wrap: 3 lines were lost here]", "four"]);
    // A FIFO in its place is neither waited for nor written to.
    fs::remove_file(&path).expect("removed");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a fifo");
    let mut writer = Writer::new(path.clone(), LIMIT);
    out(&mut writer, "one\n");
    let error = writer.flush().expect_err("refused").to_string();
    assert!(error.contains("not a file of yours"), "{error}");
    assert!(Reader::open(&path).is_err());
}
