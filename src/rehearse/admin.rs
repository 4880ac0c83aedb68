//! The admin API of the server, from outside: what it says of itself, and what it can be told to do.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use protocol::Strategy;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

const LONGEST: Duration = Duration::from_secs(10);

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    authority: String,
    connect: String,
}

/// A text that is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as http://127.0.0.1:50061")]
pub struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(url: &str) -> Result<Self, BadAddress> {
        let uri: Uri = url.trim().parse().map_err(|_| BadAddress)?;
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/");
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) if is_bare && !authority.as_str().contains('@') => Ok(Self {
                authority: authority.to_string(),
                connect: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            }),
            _ => Err(BadAddress),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// The API could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("no connection ({0})")]
    Connect(#[from] std::io::Error),
    #[error("no answer ({0})")]
    Http(#[from] hyper::Error),
    #[error("no answer within {LONGEST:?}")]
    TimedOut,
    #[error("an answer that is no JSON ({0})")]
    NoJson(#[from] serde_json::Error),
    #[error("{status}: {message}")]
    Refused { status: StatusCode, message: String },
}

/// What `GET /api/v1/state` says, as far as a rehearsal is concerned.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct State {
    pub(crate) phase: String,
    pub(crate) active: Strategy,
    pub(crate) epoch: u64,
    #[serde(deserialize_with = "time")]
    pub(crate) since: DateTime<Utc>,
    pub(crate) phase_seconds: f64,
    #[serde(default)]
    pub(crate) deadlines: Deadlines,
    #[serde(default)]
    pub(crate) cutover: Option<String>,
}

/// When the phase ends by itself, in seconds from now.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Deadlines {
    pub(crate) cutover_seconds: Option<f64>,
    pub(crate) drain_seconds: Option<f64>,
}

/// What `GET /api/v1/events` tells of one event.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    #[serde(deserialize_with = "time")]
    pub(crate) time: DateTime<Utc>,
    pub(crate) epoch: u64,
    pub(crate) kind: String,
    pub(crate) from: Option<Strategy>,
    pub(crate) to: Option<Strategy>,
}

#[derive(Deserialize)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    pub(crate) next: u64,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(from)?;
    DateTime::parse_from_rfc3339(&text).map(DateTime::into).map_err(D::Error::custom)
}

/// The API.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    address: Address,
    token: Option<String>,
}

impl Admin {
    pub(crate) fn new(address: Address, token: Option<String>) -> Self {
        Self { address, token }
    }

    pub(crate) async fn state(&self) -> Result<State, AdminError> {
        Ok(serde_json::from_value(self.send(Method::GET, "state", None).await?)?)
    }

    /// Events from that one on.
    pub(crate) async fn events(&self, from: u64) -> Result<Events, AdminError> {
        let path = match from.checked_sub(1) {
            Some(after) => format!("events?after={after}"),
            None => "events".to_owned(),
        };
        Ok(serde_json::from_value(self.send(Method::GET, &path, None).await?)?)
    }

    /// `switch`, `cutover`, `abort` or `rollback`. Returns the sentence of what was done.
    pub(crate) async fn order(&self, verb: &str) -> Result<String, AdminError> {
        let answer = self.send(Method::POST, verb, Some("{}")).await?;
        Ok(answer["done"].as_str().unwrap_or_default().to_owned())
    }

    async fn send(&self, method: Method, path: &str, body: Option<&str>) -> Result<Value, AdminError> {
        timeout(LONGEST, self.exchange(method, path, body)).await.map_err(|_| AdminError::TimedOut)?
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&str>) -> Result<Value, AdminError> {
        let stream = TcpStream::connect(&self.address.connect).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder();
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header(header::HOST, &self.address.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default().to_owned())))
            .expect("the parts of the request are valid");
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        connection.abort();
        if status.is_success() {
            return Ok(serde_json::from_slice(&body)?);
        }
        let said = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let message = said["error"]["message"].as_str().map(str::to_owned);
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
        Err(AdminError::Refused { status, message })
    }
}
