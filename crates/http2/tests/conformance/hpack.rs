//! RFC 7541 as seen on a connection, and its state after any outcome of a request.

use super::{
    raw::{Expect::*, *},
    side::{Limits, server, server_with},
    streams::table,
};

#[tokio::test]
async fn invalid_blocks_end_the_connection() {
    let with = |more: &[u8]| frame(HEADERS, WHOLE, 1, &[&post("/silent", &[]), more].concat());
    const COMPRESSION: Expect = End(&[COMPRESSION_ERROR]);
    table(&[
        ("index 0", with(&[0x80]), COMPRESSION),
        ("an index beyond the table", with(&[0xbe]), COMPRESSION),
        ("a name's index beyond the table", with(&[0x7f, 0x40, 1, b'v']), COMPRESSION),
        ("an endless integer", with(&[0xff; 40]), COMPRESSION),
        ("an integer too large", with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), COMPRESSION),
        ("a block that ends in an integer", with(&[0xff, 0x80]), COMPRESSION),
        ("a block that ends in a string", with(&[0, 5, b'x', b'-']), COMPRESSION),
        ("a block that ends before a value", with(&[0, 3, b'x', b'-', b'a']), COMPRESSION),
        ("a string longer than any block", with(&[0, 0x7f, 0xff, 0xff, 0xff, 0x7f]), COMPRESSION),
        ("EOS in a string", with(&[0, 3, b'x', b'-', b'a', 0x84, 0xff, 0xff, 0xff, 0xff]), COMPRESSION),
        ("padding of a byte", with(&[0, 3, b'x', b'-', b'a', 0x82, 0x1f, 0xff]), COMPRESSION),
        ("padding of zeros", with(&[0, 3, b'x', b'-', b'a', 0x81, 0x18]), COMPRESSION),
        (
            "a table larger than announced",
            frame(HEADERS, WHOLE, 1, &[&[0x3f, 0xe2, 0xff, 0x7f][..], &post("/echo", &[])].concat()),
            COMPRESSION,
        ),
        ("a size update in the middle", with(&[0x20]), COMPRESSION),
        (
            "in a block of trailers",
            [frame(HEADERS, END_HEADERS, 1, &post("/silent", &[])), frame(HEADERS, WHOLE, 1, &[0xbe])]
                .concat(),
            COMPRESSION,
        ),
        (
            "in CONTINUATION",
            [
                frame(HEADERS, END_STREAM, 1, &post("/silent", &[])),
                frame(CONTINUATION, END_HEADERS, 1, &[0xbe]),
            ]
            .concat(),
            COMPRESSION,
        ),
    ])
    .await;
}

/// A block for `/show`, with the field at this index of the table.
fn show(index: u8) -> Vec<u8> {
    [&post("/show", &[]), &[0x80 | index][..]].concat()
}

#[tokio::test]
async fn fields_of_rejected_requests_enter_the_table() {
    let kept = literal(0x40, &("x-kept", "yes"));
    let plain = |path: &str| [&post(path, &[]), &kept[..]].concat();
    let with = |more: &[(&str, &str)]| [&post("/echo", more), &kept[..]].concat();
    let long = "v".repeat(6_000);
    let bodies: [(&str, Vec<u8>); 10] = [
        ("answered", frame(HEADERS, WHOLE, 3, &plain("/echo"))),
        ("without :path", frame(HEADERS, WHOLE, 3, &[block(&[(":method", "GET")]), kept.clone()].concat())),
        ("with an upper-case name", frame(HEADERS, WHOLE, 3, &with(&[("X-Upper", "1")]))),
        ("with a connection header", frame(HEADERS, WHOLE, 3, &with(&[("connection", "close")]))),
        ("too long", frame(HEADERS, WHOLE, 3, &with(&[("x-long", &long)]))),
        (
            "too long, but for its end",
            frame(HEADERS, WHOLE, 3, &[&kept[..], &post("/echo", &[("x-long", &long)])].concat()),
        ),
        ("reset by the server", frame(HEADERS, WHOLE, 3, &plain("/reset/8"))),
        (
            "reset by the client",
            [frame(HEADERS, END_HEADERS, 3, &plain("/silent")), reset(3, CANCEL)].concat(),
        ),
        ("refused", [open(3), frame(HEADERS, WHOLE, 5, &plain("/silent")), reset(3, CANCEL)].concat()),
        ("trailers", [open(3), frame(HEADERS, WHOLE, 3, &kept), reset(3, CANCEL)].concat()),
    ];
    let limits = Limits { streams: Some(2), header_list: Some(4_096), ..Limits::default() };
    let address = server_with(limits).await.address;
    for (name, bytes) in bodies {
        let mut raw = Raw::connect(address, &[]).await;
        raw.send(&[open(1), bytes].concat()).await;
        raw.settled().await;
        raw.send(&frame(HEADERS, WHOLE, 7, &show(62))).await;
        let shown = String::from_utf8(raw.answer(7).await).unwrap();
        assert!(shown.contains("x-kept: yes\n"), "{name}: {shown}");
    }
}

fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &post("/silent", &[]))
}

#[tokio::test]
async fn too_long_header_lists_cost_only_their_request() {
    let limits = Limits { header_list: Some(4_096), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[]).await;
    raw.send(&frame(HEADERS, END_HEADERS, 1, &post("/silent", &[]))).await;
    let long = "v".repeat(6_000);
    raw.send(&frame(HEADERS, WHOLE, 3, &post("/echo", &[("x-long", &long)]))).await;
    let last = raw.stream(3).await.pop().expect("an answer");
    // A status outside of the static table, or a reset.
    assert!(last.kind == RESET || last.kind == HEADERS && last.payload[0] & 0x80 == 0, "{last:?}");
    raw.send(&frame(HEADERS, WHOLE, 1, &block(&[("x-long", &long)]))).await;
    let verdict = raw.verdict(1).await;
    assert!(matches!(verdict, Verdict::Reset(_)), "{verdict:?}");
    raw.send(&frame(HEADERS, WHOLE, 5, &post("/show", &[]))).await;
    assert!(raw.answer(5).await.starts_with(b"POST "));
}

