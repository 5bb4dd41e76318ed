//! What readers make of a log, whole and from its end.

use super::super::{LIMIT, rotated, tail};
use super::*;
use std::fs;
use std::io::Write as _;

#[test]
fn a_log_that_is_not_there_has_no_lines() {
    let (_temp, path) = place();
    assert!(!Reader::open(&path).expect("opened").exists());
    assert_eq!(tail(&path, 10).expect("read"), []);
}

#[test]
fn the_last_lines_are_those_of_the_whole() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), 300_000);
    let mut random = 1_u32;
    for number in 0..20_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let stream = if random >> 28 == 0 { Stream::Err } else { Stream::Out };
        writer.append(stream, now(), format!("{number} \x1b[3{}m", random % 8).as_bytes()).expect("taken");
        if random >> 30 == 0 {
            writer.flush().expect("written");
        }
        if random >> 24 & 1 == 0 {
            writer.append(stream, now(), b" end\n").expect("taken");
        }
    }
    writer.append(Stream::Err, now(), b"\n").expect("taken");
    out(&mut writer, "without an end");
    writer.flush().expect("written");
    let all = lines(&path);
    assert!(all.len() > 5000 && rotated(&path).exists() && !all[all.len() - 1].complete);
    for count in [0, 1, 2, 3, 10, 100, 1000, all.len() - 1, all.len(), all.len() + 10] {
        let last = tail(&path, count).expect("read");
        assert!(last == all[all.len().saturating_sub(count)..], "{count}");
    }
}

#[test]
fn the_beginning_of_a_line_is_found_behind_lines_of_the_other_stream() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), LIMIT);
    out(&mut writer, "first\nbegun");
    writer.flush().expect("written");
    for number in 0..5000 {
        writer.append(Stream::Err, now(), format!("error {number}\n").as_bytes()).expect("taken");
    }
    out(&mut writer, " ended\n");
    writer.flush().expect("written");
    assert_eq!(texts(&tail(&path, 1).expect("read")), ["begun ended"]);
    assert_eq!(texts(&tail(&path, 2).expect("read")), ["error 4999", "begun ended"]);
}

#[test]
fn what_is_no_record_is_passed_over() {
    let (_temp, path) = place();
    let mut writer = Writer::new(path.clone(), LIMIT);
    out(&mut writer, "one\n");
    writer.flush().expect("written");
    let mut file = fs::File::options().append(true).open(&path).expect("opened");
    for foreign in [&b"foreign\n"[..], &[0; 5000], b"\n\xff\xfe\n2026-99-99T15:33:10.123456789Z stdout F no time\n"] {
        file.write_all(foreign).expect("written");
    }
    file.write_all(&vec![b'x'; 1_000_000]).expect("written");
    file.write_all(b"\n").expect("written");
    out(&mut writer, "two\n");
    writer.flush().expect("written");
    file.write_all(b"2026-11-21T15:33:10.1").expect("torn");
    assert_eq!(texts(&lines(&path)), ["one", "two"]);
    assert_eq!(texts(&tail(&path, 1).expect("read")), ["two"]);
    assert_eq!(texts(&tail(&path, 2).expect("read")), ["one", "two"]);
    // The older half as a link to something else.
    std::os::unix::fs::symlink("/etc/passwd", rotated(&path)).expect("planted");
    assert!(Reader::open(&path).is_err());
}
