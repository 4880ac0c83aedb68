//! Points 35 to 40: the lives of connections.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{
    peers::{Answer, Call, before, client, echo, engine, framed, open, request, send, unary, until, within},
    raw::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, Raw, WINDOW_UPDATE},
};
use crate::support::{Place, Server, teal};

/// How an engine says that a connection takes no more.
#[derive(Clone, Copy, Debug)]
enum Goodbye {
    /// One GOAWAY that leaves streams out which had come.
    Short,
    /// GOAWAY for all, then after a while one for what came: as gRPC servers do at `max_connection_age`.
    TwoSteps,
}

/// An engine that ends each connection after some calls, and counts how often each call is executed.
async fn leaving(goodbye: Goodbye) -> (SocketAddr, Arc<Mutex<HashMap<Vec<u8>, usize>>>) {
    let executed: Arc<Mutex<HashMap<Vec<u8>, usize>>> = Arc::default();
    let known = executed.clone();
    let address = raw::engine(move |mut engine| {
        let executed = known.clone();
        async move {
            let mut last = u32::MAX;
            let mut calls = 0;
            let mut bodies: HashMap<u32, Vec<u8>> = HashMap::new();
            while let Some(frame) = engine.next().await {
                if frame.stream > last {
                    continue;
                }
                if frame.kind == DATA {
                    bodies.entry(frame.stream).or_default().extend(&frame.payload);
                }
                if frame.ends_stream() {
                    *executed.lock().unwrap().entry(bodies.remove(&frame.stream).unwrap()).or_default() += 1;
                    calls += 1;
                    engine.write(HEADERS, END_HEADERS, frame.stream, &raw::answer()).await;
                    engine.write(DATA, 0, frame.stream, &framed(b"x")).await;
                    let trailers = raw::block(&[("grpc-status", "0")]);
                    engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &trailers).await;
                }
                match (goodbye, calls) {
                    (Goodbye::Short, 20) if last == u32::MAX => {
                        last = frame.stream;
                        engine.write(GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat()).await;
                    }
                    (Goodbye::TwoSteps, 20) => {
                        calls += 1;
                        engine.write(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).await;
                    }
                    _ => {}
                }
            }
        }
    })
    .await;
    (address, executed)
}

