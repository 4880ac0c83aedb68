//! Both sides of the library with each other, and each of them with h2's other side.

use std::{future::poll_fn, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use proptest::{collection::vec, prelude::*};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinSet,
};

use super::{
    raw::within,
    side::{Limits, client_with, server_with},
};

fn limits() -> impl Strategy<Value = Limits> {
    let window = prop_oneof![1_u32..20, 1_000_u32..200_000];
    let frame = prop_oneof![Just(16_384_u32), 16_385_u32..100_000];
    (window, frame, 65_535_u32..300_000).prop_map(|(window, frame, connection)| Limits {
        window: Some(window),
        connection_window: Some(connection),
        frame: Some(frame),
        ..Limits::default()
    })
}

/// Chunks of a body; small windows make large ones slow.
fn body(limits: [Limits; 2]) -> impl Strategy<Value = Vec<Bytes>> {
    let most = if limits.iter().any(|limits| limits.window < Some(20)) { 50_usize } else { 70_000 };
    vec(prop_oneof![0..20_usize, 0..most], 0..8).prop_map(|sizes| {
        let byte = |at: usize| (at * 31 + at / 251) as u8;
        sizes.iter().map(|size| (0..*size).map(byte).collect()).collect()
    })
}

/// The library's limits, those of its peer, and bodies.
fn case() -> impl Strategy<Value = ([Limits; 2], Vec<Vec<Bytes>>)> {
    (limits(), limits()).prop_flat_map(|(mut own, peers)| {
        own.window = own.window.max(Some(65_535));
        (Just([own, peers]), vec(body([own, peers]), 1..12))
    })
}

pub(super) fn trailers(call: usize) -> HeaderMap {
    HeaderMap::from_iter([("x-call".parse().unwrap(), HeaderValue::from(call))])
}

/// All the bodies at once, from the library's client.
async fn calls(address: SocketAddr, limits: Limits, bodies: Vec<Vec<Bytes>>) {
    let client = client_with(address, limits).await;
    let mut answers = JoinSet::new();
    for (at, body) in bodies.into_iter().enumerate() {
        let call = client.open("/echo", false).unwrap();
        answers.spawn(async move {
            let answer = within(call.finish_with(body.clone(), Some(trailers(at)))).await;
            assert_eq!(answer.end, Ok(()));
            assert!(answer.body == body.concat(), "the body of {at} is not the same");
            let mut expected = trailers(at);
            expected.insert("grpc-status", HeaderValue::from_static("0"));
            assert_eq!(answer.trailers, Some(expected));
        });
    }
    answers.join_all().await;
}

async fn h2_calls(address: SocketAddr, limits: Limits, bodies: Vec<Vec<Bytes>>) {
    let io = TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(limits.window.unwrap()).max_frame_size(limits.frame.unwrap());
    builder.initial_connection_window_size(limits.connection_window.unwrap());
    let (requests, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut answers = JoinSet::new();
    for (at, body) in bodies.into_iter().enumerate() {
        let mut requests = requests.clone().ready().await.unwrap();
        answers.spawn(within(async move {
            let uri = "http://side.test/echo";
            let request = Request::post(uri).header("x-call", at).body(()).unwrap();
            let (response, mut sink) = requests.send_request(request, false).unwrap();
            let expected = body.concat();
            for data in body {
                sink.send_data(data, false).unwrap();
            }
            sink.send_trailers(trailers(at)).unwrap();
            let (head, mut body) = response.await.unwrap().into_parts();
            assert_eq!(head.headers["x-call"], HeaderValue::from(at));
            let mut received = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                body.flow_control().release_capacity(data.len()).unwrap();
                received.extend(data);
            }
            assert!(received == expected, "the body of {at} is not the same");
            let trailers = body.trailers().await.unwrap().unwrap();
            assert_eq!(trailers["x-call"], HeaderValue::from(at));
        }));
    }
    answers.join_all().await;
}

/// A server of h2 that echoes.
pub(super) async fn h2_server(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let mut builder = h2::server::Builder::new();
        builder.initial_window_size(limits.window.unwrap()).max_frame_size(limits.frame.unwrap());
        builder.initial_connection_window_size(limits.connection_window.unwrap());
        let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let mut body = request.into_body();
                let mut sink = respond.send_response(Response::new(()), false).unwrap();
                while let Some(data) = body.data().await {
                    let mut data = data.unwrap();
                    body.flow_control().release_capacity(data.len()).unwrap();
                    while !data.is_empty() {
                        sink.reserve_capacity(data.len());
                        let some = poll_fn(|cx| sink.poll_capacity(cx)).await.unwrap().unwrap();
                        sink.send_data(data.split_to(some.min(data.len())), false).unwrap();
                    }
                }
                let mut trailers = body.trailers().await.unwrap().unwrap();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                sink.send_trailers(trailers).unwrap();
            });
        }
    });
    address
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bodies_come_back(([limits, others], bodies) in case()) {
        Runtime::new().unwrap().block_on(async {
            let others = Limits { window: others.window.max(Some(65_535)), ..others };
            calls(server_with(others).await.address, limits, bodies).await;
        });
    }

    #[test]
    fn bodies_come_back_from_h2(([limits, others], bodies) in case()) {
        Runtime::new().unwrap().block_on(async {
            calls(h2_server(others).await, limits, bodies).await;
        });
    }

    #[test]
    fn bodies_of_h2_come_back(([limits, others], bodies) in case()) {
        Runtime::new().unwrap().block_on(async {
            h2_calls(server_with(limits).await.address, others, bodies).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once() {
    let limits = Limits {
        window: Some(30_000),
        connection_window: Some(100_000),
        frame: Some(16_384),
        ..Limits::default()
    };
    let body =
        |call: usize| (0..call % 7).map(|at| vec![call as u8; at * 1_000].into()).collect::<Vec<Bytes>>();
    let bodies: Vec<_> = (0..90).map(body).collect();
    for _ in 0..5 {
        calls(server_with(limits).await.address, limits, bodies.clone()).await;
        calls(h2_server(limits).await, limits, bodies.clone()).await;
        h2_calls(server_with(limits).await.address, limits, bodies.clone()).await;
    }
}
