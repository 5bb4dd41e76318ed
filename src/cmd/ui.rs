//! `wrap ui`: the control center's page in the browser, signed in.

use super::center::{detach, port, why};
use super::print;
use crate::center::{Center, Unable};
use crate::cli::UiArgs;
use crate::ping;
use crate::registry::center::{Listening, running};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// How long the control center may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What opens a page on this kind of system, the first that is there.
const OPENERS: [&str; 3] = ["xdg-open", "open", "wslview"];

#[derive(Deserialize)]
struct Link {
    url: String,
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
        .send_empty()
        .with_context(|| format!("the control center at `{}` does not answer", listening.url))?;
    if response.status() != 200 {
        bail!("the control center at `{}` answered {}", listening.url, response.status());
    }
    let link: Link = serde_json::from_str(&response.body_mut().read_to_string()?)?;
    if args.print || !open(&link.url) {
        print(&format!("{}\n", link.url))?;
    } else {
        print(&format!("opened {}\n", listening.url))?;
    }
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

/// Hands the link to the desktop; `false` where there is none. BROWSER, as other tools read it, comes first.
fn open(url: &str) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let browser = set("BROWSER");
    let has_desktop = cfg!(not(unix)) || set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some();
    let openers = OPENERS.map(Into::into);
    let openers = if has_desktop || browser.is_some() { &openers[..] } else { &openers[1..] };
    browser.iter().chain(openers).any(|opener| {
        let mut command = Command::new(opener);
        let quiet = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    })
}
