//! What the control center answers over HTTP, each with its description for the OpenAPI document.

use super::board::{Board, Instance, ended};
use super::forward::{self, Forward};
use super::guard::{Guard, seal};
use super::session::Codes;
use super::watch::Watch;
use super::{logs, page};
use crate::api::{Method, Refusal};
use crate::log;
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::registry::history::History;
use crate::render::Shown;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The largest body: an entry in a ping may have as much, and nobody types more at once.
const MAX_BODY: usize = 1024 * 1024;

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);

/// Lines of a log that come first, unless somebody asks for others.
const TAIL: usize = 1000;

/// … and so many at most: a page that draws more is slow.
const MOST_TAIL: usize = 20_000;

/// What the routes work on.
#[derive(Clone)]
pub struct App {
    /// What is known of all.
    pub board: Arc<Board>,
    /// Who finds it out.
    pub watch: Watch,
    /// Who may ask.
    pub guard: Arc<Guard>,
    /// What a browser trades for the token.
    pub codes: Arc<Codes>,
    /// What is to be shown.
    pub token: Arc<str>,
    /// Our own.
    pub port: u16,
    /// Room for those who read logs along.
    pub log_places: Arc<Semaphore>,
    /// Ourselves, to start what has ended.
    pub executable: Arc<PathBuf>,
}

/// All routes, and the document that describes them.
pub fn router(app: App) -> axum::Router {
    let (router, document) = described().split_for_parts();
    let router = router.route("/api/openapi.json", axum::routing::get(move || async move { Json(document) }));
    let router = router.fallback(async |request: Request| {
        page::answer(request.uri().path(), request.headers())
            .filter(|_| request.method() == Method::GET || request.method() == Method::HEAD)
            .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "there is no such path".to_owned()))
    });
    router.layer(axum::middleware::from_fn_with_state(app.clone(), guard)).with_state(app)
}

/// The document alone.
pub fn document() -> OpenApi {
    described().split_for_parts().1
}

fn described() -> OpenApiRouter<App> {
    let info = InfoBuilder::new().title("wrap's control center").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Every running instance of this user. The token is in the file center.token of the registry.",
    ));
    let mut document = OpenApiBuilder::new().info(info).build();
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme("token", token);
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("token", [])]);
    OpenApiRouter::with_openapi(document)
        .routes(routes!(health))
        .routes(routes!(all))
        .routes(routes!(current))
        .routes(routes!(one))
        .routes(routes!(ping))
        .routes(routes!(terminate))
        .routes(routes!(restart))
        .routes(routes!(start))
        .routes(routes!(input))
        .routes(routes!(lines))
        .routes(routes!(clear_lines))
        .routes(routes!(log_stream))
        .routes(routes!(screen))
        .routes(routes!(stream))
        .routes(routes!(session))
        .routes(routes!(link))
}

/// Every request passes here, and every answer.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let passed = app.guard.pass(&parts, !page::has(parts.uri.path()));
    let mut response = match &passed {
        Err(refusal) => refusal.clone().into_response(),
        Ok(_) if parts.method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(_) => match whole(body).await {
            Ok(body) => next.run(Request::from_parts(parts, body)).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    seal(response.headers_mut(), passed.as_ref().ok());
    response
}

/// The body, all of it: it may be neither too large nor come too slowly.
async fn whole(body: Body) -> Result<Body, Refusal> {
    match timeout(BODY, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body may have {MAX_BODY} bytes, and has to come whole"),
        )),
        Err(_) => {
            Err(Refusal(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {} s", BODY.as_secs())))
        }
    }
}

/// Whether we are there.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
    /// Of wrap.
    version: &'static str,
}

/// Why something is refused.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct Refused {
    /// A sentence.
    error: String,
}

/// Something was done.
#[derive(Serialize, ToSchema)]
struct Done {
    /// `true`.
    success: bool,
}

#[utoipa::path(get, path = "/health", security(()), responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Which instances are meant.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `1`: those that have ended, too.
    #[serde(default)]
    all: Option<String>,
}

/// All instances, the newest first; the header `x-wrap-event-id` has the last event of the stream that they contain.
#[utoipa::path(get, path = "/api/instances", params(Which),
    responses((status = 200, body = [Instance]), (status = 401, body = Refused)))]
async fn all(State(app): State<App>, which: Result<Query<Which>, QueryRejection>) -> Result<Response, Refusal> {
    let Query(which) = which?;
    app.watch.fresh().await;
    let (mut instances, id) = app.board.all();
    if which.all.is_some_and(|all| all != "0") {
        // Read after the board: a run is written into the history before its entry goes.
        let past = off_thread(|| History::ours().map(|history| history.all().0).unwrap_or_default()).await?;
        let live = |one: &Entry| app.board.find(&one.instance_id).is_some();
        instances.extend(past.into_iter().filter(|past| !live(&past.entry)).map(|past| ended(&Shown::from(past))));
    }
    let id = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static(""));
    Ok(([(HeaderName::from_static("x-wrap-event-id"), id)], Json(instances)).into_response())
}

