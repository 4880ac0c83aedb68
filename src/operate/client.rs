//! Asks a running teal over HTTP.

use std::{net::SocketAddr, time::Duration};

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
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Failure;
use crate::{
    admin::{ErrorAnswer, Token},
    cli::Running,
    config,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: before a switch an engine is asked whether it is well.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes of an answer: all events that are kept are far fewer.
const LARGEST: usize = 64 << 20;

/// A running teal.
#[derive(Debug)]
pub(super) struct Client {
    at: Vec<SocketAddr>,
    token: Option<Token>,
    /// Refusals are told as the API tells them.
    json: bool,
}

/// What the API answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// As it is.
    pub(super) json: String,
}

impl Client {
    /// Asks whom the flags name.
    pub(super) fn new(server: &Running) -> Result<Self, Failure> {
        let token = server.admin_token_file.as_deref().map(config::token).transpose();
        let token = token.map_err(|bad| Failure::Usage(bad.to_string()))?;
        Ok(Self { at: server.admin.0.clone(), token, json: server.json })
    }

    /// `GET`s a path.
    pub(super) async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// `POST`s an object to a path.
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Reply, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `DELETE`s a path.
    pub(super) async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, Failure> {
        let (stream, at) = self.connect().await?;
        let lost =
            |why: &dyn ToString| Failure::Unanswered(format!("no answer from {at}: {}", why.to_string()));
        let (mut send, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let mut request = Request::builder().method(method).uri(path).header(HOST, at.to_string());
        request = request.header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.authorization());
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).expect("paths and headers are well-formed");
        let answered = timeout(ANSWER, async {
            let (head, body) = send.send_request(request).await.map_err(|error| lost(&error))?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(|error| lost(&error))?;
            Ok((head.status, body.to_bytes()))
        });
        let (status, body) = answered.await.map_err(|_| lost(&"it takes too long"))??;
        let json = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(Reply { json }) } else { Err(self.refusal(status, json, at)) }
    }

    async fn connect(&self) -> Result<(TcpStream, SocketAddr), Failure> {
        let mut why = String::new();
        for at in &self.at {
            match timeout(CONNECT, TcpStream::connect(at)).await {
                Ok(Ok(stream)) => return Ok((stream, *at)),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = format!("no connection within {} s", CONNECT.as_secs()),
            }
        }
        let at = self.at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(Failure::Unanswered(format!("no teal answers at {at} ({why}); --admin says where one does")))
    }

    fn refusal(&self, status: StatusCode, json: String, at: SocketAddr) -> Failure {
        match serde_json::from_str::<ErrorAnswer>(&json) {
            Ok(answer) => Failure::Refused { why: answer.error.message, json: self.json.then_some(json) },
            Err(_) => Failure::Unanswered(format!("what answers at {at} is no teal: it says {status}")),
        }
    }
}

impl Reply {
    /// What it says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.json).map_err(|error| {
            Failure::Unanswered(format!("what answers there is no teal, or one of another version: {error}"))
        })
    }
}
