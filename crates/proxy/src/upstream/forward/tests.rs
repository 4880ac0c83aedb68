//! Forwarding, between a caller in this process and engines on real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc::header::{GRPC_MESSAGE, GRPC_STATUS};
use h2::Reason;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use protocol::Protocol;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tower::ServiceExt;

use super::*;
use crate::telemetry::{Collector, Metrics};

/// An engine that handles each request on each connection with `serve`.
async fn engine<F, R>(serve: F) -> Target
where
    F: Fn(Request<h2::RecvStream>, h2::server::SendResponse<Bytes>, usize) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let calls = Arc::new(AtomicUsize::new(0));
        loop {
            let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            let (serve, calls) = (serve.clone(), calls.clone());
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let number = calls.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(request, respond, number));
                }
            });
        }
    });
    url.parse().unwrap()
}

/// Reads a whole request body.
pub(in crate::upstream) async fn whole(mut body: h2::RecvStream) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        whole.extend_from_slice(&data);
    }
    whole
}

/// Responds with the request's body, headers and a trailer.
async fn echo(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>, _: usize) {
    let (head, body) = request.into_parts();
    let mut response = Response::new(());
    *response.headers_mut() = head.headers;
    response.headers_mut().insert("uri", head.uri.to_string().parse().unwrap());
    let mut stream = respond.send_response(response, false).unwrap();
    stream.send_data(whole(body).await.into(), false).unwrap();
    stream.send_trailers(HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))])).unwrap();
}

fn upstream(blue: &Target, green: &Target) -> Upstream {
    let targets = targets(blue, green);
    Upstream::connect(&targets, &Health::new(&targets, &Metrics::default()))
}

fn targets(blue: &Target, green: &Target) -> Targets {
    let (connect_timeout, resolve_every) = (Duration::from_secs(5), Duration::from_secs(30));
    let (blue, green, authority) = (blue.clone(), green.clone(), Authority::default());
    Targets { blue, green, connect_timeout, resolve_every, authority, trust: None }
}

fn request(body: &str) -> Request<RequestBody<Full<Bytes>>> {
    let request = Request::post("http://odd.example:7/a%2Fb/c?d=e").header("te", "trailers");
    request
        .header("content-type", "application/grpc")
        .header("strategy", "blue")
        .body(RequestBody::new(Full::from(body.to_owned())))
        .unwrap()
}

#[tokio::test]
async fn a_call_passes_unchanged() {
    let target = engine(echo).await;
    let request = request("hello");
    let expected = request.headers().clone();
    let response = upstream(&target, &target).oneshot(request).await.unwrap();
    let mut headers = response.headers().clone();
    assert_eq!(headers.remove("uri").unwrap(), "http://odd.example:7/a%2Fb/c?d=e");
    assert_eq!(headers, expected);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap().get(GRPC_STATUS).unwrap(), "0");
    assert_eq!(body.to_bytes(), "hello");
}

#[tokio::test]
async fn calls_go_under_the_engines_name() {
    let target = engine(echo).await;
    let targets = Targets { authority: Authority::Engine, ..targets(&target, &target) };
    let upstream = Upstream::connect(&targets, &Health::new(&targets, &Metrics::default()));
    let mut request = request("hello");
    request.headers_mut().insert("host", HeaderValue::from_static("odd.example"));
    let response = upstream.oneshot(request).await.unwrap();
    let seen = response.headers().get("uri").unwrap().to_str().unwrap();
    assert_eq!(seen, format!("http://{}/a%2Fb/c?d=e", target.address));
    assert!(!response.headers().contains_key("host"));
}

#[tokio::test]
async fn each_strategy_has_its_engine() {
    let answer = |name: &'static str| {
        move |_, mut respond: h2::server::SendResponse<Bytes>, _| async move {
            let response = Response::builder().header("engine", name).body(()).unwrap();
            respond.send_response(response, true).unwrap();
        }
    };
    let (blue, green) = (engine(answer("blue")).await, engine(answer("green")).await);
    let upstream = upstream(&blue, &green);
    for strategy in Strategy::ALL {
        let mut request = request("");
        request.body_mut().let_in(strategy);
        let response = upstream.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().get("engine").unwrap(), strategy.as_str());
        assert!(response.body().is_end_stream(), "Trailers-Only stays that");
    }
}

