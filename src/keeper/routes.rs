//! What the keeper answers over HTTP (the plan's dialect), for callers that show the instance's key.

use super::command::Environment;
use super::mailbox::{Message, Post};
use super::output::Output;
use super::restart::{Asked, Unable};
use super::screen::Screen;
use super::sends::{self, Send, Text};
use crate::api::{FRAMES, Refusal};
use crate::keys::Key;
use crate::log::lines::overwritten;
use crate::registry::entry::{Entry, Mode};
use crate::sys::process;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use rustix::fd::OwnedFd;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a text may take to arrive before its sender is told that it still waits: a little less than senders wait.
const ARRIVES: Duration = Duration::from_millis(300);

/// What the routes work on.
#[derive(Clone)]
pub struct App {
    entry: Arc<Mutex<Entry>>,
    post: Post,
    /// Of a command that we did not start we have none.
    output: Option<Output>,
}

impl App {
    /// The entry of the instance, the way to its loop, and what the command has written.
    pub fn new(entry: Arc<Mutex<Entry>>, post: Post, output: Option<Output>) -> Self {
        Self { entry, post, output }
    }

    fn entry(&self) -> Entry {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The output, if there is one.
    fn output(&self) -> Result<&Output, Refusal> {
        self.output.as_ref().ok_or_else(adopted)
    }

    /// Refuses what needs a terminal of the keeper's.
    fn terminal(entry: &Entry) -> Result<(), Refusal> {
        match entry.mode {
            Mode::Terminal => Ok(()),
            Mode::Adopted => Err(adopted()),
            Mode::Pipe => Err(Refusal::conflict(
                "it has no terminal of wrap's: its input and output are the caller's own; `wrap logs` shows what it writes, \
                 and with `--pty` or `-d` it gets one",
            )),
        }
    }

    /// Sends a question to the loop and waits for the answer.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.post.send(question(reply));
        let ended = |_| Refusal(StatusCode::SERVICE_UNAVAILABLE, "the keeper ended before it could answer".to_owned());
        answer.await.map_err(ended)
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/api/instances", get(all))
        .route("/api/instances/current", get(one))
        .route("/api/instances/{id}", get(one))
        .route("/api/instances/{id}/terminate", post(terminate))
        .route("/api/instances/{id}/restart", post(restart))
        .route("/api/instances/{id}/start", post(start))
        .route("/api/instances/{id}/input", post(input))
        .route("/api/instances/{id}/detach", post(detach))
        .route("/api/instances/{id}/logs", get(logs))
        .route("/api/instances/{id}/logs/clear", post(clear_logs))
        .route("/api/instances/{id}/screen", get(screen))
        .route("/api/instances/{id}/attach", get(attach))
        .layer(axum::middleware::from_fn(guard))
        .with_state(app)
}

/// Refuses what only a web page sends: a foreign name for this machine (rebinding), or any origin.
async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") || request.headers().contains_key(header::ORIGIN) {
        return Refusal(StatusCode::FORBIDDEN, "this socket is not for web pages".to_owned()).into_response();
    }
    next.run(request).await
}

/// A caller that has shown the key; where the path names an instance, it is this one.
struct Caller(Entry);

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let entry = app.entry();
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if shown.and_then(|value| value.strip_prefix("Bearer ")) != Some(entry.auth_key.as_str()) {
            return Err(Refusal(StatusCode::UNAUTHORIZED, "show the instance's authKey as a bearer token".to_owned()));
        }
        let path: HashMap<String, String> =
            Path::from_request_parts(parts, app).await.map(|Path(path)| path).unwrap_or_default();
        match path.get("id") {
            Some(id) if *id != entry.instance_id => {
                Err(Refusal(StatusCode::NOT_FOUND, "this keeper has another instance".to_owned()))
            }
            _ => Ok(Self(entry)),
        }
    }
}

async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

async fn all(Caller(entry): Caller) -> Json<Vec<Entry>> {
    Json(vec![entry.public()])
}

async fn one(Caller(entry): Caller) -> Json<Entry> {
    Json(entry.public())
}

async fn terminate(State(app): State<App>, _: Caller) -> Result<Response, Refusal> {
    let ended = app.ask(Message::Terminate).await?;
    Ok(Json(json!({ "success": true, "killed": ended.killed, "left": ended.left })).into_response())
}

async fn start(_: Caller) -> Refusal {
    Refusal::conflict("it still runs")
}

/// What a restart may be given.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RestartBody {
    /// The whole environment from now on.
    env: Option<BTreeMap<String, String>>,
}

async fn restart(
    State(app): State<App>,
    Caller(entry): Caller,
    body: Result<Option<Json<RestartBody>>, JsonRejection>,
) -> Result<Response, Refusal> {
    let failed = |message: &str| {
        let body = json!({ "status": "precondition_failed", "message": message });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    if entry.mode == Mode::Adopted {
        return Ok(failed("wrap did not start it and does not know how to; end it and start it with wrap"));
    }
    let body = body?.map(|Json(body)| body).unwrap_or_default();
    let pairs = |env: BTreeMap<String, String>| -> Environment {
        env.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    };
    let environment = body.env.map(pairs);
    match app.ask(|reply| Message::Restart(Asked { environment, reply })).await? {
        Ok(restarted) => {
            let mut body = serde_json::to_value(restarted).unwrap_or_default();
            body["success"] = true.into();
            Ok(Json(body).into_response())
        }
        Err(Unable::Precondition(why)) => Ok(failed(&why)),
        Err(Unable::Failed(why)) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, why)),
    }
}

