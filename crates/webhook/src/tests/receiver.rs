//! A receiver that behaves as it is told, request by request.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    body::{Body, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::SOON;

/// A receiver's behaviour for one request; afterwards it answers 204.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    Answers(u16),
    /// With a body of so many bytes.
    Says(usize),
    /// With a header.
    AnswersWith(u16, &'static str, &'static str),
    Hangs,
    /// Closes the connection without an answer.
    Breaks,
    /// A body without an end.
    Floods,
    /// A body that is announced and never comes.
    Stalls,
}

/// A request, read to its end.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The number of its connection.
    pub(super) connection: usize,
}

impl Got {
    pub(super) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The number in the event's message.
    pub(super) fn number(&self) -> usize {
        self.event()["data"]["message"].as_str().unwrap().parse().unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }
}

type Script = Arc<Mutex<VecDeque<Does>>>;

/// A receiver; it ends with the test.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    /// Connections that are over.
    pub(super) ended: Arc<AtomicUsize>,
    got: UnboundedReceiver<Got>,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    pub(super) async fn new(script: impl IntoIterator<Item = Does>) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(super) async fn at(address: SocketAddr, script: impl IntoIterator<Item = Does>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Script = Arc::new(Mutex::new(script.into_iter().collect()));
        let (tell, got) = unbounded_channel();
        let ended = Arc::<AtomicUsize>::default();
        let ends = ended.clone();
        let task = tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, tell, number) = (script.clone(), tell.clone(), connections.len());
                let service =
                    service_fn(move |request| answer(request, script.clone(), tell.clone(), number));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let ends = ends.clone();
                connections.push(AbortOnDropHandle::new(tokio::spawn(async move {
                    _ = connection.await;
                    ends.fetch_add(1, Relaxed);
                })));
            }
        });
        Self { address, ended, got, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/in?key=s3cr3t", self.address)
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> Got {
        timeout(SOON, self.got.recv()).await.expect("a request comes").expect("it runs")
    }

    /// The numbers of the next events.
    pub(super) async fn numbers(&mut self, count: usize) -> Vec<usize> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.push(self.next().await.number());
        }
        numbers
    }

    /// Requests that have come and were not read yet.
    pub(super) fn rest(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.got.try_recv().ok()).map(|got| got.number()).collect()
    }
}

type Answered = Result<Response<Either<Full<Bytes>, Endless>>, std::io::Error>;

async fn answer(
    request: Request<Incoming>,
    script: Script,
    tell: UnboundedSender<Got>,
    connection: usize,
) -> Answered {
    let does = script.lock().pop_front().unwrap_or(Does::Answers(204));
    if matches!(does, Does::Breaks) {
        // The request is not read to its end.
        _ = tell.send(got(request.into_parts().0, Bytes::from_static(b"null"), connection));
        return Err(std::io::Error::other("it breaks"));
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    _ = tell.send(got(head, body, connection));
    let mut response = Response::new(Either::Left(Full::default()));
    let status = match does {
        Does::Answers(status) => status,
        Does::Says(bytes) => {
            *response.body_mut() = Either::Left(Full::from(vec![b'x'; bytes]));
            200
        }
        Does::AnswersWith(status, name, value) => {
            response.headers_mut().insert(name, value.parse().unwrap());
            status
        }
        Does::Hangs | Does::Breaks => std::future::pending().await,
        Does::Floods => {
            *response.body_mut() = Either::Right(Endless { is_stalled: false });
            200
        }
        Does::Stalls => {
            *response.body_mut() = Either::Right(Endless { is_stalled: true });
            200
        }
    };
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}

fn got(head: http::request::Parts, body: Bytes, connection: usize) -> Got {
    Got { path: head.uri.to_string(), headers: head.headers, body, connection }
}

struct Endless {
    is_stalled: bool,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.is_stalled {
            true => Poll::Pending,
            false => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 64 << 10]))))),
        }
    }
}
