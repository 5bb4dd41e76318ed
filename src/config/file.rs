//! One settings file: its keys as a table, and what is said of a key that cannot be used.

use super::{Center, Config, Leftovers, Loaded, Named, OPTIONS, OnHangup, SHIPPED, Trusts};
use crate::files::{self, MANIFEST_BYTES};
use crate::keys;
use crate::paths::home;
use serde_json::{Value as Json, json};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// Who wrote a file, and so what it may set.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// `config.toml` in the user's own directory.
    User,
    /// `wrap.toml` in a directory that may have come from anywhere.
    Project(Trusts<'a>),
}

/// Who may set a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The user's own file only.
    User,
    /// A project's file too, where its user has trusted it: it can run or reach something.
    Trusted,
    /// Every project's file too.
    Anyone,
}

/// Warnings of one file; the rest is counted. A file of another format under our name would fill the terminal.
const WARNINGS: usize = 8;
/// Characters of a key or a message that a warning shows: two lines of a terminal.
const SHOWN: usize = 160;
/// Seconds that a time may have: a day. More is a slip, and would overflow a timer somewhere.
const SECONDS: f64 = 86_400.0;
/// What a time takes, completing "must be …".
const SECONDS_TAKES: &str = "a number of seconds, a day at most";
/// The longest path of a request: servers and proxies refuse lines of more than 8 KiB, and nobody types a tenth of it.
const REQUEST_BYTES: usize = 1024;
/// The longest list of paths. Each is read at the start of a run and by every listing; people have two or three.
const PATHS: usize = 32;
/// How alike two words must be for one to be taken as a slip of the other (0 to 1, Jaro-Winkler).
const ALIKE: f64 = 0.8;
/// What `center` and `WRAP_CENTER` take, completing "must be …".
pub(super) const CENTER_TAKES: &str = "`off` or the `http://` address of a server on this machine";

/// What `hooks` takes, completing "must be …".
const HOOKS_TAKES: &str = "a list of hooks that ship with wrap (`docker-cleanup`, `dotenv`, `free-port`, `log-errors`, \
                           `notify`, `open-browser`, `slack`, `wait-for`), each a name or `{ name = …, OPTION = … }`";

/// One key of the files.
pub(super) struct Key {
    pub name: &'static str,
    pub who: Who,
    /// What value it takes, completing "must be …".
    pub takes: &'static str,
    /// What it is for, as a sentence.
    pub about: &'static str,
    /// Sets it; `None` where the value is not of that kind.
    set: fn(&mut Config, &DeValue) -> Option<()>,
    /// What is in force, as a file would say it; null where there is nothing.
    pub show: fn(&Config) -> Json,
}

