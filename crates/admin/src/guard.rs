//! Access control for every path: Host, origin, token.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version,
        header::{
            AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Problem, Shared, page, paths};

/// The browser's statement of which site caused the request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// On every response: no caching, no type sniffing, no framing, no use by other sites.
const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Runs `judge`, and sets the security headers of the response.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match judge(&shared, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let is_unauthorized = problem.status() == StatusCode::UNAUTHORIZED;
            let mut response = problem.into_response();
            if is_unauthorized {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn judge(shared: &Shared, request: &Request) -> Result<(), Problem> {
    let (headers, path) = (request.headers(), request.uri().path());
    let is_probe = path == paths::LIVEZ || path == paths::READYZ;
    // Load balancers probe with HTTP/1.0, which has no Host header. No browser does.
    if is_probe && request.version() == Version::HTTP_10 && !headers.contains_key(HOST) {
        return Ok(());
    }
    let host = host(request.uri(), headers)?;
    // DNS rebinding: a page of another site can reach this server under its own name, but cannot know the token.
    if shared.token.is_none() && !is_here(host.host()) {
        let why = format!("'{}' is not this server: expected localhost or an address as Host", host.host());
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "bad_host", why));
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_read && page::has(path) {
        return Ok(());
    }
    same_origin(headers, &host)?;
    match &shared.token {
        Some(token) if !is_probe => {
            let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
            let is_shown = shown.is_some_and(|shown| token.is_shown(shown));
            let why = "expected authorization: Bearer and the token of --admin-token-file";
            is_shown.then_some(()).ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", why))
        }
        _ => Ok(()),
    }
}

/// The host and port that the client addressed.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
    let bad = |why| Problem::new(StatusCode::BAD_REQUEST, "bad_host", why);
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(bad("expected one Host header"));
    };
    let host = Authority::try_from(host.as_bytes()).ok().filter(|host| !host.as_str().contains('@'));
    match (host, uri.authority()) {
        (Some(host), Some(target)) if host != *target => {
            Err(bad("expected the same host in Host and in the target"))
        }
        (Some(host), _) => Ok(host),
        (None, _) => Err(bad("expected a host and port in Host")),
    }
}

/// Returns whether nobody else can own this name: an IP address, or a name that is not looked up in DNS.
fn is_here(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Rejects cross-origin browser requests.
fn same_origin(headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    let is_own_site = site.is_none_or(|site| matches!(site, b"same-origin" | b"none"));
    let mut origins = headers.get_all(ORIGIN).iter();
    let is_own_origin = origins.all(|origin| {
        let origin = origin.to_str().ok();
        let origin =
            origin.and_then(|origin| origin.strip_prefix("http://").or(origin.strip_prefix("https://")));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()))
    });
    if is_own_site && is_own_origin {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "cross_origin",
        "requests from pages of other origins are refused",
    ))
}
