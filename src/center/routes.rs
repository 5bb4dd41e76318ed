//! What the control center answers over HTTP, each with its description for the OpenAPI document.

use super::board::{Board, Instance, ended};
use super::forward::{self, Forward};
use super::guard::{self, Guard};
use super::session::{self, Codes};
use super::shapes::{
    Arrived, Code, Done, Health, Input, Link, News, Ping, Precondition, Refused, ScreenFormat, ScreenQuery, Since,
    Tail, Token, Wanted, Which,
};
use super::watch::Watch;
use super::{logs, page};
use crate::api::{Method, Refusal};
use crate::log;
use crate::registry::center::Seat;
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::registry::history::{History, Past};
use crate::render::Shown;
use crate::sys::limit::restored;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rustix::process::Rlimit;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, InfoBuilder, OpenApiBuilder, Ref, ResponseBuilder, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
    /// What a browser trades for the token.
    pub codes: Arc<Codes>,
    /// Where files of this user's are.
    pub seat: Arc<Seat>,
    /// What is to be shown.
    pub token: Arc<str>,
    /// Our own.
    pub port: u16,
    /// Room for those who read logs along.
    pub log_places: Arc<Semaphore>,
    /// Ourselves, to start what has ended.
    pub executable: Arc<PathBuf>,
    /// The limit of descriptors that it is to be started with.
    pub limit: Option<Rlimit>,
}

/// All routes, and the document that describes them, behind the guard.
pub fn router(app: App, guard: Guard) -> axum::Router {
    let (router, mut document) = described().split_for_parts();
    document.paths.paths.values_mut().for_each(guarded);
    let router = router.route("/api/openapi.json", axum::routing::get(move || async move { Json(document) }));
    let router = router.fallback(async |request: Request| {
        page::answer(request.uri().path(), request.headers())
            .filter(|_| request.method() == Method::GET || request.method() == Method::HEAD)
            .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "there is no such path".to_owned()))
    });
    router.layer(axum::middleware::from_fn_with_state(Arc::new(guard), guard::stand)).with_state(app)
}

/// What the guard, and the reading of a request, may answer on every path, and why.
const REFUSALS: [(&str, &str); 6] = [
    ("400", "something in it is not what it has to be"),
    ("401", "the token is missing"),
    ("403", "it comes from elsewhere"),
    ("408", "its body did not come"),
    ("413", "its body is too large"),
    ("415", "its body is not JSON"),
];

/// Adds these to what a path's own description says.
fn guarded(path: &mut PathItem) {
    let refused = Content::new(Some(Ref::from_schema_name("Refused")));
    for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
        for (status, why) in REFUSALS {
            let response = || ResponseBuilder::new().description(why).content("application/json", refused.clone());
            operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response().build().into());
        }
    }
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
        .routes(routes!(log_text))
        .routes(routes!(screen))
        .routes(routes!(stream))
        .routes(routes!(session))
        .routes(routes!(link))
}

#[utoipa::path(get, path = "/health", security(()), responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
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
    Ok(Json(ended(&Shown::from(past(id).await?))))
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
    let id = past(id).await?.entry.instance_id;
    let (executable, limit) = (Arc::clone(&app.executable), app.limit);
    // As a process of its own: whatever it is started with or leaves behind is not ours.
    let output = off_thread(move || {
        let mut command = std::process::Command::new(&*executable);
        command.args(["start", &id, "--json"]).stdin(std::process::Stdio::null());
        restored(&mut command, limit).output()
    });
    let output = output.await?.map_err(|error| internal(&error.to_string()))?;
    if output.status.success() {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        return Ok((headers, output.stdout).into_response());
    }
    Err(Refusal(StatusCode::CONFLICT, said_of(&output)))
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

/// The log, and what comes: the events `log-lines`, `log-begun` (a line without its end), `log-ended` and `log-failed`.
#[utoipa::path(get, path = "/api/instances/{id}/logs/stream", params(("id" = String, Path), Tail),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 404, body = Refused)))]
async fn log_stream(
    State(app): State<App>,
    Path(id): Path<String>,
    tail: Result<Query<Tail>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Tail { tail }) = tail?;
    let (entry, is_live) = app.entry(id).await?;
    let path = log_of(&entry)?;
    let source = logs::Source { path, live: is_live.then_some(entry), tail: tail.unwrap_or(TAIL).min(MOST_TAIL) };
    Ok(events(Body::from_stream(logs::stream(&app.log_places, source, app.board.hub.over())?)))
}

/// The whole log, as plain text.
#[utoipa::path(get, path = "/api/instances/{id}/logs/text", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Refused)))]
async fn log_text(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (entry, _) = app.entry(id).await?;
    let stream = logs::whole(&app.log_places, log_of(&entry)?, app.board.hub.over())?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    Ok((headers, Body::from_stream(stream)).into_response())
}

fn log_of(entry: &Entry) -> Result<PathBuf, Refusal> {
    entry.log_path.as_ref().map(PathBuf::from).or_else(|| log::path_of(&entry.instance_id)).ok_or_else(none)
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

/// Makes a link that signs a browser in. With `file`, in a file that only this user can read: what stands in the arguments
/// of a program, every user of the machine can.
#[utoipa::path(post, path = "/api/session/link", request_body = Option<Wanted>,
    responses((status = 200, body = Link), (status = 401, body = Refused)))]
async fn link(
    State(app): State<App>,
    body: Result<Option<Json<Wanted>>, JsonRejection>,
) -> Result<Json<Link>, Refusal> {
    let wanted = body?.map(|Json(wanted)| wanted).unwrap_or_default();
    let code = app.codes.draw();
    // Behind the `#`: what stands there is sent to nobody and written into no log.
    let url = format!("http://127.0.0.1:{}/#code={code}", app.port);
    if !wanted.file {
        return Ok(Json(Link { url, file: None }));
    }
    let page =
        format!("<!doctype html><meta http-equiv=\"refresh\" content=\"0;url={url}\"><a href=\"{url}\">wrap</a>\n");
    let name = format!("open-{}.html", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let file = app.seat.write(&name, page.as_bytes()).map_err(|error| internal(&error.to_string()))?;
    app.codes.is_in(&code, file.clone());
    let codes = Arc::clone(&app.codes);
    tokio::spawn(async move {
        tokio::time::sleep(session::LIFE).await;
        codes.forget_old();
    });
    Ok(Json(Link { url, file: Some(file.to_string_lossy().into_owned()) }))
}

/// Why a start has failed, in the words of the verb: of a command that ended at once, its last ones.
fn said_of(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("wrap: ");
    let ended = || format!("it ended at once, with {}", output.status.code().unwrap_or_default());
    if said.is_empty() { ended() } else { said.to_owned() }
}

/// One that has ended, by its id or short id.
async fn past(id: String) -> Result<Past, Refusal> {
    let found = off_thread(move || {
        let history = History::ours()?;
        let by_short_id = || history.all().0.into_iter().find(|past| past.entry.short_id() == id);
        history.one(&id).or_else(by_short_id)
    });
    found.await?.ok_or_else(none)
}

impl App {
    /// The entry of one that is registered, or that has ended; and whether it is registered.
    async fn entry(&self, id: String) -> Result<(Entry, bool), Refusal> {
        match self.board.find(&id) {
            Some((entry, _)) => Ok((entry, true)),
            None => Ok((past(id).await?.entry, false)),
        }
    }

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
