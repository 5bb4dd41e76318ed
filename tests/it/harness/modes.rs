//! The modes of a terminal, as a value that can be compared and printed.

use rustix::fd::AsFd;
use rustix::termios::{SpecialCodeIndex, Termios, tcgetattr};

/// Everything that tcgetattr tells: the four sets of flags and the control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    input: String,
    output: String,
    control: String,
    local: String,
    characters: Vec<u8>,
}

const CHARACTERS: [SpecialCodeIndex; 16] = [
    SpecialCodeIndex::VINTR,
    SpecialCodeIndex::VQUIT,
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VEOF,
    SpecialCodeIndex::VTIME,
    SpecialCodeIndex::VMIN,
    SpecialCodeIndex::VSTART,
    SpecialCodeIndex::VSTOP,
    SpecialCodeIndex::VSUSP,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VLNEXT,
    SpecialCodeIndex::VEOL2,
];

impl Modes {
    /// The modes of the terminal behind `fd`; either side of the PTY will do.
    pub fn of(fd: impl AsFd) -> Self {
        Self::from(&tcgetattr(fd).expect("a terminal has modes"))
    }

    /// Whether lines are edited and keys raise signals: how a shell finds its terminal.
    pub fn is_cooked(&self) -> bool {
        ["ICANON", "ISIG"].iter().all(|flag| self.local.contains(flag))
    }

    /// Whether what is typed is shown by the terminal itself.
    pub fn echoes(&self) -> bool {
        self.local.split(" | ").any(|flag| flag == "ECHO")
    }
}

impl From<&Termios> for Modes {
    fn from(termios: &Termios) -> Self {
        Self {
            input: format!("{}", Names(&termios.input_modes)),
            output: format!("{}", Names(&termios.output_modes)),
            control: format!("{}", Names(&termios.control_modes)),
            local: format!("{}", Names(&termios.local_modes)),
            characters: CHARACTERS.iter().map(|&index| termios.special_codes[index]).collect(),
        }
    }
}

/// A set of flags by their names, as `A | B`.
struct Names<'a, T>(&'a T);

impl<T: std::fmt::Debug> std::fmt::Display for Names<'_, T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:?}", self.0);
        // bitflags prints `Name(A | B)`.
        let inner = text.split_once('(').map_or(text.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        out.write_str(inner)
    }
}
