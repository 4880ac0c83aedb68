//! Points 1, 18 and 28, which need complete implementations: how grpcio, grpc-js and tonic read a 456, and a response
//! with an appended field. The responses of an engine are listed here byte for byte; each is fetched directly and
//! through teal, while a notice is due.

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use grpc::string_field;
use http::{HeaderName, HeaderValue, Response};
use tonic::{
    Code,
    metadata::{MetadataMap, MetadataValue},
    transport::Endpoint,
};

use super::{
    clients::seen,
    peers::{Call, announcing, engine, framed, grpc, send, status},
};
use crate::support::{Connector, Running, Server, node, python};

const LONG: Duration = Duration::from_secs(240);
/// Its answer has `schemas` as field 1 and `new_strategy` as field 3.
const METHOD: &str = "/QueryEngineService/getSchemaNames";

/// The expected view of a response through teal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The same as directly.
    Same,
    /// The same, with the field after the message.
    Appended,
    /// A 456 instead.
    Refused,
}

/// An answer of the engine.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    seen: Seen,
    head: Response<()>,
    body: Vec<u8>,
    is_in_pieces: bool,
    trailers: Option<http::HeaderMap>,
    /// What the client reads of it directly.
    message: Vec<u8>,
}

/// An answer without a message, and success.
fn case(name: impl Into<String>, seen: Seen) -> Case {
    let mut trailers = status("0");
    trailers.append("told", HeaderValue::from_static("one"));
    trailers.append("told", HeaderValue::from_static("two"));
    trailers.insert("told-bin", HeaderValue::from_static("AAH/"));
    let (name, trailers) = (name.into(), Some(trailers));
    Case { name, seen, head: grpc(), body: Vec::new(), is_in_pieces: false, trailers, message: Vec::new() }
}

impl Case {
    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.head.headers_mut().insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        self
    }

    fn http_status(mut self, status: u16) -> Self {
        *self.head.status_mut() = http::StatusCode::from_u16(status).unwrap();
        self
    }

    fn body(mut self, bytes: Vec<u8>) -> Self {
        self.body = bytes;
        self
    }

    /// A message as it is.
    fn plain(mut self, message: &[u8]) -> Self {
        self.message = message.to_vec();
        self.body(framed(message))
    }

    /// A message in these bytes, with the flag of a compressed one.
    fn compressed(self, coding: &str, bytes: &[u8]) -> Self {
        let mut framed = framed(bytes);
        framed[0] = 1;
        self.header("grpc-encoding", coding).body(framed)
    }

    fn content_length(self) -> Self {
        let len = self.body.len().to_string();
        self.header("content-length", &len)
    }

    fn trailers(mut self, trailers: Option<http::HeaderMap>) -> Self {
        self.trailers = trailers;
        self
    }

    /// The body as DATA frames: one, or many, of which the first and the last have one byte.
    fn chunks(&self) -> Vec<Bytes> {
        const EDGE: usize = 32;
        if !self.is_in_pieces {
            return vec![Bytes::from(self.body.clone())];
        }
        let (first, rest) = self.body.split_at(EDGE.min(self.body.len()));
        let (middle, last) = rest.split_at(rest.len().saturating_sub(EDGE));
        let pieces = first.chunks(1).chain(middle.chunks(1000)).chain(last.chunks(1));
        pieces.map(Bytes::copy_from_slice).collect()
    }
}

/// A message of this many bytes that is hard to compress; there is none of 1 byte.
fn message(len: usize) -> Vec<u8> {
    let mut state = len as u64;
    let mut text = String::new();
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'0' + (state >> 58) as u8));
    }
    match len {
        0 | 1 => text.into_bytes(),
        // A tag, and a length of 1 to 4 bytes.
        _ => (2..=5)
            .map(|before| string_field(1, &text[before..]).to_vec())
            .find(|message| message.len() == len)
            .expect("there is a field of this length"),
    }
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

