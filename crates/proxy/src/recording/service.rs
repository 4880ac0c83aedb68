//! The tower service that records calls, and its response body.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use binlog::Peer;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

use super::{Recorder, Tap};
use crate::server::{BoxError, Incoming};

/// A service whose calls are recorded, if there is a recording. Else it costs a look at a flag.
#[derive(Clone, Debug)]
pub struct Recorded<S> {
    recorder: Recorder,
    peer: Peer,
    inner: S,
}

impl<S> Recorded<S> {
    pub(super) fn new(recorder: Recorder, peer: SocketAddr, inner: S) -> Self {
        Self { recorder, peer: peer.into(), inner }
    }
}

impl<S, B> Service<Request<Incoming>> for Recorded<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>,
{
    type Response = Response<RecordedBody<B>>;
    type Error = BoxError;
    type Future = RecordedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Incoming>) -> RecordedFuture<S::Future> {
        let Some(tap) = self.recorder.begin(self.peer, &request) else {
            return RecordedFuture { inner: self.inner.call(request), tap: None };
        };
        let request = request.map(|body| body.tapped(tap.request()));
        RecordedFuture { inner: self.inner.call(request), tap: Some(tap) }
    }
}

pin_project! {
    /// The response of a call that may be recorded.
    #[derive(Debug)]
    pub struct RecordedFuture<F> {
        #[pin]
        inner: F,
        tap: Option<Tap>,
    }
}

impl<F, B, E> Future for RecordedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<RecordedBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answered = ready!(this.inner.poll(cx)).map_err(Into::into);
        let tap = this.tap.take();
        Poll::Ready(match answered {
            Ok(response) => {
                let (head, inner) = response.into_parts();
                let tap = tap.and_then(|tap| tap.answered(&head));
                Ok(Response::from_parts(head, RecordedBody { inner, tap }))
            }
            Err(error) => {
                if let Some(tap) = tap {
                    tap.broken(&error.to_string());
                }
                Err(error)
            }
        })
    }
}

/// The body of a response, which may be recorded.
#[derive(Debug)]
pub struct RecordedBody<B> {
    inner: B,
    tap: Option<Tap>,
}

impl<B> Body for RecordedBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let frame = frame.map(|frame| frame.map_err(Into::into));
        let Some(tap) = &self.tap else { return Poll::Ready(frame) };
        let mut is_over = true;
        match &frame {
            None => tap.ended(),
            Some(Err(error)) => tap.broken(&error.to_string()),
            Some(Ok(frame)) => match (frame.data_ref(), frame.trailers_ref()) {
                (None, Some(trailers)) => tap.trailers(trailers),
                (data, _) => {
                    if let Some(data) = data {
                        tap.data(data);
                    }
                    // A body without trailers may not be asked again.
                    is_over = self.inner.is_end_stream();
                    if is_over {
                        tap.ended();
                    }
                }
            },
        }
        if is_over {
            self.tap = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
