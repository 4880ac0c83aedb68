//! Point 41: a failure of one engine does not affect the other.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use h2::server::Builder;
use tokio::net::TcpListener;

use super::peers::{Answer, Call, client, echo, engine, engine_with, framed, open, request, unary};
use crate::support::{Place, teal};

/// Calls to green's engine are answered while 100 to blue's wait, for an hour if need be.
async fn pass_beside(blue: SocketAddr) {
    let green = engine(echo).await;
    let server = teal()
        .switch_every("1ms")
        .with("--announce-timeout", "0")
        .with("--threads", "1")
        .with("--connect-timeout", "1h")
        .with("--blue", &format!("http://{blue}"))
        .with("--green", &format!("http://{}", green.address))
        .run();
    server.wait_for("Strategy change pending", 1, Duration::from_secs(60));
    let client = client(server.address).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        let (response, mut upload) = open(&client, request("/QueryEngineService/status"), false).await;
        // More than is read of a request before its engine is connected.
        upload.send_data(framed(&[0x3a; 10_000]).into(), true).unwrap();
        held.push(tokio::spawn(Answer::of(response)));
    }
    for number in 0..200 {
        let mut sent = request("/QueryEngineService/healthCheck");
        sent.headers_mut().insert("strategy", http::HeaderValue::from_static("green"));
        let (response, mut upload) = open(&client, sent, false).await;
        upload.send_data(framed(b"x").into(), true).unwrap();
        assert_eq!(Answer::of(response).await.body, framed(b"x"), "call {number}");
    }
    for call in held {
        assert!(!call.is_finished(), "{:?}", call.await);
        call.abort();
    }
}

// Green's health is checked in the meantime.
#[tokio::test(flavor = "multi_thread")]
async fn point_41_mute_engines_affect_no_other_engine() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    pass_beside(silent.local_addr().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_41_silent_calls_affect_no_other_engine() {
    // It does not even read what it accepted, and accepts little.
    let stuck = engine_with(Builder::new().max_concurrent_streams(1), async |call: Call| {
        std::future::pending::<()>().await;
        drop(call);
    })
    .await;
    pass_beside(stuck.address).await;
    assert!(stuck.calls() > 0);
}

// Health checks of green in the meantime do not count.
#[tokio::test(flavor = "multi_thread")]
async fn point_41_engines_see_only_their_own_calls() {
    let calls = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let counting = |calls: &Arc<AtomicUsize>| {
        let calls = calls.clone();
        engine(move |call: Call| {
            let is_health = call.request.uri().path().ends_with("/healthCheck");
            calls.fetch_add(usize::from(!is_health), Ordering::SeqCst);
            echo(call)
        })
    };
    let (blue, green) = (counting(&calls[0]).await, counting(&calls[1]).await);
    let server = teal()
        .switch_every("1ms")
        .with("--announce-timeout", "0")
        .with("--blue", &format!("http://{}", blue.address))
        .with("--green", &format!("http://{}", green.address))
        .run();
    server.wait_for("Strategy change pending", 1, Duration::from_secs(60));
    let client = client(server.address).await;
    for (strategy, expected) in [("blue", [1, 0]), ("green", [1, 1]), ("", [2, 1])] {
        let mut sent = request("/QueryEngineService/getSchemaNames");
        sent.headers_mut().insert("strategy", http::HeaderValue::from_static(strategy));
        let (response, _) = open(&client, sent, true).await;
        assert_eq!(Answer::of(response).await.status(), Some("0"));
        assert_eq!(calls.each_ref().map(|calls| calls.load(Ordering::SeqCst)), expected, "{strategy:?}");
    }
}

#[tokio::test]
async fn point_36_addresses_of_names_are_logged() {
    let engine = engine(echo).await;
    let server = teal()
        .admin()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://localhost:{}", engine.address.port()))
        .run();
    assert_eq!(unary(&client(server.address).await, "/a/b", b"x").await.body, framed(b"x"));
    let state: serde_json::Value = serde_json::from_str(&server.get("/api/v1/state")).unwrap();
    let addresses = state["engines"][0]["addresses"].as_array().unwrap();
    let of = |address: &serde_json::Value| address["address"] == engine.address.to_string();
    let told = addresses.iter().find(|address| of(address)).unwrap();
    assert!(told["connections"].as_u64().unwrap() > 0, "{state}");
    assert!(told["problem"].is_null());
    let gauge = format!(
        "teal_upstream_address_connections{{upstream=\"http://localhost:{}\",address=\"{}\"}} ",
        engine.address.port(),
        engine.address
    );
    let metrics = server.get("/metrics");
    assert!(metrics.contains(&gauge), "{metrics}");
}

#[tokio::test]
async fn point_36_teal_does_not_forward_to_itself() {
    let place = Place::new();
    let listen = place.address;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}", listen.port());
        let (status, output) = teal().listen(&listen.to_string()).with("--upstream", &url).refused();
        assert_eq!(status.code(), Some(64), "{output}");
        assert!(output.contains("--upstream") && output.contains(&url), "{output}");
        assert!(output.contains("teal's own (--listen)"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_calls_learn_which_engine_was_left() {
    let hangs = Arc::new(AtomicBool::new(false));
    let blue = engine(echo).await;
    let is_hung = hangs.clone();
    let green = engine(move |call: Call| {
        let is_hung = is_hung.load(Ordering::SeqCst);
        async move { if is_hung { std::future::pending().await } else { echo(call).await } }
    })
    .await;
    let server = teal()
        .admin()
        .switch_every("0")
        .between(blue.address, green.address)
        .with("--unhealthy-abort", "1s")
        .run();
    server.operate(&["switch"]).ended(0);
    hangs.store(true, Ordering::SeqCst);
    let client = client(server.address).await;
    let mut held = Vec::new();
    for method in ["authenticate", "prepareStatement", "getSchemaNames"] {
        let mut sent = request(&format!("/QueryEngineService/{method}"));
        sent.headers_mut().insert("strategy", http::HeaderValue::from_static("green"));
        let (response, _) = open(&client, sent, true).await;
        held.push(tokio::spawn(Answer::of(response)));
    }
    let why = format!("engine http://{} gives no answer within 2s", green.address);
    let neutral = held.pop().unwrap();
    for waits in held {
        let answer = waits.await.unwrap();
        assert_eq!((answer.status(), answer.message()), (Some("14"), why.as_str()));
    }
    assert!(!neutral.is_finished(), "only who could go on elsewhere is told to");
    neutral.abort();
}