/// A keeper answers with its own instance; the control center is none.
#[utoipa::path(get, path = "/api/instances/current", responses((status = 404, body = Refused)))]
async fn current() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "the control center is no instance".to_owned())
}

/// One instance, by its id or short id; also one that has ended.
#[utoipa::path(get, path = "/api/instances/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Instance), (status = 404, body = Refused)))]
async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Instance>, Refusal> {
    app.watch.fresh().await;
    let found = app.board.find(&id).and_then(|(entry, _)| app.board.one(&entry.instance_id));
    if let Some(instance) = found {
        return Ok(Json(instance));
    }
    let past = off_thread(move || History::ours().and_then(|history| history.one(&id))).await?;
    past.map(|past| Json(ended(&Shown::from(past)))).ok_or_else(none)
}

/// Whom a ping is about. Nothing else of it is read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Ping {
    /// A uuid.
    instance_id: String,
}

/// There is news of an instance: a hint to read the registry, which alone is believed.
#[utoipa::path(post, path = "/api/instances/ping", security(()), request_body = Ping,
    responses((status = 204), (status = 400, body = Refused)))]
async fn ping(State(app): State<App>, ping: Result<Json<Ping>, JsonRejection>) -> Result<StatusCode, Refusal> {
    let bad = |why: String| Refusal(StatusCode::BAD_REQUEST, why);
    let Json(ping) = ping.map_err(|error| bad(error.body_text()))?;
    let id = uuid::Uuid::parse_str(&ping.instance_id).map_err(|error| bad(format!("`instanceId`: {error}")))?;
    app.watch.ping(id.to_string());
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an instance and everything that it started; answers when it is gone.
#[utoipa::path(post, path = "/api/instances/{id}/terminate", params(("id" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refused), (status = 409, body = Refused)))]
async fn terminate(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    let (entry, status) = app.board.find(&id).ok_or_else(none)?;
    forward::terminate(entry, status, &headers, app.port).await
}

/// Why the old run goes on.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct Precondition {
    /// `precondition_failed`.
    status: String,
    /// A sentence.
    message: String,
}

/// Runs the command again in the same terminal; if it could not start, the old run goes on.
#[utoipa::path(post, path = "/api/instances/{id}/restart", params(("id" = String, Path)),
    responses((status = 200, body = Done), (status = 400, body = Precondition), (status = 404, body = Refused)))]
async fn restart(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    app.forward(&id, Method::POST, "restart".to_owned(), None, &headers).await
}

/// Starts one that has ended again, in the background.
#[utoipa::path(post, path = "/api/instances/{id}/start", params(("id" = String, Path)),
    responses((status = 200), (status = 404, body = Refused), (status = 409, body = Refused)))]
async fn start(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    if app.board.find(&id).is_some() {
        return Err(Refusal::conflict("it still runs"));
    }
    let known = id.clone();
    off_thread(move || History::ours().and_then(|history| history.one(&known))).await?.ok_or_else(none)?;
    let executable = Arc::clone(&app.executable);
    // As a process of its own: whatever it is started with or leaves behind is not ours.
    let output = off_thread(move || {
        let mut command = std::process::Command::new(&*executable);
        command.args(["start", &id, "--json"]).stdin(std::process::Stdio::null()).output()
    });
    let output = output.await?.map_err(|error| internal(&error.to_string()))?;
    if output.status.success() {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        return Ok((headers, output.stdout).into_response());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("wrap: ").to_owned();
    Err(Refusal(StatusCode::CONFLICT, said))
}

/// What is typed: one of the three.
#[derive(Serialize, Deserialize, ToSchema)]
struct Input {
    /// A line; Enter is pressed behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// Characters as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// A key by its name: `ctrl-c`, `enter`, `up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What tells it from others, so that it may be sent again.
    #[serde(default)]
    id: String,
}

/// Whether it arrived.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct Arrived {
    arrived: bool,
}

/// Types something into an instance.
#[utoipa::path(post, path = "/api/instances/{id}/input", params(("id" = String, Path)), request_body = Input,
    responses((status = 200, body = Arrived), (status = 202, body = Arrived, description = "it waits to be read"),
        (status = 400, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
async fn input(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Input>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(input) = body?;
    let body = serde_json::to_vec(&input).map_err(|error| internal(&error.to_string()))?;
    app.forward(&id, Method::POST, "input".to_owned(), Some(body), &headers).await
}

/// From where a caller wants the lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Since {
    /// How many lines are known already.
    #[serde(default)]
    log_offset: u64,
    /// In which log run they were counted; those of another begin at the beginning.
    #[serde(default)]
    log_run_id: u64,
}

/// The last lines that an instance has printed.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct News {
    logs: Vec<String>,
    log_total: u64,
    log_run_id: u64,
}

/// The last 200 lines, or what is new among them.
#[utoipa::path(get, path = "/api/instances/{id}/logs", params(("id" = String, Path), Since),
    responses((status = 200, body = News), (status = 404, body = Refused)))]
