//! Every setting: its key, who may set it, what it takes and what it is for.

use super::shipped::hooks;
use super::values::{alias, center, directories, name, paths, port, request_path, seconds, text, word};
use super::{Center, Config, Leftovers, Named, OnHangup};
use crate::files;
use crate::keys;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

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

/// What a time takes, completing "must be …".
const SECONDS_TAKES: &str = "a number of seconds, a day at most";
/// What `center` and `WRAP_CENTER` take, completing "must be …".
pub(super) const CENTER_TAKES: &str = "`off` or the `http://` address of a server on this machine";

/// What `hooks` takes, completing "must be …".
const HOOKS_TAKES: &str = "a list of hooks that ship with wrap (`docker-cleanup`, `dotenv`, `free-port`, `log-errors`, \
                           `notify`, `open-browser`, `slack`, `wait-for`), each a name or `{ name = …, OPTION = … }`";

/// One key of the files.
#[derive(Debug)]
pub struct Key {
    /// What it is called.
    pub name: &'static str,
    /// Who may set it.
    pub who: Who,
    /// What value it takes, completing "must be …".
    pub takes: &'static str,
    /// What it is for, as a sentence.
    pub about: &'static str,
    /// Sets it; `None` where the value is not of that kind. Of a list, what is wrong with one of it is said, and the others
    /// are used.
    pub(super) set: fn(&mut Config, &DeValue, &mut Vec<String>) -> Option<()>,
    show: fn(&Config) -> Json,
}

impl Key {
    /// What is in force, as a file would say it; null where there is nothing.
    pub fn value(&self, config: &Config) -> Json {
        (self.show)(config)
    }
}

/// Every key, in the order of the documentation.
pub(super) static KEYS: &[Key] = &[
    Key {
        name: "name",
        who: Who::Anyone,
        takes: "a text",
        about: "The project's name, in place of the manifest's or the folder's.",
        set: |config, value, _| name(value).map(|name| config.name = Some(name)),
        show: |config| json!(config.name),
    },
    Key {
        name: "port",
        who: Who::Anyone,
        takes: "a number from 1 to 65535",
        about: "The port that the app answers on, where it cannot be told from what listens.",
        set: |config, value, _| port(value).map(|port| config.port = Some(port)),
        show: |config| json!(config.port),
    },
    Key {
        name: "ready_pattern",
        who: Who::Anyone,
        takes: "a text that the app prints when it is ready",
        about: "What the app prints when it is ready, where an open port does not say it.",
        set: |config, value, _| text(value).map(|text| config.ready.pattern = Some(text)),
        show: |config| json!(config.ready.pattern),
    },
    Key {
        name: "ready_timeout",
        who: Who::Trusted,
        takes: SECONDS_TAKES,
        about: "Seconds after which it counts as running, ready or not.",
        set: |config, value, _| seconds(value).map(|time| config.ready.timeout = time),
        show: |config| json!(config.ready.timeout.as_secs_f64()),
    },
    Key {
        name: "health_path",
        who: Who::Trusted,
        takes: "a path of the app that begins with `/`",
        about: "What to ask the app for, to see whether it answers; nothing is asked without.",
        set: |config, value, _| request_path(value).map(|path| config.health_path = Some(path)),
        show: |config| json!(config.health_path),
    },
    Key {
        name: "env_files",
        who: Who::Trusted,
        takes: "a list of paths, as seen from the project's root",
        about: "Files that the app reads at its start: once they differ, it is shown to need a restart.",
        set: |config, value, _| paths(value).map(|paths| config.env_files = paths),
        show: |config| json!(config.env_files),
    },
    Key {
        name: "on_hangup",
        who: Who::Trusted,
        takes: "`end` or `keep`",
        about: "What a closed terminal does to the command: end it, as without wrap, or keep it running.",
        set: |config, value, _| word(value, ON_HANGUP).map(|word| config.on_hangup = word),
        show: |config| said(config.on_hangup, ON_HANGUP),
    },
    Key {
        name: "leftovers",
        who: Who::Trusted,
        takes: "`stop`, `keep` or `stop-all`",
        about: "What happens to processes that the command leaves behind; `stop` spares those that lead a session of \
                their own.",
        set: |config, value, _| word(value, LEFTOVERS).map(|word| config.leftovers = word),
        show: |config| said(config.leftovers, LEFTOVERS),
    },
    Key {
        name: "grace",
        who: Who::Trusted,
        takes: SECONDS_TAKES,
        about: "Seconds between the request to end and the kill.",
        set: |config, value, _| seconds(value).map(|time| config.grace = time),
        show: |config| json!(config.grace.as_secs_f64()),
    },
    Key {
        name: "hooks",
        who: Who::Trusted,
        takes: HOOKS_TAKES,
        about: "The hooks that ship with wrap and are to run, by name, with their options.",
        set: |config, value, wrong| {
            for named in hooks(value)? {
                match named {
                    Ok(named) => {
                        config.hooks.retain(|known| known.name != named.name);
                        config.hooks.push(named);
                    }
                    Err(why) => wrong.push(why),
                }
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
        set: |config, value, _| {
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
        set: |config, value, _| value.as_str().and_then(center).map(|center| config.center = center),
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
        set: |config, value, wrong| {
            for (name, command) in value.as_table()? {
                let name = name.get_ref();
                match alias(name, command.get_ref().as_str().unwrap_or_default()) {
                    Ok(alias) => config.alias.push(alias),
                    Err(why) => wrong.push(format!("the alias `{}` is not made: {why}", files::printable(name, 100))),
                }
            }
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
        set: |config, value, _| directories(value).map(|dirs| config.trusted = dirs),
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
