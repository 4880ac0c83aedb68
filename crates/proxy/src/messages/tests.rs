//! Which of the passing bytes are kept.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use http::HeaderValue;
use prost::Message as _;
use protocol::{Protocol, pb};

use super::*;

const MOST: usize = 1024;
const SESSION: &str = "0b7b2f04-30cf-4b39-9a43";

fn keeping(most: usize) -> Keeping {
    Keeping::new(Protocol::default().roles().clone(), most, 1 << 20)
}

fn head(more: &[(&'static str, &'static str)]) -> HeaderMap {
    let all = [("content-type", "application/grpc")];
    let all = all.iter().chain(more);
    all.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

fn tap(method: &str) -> MessageTap {
    tap_with(&keeping(MOST), method, &[])
}

fn tap_with(keeping: &Keeping, method: &str, more: &[(&'static str, &'static str)]) -> MessageTap {
    keeping.tap(&format!("/QueryEngineService/{method}"), &head(more)).expect("the method is known")
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat()
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message).unwrap();
    framed(1, &gzip.finish().unwrap())
}

fn content(message: &KeptMessage) -> &[u8] {
    message.content.as_deref().expect("it is kept")
}

/// All that is kept, as one text.
fn all(kept: &Kept) -> String {
    let messages = kept.request.messages.iter().chain(&kept.response.messages);
    messages.map(|message| String::from_utf8_lossy(content(message)).into_owned()).collect()
}

fn clear() -> pb::ClearRequest {
    pb::ClearRequest { session_id: SESSION.into(), query_id: "q-1".into(), ..Default::default() }
}

#[test]
fn secrets_are_not_kept() {
    let login =
        pb::AuthenticateRequest { user: "me".into(), password: "p4ssw0rd!".into(), ..Default::default() };
    let session = pb::AuthenticateResponse { session_id: SESSION.into(), ..Default::default() };
    let tap = tap("authenticate");
    tap.sent(&framed(0, &login.encode_to_vec()));
    tap.received(&framed(0, &session.encode_to_vec()));
    let kept = tap.finish().unwrap();
    let sent = pb::AuthenticateRequest::decode(content(&kept.request.messages[0])).unwrap();
    assert_eq!((sent.user.as_str(), sent.password.as_str()), ("me", ""));
    let received = pb::AuthenticateResponse::decode(content(&kept.response.messages[0])).unwrap();
    assert_eq!(received.session_id, abbreviated(fingerprint(SESSION.as_bytes())));
    assert_eq!(kept.request.messages[0].len as usize, login.encoded_len());
    assert_eq!(kept.path(), "/QueryEngineService/authenticate");
}

#[test]
fn secrets_in_other_fields_are_blanked() {
    let tap = tap_with(&keeping(MOST), "prepareStatementV2", &[("authorization", "Bearer abc.DEF-123")]);
    let query = pb::PrepareStatementV2Request {
        session_id: SESSION.into(),
        query_string: format!("SELECT '{SESSION}', 'abc.DEF-123', 'ok'"),
        ..Default::default()
    };
    // The field with the secret comes after the one that repeats it.
    let mut bytes = Vec::new();
    for part in [
        pb::PrepareStatementV2Request { session_id: String::new(), ..query.clone() },
        pb::PrepareStatementV2Request { query_string: String::new(), ..query.clone() },
    ] {
        bytes.extend(part.encode_to_vec());
    }
    tap.sent(&framed(0, &bytes));
    let kept = tap.finish().unwrap();
    let sent = pb::PrepareStatementV2Request::decode(content(&kept.request.messages[0])).unwrap();
    assert_eq!(sent.query_string, format!("SELECT '{}', '***********', 'ok'", "*".repeat(SESSION.len())));
}

