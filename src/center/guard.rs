//! Who may ask what. Loopback is no boundary: any web page and any user of the machine can reach it.

use super::page;
use crate::api::Refusal;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What needs no token: whether we are there, hints, and the exchange of a one-time code for the token. The page's files
/// have nothing private in them and are let through by [`stand`].
const OPEN: [&str; 3] = ["/health", "/api/instances/ping", "/api/session"];

/// The largest body: an entry in a ping may have as much, and nobody types more at once.
const MAX_BODY: usize = 1024 * 1024;

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);

/// What the page may do: run its own scripts and styles, and speak to where it came from. Nothing inline, no frame
/// around it, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// What every answer says.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// An origin besides our own whose pages may ask, with the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// This very one: scheme, host and port.
    Origin(String),
    /// Every scheme and port of this host.
    Domain(String),
}

impl Allowed {
    /// Reads what `--allowed-origin` was given: `https://app.example:3000`, or `app.local`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{}` is neither an origin (https://app.local:3000) nor a domain (app.local)", text.escape_debug())
        };
        let text = text.to_ascii_lowercase();
        let is_host = |host: &str| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte))
        };
        if let Some((scheme, rest)) = text.split_once("://") {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let (host, port) = split_port(rest).ok_or_else(wrong)?;
            if !matches!(scheme, "http" | "https") || !is_host(host) {
                return Err(wrong());
            }
            // Browsers leave the usual port out.
            let usual = if scheme == "https" { 443 } else { 80 };
            let port = port.filter(|port| *port != usual).map_or_else(String::new, |port| format!(":{port}"));
            return Ok(Self::Origin(format!("{scheme}://{host}{port}")));
        }
        if is_host(&text) && !text.contains(':') { Ok(Self::Domain(text)) } else { Err(wrong()) }
    }

    fn fits(&self, origin: &str) -> bool {
        match self {
            Self::Origin(one) => one == origin,
            Self::Domain(domain) => {
                let host = origin.split_once("://").and_then(|(_, rest)| split_port(rest)).map(|(host, _)| host);
                host == Some(domain)
            }
        }
    }
}

/// `host` and `port` of `host[:port]`; `None` where the port is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => port.parse().ok().map(|port| (host, Some(port))),
        _ => Some((authority, None)),
    }
}

/// What a request has to show.
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    allowed: Vec<Allowed>,
    token: [u8; 32],
}

/// What the answer to a request says of its origin.
struct Pass {
    foreign: Option<HeaderValue>,
}

impl Guard {
    /// Of the center on this port, with this token.
    pub fn new(port: u16, token: &str, allowed: Vec<Allowed>) -> Self {
        let hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).into();
        let origins = hosts.iter().map(|host| format!("http://{host}")).collect();
        Self { hosts, origins, allowed, token: hash(token) }
    }

    /// Lets a request through or refuses it; `needs_token` says that what it asks for is not for everybody. What is said
    /// of its origin holds of a refusal, too: an allowed page is to read why.
    fn pass(&self, request: &Parts, needs_token: bool) -> (Pass, Result<(), Refusal>) {
        let mut pass = Pass { foreign: None };
        let passed = self.look(request, needs_token, &mut pass);
        (pass, passed)
    }

    fn look(&self, request: &Parts, needs_token: bool, pass: &mut Pass) -> Result<(), Refusal> {
        let refuse = |status, why: &str| Err(Refusal(status, why.to_owned()));
        // With HTTP/1.0 there may be none; a request in absolute form could say two things.
        let host = one(&request.headers, header::HOST).map(str::to_ascii_lowercase);
        let is_ours = host.is_some_and(|host| self.hosts.contains(&host)) && request.uri.authority().is_none();
        if !is_ours {
            return refuse(
                StatusCode::FORBIDDEN,
                "this address is not the control center's: open http://127.0.0.1 itself",
            );
        }
        if request.headers.contains_key(header::ORIGIN) {
            let origin = one(&request.headers, header::ORIGIN).unwrap_or_default().to_ascii_lowercase();
            if self.allowed.iter().any(|allowed| allowed.fits(&origin)) {
                pass.foreign = HeaderValue::from_str(&origin).ok();
            } else if !self.origins.contains(&origin) {
                return refuse(StatusCode::FORBIDDEN, "pages of another origin are refused; see `--allowed-origin`");
            }
        } else if one(&request.headers, HeaderName::from_static("sec-fetch-site")) == Some("cross-site")
            && one(&request.headers, HeaderName::from_static("sec-fetch-mode")) != Some("navigate")
        {
            // An image or a script of another page, for which browsers send no origin.
            return refuse(StatusCode::FORBIDDEN, "pages of another origin are refused");
        }
        if pass.foreign.is_some() && request.method == Method::OPTIONS {
            return Ok(());
        }
        // A body of any other type can be sent by a form of any page without asking first.
        let has_body = request.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
            || request.headers.contains_key(header::TRANSFER_ENCODING);
        let kind = one(&request.headers, header::CONTENT_TYPE).unwrap_or_default();
        let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if has_body && !is_json {
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body has to be application/json");
        }
        if needs_token && !OPEN.contains(&request.uri.path()) && !self.has_token(&request.headers) {
            let why = "show the control center's token as a bearer token; `wrap ui` opens a signed-in page";
            return refuse(StatusCode::UNAUTHORIZED, why);
        }
        Ok(())
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        // The scheme's case does not count (RFC 9110, 11.1).
        let shown = one(headers, header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
        // Hashes are compared, so that the time tells nothing of how much was right.
        shown.is_some_and(|token| hash(token) == self.token)
    }
}

