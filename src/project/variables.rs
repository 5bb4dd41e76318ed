//! The variables of compose files: `$NAME`, `${NAME:-else}` and their kin, from the environment and `.env`.

use super::Env;
use crate::files::{self, MANIFEST_BYTES};
use std::collections::HashMap;
use std::path::Path;

/// Characters of a text that is expanded, and of each value put into it. Ports and names are far shorter; and the
/// nesting of `${A:-${B:-…}}`, which recurses, is bounded with it.
const EXPANDED: usize = 500;

/// What a compose file can refer to.
pub(super) struct Variables<'a> {
    env: Env<'a>,
    file: HashMap<String, String>,
}

impl<'a> Variables<'a> {
    /// The environment, and below it the `.env` in the project's directory.
    pub fn new(dir: &Path, env: Env<'a>) -> Self {
        let text = files::read_bounded(&dir.join(".env"), MANIFEST_BYTES).ok().flatten().unwrap_or_default();
        Self { env, file: text.lines().filter_map(setting).collect() }
    }

    /// The value of one variable.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.env)(name).and_then(|value| value.into_string().ok()).or_else(|| self.file.get(name).cloned())
    }

    /// The text with its variables replaced; one that is not set is empty, as for compose.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        if text.len() > EXPANDED {
            return expanded;
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                expanded.push('$');
                rest = after;
            } else if let Some((inner, after)) = after.strip_prefix('{').and_then(braced) {
                expanded.push_str(&self.operation(inner));
                rest = after;
            } else {
                let (name, after) = split_name(after);
                expanded.push_str(&self.value(name).unwrap_or_default());
                rest = after;
            }
        }
        expanded + rest
    }

    /// What stands between the braces: a name alone, or with `-else`, `+instead`, `?complaint`, each also behind
    /// a colon, which takes an empty value for none.
    fn operation(&self, inner: &str) -> String {
        let (name, operation) = split_name(inner);
        let value = self.value(name);
        let (value, operation) = match operation.strip_prefix(':') {
            Some(operation) => (value.filter(|value| !value.is_empty()), operation),
            None => (value, operation),
        };
        if let Some(fallback) = operation.strip_prefix('-') {
            value.unwrap_or_else(|| self.expand(fallback))
        } else if let Some(instead) = operation.strip_prefix('+') {
            value.map(|_| self.expand(instead)).unwrap_or_default()
        } else {
            value.unwrap_or_default()
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(self.get(name)?.chars().take(EXPANDED).collect())
    }
}

/// Splits behind the name of a variable at the start of `text`.
fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// Splits `text`, which follows `${`, around the brace that closes it.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// `NAME=value` of a `.env`. References to other variables in a value stay as they are: chains of them could grow
/// without bound.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || !split_name(name).1.is_empty() {
        return None;
    }
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.split_once(*quote));
    let value = match quoted {
        Some((value, _)) => value,
        // A comment starts at a `#` with a blank before it.
        None => value.split(" #").next()?.trim_end(),
    };
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, env};
    use super::*;

    #[test]
    fn every_form_is_expanded() {
        let tree = Fixture::new(&[]);
        let env = env(&[("A", "1"), ("EMPTY", ""), ("LONG", &"x".repeat(10_000))]);
        let variables = Variables::new(&tree.path(""), &env);
        for (text, expanded) in [
            ("$A:${A}", "1:1"),
            ("$$A ${NO}|$NO|", "$A ||"),
            ("${NO:-8080}:80", "8080:80"),
            ("${EMPTY:-2}${EMPTY-3}${NO-4}", "24"),
            ("${NO:-${EMPTY:-${A}0}}1", "101"),
            ("${A:+5}${EMPTY:+6}${EMPTY+7}${A:?no}${NO?no}", "571"),
            ("${A", "{A"),
            ("100$", "100"),
        ] {
            assert_eq!(variables.expand(text), expanded, "{text}");
        }
        assert_eq!(variables.expand("$LONG").len(), EXPANDED);
        assert_eq!(variables.expand(&"${A:-".repeat(100_000)), "");
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let text = "# c\nA=file\nexport B = 'b #1' # c\nC=c#1 # c\nD=\"d\"\nnot a line\nE\n=x\n";
        let tree = Fixture::new(&[(".env", text)]);
        let env = env(&[("A", "env")]);
        let variables = Variables::new(&tree.path(""), &env);
        let values = ["A", "B", "C", "D", "E"].map(|name| variables.get(name).unwrap_or_default());
        assert_eq!(values, ["env", "b #1", "c#1", "d", ""]);
    }
}
