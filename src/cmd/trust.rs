//! `wrap trust`: whether a project's own hooks may run.

use super::print;
use crate::cli::TrustArgs;
use crate::config::PROJECT_FILE;
use crate::error::reason;
use crate::hooks::trust::{Bundle, DIRECTORY, Standing, Store, Word};
use crate::project;
use crate::render::visible;
use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Takes the user's word down, shows what it is about, or takes it back.
pub fn run(args: &TrustArgs) -> anyhow::Result<ExitCode> {
    let store = Store::ours().context("there is no HOME to keep your word in; set HOME or XDG_STATE_HOME")?;
    if args.list {
        return list(&store, args.json);
    }
    if args.prune {
        let gone = store.retain(|word| how(word) == How::Trusted)?;
        print(&format!("forgot {gone}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = root(args.dir.as_deref())?;
    if args.revoke {
        return revoke(&store, &root);
    }
    let Some(bundle) = Bundle::read(&root).map_err(|why| anyhow!("nothing is trusted: {why}"))? else {
        print(&format!(
            "`{}` brings nothing that would run (no `{DIRECTORY}/`, and nothing in a `{PROJECT_FILE}` that asks for it)\n",
            shown(&root)
        ))?;
        return Ok(ExitCode::SUCCESS);
    };
    if args.show {
        return show(&store, &bundle);
    }
    let said = store.trust(bundle.word())?;
    if let Some(said) = said {
        complain!("wrap: {said}");
    }
    let mut text = format!("trusted `{}`, as it is now:\n", shown(bundle.root()));
    for item in bundle.files() {
        writeln!(text, "  {} ({} bytes)", visible(&item.name), item.bytes.len())?;
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The project that a directory is in: that whose hooks would run for a command there.
fn root(dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("this directory is gone")?;
    let dir = dir.map_or_else(|| here.clone(), |dir| here.join(dir));
    let dir = dir.canonicalize().map_err(|error| anyhow!("cannot find `{}`: {}", shown(&dir), reason(&error)))?;
    let root = project::detect(&dir, &[], &|name| std::env::var_os(name)).root;
    if root != dir && dir.join(DIRECTORY).symlink_metadata().is_ok() {
        // What is trusted must be what runs.
        let (dir, root) = (shown(&dir), shown(&root));
        bail!(
            "`{dir}/{DIRECTORY}` is never run: the project there is `{root}`, so put it there, or a manifest into `{dir}`"
        );
    }
    Ok(root)
}

fn revoke(store: &Store, root: &Path) -> anyhow::Result<ExitCode> {
    if store.retain(|word| word.path != root)? == 0 {
        bail!("`{}` was not trusted; `wrap trust --list` shows what is", shown(root));
    }
    print(&format!("`{}` is not trusted any more\n", shown(root)))?;
    Ok(ExitCode::SUCCESS)
}

/// Every file with its text, in which nothing acts on the terminal.
fn show(store: &Store, bundle: &Bundle) -> anyhow::Result<ExitCode> {
    let standing = match store.standing(bundle) {
        Ok(Standing::Trusted) => "trusted".to_owned(),
        Ok(Standing::Unknown) => "not trusted".to_owned(),
        Ok(Standing::Changed) => "changed since it was trusted".to_owned(),
        Err(why) => why,
    };
    let mut text = format!("{}: {standing}\n", shown(bundle.root()));
    for item in bundle.files() {
        writeln!(text, "\n--- {}", visible(&item.name))?;
        for line in String::from_utf8_lossy(&item.bytes).lines() {
            writeln!(text, "{}", line.split('\t').map(visible).collect::<Vec<_>>().join("\t"))?;
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What has become of what was trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum How {
    /// It is what it was.
    Trusted,
    /// It is something else: it does not run.
    Changed,
    /// There is nothing any more.
    Gone,
}

fn how(word: &Word) -> How {
    match Bundle::read(&word.path) {
        Ok(Some(bundle)) if bundle.word().digest == word.digest => How::Trusted,
        Ok(None) => How::Gone,
        _ => How::Changed,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(flatten)]
    word: &'a Word,
    standing: How,
}

fn list(store: &Store, json: bool) -> anyhow::Result<ExitCode> {
    let all = store.all().map_err(|why| anyhow!(why))?;
    if json {
        let listed: Vec<Listed> = all.iter().map(|word| Listed { word, standing: how(word) }).collect();
        print(&(serde_json::to_string_pretty(&listed)? + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for word in &all {
        let since = i64::try_from(word.since).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let since = since.map_or_else(String::new, |time| {
            time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
        });
        let standing = match how(word) {
            How::Trusted => "",
            How::Changed => "  changed: does not run",
            How::Gone => "  gone",
        };
        writeln!(text, "{since}  {}{standing}", shown(&word.path))?;
    }
    if all.is_empty() {
        text.push_str("nothing is trusted\n");
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}