/// The only value of a header; of several nobody knows which one counts.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Every request passes here, and every answer.
pub async fn stand(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (pass, passed) = guard.pass(&parts, !page::has(parts.uri.path()));
    let mut response = match passed {
        Err(refusal) => refusal.into_response(),
        Ok(()) if parts.method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => match whole(body).await {
            Ok(body) => worded(next.run(Request::from_parts(parts, body)).await),
            Err(refusal) => refusal.into_response(),
        },
    };
    seal(response.headers_mut(), &pass);
    response
}

/// The router's own refusals have no words, or no JSON: they get both.
fn worded(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_ours = kind.is_some_and(|kind| kind.starts_with(b"application/json"));
    let status = response.status();
    if !status.is_client_error() || is_ours {
        return response;
    }
    Refusal(status, status.canonical_reason().unwrap_or("it was refused").to_lowercase()).into_response()
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

/// Puts on an answer what every one says.
fn seal(headers: &mut HeaderMap, pass: &Pass) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = pass.foreign.clone() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        let asked = "authorization, content-type, last-event-id, cache-control";
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(asked));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-wrap-event-id"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn guard(allowed: &[&str]) -> Guard {
        Guard::new(8969, "secret", allowed.iter().map(|one| Allowed::parse(one).expect("allowed")).collect())
    }

    fn status(guard: &Guard, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        guard.pass(&parts, true).1.map_or_else(|refusal| refusal.0.as_u16(), |()| 200)
    }

    #[test]
    fn only_our_own_names_our_own_origins_and_the_token_get_in() {
        let guard = guard(&[]);
        let token = ("authorization", "Bearer secret");
        for host in ["127.0.0.1:8969", "localhost:8969", "[::1]:8969", "LOCALHOST:8969"] {
            assert_eq!(status(&guard, "/stream", &[("host", host), token]), 200, "{host}");
        }
        for host in ["evil.example:8969", "127.0.0.1", "127.0.0.1:3000", "localhost.evil.example:8969", ""] {
            assert_eq!(status(&guard, "/health", &[("host", host), token]), 403, "{host}");
        }
        let host = ("host", "localhost:8969");
        assert_eq!(status(&guard, "/health", &[]), 403, "no host");
        assert_eq!(status(&guard, "/health", &[host, ("host", "localhost:8969")]), 403, "two hosts");
        assert_eq!(status(&guard, "http://evil.example/health", &[host]), 403, "absolute form");
        for origin in ["http://evil.example", "http://localhost:3000", "null", "https://localhost:8969", ""] {
            assert_eq!(status(&guard, "/health", &[host, ("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(status(&guard, "/stream", &[host, ("origin", "http://127.0.0.1:8969"), token]), 200);
        let image = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
        assert_eq!(status(&guard, "/health", &image), 403);
        for wrong in ["Bearer Secret", "Bearer ", "Basic secret", "secret"] {
            assert_eq!(status(&guard, "/stream", &[host, ("authorization", wrong)]), 401, "{wrong}");
        }
        assert_eq!((status(&guard, "/stream", &[host]), status(&guard, "/health", &[host])), (401, 200));
    }

    #[test]
    fn a_body_is_json_or_refused() {
        let guard = guard(&[]);
        let with = |kind: &str| {
            status(
                &guard,
                "/api/instances/ping",
                &[("host", "localhost:8969"), ("content-length", "2"), ("content-type", kind)],
            )
        };
        assert_eq!((with("application/json"), with("Application/JSON; charset=utf-8")), (200, 200));
        for form in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
            "text/plain; application/json",
        ] {
            assert_eq!(with(form), 415, "{form}");
        }
    }

    #[test]
    fn an_allowed_origin_is_exact_and_a_domain_has_any_port() {
        let guard = guard(&["https://app.example:443", "http://app.example:3000/", "myapp.local"]);
        let with = |origin: &str| status(&guard, "/health", &[("host", "localhost:8969"), ("origin", origin)]);
        for origin in ["https://app.example", "http://app.example:3000", "http://myapp.local", "https://MYAPP.local:1"]
        {
            assert_eq!(with(origin), 200, "{origin}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:3000",
            "http://myapp.local.evil.com",
            "http://evilmyapp.local",
            "http://sub.myapp.local",
            "http://myapp.local:evil",
        ] {
            assert_eq!(with(origin), 403, "{origin}");
        }
        for wrong in ["", "ftp://x", "http://", "my app", "a.local:3000", "http://a/b", "*"] {
            assert!(Allowed::parse(wrong).is_err(), "{wrong}");
        }
    }
}
