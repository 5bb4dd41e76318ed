//! `wrap.http`: one request, bounded in time and size. What a server answers, or that it does not, is a value for the hook
//! and no error.

use super::json::{self, TEXT_BYTES};
use super::sandbox::Halt;
use super::text::visible;
use super::values::{kind, seconds};
use mlua::{Lua, LuaString, Table, Value};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use ureq::http::{Method, Request, Uri};
use ureq::tls::{RootCerts, TlsConfig};

/// Redirections that are followed: http to https, and to another name.
const REDIRECTIONS: u32 = 5;

struct Wanted {
    url: Uri,
    method: Method,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
}

impl Wanted {
    fn read(table: &Value) -> Result<Self, String> {
        let Value::Table(table) = table else {
            return Err("takes a table, as in `wrap.http{url = \"http://localhost:3000/\"}`".into());
        };
        let (mut url, mut method, mut headers) = (None, None, Vec::new());
        let (mut body, mut is_json, mut timeout) = (None, false, None);
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            let key = key.as_string().map(LuaString::to_string_lossy).unwrap_or_default();
            let wrong = |takes: &str| format!("`{}` is {takes}, not {}", visible(&key), kind(&value));
            match &*key {
                "url" => {
                    let text = value.as_string().ok_or_else(|| wrong("a text"))?.to_string_lossy();
                    let parsed = text.parse::<Uri>().ok();
                    let is_web = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
                    let no = || format!("`{}` is no `http://` or `https://` address", visible(&text));
                    url = Some(parsed.filter(is_web).ok_or_else(no)?);
                }
                "method" => {
                    let text = value.as_string().ok_or_else(|| wrong("a text"))?.to_string_lossy();
                    let parsed = Method::from_bytes(text.to_ascii_uppercase().as_bytes());
                    method = Some(parsed.map_err(|_| format!("`{}` is no method", visible(&text)))?);
                }
                "headers" => headers = pairs(value.as_table().ok_or_else(|| wrong("a table"))?)?,
                "body" => body = Some(value.as_string().ok_or_else(|| wrong("a text"))?.as_bytes().to_vec()),
                "json" => (body, is_json) = (Some(json::encode(&value)?.into_bytes()), true),
                "timeout" => timeout = Some(seconds(&value).ok_or_else(|| wrong("a number of seconds"))?),
                other => {
                    let other = visible(other);
                    return Err(format!(
                        "there is no option `{other}`: there are `url`, `method`, `headers`, `body`, `json` and `timeout`"
                    ));
                }
            }
        }
        if is_json && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        let method = method.unwrap_or(if body.is_some() { Method::POST } else { Method::GET });
        Ok(Self { url: url.ok_or("`url` is missing")?, method, headers, body, timeout })
    }
}

fn pairs(table: &Table) -> Result<Vec<(String, String)>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.to_str().ok().map(|text| text.to_owned()),
        _ => None,
    };
    let mut headers = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        headers.push(text(&name).zip(text(&value)).ok_or("`headers` has texts by name")?);
    }
    Ok(headers)
}

/// Asks, and makes `{ok, status, body, headers}` of the answer, or `{ok = false, error}` where there is none.
pub(super) fn request(lua: &Lua, wanted: &Value, clock: &Halt) -> mlua::Result<(Value, Option<String>)> {
    let wanted = match Wanted::read(wanted) {
        Ok(wanted) => wanted,
        Err(why) => return Ok((Value::Nil, Some(format!("`wrap.http`: {why}")))),
    };
    let limit = wanted.timeout.unwrap_or(Duration::MAX).min(clock.left());
    let answer = lua.create_table()?;
    match ask(wanted, limit) {
        Ok((status, headers, body)) => {
            answer.raw_set("ok", (200..300).contains(&status))?;
            answer.raw_set("status", status)?;
            answer.raw_set("body", lua.create_string(body)?)?;
            let table = lua.create_table()?;
            for (name, value) in headers {
                table.raw_set(name, value)?;
            }
            answer.raw_set("headers", table)?;
        }
        Err(why) => {
            answer.raw_set("ok", false)?;
            answer.raw_set("error", why)?;
        }
    }
    Ok((Value::Table(answer), None))
}

type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn ask(wanted: Wanted, limit: Duration) -> Result<Answer, String> {
    // The system's own certificates: a company's proxy has put its own there.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .max_redirects(REDIRECTIONS)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .tls_config(tls);
    if wanted.url.host().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")) {
        // A proxy of the environment is for the web.
        config = config.proxy(None);
    }
    let agent = ureq::Agent::new_with_config(config.build());
    let mut request = Request::builder().method(wanted.method).uri(wanted.url);
    for (name, value) in &wanted.headers {
        request = request.header(name, value);
    }
    let sent = match wanted.body {
        Some(body) => agent.run(request.body(body).map_err(|error| visible(&error.to_string()))?),
        None => agent.run(request.body(()).map_err(|error| visible(&error.to_string()))?),
    };
    let mut response = sent.map_err(|error| visible(&error.to_string()))?;
    let text = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = response.headers().iter().map(text).collect();
    let body = response.body_mut().with_config().limit(TEXT_BYTES as u64).read_to_vec();
    Ok((response.status().as_u16(), headers, body.map_err(|error| visible(&error.to_string()))?))
}

/// `wrap.connects`: whether somebody takes a connection at a host's port within the time.
pub(super) fn connects(host: &str, port: u16, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    // A name is looked up by the system, which has limits of its own; those of /etc/hosts and addresses cost nothing.
    let Ok(addresses) = (host, port).to_socket_addrs() else { return false };
    addresses.into_iter().any(|address| {
        let left = deadline.saturating_duration_since(Instant::now());
        !left.is_zero() && TcpStream::connect_timeout(&address, left).is_ok()
    })
}
