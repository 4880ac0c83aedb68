//! Point 36: engines that are absent, refuse, are silent, or close idle connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpListener;

use super::{
    peers::{Answer, Call, before, client, echo, framed, open, unary, until, within},
    raw::{self, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Raw},
};
use crate::support::{Place, teal};

/// UNAVAILABLE in one HEADERS frame that names the engine.
fn is_unavailable(answer: &Answer, engine: SocketAddr) {
    assert!(answer.is_trailers_only(), "{answer:?}");
    assert_eq!(answer.head.as_ref().unwrap().status, 200);
    assert_eq!(answer.status(), Some("14"));
    assert!(answer.message().contains(&format!("http://{engine}")), "{}", answer.message());
}

#[tokio::test]
async fn point_36_absent_engines_are_unavailable_and_recover() {
    let place = Place::new();
    let address = place.address;
    let server = before(address);
    let client = client(server.address).await;
    is_unavailable(&unary(&client, "/a/b", b"").await, address);
    let (response, _) =
        open(&client, http::Request::get("http://engine.test/").body(()).unwrap(), true).await;
    assert_eq!(Answer::of(response).await.head.unwrap().status, 503, "in HTTP's words where it is no gRPC");
    for _ in 0..2 {
        let listener = TcpListener::bind(address).await.unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    let mut calls = tokio::task::JoinSet::new();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        calls.spawn(echo(Call { request, respond }));
                    }
                });
            }
        });
        within(async { while unary(&client, "/a/b", b"x").await.body != framed(b"x") {} }).await;
        // The engine disappears without closing its connections.
        serving.abort();
        _ = serving.await;
        within(async { while unary(&client, "/a/b", b"").await.status() != Some("14") {} }).await;
    }
    let connected = server.lines_with("Connected to engine");
    assert!((1..=2).contains(&connected.len()), "it is said once, not by each thread: {connected:?}");
}

/// An engine whose connection is never established is given 300 ms.
async fn is_given_up_soon(address: SocketAddr) {
    let server = teal()
        .switch_every("0")
        .with("--connect-timeout", "300ms")
        .with("--upstream", &format!("http://{address}"))
        .run();
    let client = client(server.address).await;
    is_unavailable(&unary(&client, "/a/b", b"").await, address);
}

#[tokio::test]
async fn point_36_mute_engines_fail_after_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    is_given_up_soon(address).await;
}

#[tokio::test]
async fn point_36_unreachable_engines_fail_after_connect_timeout() {
    // A listener with a full queue: connection attempts get no reply.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
        queue.push(stream);
        assert!(queue.len() < 100, "there is an end to the queue");
    }
    is_given_up_soon(address).await;
}

#[tokio::test]
async fn point_36_failing_engines_meet_no_connection_storm() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://{address}"))
        .run();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let client = client(server.address).await;
    let before = (attempts.load(Ordering::SeqCst), std::time::Instant::now());
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { unary(&client, "/a/b", b"").await })
        })
        .collect();
    for call in calls {
        is_unavailable(&call.await.unwrap(), address);
    }
    // Neither sequential calls nor idle time cause a storm.
    while before.1.elapsed() < Duration::from_secs(2) {
        is_unavailable(&unary(&client, "/a/b", b"").await, address);
    }
    // Time for a storm to show.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let most = 4 + before.1.elapsed().as_millis() as usize / 250;
    let made = attempts.load(Ordering::SeqCst) - before.0;
    assert!(made <= most, "{made} attempts, {most} would do");
}

#[tokio::test]
async fn point_36_engines_closing_idle_connections_are_spared() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = connections.clone();
    tokio::spawn(async move {
        loop {
            let mut engine = Raw::accept(&listener, &[]).await;
            accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                while let Ok(Some(frame)) =
                    tokio::time::timeout(Duration::from_millis(100), engine.next()).await
                {
                    if frame.kind == HEADERS {
                        let head = [raw::answer(), raw::block(&[("grpc-status", "0")])].concat();
                        engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &head).await;
                    }
                }
                engine.write(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).await;
                engine.close().await;
            });
        }
    });
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://{address}"))
        .run();
    until(|| connections.load(Ordering::SeqCst) == 2).await;
    let lines = server.output().lines().count();
    // Time for many more, each of which the engine would close after 100 ms.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let idle = connections.load(Ordering::SeqCst);
    assert!(idle <= 4, "{idle} connections without a call");
    let client = client(server.address).await;
    for _ in 0..3 {
        assert_eq!(unary(&client, "/a/b", b"").await.status(), Some("0"));
        // The engine closes the connection in the meantime.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let output = server.output();
    assert!(output.lines().count() <= lines + 1, "nothing of it is news: {output}");
}
