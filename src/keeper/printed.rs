//! What the command prints about itself: its URL, and a configured text that tells readiness.

/// A URL that the command printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Its port.
    pub port: u16,
    /// As it is to be opened.
    pub url: String,
}

/// How much output is searched for a URL: a server says where it is within its first screens, and a command that
/// prints gigabytes must not be searched for ever.
const SEARCHED: usize = 1024 * 1024;

/// The longest URL that is understood, escape sequences within it included.
const LONGEST: usize = 512;

/// Finds `http://localhost:PORT/…` in output, also in pieces and with colours inside (Vite prints the port bold).
#[derive(Default)]
pub struct UrlWatcher {
    tail: Vec<u8>,
    searched: usize,
}

impl UrlWatcher {
    /// The next piece of output; the URL, once it is whole.
    pub fn look(&mut self, bytes: &[u8]) -> Option<Printed> {
        if self.searched >= SEARCHED {
            return None;
        }
        self.searched += bytes.len();
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(&bytes[..bytes.len().min(SEARCHED)]);
        let found = text.windows(4).enumerate().filter(|(_, window)| *window == b"http").find_map(|(at, _)| {
            let rest = &text[at..(at + LONGEST).min(text.len())];
            parse_url(&url_like(rest))
        });
        let keep = text.len().saturating_sub(LONGEST);
        self.tail = text.split_off(keep);
        if found.is_some() {
            // The first one it prints is its own; later ones may be links in a log.
            self.searched = SEARCHED;
        }
        found
    }
}

/// Waits for a text in the output, also in pieces and with colours inside.
pub struct PatternWatcher {
    text: Vec<u8>,
    tail: Vec<u8>,
}

impl PatternWatcher {
    /// Waits for this text.
    pub fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), tail: Vec::new() }
    }

    /// The next piece of output; `true` once the text was in it.
    pub fn look(&mut self, bytes: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(bytes);
        let plain = plain(&text);
        if plain.windows(self.text.len().max(1)).any(|window| window == self.text) {
            return true;
        }
        // As much again as the text for the escape sequences within it.
        let keep = text.len().saturating_sub(self.text.len() + LONGEST);
        self.tail = text.split_off(keep);
        false
    }
}

/// The bytes without escape sequences (ECMA-48: ESC [ … a final byte from `@` to `~`).
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        if byte != 0x1b {
            text.push(byte);
        } else if rest.next() == Some(&b'[') {
            rest.find(|byte| (0x40..=0x7e).contains(*byte));
        }
    }
    text
}

/// The same, up to the first byte that no URL has, which becomes a space.
fn url_like(bytes: &[u8]) -> String {
    let plain = plain(bytes);
    let end = plain.iter().position(|byte| !(0x21..=0x7e).contains(byte));
    let mut text: String = plain[..end.unwrap_or(plain.len())].iter().map(|&byte| char::from(byte)).collect();
    // Only then is its end known: what the piece ends with may go on.
    if end.is_some() {
        text.push(' ');
    }
    text
}

/// A complete URL of this machine with a port in it.
fn parse_url(text: &str) -> Option<Printed> {
    let (url, _) = text.split_once(' ')?;
    let url = url.trim_end_matches(['.', ',', ')', ']', '"', '\'', '>']);
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = authority.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    // Bound to every address is reached by the local one; the wildcard itself is not an address to open.
    let host = match host {
        "localhost" | "127.0.0.1" | "[::1]" => host,
        "0.0.0.0" | "[::]" | "*" => "localhost",
        _ => return None,
    };
    let scheme = url.split(':').next()?;
    Some(Printed { port, url: format!("{scheme}://{host}:{port}{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str]) -> Option<(u16, String)> {
        let mut watcher = UrlWatcher::default();
        pieces.iter().find_map(|piece| watcher.look(piece.as_bytes())).map(|printed| (printed.port, printed.url))
    }

    #[test]
    fn urls_are_found_as_servers_print_them() {
        let cases = [
            ("Server on http://localhost:3000\n", 3000, "http://localhost:3000"),
            ("  Local:   \x1b[36mhttp://localhost:\x1b[1m5173\x1b[22m/\x1b[39m\r\n", 5173, "http://localhost:5173/"),
            ("listening at https://127.0.0.1:8443/app?x=1 now", 8443, "https://127.0.0.1:8443/app?x=1"),
            ("Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...\n", 8000, "http://localhost:8000/"),
            ("see http://[::1]:9000.\n", 9000, "http://[::1]:9000"),
        ];
        for (text, port, url) in cases {
            assert_eq!(found(&[text]), Some((port, url.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_local_url_with_a_port_is_none() {
        for text in [
            "http://example.com:80/\n",
            "http://localhost/\n",
            "http://localhost:99999/\n",
            "https\n",
            "http://localhost:3000",
        ] {
            assert_eq!(found(&[text]), None, "{text:?}");
        }
    }

    #[test]
    fn a_configured_text_is_found_in_pieces_and_colours() {
        let mut pattern = PatternWatcher::new("compiled in");
        assert!(!pattern.look(b"comp"));
        assert!(!pattern.look(b"iling\r\n\x1b[1mcompi"));
        assert!(pattern.look(b"led\x1b[0m in 3 s"));
    }

    #[test]
    fn a_url_in_pieces_is_put_together() {
        assert_eq!(found(&["on http://local", "host:30", "00\n"]), Some((3000, "http://localhost:3000".to_owned())));
    }
}
