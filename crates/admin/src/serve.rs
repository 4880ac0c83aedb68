//! The listener of the admin server: HTTP/1.1, few connections, short patience.

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

/// Connections at one time; what comes beyond waits.
const CONNECTIONS: usize = 256;
/// How long a request's head may take, from the connection or the request before.
const HEAD: Duration = Duration::from_secs(30);
/// How long answers in progress may take once the server ends.
const END: Duration = Duration::from_secs(2);
/// After a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `end`.
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
        debug!("answers to operators were cut at the end");
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
