use std::{net::SocketAddr, time::Duration};

use super::*;
use crate::{
    encode::{Encoder, Head, Metadata, Trailer},
    reader::Reader,
};

const START: u64 = 1_700_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(START + seconds)
}

fn begin(log: &mut Vec<u8>, call: u64) -> Encoder {
    let mut encoder = Encoder::new(call);
    let peer = Some("[::1]:99".parse::<SocketAddr>().unwrap().into());
    let metadata = &[("strategy", b"blue")].into_iter().collect();
    encoder.client_header(
        log,
        at(0),
        Head { method: "/a.B/c", authority: "h", timeout: None, peer, metadata },
    );
    encoder
}

fn push(assembler: &mut Assembler, log: &[u8]) -> Vec<Call> {
    Reader::new(log).unwrap().filter_map(|entry| assembler.push(entry.unwrap().entry)).collect()
}

#[test]
fn entries_of_a_call_come_together() {
    let mut log = Vec::new();
    let (mut first, mut second) = (begin(&mut log, 1), begin(&mut log, 2));
    first.message(&mut log, at(1), true, 3, false, b"ask");
    second.cancel(&mut log, at(2));
    first.server_header(&mut log, at(3), Metadata::NONE);
    first.message(&mut log, at(4), false, 9, true, b"answ");
    first.trailer(
        &mut log,
        at(5),
        Trailer { code: 5, message: "no", details: b"", metadata: Metadata::NONE },
    );
    // What the server may see after its answer.
    first.half_close(&mut log, at(6));
    first.cancel(&mut log, at(6));
    let mut assembler = Assembler::new(true);
    let calls = push(&mut assembler, &log);
    assert_eq!(calls.iter().map(|call| call.id).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(calls[0].end, End::Cancelled);
    let call = &calls[1];
    assert_eq!((call.method.as_str(), call.peer.as_deref()), ("/a.B/c", Some("[::1]:99")));
    assert_eq!((call.began, call.answered, call.ended), (Some(at(0)), Some(at(3)), Some(at(5))));
    assert_eq!(call.sent, [Payload { data: "ask".into(), length: 3, is_truncated: false }]);
    assert_eq!(call.received, [Payload { data: "answ".into(), length: 9, is_truncated: true }]);
    assert!(matches!(&call.end, End::Status(trailer) if trailer.status_code == 5));
    assert_eq!((assembler.orphans(), assembler.finish().count()), (0, 0));
}

#[test]
fn calls_without_a_beginning_are_counted() {
    let mut log = Vec::new();
    begin(&mut log, 1);
    let mut other = Encoder::new(2);
    other.message(&mut log, at(1), false, 0, false, b"");
    let mut assembler = Assembler::new(false);
    assert_eq!(push(&mut assembler, &log), []);
    assert_eq!(assembler.orphans(), 1);
    let open: Vec<_> = assembler.finish().collect();
    assert_eq!((open.len(), &open[0].end), (1, &End::Open));
}

#[test]
fn above_the_limit_the_oldest_open_call_goes() {
    let mut assembler = Assembler::new(false);
    let mut log = Vec::new();
    for call in 1..=MOST_OPEN as u64 + 1 {
        begin(&mut log, call);
    }
    let calls = push(&mut assembler, &log);
    assert_eq!(calls.iter().map(|call| (call.id, &call.end)).collect::<Vec<_>>(), [(1, &End::Open)]);
    assert_eq!(assembler.finish().count(), MOST_OPEN);
}
