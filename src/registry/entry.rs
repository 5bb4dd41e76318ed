//! One instance as the registry keeps it: camelCase JSON, unknown fields kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a keeper writes about its instance. The first twelve fields have the names and meanings of
/// Spotlight's control center; the others are ours. Fields that a newer wrap wrote stay in `other`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// UUID version 7, drawn at launch; its last six characters are the short id.
    pub instance_id: String,
    /// The port that the app answers on, as soon as it is known.
    #[serde(default)]
    pub port: Option<u16>,
    /// The keeper.
    pub pid: u32,
    /// When the keeper started, epoch milliseconds; to show, not to decide.
    #[serde(default)]
    pub pid_start_time: u64,
    /// The command; null before the spawn and after its end.
    #[serde(default)]
    pub child_pid: Option<u32>,
    /// When the command started, epoch milliseconds; to show.
    #[serde(default)]
    pub child_pid_start_time: Option<u64>,
    /// The command line as one string, to show.
    #[serde(default)]
    pub command: String,
    /// The command and its arguments; bytes that are not UTF-8 are shown as U+FFFD.
    #[serde(default)]
    pub cmd_args: Vec<String>,
    /// The directory that the command was started in.
    #[serde(default)]
    pub cwd: String,
    /// RFC 3339 with milliseconds.
    #[serde(default)]
    pub start_time: String,
    /// The manifest's name, else the folder's, else what `--name` said.
    #[serde(default)]
    pub project_name: String,
    /// What kind of project: `package.json`, `docker-compose`, … or `unknown`.
    #[serde(default)]
    pub detected_type: String,

    /// The keeper's start token ([`crate::sys::process::token`]): with `pid` and `boot_id` its identity.
    #[serde(default)]
    pub pid_token: u64,
    /// The command's start token.
    #[serde(default)]
    pub child_token: Option<u64>,
    /// The boot that the tokens count from.
    #[serde(default)]
    pub boot_id: String,
    /// The PID namespace; what lives in another one is never judged by its pid.
    #[serde(default)]
    pub pid_namespace: String,
    /// The machine's name, for the same reason.
    #[serde(default)]
    pub host: String,
    /// The directory of the project that the command is about.
    #[serde(default)]
    pub project_root: String,
    /// Every port that the command's tree listens on.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Where to open the app.
    #[serde(default)]
    pub url: Option<String>,
    /// Where the run stands.
    #[serde(default)]
    pub state: State,
    /// Whether the app is ready: null where nothing tells, false as long as what tells has not come, also when it
    /// counts as running by then.
    #[serde(default)]
    pub ready: Option<bool>,
    /// Where its output is kept; null where it is kept nowhere.
    #[serde(default)]
    pub log_path: Option<String>,
    /// What `--port` said, for another run.
    #[serde(default)]
    pub asked_port: Option<u16>,
    /// What to ask the app for, to see whether it answers; a path that begins with `/`.
    #[serde(default)]
    pub health_path: Option<String>,
    /// Rises at each restart of the command within this instance.
    #[serde(default = "first_run")]
    pub run_id: u64,
    /// Epoch milliseconds of the last write.
    #[serde(default)]
    pub updated_at: u64,
    /// The keeper's socket: `unix:/path` or `http://127.0.0.1:port`.
    #[serde(default)]
    pub local_url: Option<String>,
    /// What a caller must show to the keeper. Never printed, never sent to anybody else.
    #[schema(ignore)]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub auth_key: String,
    /// How the keeper holds the command's streams.
    #[serde(default)]
    pub mode: Mode,
    /// The user id that started it.
    #[serde(default)]
    pub owner: u32,
    /// The git branch at the start.
    #[serde(default)]
    pub branch: Option<String>,
    /// What the run was configured by, each source with a hash ([`crate::project::signature`]); a later difference
    /// means "restart needed".
    #[serde(default)]
    pub config_signature: Option<String>,
    /// Nothing that it starts may outlive it, not even what leads a session of its own (`leftovers = "stop-all"`): for
    /// whoever ends it when its keeper is dead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_sessions: bool,
    /// When a sweep found the command without its keeper and asked the stale hook, epoch milliseconds. Written by
    /// the sweep, so that the hook is not asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<u64>,
    /// The stale hook was asked when it was dead, and wants it to be kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale_kept: bool,
    /// Fields of a newer wrap.
    #[schema(ignore)]
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn first_run() -> u64 {
    1
}

