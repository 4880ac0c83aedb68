//! A call that waits for an engine which teal leaves, and what its client is told.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::header::{GRPC_MESSAGE, GRPC_STATUS};
use crate::switch::Left;

/// gRPC's UNAVAILABLE.
const UNAVAILABLE: HeaderValue = HeaderValue::from_static("14");

/// Resolves when the engine is left that a call waits for.
pub(super) struct Leaving(Pin<Box<WaitForCancellationFutureOwned>>);

impl Leaving {
    pub(super) fn of(left: &Left) -> Self {
        Self(Box::pin(left.wait()))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaving").finish_non_exhaustive()
    }
}

/// UNAVAILABLE, and why the engine is left. `why` names it.
pub(super) fn response(why: &str) -> Response<Option<Bytes>> {
    let mut response = Response::new(None);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, UNAVAILABLE);
    // A message is percent-encoded; ours are short and have nothing else to encode.
    let why: String = why.replace('%', "%25").chars().filter(|c| matches!(c, ' '..='~')).collect();
    if let Ok(why) = HeaderValue::try_from(why) {
        headers.insert(GRPC_MESSAGE, why);
    }
    response
}
