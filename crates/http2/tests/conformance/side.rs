//! The library's sides of a connection: all the tests know of its API.

use std::{future::poll_fn, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use teal_http2::{
    Budget, Error, Reason, RecvStream, SendStream, Settings,
    client::{self, ResponseFuture, SendRequest},
    server::{Connection, SendResponse},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// The settings of a side that differ from the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) window: Option<u32>,
    pub(super) connection_window: Option<u32>,
    pub(super) frame: Option<u32>,
    pub(super) header_list: Option<u32>,
    pub(super) streams: Option<u32>,
    pub(super) abuse: Option<teal_http2::Limits>,
    /// Bytes that a client may leave unread.
    pub(super) unread: Option<usize>,
}

impl From<Limits> for Settings {
    fn from(limits: Limits) -> Self {
        let usual = Self::default();
        Self {
            max_concurrent_streams: limits.streams.unwrap_or(usual.max_concurrent_streams),
            initial_stream_window: limits.window.unwrap_or(usual.initial_stream_window),
            stream_window: limits.window.unwrap_or(usual.stream_window),
            connection_window: limits.connection_window.unwrap_or(usual.connection_window),
            max_frame_size: limits.frame.unwrap_or(usual.max_frame_size),
            max_header_list_size: limits.header_list.unwrap_or(usual.max_header_list_size),
            limits: limits.abuse.unwrap_or(usual.limits),
            ..usual
        }
    }
}

#[derive(Clone, Copy)]
enum Stop {
    Not,
    Gracefully,
    With(u32),
}

/// A listener that responds to each request as its path requires: see [`answer`].
pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: watch::Sender<Stop>,
}

impl Server {
    pub(super) fn stop(&self) {
        _ = self.stop.send(Stop::Gracefully);
    }

    pub(super) fn abort(&self, code: u32) {
        _ = self.stop.send(Stop::With(code));
    }
}

pub(super) async fn server() -> SocketAddr {
    server_with(Limits::default()).await.address
}

pub(super) async fn server_with(limits: Limits) -> Server {
    server_over(TcpListener::bind("127.0.0.1:0").await.unwrap(), limits, |io| io)
}

/// Like `server_with`, on this listener, with wrapped sockets.
pub(super) fn server_over<IO>(
    listener: TcpListener,
    limits: Limits,
    over: impl Fn(TcpStream) -> IO + Send + 'static,
) -> Server
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(Stop::Not);
    tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            io.set_nodelay(true).unwrap();
            let budget = limits.unread.map_or_else(Budget::default, |unread| Budget::new(16 * unread));
            let connection = Connection::with_budget(over(io), limits.into(), budget);
            tokio::spawn(serve(connection, stopped.clone()));
        }
    });
    Server { address, stop }
}

async fn serve<IO>(mut connection: Connection<IO>, mut stopped: watch::Receiver<Stop>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|cx| connection.poll_accept(cx)) => accepted,
            Ok(()) = stopped.changed() => {
                match *stopped.borrow() {
                    Stop::Not => {}
                    Stop::Gracefully => connection.graceful_shutdown(),
                    Stop::With(code) => connection.abrupt_shutdown(Reason::from(code)),
                }
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { break };
        tokio::spawn(answer(request, respond));
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse) -> Result<(), Error> {
    let (head, mut body) = request.into_parts();
    let mut response = Response::builder().header("content-type", "application/grpc");
    for (name, value) in head.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-")) {
        response = response.header(name, value);
    }
    let response = response.body(()).unwrap();
    let mut path = head.uri.path().split('/').skip(1);
    match path.next().unwrap_or_default() {
        // Never responds, and holds the call until the peer cancels it.
        "silent" => {
            _ = poll_fn(|cx| respond.poll_reset(cx)).await;
            drop(body);
        }
        // Drops the call without a response.
        "drop" => {}
        "reset" => respond.send_reset(Reason::from(path.next().unwrap().parse::<u32>().unwrap())),
        // Responds without reading the body.
        "early" => finish(respond.send_response(&response, false)?)?,
        // Responds with this many bytes.
        "body" => {
            let mut sink = respond.send_response(&response, false)?;
            let mut left: usize = path.next().unwrap().parse().unwrap();
            while left > 0 {
                let chunk = left.min(10_000);
                send(&mut sink, vec![b'a'; chunk].into()).await?;
                left -= chunk;
            }
            finish(sink)?;
        }
        // Responds with this many bytes at once, and with trailers, after a forbidden set of trailers.
        "forbidden" => {
            let mut sink = respond.send_response(&response, false)?;
            sink.send_data(vec![b'a'; path.next().unwrap().parse().unwrap()].into(), false)?;
            let close = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
            if sink.send_trailers(close).is_err() {
                finish(sink)?;
            }
        }
        // Responds with the length of the body.
        "count" => {
            let mut count = 0;
            while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
                count += data?.len();
            }
            text(respond.send_response(&response, false)?, &count.to_string()).await?;
        }
        // Responds with whether the request ended with its head, before anything is read.
        "ended" => {
            let ended = body.is_end_stream().to_string();
            text(respond.send_response(&response, false)?, &ended).await?;
        }
        // Responds with the request's headers and trailers.
        "show" => {
            let mut shown = format!("{} {}\n", head.method, head.uri);
            let mut show = |headers: &HeaderMap| {
                for (name, value) in headers {
                    shown += &format!("{name}: {}\n", value.to_str().unwrap());
                }
            };
            show(&head.headers);
            while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
                data?;
            }
            if let Some(trailers) = poll_fn(|cx| body.poll_trailers(cx)).await? {
                show(&trailers);
            }
            text(respond.send_response(&response, false)?, &shown).await?;
        }
        // Echoes each chunk as it arrives, and the trailers.
        _ => {
            let mut sink = respond.send_response(&response, false)?;
            while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
                send(&mut sink, data?).await?;
            }
            let mut trailers = poll_fn(|cx| body.poll_trailers(cx)).await?.unwrap_or_default();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            sink.send_trailers(trailers)?;
        }
    }
    Ok(())
}

