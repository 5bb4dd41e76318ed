//! The settings: `config.toml` of the user, `wrap.toml` of a project, and `WRAP_CENTER`. Nothing here ever fails:
//! what cannot be used costs a warning, and the default stands.

mod file;
mod keys;
#[cfg(test)]
mod schema;
mod shipped;
mod values;

pub use keys::{Key, Who};
pub use shipped::{Named, OPTIONS, SHIPPED, Takes};
pub use values::{ALIAS_TAKES, alias};

use crate::paths;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a command may take to become ready before it counts as running all the same.
const READY_TIMEOUT: Duration = Duration::from_secs(15);
/// What a command gets between SIGTERM and SIGKILL: servers close their connections within it, and nobody who closed
/// a terminal waits longer.
const GRACE: Duration = Duration::from_secs(5);
/// Ctrl-\ and `d`: a key that hardly any program wants, and tmux's and dtach's letter.
const DETACH_KEYS: [u8; 2] = [0x1c, b'd'];
/// A project's own settings.
pub const PROJECT_FILE: &str = "wrap.toml";
/// The variable that overrides the user's `center`.
const CENTER_VARIABLE: &str = "WRAP_CENTER";

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The project's name, in place of the manifest's.
    pub name: Option<String>,
    /// The port that the app answers on, in place of the one found.
    pub port: Option<u16>,
    /// When the app counts as ready.
    pub ready: Ready,
    /// What to ask the app for, to see whether it answers: a path that begins with `/`.
    pub health_path: Option<String>,
    /// Files that the app reads at its start, as seen from the project's root: once they differ, it needs a restart.
    pub env_files: Vec<String>,
    /// What a closed terminal does to the command.
    pub on_hangup: OnHangup,
    /// What happens to processes that the command left behind.
    pub leftovers: Leftovers,
    /// The time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// The two keys that detach a client, as a terminal sends them; `None` where there are none.
    pub detach_keys: Option<[u8; 2]>,
    /// Where instances are announced.
    pub center: Center,
    /// The hooks that ship with wrap and are to run, each once.
    pub hooks: Vec<Named>,
    /// Aliases that `wrap init` makes, with what they run under wrap.
    pub alias: Vec<(String, String)>,
    /// The directories below which every project's own hooks are run, absolute.
    pub trusted: Vec<PathBuf>,
}

/// When the app counts as ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// A text that the app prints when it is ready.
    pub pattern: Option<String>,
    /// After this time it counts as running, ready or not.
    pub timeout: Duration,
}

/// What a closed terminal does to the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHangup {
    /// It is ended, as without wrap.
    End,
    /// It runs on and can be attached to.
    Keep,
}

/// What happens to processes that the command left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Those of its session, or on its port, are stopped; the others are named and kept.
    Stop,
    /// All are kept.
    Keep,
    /// All are stopped, also those that lead a session of their own.
    StopAll,
}

/// Where instances are announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Center {
    /// The control center's usual address.
    Default,
    /// Nowhere.
    Off,
    /// The `http://` address of a server on this machine, without a slash at its end.
    Url(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            port: None,
            ready: Ready { pattern: None, timeout: READY_TIMEOUT },
            health_path: None,
            env_files: Vec::new(),
            on_hangup: OnHangup::End,
            leftovers: Leftovers::Stop,
            grace: GRACE,
            detach_keys: Some(DETACH_KEYS),
            center: Center::Default,
            hooks: Vec::new(),
            alias: Vec::new(),
            trusted: Vec::new(),
        }
    }
}

/// Says whether the text of a project's file may set what only a trusted one may; `trusted` are the directories of which
/// everything is. The error is a sentence that says why not, and what to do.
pub type Trusts<'a> = &'a dyn Fn(&Path, &str, &[PathBuf]) -> Result<(), String>;

/// Nobody has trusted anything.
pub const NOT_TRUSTED: Trusts<'static> = &|_, _, _| Err("what else it sets is not used".to_owned());

