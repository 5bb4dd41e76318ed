//! `wrap center`: every instance on one page, and over one API.

use super::print;
use crate::center::{Center, PORT, Unable};
use crate::cli::CenterArgs;
use crate::config::{self, Center as Configured};
use crate::config::{Loaded, NOT_TRUSTED};
use crate::error::Error;
use crate::registry::center::{Listening, running};
use crate::render::visible;
use crate::sys::process::{self, Handle};
use crate::sys::{inherited, spawn};
use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// How long one that was asked to end may take: its streams have two seconds.
const ENDS: Duration = Duration::from_secs(5);

/// Serves until it is ended, or says who does.
pub fn run(args: CenterArgs) -> anyhow::Result<ExitCode> {
    if args.stop {
        return stop();
    }
    let port = args.port.unwrap_or_else(port);
    let center = match Center::open(port, args.allowed_origin) {
        Ok(center) => center,
        Err(Unable::Runs(listening)) => {
            print(&format!("a control center runs already: {} (pid {})\n", listening.url, listening.pid))?;
            if args.port.is_some_and(|port| port != listening.port && port != 0) {
                complain!("wrap: it stays on port `{}`; end it with `wrap center --stop` for another", listening.port);
            }
            return Ok(ExitCode::SUCCESS);
        }
        Err(unable) => bail!("{}", why(&unable, port)),
    };
    if args.detach {
        let listening = detach(center)?;
        print(&said(&listening))?;
    } else {
        center.run(|listening| {
            // Whoever reads it may be gone; it still serves.
            let _ = print(&said(listening));
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn said(listening: &Listening) -> String {
    format!("control center: {} (pid {}); `wrap ui` opens it signed in\n", listening.url, listening.pid)
}

/// The port of the configuration, else the usual one.
pub(super) fn port() -> u16 {
    let Loaded { config, warnings, .. } = config::load(None, NOT_TRUSTED);
    for warning in warnings {
        complain!("wrap: {warning}");
    }
    match config.center {
        Configured::Url(url) => url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(PORT),
        Configured::Default | Configured::Off => PORT,
    }
}

/// Why there is none, and what to do about it.
pub(super) fn why(unable: &Unable, port: u16) -> String {
    match unable {
        Unable::Runs(listening) => format!("a control center runs already: {}", listening.url),
        Unable::Failed(error) => error.to_string(),
        Unable::Busy(holder) => {
            let whose = holder.as_ref().map_or_else(
                || "a process of another user".to_owned(),
                |one| {
                    let words: Vec<String> =
                        process::arguments(one.pid).iter().map(|word| word.to_string_lossy().into_owned()).collect();
                    let command = if words.is_empty() { one.name.clone() } else { words.join(" ") };
                    format!("`{}` (pid {})", visible(&command), one.pid)
                },
            );
            format!("port `{port}` is in use by {whose}; end that, or choose another with `wrap center --port PORT`")
        }
    }
}

/// Has it run in a process of its own, and returns when that listens.
pub(super) fn detach(center: Center) -> anyhow::Result<Listening> {
    let (mut read, write) = pipe_with(PipeFlags::CLOEXEC)
        .map(|(read, write)| (File::from(read), File::from(write)))
        .map_err(|error| Error::system("make a pipe", error))?;
    let descriptors = inherited::descriptors();
    // Forked before there is any other thread; it leads a session of its own, so that no key and no closed terminal means
    // it.
    let child = move || {
        inherited::close(&descriptors);
        inherited::replace_by_null(&[1, 2]);
        // Where it was started may be unmounted or removed.
        let _ = std::env::set_current_dir("/");
        let mut report = Some(write);
        let tell = |listening: &Listening| {
            if let Some(mut report) = report.take() {
                let _ = report.write_all(&serde_json::to_vec(listening).unwrap_or_default());
            }
        };
        match center.run(tell) {
            Ok(()) => 0,
            Err(error) => {
                let _ = report.map(|mut report| report.write_all(error.to_string().as_bytes()));
                1
            }
        }
    };
    spawn::fork(true, std::panic::AssertUnwindSafe(child)).map_err(|error| Error::system("start it", error))?;
    let mut report = Vec::new();
    read.read_to_end(&mut report).context("the control center did not say what became of it")?;
    serde_json::from_slice(&report).map_err(|_| {
        let why = String::from_utf8_lossy(&report);
        anyhow::anyhow!("{}", if why.is_empty() { "the control center ended at once".into() } else { visible(&why) })
    })
}

fn stop() -> anyhow::Result<ExitCode> {
    let Some((listening, _)) = running() else {
        print("no control center runs\n")?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(handle) = Handle::open(listening.pid, listening.pid_token)? {
        handle.signal(Signal::TERM)?;
        let limit = Timespec::try_from(ENDS).unwrap_or(Timespec { tv_sec: 5, tv_nsec: 0 });
        if poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&limit))? == 0 {
            let (pid, seconds) = (listening.pid, ENDS.as_secs());
            bail!("the control center has not ended within {seconds} s; `kill -9 {pid}` ends it, no command needs it");
        }
    }
    print(&format!("stopped the control center (pid {})\n", listening.pid))?;
    Ok(ExitCode::SUCCESS)
}
