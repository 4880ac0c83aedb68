//! The answers of the gate itself: a 456, whose encoding no other file knows, and UNAVAILABLE.

use bytes::Bytes;
use clap::ValueEnum;
use grpc::{
    Failure,
    header::{GRPC, GRPC_MESSAGE, GRPC_STATUS},
};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use switch::StrategyMismatch;

use super::header::{EXPECTED_STRATEGY, RECEIVED_STRATEGY};

/// The encoding of a 456.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mismatch {
    /// HTTP status 456 and a gRPC status in one HEADERS frame; every client generation understands it.
    #[default]
    Both,
    /// HTTP status 456 with a text body, as an edge proxy in front of the engine sends it.
    Http,
    /// A gRPC status alone, for networks that drop unknown HTTP statuses.
    Grpc,
}

/// Some clients compare the whole text, others look for it in a longer one.
const TEXT: HeaderValue = HeaderValue::from_static("status: 456");
/// gRPC's UNKNOWN.
const UNKNOWN: HeaderValue = HeaderValue::from_static("2");

/// The rejection, with a body in the HTTP encoding.
pub(super) fn response(
    mismatch: Mismatch,
    refused: StrategyMismatch,
    received: Option<HeaderValue>,
) -> Response<Option<Bytes>> {
    let expected = refused.expected.as_str();
    let body = match mismatch {
        Mismatch::Both | Mismatch::Grpc => None,
        Mismatch::Http => {
            let received =
                received.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("no longer served");
            Some(format!("status: 456: the strategy is {received}, expected {expected}\n").into())
        }
    };
    let mut response = Response::new(body);
    if mismatch != Mismatch::Grpc {
        *response.status_mut() = StatusCode::from_u16(456).expect("456 is a status code");
    }
    let headers = response.headers_mut();
    if mismatch == Mismatch::Http {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    } else {
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(GRPC_STATUS, UNKNOWN);
        headers.insert(GRPC_MESSAGE, TEXT);
    }
    headers.insert(EXPECTED_STRATEGY, HeaderValue::from_static(expected));
    if let Some(received) = received {
        headers.insert(RECEIVED_STRATEGY, received);
    }
    response
}

/// UNAVAILABLE with the reason, which names the engine or the instance.
pub(super) fn unavailable(why: &str) -> Response<Option<Bytes>> {
    let mut response = Response::new(None);
    *response.headers_mut() = Failure::Unavailable.trailers(why);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}
