//! What a client is told in place of an answer whose metadata are more than it takes.

use grpc::{
    Failure,
    header::{GRPC, is_grpc},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

/// In place of a head of `size` bytes, where the client takes `most`: RESOURCE_EXHAUSTED, and 502 where the
/// answer is no gRPC. It is all of the answer.
pub(super) fn head(head: &HeaderMap, size: usize, most: usize) -> Response<()> {
    let mut response = Response::new(());
    if is_grpc(head) {
        let why = format!("the answer's metadata have {size} bytes, the client takes {most}");
        *response.headers_mut() = Failure::ResourceExhausted.trailers(&why);
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
    } else {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    response
}

/// In place of trailers: RESOURCE_EXHAUSTED, and in words what the call's status was.
pub(super) fn trailers(was: &HeaderValue, size: usize, most: usize) -> HeaderMap {
    let was: String = was.as_bytes().iter().take(2).map(|byte| char::from(*byte)).collect();
    let why =
        format!("the trailing metadata have {size} bytes, the client takes {most}; the status was {was}");
    Failure::ResourceExhausted.trailers(&why)
}