/// Where a run stands, as its keeper sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Spawned, or about to be; not ready yet.
    #[default]
    Starting,
    /// Asked to end, or ended and being cleaned up.
    Stopping,
    /// Between the end of one run and the spawn of the next.
    Restarting,
    /// Ready, or past the time in which it should have been; also what a newer wrap calls by a name of its own.
    #[serde(other)]
    Running,
}

/// How the command's streams are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Under a PTY of the keeper's.
    #[default]
    Terminal,
    /// Not started by wrap at all.
    Adopted,
    /// In the caller's session, its outputs through pipes; also any mode of a newer wrap, because this one is
    /// handled with the most care.
    #[serde(other)]
    Pipe,
}

/// Characters of a short id: the uuid's last ones, because its first ones are the time and nearly always equal.
pub const SHORT_ID: usize = 6;

impl Entry {
    /// As it was read from a file: what is shown as its command is what `start` would run.
    pub(crate) fn honest(mut self) -> Self {
        if !self.cmd_args.is_empty() {
            self.command = self.cmd_args.join(" ");
        }
        self
    }

    /// The id that people type: the last six characters of the uuid.
    pub fn short_id(&self) -> &str {
        let id = &self.instance_id;
        id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or(id)
    }

    /// The entry as others may see it: without `authKey`.
    #[must_use]
    pub fn public(&self) -> Self {
        Self { auth_key: String::new(), ..self.clone() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An entry with a new id and this keeper, everything else at its default.
    pub(crate) fn entry(pid: u32) -> Entry {
        let id = uuid::Uuid::now_v7().to_string();
        serde_json::from_value(serde_json::json!({ "instanceId": id, "pid": pid })).expect("an entry")
    }

    #[test]
    fn a_state_or_mode_of_a_newer_wrap_makes_no_entry_unreadable() {
        let mut json = serde_json::to_value(entry(7)).expect("json");
        json["state"] = "hibernating".into();
        json["mode"] = "remote".into();
        let read: Entry = serde_json::from_value(json).expect("read");
        assert_eq!((read.state, read.mode), (State::Running, Mode::Pipe));
        let written = serde_json::to_value(&read).expect("json");
        assert_eq!((&written["state"], &written["mode"]), (&"running".into(), &"pipe".into()));
    }

    /// Any JSON, a few levels deep, with the names of fields among its keys.
    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            let names = ["port", "pid", "ports", "state", "cmdArgs", "childPid", "authKey", "ready", "mode", "new"];
            let key = proptest::sample::select(names.to_vec()).prop_map(str::to_owned);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..proptest::prelude::ProptestConfig::with_cases(300)
        })]

        /// What is read as an entry is the same after it was written and read again, and shows no key.
        #[test]
        fn an_entry_with_anything_in_it_is_an_error_or_comes_back_as_it_was(odd in any_json()) {
            let mut json = serde_json::to_value(entry(7)).expect("json");
            if let (Some(json), Some(odd)) = (json.as_object_mut(), odd.as_object()) {
                json.extend(odd.clone());
            }
            if let Ok(read) = serde_json::from_value::<Entry>(json) {
                let again: Entry = serde_json::from_slice(&serde_json::to_vec(&read).expect("written")).expect("read");
                assert_eq!(again, read);
                // What a field that is not ours has in it is not ours to hide.
                let public = serde_json::to_value(read.public()).expect("written");
                assert_eq!(public.get("authKey"), None);
            }
            let _ = serde_json::from_value::<Entry>(odd).is_ok();
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = serde_json::from_slice::<Entry>(&bytes).is_ok();
        }
    }
}
