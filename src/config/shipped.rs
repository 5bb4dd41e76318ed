//! The hooks that ship with wrap, as a configuration names them.

use super::file::SHOWN;
use super::values::{PATHS, as_json};
use crate::error::meant;
use crate::files;
use serde_json::Value as Json;
use toml::de::DeValue;

/// The hooks that ship with wrap, by name.
pub const SHIPPED: [&str; 8] =
    ["docker-cleanup", "dotenv", "free-port", "log-errors", "notify", "open-browser", "slack", "wait-for"];

/// What an option of a shipped hook takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A text, or a list of them.
    TextOrTexts,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
}

impl Takes {
    /// In words, completing "is …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::TextOrTexts => "a text or a list of texts",
            Self::Number => "a number",
            Self::Bool => "true or false",
        }
    }

    fn fits(self, value: &Json) -> bool {
        let texts = || value.as_array().is_some_and(|list| list.iter().all(Json::is_string));
        match self {
            Self::Text => value.is_string(),
            Self::Texts => texts(),
            Self::TextOrTexts => value.is_string() || texts(),
            Self::Number => value.is_number(),
            Self::Bool => value.is_boolean(),
        }
    }
}

/// The options of each of [`SHIPPED`], in its order.
pub static OPTIONS: [&[(&str, Takes)]; SHIPPED.len()] = [
    &[("args", Takes::Texts)],
    &[("files", Takes::Texts), ("override", Takes::Bool)],
    &[("port", Takes::Number)],
    &[("pattern", Takes::Text), ("file", Takes::Text)],
    &[("on", Takes::Texts)],
    &[("path", Takes::Text)],
    &[("url", Takes::Text), ("lines", Takes::Number)],
    &[("target", Takes::TextOrTexts), ("seconds", Takes::Number), ("required", Takes::Bool)],
];

/// A hook that ships with wrap, and what it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// One of [`SHIPPED`].
    pub name: String,
    /// Its options, an object.
    pub options: Json,
}

/// Names, or tables with a name and options beside it. The error is what is wrong with one of them, which is left out.
pub(super) fn hooks(value: &DeValue) -> Option<Vec<Result<Named, String>>> {
    let list = value.as_array().filter(|list| list.len() <= PATHS)?;
    Some(list.iter().map(|one| hook(one.get_ref())).collect())
}

fn hook(value: &DeValue) -> Result<Named, String> {
    let whole = as_json(value, 0);
    let (name, options) = match whole {
        Some(Json::String(name)) => (name, serde_json::Map::new()),
        Some(Json::Object(mut options)) => match options.remove("name") {
            Some(Json::String(name)) => (name, options),
            _ => return Err("a table in `hooks` has a `name`, which is a text".to_owned()),
        },
        _ => return Err("`hooks` has names, or tables with a name".to_owned()),
    };
    let shown = files::printable(&name, SHOWN);
    let Some(at) = SHIPPED.iter().position(|known| **known == *name) else {
        let meant = meant(&name, SHIPPED).map(|known| format!("did you mean `{known}`? ")).unwrap_or_default();
        return Err(format!("no hook `{shown}` ships with wrap: {meant}there are `{}`", SHIPPED.join("`, `")));
    };
    for (option, value) in &options {
        let known = OPTIONS[at].iter().find(|(known, _)| known == option);
        let option = files::printable(option, SHOWN);
        match known {
            None => {
                let all: Vec<&str> = OPTIONS[at].iter().map(|(known, _)| *known).collect();
                return Err(format!("hook `{shown}` has no option `{option}`: there are `{}`", all.join("`, `")));
            }
            Some((_, takes)) if !takes.fits(value) => {
                return Err(format!("hook `{shown}`: `{option}` is {}", takes.words()));
            }
            Some(_) => {}
        }
    }
    Ok(Named { name, options: Json::Object(options) })
}
