//! The values of the settings files: what people write, made into what is meant; `None` where it is not of that kind.

use super::Center;
use crate::files;
use crate::paths::home;
use serde_json::Value as Json;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// Seconds that a time may have: a day. More is a slip, and would overflow a timer somewhere.
const SECONDS: f64 = 86_400.0;
/// The longest path of a request: servers and proxies refuse lines of more than 8 KiB, and nobody types a tenth of it.
const REQUEST_BYTES: usize = 1024;
/// The longest list of paths. Each is read at the start of a run and by every listing; people have two or three.
pub(super) const PATHS: usize = 32;

/// What an alias is, completing "… is".
pub const ALIAS_TAKES: &str = "a name of letters, digits, `-` and `_`, and one line of a command";

/// An alias, or why the shells could not take it.
pub fn alias(name: &str, command: &str) -> Result<(String, String), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_name = !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
    let is_line = !command.trim().is_empty() && !command.contains(char::is_control);
    if !(is_name && is_line) {
        return Err(format!("it takes {ALIAS_TAKES}"));
    }
    // It becomes a part of what the shell reads at its start, and everything behind it would be within the quotes.
    if shlex::split(command).is_none() {
        return Err("a quote in it has no end".to_owned());
    }
    Ok((name.to_owned(), command.to_owned()))
}

pub(super) fn name(value: &DeValue) -> Option<String> {
    value.as_str().and_then(files::name)
}

pub(super) fn text(value: &DeValue) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What a request line can hold as its target.
pub(super) fn request_path(value: &DeValue) -> Option<String> {
    let path = text(value)?;
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains('#');
    (path.starts_with('/') && is_plain && path.len() <= REQUEST_BYTES).then_some(path)
}

pub(super) fn paths(value: &DeValue) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| list.len() <= PATHS)?;
    list.iter().map(|path| text(path.get_ref()).filter(|path| !path.contains('\0'))).collect()
}

/// Absolute, or below `~/`; the root itself would be everything.
pub(super) fn directories(value: &DeValue) -> Option<Vec<PathBuf>> {
    let absolute = |text: String| match text.strip_prefix("~/") {
        Some(rest) => Some(home()?.join(rest)),
        None => Some(PathBuf::from(text)).filter(|path| path.is_absolute()),
    };
    let whole = |path: PathBuf| path.parent().is_some().then(|| path.components().collect());
    paths(value)?.into_iter().map(|text| absolute(text).and_then(whole)).collect()
}

/// Tables of options within each other.
const DEPTH: usize = 8;

/// A value of TOML as JSON has it; dates are texts. `None` for what JSON cannot say.
pub(super) fn as_json(value: &DeValue, depth: usize) -> Option<Json> {
    Some(match value {
        _ if depth > DEPTH => return None,
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix()).ok()?.into(),
        DeValue::Float(number) => serde_json::Number::from_f64(number.as_str().parse().ok()?)?.into(),
        DeValue::Boolean(value) => Json::from(*value),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(list) => {
            list.iter().map(|one| as_json(one.get_ref(), depth + 1)).collect::<Option<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => {
            let pairs =
                table.iter().map(|(key, one)| Some((key.get_ref().to_string(), as_json(one.get_ref(), depth + 1)?)));
            Json::Object(pairs.collect::<Option<_>>()?)
        }
    })
}

pub(super) fn port(value: &DeValue) -> Option<u16> {
    let number = value.as_integer()?;
    u16::from_str_radix(number.as_str(), number.radix()).ok().filter(|&port| port != 0)
}

pub(super) fn seconds(value: &DeValue) -> Option<Duration> {
    let number = match value {
        DeValue::Integer(number) => f64::from(u32::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => number.as_str().parse().ok()?,
        _ => return None,
    };
    // NaN is in no range.
    (0.0..=SECONDS).contains(&number).then(|| Duration::from_secs_f64(number))
}

pub(super) fn word<T: Copy>(value: &DeValue, words: &[(&str, T)]) -> Option<T> {
    let value = value.as_str()?;
    words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning)
}

/// What `center` says. Entries hold command lines and paths, which leave this machine under no setting.
pub(super) fn center(value: &str) -> Option<Center> {
    if value == "off" {
        return Some(Center::Off);
    }
    let rest = value.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // What URL parsers read differently (spaces, quotes, backslashes, `?`, `#`) is not needed here.
    if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte)) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bare `[::1]` is the address's own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let local = host.eq_ignore_ascii_case("localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let port_holds = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    (local && port_holds).then(|| Center::Url(value.trim_end_matches('/').to_owned()))
}
