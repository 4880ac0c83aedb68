//! h2 as the peer: its encoder's blocks, and ours before its decoder.

use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const CALLS: usize = 20;

/// Responds to each HEADERS frame, which ends its stream, with the same headers and a few more.
async fn serve(mut io: DuplexStream) -> Vec<Vec<Field>> {
    let (mut decoder, mut encoder) = (Decoder::new(4096), Encoder::default());
    let mut requests = vec![];
    io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    io.read_exact(&mut [0; 24]).await.unwrap();
    while requests.len() < CALLS {
        let mut head = [0; 9];
        io.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        io.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4]) {
            (4, 0) => io.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await.unwrap(),
            (1, flags) => {
                assert_eq!(flags, 0x5, "END_HEADERS and END_STREAM, neither padding nor priority");
                let (fields, _) = decode(&mut decoder, &payload).unwrap();
                let mut answer = vec![field(":status", if requests.len() % 2 == 0 { "200" } else { "299" })];
                answer.extend(fields.iter().filter(|field| matches!(field, Field::Header(..))).cloned());
                answer.push(field("date", "Mon, 21 Oct 2013 20:13:21 GMT"));
                let block = encode(&mut encoder, &answer);
                let len = (block.len() as u16).to_be_bytes();
                io.write_all(&[&[0, len[0], len[1], 1, 0x5], &head[5..], &block].concat()).await.unwrap();
                requests.push(fields);
            }
            _ => {}
        }
    }
    requests
}

#[tokio::test]
async fn h2_and_this_crate_interoperate() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(serve(ours));
    let (mut client, connection) = h2::client::handshake(theirs).await.unwrap();
    let driven = tokio::spawn(connection);
    let mut expected = vec![];
    for call in 0..CALLS {
        let path = format!("/teal.Query/Call{}", call / 3);
        let (long, session) = ("l".repeat(call * 97), format!("{}\u{e9}~|<>", call / 2));
        let headers = [("te", "trailers"), ("x-long", &long), ("x-session", &session), ("cookie", "a=b")];
        let mut request = Request::get(format!("http://localhost:50051{path}"));
        let mut list = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "localhost:50051")]);
        list.push(field(":path", &path));
        for (name, value) in headers {
            request = request.header(name, value.as_bytes());
            list.push(field(name, value));
        }
        expected.push(list);
        client = client.ready().await.unwrap();
        let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::from_u16(if call % 2 == 0 { 200 } else { 299 }).unwrap());
        for (name, value) in headers {
            assert_eq!(response.headers()[name], value.as_bytes(), "{name}");
        }
        assert_eq!(response.headers().len(), headers.len() + 1);
    }
    let sorted = |mut lists: Vec<Vec<Field>>| {
        lists.iter_mut().for_each(|list| list.sort_by_key(|field| format!("{field:?}")));
        lists
    };
    assert_eq!(sorted(served.await.unwrap()), sorted(expected));
    driven.abort();
}
