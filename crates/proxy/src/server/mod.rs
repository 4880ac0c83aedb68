//! The server: accepts connections, distributes them to one thread per core, speaks HTTP/2 on each (with TLS also
//! HTTP/1.1), and shuts down without cutting off calls. It does not depend on the service it serves.

mod body;
mod call;
mod connection;
mod detect;
pub(crate) mod given_up;
mod http1;
mod injected_fault;
mod keep_alive;
mod oversized;

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
pub use self::{body::Incoming, injected_fault::InjectedFault};
use crate::tls::Identity;

/// The pause after a failed accept, for example with too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two warnings about that.
const ACCEPT_WARNING: Duration = Duration::from_secs(10);

/// The default time within which a client with calls in progress must acknowledge a ping. It is long because a
/// process may be stopped for minutes, and TCP detects dead hosts.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(180);

/// Why a call or a body failed. If an `http2::Error` is among its sources, that code is sent.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Task polls between two checks for I/O events. With tokio's default of 61 a busy client delays the others.
const EVENT_INTERVAL: u32 = 31;

/// The threads that serve clients.
pub(crate) const NETWORK: &str = "network";

/// The interval at which threads return free memory.
const RELEASE_EVERY: Duration = Duration::from_secs(5);

/// The options of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The TLS identity; `None` without TLS.
    pub tls: Option<Identity>,
    /// Network threads.
    pub threads: usize,
    /// The budget for unread data of all clients.
    pub budget: Budget,
    /// The time within which a client with calls in progress must acknowledge a ping.
    pub keepalive_timeout: Duration,
}

impl Options {
    /// Options without TLS, for this many threads.
    pub fn threads(threads: usize) -> Self {
        Self { tls: None, threads, budget: Budget::default(), keepalive_timeout: KEEPALIVE_TIMEOUT }
    }
}

/// Serves until `shutdown` resolves and calls in progress are done (10 s at most). `start` is called once on each
/// thread, within its runtime, and returns the factory of the service for each connection there.
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
    Threads::start(NETWORK, &options, start)?.serve(listener, shutdown).await
}

/// The network threads. They end when this is dropped, without waiting for calls in progress.
pub(crate) struct Threads {
    /// The queue of connections of each.
    queues: Vec<mpsc::UnboundedSender<(std::net::TcpStream, SocketAddr)>>,
    workers: Vec<thread::JoinHandle<()>>,
    end: CancellationToken,
}

impl Threads {
    /// Starts all of them, or none. The error says which one the system refused, by the name of their kind.
    pub(crate) fn start<T, M, S, B>(kind: &'static str, options: &Options, start: T) -> io::Result<Self>
    where
        T: Fn() -> M + Clone + Send + 'static,
        M: Fn(SocketAddr) -> S + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let mut threads = Self { queues: Vec::new(), workers: Vec::new(), end: CancellationToken::new() };
        for number in 0..options.threads {
            let (which, of) = (number + 1, options.threads);
            let refused = |error: io::Error| {
                io::Error::new(error.kind(), format!("cannot start {kind} thread {which} of {of}: {error}"))
            };
            let (queue, streams) = mpsc::unbounded_channel();
            let (options, start, end) = (options.clone(), start.clone(), threads.end.clone());
            // A runtime that a thread owns when it cannot be started would panic.
            let (hand_over, handed_over) = std::sync::mpsc::channel::<runtime::Runtime>();
            let work = move || {
                if let Ok(runtime) = handed_over.recv() {
                    runtime.block_on(async { work(streams, options, start(), end).await });
                }
            };
            let worker = thread::Builder::new().name(format!("{kind}-{number}")).spawn(work);
            threads.workers.push(worker.map_err(refused)?);
            threads.queues.push(queue);
            let runtime =
                runtime::Builder::new_current_thread().event_interval(EVENT_INTERVAL).enable_all().build();
            hand_over.send(runtime.map_err(refused)?).expect("the thread waits for it");
        }
        Ok(threads)
    }

    /// Hands connections to them until `shutdown` resolves, then waits for calls in progress (10 s at most).
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let Self { queues, workers, end } = self;
        tokio::pin!(shutdown);
        let mut turn = queues.iter().cycle();
        let mut warned: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            // A socket is registered with the reactor of the thread that polls it, so deregister it here.
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
        drop(queues);
        let joined =
            tokio::task::spawn_blocking(|| workers.into_iter().try_for_each(thread::JoinHandle::join))
                .await?;
        joined.map_err(|_| io::Error::other("a network thread panicked"))
    }
}

/// Returns free memory to the system, from time to time.
async fn release_memory() {
    loop {
        sleep(RELEASE_EVERY).await;
        teal_memory::release();
    }
}

/// Runs one thread: serves connections from its queue until the queue closes.
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