/// Every key, in the order of the documentation.
pub(super) static KEYS: &[Key] = &[
    Key {
        name: "name",
        who: Who::Anyone,
        takes: "a text",
        about: "The project's name, in place of the manifest's or the folder's.",
        set: |config, value| name(value).map(|name| config.name = Some(name)),
        show: |config| json!(config.name),
    },
    Key {
        name: "port",
        who: Who::Anyone,
        takes: "a number from 1 to 65535",
        about: "The port that the app answers on, where it cannot be told from what listens.",
        set: |config, value| port(value).map(|port| config.port = Some(port)),
        show: |config| json!(config.port),
    },
    Key {
        name: "ready_pattern",
        who: Who::Anyone,
        takes: "a text that the app prints when it is ready",
        about: "What the app prints when it is ready, where an open port does not say it.",
        set: |config, value| text(value).map(|text| config.ready.pattern = Some(text)),
        show: |config| json!(config.ready.pattern),
    },
    Key {
        name: "ready_timeout",
        who: Who::Trusted,
        takes: SECONDS_TAKES,
        about: "Seconds after which it counts as running, ready or not.",
        set: |config, value| seconds(value).map(|time| config.ready.timeout = time),
        show: |config| json!(config.ready.timeout.as_secs_f64()),
    },
    Key {
        name: "health_path",
        who: Who::Trusted,
        takes: "a path of the app that begins with `/`",
        about: "What to ask the app for, to see whether it answers; nothing is asked without.",
        set: |config, value| request_path(value).map(|path| config.health_path = Some(path)),
        show: |config| json!(config.health_path),
    },
    Key {
        name: "env_files",
        who: Who::Trusted,
        takes: "a list of paths, as seen from the project's root",
        about: "Files that the app reads at its start: once they differ, it is shown to need a restart.",
        set: |config, value| paths(value).map(|paths| config.env_files = paths),
        show: |config| json!(config.env_files),
    },
    Key {
        name: "on_hangup",
        who: Who::Trusted,
        takes: "`end` or `keep`",
        about: "What a closed terminal does to the command: end it, as without wrap, or keep it running.",
        set: |config, value| word(value, ON_HANGUP).map(|word| config.on_hangup = word),
        show: |config| said(config.on_hangup, ON_HANGUP),
    },
    Key {
        name: "leftovers",
        who: Who::Trusted,
        takes: "`stop`, `keep` or `stop-all`",
        about: "What happens to processes that the command leaves behind; `stop` spares those that lead a session of \
                their own.",
        set: |config, value| word(value, LEFTOVERS).map(|word| config.leftovers = word),
        show: |config| said(config.leftovers, LEFTOVERS),
    },
    Key {
        name: "grace",
        who: Who::Trusted,
        takes: SECONDS_TAKES,
        about: "Seconds between the request to end and the kill.",
        set: |config, value| seconds(value).map(|time| config.grace = time),
        show: |config| json!(config.grace.as_secs_f64()),
    },
    Key {
        name: "hooks",
        who: Who::Trusted,
        takes: HOOKS_TAKES,
        about: "The hooks that ship with wrap and are to run, by name, with their options.",
        set: |config, value| {
            for named in hooks(value)?.into_iter().flatten() {
                config.hooks.retain(|known| known.name != named.name);
                config.hooks.push(named);
            }
            Some(())
        },
        show: |config| config.hooks.iter().map(shown_hook).collect(),
    },
    Key {
        name: "detach_keys",
        who: Who::User,
        takes: "`off`, or a key with Ctrl and a character, as in `ctrl-\\ d`",
        about: "The two keys that leave a command running and give the terminal back.",
        set: |config, value| {
            let text = value.as_str()?;
            config.detach_keys = if text == "off" { None } else { Some(keys::pair(text)?) };
            Some(())
        },
        show: |config| config.detach_keys.map_or_else(|| json!("off"), |keys| json!(keys::shown_pair(keys))),
    },
    Key {
        name: "center",
        who: Who::User,
        takes: CENTER_TAKES,
        about: "Where instances are announced; without, to the control center that runs.",
        set: |config, value| value.as_str().and_then(center).map(|center| config.center = center),
        show: |config| match &config.center {
            Center::Default => Json::Null,
            Center::Off => json!("off"),
            Center::Url(url) => json!(url),
        },
    },
    Key {
        name: "alias",
        who: Who::User,
        takes: "a table of names and command lines",
        about: "Aliases that `wrap init` makes in the shell, each of which runs under wrap.",
        set: |config, value| {
            let table = value.as_table()?;
            let all = table.iter().map(|(name, command)| super::alias(name.get_ref(), command.get_ref().as_str()?));
            config.alias = all.collect::<Option<_>>()?;
            Some(())
        },
        show: |config| {
            Json::Object(config.alias.iter().map(|(name, command)| (name.clone(), json!(command))).collect())
        },
    },
    Key {
        name: "trusted",
        who: Who::User,
        takes: "a list of directories, each absolute or below `~/`",
        about: "Directories below which every project's own hooks and settings are used without asking.",
        set: |config, value| directories(value).map(|dirs| config.trusted = dirs),
        show: |config| json!(config.trusted),
    },
];

