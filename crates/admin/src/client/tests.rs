//! The client before peers that answer byte for byte what a test says.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// Answers one request with pieces, some time apart, then closes the connection. Returns the request.
async fn peer(pieces: Vec<Vec<u8>>) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answered = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        for piece in pieces {
            // Who has read enough hangs up.
            _ = stream.write_all(&piece).await;
            tokio::task::yield_now().await;
        }
        String::from_utf8(request).unwrap()
    });
    (Client::new(address.parse().unwrap(), None), answered)
}

fn pieces(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[tokio::test]
async fn events_are_read_from_any_pieces() {
    let text = [
        HEAD,
        ": a sign of life\n\nevent: lost\ndata: {\"lost\":3}\n\n",
        "event: call\nid: a-1\ndata: {\"id\":1}\n\nevent: passed\nid: a-2\n\nretry: 9\ndata:2\r\n\r\nevent: cut\ndata: 3",
    ]
    .concat();
    for size in [1, 7, 1000] {
        let (client, answered) = peer(text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect()).await;
        let mut stream = client.stream("/events", Some("a-0")).await.unwrap();
        let mut read = Vec::new();
        while let Some(sent) = stream.next().await.unwrap() {
            read.push((sent.kind, stream.last().map(str::to_owned), sent.data.json));
        }
        let of = |kind: &str, id: Option<&str>, data: &str| {
            (kind.to_owned(), id.map(str::to_owned), data.to_owned())
        };
        let expected = [
            of("lost", None, "{\"lost\":3}"),
            of("call", Some("a-1"), "{\"id\":1}"),
            of("", Some("a-2"), "2"),
        ];
        assert_eq!(read, expected, "without the last one, which is not whole");
        let request = answered.await.unwrap();
        assert!(request.starts_with("GET /events HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nlast-event-id: a-0\r\n"), "{request}");
    }
}

#[tokio::test]
async fn an_endless_line_is_no_event() {
    let flood = vec![b'x'; 1 << 20];
    let (client, _answered) = peer([pieces(&[HEAD]), vec![flood; 5]].concat()).await;
    let mut stream = client.stream("/events", None).await.unwrap();
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Foreign(..)), "{error}");
    assert!(error.to_string().ends_with("expected lines of at most 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn what_is_no_stream_is_refused() {
    let (client, _answered) = peer(pieces(&["HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>"])).await;
    let error = client.stream("/events", None).await.unwrap_err().to_string();
    assert!(error.ends_with("expected text/event-stream, found text/html"), "{error}");
    let refusal = r#"{"error":{"code":"bad_parameter","message":"since: expected more"}}"#;
    let answer = format!("HTTP/1.1 422 X\r\ncontent-length: {}\r\n\r\n{refusal}", refusal.len());
    let (client, _answered) = peer(pieces(&[&answer])).await;
    let error = client.stream("/events", None).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused { why, .. } if why == "since: expected more"), "{error}");
}

#[tokio::test]
async fn a_broken_stream_is_no_end() {
    let head = HEAD.replace("connection: close", "content-length: 1000");
    let (client, _answered) = peer(pieces(&[&head, "data: 1\n\n"])).await;
    let mut stream = client.stream("/events", None).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().data.json, "1");
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Unanswered(..)), "{error}");
}

#[tokio::test]
async fn a_silent_stream_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Client::new(listener.local_addr().unwrap().to_string().parse().unwrap(), None);
    let silence = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(HEAD.as_bytes()).await.unwrap();
        stream
    });
    let mut stream = silent.stream("/events", None).await.unwrap();
    let _open = silence.await.unwrap();
    tokio::time::pause();
    let error = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.unwrap().unwrap_err();
    assert!(error.to_string().ends_with("nothing within 30 s"), "{error}");
}