#[test]
fn a_secret_that_is_cut_is_blanked() {
    for most in 40..120 {
        let tap = tap_with(&keeping(most), "prepareStatementV2", &[]);
        let query_string = format!("SELECT '{SESSION}', '{}'", "x".repeat(100));
        let query =
            pb::PrepareStatementV2Request { session_id: SESSION.into(), query_string, ..Default::default() };
        tap.sent(&framed(0, &query.encode_to_vec()));
        let kept = all(&tap.finish().unwrap());
        assert!(!kept.contains(&SESSION[..4]), "{most}: {kept}");
    }
}

#[test]
fn messages_are_found_in_any_chunks() {
    let messages = [clear(), pb::ClearRequest::default(), clear()];
    let stream: Vec<u8> = messages.iter().flat_map(|message| framed(0, &message.encode_to_vec())).collect();
    for size in 1..=stream.len() {
        let tap = tap("clear");
        for chunk in stream.chunks(size) {
            tap.sent(chunk);
        }
        let kept = tap.finish().unwrap().request;
        let queries: Vec<_> = kept
            .messages
            .iter()
            .map(|message| pb::ClearRequest::decode(content(message)).unwrap().query_id)
            .collect();
        assert_eq!((queries, kept.left_out), (["q-1", "", "q-1"].map(str::to_owned).to_vec(), 0), "{size}");
    }
}

#[test]
fn a_long_message_is_cut() {
    let text = "é".repeat(100_000);
    let query = pb::PrepareStatementV2Request { query_string: text.clone(), ..Default::default() };
    let bytes = framed(0, &query.encode_to_vec());
    for size in [bytes.len(), 1000] {
        let tap = tap("prepareStatementV2");
        for chunk in bytes.chunks(size) {
            tap.sent(chunk);
            assert!(tap.notes.lock().request.bytes() < 3 * MOST);
        }
        tap.sent(&framed(0, b""));
        let kept = tap.finish().unwrap();
        let message = &kept.request.messages[0];
        assert!(message.is_cut && message.len as usize == query.encoded_len());
        let sent = pb::PrepareStatementV2Request::decode(content(message)).unwrap();
        assert!(text.starts_with(&sent.query_string) && sent.query_string.len() > MOST - 20, "{size}");
        assert_eq!((kept.request.messages.len(), kept.request.left_out), (1, 1));
        assert!(kept.size() < MOST + 512, "{}", kept.size());
    }
}

#[test]
fn of_a_stream_the_first_messages_are_kept() {
    let tap = tap("clear");
    for _ in 0..1000 {
        tap.received(&framed(0, b""));
    }
    let kept = tap.finish().unwrap().response;
    assert_eq!((kept.messages.len(), kept.left_out), (16, 984));
}

#[test]
fn compressed_messages_are_kept_plain() {
    let keeping = keeping(MOST);
    let gzipped = gzip(&clear().encode_to_vec());
    let tap = tap_with(&keeping, "clear", &[("grpc-encoding", "gzip")]);
    tap.sent(&gzipped);
    tap.answered(&head(&[("grpc-encoding", "snappy")]));
    tap.received(&gzipped);
    let kept = tap.finish().unwrap();
    assert_eq!(pb::ClearRequest::decode(content(&kept.request.messages[0])).unwrap().query_id, "q-1");
    assert_eq!(kept.response.messages[0].content, Err(Unkept::Compressed));
    let tap = tap_with(&keeping, "clear", &[("grpc-encoding", "gzip")]);
    tap.sent(&framed(1, b"garbage"));
    tap.sent(&framed(7, b"garbage"));
    let kept = tap.finish().unwrap();
    assert!(kept.request.messages.iter().all(|message| message.content == Err(Unkept::Compressed)));
}

