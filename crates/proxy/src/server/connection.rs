//! One client's connection: accepts streams, serves them, and shuts down on request.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http2::{Reason, Settings, server::Connection};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};
use tracing::{Instrument, debug, debug_span, field, warn};

use super::{BoxError, Incoming, InjectedFault, Options, call::Call, detect, http1, keep_alive::KeepAlive};
use crate::tls::HTTP_1_1;

/// The shutdown timeout for calls in progress.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// The timeout for the TLS handshake and the HTTP/2 preface.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// The HTTP/2 settings for clients.
fn settings() -> Settings {
    Settings {
        // More than clients use, few enough to bound the cost of one connection.
        max_concurrent_streams: 1024,
        // Large enough for the bandwidth of a local network, and for many calls whose engine does not read.
        stream_window: 1 << 20,
        connection_window: 128 << 20,
        max_header_list_size: 256 << 10,
        // grpcio sends metadata with surrounding blanks, and engines accept it.
        allows_blanks: true,
        ..Settings::default()
    }
}
/// Calls accepted before the accepted ones get their turn.
const AT_ONCE: u32 = 256;

/// Serves a connection until the client closes it or, after `end`, its calls are done (10 s at most).
pub(super) async fn serve<S, B>(
    stream: TcpStream,
    options: Options,
    peer: SocketAddr,
    service: S,
    end: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    // At debug alone: entering a span at each poll costs a quarter of a call.
    let span = debug_span!("connection", client.addr = %peer);
    let calls = span.clone();
    let served = async move {
        let opened = tokio::select! {
            opened = timeout(HANDSHAKE, detect::open(stream, options.tls.as_ref())) => opened??,
            () = end.cancelled() => return Ok(()),
        };
        if opened.protocol() == Some(HTTP_1_1) {
            let served: Pin<Box<dyn Future<Output = io::Result<()>> + Send>> =
                Box::pin(http1::serve(opened, service, end));
            return served.await;
        }
        let mut connection = Connection::with_budget(opened, settings(), options.budget);
        tokio::select! {
            shaken = timeout(HANDSHAKE, connection.handshake()) => shaken?.map_err(io::Error::other)?,
            () = end.cancelled() => return Ok(()),
        }
        let mut keep_alive = pin!(KeepAlive::new(connection.ping_pong(), options.keepalive_timeout));
        let mut ended = pin!(end.cancelled());
        let mut cut = None;
        let (injected_fault, mut troubles) = mpsc::unbounded_channel();
        poll_fn(move |cx| {
            while let Poll::Ready(Some(injected_fault)) = troubles.poll_recv(cx) {
                match injected_fault {
                    InjectedFault::GoAway(Reason::NO_ERROR) => connection.graceful_shutdown(),
                    InjectedFault::GoAway(reason) => connection.abrupt_shutdown(reason),
                    InjectedFault::Disconnect => return Poll::Ready(Err(io::Error::other(injected_fault))),
                    InjectedFault::Reset(_) => {}
                }
            }
            for accepted in 0.. {
                if accepted == AT_ONCE {
                    // Let the calls and other connections of this thread run first.
                    _ = pin!(yield_now()).poll(cx);
                    return Poll::Pending;
                }
                match connection.poll_accept(cx).map_err(|error| connection_error(peer, error))? {
                    Poll::Ready(Some((request, respond))) => {
                        let method = request.uri().path();
                        let span = debug_span!(parent: &calls, "call", method, strategy = field::Empty);
                        let answered = service.clone().oneshot(request.map(Incoming::new));
                        tokio::spawn(Call::new(answered, respond, injected_fault.clone()).instrument(span));
                    }
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending if cut.is_none() && ended.as_mut().poll(cx).is_ready() => {
                        connection.graceful_shutdown();
                        cut = Some(Box::pin(sleep(SHUTDOWN)));
                    }
                    Poll::Pending => break,
                }
            }
            if cut.as_mut().is_some_and(|cut| cut.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Err(io::Error::other("calls were cut off at shutdown")));
            }
            // One sender belongs to this side, and each call in progress holds one.
            let is_idle = injected_fault.strong_count() == 1;
            keep_alive.as_mut().poll_expired(cx, is_idle)
        })
        .await
    };
    let log_end = async {
        if let Err(error) = served.await {
            debug!("connection of {peer}: {error}");
        }
    };
    log_end.instrument(span).await;
}

/// The error of a client's connection; logged if the client exceeded a limit.
fn connection_error(peer: SocketAddr, error: http2::Error) -> io::Error {
    if let Some(refusal) = error.refusal() {
        warn!(client.addr = %peer, "Connection of {peer} ended for abuse: {}", refusal.as_str());
    }
    io::Error::other(error)
}