/// What is in force.
#[derive(Debug, Default, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// A whole sentence for each thing that could not be used.
    pub warnings: Vec<String>,
    /// Where each setting comes from that is not the default, by its name: a file with a line, or a variable.
    pub sources: BTreeMap<&'static str, String>,
}

/// The user's settings, the project's over them, `WRAP_CENTER` over both.
pub fn load(project_file: Option<&Path>, trusts: Trusts<'_>) -> Loaded {
    let center = env::var_os(CENTER_VARIABLE).map(|value| value.to_string_lossy().into_owned());
    load_from(user_file().as_deref(), project_file, center.as_deref(), trusts)
}

/// Where the user's own settings are.
pub fn user_file() -> Option<PathBuf> {
    paths::config_dir().map(|dir| dir.join("config.toml"))
}

fn load_from(user: Option<&Path>, project: Option<&Path>, center: Option<&str>, trusts: Trusts<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    if let Some(path) = user {
        file::apply(path, file::Source::User, &mut loaded);
    }
    if let Some(path) = project {
        file::apply(path, file::Source::Project(trusts), &mut loaded);
    }
    // An empty variable is how people unset one for a single command.
    if let Some(value) = center.filter(|value| !value.is_empty()) {
        if let Some(center) = values::center(value) {
            loaded.config.center = center;
            loaded.sources.insert("center", CENTER_VARIABLE.to_owned());
        } else {
            let takes = keys::CENTER_TAKES;
            loaded.warnings.push(format!("{CENTER_VARIABLE} must be {takes}; it is ignored"));
        }
    }
    loaded
}

/// All settings, in the order of the documentation.
pub fn settings() -> &'static [Key] {
    keys::KEYS
}

/// Whether the text of a project's file sets anything that only a trusted one may. One that cannot be read sets nothing.
pub fn needs_trust(text: &str) -> bool {
    file::needs_trust(text)
}

