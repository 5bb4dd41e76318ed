//! What only the keeper of an instance can do is asked of that keeper, with the key of its entry.

use crate::api::{self, HOPS, Method, Refusal};
use crate::registry::entry::Entry;
use crate::registry::health::Status;
use crate::sweep::{Unfinished, finish};
use crate::sys::process;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// So many control centers a request may come over: more is a circle.
const MOST_HOPS: u32 = 3;

/// How long a keeper may take for what it does at once.
const ANSWER: Duration = Duration::from_secs(5);

/// How long an ending or a restart may take: the longest grace that can be configured, for the command and for what it
/// leaves behind, and a little more. Whoever asked may leave before.
const ENDING: Duration = Duration::from_hours(49);

/// What is to be asked of a keeper.
pub struct Forward {
    /// GET or POST.
    pub method: Method,
    /// The last part of the path, with its query.
    pub what: String,
    /// JSON.
    pub body: Option<Vec<u8>>,
}

impl Forward {
    /// How long its answer may take.
    fn patience(&self) -> Duration {
        if matches!(&*self.what, "terminate" | "restart") { ENDING } else { ANSWER }
    }

    /// Asks it of the keeper of this instance; what that answers is the answer. `own_port` is ours.
    pub async fn to(self, entry: &Entry, asked: &HeaderMap, own_port: u16) -> Result<Response, Refusal> {
        let hops = hops(asked)?;
        not_ourselves(entry, own_port)?;
        let path = format!("/api/instances/{}/{}", entry.instance_id, self.what);
        let patience = self.patience();
        let asking = api::forward(entry, self.method, &path, self.body, hops + 1);
        let answer = match timeout(patience, asking).await {
            Ok(Ok(answer)) => answer,
            // One failed connection proves nothing: the entry stays.
            Ok(Err(error)) => return Err(Refusal(StatusCode::BAD_GATEWAY, error.to_string())),
            Err(_) => {
                let why = format!("the keeper of `{}` did not answer in time", entry.short_id());
                return Err(Refusal(StatusCode::GATEWAY_TIMEOUT, why));
            }
        };
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        // Never as a document of our own origin, whatever it is.
        let is_text = self.what.starts_with("screen") && status.is_success();
        let kind = if is_text { "text/plain; charset=utf-8" } else { "application/json" };
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        Ok((status, headers, answer.body).into_response())
    }
}

/// Ends an instance: by its keeper, or, where that is dead or hangs, by ourselves.
pub async fn terminate(
    entry: Entry,
    status: Option<Status>,
    asked: &HeaderMap,
    own_port: u16,
) -> Result<Response, Refusal> {
    if status == Some(Status::Unknown) {
        return Err(Refusal::conflict("it runs on another machine or in another container; stop it there"));
    }
    not_ourselves(&entry, own_port)?;
    let lives = process::is_alive(entry.pid, entry.pid_token);
    if lives && timeout(ANSWER, is_there(&entry)).await == Ok(true) {
        let ending = Forward { method: Method::POST, what: "terminate".to_owned(), body: None };
        return ending.to(&entry, asked, own_port).await;
    }
    let failed = |why: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, why);
    let finished =
        tokio::task::spawn_blocking(move || finish(&entry)).await.map_err(|error| failed(error.to_string()))?;
    match finished {
        Ok(ended) => {
            let names = |all: Vec<process::Process>| -> Vec<String> { all.into_iter().map(|one| one.name).collect() };
            let body = json!({ "success": true, "killed": names(ended.killed), "left": names(ended.spared) });
            Ok(axum::Json(body).into_response())
        }
        Err(Unfinished::Refused(why)) => Err(Refusal::conflict(&why)),
        Err(Unfinished::Failed(why)) => Err(failed(why)),
    }
}

async fn is_there(entry: &Entry) -> bool {
    api::request(entry, Method::GET, "/health", None).await.is_ok_and(|answer| answer.status == 200)
}

fn hops(asked: &HeaderMap) -> Result<u32, Refusal> {
    let hops = asked.get(HOPS).map_or(Some(0), |value| value.to_str().ok()?.parse().ok());
    match hops {
        Some(hops) if hops < MOST_HOPS => Ok(hops),
        _ => Err(Refusal(StatusCode::LOOP_DETECTED, format!("it came over {MOST_HOPS} control centers already"))),
    }
}

fn not_ourselves(entry: &Entry, own_port: u16) -> Result<(), Refusal> {
    if is_own(entry.local_url.as_deref(), own_port) {
        let why = "the entry names the control center itself as its keeper: nothing was sent";
        return Err(Refusal(StatusCode::LOOP_DETECTED, why.to_owned()));
    }
    Ok(())
}

/// Whether this is the address that we listen on ourselves.
fn is_own(url: Option<&str>, port: u16) -> bool {
    let address = url.and_then(|url| url.strip_prefix("http://"));
    address.is_some_and(|address| address.trim_end_matches('/').ends_with(&format!(":{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_our_own_address_are_seen() {
        let with = |value: &'static str| {
            hops(&HeaderMap::from_iter([("x-wrap-hops".parse().expect("a name"), HeaderValue::from_static(value))]))
        };
        assert_eq!((hops(&HeaderMap::new()), with("2")), (Ok(0), Ok(2)));
        assert!(with("3").is_err() && with("-1").is_err() && with("x").is_err());
        assert!(is_own(Some("http://127.0.0.1:8969"), 8969) && is_own(Some("http://[::1]:8969/"), 8969));
        assert!(
            !is_own(Some("http://127.0.0.1:18969"), 8969) && !is_own(Some("unix:/x:8969"), 8969) && !is_own(None, 1)
        );
    }
}
