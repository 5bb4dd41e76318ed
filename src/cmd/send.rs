//! `wrap send`: types into an instance without being attached.

use super::instance::{self, path, title};
use super::{TIMED_OUT, print};
use crate::api::{self, Method};
use crate::cli::SendArgs;
use crate::log::lines::plain;
use crate::registry::entry::Entry;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::io::Read;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use uuid::Uuid;

/// How long one attempt may take …
const ATTEMPT: Duration = Duration::from_millis(350);
/// … and how long to wait before the next two: a keeper that is busy is so for a moment.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(150)];

/// Text from standard input: a longer one is a file to be read by the command itself.
const MAX_TEXT: u64 = 1024 * 1024;

/// Sends the text, then the keys.
pub fn run(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let mut parts = Vec::new();
    if !args.text.is_empty() {
        parts.push(body_of(args)?);
    }
    parts.extend(args.key.iter().map(|key| json!({ "key": key })));
    let entry = match instance::live(&args.target) {
        Ok(entry) => entry,
        Err(code) => return Ok(code),
    };
    for part in parts {
        let arrived = send(&entry, part).with_context(|| format!("cannot send to {}", title(&entry)))?;
        if !arrived {
            if args.json {
                print("{\"arrived\":false}\n")?;
            }
            complain!("wrap: {} does not read its input; what was sent waits until it does", title(&entry));
            return Ok(ExitCode::from(TIMED_OUT));
        }
    }
    print(&if args.json { "{\"arrived\":true}\n".to_owned() } else { format!("sent to {}\n", title(&entry)) })?;
    Ok(ExitCode::SUCCESS)
}

/// What is typed, as the keeper takes it.
fn body_of(args: &SendArgs) -> anyhow::Result<Value> {
    let text = if args.text == ["-"] {
        let mut bytes = Vec::new();
        std::io::stdin().take(MAX_TEXT + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
        if bytes.len() as u64 > MAX_TEXT {
            bail!("standard input has more than {MAX_TEXT} bytes; let the command read a file");
        }
        String::from_utf8(bytes).context("standard input is not UTF-8, and only text can be sent")?
    } else {
        args.text.join(" ")
    };
    if !args.no_newline {
        return Ok(json!({ "line": text, "raw": args.raw }));
    }
    let data = if args.raw {
        text
    } else {
        text.split('\n').map(|line| plain(line.as_bytes())).collect::<Vec<_>>().join("\n")
    };
    Ok(json!({ "data": data }))
}

/// Tries three times, which the id makes one: whether it arrived.
fn send(entry: &Entry, mut body: Value) -> anyhow::Result<bool> {
    body["id"] = Uuid::new_v4().to_string().into();
    let body = serde_json::to_vec(&body)?;
    let mut last = None;
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        match api::call(entry, Method::POST, &path(entry, "input"), Some(body.clone()), ATTEMPT) {
            Ok(response) if response.status == 200 => return Ok(true),
            Ok(response) if response.status == 202 => last = None,
            Ok(response) if response.status == 503 => last = Some(anyhow::anyhow!("{}", response.refusal())),
            // It will not say anything else the next time.
            Ok(response) => bail!("{}", response.refusal()),
            Err(error) => last = Some(error.into()),
        }
        if let Some(pause) = pause {
            thread::sleep(pause);
        }
    }
    last.map_or(Ok(false), Err)
}
