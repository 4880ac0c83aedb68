//! The layer over a `service_fn`: what is in the file afterwards, and what is not.

use std::{collections::HashSet, convert::Infallible, fs, io::Write as _, path::Path};

use binlog::{Assembler, Call, End, Reader};
use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use futures::{FutureExt, stream};
use grpc::{PREFIX_LEN, Prefix};
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message as _;
use protocol::{Protocol, pb};
use tower::{ServiceExt, service_fn};

use super::{
    frames::{Frames, MOST},
    tap::{SPARE, spares},
    *,
};
use crate::server::{BoxError, Incoming};

const LOGIN: &str = "/QueryEngineService/authenticate";
const CLEAR: &str = "/QueryEngineService/clear";

/// A recorder, and the file of its recording.
struct Bench {
    recorder: Recorder,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with_queue(1 << 20)
    }

    fn with_queue(queue: usize) -> Self {
        let (recorder, folder) =
            (Recorder::new(Protocol::default().roles().clone()), tempfile::tempdir().unwrap());
        recorder.start(options(folder.path(), queue)).unwrap();
        Self { recorder, folder }
    }

    /// Makes a call that is answered with these frames, and returns the bytes of the answer.
    async fn call(
        &self,
        request: Request<Incoming>,
        head: Response<()>,
        frames: Vec<Frame<Bytes>>,
    ) -> Vec<u8> {
        let answer = async move |request: Request<Incoming>| {
            request.into_body().collect().await.unwrap();
            let frames = stream::iter(frames.into_iter().map(Ok::<_, Infallible>));
            Ok::<_, BoxError>(head.map(|()| StreamBody::new(frames)))
        };
        let mut answer = Some(answer);
        let service = service_fn(move |request| (answer.take().unwrap())(request).boxed());
        let peer = "10.0.0.1:99".parse().unwrap();
        let response = self.recorder.layer(peer, service).oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    /// Stops, and returns the calls and the bytes of the file.
    fn stop(&self) -> (Vec<Call>, Vec<u8>) {
        let status = self.recorder.stop().unwrap();
        let bytes = fs::read(&status.path).unwrap();
        let mut assembler = Assembler::new(true);
        let calls = match Reader::new(&bytes[..]) {
            Ok(reader) => reader.filter_map(|entry| assembler.push(entry.unwrap().entry)).collect(),
            Err(_) => Vec::new(),
        };
        (calls, bytes)
    }
}

fn options(folder: &Path, queue: usize) -> Options {
    Options { path: folder.join("calls"), size: 1 << 30, files: 2, queue }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Prefix { flag, len: message.len() as u32 }.write(&mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

fn request(path: &str, message: &[u8]) -> Request<Incoming> {
    let request = Request::post(format!("http://engine{path}")).header("content-type", "application/grpc");
    let request = request.header("strategy", "blue").header("authorization", "Bearer t0ken");
    request.body(Incoming::whole(framed(0, message).into())).unwrap()
}

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(grpc::header::GRPC_STATUS, code.parse().unwrap())])
}

/// An answer with this message and status OK.
fn ok(message: &[u8]) -> Vec<Frame<Bytes>> {
    vec![Frame::data(framed(0, message).into()), Frame::trailers(status("0"))]
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test]
async fn calls_are_recorded_without_secrets() {
    let bench = Bench::new();
    let login =
        pb::AuthenticateRequest { user: "me".into(), password: "p4ssw0rd".into(), ..Default::default() };
    let session = pb::AuthenticateResponse { session_id: "5e551011".into(), ..Default::default() };
    let answer = ok(&session.encode_to_vec());
    let got = bench.call(request(LOGIN, &login.encode_to_vec()), Response::new(()), answer).await;
    assert_eq!(got, framed(0, &session.encode_to_vec()), "the client gets its session");
    let clear =
        pb::ClearRequest { session_id: "5e551011".into(), query_id: "q1".into(), ..Default::default() };
    bench.call(request(CLEAR, &clear.encode_to_vec()), Response::new(()), ok(b"")).await;

    let (calls, bytes) = bench.stop();
    for secret in ["p4ssw0rd", "5e551011", "t0ken"] {
        assert!(!contains(&bytes, secret), "{secret}");
    }
    assert_eq!(calls.len(), 2);
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.authority.as_str()), (LOGIN, "engine"));
    assert_eq!(call.peer.as_deref(), Some("10.0.0.1:99"));
    assert_eq!((call.request.len(), call.request[0].key.as_str()), (1, "strategy"));
    assert!(matches!(&call.end, End::Status(trailer) if trailer.status_code == 0));
    let sent = pb::AuthenticateRequest::decode(&*call.sent[0].data).unwrap();
    assert_eq!((sent.user.as_str(), sent.password.as_str()), ("me", ""));
    assert_eq!(call.sent[0].length as usize, login.encoded_len());
    let received = pb::AuthenticateResponse::decode(&*call.received[0].data).unwrap().session_id;
    assert!(received.starts_with("session-"), "{received}");
    let sent = pb::ClearRequest::decode(&*calls[1].sent[0].data).unwrap();
    assert_eq!((sent.session_id, sent.query_id.as_str()), (received, "q1"));
}

