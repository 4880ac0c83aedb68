//! Engines that respond or do not, on real sockets.

use std::net::SocketAddr;

use http::Response;
use protocol::Protocol;
use tokio::{net::TcpListener, time::Instant};

use super::*;
use crate::{
    telemetry::{Collector, Metrics},
    tls::tests::{Authority, identity, trust},
    upstream::{Upstream, forward::tests::whole},
};

/// How an engine responds to `healthCheck`.
#[derive(Clone, Copy)]
enum Answer {
    /// With this HTTP status and gRPC status, in one HEADERS frame.
    Status(u16, Option<(&'static str, &'static str)>),
    /// With a message, followed by the status.
    Well,
    /// With a message, and then a reset.
    Cut,
    Never,
}

/// An engine behind `door`, which may perform a TLS handshake.
async fn engine_behind<D, F, S>(door: D, answer: Answer) -> SocketAddr
where
    D: Fn(tokio::net::TcpStream) -> F + Send + 'static,
    F: Future<Output = std::io::Result<S>> + Send + 'static,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let opened = door(stream);
            tokio::spawn(async move {
                let Ok(stream) = opened.await else { return };
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    assert_eq!(request.uri().path(), HEALTH_CHECK);
                    tokio::spawn(say(answer, request, respond));
                }
            });
        }
    });
    address
}

async fn say(answer: Answer, request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let (head, body) = request.into_parts();
    assert_eq!(whole(body).await, EMPTY_MESSAGE);
    assert_eq!(head.headers["strategy"], "green");
    match answer {
        Answer::Status(status, grpc) => {
            let mut response = Response::builder().status(status);
            if let Some((code, message)) = grpc {
                response = response.header("grpc-status", code).header("grpc-message", message);
            }
            respond.send_response(response.body(()).unwrap(), true).unwrap();
        }
        Answer::Well | Answer::Cut => {
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(EMPTY_MESSAGE), false).unwrap();
            if matches!(answer, Answer::Cut) {
                return stream.send_reset(h2::Reason::INTERNAL_ERROR);
            }
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            stream.send_trailers(trailers).unwrap();
        }
        Answer::Never => std::future::pending().await,
    }
}

async fn engine(answer: Answer) -> String {
    format!("http://{}", engine_behind(|stream| async { Ok(stream) }, answer).await)
}

fn targets(green: &str, trust: Option<Trust>) -> Targets {
    let (blue, green) = (nowhere().parse().unwrap(), green.parse().unwrap());
    let (connect_timeout, resolve_every) = (Duration::from_secs(60), Duration::from_secs(30));
    Targets { blue, green, connect_timeout, resolve_every, authority: Default::default(), trust }
}

/// An address where nothing listens; this port is never given out.
fn nowhere() -> String {
    "http://127.0.0.1:1".to_owned()
}

async fn ask(green: &str) -> Result<(), String> {
    let health = Health::new(&targets(green, None), &Metrics::default());
    health.ask(Strategy::Green).await.map_err(|unwell| unwell.to_string())
}

#[tokio::test]
async fn a_responding_engine_is_healthy() {
    for answer in [
        Answer::Well,
        Answer::Status(200, Some(("0", ""))),
        Answer::Status(200, Some(("12", "no such method"))),
        Answer::Status(200, Some(("16", "log in first"))),
        Answer::Status(200, Some(("13", "Access denied"))),
        Answer::Status(404, None),
        Answer::Status(415, None),
    ] {
        assert_eq!(ask(&engine(answer).await).await, Ok(()));
    }
}

#[tokio::test]
async fn an_engine_that_reports_errors_is_unhealthy() {
    for (answer, problem) in [
        (Answer::Status(200, Some(("14", "no%20worker"))), "answers healthCheck with Unavailable: no worker"),
        (Answer::Status(456, Some(("2", "status: 456"))), "answers healthCheck with Unknown: status: 456"),
        (Answer::Status(503, None), "answers healthCheck with HTTP status 503 Service Unavailable"),
        (Answer::Status(200, None), "answers healthCheck without a status"),
    ] {
        let url = engine(answer).await;
        assert_eq!(ask(&url).await, Err(format!("engine {url} {problem}")));
    }
    let url = engine(Answer::Cut).await;
    let why = ask(&url).await.unwrap_err();
    assert!(why.starts_with(&format!("engine {url} ")) && why.contains("internal error"), "{why}");
}