fn deflate(message: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

/// Responses that can be appended to: by coding, flag, length and frames.
fn editable() -> Vec<Case> {
    let mut cases = Vec::new();
    for len in [0, 1, 16_379, 16_380, 16_383, 16_384, 16_385, 4 << 20] {
        let message = message(len);
        for (coding, compress) in
            [("identity", None), ("gzip", Some(gzip as fn(&[u8]) -> _)), ("deflate", Some(deflate))]
        {
            for is_compressed in [false, true] {
                for is_in_pieces in [false, true] {
                    let name = format!(
                        "{len} bytes, {coding}, compressed: {is_compressed}, in pieces: {is_in_pieces}"
                    );
                    let case = case(name, Seen::Appended).plain(&message);
                    let case = match compress {
                        // The flag decides, not the header.
                        _ if !is_compressed => case.header("grpc-encoding", coding),
                        Some(compress) => case.compressed(coding, &compress(&message)),
                        None => continue,
                    };
                    cases.push(Case { is_in_pieces, ..case });
                }
            }
        }
    }
    cases
}

/// Responses that cannot or must not be appended to.
fn uneditable() -> Vec<Case> {
    let message = message(100);
    let is = |name: &str| case(name, Seen::Same);
    let code = |code| Some(status(code));
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 20, 20 << 3 | 1, 0, 0][..], &message[..20]].concat();
    let twice = [gzip(&message[..50]), gzip(&message[50..])].concat();
    let mut flagged = framed(&message);
    flagged[0] = 2;
    vec![
        is("zstd").compressed("zstd", &zstd),
        is("a coding that nobody knows").compressed("snappy", &message),
        is("compressed as nothing").compressed("identity", &message),
        is("compressed, and nobody says how").body([&[1], &framed(&message)[1..]].concat()),
        is("compressed to nothing").compressed("gzip", b""),
        is("no gzip").compressed("gzip", &message),
        is("gzip that is cut").compressed("gzip", &gzip(&message)[..40]),
        is("gzip with bytes behind it").compressed("gzip", &[&gzip(&message)[..], b"\x1a\x05other"].concat()),
        is("two members of gzip").compressed("gzip", &twice),
        is("deflate with bytes behind it").compressed("deflate", &[&deflate(&message)[..], b"more"].concat()),
        is("longer than teal inflates").compressed("gzip", &gzip(&vec![b'x'; (16 << 20) + 1])),
        is("a flag that means nothing").body(flagged),
        is("no message"),
        is("a message and an error").plain(&message).trailers(code("5")),
        is("a message that is cut").body(framed(&message)[..50].to_vec()),
        is("a prefix that is cut").body(vec![0, 0]),
        is("an error alone").header("grpc-status", "9").header("grpc-message", "so it is").trailers(None),
        is("success alone").header("grpc-status", "0").trailers(None),
        is("a status before the message").header("grpc-status", "0").plain(&message),
        is("an error before the message").header("grpc-status", "5").plain(&message).trailers(None),
        is("no status at all").plain(&message).trailers(None),
        is("HTTP's 404")
            .http_status(404)
            .header("content-type", "text/html")
            .body(b"<p>".to_vec())
            .trailers(None),
        is("HTTP's 503 with a message").http_status(503).plain(&message),
        is("JSON").header("content-type", "application/grpc+json").plain(&message),
    ]
}

/// Fetches each response with each client, and fails if one sees something unexpected.
fn are_seen(cases: Vec<Case>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = Arc::new(cases);
    let answers = cases.clone();
    let engine = runtime.block_on(engine(move |call: Call| replay(call, answers.clone())));
    let server = announcing(engine.address);
    let lines: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(number, Case { name, seen, .. })| {
            format!("{number}\t{}\t{name}", format!("{seen:?}").to_lowercase())
        })
        .collect();
    let field: String = field().iter().map(|byte| format!("{byte:02x}")).collect();
    let (teal, direct) = (server.address.to_string(), engine.address.to_string());
    feed(python(Connector::V3_0_2).start(&server, "appending.py", &[&direct, &field]), &lines);
    if let Some(client) = node("appending.mjs", &[&teal, &direct, &field]) {
        feed(client, &lines);
    }
    runtime.block_on(by_tonic(&cases, engine.address, &server));
}

