//! `POST /oauth2/token`: the client credentials grant of RFC 6749, section 4.4.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use tokio::time::Instant;
use tonic::codegen::StdError;

use super::tokens::Tokens;

/// The path of the token endpoint.
pub(super) const PATH: &str = "/oauth2/token";
/// The most bytes in a request body.
const LARGEST_FORM: usize = 64 << 10;

/// An error response (RFC 6749, section 5.2).
struct Problem {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
}

const fn bad(code: &'static str, description: &'static str) -> Problem {
    Problem { status: StatusCode::BAD_REQUEST, code, description }
}

const UNKNOWN: Problem = Problem {
    status: StatusCode::UNAUTHORIZED,
    code: "invalid_client",
    description: "expected a known client_id with its client_secret",
};

/// Serves a token request.
pub(super) async fn answer<B>(tokens: &Tokens, request: Request<B>) -> Response<tonic::body::Body>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<StdError>,
{
    let answered = issue(tokens, request).await;
    let (status, json) = match answered {
        Ok(token) => {
            let expires_in = tokens.ttl().as_secs().max(1);
            (StatusCode::OK, json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in}))
        }
        Err(Problem { status, code, description }) => {
            (status, json!({"error": code, "error_description": description}))
        }
    };
    let mut response =
        Response::new(tonic::body::Body::new(http_body_util::Full::new(json.to_string().into())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"teal\""));
    }
    response
}

async fn issue<B>(tokens: &Tokens, request: Request<B>) -> Result<String, Problem>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<StdError>,
{
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Problem { status, ..bad("invalid_request", "expected POST") });
    }
    if !is_form(&head.headers) {
        return Err(bad("invalid_request", "expected content-type application/x-www-form-urlencoded"));
    }
    let form = Limited::new(body, LARGEST_FORM).collect().await;
    let form = form.map_err(|_| bad("invalid_request", "expected a form of at most 64 KiB"))?.to_bytes();
    let mut fields: Vec<(String, String)> = form_urlencoded::parse(&form).into_owned().collect();
    fields.sort();
    if fields.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err(bad("invalid_request", "expected each parameter once"));
    }
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match field("grant_type").as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(bad("unsupported_grant_type", "expected grant_type=client_credentials")),
        None => return Err(bad("invalid_request", "expected grant_type=client_credentials")),
    }
    let (id, secret) = match (head.headers.get(AUTHORIZATION), field("client_secret")) {
        (Some(_), Some(_)) => {
            return Err(bad("invalid_request", "expected HTTP Basic or client_secret, not both"));
        }
        (Some(header), None) => basic(header).ok_or(UNKNOWN)?,
        (None, secret) => field("client_id").zip(secret).ok_or(UNKNOWN)?,
    };
    if !tokens.knows(&id, &secret) {
        return Err(UNKNOWN);
    }
    tracing::info!("Issued a token to client '{}'", id.escape_debug());
    Ok(tokens.issue(&id, Instant::now()))
}

fn is_form(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|value| value.split(';').next()).unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads id and secret from HTTP Basic, each form-encoded.
fn basic(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let text = text.replace('&', "%26").replace('=', "%3D");
        form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Full;

    use super::{
        super::{AcceptedTokens, OauthClient, TokenOptions},
        *,
    };

    async fn asked(request: http::request::Builder, form: &'static str) -> (StatusCode, serde_json::Value) {
        let client = OauthClient { id: "app 1".into(), secret: "s:e&c".into() };
        let options = TokenOptions {
            clients: vec![client],
            ttl: Duration::from_secs(90),
            accepted: AcceptedTokens::Any,
        };
        let tokens = Tokens::new(options);
        let response = answer(&tokens, request.body(Full::new(Bytes::from(form))).unwrap()).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let status = response.status();
        let json: serde_json::Value =
            serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        if let serde_json::Value::String(token) = &json["access_token"] {
            assert!(tokens.check(token.as_bytes(), Instant::now()).is_ok());
        }
        (status, json)
    }

    fn post() -> http::request::Builder {
        Request::post(PATH).header(CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    fn with_basic(text: &str) -> http::request::Builder {
        post().header(AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(text)))
    }

    #[tokio::test]
    async fn credentials_come_by_basic_or_form() {
        let grant = "grant_type=client_credentials&scope=x";
        for (request, form) in [
            (with_basic("app+1:s%3Ae%26c"), grant),
            (post(), "grant_type=client_credentials&client_id=app+1&client_secret=s%3Ae%26c"),
        ] {
            let (status, json) = asked(request, form).await;
            assert_eq!(status, 200, "{json}");
            assert_eq!((&json["token_type"], &json["expires_in"]), (&json!("Bearer"), &json!(90)));
        }
    }

    #[tokio::test]
    async fn errors_say_what_was_expected() {
        for (request, form, status, code) in [
            (Request::get(PATH), "", 405, "invalid_request"),
            (Request::post(PATH), "grant_type=client_credentials", 400, "invalid_request"),
            (post(), "", 400, "invalid_request"),
            (post(), "grant_type=password", 400, "unsupported_grant_type"),
            (post(), "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
            (post(), "grant_type=client_credentials", 401, "invalid_client"),
            (post(), "grant_type=client_credentials&client_id=app+1&client_secret=no", 401, "invalid_client"),
            (with_basic("app+1"), "grant_type=client_credentials", 401, "invalid_client"),
            (with_basic("app+1:s"), "grant_type=client_credentials&client_secret=s", 400, "invalid_request"),
            (
                post().header(AUTHORIZATION, "Bearer x"),
                "grant_type=client_credentials",
                401,
                "invalid_client",
            ),
        ] {
            let (found, json) = asked(request, form).await;
            assert_eq!((found.as_u16(), &json["error"]), (status, &json!(code)), "{form}");
            assert!(json["error_description"].as_str().unwrap().starts_with("expected"), "{json}");
        }
    }
}
