//! What a hook says, made fit for one line of a terminal.

/// Bytes of one line; the rest of it is cut. Long enough for a URL with its query, and with [`LINES_PER_CALL`]
/// at most 100 KiB a call.
pub(super) const LINE_BYTES: usize = 1024;

/// Lines that one call may print. The terminal is the command's: a hook that has more to say writes it elsewhere.
pub(super) const LINES_PER_CALL: usize = 100;

/// The text without the characters that would act on a terminal; a tab stays. C1 controls are such too, and so
/// are the marks that turn the direction of what follows.
pub(super) fn visible(text: &str) -> String {
    let plain =
        |&c: &char| c == '\t' || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    let mut line: String = text.chars().filter(plain).collect();
    if line.len() > LINE_BYTES {
        line.truncate(line.floor_char_boundary(LINE_BYTES));
        line.push('…');
    }
    line
}

/// The same, with line breaks as spaces: for an error, which is one line.
pub(super) fn one_line(text: &str) -> String {
    visible(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}