static ON_HANGUP: &[(&str, OnHangup)] = &[("end", OnHangup::End), ("keep", OnHangup::Keep)];
static LEFTOVERS: &[(&str, Leftovers)] =
    &[("stop", Leftovers::Stop), ("keep", Leftovers::Keep), ("stop-all", Leftovers::StopAll)];

/// The word for a meaning.
fn said<T: Copy + PartialEq>(meaning: T, words: &[(&str, T)]) -> Json {
    words.iter().find(|(_, known)| *known == meaning).map(|(word, _)| json!(word)).unwrap_or_default()
}

/// A name, or an object with its options where it has any.
fn shown_hook(named: &Named) -> Json {
    let options = named.options.as_object().filter(|options| !options.is_empty());
    let Some(options) = options else { return json!(named.name) };
    let mut object = options.clone();
    object.insert("name".to_owned(), json!(named.name));
    Json::Object(object)
}

/// Puts what the file at `path` sets into `config`.
pub(super) fn apply(path: &Path, source: Source<'_>, loaded: &mut Loaded) {
    let Loaded { config, warnings, sources } = loaded;
    let content = match files::read_bounded(path, MANIFEST_BYTES) {
        Ok(Some(content)) => content,
        Ok(None) => return,
        Err(error) => return warnings.push(shown(&format!("{error}; its settings are not used"))),
    };
    // A folder of a project can be named by anybody.
    let file = shown(&path.to_string_lossy());
    let place = |at: usize| format!("`{file}:{}`", line(&content, at));
    let table = match DeTable::parse(&content) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = place(error.span().map_or(content.len(), |span| span.start));
            let message = files::printable(error.message(), SHOWN);
            return warnings.push(format!("cannot read {place}: {message}; the file is not used"));
        }
    };
    // The table is sorted by name; people read their file from top to bottom.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut refused = Vec::new();
    let mut untrusted = Vec::new();
    let trusted = match source {
        Source::Project(trusts) if entries.iter().any(|(key, _)| is_for_trusted(key.get_ref())) => {
            trusts(path, &content, &config.trusted)
        }
        _ => Ok(()),
    };
    for (key, value) in entries {
        match find(key.get_ref(), source) {
            Err(why) => refused.push((key, why)),
            Ok(known) if trusted.is_err() && known.who == Who::Trusted => untrusted.push(known.name),
            Ok(known) if (known.set)(config, value.get_ref()).is_none() => {
                refused.push((key, Refused::Wrong(known.takes)));
            }
            Ok(known) => {
                if known.name == "hooks" {
                    let wrong = hooks(value.get_ref()).into_iter().flatten().filter_map(Result::err);
                    warnings.extend(wrong.take(WARNINGS).map(|why| format!("{}: {why}", place(key.span().start))));
                }
                sources.insert(known.name, format!("{file}:{}", line(&content, key.span().start)));
            }
        }
    }
    for (key, why) in refused.iter().take(WARNINGS) {
        warnings.push(format!("{}: {}", place(key.span().start), why.sentence(key.get_ref())));
    }
    if refused.len() > WARNINGS {
        let more = refused.len() - WARNINGS;
        warnings.push(format!("`{file}`: {more} more of its keys are not used"));
    }
    if let Err(why) = trusted {
        warnings.push(format!("`{file}`: `{}`: {why}", untrusted.join("`, `")));
    }
}

/// A text with a path in it, whole but harmless to a terminal; the path has a bound of its own.
fn shown(text: &str) -> String {
    files::printable(text, usize::MAX)
}

