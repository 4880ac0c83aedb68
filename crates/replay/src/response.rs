//! Builds responses of frames and trailers.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use binlog::pb::{MetadataEntry, Trailer};
use bytes::{Bytes, BytesMut};
use futures::stream;
use grpc::{
    Prefix, encode_message,
    header::{GRPC, GRPC_MESSAGE, GRPC_STATUS},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;
use protocol::metadata::{EXPECTED_STRATEGY, NEW_STRATEGY, RECEIVED_STRATEGY};
use tonic::body::Body;

/// gRPC's NOT_FOUND.
const NOT_FOUND: u32 = 5;
/// Metadata that the gate adds by itself.
const OF_GATE: [&str; 3] = [NEW_STRATEGY, EXPECTED_STRATEGY, RECEIVED_STRATEGY];

/// A response with these messages.
pub(crate) fn whole(
    head: Option<&[MetadataEntry]>,
    messages: Vec<Bytes>,
    trailer: &Trailer,
) -> Response<Body> {
    let trailers = trailers(trailer);
    if head.is_none() && messages.is_empty() {
        return alone(trailers);
    }
    let mut frames: Vec<_> = messages.into_iter().map(|message| Ok(Frame::data(framed(&message)))).collect();
    frames.push(Ok::<_, std::convert::Infallible>(Frame::trailers(trailers)));
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    *response.headers_mut() = headers(head.unwrap_or_default());
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// NOT_FOUND.
pub(crate) fn not_found(why: &str) -> Response<Body> {
    refused(NOT_FOUND, why)
}

/// For what is no call of gRPC.
pub(crate) fn foreign() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

/// For a request that cannot be read.
pub(crate) fn refused(code: u32, why: &str) -> Response<Body> {
    alone(trailers(&Trailer { status_code: code, status_message: why.to_owned(), ..Trailer::default() }))
}

/// Trailers alone.
fn alone(mut trailers: HeaderMap) -> Response<Body> {
    trailers.insert(CONTENT_TYPE, GRPC);
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = trailers;
    response
}

fn framed(message: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + grpc::PREFIX_LEN);
    Prefix { flag: 0, len: u32::try_from(message.len()).unwrap_or(u32::MAX) }.write(&mut framed);
    framed.extend_from_slice(message);
    framed.freeze()
}

fn trailers(trailer: &Trailer) -> HeaderMap {
    let metadata = trailer.metadata.as_ref().map(|metadata| &metadata.entry[..]);
    let mut trailers = headers(metadata.unwrap_or_default());
    trailers.insert(GRPC_STATUS, HeaderValue::from(trailer.status_code));
    if let Ok(message) = HeaderValue::try_from(&*encode_message(&trailer.status_message))
        && !message.is_empty()
    {
        trailers.insert(GRPC_MESSAGE, message);
    }
    if let Ok(details) = HeaderValue::try_from(STANDARD_NO_PAD.encode(&trailer.status_details))
        && !details.is_empty()
    {
        trailers.insert(HeaderName::from_static("grpc-status-details-bin"), details);
    }
    trailers
}

fn headers(entries: &[MetadataEntry]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for MetadataEntry { key, value } in entries.iter().filter(|entry| !OF_GATE.contains(&entry.key.as_str()))
    {
        let value = match key.ends_with("-bin") {
            true => HeaderValue::try_from(STANDARD_NO_PAD.encode(value)),
            false => HeaderValue::from_bytes(value),
        };
        // A log may contain anything.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key.as_str()), value) {
            headers.append(name, value);
        }
    }
    headers
}
