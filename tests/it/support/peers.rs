//! Engines and clients in this process, with the real binary between them.

#![allow(clippy::unwrap_used, reason = "a peer that fails is a test that fails")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    server::{Builder, SendResponse},
};
use http::{HeaderMap, HeaderValue, Request, Response, response::Parts};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Server, teal};

/// Longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Adds a timeout to a future.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LONG, work).await.expect("it takes far too long")
}

/// Waits by polling for a condition that has no event.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Waits until a number has stayed the same for a while: nothing tells that buffers are full.
pub(crate) async fn still(number: impl Fn() -> usize) -> usize {
    within(async {
        let mut last = number();
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = number();
            if now == last {
                return now;
            }
            last = now;
        }
    })
    .await
}

/// An engine in this process, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) address: SocketAddr,
    /// Requests that arrived.
    pub(crate) calls: Arc<AtomicUsize>,
    /// Requests that are being served.
    pub(crate) open: Arc<AtomicUsize>,
    /// Connections that were accepted.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// A request, and what answers it.
pub(crate) struct Call {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

/// An engine that handles each request with `serve`.
pub(crate) async fn engine<F, R>(serve: F) -> Engine
where
    F: Fn(Call) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let mut settings = Builder::new();
    // This engine takes what it is sent, and a call that it does not read holds up no other.
    settings.initial_connection_window_size(1 << 24).data_frame_budget(usize::MAX >> 1);
    engine_with(&settings, serve).await
}

/// The same, with settings of its own.
pub(crate) async fn engine_with<F, R>(settings: &Builder, serve: F) -> Engine
where
    F: Fn(Call) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = Engine { address, calls: Arc::default(), open: Arc::default(), connections: Arc::default() };
    let (known, settings) = (engine.clone(), settings.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            known.connections.fetch_add(1, Ordering::SeqCst);
            stream.set_nodelay(true).unwrap();
            let (known, settings, serve) = (known.clone(), settings.clone(), serve.clone());
            tokio::spawn(async move {
                let Ok(mut connection) = settings.handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    known.calls.fetch_add(1, Ordering::SeqCst);
                    let open = Open::new(&known.open);
                    let served = serve(Call { request, respond });
                    tokio::spawn(async move {
                        served.await;
                        drop(open);
                    });
                }
            });
        }
    });
    engine
}

/// Counts for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Call {
    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The head of an ordinary answer, and where its body goes.
    pub(crate) fn accept(&mut self) -> SendStream<Bytes> {
        self.respond.send_response(grpc(), false).unwrap()
    }

    /// An ordinary answer: one message and success.
    pub(crate) fn answer(mut self, message: &[u8]) {
        let mut stream = self.accept();
        _ = stream.send_data(framed(message).into(), false);
        _ = stream.send_trailers(status("0"));
    }

    /// A status and nothing else, in one HEADERS frame.
    pub(crate) fn only(mut self, code: &'static str) {
        let mut response = grpc();
        response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
        _ = self.respond.send_response(response, true);
    }

    /// All of the request's body; an error where it is reset.
    pub(crate) async fn body(&mut self) -> Result<Vec<u8>, h2::Error> {
        let body = self.request.body_mut();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            _ = body.flow_control().release_capacity(chunk.len());
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Answers with the request's body.
pub(crate) async fn echo(mut call: Call) {
    let Ok(body) = call.body().await else { return };
    let mut stream = call.accept();
    if send(&mut stream, body.into()).await {
        _ = stream.send_trailers(status("0"));
    }
}

/// Sends as fast as the peer accepts. Returns false if it accepts no more.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> bool {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(room)) => {
                if stream.send_data(bytes.split_to(room.min(bytes.len())), false).is_err() {
                    return false;
                }
            }
            _ => return false,
        }
    }
    true
}

/// teal before one engine.
pub(crate) fn before(engine: SocketAddr) -> Server {
    teal().switch_every("0").with("--upstream", &format!("http://{engine}")).run()
}

/// teal before one engine, with a notice due on every answer to blue.
pub(crate) fn announcing(engine: SocketAddr) -> Server {
    let server = teal()
        .switch_every("1ms")
        .with("--announce-timeout", "0")
        .with("--upstream", &format!("http://{engine}"))
        .run();
    server.wait_for("Strategy change pending", 1, LONG);
    server
}

/// A connection to `address`.
pub(crate) async fn client(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = within(TcpStream::connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut settings = h2::client::Builder::new();
    // This client takes what it is sent, and a stream that it does not read holds up no other.
    settings.max_concurrent_reset_streams(10_000).data_frame_budget(usize::MAX >> 1);
    settings.initial_connection_window_size(1 << 24);
    let (send, connection) = within(settings.handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    within(send.ready()).await.unwrap()
}

/// The head of a gRPC call of blue.
pub(crate) fn request(path: &str) -> Request<()> {
    Request::post(format!("http://engine.test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("strategy", "blue")
        .body(())
        .unwrap()
}

/// Opens a call, however many are open.
pub(crate) async fn open(
    client: &SendRequest<Bytes>,
    request: Request<()>,
    is_end: bool,
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut client = within(client.clone().ready()).await.unwrap();
    client.send_request(request, is_end).unwrap()
}

/// Makes a call with one message, to its end.
pub(crate) async fn unary(client: &SendRequest<Bytes>, path: &str, message: &[u8]) -> Answer {
    let (response, mut upload) = open(client, request(path), false).await;
    _ = upload.send_data(framed(message).into(), true);
    Answer::of(response).await
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Option<Parts>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<h2::Error>,
}

impl Answer {
    pub(crate) async fn of(response: ResponseFuture) -> Self {
        let mut answer = Self { head: None, body: Vec::new(), trailers: None, error: None };
        answer.error = within(answer.fill(response)).await.err();
        answer
    }

    async fn fill(&mut self, response: ResponseFuture) -> Result<(), h2::Error> {
        let (head, mut body) = response.await?.into_parts();
        self.head = Some(head);
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            self.body.extend_from_slice(&chunk);
        }
        self.trailers = body.trailers().await?;
        Ok(())
    }

    /// The gRPC status: of the trailers or, where there are none, of the head.
    pub(crate) fn status(&self) -> Option<&str> {
        let head = self.head.as_ref().map(|head| &head.headers);
        self.trailers.as_ref().or(head)?.get("grpc-status")?.to_str().ok()
    }

    pub(crate) fn message(&self) -> &str {
        let head = self.head.as_ref().map(|head| &head.headers);
        let told = self.trailers.as_ref().or(head).and_then(|headers| headers.get("grpc-message"));
        told.and_then(|text| text.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn is_trailers_only(&self) -> bool {
        self.head.is_some() && self.body.is_empty() && self.trailers.is_none() && self.error.is_none()
    }
}

pub(crate) fn grpc() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

pub(crate) fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
}

/// A message with its prefix, uncompressed.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()
}
