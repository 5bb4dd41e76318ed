//! `wrap detach`: every terminal of an instance gets its prompt back, and the instance runs on.

use super::instance::{self, ANSWER, title};
use super::print;
use crate::api::Method;
use crate::cli::TargetArgs;
use anyhow::Context;
use std::process::ExitCode;

/// Detaches all clients.
pub fn run(args: &TargetArgs) -> anyhow::Result<ExitCode> {
    let entry = match instance::live(&args.target) {
        Ok(entry) => entry,
        Err(code) => return Ok(code),
    };
    let failed = || format!("cannot detach {}", title(&entry));
    let response = instance::ask(&entry, Method::POST, "detach", None, ANSWER).with_context(failed)?;
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match answer["detached"].as_u64() {
        Some(0) => print(&format!("{} has no terminal attached\n", title(&entry)))?,
        _ => print(&format!("detached {}, which runs on\n", title(&entry)))?,
    }
    Ok(ExitCode::SUCCESS)
}
