//! The listener: accepts connections, deals them out to one thread per core, speaks HTTP/2 on each, over
//! TLS or not (there HTTP/1.1 too), and ends without cutting calls. Knows nothing of what is served.

mod body;
mod call;
mod connection;
mod door;
pub(crate) mod given_up;
mod http1;
mod keep_alive;
mod oversized;
mod trouble;

use std::{io, net::SocketAddr, thread, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http2::Budget;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tower::Service;
use tracing::warn;

pub(crate) use self::body::SendBody;
pub use self::{body::Incoming, trouble::Trouble};
use crate::tls::Identity;

/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// From one word about that to the next.
const ACCEPT_WARNING: Duration = Duration::from_secs(10);

/// How long a client with calls in progress may leave a ping unanswered, unless the user says otherwise: a
/// process may be stopped for minutes, and TCP finds hosts that are gone.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(180);

/// Why a call or a body failed. Where an `http2::Error` is among its sources, its code goes on the wire.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Polls of tasks between two looks at the sockets: tokio's own 61 let a busy client delay the others.
const EVENT_INTERVAL: u32 = 31;

/// From one look at what can be given back to the next.
const RELEASE_EVERY: Duration = Duration::from_secs(5);

/// How clients are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// What proves this server to them, if they speak TLS.
    pub tls: Option<Identity>,
    /// Network threads.
    pub threads: usize,
    /// What all clients together may leave unread.
    pub budget: Budget,
    /// How long a client with calls in progress may leave a ping unanswered.
    pub keepalive_timeout: Duration,
}

impl Options {
    /// Without TLS, and on so many threads.
    pub fn threads(threads: usize) -> Self {
        Self { tls: None, threads, budget: Budget::default(), keepalive_timeout: KEEPALIVE_TIMEOUT }
    }
}

/// Serves as `options` say until `shutdown` resolves and the calls in progress are done (10 s at most). `start`
/// is called once on each thread, within its runtime; what it returns makes the service of each connection there.
pub async fn serve<T, M, S, B>(
    listener: TcpListener,
    options: Options,
    start: T,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    T: Fn() -> M + Clone + Send + 'static,
    M: Fn(SocketAddr) -> S + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let end = CancellationToken::new();
    let (mut dealt, mut workers) = (Vec::new(), Vec::new());
    for number in 0..options.threads {
        let (send, streams) = mpsc::unbounded_channel();
        let runtime =
            runtime::Builder::new_current_thread().event_interval(EVENT_INTERVAL).enable_all().build()?;
        let (options, start, end) = (options.clone(), start.clone(), end.clone());
        let work = move || runtime.block_on(async { work(streams, options, start(), end).await });
        workers.push(thread::Builder::new().name(format!("network-{number}")).spawn(work)?);
        dealt.push(send);
    }
    tokio::pin!(shutdown);
    let mut turn = dealt.iter().cycle();
    let mut warned: Option<Instant> = None;
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
                if warned.is_none_or(|at| at.elapsed() > ACCEPT_WARNING) {
                    warned = Some(Instant::now());
                    warn!("cannot accept a connection: {error}");
                }
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

/// Gives memory back that a load has left behind.
async fn release_memory() {
    loop {
        sleep(RELEASE_EVERY).await;
        teal_memory::release();
    }
}

/// One thread: serves what it is dealt until there is nothing more.
async fn work<M, S, B>(
    mut streams: mpsc::UnboundedReceiver<(std::net::TcpStream, SocketAddr)>,
    options: Options,
    make: M,
    end: CancellationToken,
) where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let connections = TaskTracker::new();
    let _releasing = AbortOnDropHandle::new(tokio::spawn(release_memory()));
    while let Some((stream, peer)) = streams.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                connections.spawn(connection::serve(stream, options.clone(), peer, make(peer), end.clone()));
            }
            Err(error) => warn!("cannot serve {peer}: {error}"),
        }
    }
    connections.close();
    connections.wait().await;
}