async fn text(mut sink: SendStream, text: &str) -> Result<(), Error> {
    send(&mut sink, Bytes::copy_from_slice(text.as_bytes())).await?;
    finish(sink)
}

fn finish(mut sink: SendStream) -> Result<(), Error> {
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    sink.send_trailers(HeaderMap::from_iter([status]))
}

async fn send(sink: &mut SendStream, data: Bytes) -> Result<(), Error> {
    if !data.is_empty() {
        poll_fn(|cx| sink.poll_ready(cx)).await?;
        sink.send_data(data, false)?;
    }
    Ok(())
}

/// Why a call or a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Reset { code: u32, remote: bool },
    GoAway { code: u32, remote: bool },
    Io,
    HeaderList { size: usize, limit: usize },
    Other,
}

impl Failure {
    pub(super) fn remote(code: u32) -> Self {
        Self::Reset { code, remote: true }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.reason().map(u32::from);
        match code {
            _ if error.is_io() => Self::Io,
            _ if let Some((size, limit)) = error.oversized_header_list() => Self::HeaderList { size, limit },
            Some(code) if error.is_reset() => Self::Reset { code, remote: error.is_remote() },
            Some(code) if error.is_go_away() => Self::GoAway { code, remote: error.is_remote() },
            _ => Self::Other,
        }
    }
}

/// The result of a call, as the user of a client sees it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) end: Result<(), Failure>,
}

/// A client's connection.
pub(super) struct Client {
    requests: SendRequest,
    /// The end of the connection.
    pub(super) over: JoinHandle<Result<(), Failure>>,
}

pub(super) async fn client(address: SocketAddr) -> Client {
    client_with(address, Limits::default()).await
}

pub(super) async fn client_with(address: SocketAddr, limits: Limits) -> Client {
    let io = TcpStream::connect(address).await.unwrap();
    io.set_nodelay(true).unwrap();
    client_over(io, limits)
}

pub(super) fn client_over<IO>(io: IO, limits: Limits) -> Client
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = client::new(io, limits.into());
    Client { requests, over: tokio::spawn(async move { connection.await.map_err(Failure::from) }) }
}

impl Client {
    /// The number of concurrent calls that the server allows.
    pub(super) fn streams(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// The debug data of the server's GOAWAY.
    pub(super) fn why(&self) -> Option<String> {
        let request = Request::post("http://side.test/late").body(()).unwrap();
        let error = self.requests.clone().send_request(&request, true).err()?;
        Some(error.debug_data().to_owned())
    }

    pub(super) fn open(&self, path: &str, end: bool) -> Result<Call, Failure> {
        let uri = format!("http://side.test{path}");
        self.open_with(Request::post(uri).body(()).unwrap(), end)
    }

    pub(super) fn open_with(&self, request: Request<()>, end: bool) -> Result<Call, Failure> {
        let (response, sink) = self.requests.clone().send_request(&request, end)?;
        Ok(Call { response, sink })
    }
}

/// A call whose response is not awaited yet.
pub(super) struct Call {
    response: ResponseFuture,
    sink: SendStream,
}

impl Call {
    /// Sends this body without trailers, while reading the response to its end.
    pub(super) async fn finish(self, body: Vec<Bytes>) -> Answer {
        self.finish_with(body, None).await
    }

    pub(super) async fn finish_with(self, body: Vec<Bytes>, trailers: Option<HeaderMap>) -> Answer {
        let Self { response, mut sink } = self;
        let upload = async move {
            for data in body {
                send(&mut sink, data).await?;
            }
            match trailers {
                Some(trailers) => sink.send_trailers(trailers)?,
                None => sink.send_data(Bytes::new(), true)?,
            }
            Ok::<_, Error>(())
        };
        let (_, answer) = tokio::join!(upload, read(response));
        answer
    }

    /// Reads the response to a request that ended with its head, or that never ends.
    pub(super) async fn answer(self) -> Answer {
        self.held().await.0
    }

    /// Like `answer`, but keeps the request open.
    pub(super) async fn held(self) -> (Answer, SendStream) {
        let Self { response, sink } = self;
        (read(response).await, sink)
    }
}

async fn read(response: ResponseFuture) -> Answer {
    let mut answer =
        Answer { status: None, headers: HeaderMap::new(), body: Vec::new(), trailers: None, end: Ok(()) };
    answer.end = async {
        let (head, mut body) = response.await?.into_parts();
        answer.status = Some(head.status);
        answer.headers = head.headers;
        while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
            answer.body.extend(data?);
        }
        answer.trailers = poll_fn(|cx| body.poll_trailers(cx)).await?;
        Ok::<_, Error>(())
    }
    .await
    .map_err(Failure::from);
    answer
}
