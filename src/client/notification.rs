//! News for the user as a terminal takes it: OSC 9, or OSC 777 where only that is understood. Terminals that know neither
//! show nothing.

use crate::files;
use crate::wire::Notification;
use std::env;

/// Characters of each text: what a desktop's bubble shows.
const SHOWN: usize = 250;

/// The sequence for our terminal, as its variables say what it is.
pub fn sequence(news: &Notification) -> Vec<u8> {
    let set = |name: &str| env::var(name).unwrap_or_default();
    of(news, &set("TERM"), !set("TMUX").is_empty())
}

fn of(news: &Notification, term: &str, in_tmux: bool) -> Vec<u8> {
    // Control characters would end the sequence; a `;` ends the title.
    let title = files::printable(&news.title, SHOWN).replace(';', ",");
    let text = files::printable(&news.text, SHOWN);
    let body = if ["foot", "rxvt"].iter().any(|known| term.starts_with(known)) {
        format!("777;notify;{title};{text}")
    } else {
        // OSC 9 with a number in front is progress or a directory in some terminals: the title is in front.
        format!("9;{title}: {text}")
    };
    let sequence = format!("\x1b]{body}\x1b\\");
    if in_tmux {
        // Handed through where `allow-passthrough` is on (tmux(1)); each escape is doubled within.
        return format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")).into_bytes();
    }
    sequence.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_gets_what_it_understands_and_nothing_acts_on_it() {
        let news = Notification { title: "sh;op\x07".into(), text: "ready; \x1b]0;x\x1b\\".into() };
        assert_eq!(of(&news, "xterm-256color", false), b"\x1b]9;sh,op: ready; ]0;x\\\x1b\\");
        assert_eq!(of(&news, "foot", false), b"\x1b]777;notify;sh,op;ready; ]0;x\\\x1b\\");
        assert_eq!(of(&news, "tmux-256color", true), b"\x1bPtmux;\x1b\x1b]9;sh,op: ready; ]0;x\\\x1b\x1b\\\x1b\\");
    }
}
