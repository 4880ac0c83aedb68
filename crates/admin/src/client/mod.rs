//! The client of the API, used by the commands and by rehearsals.

mod address;

use std::{io, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

pub use self::address::{Address, BadAddress};
use crate::{ErrorAnswer, Token};

/// The connect timeout per address.
const CONNECT: Duration = Duration::from_secs(5);
/// The response timeout. It is long because a switch first checks an engine's health.
const ANSWER: Duration = Duration::from_secs(60);
/// The most bytes in a response; the full event log is far smaller.
const LARGEST: usize = 64 << 20;

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

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        within: Duration,
    ) -> Result<Reply, ClientError> {
        let stream = self.connect().await?;
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.as_str());
        request = request.header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.authorization());
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).expect("paths and headers are well-formed");
        let answered = timeout(within, exchange(stream, request)).await;
        let answered = answered.unwrap_or_else(|_| Err("it takes too long".into()));
        let (status, body) =
            answered.map_err(|error| ClientError::Unanswered(self.address.clone(), error.to_string()))?;
        let json = String::from_utf8_lossy(&body).into_owned();
        match status.is_success() {
            true => Ok(Reply { json, from: self.address.clone() }),
            false => Err(self.refusal(status, json)),
        }
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

type Exchanged = Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>>;

async fn exchange(stream: TcpStream, request: Request<Full<Bytes>>) -> Exchanged {
    let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let (head, body) = send.send_request(request).await?.into_parts();
    Ok((head.status, Limited::new(body, LARGEST).collect().await?.to_bytes()))
}

impl Reply {
    /// Decodes the JSON into one of the API's types.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.json)
            .map_err(|error| ClientError::Foreign(self.from.clone(), error.to_string()))
    }
}
