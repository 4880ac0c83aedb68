use std::{net::SocketAddr, time::SystemTime};

use prost::Message as _;

use super::*;
use crate::pb::{self, GrpcLogEntry, grpc_log_entry::Payload};

const AT: Duration = Duration::new(1_700_000_000, 123_456_789);

fn pairs(of: &[(&str, &[u8])]) -> Metadata {
    of.iter().copied().collect()
}

fn entry(sequence: u64, kind: EventType, payload: Option<Payload>) -> GrpcLogEntry {
    GrpcLogEntry {
        timestamp: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 }),
        call_id: 7,
        sequence_id_within_call: sequence,
        r#type: kind as i32,
        logger: Logger::Server as i32,
        payload,
        ..GrpcLogEntry::default()
    }
}

fn metadata(of: &[(&str, &[u8])]) -> Option<pb::Metadata> {
    let entry = of
        .iter()
        .map(|(key, value)| pb::MetadataEntry { key: (*key).to_owned(), value: value.to_vec().into() });
    Some(pb::Metadata { entry: entry.collect() })
}

/// As prost encodes them, each behind its length.
fn framed(entries: &[GrpcLogEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&(entry.encoded_len() as u32).to_be_bytes());
        entry.encode(&mut bytes).unwrap();
    }
    bytes
}

#[test]
fn entries_are_encoded_as_prost_does() {
    let at = SystemTime::UNIX_EPOCH + AT;
    let long = vec![b'v'; 300];
    let several: &[(&str, &[u8])] = &[("strategy", b"blue"), ("x-bin", &long), ("empty", b"")];
    let mut to = Vec::new();
    let mut encoder = Encoder::new(7);
    encoder.client_header(
        &mut to,
        at,
        Head {
            method: "/QueryEngineService/clear",
            authority: "engine:80",
            timeout: Some(Duration::from_millis(1500)),
            peer: Some(peer("10.1.2.3:4567")),
            metadata: &pairs(several),
        },
    );
    encoder.message(&mut to, at, true, 70_000, true, &[b'm'; 200]);
    encoder.half_close(&mut to, at);
    encoder.server_header(&mut to, at, &pairs(several));
    encoder.message(&mut to, at, false, 0, false, b"");
    encoder.trailer(
        &mut to,
        at,
        Trailer { code: 5, message: "not here", details: b"d", metadata: Metadata::NONE },
    );
    encoder.cancel(&mut to, at);

    let message =
        |length, data: &[u8]| Some(Payload::Message(pb::Message { length, data: data.to_vec().into() }));
    let head = pb::ClientHeader {
        metadata: metadata(several),
        method_name: "/QueryEngineService/clear".to_owned(),
        authority: "engine:80".to_owned(),
        timeout: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
    };
    let peer = pb::Address { r#type: 1, address: "10.1.2.3".to_owned(), ip_port: 4567 };
    let trailer = pb::Trailer {
        metadata: metadata(&[]),
        status_code: 5,
        status_message: "not here".to_owned(),
        status_details: "d".into(),
    };
    let expected = [
        GrpcLogEntry {
            peer: Some(peer),
            ..entry(1, EventType::ClientHeader, Some(Payload::ClientHeader(head)))
        },
        GrpcLogEntry {
            payload_truncated: true,
            ..entry(2, EventType::ClientMessage, message(70_000, &[b'm'; 200]))
        },
        entry(3, EventType::ClientHalfClose, None),
        entry(
            4,
            EventType::ServerHeader,
            Some(Payload::ServerHeader(pb::ServerHeader { metadata: metadata(several) })),
        ),
        entry(5, EventType::ServerMessage, message(0, b"")),
        entry(6, EventType::ServerTrailer, Some(Payload::Trailer(trailer))),
        entry(7, EventType::Cancel, None),
    ];
    assert_eq!(to, framed(&expected));
}

fn peer(address: &str) -> Peer {
    address.parse::<SocketAddr>().unwrap().into()
}

#[test]
fn the_longest_address_fits() {
    let longest = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
    let address = pb::Address::decode(peer(longest).bytes()).unwrap();
    assert_eq!((address.r#type, address.address.len(), address.ip_port), (2, 39, 65535));
}

#[test]
fn lengths_of_every_size_are_right() {
    for size in [0, 1, 100, 126, 127, 128, 16_000, 16_383, 16_384, 3_000_000] {
        let mut to = vec![b'x'; 3];
        let value = vec![b'v'; size];
        Encoder::new(7).server_header(&mut to, SystemTime::UNIX_EPOCH + AT, &pairs(&[("k", &value)]));
        Encoder::new(7).message(&mut to, SystemTime::UNIX_EPOCH + AT, false, size as u32, false, &value);
        let head = pb::ServerHeader { metadata: metadata(&[("k", &value)]) };
        let message = pb::Message { length: size as u32, data: value.into() };
        let expected = [
            entry(1, EventType::ServerHeader, Some(Payload::ServerHeader(head))),
            entry(1, EventType::ServerMessage, Some(Payload::Message(message))),
        ];
        assert!(to[3..] == framed(&expected), "{size}");
    }
}

#[test]
fn times_of_every_size_are_right() {
    for (seconds, nanos) in [(0, 0), (1, 1), (1 << 35, 999_999_999), (i64::MAX as u64 / 2, 1)] {
        let mut to = Vec::new();
        let at = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        Encoder::new(u64::MAX).cancel(&mut to, at);
        let entry = GrpcLogEntry::decode(&to[LENGTH..]).unwrap();
        let expected = prost_types::Timestamp { seconds: seconds as i64, nanos: nanos as i32 };
        assert_eq!((entry.timestamp, entry.call_id), (Some(expected), u64::MAX));
    }
}