#[tokio::test]
async fn point_35_goaway_fails_and_repeats_no_call() {
    for goodbye in [Goodbye::Short, Goodbye::TwoSteps] {
        let (address, executed) = leaving(goodbye).await;
        let server = before(address);
        let client = client(server.address).await;
        let mut tasks = Vec::new();
        for task in 0..16 {
            let client = client.clone();
            tasks.push(tokio::spawn(async move {
                for number in 0..50 {
                    let answer = unary(&client, "/a/b", format!("{task}/{number}").as_bytes()).await;
                    assert_eq!(answer.status(), Some("0"), "{goodbye:?}: {answer:?}");
                    assert_eq!(answer.body, framed(b"x"));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let executed = executed.lock().unwrap();
        assert_eq!(executed.len(), 800);
        assert!(executed.values().all(|times| *times == 1), "{goodbye:?}: each call is executed once");
    }
}

#[tokio::test]
async fn point_35_calls_in_flight_finish_after_goaway() {
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = connections.clone();
    let address = raw::engine(move |mut engine| {
        accepted.fetch_add(1, Ordering::SeqCst);
        async move {
            let stream = engine.request().await;
            engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
            engine.write(GOAWAY, 0, 0, &[&stream.to_be_bytes()[..], &[0; 4]].concat()).await;
            engine.settled().await;
            engine.write(DATA, 0, stream, &framed(b"late")).await;
            let trailers = raw::block(&[("grpc-status", "0")]);
            engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
            while engine.next().await.is_some() {}
        }
    })
    .await;
    let server = before(address);
    let client = client(server.address).await;
    for _ in 0..5 {
        assert_eq!(unary(&client, "/a/b", b"").await.body, framed(b"late"));
    }
    assert!(connections.load(Ordering::SeqCst) >= 5);
}

#[tokio::test]
async fn point_35_long_started_bodies_are_not_resent() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let address = raw::engine(move |mut engine| {
        let counted = counted.clone();
        async move {
            let stream = engine.request().await;
            counted.fetch_add(1, Ordering::SeqCst);
            // More than is kept.
            for window in [0, stream] {
                engine.write(WINDOW_UPDATE, 0, window, &(1_u32 << 20).to_be_bytes()).await;
            }
            let mut read = 0;
            while read < 100_000 {
                let Some(frame) = engine.next().await else { return };
                read += frame.payload.len();
            }
            engine.write(GOAWAY, 0, 0, &[0; 8]).await;
            while engine.next().await.is_some() {}
        }
    })
    .await;
    let server = before(address);
    let client = client(server.address).await;
    let (response, mut upload) = open(&client, request("/a/b"), false).await;
    let uploading = tokio::spawn(async move { send(&mut upload, Bytes::from(vec![7; 1 << 20])).await });
    let answer = Answer::of(response).await;
    assert_eq!(answer.status(), Some("14"), "{answer:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    uploading.abort();
}

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
        // Gone without a word.
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
    // A listener with a full queue: who would connect to it hears nothing.
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
    // One after the other they are no more of a storm, nor is there one while nobody calls.
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

    // Where nobody would read trailers the stream is reset.
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
                // Answered, or this would not return.
                engine.settled().await;
                // Time in which whoever asks often would ask.
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
    // Whoever is asked three times is patient for longer than the timeout.
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
        // The engine closes it meanwhile.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let output = server.output();
    assert!(output.lines().count() <= lines + 1, "nothing of it is news: {output}");
}

/// Ends a server that has all kinds of clients.
async fn end(server: &mut Server, signal: &str) -> std::process::ExitStatus {
    tokio::task::block_in_place(|| server.end(signal, Duration::from_secs(30)))
}

#[tokio::test(flavor = "multi_thread")]
async fn point_39_nothing_delays_shutdown_past_its_grace() {
    let engine = engine(async |mut call: Call| {
        let mut stream = call.accept();
        while send(&mut stream, framed(b"again").into()).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let mut server = before(engine.address);
    let _idle = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    // Shaken hands, and then never answers a thing.
    let mut deaf = Raw::connect(server.address).await;
    deaf.settled().await;
    let client = client(server.address).await;
    let (response, _) = open(&client, request("/endless/stream"), true).await;
    let mut endless = within(response).await.unwrap().into_body();
    assert_eq!(within(endless.data()).await.unwrap().unwrap(), framed(b"again"));
    let reading = tokio::spawn(async move {
        while let Some(Ok(chunk)) = endless.data().await {
            _ = endless.flow_control().release_capacity(chunk.len());
        }
    });
    assert_eq!(end(&mut server, "TERM").await.code(), Some(0), "{}", server.output());
    within(reading).await.unwrap();
    until(|| engine.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_39_calls_under_load_survive_shutdown() {
    let engine = engine(async |call: Call| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        echo(call).await;
    })
    .await;
    let mut server = before(engine.address);
    let (answered, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (answered, refused) = (answered.clone(), refused.clone());
        let mut client = client(server.address).await;
        tasks.push(tokio::spawn(async move {
            // Until the connection says that it takes no more.
            while let Ok(ready) = client.clone().ready().await {
                client = ready;
                let Ok((response, mut upload)) = client.send_request(request("/a/b"), false) else { break };
                _ = upload.send_data(framed(b"x").into(), true);
                let answer = Answer::of(response).await;
                match &answer.error {
                    // Told that it was not served, and may be sent elsewhere.
                    Some(error) if error.is_go_away() && error.is_remote() => {
                        refused.fetch_add(1, Ordering::SeqCst)
                    }
                    _ => {
                        assert_eq!(
                            (answer.body.as_slice(), answer.status()),
                            (&framed(b"x")[..], Some("0")),
                            "{answer:?}"
                        );
                        answered.fetch_add(1, Ordering::SeqCst)
                    }
                };
            }
        }));
    }
    until(|| answered.load(Ordering::SeqCst) > 100).await;
    assert_eq!(end(&mut server, "TERM").await.code(), Some(0), "{}", server.output());
    for task in tasks {
        within(task).await.unwrap();
    }
    assert_eq!(engine.open(), 0);
}
