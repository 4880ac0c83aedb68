//! The client of the API: the commands and rehearsals ask a running server by it.

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

/// How long a connection to one address may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: before a switch an engine is asked whether it is well.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes of an answer: all events that are kept are far fewer.
const LARGEST: usize = 64 << 20;

/// Asks one server.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    token: Option<Token>,
}

/// Why there is no answer, or not the one that was wished for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no teal answers at {0} ({1})")]
    Unreachable(Address, String),
    /// The connection was lost, or the answer takes too long.
    #[error("no answer from {0}: {1}")]
    Unanswered(Address, String),
    /// Another program answers there.
    #[error("what answers at {0} is no teal, or one of another version: {1}")]
    Foreign(Address, String),
    /// The server refuses.
    #[error("{why}")]
    Refused {
        /// The reason, for people.
        why: String,
        /// The whole answer.
        json: String,
    },
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// As it is.
    pub json: String,
    from: Address,
}

impl Client {
    /// Asks the server at `address`, which may require a token.
    pub fn new(address: Address, token: Option<Token>) -> Self {
        Self { address, token }
    }

    /// `GET`s one of the [paths](crate::paths), with its parameters.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.call(Method::GET, path, None).await
    }

    /// `POST`s an object to one of the [paths](crate::paths).
    pub async fn post(&self, path: &str, body: Value) -> Result<Reply, ClientError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `DELETE`s one of the [paths](crate::paths).
    pub async fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, ClientError> {
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
        let answered = timeout(ANSWER, exchange(stream, request)).await;
        let answered = answered.unwrap_or_else(|_| Err("it takes too long".into()));
        let (status, body) =
            answered.map_err(|error| ClientError::Unanswered(self.address.clone(), error.to_string()))?;
        let json = String::from_utf8_lossy(&body).into_owned();
        match status.is_success() {
            true => Ok(Reply { json, from: self.address.clone() }),
            false => Err(self.refusal(status, json)),
        }
    }

    /// Tries all addresses of the host, one after the other.
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
    /// Decodes the JSON, which is that of one of the API's types.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.json)
            .map_err(|error| ClientError::Foreign(self.from.clone(), error.to_string()))
    }
}