/// The project's `wrap.toml`: the nearest one from `cwd` up to `root`.
pub fn project_file(cwd: &Path, root: &Path) -> Option<PathBuf> {
    let inside = cwd.ancestors().take_while(|dir| dir.starts_with(root));
    inside.map(|dir| dir.join(PROJECT_FILE)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("wrap.toml");
        fs::write(&path, text).expect("written");
        (dir, path)
    }

    fn user(text: &str) -> (Config, Vec<String>) {
        let (_dir, path) = written(text);
        loaded(Some(&path), None, None)
    }

    fn loaded(user: Option<&Path>, project: Option<&Path>, center: Option<&str>) -> (Config, Vec<String>) {
        let loaded = load_from(user, project, center, NOT_TRUSTED);
        (loaded.config, loaded.warnings)
    }

    #[test]
    fn every_key_of_the_user_is_read() {
        let (config, warnings) = user(
            "name = 'shop'\nport = 3000\nready_pattern = 'listening'\nready_timeout = 2.5\n\
             health_path = '/up?x=1'\nenv_files = ['.env', 'config/dev.env']\non_hangup = 'keep'\nleftovers = 'stop-all'\ngrace = 0\ndetach_keys = 'ctrl-a d'\ncenter = 'http://localhost:9000/'\n\
             trusted = ['/work', '/src/mine/']\nhooks = ['notify', { name = 'wait-for', seconds = 5, target = ['a', 'b'] }]\n[alias]\ndev = 'npm run dev'\n",
        );
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(
            config,
            Config {
                name: Some("shop".into()),
                port: Some(3000),
                ready: Ready { pattern: Some("listening".into()), timeout: Duration::from_millis(2500) },
                health_path: Some("/up?x=1".into()),
                env_files: vec![".env".into(), "config/dev.env".into()],
                on_hangup: OnHangup::Keep,
                leftovers: Leftovers::StopAll,
                grace: Duration::ZERO,
                detach_keys: Some([1, b'd']),
                center: Center::Url("http://localhost:9000".into()),
                alias: vec![("dev".into(), "npm run dev".into())],
                hooks: vec![
                    Named { name: "notify".into(), options: json!({}) },
                    Named { name: "wait-for".into(), options: json!({ "seconds": 5, "target": ["a", "b"] }) },
                ],
                trusted: vec!["/work".into(), "/src/mine".into()],
            }
        );
    }

    #[test]
    fn nothing_written_is_nothing_said() {
        assert_eq!(loaded(Some(Path::new("/nowhere/config.toml")), None, None), (Config::default(), Vec::new()));
        assert_eq!(user(""), (Config::default(), Vec::new()));
    }

    #[test]
    fn a_wrong_value_costs_its_own_key_and_names_its_line() {
        let (config, warnings) = user("grace = -1\nport = 'x'\non_hangup = 'keep'\nready_timeout = nan\n");
        assert_eq!(config, Config { on_hangup: OnHangup::Keep, ..Config::default() });
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("wrap.toml:1`") && warnings[0].contains("`grace`"), "{warnings:?}");
        assert!(warnings[1].contains("wrap.toml:2`") && warnings[1].contains("from 1 to 65535"), "{warnings:?}");
        assert!(warnings[2].contains("wrap.toml:4`"), "{warnings:?}");
    }

    #[test]
    fn a_health_path_is_a_path_and_env_files_are_texts() {
        for text in
            ["health_path = 'up'", "health_path = '/a b'", "health_path = \"/a\\r\\nHost: x\"", "env_files = '.env'"]
        {
            let (config, warnings) = user(text);
            assert_eq!((config, warnings.len()), (Config::default(), 1), "{text}");
        }
        assert_eq!(user("env_files = [1]").1.len(), 1);
        assert_eq!(user(&format!("env_files = [{}]", "'x',".repeat(1000))).1.len(), 1);
    }

    #[test]
    fn an_unknown_key_is_named_with_what_was_meant() {
        let (config, warnings) = user("\nprot = 1\nxyzzy = 2\ngrace = 1\n");
        assert_eq!(config.grace, Duration::from_secs(1));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("wrap.toml:2`") && warnings[0].contains("did you mean `port`?"), "{warnings:?}");
        assert!(warnings[1].contains("`xyzzy`") && !warnings[1].contains("did you mean"), "{warnings:?}");
    }

    #[test]
    fn a_broken_file_is_one_warning_and_the_defaults() {
        for text in ["port = 1\nname = \n", "port = 1\nport = 2\n", "[", "\u{0}", &"[".repeat(100_000)] {
            let (config, warnings) = user(text);
            assert_eq!(config, Config::default());
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].lines().count() == 1, "{warnings:?}");
        }
        assert!(user("port = 1\nname = \n").1[0].contains("wrap.toml:2`"));
    }

    #[test]
    fn a_project_sets_three_keys_a_trusted_one_more_and_never_what_is_the_users() {
        let (_a, mine) = written("port = 1\ngrace = 1\nhooks = ['notify', 'slack']\n");
        let (_b, theirs) = written(
            "port = 2\nname = 'web'\nready_pattern = 'up'\ngrace = 9\ncenter = 'off'\nhooks = [{ name = 'slack', lines = 1 }]\n",
        );
        let trusts: Trusts = &|path, text, _| {
            assert!(path == theirs && text.contains("grace = 9"));
            Ok(())
        };
        let all = load_from(Some(&mine), Some(&theirs), None, trusts);
        assert_eq!((all.config.grace, &all.config.center), (Duration::from_secs(9), &Center::Default));
        assert_eq!(all.config.hooks.len(), 2);
        assert_eq!(all.config.hooks[1], Named { name: "slack".into(), options: json!({ "lines": 1 }) });
        assert_eq!(all.warnings.len(), 1, "{:?}", all.warnings);
        assert!(all.sources["grace"].ends_with("wrap.toml:4") && all.sources["port"].ends_with("wrap.toml:1"));
        let (config, warnings) = loaded(Some(&mine), Some(&theirs), None);
        assert_eq!(config.hooks.len(), 2);
        assert_eq!((config.port, config.name.as_deref(), config.grace), (Some(2), Some("web"), Duration::from_secs(1)));
        assert_eq!((config.ready.pattern.as_deref(), config.center), (Some("up"), Center::Default));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("wrap.toml:5`") && warnings[0].contains("config.toml"), "{warnings:?}");
        assert!(warnings[1].contains("`grace`, `hooks`") && warnings[1].contains("not used"), "{warnings:?}");
    }

    #[test]
    fn a_hook_that_does_not_ship_is_named_with_what_was_meant() {
        let (config, warnings) = user("hooks = ['notfy']");
        assert_eq!((config.hooks.len(), warnings.len()), (0, 1));
        assert!(warnings[0].contains("`docker-cleanup`"), "{warnings:?}");
        assert!(warnings[0].contains("wrap.toml:1`: no hook `notfy`") && warnings[0].contains("did you mean `notify`"));
        assert_eq!(user("hooks = [{ port = 1 }]").1.len(), 1);
        // The others are used.
        let text = "hooks = ['dotenv', { name = 'notify', om = [] }, { name = 'wait-for', target = 7 }, 'slack', 5]";
        let (config, warnings) = user(text);
        assert_eq!(config.hooks.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["dotenv", "slack"]);
        assert!(warnings[0].contains("hook `notify` has no option `om`: there are `on`"), "{warnings:?}");
        assert!(warnings[1].contains("hook `wait-for`: `target` is a text or a list of texts"), "{warnings:?}");
        assert_eq!(user("hooks = 'notify'").1.len(), 1);
        assert!(!needs_trust("port = 1") && needs_trust("hooks = []") && !needs_trust("[") && !needs_trust("x = 1"));
    }

    #[test]
    fn a_flood_of_unknown_keys_is_a_few_lines() {
        let lines: Vec<String> = (0..1000).map(|n| format!("k{n} = 1")).collect();
        let warnings = user(&lines.join("\n")).1;
        assert!(warnings.len() < 20, "{}", warnings.len());
        assert!(warnings.last().expect("one").contains("more"), "{warnings:?}");
    }

    #[test]
    fn the_center_is_on_this_machine_or_it_is_not_taken() {
        let center = |value| loaded(None, None, Some(value));
        for good in ["http://localhost:1/", "http://127.8.0.1", "http://[::1]:8969", "http://LOCALHOST:80/x"] {
            assert!(matches!(center(good).0.center, Center::Url(_)), "{good}");
        }
        for bad in [
            "https://localhost",
            "http://example.com",
            "http://127.0.0.1.evil.com",
            "http://localhost@evil.com",
            "http://localhost:0",
            "http://localhost:x",
            "http://localhost:+80",
            "http://[::1]x",
            "http://localhost/\r\nHost: x",
            "http://localhost\\@evil",
            "http://128.0.0.1",
            "on",
        ] {
            let (config, warnings) = center(bad);
            assert_eq!((config.center, warnings.len()), (Center::Default, 1), "{bad}");
        }
        assert_eq!(center("off").0.center, Center::Off);
        assert_eq!(center(""), (Config::default(), Vec::new()));
        let (_dir, path) = written("center = 'off'");
        assert_eq!(loaded(Some(&path), None, Some("http://[::1]")).0.center, Center::Url("http://[::1]".into()));
    }

    #[test]
    fn the_nearest_wrap_toml_inside_the_project_counts() {
        let (dir, path) = written("");
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).expect("made");
        assert_eq!(project_file(&below, dir.path()), Some(path));
        assert_eq!(project_file(&below, &dir.path().join("a")), None);
        fs::write(dir.path().join("a/wrap.toml"), "").expect("written");
        assert_eq!(project_file(&below, dir.path()), Some(dir.path().join("a/wrap.toml")));
    }
}
