//! The metadata of a call, as far as gRPC itself names it.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

/// The outcome of a call.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The outcome in words.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The coding of messages whose flag is set.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The content type of a call.
pub const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

const MEDIA: &[u8] = b"application/grpc";
const PROTOBUF: [&[u8]; 2] = [MEDIA, b"application/grpc+proto"];

/// Whether headers are those of a gRPC call, whatever its messages are made of.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..MEDIA.len()));
    content_type.is_some_and(|start| start.eq_ignore_ascii_case(MEDIA))
}

/// Whether the messages are protobuf in gRPC's own framing, the only ones to be read or written.
pub fn is_protobuf(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type
        .and_then(|value| value.split(|byte| *byte == b';').next())
        .is_some_and(|media| PROTOBUF.iter().any(|known| media.trim_ascii().eq_ignore_ascii_case(known)))
}

/// Whether trailers, or the headers of a Trailers-Only response, tell of success.
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
