//! `wrap screen`: what an instance shows.

use super::instance::{self, ANSWER, title};
use super::print;
use crate::api::Method;
use crate::cli::ScreenArgs;
use crate::render::visible_lines;
use anyhow::Context;
use std::process::ExitCode;

/// Prints it.
pub fn run(args: &ScreenArgs) -> anyhow::Result<ExitCode> {
    let entry = match instance::live(&args.target) {
        Ok(entry) => entry,
        Err(code) => return Ok(code),
    };
    let format = match (args.ansi, args.html) {
        (true, _) => "ansi",
        (_, true) => "html",
        _ => "text",
    };
    let failed = || format!("there is no screen of {}", title(&entry));
    let what = format!("screen?format={format}");
    let response = instance::ask(&entry, Method::GET, &what, None, ANSWER).with_context(failed)?;
    if args.html {
        print("<!doctype html>\n<meta charset=\"utf-8\">\n")?;
    }
    let screen = String::from_utf8_lossy(&response.body);
    // Who answers may be no keeper of ours: what is to be text is shown as text.
    print(&if args.ansi { screen.into_owned() } else { visible_lines(&screen) })?;
    Ok(ExitCode::SUCCESS)
}