#[tokio::test]
async fn refused_calls_are_repeated_with_their_body() {
    let target = engine(|request, mut respond, number| async move {
        if number == 0 {
            respond.send_reset(Reason::REFUSED_STREAM);
        } else {
            echo(request, respond, number).await;
        }
    })
    .await;
    let response = upstream(&target, &target).oneshot(request("hello")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn other_reset_codes_pass() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM] {
        let target = engine(move |_, mut respond: h2::server::SendResponse<Bytes>, _| async move {
            respond.send_reset(reason);
        })
        .await;
        let error = upstream(&target, &target).oneshot(request("hello")).await.unwrap_err();
        let told = error.downcast_ref::<http2::Error>().unwrap().reason();
        assert_eq!(told.map(u32::from), Some(reason.into()));
    }
}

#[tokio::test]
async fn an_absent_engine_is_unavailable_and_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target: Target = format!("http://{address}").parse().unwrap();
    let response = upstream(&target, &target).oneshot(request("hello")).await.unwrap();
    assert_eq!(response.headers().get(GRPC_STATUS).unwrap(), "14");
    let message = response.headers().get(GRPC_MESSAGE).unwrap().to_str().unwrap();
    assert!(message.starts_with(&format!("engine http://{address} cannot be reached: ")), "{message}");
    assert!(response.body().is_end_stream(), "Trailers-Only");
}

/// The error counts of an engine in `metrics` that are not zero.
fn errors(metrics: &Metrics) -> Vec<String> {
    let shown = Collector::new(&Protocol::default(), None, metrics.clone(), None).metrics();
    let errors = shown.lines().filter(|line| line.starts_with("teal_upstream_errors_total{"));
    let kinds =
        errors.filter_map(|line| line.split_once("kind=")).map(|(_, kind)| kind.replace(['"', '}'], ""));
    let mut kinds: Vec<_> = kinds.filter(|kind| !kind.ends_with(" 0")).collect();
    kinds.sort();
    kinds
}

/// An engine that resets the call or disconnects, as its `trouble` header says; with `late`, after the head of the
/// response and once `go_on` is notified.
async fn troubled(go_on: Arc<Notify>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let go_on = go_on.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let trouble = request.headers()["trouble"].to_str().unwrap();
                    let mut answer = None;
                    if trouble.ends_with("late") {
                        answer = Some(respond.send_response(Response::new(()), false).unwrap());
                        // The connection sends its output while it waits for the next call.
                        tokio::select! { () = go_on.notified() => {} _ = connection.accept() => return }
                    }
                    match answer {
                        _ if trouble.starts_with("lost") => return,
                        Some(mut answer) => answer.send_reset(Reason::INTERNAL_ERROR),
                        None => respond.send_reset(Reason::INTERNAL_ERROR),
                    }
                }
            });
        }
    });
    url.parse().unwrap()
}

#[tokio::test]
async fn errors_during_a_call_are_counted() {
    let go_on = Arc::new(Notify::new());
    let target = troubled(go_on.clone()).await;
    let (targets, metrics) = (targets(&target, &target), Metrics::default());
    let upstream = Upstream::connect(&targets, &Health::new(&targets, &metrics));
    for (trouble, counted) in [
        ("reset", &["reset 1"][..]),
        ("reset late", &["reset 2"]),
        ("lost", &["lost 1", "reset 2"]),
        ("lost late", &["lost 2", "reset 2"]),
    ] {
        let mut request = request("hello");
        request.headers_mut().insert("trouble", HeaderValue::from_static(trouble));
        if let Ok(response) = upstream.clone().oneshot(request).await {
            assert_ne!(trouble, "reset");
            if trouble.ends_with("late") {
                assert!(!response.body().is_end_stream(), "the head is there, and no more");
                go_on.notify_one();
            }
            let answer = response.into_body().collect().await;
            assert_eq!(answer.is_err(), trouble == "reset late", "{trouble}");
        }
        assert_eq!(errors(&metrics), counted, "{trouble}");
    }
}

#[tokio::test]
async fn unconnected_calls_and_connection_attempts_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let (targets, metrics) = (targets(&target, &target), Metrics::default());
    let upstream = Upstream::connect(&targets, &Health::new(&targets, &metrics));
    upstream.oneshot(request("hello")).await.unwrap();
    let errors = errors(&metrics);
    assert!(errors.len() == 2 && errors[0].starts_with("connect "), "{errors:?}");
    assert_eq!(errors[1], "unreachable 1");
}

