//! The listener of the admin server: HTTP/1.1, few connections, short timeouts.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::{server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

/// The most connections at one time; more have to wait.
const CONNECTIONS: usize = 256;
/// The timeout for a request's head, from the connection or the previous request.
const HEAD: Duration = Duration::from_secs(30);
/// How long responses in progress may take during shutdown.
const END: Duration = Duration::from_secs(2);
/// The pause after a failed accept, for example with too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `end` is cancelled.
pub(super) async fn serve(listener: TcpListener, router: Router, end: &CancellationToken) {
    let (connections, places) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            io::Result::Ok((stream, place))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = end.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let (router, end) = (router.clone(), end.clone());
                connections.spawn(async move {
                    connection(stream, router, end).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!("cannot accept an operator's connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(END, connections.wait()).await.is_err() {
        debug!("responses to operators were cut off at shutdown");
    }
}

async fn connection(stream: TcpStream, router: Router, end: CancellationToken) {
    let service = service_fn(move |request| router.clone().oneshot(request));
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut served = tokio::select! {
        served = connection.as_mut() => served,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served.as_mut() {
        debug!("an operator's connection: {error}");
    }
}
