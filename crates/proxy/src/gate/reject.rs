//! What a 456 looks like on the wire. No other file knows.

use bytes::Bytes;
use grpc::header::{GRPC, GRPC_MESSAGE, GRPC_STATUS};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use switch::Refused;

use super::header::{EXPECTED_STRATEGY, RECEIVED_STRATEGY};

/// In which dialect a 456 is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mismatch {
    /// HTTP status 456 and a gRPC status, in one HEADERS frame: every client generation knows it.
    #[default]
    Both,
    /// HTTP status 456 with a sentence: what an edge proxy in front of the engine says.
    Http,
    /// A gRPC status alone, for those that do not pass other HTTP statuses.
    Grpc,
}

/// Some clients compare the text exactly, some look for it in a longer one.
const TEXT: HeaderValue = HeaderValue::from_static("status: 456");
/// gRPC's UNKNOWN.
const UNKNOWN: HeaderValue = HeaderValue::from_static("2");

/// The rejection, and the body it carries in the HTTP dialect.
pub(super) fn response(
    mismatch: Mismatch,
    refused: Refused,
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
