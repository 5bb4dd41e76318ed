//! The errors of the lower floors: each says what happened, with the value in backticks, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong below the verbs. Its `Display` is the whole sentence that a user reads after `wrap: `.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read, written, made or removed.
    #[error("cannot {doing} `{}`: {}", path.display(), reason(source))]
    File {
        /// The verb, as in "cannot `read` …".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory that others could write to, or that is not what it seems, is not used.
    #[error("`{}` is not safe to use: {why}; remove it, or set WRAP_DIR to a directory of your own", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A system call failed that has no file to name.
    #[error("cannot {doing}: {}", reason(source))]
    System {
        /// The verb and its object, as in "cannot `open a PTY`".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else, as a whole sentence.
    #[error("{0}")]
    Message(String),
}

impl Error {
    /// A [`Error::File`]; `doing` is the verb of "cannot … `path`".
    pub fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }

    /// A [`Error::System`]; `doing` completes "cannot …". Takes rustix's errno as well as std's error.
    pub fn system(doing: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System { doing, source: source.into() }
    }
}

/// The system's sentence without Rust's "(os error 2)" behind it, which tells a user nothing.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
