//! What a client is told whose call no engine has answered.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use super::body::ForwardBody;
use crate::gate::header::{GRPC_MESSAGE, GRPC_STATUS};

/// Why a call is answered here: as gRPC says it and, where the call is no gRPC, as HTTP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The engine is not there.
    Unavailable,
    /// The engine does not take so much metadata.
    ResourceExhausted,
    /// The call has metadata that gRPC does not have. gRPC servers call that INTERNAL.
    Malformed,
}

impl Refusal {
    fn code(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Unavailable => "14",
            Self::ResourceExhausted => "8",
            Self::Malformed => "13",
        })
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ResourceExhausted => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    /// It as an answer, in one HEADERS frame.
    pub(super) fn answer(self, why: &str, is_grpc: bool) -> Response<ForwardBody> {
        let mut response = Response::new(ForwardBody::empty());
        if is_grpc {
            *response.headers_mut() = self.trailers(why);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        } else {
            *response.status_mut() = self.status();
        }
        response
    }

    /// It as trailers.
    pub(super) fn trailers(self, why: &str) -> HeaderMap {
        let mut trailers = HeaderMap::from_iter([(GRPC_STATUS, self.code())]);
        // A message is percent-encoded; ours are short and have nothing else to encode.
        let message: String = why.replace('%', "%25").chars().filter(|c| matches!(c, ' '..='~')).collect();
        if let Ok(message) = HeaderValue::try_from(message) {
            trailers.insert(GRPC_MESSAGE, message);
        }
        trailers
    }
}