/// One engine for both strategies, pinged as `pace` says.
fn paced(target: &Target, every: Duration, within: Duration) -> Upstream {
    let health = Health::new(&targets(target, target), &Metrics::default());
    let (stats, pace) = (health.stats(Strategy::Blue), Pace { every, within });
    let endpoint = Endpoint::new(target, None, Duration::from_secs(60), stats, pace);
    Upstream { endpoints: [endpoint.clone(), endpoint], authorities: [None, None] }
}

#[tokio::test]
async fn point_38_engines_without_pongs_are_abandoned() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection: h2::server::Connection<_, Bytes> =
                h2::server::handshake(stream).await.unwrap();
            // The engine hangs once it has a call: it neither reads nor writes.
            held.push((connection.accept().await, connection));
        }
    });
    let upstream = paced(&target, Duration::from_millis(50), Duration::from_millis(50));
    let response = upstream.oneshot(request("hello")).await.unwrap();
    assert_eq!(response.headers().get(GRPC_STATUS).unwrap(), "14");
    let message = response.headers().get(GRPC_MESSAGE).unwrap().to_str().unwrap();
    assert!(message.starts_with(&format!("engine {target} was lost")), "{message}");
}

#[test]
fn point_38_engines_are_pinged_within_grpc_limits() {
    // The default minimum of gRPC servers: `grpc.http2.min_ping_interval_without_data_ms`.
    assert!(Pace::default().every >= Duration::from_secs(300));
}

#[tokio::test]
async fn point_38_engines_that_answer_pings_have_time() {
    let target = engine(|request, respond, number| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        echo(request, respond, number).await;
    })
    .await;
    let upstream = paced(&target, Duration::from_millis(20), Duration::from_secs(60));
    let response = upstream.oneshot(request("hello")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn connections_no_longer_needed_are_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    let all_there = Arc::new(tokio::sync::Barrier::new(6));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (counted, all_there) = (counted.clone(), all_there.clone());
            tokio::spawn(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut builder = h2::server::Builder::new();
                let mut connection = builder.max_concurrent_streams(1).handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let all_there = all_there.clone();
                    tokio::spawn(async move {
                        all_there.wait().await;
                        echo(request, respond, 0).await;
                    });
                }
                counted.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let upstream = paced(&target, Duration::from_millis(20), Duration::from_secs(60));
    let calls = (0..6).map(|_| upstream.clone().oneshot(request("hello")));
    for response in futures::future::join_all(calls).await {
        assert_eq!(response.unwrap().into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    while open.load(Ordering::SeqCst) != 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn listeners_are_recognised_by_any_host_name() {
    for (target, listen, is_own) in [
        ("http://127.0.0.1:7", "127.0.0.1:7", true),
        ("http://localhost:7", "127.0.0.1:7", true),
        ("http://[::ffff:127.0.0.1]:7", "127.0.0.1:7", true),
        ("http://0.0.0.0:7", "127.0.0.1:7", true),
        ("http://127.0.0.9:7", "0.0.0.0:7", true),
        ("http://127.0.0.9:7", "[::]:7", true),
        ("https://localhost", "0.0.0.0:443", true),
        ("http://127.0.0.1:8", "127.0.0.1:7", false),
        ("http://127.0.0.9:7", "127.0.0.1:7", false),
        ("http://127.0.0.1:7", "127.0.0.1:0", false),
        ("http://192.0.2.1:7", "0.0.0.0:7", false),
        ("http://name.invalid:7", "0.0.0.0:7", false),
    ] {
        let target: Target = target.parse().unwrap();
        assert_eq!(target.is_served_at(&[listen.parse().unwrap()]), is_own, "{target} at {listen}");
    }
}

#[test]
fn targets_are_urls_or_host_and_port() {
    for (text, address, is_tls) in [
        ("http://engine", "engine:80", false),
        ("http://[::1]:7/", "[::1]:7", false),
        ("engine:7", "engine:7", false),
        ("https://engine", "engine:443", true),
        ("https://[::1]:7", "[::1]:7", true),
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!((target.address.as_str(), target.is_tls()), (address, is_tls));
    }
    for text in [
        "engine",
        "engine:",
        ":80",
        "http://:80",
        "me@engine:80",
        "engine:80/path",
        "ftp://engine",
        "http://",
        "http://engine/path",
        "http://me@engine",
        "https://a_b..c",
        "http://engine:99999",
        "http://engine:",
        "http://[::1]:x",
    ] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}
