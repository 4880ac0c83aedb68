//! An engine whose name has several addresses, on real sockets.

use std::{net::SocketAddr, sync::atomic::AtomicUsize};

use bytes::Bytes;
use http::{Request, Response};
use http2::client::ResponseFuture;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    telemetry::Metrics,
    upstream::{permit::StreamPermit, resolve::Addresses},
};

/// One of the engine's processes.
struct Process {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

/// A process that answers each call once `go` says so.
async fn process(go: watch::Receiver<bool>) -> Process {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (calls, connections): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let (counted, open) = (calls.clone(), connections.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            let (counted, open, go) = (counted.clone(), open.clone(), go.clone());
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut connection: h2::server::Connection<_, Bytes> =
                    h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let mut go = go.clone();
                    tokio::spawn(async move {
                        go.wait_for(|go| *go).await.unwrap();
                        respond.send_response(Response::new(()), true).unwrap();
                    });
                }
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    Process { address, calls, connections }
}

/// A process that answers at once.
async fn prompt() -> Process {
    process(watch::channel(true).1).await
}

/// An address that neither accepts nor refuses connections: its queue is full.
async fn silent() -> (SocketAddr, Vec<std::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = vec![std::net::TcpStream::from(socket)];
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
        queue.push(stream);
        assert!(queue.len() < 100, "there is an end to the queue");
    }
    (address, queue)
}

/// An engine whose name resolves to the current content of `list`.
fn named(list: watch::Receiver<Vec<SocketAddr>>) -> Endpoint {
    let lookup = move |_: String| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
        let found = list.borrow().clone();
        Box::pin(async move { Ok(found) })
    };
    let addresses = Addresses::by("engine.test:80", Arc::new(lookup));
    let stats = Arc::new(EndpointStats::new(
        addresses,
        Metrics::default().upstream("http://engine.test"),
        tokio::sync::watch::channel(()).0,
    ));
    let target = "http://engine.test".parse().unwrap();
    let endpoint = Endpoint::new(&target, None, Duration::from_secs(60), stats, Pace::default());
    endpoint.warm_up();
    endpoint
}

/// Sends a call.
async fn sent(endpoint: &Endpoint) -> (ResponseFuture, http2::SendStream, StreamPermit) {
    let PooledStream { mut send, permit } = endpoint.checkout().await.unwrap();
    let request = Request::get("http://engine.test/").body(()).unwrap();
    let (response, stream) = send.send_request(&request, true).unwrap();
    (response, stream, permit)
}

async fn call(endpoint: &Endpoint) {
    let (response, ..) = sent(endpoint).await;
    response.await.unwrap();
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    timeout(Duration::from_secs(60), async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn calls_are_spread_over_all_addresses() {
    let processes = [prompt().await, prompt().await, prompt().await];
    let (_list, list) = watch::channel(processes.iter().map(|one| one.address).collect());
    let endpoint = named(list);
    until(async || {
        call(&endpoint).await;
        processes.iter().all(|one| one.connections.load(Ordering::SeqCst) == 1)
    })
    .await;
    let before = processes.each_ref().map(|one| one.calls.load(Ordering::SeqCst));
    for _ in 0..30 {
        call(&endpoint).await;
    }
    for (one, before) in processes.iter().zip(before) {
        assert_eq!(one.calls.load(Ordering::SeqCst) - before, 10);
    }
    let told = endpoint.shared.stats.address_states();
    assert!(told.len() == 3 && told.iter().all(|one| one.connections == 1 && one.problem.is_none()));
}

#[tokio::test]
async fn an_address_that_drops_packets_hides_no_other() {
    let ((silent, _queue), living) = (silent().await, prompt().await);
    let (_list, list) = watch::channel(vec![silent, living.address]);
    let endpoint = named(list);
    for _ in 0..3 {
        call(&endpoint).await;
    }
    let of = |address: SocketAddr| {
        let told = endpoint.shared.stats.address_states();
        told.into_iter().find(|one| one.address == address.to_string()).unwrap()
    };
    until(async || of(silent).problem.as_deref() == Some("another address has answered sooner")).await;
    assert!(of(living.address).connections > 0);
}

#[tokio::test]
async fn connections_to_removed_addresses_end_with_calls() {
    let (go, going) = watch::channel(false);
    let (old, new) = (process(going).await, prompt().await);
    let (list, known) = watch::channel(vec![old.address]);
    let endpoint = named(known);
    endpoint.keep_resolved(Duration::from_millis(20));
    let (response, _stream, _permit) = sent(&endpoint).await;
    until(async || old.calls.load(Ordering::SeqCst) == 1).await;
    list.send_replace(vec![new.address]);
    until(async || {
        new.connections.load(Ordering::SeqCst) > 0 && endpoint.pool().connections_to(old.address) == 0
    })
    .await;
    for _ in 0..10 {
        call(&endpoint).await;
    }
    assert_eq!((old.calls.load(Ordering::SeqCst), new.calls.load(Ordering::SeqCst)), (1, 10));
    assert!(old.connections.load(Ordering::SeqCst) > 0, "its call is still in progress");
    go.send_replace(true);
    response.await.unwrap();
    drop((_stream, _permit));
    until(async || old.connections.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn new_addresses_get_their_share_of_calls() {
    let (old, new) = (prompt().await, prompt().await);
    let (list, known) = watch::channel(vec![old.address]);
    let endpoint = named(known);
    endpoint.keep_resolved(Duration::from_millis(20));
    call(&endpoint).await;
    list.send_replace(vec![old.address, new.address]);
    until(async || {
        call(&endpoint).await;
        new.calls.load(Ordering::SeqCst) > 0
    })
    .await;
}
