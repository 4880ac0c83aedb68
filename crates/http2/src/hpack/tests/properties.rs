//! The encoder against the decoder, what the encoder enters in its table, and arbitrary blocks.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// Fields that repeat and fields that do not, short ones and ones as long as the table.
fn any_field() -> impl Strategy<Value = (String, String, bool)> {
    let name = prop_oneof![
        8 => select(vec!["te", "content-type", "grpc-timeout", "x-session", "date", "accept-encoding", "x-request-id"])
            .prop_map(str::to_owned),
        1 => "[a-z][a-z0-9_.-]{0,70}",
    ];
    let value = prop_oneof![
        8 => select(vec!["", "trailers", "application/grpc", "gzip, deflate", "1", "2", "3"]).prop_map(str::to_owned),
        2 => "[ -~]{0,300}",
        1 => (0..5000usize).prop_map(|len| "v".repeat(len)),
    ];
    let header = (name, value, prop::bool::weighted(0.1));
    let pseudo = select(vec![
        (":method", "GET"),
        (":method", "PATCH"),
        (":scheme", "https"),
        (":scheme", "ftp"),
        (":path", "/"),
        (":path", "/a.B/C"),
        (":authority", "localhost:50051"),
        (":status", "200"),
        (":status", "418"),
    ]);
    let pseudo = pseudo.prop_map(|(name, value)| (name.to_owned(), value.to_owned(), false));
    prop_oneof![3 => header, 1 => pseudo]
}

/// Changes of the table's size, and the fields behind them.
type Block = (Vec<usize>, Vec<(String, String, bool)>);

fn any_block() -> impl Strategy<Value = Block> {
    let sizes = vec(prop_oneof![Just(0), 0..300usize, 0..5000usize, Just(4096)], 0..3);
    (prop_oneof![3 => Just(vec![]), 1 => sizes], vec(any_field(), 0..20))
}

fn made((name, value, sensitive): &(String, String, bool)) -> Field {
    let mut field = field(name, value);
    if let Field::Header(_, value) = &mut field {
        value.set_sensitive(*sensitive);
    }
    field
}

fn sensitive(fields: &[Field]) -> Vec<bool> {
    fields.iter().map(|field| matches!(field, Field::Header(_, value) if value.is_sensitive())).collect()
}

proptest! {
    #[test]
    fn encoded_input_is_decoded(blocks in vec(any_block(), 1..20)) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new(4096));
        for (sizes, fields) in &blocks {
            for size in sizes {
                encoder.set_max_size(*size);
            }
            let expected: Vec<Field> = fields.iter().map(made).collect();
            let block = encode(&mut encoder, &expected);
            let (list, counted) = decode(&mut decoder, &block).unwrap();
            prop_assert_eq!(sensitive(&list), sensitive(&expected));
            prop_assert_eq!(list, expected);
            let sizes = fields.iter().map(|(name, value, _)| name.len() + value.len() + 32);
            prop_assert_eq!(counted, sizes.sum::<usize>());
            let (entries, size) = decoder.dynamic();
            prop_assert_eq!(encoder.extent(), (entries.len(), size));
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(blocks in vec(any::<Vec<u8>>(), 1..10)) {
        let mut decoder = Decoder::new(256);
        for block in blocks {
            let _ = decode(&mut decoder, &block);
            prop_assert!(decoder.dynamic().1 <= 4096);
        }
    }

    /// A few paths, in either coding, that repeat in any order.
    #[test]
    fn a_repeated_literal_path_is_decoded_the_same(
        calls in vec((0..40usize, any::<bool>(), prop::bool::weighted(0.1)), 0..200)
    ) {
        let mut decoder = Decoder::new(4096);
        for (number, huffman, malformed) in calls {
            let path = format!("/{number:0width$}{}", if malformed { "\n" } else { "" }, width = number % 4 * 100 + 2);
            let mut block = BytesMut::from(&[0x04][..]);
            let text = if huffman { crate::hpack::huffman::tests::encode(path.as_bytes()) } else { path.clone().into() };
            crate::hpack::integer::encode(text.len(), if huffman { 0x80 } else { 0 }, 7, &mut block);
            block.extend_from_slice(&text);
            prop_assert_eq!(decode(&mut decoder, &block), Ok((vec![field(":path", &path)], path.len() + 37)));
            prop_assert_eq!(decoder.dynamic().1, 0);
        }
    }

    /// Bytes that are more likely to make fields than random ones.
    #[test]
    fn likely_bytes_are_decoded_or_refused(
        block in vec(select(vec![0x00, 0x01, 0x02, 0x10, 0x20, 0x3f, 0x40, 0x7e, 0x82, 0x85, 0xbe, 0xbf, 0xff]), 0..200)
    ) {
        let _ = decode(&mut Decoder::new(256), &block);
    }
}