#[tokio::test]
async fn too_many_fields_cost_only_their_request() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let fields = |count| [&post("/show", &[]), &literal(0x40, &("a", "b"))[..], &vec![0xbe; count]].concat();
    raw.write(HEADERS, END_HEADERS, 1, &post("/echo", &[])).await;
    raw.exactly(1, 0).await;
    raw.write(HEADERS, WHOLE, 3, &fields(1_500)).await;
    let answer = raw.stream(3).await;
    let [head] = &answer[..] else { panic!("{} frames", answer.len()) };
    assert!(head.ends_stream() && head.payload.ends_with(b"431"), "{head:?}");
    raw.write(HEADERS, WHOLE, 5, &fields(900)).await;
    let shown = String::from_utf8(raw.answer(5).await).unwrap();
    assert_eq!(shown.matches("a: b\n").count(), 901);
    raw.data(1, b"alive", true).await;
    assert_eq!(raw.rest(1).await, b"alive");
}

#[tokio::test]
async fn the_table_follows_its_size() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let emptied =
        [&[0x20, 0x3f, 0xe1, 0x1f][..], &post("/show", &[]), &literal(0x40, &("x-new", "1"))].concat();
    for (stream, block) in [
        (1, [&post("/show", &[]), &literal(0x40, &("x-old", "1"))[..]].concat()),
        (3, emptied),
        (5, [&post("/show", &[]), &literal(0x40, &("x-newer", "1"))[..]].concat()),
    ] {
        raw.send(&frame(HEADERS, WHOLE, stream, &block)).await;
        raw.answer(stream).await;
    }
    for (stream, index, field) in [(7, 62, "x-newer: 1\n"), (9, 63, "x-new: 1\n")] {
        raw.send(&frame(HEADERS, WHOLE, stream, &show(index))).await;
        let shown = String::from_utf8(raw.answer(stream).await).unwrap();
        assert!(shown.contains(field), "{shown}");
    }
    raw.send(&frame(HEADERS, WHOLE, 11, &show(64))).await;
    assert_eq!(raw.verdict(11).await, Verdict::Ended(Some(COMPRESSION_ERROR)));
}

#[tokio::test]
async fn strings_are_decoded() {
    let mut raw = Raw::connect(server().await, &[]).await;
    // RFC 7541, C.4.1 and C.4.3: www.example.com and custom-key: custom-value.
    let authority = [0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let custom = [
        0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8,
        0xe8, 0xb4, 0xbf,
    ];
    let path = block(&[(":path", "/show")]);
    raw.send(&frame(HEADERS, WHOLE, 1, &[&[0x83, 0x86], &path[..], &authority, &custom].concat())).await;
    let shown = String::from_utf8(raw.answer(1).await).unwrap();
    assert_eq!(shown, "POST http://www.example.com/show\ncustom-key: custom-value\n");
}

#[tokio::test]
async fn the_encoder_respects_its_peers_table_size() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let request = post("/early", &[("x-one", "one"), ("x-two", "two")]);
    for (stream, size) in [(1, None), (3, Some(0)), (5, None), (7, Some(100)), (9, None)] {
        if let Some(size) = size {
            raw.send(&settings(&[(HEADER_TABLE_SIZE, size)])).await;
            raw.settled().await;
        }
        raw.send(&frame(HEADERS, WHOLE, stream, &request)).await;
        for frame in raw.stream(stream).await.into_iter().filter(|frame| frame.kind == HEADERS) {
            let (sizes, indices) = walk(&frame.payload);
            if stream == 3 && frame.flags & END_STREAM == 0 {
                assert_eq!(sizes.first(), Some(&0), "{frame:?}");
            }
            assert!(!matches!(stream, 3 | 5) || indices.iter().all(|index| *index < 62), "{frame:?}");
            assert!(sizes.iter().all(|size| *size <= 4_096), "{frame:?}");
        }
    }
}

/// The size updates of a block, and the indices that it uses.
fn walk(mut block: &[u8]) -> (Vec<usize>, Vec<usize>) {
    let (mut sizes, mut indices) = (Vec::new(), Vec::new());
    while let Some(first) = block.first().copied() {
        let (prefix, strings) = match first {
            0x80.. => (7, 0),
            0x40.. => (6, 1),
            0x20.. => (5, 0),
            _ => (4, 1),
        };
        let value = integer(&mut block, prefix);
        if prefix == 5 {
            sizes.push(value);
            continue;
        }
        indices.push(value);
        for _ in 0..if strings == 1 && value == 0 { 2 } else { strings } {
            let len = integer(&mut block, 7);
            block = &block[len..];
        }
    }
    (sizes, indices)
}

fn integer(block: &mut &[u8], prefix: u32) -> usize {
    let mut next = || {
        let (first, rest) = block.split_first().expect("an integer is whole");
        *block = rest;
        usize::from(*first)
    };
    let most = (1 << prefix) - 1;
    let mut value = next() & most;
    if value == most {
        for shift in (0..).step_by(7) {
            let more = next();
            value += (more & 0x7f) << shift;
            if more & 0x80 == 0 {
                break;
            }
        }
    }
    value
}