#[test]
fn a_compressed_message_is_cut() {
    // It does not compress well.
    let numbers =
        std::iter::successors(Some(1_u64), |last| Some(last.wrapping_mul(6_364_136_223_846_793_005) + 1));
    let query_string: String = numbers.take(1000).map(|number| format!("{number:x}")).collect();
    let query = pb::PrepareStatementV2Request { query_string: query_string.clone(), ..Default::default() };
    let gzipped = gzip(&query.encode_to_vec());
    assert!(gzipped.len() > 4 * MOST);
    let tap = tap_with(&keeping(MOST), "prepareStatementV2", &[("grpc-encoding", "gzip")]);
    gzipped.chunks(100).for_each(|chunk| tap.sent(chunk));
    let kept = tap.finish().unwrap().request;
    let sent = pb::PrepareStatementV2Request::decode(content(&kept.messages[0])).unwrap();
    assert!(kept.messages[0].is_cut && query_string.starts_with(&sent.query_string));
    assert!(sent.query_string.len() > MOST / 2, "{}", sent.query_string.len());
}

#[test]
fn a_gzip_bomb_is_not_inflated() {
    let keeping = keeping(MOST);
    let query = pb::PrepareStatementV2Request {
        session_id: SESSION.into(),
        query_string: "x".repeat(100 << 20),
        ..Default::default()
    };
    let bomb = gzip(&query.encode_to_vec());
    let tap = tap_with(&keeping, "prepareStatementV2", &[("grpc-encoding", "gzip")]);
    tap.sent(&bomb);
    assert!(tap.notes.lock().request.bytes() < 3 * MOST);
    let kept = tap.finish().unwrap();
    let message = &kept.request.messages[0];
    let sent = pb::PrepareStatementV2Request::decode(content(message)).unwrap();
    assert!(message.is_cut && sent.query_string.len() > MOST - 50, "{}", sent.query_string.len());
    assert!(!all(&kept).contains(SESSION));
}

#[test]
fn what_is_no_message_is_not_kept() {
    let tap = tap("authenticate");
    tap.sent(&framed(0, b"\x0a\x7fsecret"));
    // The prefix announces more than ever comes.
    tap.sent(b"\0\xff\xff\xff\xff\x0a\x02me\x12\x10p4ss");
    let kept = tap.finish().unwrap().request;
    assert_eq!(kept.messages[0].content, Err(Unkept::Malformed));
    let sent = pb::AuthenticateRequest::decode(content(&kept.messages[1])).unwrap();
    assert_eq!((sent.user.as_str(), sent.password.as_str()), ("me", ""));
    assert!(kept.messages[1].is_cut && kept.messages[1].len == u32::MAX);
}

#[test]
fn calls_of_unknown_methods_are_not_read() {
    let keeping = keeping(MOST);
    assert!(keeping.tap("/other.Service/call", &head(&[])).is_none());
    assert!(keeping.tap("/grpc.health.v1.Health/Check", &head(&[])).is_none());
    let json =
        HeaderMap::from_iter([("content-type".parse().unwrap(), "application/grpc+json".parse().unwrap())]);
    assert!(keeping.tap("/QueryEngineService/clear", &json).is_none());
    assert!(tap("clear").finish().is_none(), "without a message there is nothing to keep");
}

#[test]
fn calls_in_progress_share_their_memory() {
    let keeping = Keeping::new(Protocol::default().roles().clone(), 64 << 10, 1 << 20);
    let query = pb::PrepareStatementV2Request { query_string: "x".repeat(1 << 20), ..Default::default() };
    let bytes = framed(0, &query.encode_to_vec());
    let taps: Vec<_> = (0..100).map(|_| tap_with(&keeping, "prepareStatementV2", &[])).collect();
    for tap in &taps {
        for chunk in bytes.chunks(16 << 10) {
            tap.sent(chunk);
            assert!(keeping.in_progress.bytes.load(Relaxed) <= 1 << 20);
        }
    }
    let kept: Vec<_> = taps.iter().map(|tap| tap.finish().unwrap().request).collect();
    let whole = kept.iter().filter(|kept| kept.left_out == 0).count();
    assert!((8..=16).contains(&whole), "{whole}");
    assert!(kept.iter().all(|kept| kept.messages.len() as u64 + kept.left_out == 1));
    drop(taps);
    assert_eq!(keeping.in_progress.bytes.load(Relaxed), 0);
}
