//! The manifests as one table: the files of each kind, and how their name is read.

use super::{Found, Kind, compose, package_json};
use crate::files::{self, MANIFEST_BYTES};
use std::path::PathBuf;

/// One kind of manifest.
pub(super) struct Manifest {
    pub kind: Kind,
    /// Its names, the preferred one first.
    pub files: &'static [&'static str],
    /// The project's name in its text.
    name: fn(&str) -> Option<String>,
}

/// json5 recurses without a bound, so its depth is bounded by the brackets in the file, which no deno.json has more
/// of. A recursion of this depth needs a tenth of a thread's stack.
const BRACKETS: usize = 2000;

/// Every manifest. Where several stand side by side and the command is about none of them, the first counts: what
/// is written in a language before what only starts it.
static MANIFESTS: &[Manifest] = &[
    Manifest { kind: Kind::PackageJson, files: &["package.json"], name: package_json::name },
    Manifest { kind: Kind::Deno, files: DENO_FILES, name: deno_name },
    Manifest { kind: Kind::Cargo, files: &["Cargo.toml"], name: cargo_name },
    Manifest { kind: Kind::Pyproject, files: &["pyproject.toml"], name: pyproject_name },
    Manifest { kind: Kind::Go, files: &["go.mod"], name: go_name },
    Manifest { kind: Kind::Mix, files: &["mix.exs"], name: mix_name },
    Manifest { kind: Kind::Ruby, files: &["Gemfile"], name: |_| None },
    Manifest { kind: Kind::DockerCompose, files: compose::FILES, name: compose::name },
    Manifest { kind: Kind::Procfile, files: &["Procfile"], name: |_| None },
];

/// deno's own order.
pub(super) static DENO_FILES: &[&str] = &["deno.json", "deno.jsonc"];

/// The first manifest that `wanted` takes in the nearest of `dirs` that has one. One that cannot be read is there
/// all the same, but nameless.
pub(super) fn nearest(dirs: &[PathBuf], wanted: impl Fn(&Manifest) -> bool) -> Option<Found> {
    dirs.iter().find_map(|dir| {
        MANIFESTS.iter().filter(|manifest| wanted(manifest)).find_map(|manifest| {
            let path = manifest.files.iter().map(|file| dir.join(file)).find(|path| path.exists())?;
            let text = files::read_bounded(&path, MANIFEST_BYTES).ok().flatten();
            let name = text.and_then(|text| (manifest.name)(&text)).and_then(|name| files::name(&name));
            Some(Found { kind: manifest.kind, root: dir.clone(), name, ports: Vec::new() })
        })
    })
}

/// deno.json is JSON with comments.
pub(super) fn deno(text: &str) -> Option<serde_json::Value> {
    let brackets = text.bytes().filter(|byte| b"[{".contains(byte)).count();
    if brackets > BRACKETS { None } else { json5::from_str(text).ok() }
}

fn deno_name(text: &str) -> Option<String> {
    Some(deno(text)?.get("name")?.as_str()?.to_owned())
}

fn cargo_name(text: &str) -> Option<String> {
    toml_text(text, &["package", "name"])
}

fn pyproject_name(text: &str) -> Option<String> {
    toml_text(text, &["project", "name"]).or_else(|| toml_text(text, &["tool", "poetry", "name"]))
}

fn toml_text(text: &str, keys: &[&str]) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let mut value = table.get(*keys.first()?)?;
    for key in &keys[1..] {
        value = value.get(key)?;
    }
    Some(value.as_str()?.to_owned())
}

/// The last element of the module's path; a major version behind it (`/v2`) is none.
fn go_name(text: &str) -> Option<String> {
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module")?.split("//").next())?;
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
    let last = module.trim().trim_matches('"').rsplit('/').find(|part| !is_version(part))?;
    Some(last.to_owned())
}

/// `app: :name` where it stands there as such; mix.exs is a program, and anything else would mean running it.
fn mix_name(text: &str) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(|line| {
        let (before, after) = line.split_once("app: :")?;
        let name: String = after.chars().take_while(|c| is_word(*c)).collect();
        (!before.ends_with(is_word)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_each_kind_keeps_them() {
        let read = |name: Option<String>, expected: Option<&str>| assert_eq!(name.as_deref(), expected);
        read(cargo_name("[package]\nname = 'x'\nversion.workspace = true"), Some("x"));
        read(cargo_name("[workspace]\nmembers = []"), None);
        read(pyproject_name("[project]\nname = 'a'\n[tool.poetry]\nname = 'b'"), Some("a"));
        read(pyproject_name("[tool.poetry]\nname = 'b'"), Some("b"));
        read(go_name("// x\nmodule example.com/shop/api/v2 // why\n\ngo 1.22\n"), Some("api"));
        read(go_name("module \"solo\""), Some("solo"));
        read(mix_name("  # app: :old\n  [app: :shop_web, version: 1]"), Some("shop_web"));
        read(mix_name("[otherapp: :x]\napp: @app"), None);
        read(deno_name("{ // jsonc\n \"name\": \"@a/b\", }"), Some("@a/b"));
    }

    #[test]
    fn deep_json5_stops_before_the_stack_does() {
        assert!(deno(&"[".repeat(BRACKETS + 1)).is_none());
        let nested = format!("{}{}", "[".repeat(BRACKETS), "]".repeat(BRACKETS));
        assert!(deno(&nested).is_some_and(|value| value.is_array()));
    }
}
