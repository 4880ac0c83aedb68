//! The connection to one receiver: HTTP/1.1, kept for a while between events, over TLS or not.

use std::{
    error::Error as _,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proxy::tls::system_authorities;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::{limits::Limits, target::Target};

/// The most bytes in the head of a response.
const HEAD: usize = 16 << 10;
/// The most bytes that are read of the body of a response.
const BODY: usize = 4 << 10;

/// The TLS configuration for receivers: those are trusted whom the system trusts.
pub fn trust() -> Result<Arc<ClientConfig>, String> {
    let roots = system_authorities().map_err(|why| format!("expected http://, because {why}"))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The answer of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The seconds in `retry-after`.
    pub(crate) wish: Option<u64>,
}

/// Connects to one receiver.
#[derive(Debug)]
pub(crate) struct Connector {
    target: Arc<Target>,
    limits: Limits,
    /// A lookup that takes long blocks one thread, however often it is waited for.
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
    open: Option<Open>,
}

/// An open connection.
#[derive(Debug)]
struct Open {
    send: http1::SendRequest<Full<Bytes>>,
    _task: AbortOnDropHandle<()>,
}

impl Connector {
    pub(crate) fn new(target: Arc<Target>, limits: Limits) -> Self {
        Self { target, limits, lookup: None, open: None }
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Posts a body. The error is for people, and names no path.
    pub(crate) async fn post(
        &mut self,
        headers: HeaderMap,
        body: Bytes,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Answer, String> {
        let request = || {
            let (path, body) = (self.target.path(), Full::new(body.clone()));
            let mut request = Request::new(body);
            *request.method_mut() = Method::POST;
            *request.uri_mut() = path.parse().map_err(|_| "its path is malformed".to_owned())?;
            *request.headers_mut() = headers.clone();
            Ok::<_, String>(request)
        };
        let (first, again) = (request()?, request()?);
        if let Some(open) = self.open.take().filter(|open| !open.send.is_closed()) {
            // The receiver may have closed it meanwhile: that is no failure.
            match self.exchange(open, first).await {
                Err(Broken::Lost(_)) => {}
                answered => return answered.map_err(|broken| broken.to_string()),
            }
        }
        let seconds = self.limits.connects_within.as_secs_f64();
        let connected = timeout(self.limits.connects_within, self.connect(tls)).await;
        let open = connected.map_err(|_| format!("no connection within {seconds} s"))??;
        self.exchange(open, again).await.map_err(|broken| broken.to_string())
    }

    /// Keeps the connection if the response ends soon.
    async fn exchange(&mut self, mut open: Open, request: Request<Full<Bytes>>) -> Result<Answer, Broken> {
        let answered = async {
            open.send.ready().await?;
            open.send.send_request(request).await
        };
        let answered = timeout(self.limits.answers_within, answered).await;
        let slow = |_| Broken::Slow(self.limits.answers_within.as_secs_f64());
        let (head, body) = answered.map_err(slow)?.map_err(Broken::Lost)?.into_parts();
        let wish =
            head.headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
        let rest = timeout(self.limits.drains_within, Limited::new(body, BODY).collect()).await;
        if matches!(rest, Ok(Ok(_))) && !open.send.is_closed() {
            self.open = Some(open);
        }
        Ok(Answer { status: head.status, wish })
    }

    async fn connect(&mut self, tls: Option<&Arc<ClientConfig>>) -> Result<Open, String> {
        let mut last = "its name has no address".to_owned();
        for address in self.resolve().await? {
            // Each has its share of the time, so that the next one is tried too.
            match timeout(self.limits.connects_within / 3, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.open(stream, tls).await,
                Ok(Err(error)) => last = format!("no connection to {address}: {error}"),
                Err(_) => last = format!("no connection to {address} in time"),
            }
        }
        Err(last)
    }

    async fn resolve(&mut self) -> Result<Vec<SocketAddr>, String> {
        let (host, port) = (self.target.host().to_owned(), self.target.port());
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let resolve = self.limits.resolve;
        let lookup =
            self.lookup.get_or_insert_with(|| tokio::task::spawn_blocking(move || resolve(&host, port)));
        let found = lookup.await;
        self.lookup = None;
        found.map_err(|_| "the lookup of its name has failed".to_owned())?.map_err(|error| error.to_string())
    }

    async fn open(&self, stream: TcpStream, tls: Option<&Arc<ClientConfig>>) -> Result<Open, String> {
        _ = stream.set_nodelay(true);
        let Some(name) = self.target.name() else { return open(stream).await };
        let config = tls.ok_or("it needs TLS")?.clone();
        let stream = TlsConnector::from(config).connect(name.clone(), stream).await;
        open(stream.map_err(|error| format!("no TLS: {error}"))?).await
    }
}

async fn open(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Open, String> {
    let opened = http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (send, connection) = opened.map_err(|error| Broken::Lost(error).to_string())?;
    // How it ends is seen by the request.
    let task = tokio::spawn(async { _ = connection.await });
    Ok(Open { send, _task: AbortOnDropHandle::new(task) })
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no answer within {0} s")]
    Slow(f64),
    #[error("no answer: {}", causes(.0))]
    Lost(hyper::Error),
}

fn causes(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
