//! The metadata that gRPC itself defines.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

/// The status code of a call.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The message for people that goes with the status, percent-encoded.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The coding of messages whose compressed flag is set.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The content type of a gRPC call.
pub const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

const MEDIA: &[u8] = b"application/grpc";
const PROTOBUF: [&[u8]; 2] = [MEDIA, b"application/grpc+proto"];

/// Returns whether these are the headers of a gRPC call, with any message format.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(is_grpc_type)
}

/// Returns whether this is the `content-type` of a gRPC call, with any message format.
pub fn is_grpc_type(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().get(..MEDIA.len()).is_some_and(|start| start.eq_ignore_ascii_case(MEDIA))
}

/// Returns whether messages are protobuf in gRPC's own framing. teal reads and changes no others.
pub fn is_protobuf(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(is_protobuf_type)
}

/// Returns whether this is the `content-type` of protobuf in gRPC's own framing.
pub fn is_protobuf_type(content_type: &HeaderValue) -> bool {
    let content_type = content_type.as_bytes();
    if content_type == MEDIA {
        return true;
    }
    let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    PROTOBUF.iter().any(|known| media.trim_ascii().eq_ignore_ascii_case(known))
}

/// Returns whether trailers, or the headers of a Trailers-Only response, have status OK.
pub fn is_success(trailers: &HeaderMap) -> bool {
    trailers.get(GRPC_STATUS).is_some_and(|status| status == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protobuf_in_grpc_framing_is_read() {
        for (content_type, grpc, protobuf) in [
            ("application/grpc", true, true),
            ("application/grpc+proto", true, true),
            ("application/grpc; charset=utf-8", true, true),
            ("Application/GRPC", true, true),
            ("application/grpc+json", true, false),
            ("application/grpc-web", true, false),
            ("text/plain", false, false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!((is_grpc(&headers), is_protobuf(&headers)), (grpc, protobuf), "{content_type}");
        }
    }
}
