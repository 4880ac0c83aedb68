//! A recorder between the server and an engine: forwards every call, and records it.

use std::{
    collections::HashSet,
    future::poll_fn,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use grpc::{PREFIX_LEN, read_string};
use h2::{
    Reason, RecvStream, SendStream,
    client::{self, SendRequest},
    server::{self, SendResponse},
};
use http::{Request, Response};
use tokio::{net::TcpStream, sync::oneshot};

/// Room for what is on its way, in bytes.
const WINDOW: u32 = 1 << 20;
/// The most bytes of a message that are read.
const LOOKED_AT: usize = 4096;

/// A recorder that runs; it ends with the test.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    record: Arc<Record>,
    _running: oneshot::Sender<()>,
}

#[derive(Default)]
struct Record {
    calls: Mutex<Vec<Call>>,
    /// Calls in progress.
    open: Mutex<usize>,
    ended: Condvar,
}

/// A call that was passed on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The strategy in its header.
    pub(crate) strategy: Option<String>,
    /// The query that it named or, by its answer, began.
    pub(crate) query: Option<String>,
    /// Whether the answer was compressed.
    pub(crate) is_compressed: bool,
    /// The beginning of its message.
    asked: Vec<u8>,
}

impl Call {
    fn new(request: &http::request::Parts) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let strategy = request.headers.get("strategy").map(|value| text(value.as_bytes()));
        let method = request.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        Self { method, strategy, query: None, is_compressed: false, asked: Vec::new() }
    }

    /// A string field of its message.
    pub(crate) fn said(&self, field: u32) -> &str {
        let message = self.asked.get(PREFIX_LEN..).unwrap_or_default();
        read_string(message, field).ok().flatten().unwrap_or_default()
    }

    fn begins(&self) -> bool {
        self.method.starts_with("prepareStatement")
    }

    /// Reads the messages, if they are not compressed.
    fn read(&mut self, asked: &[u8], told: &[u8]) {
        self.is_compressed = told.first() == Some(&1);
        let (message, field) = if self.begins() { (told, 2) } else { (asked, 3) };
        let message = message.get(PREFIX_LEN..).unwrap_or_default();
        self.query = read_string(message, field).ok().flatten().map(str::to_owned);
        self.asked = asked.to_vec();
    }
}

impl Recorder {
    /// Passes calls on to `engine`.
    pub(crate) fn before(engine: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("sockets can be set so");
        let address = listener.local_addr().expect("it is bound");
        let (running, ended) = oneshot::channel::<()>();
        let record = Arc::new(Record::default());
        let kept = record.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("it is a socket");
                tokio::select! {
                    () = accept(listener, engine, kept) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, record, _running: running }
    }

    /// The forwarded calls that were answered.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.record.calls.lock().expect("no relay panics").clone()
    }

    /// Calls whose header names another strategy than this one, but for those that go on with queries begun here.
    /// (One without a header belongs to whichever is active.)
    pub(crate) fn strays(&self, strategy: &str) -> Vec<Call> {
        let mut calls = self.calls();
        let begins = calls.iter().filter(|call| call.begins());
        let begun: HashSet<String> = begins.filter_map(|call| call.query.clone()).collect();
        calls.retain(|call| {
            let goes_on = !call.begins() && call.query.as_ref().is_some_and(|query| begun.contains(query));
            call.strategy.as_ref().is_some_and(|named| named != strategy) && !goes_on
        });
        calls
    }

    /// Waits until no call is in progress, and fails after `within`.
    pub(crate) fn wait_for_silence(&self, within: Duration) {
        let open = self.record.open.lock().expect("no relay panics");
        let waited = self.record.ended.wait_timeout_while(open, within, |open| *open > 0);
        let (open, timeout) = waited.expect("no relay panics");
        assert!(!timeout.timed_out(), "{open} calls are still in progress");
    }
}

async fn accept(listener: tokio::net::TcpListener, engine: SocketAddr, record: Arc<Record>) {
    loop {
        let (stream, _) = listener.accept().await.expect("connections come");
        let record = record.clone();
        tokio::spawn(async move { _ = connection(stream, engine, record).await });
    }
}

