//! `wrap config`: the settings in force, and where each comes from.

use super::print;
use crate::cli::{ConfigArgs, SettingsFile};
use crate::config::{self, Loaded};
use crate::hooks::trust;
use crate::project;
use crate::render::visible;
use anyhow::Context;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

/// The schemas, which a test holds equal to the settings.
const USER_SCHEMA: &str = include_str!("../../schema/config.schema.json");
const PROJECT_SCHEMA: &str = include_str!("../../schema/wrap.schema.json");

/// Prints them for this directory; or a schema.
pub fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    if let Some(file) = args.schema {
        print(match file {
            SettingsFile::User => USER_SCHEMA,
            SettingsFile::Project => PROJECT_SCHEMA,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let cwd = std::env::current_dir().context("this directory is gone")?;
    let root = project::detect(&cwd, &[], &|name| std::env::var_os(name)).root;
    let loaded = trust::settings(&cwd, &root);
    for warning in &loaded.warnings {
        complain!("wrap: {warning}");
    }
    print(&if args.json { as_json(&loaded)? } else { as_lines(&loaded)? })?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(loaded: &Loaded) -> anyhow::Result<String> {
    let one = |setting: &config::Key| {
        let source = loaded.sources.get(setting.name);
        (setting.name.to_owned(), json!({ "value": setting.value(&loaded.config), "source": source }))
    };
    let all: Map<String, Value> = config::settings().iter().map(one).collect();
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// As a file would say it, with the source behind it.
fn as_lines(loaded: &Loaded) -> anyhow::Result<String> {
    let lines: Vec<(String, &str)> = config::settings()
        .iter()
        .map(|setting| {
            let value = match setting.value(&loaded.config) {
                Value::Null => format!("# {}", setting.name),
                value => format!("{} = {}", setting.name, toml_of(&value)),
            };
            (visible(&value), loaded.sources.get(setting.name).map_or("default", String::as_str))
        })
        .collect();
    // One long list does not push all sources out of sight.
    let width = lines.iter().map(|(value, _)| value.chars().count()).filter(|width| *width <= 50).max().unwrap_or(0);
    let mut text = String::new();
    for (value, source) in lines {
        writeln!(text, "{value:width$}  # {source}")?;
    }
    Ok(text)
}

fn toml_of(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let pairs = table.iter().map(|(name, value)| format!("{name} = {}", toml_of(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        // TOML's basic strings and numbers are JSON's.
        plain => plain.to_string(),
    }
}