#[tokio::test]
async fn messages_of_statuses_have_no_secrets() {
    let bench = Bench::new();
    let session = "0b7b2f04-30cf-4b39-9a43";
    let clear = pb::ClearRequest { session_id: session.into(), ..Default::default() };
    let mut request = request(CLEAR, &clear.encode_to_vec());
    request.headers_mut().insert("authorization", "Bearer abc.DEF-123".parse().unwrap());
    let mut trailers = status("16");
    let told = "100%25 session '0b7b2f04-30cf-4b39-9a43' of abc.DEF-123 has ended: not ours, 1b7b2f04.";
    trailers.insert(grpc::header::GRPC_MESSAGE, told.parse().unwrap());
    trailers.insert("grpc-status-details-bin", "MGI3YjJmMDQ".parse().unwrap());
    bench.call(request, Response::new(()), vec![Frame::trailers(trailers)]).await;

    let (calls, bytes) = bench.stop();
    assert!(!contains(&bytes, session) && !contains(&bytes, "abc.DEF-123"));
    let End::Status(trailer) = &calls[0].end else { panic!("{:?}", calls[0].end) };
    assert_eq!(trailer.status_message, "100% session '***' of *** has ended: not ours, 1b7b2f04.");
    assert!(trailer.status_details.is_empty(), "they may repeat the message");
}

#[tokio::test]
async fn compressed_messages_are_recorded_inflated() {
    let bench = Bench::new();
    let clear =
        pb::ClearRequest { session_id: "5e551011".into(), query_id: "q1".into(), ..Default::default() };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&clear.encode_to_vec()).unwrap();
    let gzip = framed(1, &gzip.finish().unwrap());
    for coding in ["gzip", "snappy"] {
        let mut request = request(CLEAR, b"").map(|_| Incoming::whole(gzip.clone().into()));
        request.headers_mut().insert("grpc-encoding", coding.parse().unwrap());
        bench.call(request, Response::new(()), ok(b"")).await;
    }
    let (calls, _) = bench.stop();
    assert_eq!(pb::ClearRequest::decode(&*calls[0].sent[0].data).unwrap().query_id, "q1");
    // Nobody can tell what is secret in the other one.
    assert_eq!((calls[1].sent[0].data.len(), calls[1].sent[0].is_truncated), (0, true));
}

#[tokio::test]
async fn unreadable_messages_are_recorded_without_content() {
    let bench = Bench::new();
    for (path, message) in [
        ("/other.Service/call", &b"secret"[..]),
        (LOGIN, b"\x0a\x7f"),
        ("/grpc.health.v1.Health/Check", b"own"),
    ] {
        bench.call(request(path, message), Response::new(()), ok(b"")).await;
    }
    let (calls, _) = bench.stop();
    let sent: Vec<_> = calls.iter().map(|call| (&call.sent[0].data[..], call.sent[0].length)).collect();
    assert_eq!(sent, [(&b""[..], 6), (b"", 2), (b"own", 3)]);
    assert!(calls[0].sent[0].is_truncated && calls[1].sent[0].is_truncated && !calls[2].sent[0].is_truncated);
}

