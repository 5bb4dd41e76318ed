//! A log read along.

use super::super::{Follow, rotated};
use super::*;
use rustix::event::PollFlags;
use rustix::fd::AsFd as _;
use std::fs;
use std::time::Duration;

/// Longer than anything here takes; a wait that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that is there.
fn read(follow: &mut Follow) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let lines = follow.read_new().expect("read");
        if lines.is_empty() {
            return all;
        }
        all.extend(texts(&lines));
    }
}

/// Waits until so many lines have come.
fn await_lines(follow: &mut Follow, count: usize) -> Vec<String> {
    let mut all = read(follow);
    while all.len() < count {
        let before = std::time::Instant::now();
        follow.wait(&[], Some(PATIENCE)).expect("waited");
        assert!(before.elapsed() < PATIENCE, "only {} of {count} lines came", all.len());
        all.extend(read(follow));
    }
    all
}

fn write(writer: &mut Writer, text: &str) {
    out(writer, text);
    writer.flush().expect("written");
}

#[test]
fn a_log_is_followed_from_before_it_exists_through_its_removal() {
    let (temp, path) = place();
    let mut follow = Follow::new(&path).expect("opened");
    assert_eq!(read(&mut follow), [""; 0]);
    let mut writer = Writer::new(path.clone(), 1_000_000);
    write(&mut writer, "one\n");
    assert_eq!(await_lines(&mut follow, 1), ["one"]);
    write(&mut writer, "tw");
    assert_eq!(read(&mut follow), [""; 0]);
    write(&mut writer, "o\n");
    assert_eq!(await_lines(&mut follow, 1), ["two"]);
    writer.clear().expect("cleared");
    write(&mut writer, "3\n");
    assert_eq!(await_lines(&mut follow, 1), ["3"]);
    fs::remove_file(&path).expect("removed");
    write(&mut writer, "four\n");
    assert_eq!(await_lines(&mut follow, 1), ["four"]);
    fs::remove_dir_all(temp.path().join("state")).expect("removed");
    assert_eq!(read(&mut follow), [""; 0]);
    write(&mut writer, "five\n");
    assert_eq!(await_lines(&mut follow, 1), ["five"]);
    write(&mut writer, "rest");
    assert_eq!(read(&mut follow), [""; 0]);
    assert_eq!(texts(&follow.unfinished()), ["rest"]);
}

#[test]
fn nothing_is_lost_or_doubled_over_rotations() {
    for rotations in 0..=2 {
        let (_temp, path) = place();
        let mut writer = Writer::new(path.clone(), 1000);
        write(&mut writer, "first\n");
        let mut follow = Follow::new(&path).expect("opened");
        assert_eq!(read(&mut follow), ["first"]);
        write(&mut writer, "begun");
        assert_eq!(read(&mut follow), [""; 0]);
        let mut expected = Vec::new();
        let mut seen = 0;
        write(&mut writer, " ended\n");
        expected.push("begun ended".to_owned());
        while seen < rotations {
            expected.push(format!("line {}", expected.len()));
            write(&mut writer, &format!("{}\n", expected[expected.len() - 1]));
            seen += u32::from(writer.has_rotated());
        }
        assert_eq!(read(&mut follow), expected, "{rotations} rotations");
        assert_eq!(read(&mut follow), [""; 0]);
    }
}

#[test]
fn what_was_rotated_away_unread_is_told() {
    for rotations in 3..6 {
        let (_temp, path) = place();
        let mut writer = Writer::new(path.clone(), 1000);
        write(&mut writer, "first\n");
        let mut follow = Follow::new(&path).expect("opened");
        let (mut seen, mut number) = (0, 0);
        while seen < rotations {
            number += 1;
            write(&mut writer, &format!("line {number}\n"));
            seen += u32::from(writer.has_rotated());
        }
        let found = read(&mut follow);
        let marks = found.iter().filter(|line| line.starts_with("[wrap: lines are missing here")).count();
        assert_eq!((marks, found[0].as_str()), (1, "first"), "{found:?}");
        assert_eq!(found.last(), Some(&format!("line {number}")));
        write(&mut writer, "more\n");
        assert_eq!(await_lines(&mut follow, 1), ["more"]);
    }
}