async fn lines(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Since { log_offset, log_run_id }) = since?;
    let what = format!("logs?log_offset={log_offset}&log_run_id={log_run_id}");
    app.forward(&id, Method::GET, what, None, &headers).await
}

/// Empties the log.
#[utoipa::path(post, path = "/api/instances/{id}/logs/clear", params(("id" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refused)))]
async fn clear_lines(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    app.forward(&id, Method::POST, "logs/clear".to_owned(), None, &headers).await
}

/// How far back a log begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Tail {
    /// So many lines first; 1,000 without.
    tail: Option<usize>,
}

/// The log, and what comes: the events `log-lines`, `log-ended` and `log-failed`.
#[utoipa::path(get, path = "/api/instances/{id}/logs/stream", params(("id" = String, Path), Tail),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 404, body = Refused)))]
async fn log_stream(
    State(app): State<App>,
    Path(id): Path<String>,
    tail: Result<Query<Tail>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Tail { tail }) = tail?;
    let live = app.board.find(&id).map(|(entry, _)| entry);
    let entry = match &live {
        Some(entry) => entry.clone(),
        None => off_thread(move || History::ours().and_then(|history| history.one(&id))).await?.ok_or_else(none)?.entry,
    };
    let path = entry.log_path.map(PathBuf::from).or_else(|| log::path_of(&entry.instance_id)).ok_or_else(none)?;
    let tail = tail.unwrap_or(TAIL).min(MOST_TAIL);
    let stream = logs::stream(&app.log_places, path, live.as_ref(), tail)?;
    Ok(events(Body::from_stream(stream)))
}

/// How a caller wants the screen.
#[derive(Deserialize, ToSchema, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ScreenFormat {
    #[default]
    Text,
    Ansi,
    Html,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ScreenQuery {
    /// `text`, `ansi` or `html`.
    #[serde(default)]
    #[param(inline)]
    format: ScreenFormat,
}

/// The screen of an instance as it is now.
#[utoipa::path(get, path = "/api/instances/{id}/screen", params(("id" = String, Path), ScreenQuery),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Refused),
        (status = 409, body = Refused)))]
async fn screen(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    query: Result<Query<ScreenQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(ScreenQuery { format }) = query?;
    let format = match format {
        ScreenFormat::Text => "text",
        ScreenFormat::Ansi => "ansi",
        ScreenFormat::Html => "html",
    };
    app.forward(&id, Method::GET, format!("screen?format={format}"), None, &headers).await
}

/// What changes, as it changes: the events `instance-ping`, `instance-update`, `instance-gone`, and `instance-usage`
/// without an id. With the header `Last-Event-ID` it resumes.
#[utoipa::path(get, path = "/stream", params(("last-event-id" = Option<String>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 401, body = Refused)))]
async fn stream(State(app): State<App>, headers: HeaderMap) -> Response {
    let after = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    events(Body::from_stream(app.board.hub.subscribe(after)))
}

/// What a link of `wrap ui` brings.
#[derive(Deserialize, ToSchema)]
struct Code {
    /// Works once.
    code: String,
}

/// The token, for a code.
#[derive(Serialize, ToSchema)]
struct Token {
    token: String,
}

/// Trades the code of a link for the token.
#[utoipa::path(post, path = "/api/session", security(()), request_body = Code,
    responses((status = 200, body = Token), (status = 401, body = Refused)))]
async fn session(State(app): State<App>, body: Result<Json<Code>, JsonRejection>) -> Result<Json<Token>, Refusal> {
    let Json(Code { code }) = body?;
    if app.codes.redeem(&code) {
        return Ok(Json(Token { token: app.token.to_string() }));
    }
    let why = "this link was used already, or is too old; `wrap ui` makes a new one";
    Err(Refusal(StatusCode::UNAUTHORIZED, why.to_owned()))
}

/// A link that signs a browser in.
#[derive(Serialize, ToSchema)]
struct Link {
    /// Works once, and for two minutes.
    url: String,
}

/// Makes a link that signs a browser in.
#[utoipa::path(post, path = "/api/session/link", responses((status = 200, body = Link), (status = 401, body = Refused)))]
async fn link(State(app): State<App>) -> Json<Link> {
    // Behind the `#`: what stands there is sent to nobody and written into no log.
    Json(Link { url: format!("http://127.0.0.1:{}/#code={}", app.port, app.codes.draw()) })
}

impl App {
    async fn forward(
        &self,
        id: &str,
        method: Method,
        what: String,
        body: Option<Vec<u8>>,
        headers: &HeaderMap,
    ) -> Result<Response, Refusal> {
        let (entry, status) = self.board.find(id).ok_or_else(none)?;
        if status == Some(Status::Orphaned) {
            return Err(Refusal::conflict("its keeper is gone: it can only be stopped"));
        }
        Forward { method, what, body }.to(&entry, headers, self.port).await
    }
}

fn events(body: Body) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))], body).into_response()
}

fn none() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is no such instance".to_owned())
}

fn internal(why: &str) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, why.to_owned())
}

/// Does what may wait for a disk elsewhere than on the thread that serves all.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error.to_string()))
}
