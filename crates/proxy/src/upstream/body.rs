//! The body of an engine's response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use grpc::Failure;
use http_body::{Body, Frame, SizeHint};
use http2::Reason;

use super::{permit::StreamPermit, upload::PendingUpload};
use crate::server::Incoming;

/// A response body, forwarded unchanged.
pub struct ForwardBody {
    /// `None` after the end of the body.
    live: Option<Live>,
}

/// A response that is still being received.
pub(super) struct Live {
    pub(super) incoming: Incoming,
    pub(super) request: PendingUpload,
    pub(super) permit: StreamPermit,
    /// Whether the loss of the engine can be reported in trailers.
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

    /// An empty body.
    pub(super) fn empty() -> Self {
        Self { live: None }
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
            // The engine itself reset this call.
            Some(Err(error)) if error.is_reset() => {
                live.permit.was_reset(&error);
                self.end();
                Some(Err(error))
            }
            Some(Err(error)) => {
                let why = live.permit.lost(&error);
                let is_grpc = live.is_grpc;
                self.end();
                Some(if is_grpc {
                    Ok(Frame::trailers(Failure::Unavailable.trailers(&why)))
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
