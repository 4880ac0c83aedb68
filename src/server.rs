//! The listener: accepts connections, deals them out to one thread per core, speaks HTTP/2 on each,
//! and ends without cutting calls. Knows nothing of what is served.

use std::{error::Error, io, net::SocketAddr, thread, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt};
use tracing::{debug, warn};

/// How long calls in progress may take to finish once the server is told to end.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// Streams of one connection. More than clients use, few enough to bound what one can ask for.
const STREAMS: u32 = 1024;
/// Fixed windows: large enough for the bandwidth of a local network, and many small frames.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Metadata of one call, as counted by HTTP/2.
const HEADERS: u32 = 256 << 10;
/// Streams that a client opened and reset before they were served: some clients cancel a lot.
const PENDING_RESETS: usize = 256;
/// Finds clients that are gone without a word.
const PING_EVERY: Duration = Duration::from_secs(60);
/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves each connection with a service that `make` makes for it, on so many threads, until
/// `shutdown` resolves and the calls in progress are done (10 s at most).
pub async fn serve<M, S, B>(
    listener: TcpListener,
    threads: usize,
    make: M,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    M: Fn(SocketAddr) -> S + Clone + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let end = CancellationToken::new();
    let (mut dealt, mut workers) = (Vec::new(), Vec::new());
    for number in 0..threads {
        let (send, streams) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (make, end) = (make.clone(), end.clone());
        let work = move || runtime.block_on(work(streams, make, end));
        workers.push(thread::Builder::new().name(format!("network-{number}")).spawn(work)?);
        dealt.push(send);
    }
    tokio::pin!(shutdown);
    let mut turn = dealt.iter().cycle();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        // A stream belongs to the thread that polls it: it is taken from this one's reactor here.
        match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok(stream) => {
                let worker = turn.next().expect("there is a thread");
                worker.send(stream).expect("threads end after this loop");
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    end.cancel();
    drop(dealt);
    let joined =
        tokio::task::spawn_blocking(|| workers.into_iter().try_for_each(thread::JoinHandle::join)).await?;
    joined.map_err(|_| io::Error::other("a network thread panicked"))
}

/// One thread: serves what it is dealt until there is nothing more.
async fn work<M, S, B>(
    mut streams: mpsc::UnboundedReceiver<(std::net::TcpStream, SocketAddr)>,
    make: M,
    end: CancellationToken,
) where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let connections = TaskTracker::new();
    while let Some((stream, peer)) = streams.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                connections.spawn(connection(stream, peer, make(peer), end.clone()));
            }
            Err(error) => warn!("cannot serve {peer}: {error}"),
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection<S, B>(stream: TcpStream, peer: SocketAddr, service: S, end: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let served = async {
        stream.set_nodelay(true)?;
        let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .keep_alive_interval(PING_EVERY)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            served = &mut connection => return served.map_err(io::Error::other),
            () = end.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        match timeout(SHUTDOWN, connection).await {
            Ok(served) => served.map_err(io::Error::other),
            Err(_) => Err(io::Error::other("calls were cut at the end")),
        }
    };
    if let Err(error) = served.await {
        debug!("connection of {peer}: {error}");
    }
}