fn encoded(encoder: &mut Encoder, (name, value): &(HeaderName, HeaderValue)) -> Vec<u8> {
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    encoder.header(name, value, &mut out);
    out.to_vec()
}

#[test]
fn a_second_time_is_an_index() {
    let mut encoder = Encoder::default();
    let (first, second) = (header("authorization", "Bearer t"), header("x-session", "s"));
    assert_eq!(encoded(&mut encoder, &first), b"\x57\x08Bearer t");
    assert_eq!(encoded(&mut encoder, &second), b"\x40\x09x-session\x01s");
    assert_eq!(encoded(&mut encoder, &first), [0x80 | 63]);
    assert_eq!(encoded(&mut encoder, &second), [0x80 | 62]);
    assert_eq!(encoded(&mut encoder, &header("x-session", "t")), b"\x7e\x01t");
}

#[test]
fn a_sensitive_value_is_never_indexed() {
    let mut encoder = Encoder::default();
    let (name, mut value) = header("x-session", "s");
    encoded(&mut encoder, &(name.clone(), value.clone()));
    value.set_sensitive(true);
    assert_eq!(encoded(&mut encoder, &(name, value.clone())), b"\x1f\x2f\x01s");
    assert_eq!(encoded(&mut encoder, &(http::header::AUTHORIZATION, value)), b"\x1f\x08\x01s");
    assert_eq!(encoder.extent().0, 1);
}

#[test]
fn a_value_that_changes_is_not_indexed() {
    let mut encoder = Encoder::default();
    for _ in 0..2 {
        assert_eq!(encoded(&mut encoder, &header("content-length", "12")), b"\x0f\x0d\x0212");
        assert_eq!(encoder.extent().0, 0);
    }
}

#[test]
fn new_names_enter_the_table_with_their_value() {
    let mut encoder = Encoder::default();
    assert_eq!(encoded(&mut encoder, &header("grpc-timeout", "9S")), b"\x40\x0cgrpc-timeout\x029S");
    assert_eq!(encoded(&mut encoder, &header("grpc-timeout", "8S")), b"\x0f\x2f\x028S");
    assert_eq!(encoder.extent().0, 1);
}

#[test]
fn fields_as_large_as_the_table_stay_unindexed() {
    let mut encoder = Encoder::default();
    encoded(&mut encoder, &header("x", &"v".repeat(3072 - 33)));
    assert_eq!(encoder.extent(), (1, 3072));
    encoded(&mut encoder, &header("y", &"v".repeat(3072 - 32)));
    assert_eq!(encoder.extent(), (1, 3072));
}

#[test]
fn size_changes_are_sent_once_smallest_first() {
    let mut encoder = Encoder::default();
    let mut said = |sizes: &[usize]| {
        for size in sizes {
            encoder.set_max_size(*size);
        }
        let mut out = BytesMut::new();
        encoder.begin(&mut out);
        out.to_vec()
    };
    assert_eq!(said(&[]), []);
    assert_eq!(said(&[4096, 65536]), []);
    assert_eq!(said(&[0]), [0x20]);
    assert_eq!(said(&[]), []);
    assert_eq!(said(&[30, 10, 20]), [0x2a, 0x34]);
    assert_eq!(said(&[65536]), [0x3f, 0xe1, 0x1f]);
    assert_eq!(said(&[100, 4096]), [0x3f, 0x45, 0x3f, 0xe1, 0x1f]);
}
