//! HTTP/1.1, for clients that fetch a token over TLS: requests of bounded size, read completely.

use std::{io, pin::pin};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::{BoxError, Incoming, connection::HANDSHAKE};

/// The most bytes in a request body.
const LARGEST: usize = 64 << 10;

/// Serves a connection until the client closes it, is idle for too long, or, after `end`, its call is done.
pub(super) async fn serve<I, S, B>(stream: I, service: S, end: CancellationToken) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let service = service.clone();
        async move {
            let (head, mut body) = request.into_parts();
            let mut whole = BytesMut::new();
            while let Some(frame) = body.frame().await {
                if let Ok(chunk) = frame.map_err(io::Error::other)?.into_data() {
                    whole.extend_from_slice(&chunk);
                }
                if whole.len() > LARGEST {
                    return Err(io::Error::other("a request is too large"));
                }
            }
            let request = Request::from_parts(head, Incoming::whole(whole.freeze()));
            service.oneshot(request).await.map_err(|error| io::Error::other(error.into()))
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HANDSHAKE)
            .serve_connection(TokioIo::new(stream), answer)
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(io::Error::other)
}
