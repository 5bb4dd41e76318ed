//! The errors of the lower floors: each says what happened, with the value in backticks, and what to do next.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong below the verbs. Its `Display` is the whole sentence that a user reads after `wrap: `.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read, written, made or removed.
    #[error("cannot {doing} `{}`: {}", path.display(), reason(cause))]
    File {
        /// The verb, as in "cannot `read` …".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
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
    #[error("cannot {doing}: {}", reason(cause))]
    System {
        /// The verb and its object, as in "cannot `open a PTY`".
        doing: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// Anything else, as a whole sentence.
    #[error("{0}")]
    Message(String),
}

impl Error {
    /// A [`Error::File`]; `doing` is the verb of "cannot … `path`".
    pub fn file(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), cause }
    }

    /// A [`Error::System`]; `doing` completes "cannot …". Takes rustix's errno as well as std's error.
    pub fn system(doing: &'static str, cause: impl Into<io::Error>) -> Self {
        Self::System { doing, cause: cause.into() }
    }
}

/// How alike two words must be for one to be taken as a slip of the other (0 to 1, Jaro-Winkler): a swapped, missing or
/// doubled letter, and not a word that means something else.
const ALIKE: f64 = 0.8;

/// The known word that a misspelt one is most like, for a "did you mean".
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let all = known.into_iter().map(|known| (strsim::jaro_winkler(word, known), known));
    all.filter(|(alike, _)| *alike >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

/// The system's sentence without Rust's "(os error 2)" behind it, which tells a user nothing.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// What a shell would say and exit with where a command cannot be started: 127 where it is not found, 126 where it
/// is found and cannot be run (sh's rule; POSIX, Shell Command Language, 2.8.2). A script whose interpreter is missing is
/// 127 to dash, bash and zsh: ENOENT is all that they look at.
pub fn not_started(program: &OsStr, error: &io::Error) -> (u8, String) {
    let name = program.display();
    let found = locate(program);
    match (error.kind(), found) {
        (io::ErrorKind::NotFound, Some(path)) => {
            (127, format!("cannot run `{}`: the interpreter in its first line does not exist", path.display()))
        }
        (io::ErrorKind::NotFound, None) if program.as_encoded_bytes().contains(&b'/') => {
            (127, format!("no such file: `{name}`"))
        }
        (io::ErrorKind::NotFound, None) => (127, format!("command not found: `{name}`")),
        (_, Some(path)) if path.is_dir() => (126, format!("cannot run `{name}`: it is a directory")),
        _ => (126, format!("cannot run `{name}`: {}", reason(error))),
    }
}

/// The file that a shell would run for this name, executable or not.
fn locate(program: &OsStr) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.exists())
}
