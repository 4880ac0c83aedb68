//! The client of the API, used by the commands and by rehearsals.

mod address;
mod stream;

#[cfg(test)]
mod tests;

use std::{io, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
    request,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

pub use self::{
    address::{Address, BadAddress},
    stream::{Sent, Stream},
};
use crate::{ErrorAnswer, Token};

/// The connect timeout per address.
const CONNECT: Duration = Duration::from_secs(5);
/// The response timeout. It is long because a switch first checks an engine's health.
const ANSWER: Duration = Duration::from_secs(60);
/// The most bytes in a response; the full event log is far smaller.
const LARGEST: usize = 64 << 20;

/// The type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    token: Option<Token>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed.
    #[error("no teal answers at {0} ({1})")]
    Unreachable(Address, String),
    /// The connection was lost, or the response timed out.
    #[error("no answer from {0}: {1}")]
    Unanswered(Address, String),
    /// The peer is not a teal admin API.
    #[error("{0} is not a teal admin API, or has another version: {1}")]
    Foreign(Address, String),
    /// The server refused the request.
    #[error("{why}")]
    Refused {
        /// The reason, for people.
        why: String,
        /// The whole response body.
        json: String,
    },
}

/// A successful response.
#[derive(Debug)]
pub struct Reply {
    /// The response body.
    pub json: String,
    from: Address,
}

impl Client {
    /// Creates a client of the server at `address`, with the token if it requires one.
    pub fn new(address: Address, token: Option<Token>) -> Self {
        Self { address, token }
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends GET to one of the [paths](crate::paths), with its parameters.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.call(Method::GET, path, None, ANSWER).await
    }

    /// Sends POST with a JSON object to one of the [paths](crate::paths).
    pub async fn post(&self, path: &str, body: Value) -> Result<Reply, ClientError> {
        self.call(Method::POST, path, Some(body), ANSWER).await
    }

    /// The same, where the server itself may take so long before it answers.
    pub async fn post_within(&self, path: &str, body: Value, within: Duration) -> Result<Reply, ClientError> {
        self.call(Method::POST, path, Some(body), ANSWER + within).await
    }

    /// Sends DELETE to one of the [paths](crate::paths).
    pub async fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.call(Method::DELETE, path, None, ANSWER).await
    }

    /// Reads server-sent events from one of the [paths](crate::paths), from the one after `last` on.
    pub async fn stream(&self, path: &str, last: Option<&str>) -> Result<Stream, ClientError> {
        let stream = self.connect().await?;
        let mut request = self.request(Method::GET, path).header(ACCEPT, EVENT_STREAM);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Full::default()).map_err(|error| self.unanswered(&error.into()))?;
        let begun = within(ANSWER, async {
            let (answer, connection) = begin(stream, request).await?;
            let (head, body) = answer.into_parts();
            let kind =
                head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no type");
            match (head.status.is_success(), kind.starts_with(EVENT_STREAM)) {
                (true, true) => Ok(Ok((body, connection))),
                (true, false) => Ok(Err((head.status, kind.to_owned()))),
                (false, _) => Ok(Err((head.status, read(body).await?))),
            }
        });
        match begun.await.map_err(|error| self.unanswered(&error))? {
            Ok((body, connection)) => Ok(Stream::new(self.address.clone(), body, connection)),
            Err((status, text)) if status.is_success() => {
                let why = format!("expected {EVENT_STREAM}, found {text}");
                Err(ClientError::Foreign(self.address.clone(), why))
            }
            Err((status, json)) => Err(self.refusal(status, json)),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        time: Duration,
    ) -> Result<Reply, ClientError> {
        let stream = self.connect().await?;
        let mut request = self.request(method, path).header(ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).expect("paths and headers are well-formed");
        let answered = within(time, async {
            let (answer, _connection) = begin(stream, request).await?;
            let (head, body) = answer.into_parts();
            Ok((head.status, read(body).await?))
        });
        let (status, json) = answered.await.map_err(|error| self.unanswered(&error))?;
        match status.is_success() {
            true => Ok(Reply { json, from: self.address.clone() }),
            false => Err(self.refusal(status, json)),
        }
    }

    fn request(&self, method: Method, path: &str) -> request::Builder {
        let request = Request::builder().method(method).uri(path).header(HOST, self.address.as_str());
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.authorization()),
            None => request,
        }
    }

    fn unanswered(&self, error: &BoxError) -> ClientError {
        ClientError::Unanswered(self.address.clone(), error.to_string())
    }

    /// Tries the addresses of the host one after the other.
    async fn connect(&self) -> Result<TcpStream, ClientError> {
        let why = |error: io::Error| ClientError::Unreachable(self.address.clone(), error.to_string());
        let addresses = lookup_host(self.address.host_and_port()).await.map_err(why)?;
        let mut last = io::Error::other("its name has no address");
        for address in addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::other(format!("no connection within {} s", CONNECT.as_secs())),
            }
        }
        Err(why(last))
    }

    fn refusal(&self, status: StatusCode, json: String) -> ClientError {
        match serde_json::from_str::<ErrorAnswer>(&json) {
            Ok(answer) => ClientError::Refused { why: answer.error.message, json },
            Err(_) => ClientError::Foreign(self.address.clone(), format!("it says {status}")),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn within<T>(time: Duration, answer: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    timeout(time, answer).await.unwrap_or_else(|_| Err("it takes too long".into()))
}

/// Sends a request. The connection lives as long as its handle.
async fn begin(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), BoxError> {
    let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async {
        // The body says why it ended.
        _ = connection.await;
    }));
    Ok((send.send_request(request).await?, connection))
}

async fn read(body: Incoming) -> Result<String, BoxError> {
    let bytes = Limited::new(body, LARGEST).collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Reply {
    /// Decodes the JSON into one of the API's types.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.json)
            .map_err(|error| ClientError::Foreign(self.from.clone(), error.to_string()))
    }
}