/// What somebody types: one of the three.
#[derive(Deserialize)]
struct Input {
    line: Option<String>,
    data: Option<String>,
    key: Option<String>,
    /// Of a line: its control sequences are meant.
    #[serde(default)]
    raw: bool,
    /// What tells it from others, so that it may be sent again.
    #[serde(default)]
    id: String,
}

async fn input(
    State(app): State<App>,
    Caller(entry): Caller,
    body: Result<Json<Input>, JsonRejection>,
) -> Result<Response, Refusal> {
    App::terminal(&entry)?;
    let Json(input) = body?;
    let text = match (input.line, input.data, input.key) {
        (Some(text), None, None) => Text::Line { text, raw: input.raw },
        (None, Some(data), None) => Text::Data(data),
        (None, None, Some(name)) => Text::Key(
            Key::named(&name)
                .ok_or_else(|| Refusal(StatusCode::BAD_REQUEST, format!("`{}` is no key", name.escape_debug())))?,
        ),
        _ => return Err(Refusal(StatusCode::BAD_REQUEST, "say one of `line`, `data` and `key`".to_owned())),
    };
    let arrives = app.ask(|reply| Message::Send(Send { text, id: input.id, reply }));
    match timeout(ARRIVES, arrives).await {
        Err(_) => Ok((StatusCode::ACCEPTED, Json(json!({ "arrived": false }))).into_response()),
        Ok(answer) => match answer? {
            Ok(()) => Ok(Json(json!({ "arrived": true })).into_response()),
            Err(sends::Refused::NoTerminal) => Err(Refusal::conflict("it has no terminal of wrap's")),
            Err(sends::Refused::NotRunning) => Err(Refusal::conflict("its command does not run")),
            Err(sends::Refused::Full) => Err(Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "it does not read its input, and too much waits for it already".to_owned(),
            )),
        },
    }
}

async fn detach(State(app): State<App>, Caller(entry): Caller) -> Result<Response, Refusal> {
    App::terminal(&entry)?;
    let count = app.ask(Message::Detach).await?;
    Ok(Json(json!({ "success": true, "detached": count })).into_response())
}

/// From where a caller wants the lines.
#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    log_offset: u64,
    #[serde(default)]
    log_run_id: u64,
}

async fn logs(
    State(app): State<App>,
    _: Caller,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(since) = since?;
    let show = |line: &[u8]| String::from_utf8_lossy(&overwritten(line)).into_owned();
    Ok(Json(app.output()?.since(since.log_offset, since.log_run_id, show)).into_response())
}

async fn clear_logs(State(app): State<App>, _: Caller) -> Result<Response, Refusal> {
    let output = app.output()?.clone();
    let failed = |error: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error);
    // A disk that hangs must not hold up the other callers.
    let cleared =
        tokio::task::spawn_blocking(move || output.clear()).await.map_err(|error| failed(error.to_string()))?;
    cleared.map_err(|error| failed(error.to_string()))?;
    Ok(Json(json!({ "success": true })).into_response())
}

/// How a caller wants the screen.
#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum ScreenFormat {
    #[default]
    Text,
    Ansi,
    Html,
}

#[derive(Deserialize)]
struct ScreenQuery {
    #[serde(default)]
    format: ScreenFormat,
}

async fn screen(
    State(app): State<App>,
    Caller(entry): Caller,
    query: Result<Query<ScreenQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    App::terminal(&entry)?;
    let Query(ScreenQuery { format }) = query?;
    let (kind, draw): (_, fn(&mut Screen) -> String) = match format {
        ScreenFormat::Text => ("text/plain; charset=utf-8", Screen::text),
        ScreenFormat::Ansi => ("text/plain; charset=utf-8", Screen::ansi),
        ScreenFormat::Html => ("text/html; charset=utf-8", Screen::html),
    };
    let text = app.output()?.on_screen(draw).unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response())
}

/// Goes over to frames: from then on the socket is the loop's.
async fn attach(State(app): State<App>, Caller(entry): Caller, request: Request) -> Result<Response, Refusal> {
    App::terminal(&entry)?;
    let asked = request.headers().get(header::UPGRADE).is_some_and(|value| value == FRAMES);
    if !asked {
        return Err(Refusal(StatusCode::UPGRADE_REQUIRED, format!("ask for an upgrade to `{FRAMES}`")));
    }
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        if let Some((socket, read, process)) = socket_of(upgraded) {
            app.post.send(Message::Visit(socket, read, process));
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, FRAMES)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

type Visit = (OwnedFd, Vec<u8>, Option<(u32, u64)>);

/// The socket itself, what was read from it already, and the process at its other end.
fn socket_of(upgraded: hyper::upgrade::Upgraded) -> Option<Visit> {
    let upgraded = match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) => {
            let stream = parts.io.into_inner();
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
            let process = pid.and_then(|pid| Some((pid, process::token(pid)?)));
            return Some((stream.into_std().ok()?.into(), parts.read_buf.to_vec(), process));
        }
        Err(other) => other,
    };
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner().into_std().ok()?.into(), parts.read_buf.to_vec(), None))
}

fn adopted() -> Refusal {
    Refusal::conflict("wrap did not start it: its terminal and its output are those that it was started with")
}
