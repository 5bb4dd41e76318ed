//! What to make of a line of output, to show it elsewhere than where it was written to.

mod escapes;
mod overwritten;

pub use overwritten::overwritten;

use escapes::{Part, parts};

const RESET: &str = "\x1b[0m";
const END_OF_LINK: &str = "\x1b]8;;\x1b\\";

/// The text alone: no escape sequence, no control character but tabs. What is not UTF-8 is shown as U+FFFD.
pub fn plain(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    if !line.contains(is_control) {
        return line.into_owned();
    }
    parts(&line)
        .filter_map(|part| match part {
            Part::Char(char) if !is_control(char) => Some(char),
            _ => None,
        })
        .collect()
}

/// The line as a terminal may have it: text, tabs, colours (SGR) and links (OSC 8). Everything else is taken out, and
/// a colour or link that is open at its end is closed.
pub fn safe(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    if !line.contains(is_control) {
        return line.into_owned();
    }
    let mut shown = String::with_capacity(line.len());
    let (mut coloured, mut linked) = (false, false);
    for part in parts(&line) {
        match part {
            Part::Char(char) if !is_control(char) => shown.push(char),
            Part::Csi(parameters, 'm') if is_colour(parameters) => {
                shown.extend(["\x1b[", parameters, "m"]);
                coloured = !is_reset(parameters);
            }
            Part::Osc(text) if is_link(text) => {
                shown.extend(["\x1b]", text, "\x1b\\"]);
                linked = !ends_link(text);
            }
            _ => {}
        }
    }
    if linked {
        shown.push_str(END_OF_LINK);
    }
    if coloured {
        shown.push_str(RESET);
    }
    shown
}

/// What a terminal obeys instead of showing it. A tab it shows.
fn is_control(char: char) -> bool {
    char.is_control() && char != '\t'
}

/// Whether the parameters are those of SGR: numbers; with `<`, `=`, `>` or `?` it is another sequence.
fn is_colour(parameters: &str) -> bool {
    parameters.bytes().all(|byte| matches!(byte, b'0'..=b';'))
}

/// Whether nothing is coloured after it.
fn is_reset(parameters: &str) -> bool {
    parameters.bytes().all(|byte| matches!(byte, b'0' | b';'))
}

/// Whether the text of an OSC is that of a link: `8;parameters;address`.
fn is_link(text: &str) -> bool {
    let address = text.splitn(3, ';').nth(2).unwrap_or_default();
    // A click on it must not run what stands in it.
    let runs = ["javascript:", "data:", "vbscript:"]
        .iter()
        .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    text.starts_with("8;") && text.matches(';').count() >= 2 && !runs && !text.contains(char::is_control)
}

fn ends_link(text: &str) -> bool {
    text.splitn(3, ';').nth(2).is_none_or(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_is_the_text_alone() {
        assert_eq!(plain(b"a\tb"), "a\tb");
        assert_eq!(plain(b"\x1b[1;32mok\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x07\r\x00\x7f!"), "ok link!");
        assert_eq!(plain("日本\u{9b}2J\u{85}👩‍💻".as_bytes()), "日本👩‍💻");
        assert_eq!(plain(b"a\xff\x9bb\x1b"), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn colours_and_links_pass_and_are_closed() {
        assert_eq!(safe(b"\x1b[31mred"), "\x1b[31mred\x1b[0m");
        assert_eq!(safe(b"\x1b[31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m"), "\x1b[31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m");
        assert_eq!(safe(b"\x1b]8;id=1;http://x\x07y"), "\x1b]8;id=1;http://x\x1b\\y\x1b]8;;\x1b\\");
        assert_eq!(safe(b"\x1b]8;;http://x\x1b\\y\x1b]8;;\x1b\\z"), "\x1b]8;;http://x\x1b\\y\x1b]8;;\x1b\\z");
    }

    #[test]
    fn what_is_neither_is_taken_out() {
        for line in
            ["\x1b[2J", "\x1b[>4m", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x1bPq\x1b\\", "\x1bc", "\x07\x08\r"]
        {
            assert_eq!(safe(format!("a{line}b").as_bytes()), "ab", "{line:?}");
        }
        assert_eq!(safe("a\u{9d}0;t\u{9c}b\u{9b}1mc".as_bytes()), "ab\x1b[1mc\x1b[0m");
        assert_eq!(safe(b"a\x1b]8;;no end"), "a");
        assert_eq!(safe(b"a\x1b]8;;x\x01y\x07b"), "ab");
    }

    /// Bytes of which many belong to escape sequences.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop::sample::select(vec![
            "\x1b", "[", "]", "8;;", "m", "K", "2", ";", "\x07", "\x1b\\", "\r", "\x08", "\t", "日", "x", "\u{9b}",
            "\u{9d}", "\u{301}", "C", "99999", "\x1b[31m", "P", "?",
        ]);
        let piece =
            prop_oneof![pieces.prop_map(|piece| piece.as_bytes().to_vec()), any::<u8>().prop_map(|byte| vec![byte])];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn nothing_but_colours_and_links_gets_through(line in output()) {
            for line in [line.clone(), overwritten(&line).into_owned()] {
                prop_assert!(!plain(&line).contains(is_control));
                let shown = safe(&line);
                let mut rest = shown.as_str();
                while let Some(at) = rest.find(is_control) {
                    let text = &rest[at..];
                    let end = if let Some(colour) = text.strip_prefix("\x1b[") {
                        let end = colour.find(|char: char| !matches!(char, '0'..=';')).unwrap_or(colour.len());
                        prop_assert!(colour[end..].starts_with('m'), "{:?}", shown);
                        2 + end + 1
                    } else {
                        let link = text.strip_prefix("\x1b]8;");
                        prop_assert!(link.is_some(), "{:?}", shown);
                        let end = link.unwrap_or_default().find(is_control).unwrap_or_default();
                        prop_assert!(link.unwrap_or_default()[end..].starts_with("\x1b\\"), "{:?}", shown);
                        4 + end + 2
                    };
                    rest = &text[end..];
                }
                prop_assert_eq!(plain(shown.as_bytes()), plain(&line));
            }
        }
    }
}
