//! Points 37 and 38: engines that die in mid-response, and pings.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{
    peers::{Answer, Call, before, client, engine, open, unary, until, within},
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, PING, Raw},
};
use crate::support::teal;

#[tokio::test]
async fn point_37_dying_engines_make_no_clean_end() {
    let address = raw::engine(|mut engine| async move {
        let stream = engine.request().await;
        engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
        engine.write(DATA, 0, stream, b"\0\0\0\0\x09half").await;
        engine.close().await;
    })
    .await;
    let server = before(address);
    let answer = unary(&client(server.address).await, "/a/b", b"").await;
    assert_eq!(answer.body, b"\0\0\0\0\x09half");
    assert_eq!(answer.status(), Some("14"));
    assert!(answer.message().contains(&format!("engine http://{address} was lost")), "{}", answer.message());

    // If the client would not read trailers, the stream is reset.
    let mut get = http::Request::get("http://engine.test/").body(()).unwrap();
    get.headers_mut().insert("accept", http::HeaderValue::from_static("text/html"));
    let (response, _) = open(&client(server.address).await, get, true).await;
    assert!(Answer::of(response).await.error.unwrap().is_reset());
}

#[tokio::test]
async fn point_38_pings_are_answered_and_sent_rarely() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://{}", listener.local_addr().unwrap()))
        .run();
    let engine = tokio::spawn(async move {
        loop {
            let mut engine = Raw::accept(&listener, &[]).await;
            let asked = tokio::spawn(async move {
                let stream = engine.request().await;
                engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
                // Returns only if the ping is answered.
                engine.settled().await;
                // Enough time for too frequent pings to show.
                tokio::time::sleep(Duration::from_secs(3)).await;
                engine.settled().await;
                engine
                    .write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::block(&[("grpc-status", "0")]))
                    .await;
                engine.pings
            });
            if let Ok(pings) = asked.await {
                return pings;
            }
        }
    });
    let mut client = Raw::connect(server.address).await;
    client.settled().await;
    client.write(HEADERS, END_HEADERS | END_STREAM, 1, &raw::call("/a/b", &[])).await;
    assert!(client.stream(1).await.last().unwrap().ends_stream());
    assert_eq!(within(engine).await.unwrap(), 1, "the one that asks for the engine's settings");
    client.write(PING, 0, 0, b"whatever").await;
    client.settled().await;
}

#[tokio::test]
async fn point_38_clients_without_pongs_lose_their_calls() {
    let engine = engine(async |call: Call| {
        std::future::pending::<()>().await;
        drop(call);
    })
    .await;
    let server = teal()
        .switch_every("0")
        .with("--keepalive-timeout", "1s")
        .with("--upstream", &format!("http://{}", engine.address))
        .run();
    let mut idle = Raw::connect(server.address).await;
    let mut answers = Raw::connect(server.address).await;
    let mut hangs = Raw::connect(server.address).await;
    for client in [&mut answers, &mut hangs] {
        client.write(HEADERS, END_HEADERS | END_STREAM, 1, &raw::call("/a/b", &[])).await;
    }
    until(|| engine.calls() == 2).await;
    // Three pings take longer than the timeout.
    let answering = tokio::spawn(async move {
        answers.pinged(3).await;
        answers
    });
    within(async { while hangs.any().await.is_some() {} }).await;
    let answers = within(answering).await.unwrap();
    assert_eq!(engine.calls(), 2);
    idle.settled().await;
    assert_eq!(idle.pings, 0);
    drop(answers);
}
