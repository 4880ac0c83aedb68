use std::time::SystemTime;

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::encode::{Encoder, Head, Metadata, Trailer};

/// A log with two calls, framed as grpc-go does.
fn log() -> Vec<u8> {
    let mut log = Vec::new();
    for call in [1, 2] {
        let (at, mut encoder) = (SystemTime::now(), Encoder::new(call));
        let head =
            Head { method: "/a.B/c", authority: "host", timeout: None, peer: None, metadata: Metadata::NONE };
        encoder.client_header(&mut log, at, head);
        encoder.message(&mut log, at, true, 300, false, &[7; 300]);
        encoder.trailer(
            &mut log,
            at,
            Trailer { code: 0, message: "", details: b"", metadata: Metadata::NONE },
        );
    }
    log
}

/// The same entries, framed as grpc-java does.
fn as_java(log: &[u8]) -> Vec<u8> {
    let mut java = Vec::new();
    for entry in read(log).0 {
        entry.entry.encode_length_delimited(&mut java).unwrap();
    }
    java
}

/// The entries of a file, and the error at its end.
fn read(bytes: &[u8]) -> (Vec<Located>, Option<ReadError>) {
    let reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let (mut entries, mut failed) = (Vec::new(), None);
    for entry in reader {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => failed = Some(error),
        }
    }
    (entries, failed)
}

fn entries(bytes: &[u8]) -> Vec<GrpcLogEntry> {
    read(bytes).0.into_iter().map(|located| located.entry).collect()
}

#[test]
fn both_framings_are_told_apart_and_read() {
    let log = log();
    let java = as_java(&log);
    assert_eq!(Reader::new(&log[..]).unwrap().framing(), Framing::Fixed);
    assert_eq!(Reader::new(&java[..]).unwrap().framing(), Framing::Varint);
    assert_eq!(entries(&log).len(), 6);
    assert_eq!(entries(&java), entries(&log));
    assert!(read(&log).1.is_none() && read(&java).1.is_none());
}

#[test]
fn a_cut_off_tail_leaves_the_entries_before() {
    let go = log();
    for log in [as_java(&go), go] {
        let (all, _) = read(&log);
        let ends: Vec<_> = all.iter().skip(1).map(|entry| entry.offset as usize).chain([log.len()]).collect();
        for length in ends[0]..log.len() {
            let (entries, failed) = read(&log[..length]);
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(entries, all[..whole], "{length}");
            let offset = ends[whole - 1];
            if length == offset {
                assert!(failed.is_none(), "{length}");
            } else {
                let failed = failed.unwrap();
                assert!(failed.is_cut_off(), "{failed}");
                assert_eq!(failed.offset, offset as u64, "{length}");
            }
        }
    }
}

#[test]
fn a_corrupt_entry_is_named_by_its_offset() {
    let log = log();
    let second = read(&log).0[1].offset as usize;
    // A tag of no field.
    let mut corrupt = log.clone();
    corrupt[second + 4] = 0;
    // A length of nothing, and one above the limit.
    let mut none = log.clone();
    none[second..second + 4].fill(0);
    let mut huge = log.clone();
    huge[second] = 1;
    for (bytes, why) in
        [(corrupt, "tag"), (none, "found 0"), (huge, "expected an entry of 1 to 16777215 bytes")]
    {
        let (entries, failed) = read(&bytes);
        let failed = failed.unwrap();
        assert_eq!((entries.len(), failed.offset), (1, second as u64));
        assert!(matches!(failed.problem, Problem::Corrupt(_)), "{failed}");
        assert!(
            failed.to_string().starts_with(&format!("at byte {second}: "))
                && failed.to_string().contains(why)
        );
    }
}

#[test]
fn other_formats_and_empty_files_are_refused() {
    let says = |bytes: &[u8]| Reader::new(bytes).unwrap_err().to_string();
    assert_eq!(says(b""), "at byte 0: the file is empty");
    let foreign = "at byte 0: expected a binary log of gRPC, found another format";
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    for bytes in
        [&b"SELECT 1"[..], b"{\"a\": 1}\n", png, gzip, &[0; 4096], b"\0", b"\x7fELF\x02\x01\x01", b"\n\n\n"]
    {
        assert_eq!(says(bytes), foreign);
    }
    // A message, but not the beginning of a log.
    let mut entry = entries(&log())[0].clone();
    entry.timestamp = None;
    assert_eq!(says(&entry.encode_length_delimited_to_vec()), foreign);
}

#[test]
fn a_length_alone_allocates_nothing() {
    let mut log = log();
    log.extend_from_slice(&[0, 0xff, 0xff, 0xff, 1, 2, 3]);
    let (entries, failed) = read(&log);
    assert!(failed.unwrap().is_cut_off());
    assert_eq!(entries.len(), 6);
}

proptest! {
    #[test]
    fn any_bytes_end_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (entries, failed) = read(&bytes);
        prop_assert!(failed.is_some() || !entries.is_empty());
    }

    #[test]
    fn mutated_logs_yield_a_good_start(
        is_java: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        let good = log();
        let mut bytes = if is_java { as_java(&good) } else { good.clone() };
        let original = bytes.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        bytes.truncate(end.index(bytes.len() + 1));
        let same = bytes.iter().zip(&original).take_while(|(a, b)| a == b).count() as u64;
        let (all, _) = read(&original);
        let (entries, failed) = read(&bytes);
        // Whatever was in front of the first change is read as it was.
        let untouched = all.iter().zip(all.iter().skip(1)).filter(|(_, next)| next.offset <= same).count();
        prop_assert!(entries.len() >= untouched);
        prop_assert_eq!(&entries[..untouched], &all[..untouched]);
        if let Some(failed) = failed {
            prop_assert!(failed.offset <= bytes.len() as u64);
        }
    }
}
