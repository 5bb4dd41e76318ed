//! What the control center's routes take and give, with its description for the OpenAPI document.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whether we are there.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
    /// Of wrap.
    pub version: &'static str,
}

/// Why something is refused.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub struct Refused {
    /// A sentence.
    pub error: String,
}

/// Something was done.
#[derive(Serialize, ToSchema)]
pub struct Done {
    /// `true`.
    pub success: bool,
}

/// Which instances are meant.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `1`: those that have ended, too.
    #[serde(default)]
    pub all: Option<String>,
}

/// Whom a ping is about. Nothing else of it is read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// A uuid.
    #[schema(format = "uuid", min_length = 36, max_length = 36)]
    pub instance_id: String,
}

/// Why the old run goes on.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub struct Precondition {
    /// `precondition_failed`.
    pub status: String,
    /// A sentence.
    pub message: String,
}

/// What is typed: one of the three.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Input {
    /// A line; Enter is pressed behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Characters as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// A key by its name: `ctrl-c`, `enter`, `up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What tells it from others, so that it may be sent again.
    #[serde(default)]
    pub id: String,
}

/// Whether it arrived.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub struct Arrived {
    pub arrived: bool,
}

/// From where a caller wants the lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// How many lines are known already.
    #[serde(default)]
    pub log_offset: u64,
    /// In which log run they were counted; those of another begin at the beginning.
    #[serde(default)]
    pub log_run_id: u64,
}

/// The last lines that an instance has printed.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub struct News {
    pub logs: Vec<String>,
    pub log_total: u64,
    pub log_run_id: u64,
}

/// How far back a log begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Tail {
    /// So many lines first; 1,000 without.
    pub tail: Option<usize>,
}

/// How a caller wants the screen.
#[derive(Deserialize, ToSchema, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum ScreenFormat {
    #[default]
    Text,
    Ansi,
    Html,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScreenQuery {
    /// `text`, `ansi` or `html`.
    #[serde(default)]
    #[param(inline)]
    pub format: ScreenFormat,
}

/// What a link of `wrap ui` brings.
#[derive(Deserialize, ToSchema)]
pub struct Code {
    /// Works once.
    pub code: String,
}

/// The token, for a code.
#[derive(Serialize, ToSchema)]
pub struct Token {
    pub token: String,
}

/// A link that signs a browser in.
#[derive(Serialize, ToSchema)]
pub struct Link {
    /// Works once, and for two minutes.
    pub url: String,
    /// A page that leads there, for this user alone; it goes when the link was used or is too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// How a link is wanted.
#[derive(Deserialize, ToSchema, Default)]
pub struct Wanted {
    /// In a file.
    #[serde(default)]
    pub file: bool,
}