/// Why a key is not used.
enum Refused {
    /// There is no such key.
    Unknown,
    /// A project may not set it.
    NotYours,
    /// The value is not what the key takes.
    Wrong(&'static str),
}

impl Refused {
    fn sentence(&self, name: &str) -> String {
        let shown = files::printable(name, SHOWN);
        match (self, meant(&shown)) {
            (Self::Unknown, Some(meant)) => format!("`{shown}` is not a setting; did you mean `{meant}`?"),
            (Self::Unknown, None) => format!("`{shown}` is not a setting; it is ignored"),
            (Self::NotYours, _) => format!("`{shown}` is only read from your own `config.toml`; set it there"),
            (Self::Wrong(takes), _) => format!("`{shown}` must be {takes}; it is ignored"),
        }
    }
}

/// The key of this name, where the file may set it at all.
fn find(name: &str, source: Source<'_>) -> Result<&'static Key, Refused> {
    let key = KEYS.iter().find(|key| key.name == name).ok_or(Refused::Unknown)?;
    let is_project = matches!(source, Source::Project(_));
    if is_project && key.who == Who::User { Err(Refused::NotYours) } else { Ok(key) }
}

fn is_for_trusted(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name && key.who == Who::Trusted)
}

/// Whether a file with this text sets a key that is for trusted ones.
pub(super) fn needs_trust(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|table| table.get_ref().keys().any(|key| is_for_trusted(key.get_ref())))
}

/// The key that a misspelt one is most like.
fn meant(name: &str) -> Option<&'static str> {
    let alike = |key: &Key| strsim::jaro_winkler(name, key.name);
    let best = KEYS.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(best) >= ALIKE).then_some(best.name)
}

/// The line, counted from 1, that the byte at `at` stands in.
fn line(content: &str, at: usize) -> usize {
    1 + content.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

fn name(value: &DeValue) -> Option<String> {
    value.as_str().and_then(files::name)
}

fn text(value: &DeValue) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What a request line can hold as its target.
fn request_path(value: &DeValue) -> Option<String> {
    let path = text(value)?;
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains('#');
    (path.starts_with('/') && is_plain && path.len() <= REQUEST_BYTES).then_some(path)
}

fn paths(value: &DeValue) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| list.len() <= PATHS)?;
    list.iter().map(|path| text(path.get_ref()).filter(|path| !path.contains('\0'))).collect()
}

/// Absolute, or below `~/`; the root itself would be everything.
fn directories(value: &DeValue) -> Option<Vec<PathBuf>> {
    let absolute = |text: String| match text.strip_prefix("~/") {
        Some(rest) => Some(home()?.join(rest)),
        None => Some(PathBuf::from(text)).filter(|path| path.is_absolute()),
    };
    let whole = |path: PathBuf| path.parent().is_some().then(|| path.components().collect());
    paths(value)?.into_iter().map(|text| absolute(text).and_then(whole)).collect()
}

/// Names, or tables with a name and options beside it. The error is what is wrong with one of them, which is left out.
fn hooks(value: &DeValue) -> Option<Vec<Result<Named, String>>> {
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
        let nearest = SHIPPED.iter().find(|known| strsim::jaro_winkler(&name, known) >= ALIKE);
        let meant = nearest.map(|known| format!("did you mean `{known}`? ")).unwrap_or_default();
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

/// Tables of options within each other.
const DEPTH: usize = 8;

/// A value of TOML as JSON has it; dates are texts. `None` for what JSON cannot say.
fn as_json(value: &DeValue, depth: usize) -> Option<Json> {
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

fn port(value: &DeValue) -> Option<u16> {
    let number = value.as_integer()?;
    u16::from_str_radix(number.as_str(), number.radix()).ok().filter(|&port| port != 0)
}

fn seconds(value: &DeValue) -> Option<Duration> {
    let number = match value {
        DeValue::Integer(number) => f64::from(u32::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => number.as_str().parse().ok()?,
        _ => return None,
    };
    // NaN is in no range.
    (0.0..=SECONDS).contains(&number).then(|| Duration::from_secs_f64(number))
}

fn word<T: Copy>(value: &DeValue, words: &[(&str, T)]) -> Option<T> {
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
