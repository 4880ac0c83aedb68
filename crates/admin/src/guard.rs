//! Who may ask: what stands before every path.

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

/// What a browser says of who makes it ask.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// On every answer: nobody keeps it, guesses what it is, frames it or takes it to another site.
const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Asks `judge`, and sees to the headers of the answer.
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
    // Load balancers probe with HTTP/1.0, which knows no Host. No browser does.
    if is_probe && request.version() == Version::HTTP_10 && !headers.contains_key(HOST) {
        return Ok(());
    }
    let host = host(request.uri(), headers)?;
    // A page of another site that a browser takes to be this server cannot know the token.
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

/// Whom the request was sent to, as the client sees it.
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

/// Whether a name can be no one else's: an address, or one that no DNS server is asked about.
fn is_here(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Refuses what a page of another origin makes a browser ask.
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
