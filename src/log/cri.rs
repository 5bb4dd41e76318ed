//! One record of a log: `2026-11-21T15:33:10.123456789Z stdout F the line`, the format of CRI (the Kubernetes container
//! runtime interface), which log shippers and viewers know.

use crate::wire::Stream;
use jiff::Timestamp;
use std::io::Write as _;

/// The bytes before a record's text: the time, the stream and the tag, each with a space behind it.
pub(super) const HEADER: usize = 40;

/// Where the header's parts are; all have one width in every record that we write.
const SECONDS_END: usize = 19;
const NANOS: std::ops::Range<usize> = 20..29;
const TIME_END: usize = 30;
const STREAM: std::ops::Range<usize> = 31..37;
const TAG: usize = 38;

/// One record as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// When it was read from the command.
    pub time: Timestamp,
    /// What it was written to.
    pub stream: Stream,
    /// Whether the rest of the line is in a later record (tag `P`).
    pub partial: bool,
    /// The text, without its newline.
    pub text: &'a [u8],
}

/// Reads a record from a line of the file without its newline; `None` where it is none.
pub(super) fn parse(line: &[u8]) -> Option<Record<'_>> {
    let (stream, partial) = kind(line)?;
    let time = std::str::from_utf8(&line[..TIME_END]).ok()?.parse().ok()?;
    Some(Record { time, stream, partial, text: &line[HEADER..] })
}

/// The stream of a record, and whether it is partial, from at least its header; `None` where it is none. It does not
/// look at the time.
pub(super) fn kind(line: &[u8]) -> Option<(Stream, bool)> {
    let header = line.get(..HEADER)?;
    if [TIME_END, STREAM.end, TAG + 1].iter().any(|&at| header[at] != b' ') || header[SECONDS_END] != b'.' {
        return None;
    }
    let stream = match &header[STREAM] {
        b"stdout" => Stream::Out,
        b"stderr" => Stream::Err,
        _ => return None,
    };
    match header[TAG] {
        b'F' => Some((stream, false)),
        b'P' => Some((stream, true)),
        _ => None,
    }
}

/// Writes records; the text of the time is made once a second, and its fraction once for each time that is set.
#[derive(Debug)]
pub(super) struct Stamp {
    time: Timestamp,
    header: [u8; HEADER],
}

impl Stamp {
    pub(super) fn new() -> Self {
        let mut stamp = Self { time: Timestamp::MIN, header: *b"1970-01-01T00:00:00.000000000Z stdout F " };
        stamp.set(Timestamp::UNIX_EPOCH);
        stamp
    }

    /// The time of the records that follow. One before 1970 is shown as 1970: its text could be wider than the others.
    pub(super) fn set(&mut self, time: Timestamp) {
        let time = time.max(Timestamp::UNIX_EPOCH);
        if time.as_second() != self.time.as_second() {
            let whole = Timestamp::from_second(time.as_second()).unwrap_or_default();
            // Wide enough for every year that there is here.
            let _ = write!(&mut self.header[..=SECONDS_END], "{whole}");
            self.header[SECONDS_END] = b'.';
        }
        if time != self.time {
            let mut nanos = time.subsec_nanosecond();
            for digit in self.header[NANOS].iter_mut().rev() {
                *digit = b'0' + (nanos % 10) as u8;
                nanos /= 10;
            }
            self.time = time;
        }
    }

    /// Adds a record to `records`. The text has no newline in it.
    #[inline]
    pub(super) fn push(&mut self, records: &mut Vec<u8>, stream: Stream, partial: bool, text: &[u8]) {
        let name = match stream {
            Stream::Out => b"stdout",
            Stream::Err => b"stderr",
        };
        self.header[STREAM].copy_from_slice(name);
        self.header[TAG] = if partial { b'P' } else { b'F' };
        records.reserve(HEADER + text.len() + 1);
        records.extend_from_slice(&self.header);
        records.extend_from_slice(text);
        records.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut stamp = Stamp::new();
        let mut records = Vec::new();
        let times = ["2026-11-21T15:33:10.123456789Z", "2026-11-21T15:33:10Z", "1970-01-01T00:00:00.5Z"];
        for time in times.map(|time| time.parse::<Timestamp>().expect("a time")) {
            for (stream, partial, text) in [(Stream::Out, false, &b"a\rb"[..]), (Stream::Err, true, b"")] {
                records.clear();
                stamp.set(time);
                stamp.push(&mut records, stream, partial, text);
                assert_eq!(records.pop(), Some(b'\n'));
                assert_eq!(parse(&records), Some(Record { time, stream, partial, text }));
            }
        }
        stamp.set("2026-11-21T15:33:10.12Z".parse().expect("a time"));
        records.clear();
        stamp.push(&mut records, Stream::Out, false, b"the line");
        assert_eq!(records, b"2026-11-21T15:33:10.120000000Z stdout F the line\n");
        stamp.set(Timestamp::MIN);
        records.clear();
        stamp.push(&mut records, Stream::Out, false, b"");
        assert_eq!(records, b"1970-01-01T00:00:00.000000000Z stdout F \n");
        stamp.set(Timestamp::MAX);
        records.clear();
        stamp.push(&mut records, Stream::Out, false, b"");
        assert_eq!(parse(&records[..HEADER]).map(|record| record.time), Some(Timestamp::MAX));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for line in [
            &b""[..],
            b"hello",
            &[0; 100],
            b"2026-11-21T15:33:10.123456789Z stdout F",
            b"2026-11-21T15:33:10.123456789Z stdout X text",
            b"2026-11-21T15:33:10.123456789Z stdlog F text",
            b"2026-13-21T15:33:10.123456789Z stdout F text",
            b"2026-11-21T15:33:10.12345\xff789Z stdout F text",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
