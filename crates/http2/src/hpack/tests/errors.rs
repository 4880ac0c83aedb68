//! Errors of blocks, and malformed messages.

use super::*;

/// `x: ` and a value of 1 byte, indexed.
const SHORT: &[u8] = b"\x40\x01x\x01v";

fn error(block: &[u8]) -> DecodeError {
    decode(&mut Decoder::new(4096), block).unwrap_err()
}

#[test]
fn a_field_ends_in_its_block() {
    for len in 1..SHORT.len() {
        assert_eq!(error(&SHORT[..len]), DecodeError::Truncated, "{len}");
    }
    assert_eq!(error(&[0x04, 0x85, 0x07]), DecodeError::Truncated);
    assert_eq!(error(&[0x7f]), DecodeError::Truncated);
}

#[test]
fn an_index_is_that_of_an_entry() {
    assert_eq!(error(&[0x80]), DecodeError::Index { index: 0, last: 61 });
    assert_eq!(error(&[0x80 | 62]), DecodeError::Index { index: 62, last: 61 });
    for pattern in [0x40, 0x00, 0x10] {
        let prefix = if pattern == 0x40 { 6 } else { 4 };
        let mut block = BytesMut::new();
        crate::hpack::integer::encode(63, pattern, prefix, &mut block);
        block.extend_from_slice(b"\x01v");
        assert_eq!(error(&block), DecodeError::Index { index: 63, last: 61 });
        assert_eq!(error(&[SHORT, &block].concat()), DecodeError::Index { index: 63, last: 62 });
        assert!(decode(&mut Decoder::new(4096), &[SHORT, SHORT, &block].concat()).is_ok());
    }
}

#[test]
fn an_integer_does_not_overflow() {
    assert_eq!(error(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), DecodeError::Integer);
    assert_eq!(error(&[0x04, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f]), DecodeError::Integer);
}

#[test]
fn a_huffman_code_is_whole() {
    assert_eq!(error(&[0x04, 0x81, 0x06]), DecodeError::Huffman);
    assert_eq!(error(&[0x00, 0x82, 0x07, 0xff, 0x00]), DecodeError::Huffman);
}

#[test]
fn a_size_update_comes_first() {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, &[0x20, 0x3f, 0xe1, 0x01, 0x82]).unwrap().0, [field(":method", "GET")]);
    assert_eq!(error(&[0x82, 0x20]), DecodeError::LateSize);
    assert_eq!(error(&[SHORT, &[0x20]].concat()), DecodeError::LateSize);
}

#[test]
fn a_size_update_is_within_what_was_announced() {
    let update = |size| {
        let mut block = BytesMut::new();
        crate::hpack::integer::encode(size, 0x20, 5, &mut block);
        block
    };
    assert!(decode(&mut Decoder::new(4096), &update(4096)).is_ok());
    assert_eq!(error(&update(4097)), DecodeError::Size { size: 4097, max: 4096 });
    assert!(decode(&mut Decoder::new(65536), &update(65536)).is_ok());
    assert!(decode(&mut Decoder::new(0), &update(0)).is_ok());
    assert!(decode(&mut Decoder::new(0), &update(1)).is_err());
}

#[test]
fn an_entry_bigger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &[&[0x3f, 0x03], SHORT].concat()).unwrap();
    assert_eq!(decoder.dynamic(), (vec![field("x", "v")], 34));
    assert_eq!(decode(&mut decoder, b"\x40\x01x\x02vv").unwrap(), (vec![field("x", "vv")], 35));
    assert_eq!(decoder.dynamic(), (vec![], 0));
}

#[test]
fn a_name_may_refer_to_its_evicted_entry() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &[&[0x3f, 0x03], SHORT].concat()).unwrap();
    assert_eq!(decode(&mut decoder, b"\x7e\x01w").unwrap(), (vec![field("x", "w")], 34));
    assert_eq!(decoder.dynamic(), (vec![field("x", "w")], 34));
}

#[test]
fn forbidden_fields_are_malformed() {
    for (name, value) in [
        ("Grpc-Status", "0"),
        ("HOST", "x"),
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("\"", "x"),
        (":", "x"),
        (":version", "2"),
        (":Path", "/"),
        ("n\u{e4}me", "x"),
        ("name", "a\nb"),
        ("name", "a\0b"),
        ("name", "\u{7f}"),
        (":method", ""),
        (":method", "GE T"),
        (":status", "20"),
        (":status", "2000"),
        (":status", "abc"),
        (":status", "099"),
        (":path", "/\r\n"),
        (":authority", "\0"),
    ] {
        let mut block = vec![0x40, name.len() as u8];
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
        block.push(0x80 | 62);
        let mut decoder = Decoder::new(4096);
        let size = name.len() + value.len() + 32;
        assert_eq!(
            decode(&mut decoder, &block),
            Ok((vec![Field::Malformed, Field::Malformed], size * 2)),
            "{name:?}: {value:?}"
        );
        assert_eq!(decoder.dynamic(), (vec![Field::Malformed], size));
    }
}

#[test]
fn a_malformed_value_leaves_its_name_usable() {
    for (name, bad, good) in [("x", "\n", "v"), (":status", "0", "201"), (":path", "\0", "/v")] {
        let mut block = vec![0x40, name.len() as u8];
        block.extend(name.as_bytes());
        block.push(bad.len() as u8);
        block.extend(bad.as_bytes());
        block.extend([0x7e, good.len() as u8]);
        block.extend(good.as_bytes());
        let (list, _) = decode(&mut Decoder::new(4096), &block).unwrap();
        assert_eq!(list, [Field::Malformed, field(name, good)]);
    }
}

#[test]
fn opaque_bytes_pass() {
    let (list, _) = decode(&mut Decoder::new(4096), b"\x00\x01x\x03\xff\xfe\t").unwrap();
    let value = HeaderValue::from_bytes(b"\xff\xfe\t").unwrap();
    assert_eq!(list, [Field::Header(HeaderName::from_static("x"), value)]);
}
