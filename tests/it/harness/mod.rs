//! A small harness of our own: a sandbox of directories and environment, real terminals, pipes, and waits for
//! events. Nothing here sleeps for a fixed time; every wait has a deadline and says what it was waiting for.

mod browser;
mod center;
mod changes;
mod ending;
mod instances;
mod launch;
mod leader;
mod modes;
mod piped;
mod process;
mod sandbox;
mod server;
mod signals;
mod terminal;
mod text;
mod watched;

pub use browser::Browser;
pub use center::{Center, Event, Events};
pub use ending::{Change, Ending};
pub use instances::Instance;
pub use launch::Launch;
pub use modes::Modes;
pub use piped::{Finished, Piped};
pub use process::{Marked, ended_within, is_running, signal, wait_gone};
pub use sandbox::PROMPT;
pub use sandbox::Sandbox;
pub use server::Server;
pub use terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Terminal};

use std::time::Duration;

/// How long a wait lasts before it fails. Generous: machines are shared, and a test that passes never waits it out.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long after the end of a test its processes may still be on their way out: the grace after a closed
/// terminal is 5 s, and a loaded machine needs some more.
pub const LEAVING: Duration = Duration::from_secs(12);

/// What a wait re-checks by where the thing waited for has no event: health is worked out when it is asked for, so
/// a keeper that dies or hangs changes no file.
pub const RECHECK: Duration = Duration::from_millis(100);