#[tokio::test]
async fn absent_engines_are_unhealthy() {
    let url = nowhere();
    let why = ask(&url).await.unwrap_err();
    assert!(why.starts_with(&format!("engine {url} cannot be reached: ")), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_engine_fails_after_2_s() {
    // One engine only accepts connections, one never responds.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for url in [format!("http://{}", listener.local_addr().unwrap()), engine(Answer::Never).await] {
        let start = Instant::now();
        assert_eq!(ask(&url).await, Err(format!("engine {url} gives no answer within 2s")));
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}

#[tokio::test]
async fn one_engine_for_both_is_one() {
    let url = nowhere();
    let targets = Targets { blue: url.parse().unwrap(), ..targets(&url, None) };
    let health = Health::new(&targets, &Metrics::default());
    let state = EngineStatus {
        strategies: vec![Strategy::Blue, Strategy::Green],
        url,
        healthy: None,
        problem: None,
        connections: 0,
        addresses: Vec::new(),
    };
    assert_eq!(health.engines(), [state]);
}

#[tokio::test]
async fn engines_behind_tls_are_verified_before_checks() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let listens = identity(&servers, Some(&clients));
    let door = move |stream| {
        let listens = listens.clone();
        async move { listens.accept(stream).await }
    };
    let address = engine_behind(door, Answer::Well).await;
    let ask = async |trust, host: &str| {
        let url = format!("https://{host}:{}", address.port());
        let asked = Health::new(&targets(&url, Some(trust)), &Metrics::default()).ask(Strategy::Green).await;
        asked.map_err(|unwell| unwell.problem)
    };
    let mine = || Some(clients.issue("teal"));
    assert_eq!(ask(trust(&servers, mine()), "localhost").await, Ok(()));
    for (trust, host, problem) in [
        (trust(&servers, None), "localhost", "CertificateRequired"),
        (trust(&clients, mine()), "localhost", "UnknownIssuer"),
        (trust(&servers, mine()), "127.0.0.1", "not valid for name"),
    ] {
        let why = ask(trust, host).await.unwrap_err();
        assert!(why.starts_with("cannot be reached: ") && why.contains(problem), "{why}");
    }
}

/// Waits until the engine of green has this status.
async fn seen(health: &Health, is: impl Fn(&EngineStatus) -> bool) -> EngineStatus {
    timeout(Duration::from_secs(60), async {
        loop {
            let green = health.engines().remove(1);
            if is(&green) {
                return green;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn connections_update_an_engines_health() {
    let url = engine(Answer::Status(200, Some(("14", "tired")))).await;
    let targets = targets(&url, None);
    let metrics = Metrics::default();
    let health = Health::new(&targets, &metrics);
    let upstream = Upstream::connect(&targets, &health);
    let green = seen(&health, |green| green.connections > 1).await;
    let shown = Collector::new(&Protocol::default(), None, metrics, None).metrics();
    let gauge = format!("teal_upstream_connections{{upstream=\"{url}\"}} {}\n", green.connections);
    assert!(shown.contains(&gauge), "{shown}");
    assert_eq!((green.healthy, green.problem, green.strategies), (Some(true), None, vec![Strategy::Green]));
    let blue = health.engines().remove(0);
    assert_eq!((blue.healthy, blue.connections), (Some(false), 0));
    assert!(blue.problem.unwrap().starts_with("cannot be reached: "));

    health.ask(Strategy::Green).await.unwrap_err();
    let green = seen(&health, |_| true).await;
    assert_eq!(green.healthy, Some(false));
    assert_eq!(green.problem.unwrap(), "answers healthCheck with Unavailable: tired");
    drop(upstream);
}

#[tokio::test]
async fn engines_of_another_protocol_are_named_so() {
    let listens = identity(&Authority::new(), None);
    let door = move |stream| {
        let listens = listens.clone();
        async move { listens.accept(stream).await }
    };
    let tls = engine_behind(door, Answer::Well).await;
    let why = ask(&format!("http://{tls}")).await.unwrap_err();
    assert!(why.contains("cannot be reached: it speaks TLS: its URL must begin with https:// ("), "{why}");

    let plain = engine(Answer::Well).await.replace("http:", "https:");
    let trust = trust(&Authority::new(), None);
    let asked = Health::new(&targets(&plain, Some(trust)), &Metrics::default()).ask(Strategy::Green).await;
    let why = asked.unwrap_err().problem;
    let named = "cannot be reached: it speaks HTTP/2 without TLS: its URL must begin with http:// (";
    assert!(why.starts_with(named), "{why}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 24];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut asked).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        }
    });
    let why = ask(&format!("http://{address}")).await.unwrap_err();
    assert!(why.contains("it speaks HTTP/1.1, but not HTTP/2"), "{why}");
}
