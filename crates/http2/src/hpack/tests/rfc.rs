//! The examples of RFC 7541, appendix C; C.1 is tested with the integers.

use super::*;

type Texts<'a> = &'a [(&'a str, &'a str)];

const DATE: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const LATER: &str = "Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION: &str = "https://www.example.com";
const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/// C.3 and C.4: the fields of each block, the dynamic table behind it, and its size.
const REQUESTS: [(Texts, Texts, usize); 3] = [
    (
        &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
        &[(":authority", "www.example.com")],
        57,
    ),
    (
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
        &[("cache-control", "no-cache"), (":authority", "www.example.com")],
        110,
    ),
    (
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
        &[("custom-key", "custom-value"), ("cache-control", "no-cache"), (":authority", "www.example.com")],
        164,
    ),
];

/// C.5 and C.6, with a table of 256 bytes.
const RESPONSES: [(Texts, Texts, usize); 3] = [
    (
        &[(":status", "302"), ("cache-control", "private"), ("date", DATE), ("location", LOCATION)],
        &[("location", LOCATION), ("date", DATE), ("cache-control", "private"), (":status", "302")],
        222,
    ),
    (
        &[(":status", "307"), ("cache-control", "private"), ("date", DATE), ("location", LOCATION)],
        &[(":status", "307"), ("location", LOCATION), ("date", DATE), ("cache-control", "private")],
        222,
    ),
    (
        &[
            (":status", "200"),
            ("cache-control", "private"),
            ("date", LATER),
            ("location", LOCATION),
            ("content-encoding", "gzip"),
            ("set-cookie", COOKIE),
        ],
        &[("set-cookie", COOKIE), ("content-encoding", "gzip"), ("date", LATER)],
        215,
    ),
];

/// C.3.
const PLAIN_REQUESTS: [&str; 3] = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
];

/// C.4.
const HUFFMAN_REQUESTS: [&str; 3] = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];

/// C.5.
const PLAIN_RESPONSES: [&str; 3] = [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 \
     474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 \
     666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 \
     3630 303b 2076 6572 7369 6f6e 3d31",
];

/// C.6.
const HUFFMAN_RESPONSES: [&str; 3] = [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 \
     63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 \
     b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
];

/// A size update to 256 bytes, which the examples assume from the start.
const SIZE_256: &str = "3fe1 01";

fn check(decoder: &mut Decoder, blocks: [&str; 3], expected: [(Texts, Texts, usize); 3]) {
    for (block, (list, table, size)) in blocks.into_iter().zip(expected) {
        let counted = list.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert_eq!(decode(decoder, &hex(block)), Ok((fields(list), counted)));
        assert_eq!(decoder.dynamic(), (fields(table), size));
    }
}

#[test]
fn c_2_representations() {
    for (block, name, value, indexed) in [
        (
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key",
            "custom-header",
            true,
        ),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path", "/sample/path", false),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password", "secret", false),
        ("82", ":method", "GET", false),
    ] {
        let mut decoder = Decoder::new(4096);
        let (list, counted) = decode(&mut decoder, &hex(block)).unwrap();
        let size = name.len() + value.len() + 32;
        assert_eq!((&list[..], counted), (&[field(name, value)][..], size));
        assert_eq!(decoder.dynamic(), if indexed { (list, size) } else { (vec![], 0) });
    }
}

#[test]
fn c_2_3_never_indexed_literals_are_sensitive() {
    let block = hex("1008 7061 7373 776f 7264 0673 6563 7265 74");
    let (list, _) = decode(&mut Decoder::new(4096), &block).unwrap();
    assert!(matches!(&list[..], [Field::Header(_, value)] if value.is_sensitive()));
    assert_eq!(encode(&mut Encoder::default(), &list)[..], block);
}

#[test]
fn c_3_requests() {
    check(&mut Decoder::new(4096), PLAIN_REQUESTS, REQUESTS);
}

#[test]
fn c_4_requests_with_huffman_coding() {
    check(&mut Decoder::new(4096), HUFFMAN_REQUESTS, REQUESTS);
}

#[test]
fn c_5_responses() {
    let mut decoder = Decoder::new(256);
    decode(&mut decoder, &hex(SIZE_256)).unwrap();
    check(&mut decoder, PLAIN_RESPONSES, RESPONSES);
}

#[test]
fn c_6_responses_with_huffman_coding() {
    let mut decoder = Decoder::new(256);
    decode(&mut decoder, &hex(SIZE_256)).unwrap();
    check(&mut decoder, HUFFMAN_RESPONSES, RESPONSES);
}

#[test]
fn c_3_is_encoded_as_in_the_rfc() {
    let mut encoder = Encoder::default();
    for (block, (list, _, size)) in PLAIN_REQUESTS.into_iter().zip(REQUESTS) {
        assert_eq!(encode(&mut encoder, &fields(list))[..], hex(block));
        assert_eq!(encoder.extent().1, size);
    }
}

#[test]
fn encoded_examples_are_decoded() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new(4096));
    encoder.set_max_size(256);
    for (list, ..) in REQUESTS.into_iter().chain(RESPONSES) {
        let block = encode(&mut encoder, &fields(list));
        assert_eq!(decode(&mut decoder, &block).unwrap().0, fields(list));
        let (entries, size) = decoder.dynamic();
        assert_eq!(encoder.extent(), (entries.len(), size));
        assert!(size <= 256);
    }
}

#[test]
fn every_static_entry_has_its_index() {
    let mut decoder = Decoder::new(4096);
    for (index, (name, value)) in (1..).zip(crate::hpack::static_table::TEXTS) {
        let (list, size) = decode(&mut decoder, &[0x80 | index]).unwrap();
        assert_eq!((list, size), (fields(&[(name, value)]), name.len() + value.len() + 32));
        // A name without a value would not be a valid pseudo-header.
        if index > 1 {
            assert_eq!(
                encode(&mut Encoder::default(), &fields(&[(name, value)]))[..],
                [0x80 | index],
                "{name}"
            );
        }
    }
}
