//! What HTTP/2 makes of the gate's responses, seen by a raw HTTP/2 client.

use http_body_util::Full;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::server;

/// A gated echo on a real socket, and a client of it.
async fn connected(mismatch: Mismatch) -> h2::client::SendRequest<Bytes> {
    let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    let layer = GateLayer::new(switch, Protocol::default(), mismatch);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let start = move || {
        let layer = layer.clone();
        move |_| {
            layer
                .layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("in"))))))
        }
    };
    tokio::spawn(server::serve(listener, server::Options::threads(1), start, std::future::pending()));
    let (client, connection) =
        h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

#[tokio::test]
async fn a_rejection_is_one_final_headers_frame() {
    for (mismatch, status) in [(Mismatch::Both, 456), (Mismatch::Grpc, 200)] {
        let mut client = connected(mismatch).await;
        let head = request("getSchemaNames", Some("green"), Frames::default()).map(|_| ());
        let (response, mut upload) = client.send_request(head, false).unwrap();
        upload.send_data(framed(0, b"").into(), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.body().is_end_stream(), "HEADERS with END_STREAM");
        let names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names.len(), 5, "nothing is added to it: {names:?}");
    }
}

#[tokio::test]
async fn a_rejection_during_an_upload_reaches_the_client() {
    let mut client = connected(Mismatch::Both).await;
    let head = request("prepareStatement", Some("green"), Frames::default()).map(|_| ());
    let (response, _upload) = client.send_request(head, false).unwrap();
    assert_eq!(response.await.unwrap().status().as_u16(), 456);
}

#[tokio::test]
async fn requests_in_small_frames_are_held_whole() {
    let mut client = connected(Mismatch::Both).await;
    let head = request("status", Some("blue"), Frames::default()).map(|_| ());
    let (response, mut upload) = client.send_request(head, false).unwrap();
    let message = framed(0, &string_field(3, &"x".repeat(20_000)));
    for part in message.chunks(10) {
        upload.send_data(Bytes::copy_from_slice(part), false).unwrap();
    }
    upload.send_data(Bytes::new(), true).unwrap();
    assert_eq!(response.await.unwrap().status().as_u16(), 200);
}