fn field() -> Bytes {
    string_field(3, "green")
}

fn feed(mut client: Running, lines: &[String]) {
    for line in lines {
        client.write_line(line);
    }
    client.close_stdin();
    let said = client.succeed(LONG);
    assert!(said.contains(&format!("{} answers were seen", lines.len())), "{said}");
}

/// Responds with the case whose number is in the call.
async fn replay(mut call: Call, cases: Arc<Vec<Case>>) {
    let number: usize = call.request.headers()["case"].to_str().unwrap().parse().unwrap();
    let case = &cases[number];
    let is_end = case.body.is_empty() && case.trailers.is_none();
    let Ok(mut stream) = call.respond.send_response(case.head.clone(), is_end) else { return };
    for chunk in case.chunks() {
        // The client resets a response when it has seen enough.
        if !is_end && !send(&mut stream, chunk).await {
            return;
        }
    }
    match case.trailers.clone() {
        Some(trailers) => _ = stream.send_trailers(trailers),
        None if !is_end => _ = stream.send_data(Bytes::new(), true),
        None => {}
    }
}

/// tonic looks at no answer whose header names deflate.
async fn by_tonic(cases: &[Case], engine: SocketAddr, server: &Server) {
    let [direct, teal] = [engine, server.address]
        .map(|address| Endpoint::try_from(format!("http://{address}")).unwrap().connect_lazy());
    for (number, case) in cases.iter().enumerate() {
        let mut metadata = MetadataMap::new();
        metadata.insert("case", MetadataValue::from(number));
        let strategy = if case.seen == Seen::Refused { "purple" } else { "blue" };
        metadata.insert("strategy", MetadataValue::from_static(strategy));
        let (messages, mut told, code, text) = seen(&teal, METHOD, &[Bytes::new()], &metadata).await;
        let about = format!("{}: {code:?} {text}", case.name);
        let mut notices = Vec::new();
        for pairs in &mut told {
            notices.extend(pairs.extract_if(.., |pair| pair.contains("\"new-strategy\"")));
        }
        let is_read = case.head.headers().get("grpc-encoding").is_none_or(|coding| coding != "deflate");
        match case.seen {
            Seen::Appended if is_read => {
                assert_eq!((code, notices.len()), (Code::Ok, 1), "{about}");
                assert!(messages == [[&case.message[..], &field()].concat()], "{about}");
            }
            Seen::Refused => assert_eq!((code, text.as_str()), (Code::Unknown, "status: 456"), "{about}"),
            Seen::Same | Seen::Appended => {
                let expected = seen(&direct, METHOD, &[Bytes::new()], &metadata).await;
                assert!((messages, told, code, text) == expected, "{about}, not {expected:?}");
            }
        }
    }
}

#[test]
fn point_01_every_client_reads_a_rejection_alike() {
    are_seen(vec![case("a call of no strategy", Seen::Refused)]);
}

#[test]
fn point_18_told_lengths_stay_true_when_appending() {
    let messages = [0, 1, 100, 20_000].map(message);
    let plain = messages.iter().map(|message| case("plain", Seen::Appended).plain(message));
    let gzipped = messages
        .iter()
        .map(|message| case("gzip", Seen::Appended).plain(message).compressed("gzip", &gzip(message)));
    are_seen(plain.chain(gzipped).map(Case::content_length).collect());
}

#[test]
fn point_28_fields_are_read_in_any_message() {
    are_seen(editable());
}

#[test]
fn point_28_other_messages_are_as_without_teal() {
    are_seen(uneditable());
}
