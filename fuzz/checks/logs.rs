//! Any bytes as a log's file, and as the output of a command: the last lines are the last of all lines, what was written
//! is what is read, and nothing that is shown of it does more to a terminal than colours and links.

use super::place;
use wrap::log::{LIMIT, Line, Reader, Writer, lines, tail};
use wrap::wire::Stream;

pub fn check(bytes: &[u8]) {
    let (all, last) = place::with_file("logs/any.log", bytes, |path| {
        let mut reader = Reader::open(path).expect("opened");
        let mut all = Vec::new();
        while let Some(line) = reader.next_line().expect("read") {
            all.push(line);
        }
        all.extend(reader.unfinished());
        (all, tail(path, 3).expect("read"))
    });
    assert_eq!(last.len(), all.len().min(3));
    all.iter().for_each(shown);
    written(bytes);
}

/// As output: line by line the same, once through the log.
fn written(bytes: &[u8]) {
    let path = place::dir().join("logs/own.log");
    let mut writer = Writer::new(path.clone(), LIMIT);
    let at = jiff::Timestamp::UNIX_EPOCH;
    // In two pieces: where a read ends says nothing.
    let (one, two) = bytes.split_at(bytes.len() / 2);
    for piece in [one, two] {
        writer.append(Stream::Out, at, piece).expect("written");
    }
    writer.flush().expect("written");
    let read = tail(&path, usize::MAX - 1).expect("read");
    // There is none before the first byte.
    let _ = std::fs::remove_file(&path);
    let texts: Vec<&[u8]> = read.iter().map(|line| line.text.as_slice()).collect();
    let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if bytes.ends_with(b"\n") || bytes.is_empty() {
        expected.pop();
    }
    // A terminal's newline is both; one that was not written yet may become one.
    let expected: Vec<&[u8]> = expected.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let held = bytes.ends_with(b"\n\r") || bytes == b"\r";
    let expected = &expected[..expected.len() - usize::from(held)];
    // Longer lines are cut.
    if bytes.len() < 10_000 {
        assert_eq!(texts, expected);
    }
    read.iter().for_each(shown);
}

fn shown(line: &Line) {
    let text = lines::overwritten(&line.text);
    let plain = lines::plain(&text);
    assert!(plain.chars().all(|c| c == '\t' || !c.is_control()), "{plain:?}");
    // Once made safe it is safe: colours and links that it keeps pass again as they are.
    let safe = lines::safe(&text);
    assert_eq!(lines::safe(safe.as_bytes()), safe);
    assert_eq!(lines::plain(safe.as_bytes()), plain);
}
