//! The body of an engine's answer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http2::Reason;

use super::{pool::Place, upload::Rest};
use crate::{
    gate::header::{GRPC_MESSAGE, GRPC_STATUS},
    server::Incoming,
};

/// gRPC's UNAVAILABLE.
const UNAVAILABLE: HeaderValue = HeaderValue::from_static("14");

/// What comes from an engine, as it comes.
pub struct ForwardBody {
    /// `None` once all has come.
    live: Option<Live>,
}

/// An answer that still comes.
pub(super) struct Live {
    pub(super) incoming: Incoming,
    pub(super) request: Rest,
    pub(super) place: Place,
    /// Whether the loss of the engine can be told in trailers.
    pub(super) is_grpc: bool,
}

impl ForwardBody {
    pub(super) fn new(live: Live) -> Self {
        if live.incoming.is_end_stream() {
            live.request.end();
            return Self { live: None };
        }
        Self { live: Some(live) }
    }

    fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.request.end();
        }
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = http2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, http2::Error>>> {
        let Some(live) = &mut self.live else { return Poll::Ready(None) };
        Poll::Ready(match ready!(Pin::new(&mut live.incoming).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
            // What the engine itself says of this call.
            Some(Err(error)) if error.is_reset() => {
                live.place.was_reset(&error);
                self.end();
                Some(Err(error))
            }
            Some(Err(error)) => {
                let why = live.place.lost(&error);
                let is_grpc = live.is_grpc;
                self.end();
                Some(if is_grpc {
                    Ok(Frame::trailers(status(&why)))
                } else {
                    Err(Reason::INTERNAL_ERROR.into())
                })
            }
            end => {
                self.end();
                end
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.live.as_ref().map_or_else(|| SizeHint::with_exact(0), |live| live.incoming.size_hint())
    }
}

impl fmt::Debug for ForwardBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardBody").field("is_live", &self.live.is_some()).finish_non_exhaustive()
    }
}

/// What a client is told whose call no engine has answered, in one HEADERS frame: UNAVAILABLE, and what
/// HTTP has for that where the call was no gRPC.
pub(super) fn unavailable(why: &str, is_grpc: bool) -> Response<ForwardBody> {
    let mut response = Response::new(ForwardBody { live: None });
    if is_grpc {
        *response.headers_mut() = status(why);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    } else {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// UNAVAILABLE, as trailers.
fn status(why: &str) -> HeaderMap {
    let mut trailers = HeaderMap::from_iter([(GRPC_STATUS, UNAVAILABLE)]);
    // A message is percent-encoded; ours are short and have nothing else to encode.
    let message: String = why.replace('%', "%25").chars().filter(|c| matches!(c, ' '..='~')).collect();
    if let Ok(message) = HeaderValue::try_from(message) {
        trailers.insert(GRPC_MESSAGE, message);
    }
    trailers
}
