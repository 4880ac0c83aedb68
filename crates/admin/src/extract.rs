//! Extractors: a JSON body of bounded size, and the parameters of a query string.

use std::time::Duration;

use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, IgnoredAny},
};
use serde_json::{Number, Value};
use tokio::time::timeout;

use super::Problem;

/// The most bytes in a request body.
const LARGEST: usize = 64 * 1024;
/// The timeout for reading a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// 2^53: a float holds every whole number up to here exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON object; an empty body, or `null`, is an empty object.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

/// The parameters of the query string.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let read = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
        let bytes = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let expected = format!("the body is too large: expected at most {LARGEST} bytes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", expected));
            }
            Ok(Err(error)) => {
                let why = format!("the body could not be read: {error}");
                return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_body", why));
            }
            Err(_) => {
                let why = format!("the body did not arrive within {} s", PATIENCE.as_secs());
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", why));
            }
        };
        parse(&head.headers, &bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    if !body.is_empty() && !is_json(headers) {
        let expected = "expected content-type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", expected));
    }
    let unfit = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", why);
    let malformed = |error: serde_json::Error| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_json", format!("the body is not JSON: {error}"))
    };
    let body: &[u8] = match body.trim_ascii() {
        b"" | b"null" => b"{}",
        body => body,
    };
    serde_json::from_slice::<IgnoredAny>(body).map_err(malformed)?;
    // serde also accepts an array for a struct, so refuse it here.
    if !body.starts_with(b"{") {
        return Err(unfit("expected an object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| unfit(at_fault::<T>(body).unwrap_or(error.to_string())))
}

/// Names the bad field and the reason; `None` if a field occurs twice.
fn at_fault<T: DeserializeOwned>(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
    let field = error.path().to_string();
    Some(if field == "." { error.inner().to_string() } else { format!("{field}: {}", error.inner()) })
}

/// Reads a whole number, also `5.0`, as other JSON readers do.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(from)? else { return Ok(None) };
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT).contains(number);
    let whole = number.as_u64().or_else(|| number.as_f64().filter(is_whole).map(|number| number as u64));
    let expected = || de::Error::custom(format!("{number}: expected a whole number of 0 or more"));
    whole.map(Some).ok_or_else(expected)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let params = Query::<T>::try_from_uri(&parts.uri);
        params.map(|Query(params)| Self(params)).map_err(|error: QueryRejection| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", error.body_text())
        })
    }
}
