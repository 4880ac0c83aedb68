//! Tests the API through its router, without a socket.

mod bodies;
mod calls;
mod doors;
mod events;
mod faults;
mod instances;
mod paths;
mod record;
mod verbs;

use std::{fs, time::Duration};

use axum::{Router, body, http::HeaderMap, http::Request, http::StatusCode};
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use protocol::Strategy;
use proxy::upstream::EngineStatus;
use serde_json::{Value, json};
use switch::{Command, Rules, Start};
use tower::ServiceExt;

use super::*;

/// An API and the parts behind it.
struct Bench {
    router: Router,
    switch: Switch,
    shared: Arc<Shared>,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self::with(rules, |_| (), None)
    }

    fn with(rules: Rules, furnish: impl FnOnce(&mut AdminState), token: Option<&str>) -> Self {
        // The timer is not running.
        let mut admin = AdminState { switch: Some(Switch::new(rules.clone()).0), ..AdminState::default() };
        furnish(&mut admin);
        let start = Start { has_engines: admin.engines.is_some(), ..Start::default() };
        let (switch, _timer) = Switch::start(rules, start).unwrap();
        admin.event_log = switch.event_log().clone();
        admin.switch = admin.switch.map(|_| switch.clone());
        let token = token.map(|token| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), token).unwrap();
            Token::read(file.path()).unwrap()
        });
        let shared = Arc::new(Shared { admin, token, end: CancellationToken::new() });
        Self { router: router::router(shared.clone()), switch, shared }
    }

    async fn send(&self, request: Request<body::Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    /// Sends a request; returns the status and JSON of the response.
    async fn ask(&self, request: Request<body::Body>) -> (StatusCode, Value) {
        let (status, headers, body) = self.send(request).await;
        assert_eq!(headers["content-type"], "application/json", "{status}");
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(get(path)).await
    }

    async fn post(&self, path: &str, body: impl ToString) -> (StatusCode, Value) {
        self.ask(post(path, body)).await
    }

    fn epoch(&self) -> u64 {
        self.switch.snapshot().epoch
    }
}

fn get(path: &str) -> Request<body::Body> {
    Request::get(path).header("host", "localhost:50061").body(body::Body::empty()).unwrap()
}

fn post(path: &str, body: impl ToString) -> Request<body::Body> {
    Request::post(path)
        .header("host", "localhost:50061")
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .unwrap()
}

/// Rules without automatic transitions.
fn still() -> Rules {
    Rules { switch_every: None, announce_timeout: None, drain_timeout: None, ..Rules::default() }
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("no error in {answer}"))
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("no error in {answer}"))
}

/// Engines whose health the test sets.
#[derive(Debug, Default)]
struct IllEngines {
    ill: Mutex<Vec<Strategy>>,
}

impl IllEngines {
    fn falls_ill(&self, strategy: Strategy) {
        self.ill.lock().push(strategy);
    }

    fn recovers(&self) {
        self.ill.lock().clear();
    }
}

impl Engines for IllEngines {
    fn status(&self) -> Vec<EngineStatus> {
        let ill = self.ill.lock();
        let status = |strategy: &Strategy| EngineStatus {
            strategies: vec![*strategy],
            url: format!("http://{strategy}"),
            healthy: Some(!ill.contains(strategy)),
            problem: ill.contains(strategy).then(|| "ill".to_owned()),
            connections: 1,
            addresses: Vec::new(),
        };
        Strategy::ALL.iter().map(status).collect()
    }

    fn check(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>> {
        let is_ill = self.ill.lock().contains(&strategy);
        Box::pin(async move { if is_ill { Err(format!("engine http://{strategy} is ill")) } else { Ok(()) } })
    }
}
