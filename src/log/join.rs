//! Lines as the command wrote them, put together from the records of a log.

use super::cri::Record;
use super::{CUT, MAX_LINE};
use crate::wire::Stream;
use jiff::Timestamp;

/// One line of a command's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it, or the first piece of it, was read from the command.
    pub time: Timestamp,
    /// What it was written to.
    pub stream: Stream,
    /// Its bytes, without the newline, escape sequences and inner carriage returns included.
    pub text: Vec<u8>,
    /// Whether its newline was seen; the last line of a log may have none, or not yet.
    pub complete: bool,
}

impl Line {
    /// A line of ours, which says what is not in the log.
    pub(super) fn mark(time: Timestamp, text: &str) -> Self {
        Self { time, stream: Stream::Out, text: text.into(), complete: true }
    }
}

/// The lines that were begun, one for each stream.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    begun: [Option<Line>; 2],
}

impl Joiner {
    /// Takes the next record; the line that it completes, if it does.
    pub(super) fn add(&mut self, record: Record<'_>) -> Option<Line> {
        let begun = &mut self.begun[place(record.stream)];
        let Some(line) = begun else {
            let Record { time, stream, partial, text } = record;
            let line = Line { time, stream, text: text.to_vec(), complete: !partial };
            if partial {
                *begun = Some(line);
                return None;
            }
            return Some(line);
        };
        // The writer ends a line there; pieces without end are not from it.
        let room = (MAX_LINE + CUT.len()).saturating_sub(line.text.len());
        line.text.extend_from_slice(&record.text[..record.text.len().min(room)]);
        if record.partial {
            return None;
        }
        line.complete = true;
        begun.take()
    }

    /// What is known of the lines whose end has not come.
    pub(super) fn begun(&self) -> Vec<Line> {
        self.begun.iter().flatten().cloned().collect()
    }

    /// The lines whose end has not come, in the order in which they began.
    pub(super) fn take(&mut self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.begun.iter_mut().filter_map(Option::take).collect();
        lines.sort_by_key(|line| line.time);
        lines
    }
}

/// A stream as an index.
pub(super) fn place(stream: Stream) -> usize {
    match stream {
        Stream::Out => 0,
        Stream::Err => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_line_are_joined_for_each_stream() {
        let mut joiner = Joiner::default();
        let mut add = |second, stream, partial, text: &str| {
            let time = Timestamp::from_second(second).expect("a time");
            joiner.add(Record { time, stream, partial, text: text.as_bytes() })
        };
        assert_eq!(add(1, Stream::Out, true, "a"), None);
        assert_eq!(add(2, Stream::Err, true, "x"), None);
        let line = add(3, Stream::Out, false, "b").expect("complete");
        assert_eq!((line.time.as_second(), line.text, line.complete), (1, b"ab".to_vec(), true));
        assert_eq!(add(4, Stream::Out, false, "c").expect("complete").text, b"c");
        let rest = joiner.take();
        assert_eq!((rest.len(), &rest[0].text[..], rest[0].complete), (1, &b"x"[..], false));
    }

    #[test]
    fn pieces_without_end_do_not_grow_without_end() {
        let mut joiner = Joiner::default();
        let text = vec![b'x'; 300_000];
        for _ in 0..10 {
            let time = Timestamp::UNIX_EPOCH;
            assert_eq!(joiner.add(Record { time, stream: Stream::Out, partial: true, text: &text }), None);
        }
        assert_eq!(joiner.take()[0].text.len(), MAX_LINE + CUT.len());
    }
}