#[tokio::test]
async fn rejections_and_broken_answers_are_recorded() {
    let bench = Bench::new();
    let mut rejected = Response::new(());
    *rejected.status_mut() = StatusCode::from_u16(456).unwrap();
    rejected.headers_mut().insert("expected-strategy", "green".parse().unwrap());
    bench.call(request(CLEAR, b""), rejected.clone(), vec![]).await;
    rejected.headers_mut().extend(
        [("grpc-status", "2"), ("grpc-message", "status: 456")]
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())),
    );
    bench.call(request(CLEAR, b""), rejected, vec![]).await;
    bench.call(request(CLEAR, b""), Response::new(()), vec![]).await;
    let (calls, _) = bench.stop();
    let ends: Vec<_> = calls
        .iter()
        .map(|call| match &call.end {
            End::Status(trailer) => (trailer.status_code, trailer.status_message.as_str()),
            end => panic!("{end:?}"),
        })
        .collect();
    assert_eq!(ends, [(2, "HTTP status 456"), (2, "status: 456"), (2, "no trailers")]);
    let End::Status(trailer) = &calls[0].end else { panic!() };
    assert_eq!(trailer.metadata.as_ref().unwrap().entry[0].key, "expected-strategy");
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled() {
    let bench = Bench::new();
    let service =
        service_fn(|_: Request<Incoming>| futures::future::pending::<Result<Response<String>, BoxError>>());
    let call = bench.recorder.layer("10.0.0.1:99".parse().unwrap(), service).oneshot(request(CLEAR, b""));
    assert!(call.now_or_never().is_none());
    let (calls, _) = bench.stop();
    assert_eq!(calls.iter().map(|call| &call.end).collect::<Vec<_>>(), [&End::Cancelled]);
}

#[test]
fn few_allocations_are_kept_for_calls() {
    let (bench, peer) = (Bench::new(), "10.0.0.1:99".parse::<SocketAddr>().unwrap().into());
    for _ in 0..2 {
        let begin = |_| bench.recorder.begin(peer, &request(CLEAR, b"")).unwrap();
        let taps: Vec<_> = (0..3 * SPARE).map(begin).collect();
        drop(taps);
        assert_eq!(spares(), SPARE);
    }
    let (calls, _) = bench.stop();
    let ids: HashSet<_> = calls.iter().map(|call| call.id).collect();
    assert_eq!((calls.len(), ids.len()), (6 * SPARE, 6 * SPARE));
    assert!(calls.iter().all(|call| call.method == CLEAR && call.end == End::Cancelled));
}

#[tokio::test]
async fn a_full_queue_loses_records_and_no_calls() {
    let bench = Bench::with_queue(64 << 10);
    let message = pb::ClearResponse { new_strategy: Some("g".repeat(1 << 20)), ..Default::default() };
    let message = message.encode_to_vec();
    let got = bench.call(request(CLEAR, b""), Response::new(()), ok(&message)).await;
    assert_eq!(got.len(), message.len() + PREFIX_LEN);
    bench.call(request(CLEAR, b""), Response::new(()), ok(b"")).await;
    let (calls, _) = bench.stop();
    let totals = bench.recorder.totals();
    assert_eq!((calls.len(), totals.calls, totals.lost), (1, 1, 1));
}

#[tokio::test]
async fn without_a_recording_nothing_is_written() {
    let bench = Bench::new();
    let busy = bench.recorder.start(options(bench.folder.path(), 1 << 20)).unwrap_err();
    assert!(busy.to_string().ends_with("is in progress: stop it first"), "{busy}");
    // A request for a token is no gRPC.
    let mut token = request("/oauth/token", b"");
    token.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    bench.call(token, Response::new(()), ok(b"")).await;
    assert_eq!(bench.stop(), (vec![], vec![]));
    assert_eq!(bench.recorder.stop(), None);
    let peer = "10.0.0.1:99".parse::<SocketAddr>().unwrap().into();
    assert!(bench.recorder.begin(peer, &request(CLEAR, b"")).is_none());
}

#[test]
fn messages_are_put_together_from_any_chunks() {
    let bench = Bench::with_queue(64 << 20);
    let writer = bench.recorder.shared.current.load_full().unwrap().writer.clone();
    let messages: [&[u8]; 4] = [b"first", b"", &[9; 300], b"last"];
    let stream: Vec<u8> = messages.iter().flat_map(|message| framed(0, message)).collect();
    for size in 1..=stream.len() {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for mut chunk in stream.chunks(size) {
            while let Some(message) = frames.next(&mut chunk, &writer).unwrap() {
                found.push((message.data.to_vec(), message.is_truncated()));
            }
        }
        assert_eq!(found, messages.map(|message| (message.to_vec(), false)), "{size}");
    }
}

#[test]
fn messages_above_the_limit_are_truncated() {
    let bench = Bench::with_queue(64 << 20);
    let writer = bench.recorder.shared.current.load_full().unwrap().writer.clone();
    let stream = BytesMut::from(&framed(0, &vec![1; MOST + 10])[..]).freeze();
    for size in [stream.len(), 100_000] {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for mut chunk in stream.chunks(size) {
            while let Some(message) = frames.next(&mut chunk, &writer).unwrap() {
                found.push((message.data.len(), message.is_truncated()));
            }
        }
        assert_eq!(found, [(MOST, true)], "{size}");
    }
}
