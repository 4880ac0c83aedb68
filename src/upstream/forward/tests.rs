//! Forwarding, between a caller in this process and engines on real sockets.

use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::*;
use crate::telemetry::Metrics;

/// An engine that treats each request on each connection as `serve` says. Gives its URL.
async fn engine<F, R>(serve: F) -> Target
where
    F: Fn(Request<h2::RecvStream>, h2::server::SendResponse<Bytes>, usize) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        loop {
            let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            let (serve, calls) = (serve.clone(), calls.clone());
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let number = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    tokio::spawn(serve(request, respond, number));
                }
            });
        }
    });
    url.parse().unwrap()
}

/// Answers with the request's body, its headers among the response's, and a trailer.
async fn echo(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>, _: usize) {
    let (head, body) = request.into_parts();
    let mut response = Response::new(());
    *response.headers_mut() = head.headers;
    response.headers_mut().insert("uri", head.uri.to_string().parse().unwrap());
    let mut stream = respond.send_response(response, false).unwrap();
    let body = Incoming::new(body).collect().await.unwrap().to_bytes();
    stream.send_data(body, false).unwrap();
    stream.send_trailers(HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))])).unwrap();
}

fn upstream(blue: &Target, green: &Target) -> Upstream {
    let connect_timeout = std::time::Duration::from_secs(5);
    let targets = Targets { blue: blue.clone(), green: green.clone(), connect_timeout, trust: None };
    Upstream::connect(&targets, &Health::new(&targets, &Metrics::default()))
}

fn request(body: &str) -> Request<Full<Bytes>> {
    let request = Request::post("http://odd.example:7/a%2Fb/c?d=e").header("te", "trailers");
    request.header("strategy", "blue").body(Full::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn a_call_passes_as_it_is() {
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
        request.extensions_mut().insert(strategy);
        let response = upstream.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().get("engine").unwrap(), strategy.as_str());
        assert!(response.body().is_end_stream(), "Trailers-Only stays that");
    }
}

#[tokio::test]
async fn a_refused_call_is_sent_again_with_its_body() {
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
        assert_eq!(error.downcast_ref::<h2::Error>().unwrap().reason(), Some(reason));
    }
}

#[tokio::test]
async fn an_engine_that_is_absent_is_unavailable_and_named() {
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

#[test]
fn a_target_is_a_url_with_a_scheme_and_nothing_behind_the_port() {
    for (text, address, is_tls) in [
        ("http://engine", "engine:80", false),
        ("http://[::1]:7/", "[::1]:7", false),
        ("https://engine", "engine:443", true),
        ("https://[::1]:7", "[::1]:7", true),
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!((target.address.as_str(), target.is_tls()), (address, is_tls));
    }
    for text in
        ["engine:80", "ftp://engine", "http://", "http://engine/path", "http://me@engine", "https://a_b..c"]
    {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}