/// One connection of the server, and one to the engine for it.
async fn connection(near: TcpStream, engine: SocketAddr, record: Arc<Record>) -> Result<(), h2::Error> {
    let far = TcpStream::connect(engine).await.map_err(|_| Reason::CONNECT_ERROR)?;
    for stream in [&near, &far] {
        stream.set_nodelay(true).map_err(|_| Reason::CONNECT_ERROR)?;
    }
    let mut settings = client::Builder::new();
    settings.initial_window_size(WINDOW).initial_connection_window_size(8 * WINDOW);
    let (send, far) = settings.handshake::<_, Bytes>(far).await?;
    let mut far = tokio::spawn(far);
    let mut settings = server::Builder::new();
    settings.initial_window_size(WINDOW).initial_connection_window_size(8 * WINDOW);
    let mut near = settings.handshake::<_, Bytes>(near).await?;
    loop {
        tokio::select! {
            accepted = near.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted?;
                let (send, record) = (send.clone(), record.clone());
                *record.open.lock().expect("no relay panics") += 1;
                tokio::spawn(async move {
                    relay(request, respond, send, &record).await;
                    *record.open.lock().expect("no relay panics") -= 1;
                    record.ended.notify_all();
                });
            }
            _ = &mut far => return Ok(()),
        }
    }
}

async fn relay(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    send: SendRequest<Bytes>,
    record: &Record,
) {
    let (head, body) = request.into_parts();
    let mut call = Call::new(&head);
    let (asked, mut told) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
    let is_end = body.is_end_stream();
    let answer = async {
        let (response, up) = send.ready().await?.send_request(Request::from_parts(head, ()), is_end)?;
        let seen = asked.clone();
        let upload = async move {
            copy(body, up, |chunk| keep(&mut seen.lock().expect("no relay panics"), chunk)).await
        };
        let upload = (!is_end).then(|| tokio::spawn(upload));
        Ok::<_, h2::Error>((response.await?, upload))
    };
    let answered = tokio::select! {
        answered = answer => answered,
        // Given up: what is dropped resets the call to the engine.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    let error = match answered {
        Ok((response, upload)) => {
            let (head, body) = response.into_parts();
            let is_end = body.is_end_stream();
            let Ok(down) = respond.send_response(Response::from_parts(head, ()), is_end) else { return };
            let copied = copy(body, down, |chunk| keep(&mut told, chunk));
            let copied = if is_end { Ok(()) } else { copied.await };
            upload.inspect(|upload| upload.abort());
            copied.err()
        }
        Err(error) => Some(error),
    };
    if let Some(error) = error {
        respond.send_reset(error.reason().unwrap_or(Reason::CANCEL));
    }
    call.read(&asked.lock().expect("no relay panics"), &told);
    record.calls.lock().expect("no relay panics").push(call);
}

fn keep(seen: &mut Vec<u8>, chunk: &[u8]) {
    let room = LOOKED_AT.saturating_sub(seen.len());
    seen.extend_from_slice(&chunk[..room.min(chunk.len())]);
}

/// Passes a body on as there is room for it, until its end or until nobody wants it.
async fn copy(
    mut from: RecvStream,
    mut to: SendStream<Bytes>,
    mut saw: impl FnMut(&[u8]),
) -> Result<(), h2::Error> {
    loop {
        let chunk = tokio::select! {
            chunk = from.data() => chunk,
            _ = poll_fn(|cx| to.poll_reset(cx)) => return Ok(()),
        };
        let Some(mut chunk) = chunk.transpose()? else { break };
        saw(&chunk);
        _ = from.flow_control().release_capacity(chunk.len());
        while !chunk.is_empty() {
            to.reserve_capacity(chunk.len());
            let Some(room) = poll_fn(|cx| to.poll_capacity(cx)).await.transpose()? else { return Ok(()) };
            to.send_data(chunk.split_to(room.min(chunk.len())), false)?;
        }
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers),
        None => to.send_data(Bytes::new(), true),
    }
}
