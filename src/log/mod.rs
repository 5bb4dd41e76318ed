//! What a command printed, kept on disk: one log per instance, in the format of the Kubernetes container runtimes.
//!
//! The keeper writes it ([`Writer`]); verbs and the keeper's routes read it ([`Reader`], [`Follow`]).

mod cri;
mod follow;
mod join;
pub mod lines;
mod output;
mod reader;
pub mod store;
mod tail;
#[cfg(test)]
mod tests;
pub mod when;
mod writer;

pub use follow::Follow;
pub use join::Line;
pub use reader::{Reader, tail};
pub use store::path_of;
pub use writer::{LIMIT, Writer};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The longest text of one record. It bounds what is held of an unfinished line for each stream, and what a reader must
/// hold to see a record whole; a pipe holds as much.
const MAX_RECORD: usize = 64 * 1024;

/// The longest line that is kept. Minified bundles and data URLs have hundreds of kilobytes; what is longer is no text,
/// or a full-screen program, which never ends a line.
const MAX_LINE: usize = 1024 * 1024;

/// What ends a line that was longer than that.
const CUT: &str = " … [cut by wrap: the line is longer than 1 MiB]";

/// Where the older half of a log is.
fn rotated(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    PathBuf::from(name)
}
