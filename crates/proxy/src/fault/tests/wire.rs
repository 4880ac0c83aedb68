//! Effects that the gate and the server apply for a rule, seen by a raw HTTP/2 client.

use h2::Reason;
use http_body_util::Full;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::server;

/// A client of an echo server with a gate and faults, on a real socket, and the end of its connection.
async fn connected(
    bench: &Bench,
) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let gate = GateLayer::new(bench.switch.clone(), Protocol::default(), Mismatch::Both);
    let (faults, answer) = (bench.layer(), bench.answer.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let start = move || {
        let (gate, faults, answer) = (gate.clone(), faults.clone(), answer.clone());
        move |_| {
            let answer = answer.clone();
            let backend = service_fn(move |_| {
                let body = Full::new(Bytes::from(answer.clone()));
                let response = Response::builder().header(CONTENT_TYPE, "application/grpc").body(body);
                std::future::ready(Ok::<_, Infallible>(response.unwrap()))
            });
            gate.layer(faults.layer(backend))
        }
    };
    tokio::spawn(server::serve(listener, server::Options::threads(1), start, std::future::pending()));
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    (client.ready().await.unwrap(), tokio::spawn(connection))
}

async fn get(
    client: &mut h2::client::SendRequest<Bytes>,
    method: &str,
) -> Result<(http::response::Parts, Bytes), h2::Error> {
    let (head, _) = request(method, &[]).into_parts();
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.headers) = (head.method, head.headers);
    parts.uri = format!("http://localhost{}", head.uri.path()).parse().unwrap();
    let (response, mut upload) = client.send_request(Request::from_parts(parts, ()), false)?;
    upload.send_data(framed(b"").into(), true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut data = Vec::new();
    while let Some(chunk) = body.data().await {
        data.extend_from_slice(&chunk?);
    }
    Ok((head, data.into()))
}

#[tokio::test]
async fn a_stream_is_reset_with_the_code() {
    let bench = bench(&["method=status,reset=ENHANCE_YOUR_CALM"]);
    let (mut client, _connection) = connected(&bench).await;
    let error = get(&mut client, "status").await.unwrap_err();
    assert_eq!((error.is_reset(), error.reason()), (true, Some(Reason::ENHANCE_YOUR_CALM)));
    get(&mut client, "getSchemaNames").await.expect("the connection goes on");
}

#[tokio::test]
async fn a_goaway_without_error_lets_the_call_finish() {
    let bench = bench(&["method=status,goaway=NO_ERROR"]);
    let (mut client, connection) = connected(&bench).await;
    let (head, data) = get(&mut client, "status").await.unwrap();
    assert_eq!(
        (&head.headers[TEAL_FAULT], data.to_vec()),
        (&HeaderValue::from_static("f1"), bench.answer.clone())
    );
    connection.await.unwrap().expect("it ends in order");
}

#[tokio::test]
async fn a_goaway_with_an_error_ends_the_connection() {
    let bench = bench(&["method=status,goaway=INADEQUATE_SECURITY"]);
    let (mut client, connection) = connected(&bench).await;
    get(&mut client, "status").await.expect_err("its stream ends with the connection");
    let ended = connection.await.unwrap().unwrap_err();
    assert_eq!((ended.is_go_away(), ended.reason()), (true, Some(Reason::INADEQUATE_SECURITY)), "{ended:?}");
}

#[tokio::test]
async fn a_connection_is_closed_without_goaway() {
    let bench = bench(&["method=status,disconnect"]);
    let (mut client, connection) = connected(&bench).await;
    let error = get(&mut client, "status").await.unwrap_err();
    assert!(error.is_io() && error.reason().is_none(), "{error:?}");
    drop(connection);
}

#[tokio::test]
async fn a_mismatch_looks_like_the_gates_own() {
    let bench = bench(&["method=status,mismatch"]);
    let (mut client, _connection) = connected(&bench).await;
    let (head, _) = get(&mut client, "status").await.unwrap();
    assert_eq!(head.status.as_u16(), 456);
    for (name, value) in [
        ("grpc-status", "2"),
        ("grpc-message", "status: 456"),
        ("received-strategy", "blue"),
        ("expected-strategy", "green"),
        ("teal-fault", "f1"),
    ] {
        assert_eq!(head.headers[name], value, "{name}");
    }
    assert_eq!(bench.switch.snapshot().requests, [0, 0]);
}

#[tokio::test]
async fn a_notice_is_announced_whatever_is_due() {
    let bench = bench(&["method=getSchemaNames,notice=green", "method=getTables,notice=blue"]);
    let (mut client, _connection) = connected(&bench).await;
    let field = |name: &str| string_field(3, name);
    let ends_with =
        |data: &[u8], tail: &[u8]| data.ends_with(tail) && data.len() == bench.answer.len() + tail.len();
    let (head, data) = get(&mut client, "getSchemaNames").await.unwrap();
    assert_eq!(head.headers["new-strategy"], "green");
    assert!(ends_with(&data, &field("green")), "{data:?}");
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    let (head, data) = get(&mut client, "getTables").await.unwrap();
    assert_eq!(head.headers["new-strategy"], "blue");
    assert!(ends_with(&data, &field("blue")), "the wrong one, while green is due: {data:?}");
}

#[tokio::test]
async fn a_due_notice_is_sent_twice() {
    let bench = bench(&["duplicate-notice"]);
    let (mut client, _connection) = connected(&bench).await;
    let (head, data) = get(&mut client, "getSchemaNames").await.unwrap();
    assert_eq!(
        (head.headers.get("new-strategy"), data.to_vec()),
        (None, bench.answer.clone()),
        "none is due"
    );
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    let (head, data) = get(&mut client, "getSchemaNames").await.unwrap();
    assert_eq!(head.headers.get_all("new-strategy").iter().count(), 2);
    assert!(data.ends_with(&[string_field(3, "green"), string_field(3, "green")].concat()), "{data:?}");
}
