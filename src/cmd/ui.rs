//! `wrap ui`: the control center's page in the browser, signed in.

use super::center::{detach, port, why};
use super::print;
use crate::center::{Center, Unable};
use crate::cli::UiArgs;
use crate::ping;
use crate::registry::center::{Listening, running};
use crate::sys::desktop::{self, Opened};
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long the control center may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Link {
    url: String,
    file: Option<String>,
}

/// Finds or starts the control center, and opens a link that signs in.
pub fn run(args: &UiArgs) -> anyhow::Result<ExitCode> {
    let (listening, token) = match running() {
        Some(found) => found,
        None => begin()?,
    };
    // The token goes to nobody else, whoever has taken the port meanwhile.
    if !ping::is_ours(&listening.url) {
        bail!("another user listens on `{}`: nothing was sent to it", listening.url);
    }
    let request = ping::agent(ANSWER).post(format!("{}/api/session/link", listening.url));
    let mut response = request
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "application/json")
        .send(json!({ "file": !args.print }).to_string())
        .with_context(|| format!("the control center at `{}` does not answer", listening.url))?;
    if response.status() != 200 {
        bail!(
            "the control center at `{}` answered {}; `wrap center --stop` ends it, `wrap ui` starts another",
            listening.url,
            response.status()
        );
    }
    let link: Link = serde_json::from_str(&response.body_mut().read_to_string()?)?;
    // A browser's arguments are for every user of the machine to read: it gets the name of a file that is not.
    let open = |file: String| desktop::open(format!("file://{file}").as_ref(), &Command::spawn);
    let opened = link.file.is_some_and(|file| !matches!(open(file), Opened::No));
    print(&if opened { format!("opened {}\n", listening.url) } else { format!("{}\n", link.url) })?;
    Ok(ExitCode::SUCCESS)
}

/// Starts one in the background.
fn begin() -> anyhow::Result<(Listening, String)> {
    let port = port();
    match Center::open(port, Vec::new()) {
        Ok(center) => drop(detach(center)?),
        // Somebody was faster.
        Err(Unable::Runs(_)) => {}
        Err(unable) => bail!("{}", why(&unable, port)),
    }
    running().context("the control center has ended again")
}
