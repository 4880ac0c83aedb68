//! Responses to calls that no engine has answered.

use grpc::{Failure, header::GRPC};
use http::{Response, StatusCode, header::CONTENT_TYPE};

use super::body::ForwardBody;

/// Builds an error response in one HEADERS frame: a gRPC status, or an HTTP status if the call is not gRPC.
pub(super) fn answer(failure: Failure, why: &str, is_grpc: bool) -> Response<ForwardBody> {
    let mut response = Response::new(ForwardBody::empty());
    if is_grpc {
        *response.headers_mut() = failure.trailers(why);
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
        return response;
    }
    *response.status_mut() = match failure {
        Failure::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Failure::ResourceExhausted => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Failure::Internal => StatusCode::BAD_REQUEST,
    };
    response
}
