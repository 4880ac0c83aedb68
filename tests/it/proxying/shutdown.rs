//! Point 39: shutdown of teal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    peers::{Answer, Call, before, client, echo, engine, framed, open, request, send, until, within},
    raw::Raw,
};
use crate::support::Server;

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
    // Completes the handshake, and then never responds.
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
            // Until the connection accepts no more streams.
            while let Ok(ready) = client.clone().ready().await {
                client = ready;
                let Ok((response, mut upload)) = client.send_request(request("/a/b"), false) else { break };
                _ = upload.send_data(framed(b"x").into(), true);
                let answer = Answer::of(response).await;
                match &answer.error {
                    // The call was not processed, and is safe to retry elsewhere.
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
