//! Replacements for responses whose metadata exceeds what the client accepts.

use grpc::{
    Failure,
    header::{GRPC, is_grpc},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

/// Replaces a head of `size` bytes if the client accepts only `most`: RESOURCE_EXHAUSTED, or 502 if the response is
/// not gRPC. It ends the response.
pub(super) fn head(head: &HeaderMap, size: usize, most: usize) -> Response<()> {
    let mut response = Response::new(());
    if is_grpc(head) {
        let why = format!("the response metadata has {size} bytes, the client accepts {most}");
        *response.headers_mut() = Failure::ResourceExhausted.trailers(&why);
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
    } else {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    response
}

/// Replaces trailers: RESOURCE_EXHAUSTED, with the original status in the message.
pub(super) fn trailers(was: &HeaderValue, size: usize, most: usize) -> HeaderMap {
    let was: String = was.as_bytes().iter().take(2).map(|byte| char::from(*byte)).collect();
    let why =
        format!("the trailing metadata has {size} bytes, the client accepts {most}; the status was {was}");
    Failure::ResourceExhausted.trailers(&why)
}