#[test]
fn a_rotation_in_its_middle_loses_nothing_unsaid() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), 1000);
    write(&mut writer, "first\nbegun");
    let mut follow = Follow::new(&path).expect("opened");
    assert_eq!(read(&mut follow), ["first"]);
    // Renamed, and the next one is not there yet.
    write(&mut writer, " ended\n");
    fs::rename(&path, rotated(&path)).expect("renamed");
    assert_eq!(read(&mut follow), ["begun ended"]);
    write(&mut writer, "second\n");
    fs::rename(&path, rotated(&path)).expect("renamed");
    assert_eq!(await_lines(&mut follow, 1), ["second"]);
    // The older half was removed, and this one has not taken its place yet.
    write(&mut writer, "third\n");
    fs::rename(&path, rotated(&path)).expect("renamed");
    write(&mut writer, "fourth\n");
    fs::remove_file(rotated(&path)).expect("removed");
    let found = read(&mut follow);
    assert!(found.len() == 2 && found[0].starts_with("[wrap: lines are missing") && found[1] == "fourth", "{found:?}");
}

#[test]
fn a_writer_that_does_not_pause_is_followed() {
    const LINES: usize = 20_000;
    let (_temp, path) = place();
    // The directory is there and watched before the first rotation: those before it cannot be counted.
    crate::registry::dir::make_all(path.parent().expect("a directory")).expect("made");
    let mut follow = Follow::new(&path).expect("opened");
    let (to_writer, from_reader) = std::sync::mpsc::channel::<usize>();
    std::thread::scope(|scope| {
        let path = path.clone();
        scope.spawn(move || {
            let mut writer = Writer::new(path, 50_000);
            let mut rotations = 0;
            for number in 0..LINES {
                out(&mut writer, format!("{number}\n"));
                if number % 7 == 0 || number + 1 == LINES {
                    writer.flush().expect("written");
                }
                rotations += usize::from(writer.has_rotated());
                // A flush may bring about the second one that may be unseen: what follows is then without a gap.
                if rotations > 0 {
                    rotations = 0;
                    writer.flush().expect("written");
                    while from_reader.recv_timeout(PATIENCE).expect("the reader goes on") <= number {}
                }
            }
        });
        let mut found = Vec::new();
        while found.len() < LINES {
            follow.wait(&[], Some(PATIENCE)).expect("waited");
            for line in read(&mut follow) {
                assert_eq!(line, found.len().to_string());
                found.push(line);
            }
            // Once it has written all, it hears nothing more.
            let _ = to_writer.send(found.len());
        }
    });
    assert!(rotated(&path).exists());
}

#[test]
fn another_descriptor_ends_the_wait_and_quiet_does_not() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), 1000);
    write(&mut writer, "one\n");
    let mut follow = Follow::new(&path).expect("opened");
    assert_eq!(read(&mut follow), ["one"]);
    let (reader, sender) = std::io::pipe().expect("a pipe");
    let others = [(reader.as_fd(), PollFlags::IN)];
    let mut quiet = 0;
    while quiet < 3 {
        // What the reading itself brought about is over after a few.
        let before = std::time::Instant::now();
        assert_eq!(follow.wait(&others, Some(Duration::from_millis(20))).expect("waited"), [false]);
        quiet = if before.elapsed() >= Duration::from_millis(20) { quiet + 1 } else { 0 };
        assert_eq!(read(&mut follow), [""; 0]);
    }
    drop(sender);
    assert_eq!(follow.wait(&others, Some(PATIENCE)).expect("waited"), [true]);
}
